#include "wanted.h"

#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "weak.h"

enum {
    MIN_FILTER_BITS = 12, /* words: 16 KiB, */
    MAX_FILTER_BITS = 20, /* up to 4 MiB: it should stay in the caches */
    MAX_DIRECTORY_BITS = 16, /* 256 KiB: within an entry, the place is guessed */
    TWICE = 1 << 20,         /* blocks from which on the second filter pays */
    STEPS = 32,              /* places looked at before bisection is quicker */
};

static const uint8_t *strong_at(const struct wanted *w, uint32_t place)
{
    return w->strong + w->width * w->sample[place];
}

/* ---- looking up ---- */

/* The first place of [low, high) whose sum is not below `sum`. */
static uint32_t bisect_sum(const struct wanted *w, uint32_t low, uint32_t high, uint32_t sum)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (w->sums[middle] < sum)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* From the guess a few steps either way, which end almost every search; else bisection. */
uint32_t find_group(const struct wanted *w, uint32_t sum)
{
    const uint32_t *entry = w->directory + (sum >> w->directory_shift);
    uint32_t low = entry[0], high = entry[1], place = guess_place(w, sum);
    for (int i = 0; i < STEPS && place > low && w->sums[place - 1] >= sum; i++)
        place--;
    for (int i = 0; i < STEPS && place < high && w->sums[place] < sum; i++)
        place++;
    bool here = (place == low || w->sums[place - 1] < sum) && (place == high || w->sums[place] >= sum);
    if (!here)
        place = bisect_sum(w, low, high, sum);
    return place < high && w->sums[place] == sum ? place : w->distinct;
}

/* Almost always the next one. */
uint32_t group_end(const struct wanted *w, uint32_t place, uint32_t sum)
{
    if (place + 1 == w->distinct || w->sums[place + 1] != sum)
        return place + 1;
    return sum == UINT32_MAX ? w->distinct : bisect_sum(w, place, w->distinct, sum + 1);
}

