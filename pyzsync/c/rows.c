#include "rows.h"

#include <string.h>

static inline uint64_t differ8(const uint8_t *a, const uint8_t *b)
{
    uint64_t x, y;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    return x ^ y;
}

/* A row of 8 to 16 bytes is two words of 8 that may overlap, and so on: no loop within a row and no jump
 * that depends on the bytes. */
static inline uint64_t differ16(const uint8_t *a, const uint8_t *b, size_t width)
{
    return differ8(a, b) | differ8(a + width - 8, b + width - 8);
}

static inline uint64_t differ32(const uint8_t *a, const uint8_t *b, size_t width)
{
    return differ16(a, b, 16) | differ16(a + width - 16, b + width - 16, 16);
}

void compare_rows(const uint8_t *a, const uint8_t *b, size_t rows, size_t width, uint8_t *same)
{
    const uint8_t *stop = same + rows;
    if (width >= 8 && width <= 16)
        for (; same < stop; a += width, b += width)
            *same++ = differ16(a, b, width) == 0;
    else if (width > 16 && width <= 32)
        for (; same < stop; a += width, b += width)
            *same++ = differ32(a, b, width) == 0;
    else
        for (; same < stop; a += width, b += width)
            *same++ = memcmp(a, b, width) == 0;
}
