/* The weak sum, as pyzsync/weak.py defines it. */
#ifndef PYZSYNC_WEAK_H
#define PYZSYNC_WEAK_H

#include "common.h"

/* B**exponent modulo 2**32. */
uint32_t weak_power(uint64_t exponent);

/* The sum of at most a leaf. */
uint32_t short_sum(const uint8_t *data, size_t size);

/* The sum of `size` bytes, whole leaves. */
uint32_t block_sum(const uint8_t *data, size_t size);

uint32_t leaf_sum_portable(const uint8_t *leaf);
#if WITH_AVX2
uint32_t leaf_sum_avx2(const uint8_t *leaf);
#endif

/* Fills the tables; once, before anything else here is called. */
void weak_tables(void);

#endif
