#define _DEFAULT_SOURCE
#include "table.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    HUGE = 1 << 21, /* a huge page */
};

void *new_table(size_t count, size_t size)
{
    size_t bytes = (count ? count : 1) * size;
    if (bytes < HUGE)
        return malloc(bytes);
    bytes = (bytes + HUGE - 1) / HUGE * HUGE;
    void *table = aligned_alloc(HUGE, bytes);
#ifdef MADV_HUGEPAGE
    if (table)
        madvise(table, bytes, MADV_HUGEPAGE); /* a wish: without it all works as well */
#endif
    return table;
}
