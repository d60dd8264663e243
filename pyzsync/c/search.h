#ifndef PYZSYNC_SEARCH_H
#define PYZSYNC_SEARCH_H

#include "wanted.h"

/* Scan `size` bytes, whose first has offset `base`, and note in `w` what is found; what lies before offset
 * `done` has been scanned. The number of windows whose strong hash decided, or -1 if there is no memory. */
int64_t search(struct wanted *w, const uint8_t *data, size_t size, int64_t base, int64_t done);

#endif