uint32_t find_strong(const struct wanted *w, uint32_t place, const uint8_t *digest)
{
    uint32_t low = place, high = group_end(w, place, w->sums[place]), end = high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (memcmp(strong_at(w, middle), digest, w->width) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && memcmp(strong_at(w, low), digest, w->width) == 0 ? low : w->distinct;
}

/* The least offset stays, so that the order in which pieces are scanned makes no difference. */
void found_at(struct wanted *w, uint32_t place, int64_t offset)
{
    int64_t before = atomic_load_explicit(&w->where[place], memory_order_relaxed);
    while (offset < before)
        if (atomic_compare_exchange_weak_explicit(&w->where[place], &before, offset,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            if (before == NOWHERE)
                atomic_fetch_sub_explicit(&w->pending, 1, memory_order_relaxed);
            return;
        }
}

/* ---- making ---- */

/* A sum above the index of a wanted block: sorted as one number. */
typedef uint64_t keyed;

/* Sort by sum, which leaves equal ones in the order of the blocks: a radix sort by 11 bits, least first.
 * Three passes end in `other`. */
static void sort_by_sum(keyed *keys, keyed *other, uint32_t count)
{
    for (int shift = 32; shift < 64; shift += 11) {
        uint32_t next[2049] = {0};
        for (uint32_t i = 0; i < count; i++)
            next[(keys[i] >> shift & 2047) + 1]++;
        for (int value = 0; value < 2047; value++)
            next[value + 1] += next[value];
        for (uint32_t i = 0; i < count; i++)
            other[next[keys[i] >> shift & 2047]++] = keys[i];
        keyed *swap = keys;
        keys = other;
        other = swap;
    }
}

static int compare_strong(const struct wanted *w, keyed a, keyed b)
{
    return memcmp(w->strong + w->width * (uint32_t)a, w->strong + w->width * (uint32_t)b, w->width);
}

/* Let the key at `root` of a heap sink until none below it has a greater strong hash. */
static void sift(const struct wanted *w, keyed *keys, uint32_t root, uint32_t size)
{
    for (uint32_t child; (child = 2 * root + 1) < size; root = child) {
        if (child + 1 < size && compare_strong(w, keys[child], keys[child + 1]) < 0)
            child++;
        if (compare_strong(w, keys[root], keys[child]) >= 0)
            return;
        keyed swap = keys[root];
        keys[root] = keys[child];
        keys[child] = swap;
    }
}

/* Sort keys of equal sums by strong hash. Most such are copies of one block; the rest is heapsort: no
 * crafted order makes it slower, and it needs no memory. */
static void sort_group(const struct wanted *w, keyed *keys, uint32_t size)
{
    uint32_t same = 1;
    while (same < size && compare_strong(w, keys[0], keys[same]) == 0)
        same++;
    if (same == size)
        return;
    for (uint32_t root = size / 2; root-- > 0;)
        sift(w, keys, root, size);
    while (size-- > 1) {
        keyed swap = keys[0];
        keys[0] = keys[size];
        keys[size] = swap;
        sift(w, keys, 0, size);
    }
}

/* Give each distinct block its place, in the order of the sorted keys. */
static void place_blocks(struct wanted *w, keyed *keys)
{
    for (uint32_t start = 0, stop; start < w->count; start = stop) {
        uint32_t sum = (uint32_t)(keys[start] >> 32);
        for (stop = start + 1; stop < w->count && keys[stop] >> 32 == sum; stop++)
            ;
        if (stop - start > 1)
            sort_group(w, keys + start, stop - start);
        for (uint32_t i = start; i < stop; i++) {
            if (i == start || compare_strong(w, keys[i - 1], keys[i]) != 0) {
                w->sums[w->distinct] = sum;
                w->sample[w->distinct++] = (uint32_t)keys[i];
            }
            w->which[(uint32_t)keys[i]] = w->distinct - 1;
        }
    }
}

static void fill_filter(struct wanted *w)
{
    memset(w->filter, 0, sizeof *w->filter << (32 - w->filter_shift));
    for (uint32_t place = 0; place < w->distinct; place++) {
        uint32_t sum = w->sums[place], mix = sum * FILTER_MIX, bits = 0;
        for (int shift = 27; shift >= 17; shift -= 5)
            bits |= UINT32_C(1) << (31 - (mix >> shift & 31));
        w->filter[sum >> w->filter_shift] |= bits;
    }
}

static void fill_second(struct wanted *w)
{
    memset(w->second, 0, sizeof *w->second << SECOND_BITS);
    for (uint32_t place = 0; place < w->distinct; place++)
        w->second[second_word(w->sums[place])] |= second_mask(w->sums[place]);
}

static void fill_directory(struct wanted *w)
{
    uint32_t slots = UINT32_C(1) << (32 - w->directory_shift), place = 0;
    for (uint32_t slot = 0; slot < slots; slot++) {
        while (place < w->distinct && w->sums[place] >> w->directory_shift < slot)
            place++;
        w->directory[slot] = place;
    }
    w->directory[slots] = w->distinct;
}

/* Bits that address at least `count` slots, between `least` and `most`. */
static int bits_for(uint32_t count, int least, int most)
{
    int bits = least;
    while (bits < most && count >> bits)
        bits++;
    return bits;
}

static bool allocate(struct wanted *w)
{
    int filter_bits = bits_for(w->count, MIN_FILTER_BITS, MAX_FILTER_BITS);
    int directory_bits = bits_for(w->count, 1, MAX_DIRECTORY_BITS);
    w->filter_shift = 32 - filter_bits;
    w->directory_shift = 32 - directory_bits;
    w->which = new_table(w->count, sizeof *w->which);
    w->sums = new_table(w->count, sizeof *w->sums);
    w->sample = new_table(w->count, sizeof *w->sample);
    w->where = new_table(w->count, sizeof *w->where);
    w->directory = new_table(((size_t)1 << directory_bits) + 1, sizeof *w->directory);
    w->filter = new_table((size_t)1 << filter_bits, sizeof *w->filter);
    bool twice = w->count >= TWICE;
    w->second = twice ? new_table((size_t)1 << SECOND_BITS, sizeof *w->second) : NULL;
    return w->which && w->sums && w->sample && w->where && w->directory && w->filter &&
           (w->second || !twice);
}

bool make_wanted(struct wanted *w, const uint8_t *weak)
{
    w->block_power = weak_power(w->block);
    keyed *keys = new_table(w->count, 2 * sizeof *keys);
    if (!keys || !allocate(w)) {
        free(keys);
        return false;
    }
    for (uint32_t i = 0; i < w->count; i++)
        keys[i] = (keyed)load32(weak + 4 * (size_t)i) << 32 | i;
    sort_by_sum(keys, keys + w->count, w->count);
    place_blocks(w, keys + w->count);
    free(keys);
    for (uint32_t place = 0; place < w->distinct; place++)
        atomic_init(&w->where[place], NOWHERE);
    atomic_init(&w->pending, w->distinct);
    fill_filter(w);
    if (w->second)
        fill_second(w);
    fill_directory(w);
    return true;
}

void free_wanted(struct wanted *w)
{
    free(w->which);
    free(w->sums);
    free(w->sample);
    free(w->where);
    free(w->directory);
    free(w->filter);
    free(w->second);
}
