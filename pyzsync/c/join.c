/* Old nodes are looked up among the wanted ones, which are often the fewer, in the order of the old file: so
 * the least place comes first. Where files agree, neighbours are neighbours in both, so that the wanted node
 * behind the last find is tried before the table, which is a wait for the main memory. */
#include "join.h"

#include <stdlib.h>
#include <string.h>

#include "table.h"

/* A key is the weak sum and the first four strong bytes. A slot holds the latter, so that it is almost never
 * necessary to look at a node that is another. */
struct slot {
    uint32_t strong, node; /* NO_PLACE: empty */
};

enum {
    MIN_BITS = 4,
    AT_ONCE = 32,         /* nodes whose slots are fetched together */
    MAX_FILTER_BITS = 25, /* 4 MiB */
};

static uint64_t first_seed, factors[2];

void seed_join(const uint8_t *bytes)
{
    first_seed = load64(bytes);
    factors[0] = load64(bytes + 8) | 1;
    factors[1] = load64(bytes + 16) | 1;
}

static inline uint32_t weak_at(const struct rows *rows, uint32_t i)
{
    return load32(rows->weak + 4 * (size_t)i);
}

static inline const uint8_t *strong_at(const struct rows *rows, uint32_t i)
{
    return rows->strong + rows->width * i;
}

/* The first slot to look at. */
static inline uint32_t slot_of(const struct join *join, uint32_t weak, uint32_t strong)
{
    uint64_t mix = ((uint64_t)weak << 32 | strong) ^ first_seed;
    mix *= factors[0];
    mix ^= mix >> 32;
    mix *= factors[1];
    return (uint32_t)(mix >> 32) & join->mask;
}

/* Most old nodes are not wanted where most places are known: a bit for each weak sum says so. */
static inline uint32_t filter_bit(const struct join *join, uint32_t weak)
{
    return weak * UINT32_C(0x9E3779B1) >> join->filter_shift;
}

static inline bool passes(const struct join *join, uint32_t weak)
{
    uint32_t bit = filter_bit(join, weak);
    return join->filter[bit >> 5] >> (bit & 31) & 1;
}

static inline uint64_t differ8(const uint8_t *a, const uint8_t *b)
{
    uint64_t x, y;
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    return x ^ y;
}

/* By the strong bytes that both have. */
static inline bool same_strong(const struct rows *a, uint32_t i, const struct rows *b, uint32_t j)
{
    size_t width = a->width < b->width ? a->width : b->width, at = 0;
    const uint8_t *x = strong_at(a, i), *y = strong_at(b, j);
    uint64_t differ = width < 8 ? (uint64_t)memcmp(x, y, width) : differ8(x + width - 8, y + width - 8);
    for (; at + 8 < width; at += 8)
        differ |= differ8(x + at, y + at);
    return differ == 0;
}

/* The slot of this key, or the empty one where it would be. */
static inline struct slot *find(const struct join *join, uint32_t slot, uint32_t weak, uint32_t strong)
{
    for (;; slot = (slot + 1) & join->mask) {
        struct slot *s = &join->slots[slot];
        if (s->node == NO_PLACE || (s->strong == strong && weak_at(&join->wanted, s->node) == weak))
            return s;
    }
}

/* Fetch the slots of some nodes. */
static void fetch_slots(const struct join *join, const struct rows *rows, const uint32_t *nodes, size_t count,
                        uint32_t *slots)
{
    for (size_t i = 0; i < count; i++) {
        slots[i] = slot_of(join, weak_at(rows, nodes[i]), load32(strong_at(rows, nodes[i])));
        __builtin_prefetch(&join->slots[slots[i]]);
    }
}

/* ---- making ---- */

/* A wanted node whose key is there already is linked if it is equal; else it is not looked for: chance does
 * not make such a pair. */
static void insert(struct join *join, uint32_t node, uint32_t slot)
{
    const struct rows *wanted = &join->wanted;
    uint32_t weak = weak_at(wanted, node), strong = load32(strong_at(wanted, node));
    uint32_t bit = filter_bit(join, weak);
    join->filter[bit >> 5] |= UINT32_C(1) << (bit & 31);
    struct slot *s = find(join, slot, weak, strong);
    if (s->node == NO_PLACE) {
        *s = (struct slot){strong, node};
        atomic_init(&join->places[node], NO_PLACE);
    } else if (same_strong(wanted, node, wanted, s->node))
        atomic_init(&join->places[node], LINK | s->node);
}

static void insert_all(struct join *join, const uint8_t *flags)
{
    uint32_t nodes[AT_ONCE], slots[AT_ONCE];
    for (uint32_t node = 0; node < join->wanted.count;) {
        size_t count = 0;
        for (; node < join->wanted.count && count < AT_ONCE; node++) {
            atomic_init(&join->places[node], NOT_WANTED);
            nodes[count] = node;
            count += flags[node] != 0;
        }
        fetch_slots(join, &join->wanted, nodes, count, slots);
        for (size_t i = 0; i < count; i++)
            insert(join, nodes[i], slots[i]);
    }
}

