/* The wanted blocks, in an order in which the windows of a scan are looked up. Once made, only `where`
 * changes, and that by single atomic steps: any number of threads may search at the same time. */
#ifndef PYZSYNC_WANTED_H
#define PYZSYNC_WANTED_H

#include <stdatomic.h>

#include "common.h"

/* Wanted blocks with equal weak and equal strong are one distinct block. These lie in the order of
 * (weak, strong), so that a run of equal sums is a group. All are found by bisection in the end, so that
 * no crafted set of hashes makes a long chain. */
struct wanted {
    const uint8_t *strong; /* the caller's: width bytes for each wanted block */
    size_t width, block;
    uint32_t block_power; /* B**block */
    uint32_t count;       /* wanted blocks */
    uint32_t distinct;
    uint32_t *which;        /* [count] the distinct block that each wanted one is */
    uint32_t *sums;         /* [distinct] ascending */
    uint32_t *sample;       /* [distinct] one of the wanted blocks that it is */
    _Atomic int64_t *where; /* [distinct] the least offset where it was found, or NOWHERE */
    _Atomic int64_t pending; /* distinct blocks that were found nowhere */
    uint32_t *directory;     /* the first place whose sum's leading bits are the index or more */
    int directory_shift;
    uint32_t *filter; /* see `passes` */
    int filter_shift;
    uint32_t *second; /* see `passes_again`; NULL where it would not pay */
};

#define NOWHERE INT64_MAX

/* A word of the filter is chosen by a sum's leading bits, and in it three bits by this product's: a sum that
 * is wanted has them all set. Three bits in one word let a tenth as many by as one would in as much memory,
 * and cost one access. */
#define FILTER_MIX UINT32_C(0x9E3779B1)

static inline bool passes(const struct wanted *w, uint32_t sum)
{
    uint32_t mix = sum * FILTER_MIX, word = w->filter[sum >> w->filter_shift];
    return word << (mix >> 27) & word << (mix >> 22 & 31) & word << (mix >> 17 & 31) & UINT32_C(1) << 31;
}

/* Where millions of blocks are wanted, one window in sixty passes the filter by chance, and to look each up
 * is a wait for the main memory. So they are asked for in another filter first, that is independent. */
#define SECOND_BITS 19
#define SECOND_MIX UINT32_C(0x85EBCA6B)

static inline uint32_t second_word(uint32_t sum)
{
    return sum * SECOND_MIX >> (32 - SECOND_BITS);
}

static inline uint32_t second_mask(uint32_t sum)
{
    uint32_t mix = (sum ^ sum >> 15) * SECOND_MIX * FILTER_MIX;
    return UINT32_C(1) << (mix >> 27) | UINT32_C(1) << (mix >> 22 & 31);
}

static inline bool passes_again(const struct wanted *w, uint32_t sum)
{
    return (~w->second[second_word(sum)] & second_mask(sum)) == 0;
}

/* False if there is no memory. `w` is all zero but for strong, width, block and count; `weak` has four
 * bytes for each wanted block. To be freed in either case. */
bool make_wanted(struct wanted *w, const uint8_t *weak);
void free_wanted(struct wanted *w);

/* About where the sum would be, as sums are spread evenly over a directory entry's. */
static inline uint32_t guess_place(const struct wanted *w, uint32_t sum)
{
    const uint32_t *entry = w->directory + (sum >> w->directory_shift);
    uint64_t within = (uint32_t)((uint64_t)sum << (32 - w->directory_shift));
    return entry[0] + (uint32_t)((entry[1] - entry[0]) * within >> 32);
}

/* Let the memory come nearer that `find_group` will read, `find_strong` first, and then. Where millions of
 * blocks are wanted, each of these is a wait for the main memory, unless many are under way at once. */
static inline void fetch_group(const struct wanted *w, uint32_t sum)
{
    __builtin_prefetch(w->sums + guess_place(w, sum));
}

static inline void fetch_sample(const struct wanted *w, uint32_t place)
{
    __builtin_prefetch(w->sample + place);
    __builtin_prefetch((const void *)(w->where + place));
}

static inline void fetch_strong(const struct wanted *w, uint32_t place)
{
    __builtin_prefetch(w->strong + w->width * w->sample[place]);
}

/* The first place of the sum's group, or w->distinct if there is none. */
uint32_t find_group(const struct wanted *w, uint32_t sum);

/* The place after the last of `sum`, which has one at `place`. */
uint32_t group_end(const struct wanted *w, uint32_t place, uint32_t sum);

/* The place of the distinct block with this digest in the group at `place`, or w->distinct. */
uint32_t find_strong(const struct wanted *w, uint32_t place, const uint8_t *digest);

/* The distinct block at `place` was found at `offset`. */
void found_at(struct wanted *w, uint32_t place, int64_t offset);

#endif
