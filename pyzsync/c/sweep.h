/* The weak sum of every window, and the few that pass the filter. See struct variant. */
#ifndef PYZSYNC_SWEEP_H
#define PYZSYNC_SWEEP_H

#include "common.h"

size_t sweep_portable(const struct wanted *w, const uint8_t *data, size_t count, uint32_t *sum,
                      struct hit *hits);
#if WITH_AVX2
size_t sweep_avx2(const struct wanted *w, const uint8_t *data, size_t count, uint32_t *sum,
                  struct hit *hits);
#endif
#if WITH_AVX512
size_t sweep_avx512(const struct wanted *w, const uint8_t *data, size_t count, uint32_t *sum,
                    struct hit *hits);
#endif

/* The portable sweep of the windows from `done` on, for variants that sweep whole turns. */
size_t sweep_rest(const struct wanted *w, const uint8_t *data, size_t done, size_t count, uint32_t *sum,
                  struct hit *hits);

#endif
