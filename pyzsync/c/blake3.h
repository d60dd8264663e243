/* BLAKE3 of inputs of one chunk (at most 1024 bytes), from the specification (O'Connor, Aumasson, Neves
 * and Wilcox-O'Hearn, 2020). Leaves have at most 512 bytes, and a node's children at most 128. */
#ifndef PYZSYNC_BLAKE3_H
#define PYZSYNC_BLAKE3_H

#include "common.h"

/* One input of 1 to 1024 bytes. */
void hash_chunk(const uint8_t *data, size_t size, uint8_t digest[DIGEST]);

void hash_chunks_portable(const uint8_t *const *inputs, size_t count, size_t size, uint8_t *digests);
#if WITH_AVX2
void hash_chunks_avx2(const uint8_t *const *inputs, size_t count, size_t size, uint8_t *digests);
#endif
#if WITH_AVX512
void hash_chunks_avx512(const uint8_t *const *inputs, size_t count, size_t size, uint8_t *digests);
#endif

#endif
