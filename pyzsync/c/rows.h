#ifndef PYZSYNC_ROWS_H
#define PYZSYNC_ROWS_H

#include "common.h"

/* same[i] becomes 1 if row i of `a` and of `b`, `width` bytes each, are equal, else 0. */
void compare_rows(const uint8_t *a, const uint8_t *b, size_t rows, size_t width, uint8_t *same);

#endif