bool make_join(struct join *join, const uint8_t *flags)
{
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < join->wanted.count; i++)
        wanted += flags[i] != 0;
    int bits = MIN_BITS; /* a quarter of the slots at least stays empty */
    while (((uint64_t)3 << bits) < (uint64_t)4 * wanted)
        bits++;
    join->mask = (uint32_t)(((uint64_t)1 << bits) - 1);
    int filter_bits = bits + 4 < MAX_FILTER_BITS ? bits + 4 : MAX_FILTER_BITS;
    join->filter_shift = 32 - filter_bits;
    join->filter = calloc((size_t)1 << (filter_bits - 5), sizeof *join->filter);
    join->places = new_table(join->wanted.count, sizeof *join->places);
    join->slots = new_table((size_t)1 << bits, sizeof *join->slots);
    if (!join->places || !join->slots || !join->filter)
        return false;
    memset(join->slots, 0xFF, sizeof *join->slots << bits);
    insert_all(join, flags);
    return true;
}

void free_join(struct join *join)
{
    free(join->places);
    free(join->slots);
    free(join->filter);
}

/* ---- feeding ---- */

/* Wanted node `node` is at `place`, and so are those that are equal to it. */
static inline void found_at(struct join *join, uint32_t node, uint32_t place)
{
    _Atomic uint32_t *least = &join->places[node];
    uint32_t before = atomic_load_explicit(least, memory_order_relaxed);
    if (before < NOT_WANTED && before & LINK) {
        least = &join->places[before & ~LINK];
        before = atomic_load_explicit(least, memory_order_relaxed);
    }
    while (place < before)
        if (atomic_compare_exchange_weak_explicit(least, &before, place, memory_order_relaxed,
                                                  memory_order_relaxed))
            return;
}

/* Is old node `i` equal to this node, and that wanted? If it is not, another that is equal may be. */
static inline bool is_next(const struct join *join, uint32_t node, const struct rows *old, uint32_t i)
{
    return node < join->wanted.count && weak_at(&join->wanted, node) == weak_at(old, i) &&
           atomic_load_explicit(&join->places[node], memory_order_relaxed) != NOT_WANTED &&
           same_strong(&join->wanted, node, old, i);
}

/* A wanted node that is equal to old node `i`, or NO_PLACE. */
static uint32_t look_up(const struct join *join, const struct rows *old, uint32_t i, uint32_t slot)
{
    struct slot *s = find(join, slot, weak_at(old, i), load32(strong_at(old, i)));
    return s->node != NO_PLACE && same_strong(&join->wanted, s->node, old, i) ? s->node : NO_PLACE;
}

/* Collect old nodes from `i` on that may be wanted. Returns the one to go on with. */
static uint32_t collect(const struct join *join, const struct rows *old, uint32_t i, uint32_t *nodes, size_t *count)
{
    for (*count = 0; i < old->count && *count < AT_ONCE; i++) {
        nodes[*count] = i;
        *count += passes(join, weak_at(old, i));
    }
    return i;
}

void feed_join(struct join *join, const struct rows *old, uint32_t place)
{
    uint32_t nodes[AT_ONCE], slots[AT_ONCE], next = join->wanted.count;
    for (uint32_t i = 0; i < old->count;) {
        for (; i < old->count && is_next(join, next, old, i); i++, next++)
            found_at(join, next, place + i);
        size_t count;
        i = collect(join, old, i, nodes, &count);
        fetch_slots(join, old, nodes, count, slots);
        next = join->wanted.count;
        for (size_t k = 0; k < count; k++) {
            uint32_t node = look_up(join, old, nodes[k], slots[k]);
            if (node == NO_PLACE)
                continue;
            found_at(join, node, place + nodes[k]);
            next = node + (i - nodes[k]); /* if all between have their places in both files */
        }
    }
}

/* ---- runs ---- */

/* May wanted node `i` take this place? */
static inline bool fits(const struct rows *wanted, uint32_t i, const struct rows *old, uint32_t place)
{
    return place < old->count && weak_at(wanted, i) == weak_at(old, place) && same_strong(wanted, i, old, place);
}

void extend_runs(uint32_t *places, const uint8_t *flags, const struct rows *wanted, const struct rows *old)
{
    for (uint32_t i = 1; i < wanted->count; i++)
        if (places[i] == NO_PLACE && flags[i] && places[i - 1] != NO_PLACE &&
            fits(wanted, i, old, places[i - 1] + 1))
            places[i] = places[i - 1] + 1;
    for (uint32_t i = wanted->count; i-- > 1;) /* before place 0 there is none: it becomes a large number */
        if (places[i - 1] == NO_PLACE && flags[i - 1] && places[i] != NO_PLACE &&
            fits(wanted, i - 1, old, places[i] - 1))
            places[i - 1] = places[i] - 1;
}

uint32_t place_of(const struct join *join, uint32_t node)
{
    uint32_t place = atomic_load_explicit(&join->places[node], memory_order_relaxed);
    if (place < NOT_WANTED && place & LINK)
        place = atomic_load_explicit(&join->places[place & ~LINK], memory_order_relaxed);
    return place == NOT_WANTED ? NO_PLACE : place;
}
