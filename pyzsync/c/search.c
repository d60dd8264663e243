/* The rolling search. A window is tried in three steps, each much rarer than the one before: its sum passes
 * the filter, its sum is wanted, its digest is wanted.
 *
 * Windows are hashed several at once, ahead of the decision whether they are tried at all: a match before
 * them rules out those that it overlaps. Only what is decided counts in `hashed`, and the work done ahead
 * is bounded by what was decided, since a batch grows only while all before it went the same way. */
#include "search.h"

#include <stdlib.h>
#include <string.h>

#include "tree.h"
#include "weak.h"

enum {
    GIVE_UP = 64,       /* windows a weak sum may meet in a scan that are none of its blocks, */
    GIVE_UP_SHIFT = 30, /* and one more for each GiB passed: four times what chance makes */
    VAIN = 16,          /* windows hashed in vain by a scan, */
    VAIN_RATIO = 8,     /* and so many for each block's length passed, */
    VAIN_SHIFT = 31,    /* and twice what chance makes */
    FIRST_SWEEP = 256,  /* windows swept at once after a match; later MOST_SWEEP */
    PATIENCE = 8,       /* leaves that are hashed at once after a sweep: a set of lanes */
    AT_ONCE = 64,       /* windows that are looked up or hashed at once: see tree.c */
};

struct candidate {
    int64_t position;
    uint32_t place; /* of its sum's group */
};

/* How often each group met windows that were none of its blocks: a hash table that grows. */
struct failures {
    struct {
        uint32_t place, count; /* count 0: a free slot */
    } *slots;
    uint32_t used, mask;
};

struct scan {
    struct wanted *w;
    const uint8_t *data;
    int64_t last; /* the last window's position */
    int64_t base;
    uint64_t hashed, vain, vain_ratio;
    struct failures failures;
    bool no_memory;
};

/* ---- the bounds ---- */

static uint32_t slot_of(const struct failures *f, uint32_t place)
{
    uint32_t slot = place * UINT32_C(0x9E3779B1) >> 7 & f->mask;
    while (f->slots[slot].count && f->slots[slot].place != place)
        slot = (slot + 1) & f->mask;
    return slot;
}

static bool grow(struct failures *f)
{
    struct failures bigger = {.mask = f->slots ? 2 * f->mask + 1 : 255, .used = f->used};
    bigger.slots = calloc((size_t)bigger.mask + 1, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (uint32_t i = 0; f->slots && i <= f->mask; i++)
        if (f->slots[i].count)
            bigger.slots[slot_of(&bigger, f->slots[i].place)] = f->slots[i];
    free(f->slots);
    *f = bigger;
    return true;
}

static void count_failure(struct scan *s, uint32_t place)
{
    struct failures *f = &s->failures;
    s->vain++;
    if ((!f->slots || f->used > f->mask / 2) && !grow(f)) {
        s->no_memory = true;
        return;
    }
    uint32_t slot = slot_of(f, place);
    f->used += f->slots[slot].count == 0;
    f->slots[slot].place = place;
    f->slots[slot].count++;
}

/* May a window of this group be hashed? Once the answer is no for a position, it stays no. */
static bool allowed(const struct scan *s, const struct candidate *c)
{
    uint64_t position = (uint64_t)c->position;
    if (s->vain >= VAIN + position / s->w->block * s->vain_ratio)
        return false;
    if (!s->failures.slots)
        return true;
    uint32_t failed = s->failures.slots[slot_of(&s->failures, c->place)].count;
    return failed < GIVE_UP + (position >> GIVE_UP_SHIFT);
}

/* ---- deciding ---- */

/* Is this window, whose digest is known, wanted? */
static bool decide(struct scan *s, const struct candidate *c, const uint8_t *digest)
{
    s->hashed++;
    uint32_t place = find_strong(s->w, c->place, digest);
    if (place == s->w->distinct) {
        count_failure(s, c->place);
        return false;
    }
    found_at(s->w, place, s->base + c->position);
    return true;
}

static void hash_candidates(const struct scan *s, const struct candidate *list, size_t count,
                            uint8_t *digests)
{
    const uint8_t *blocks[AT_ONCE] = {0};
    for (size_t i = 0; i < count; i++) {
        fetch_strong(s->w, list[i].place);
        blocks[i] = s->data + list[i].position;
    }
    hash_blocks(blocks, count, s->w->block, digests);
}

/* Try windows in turn until one is wanted. The position after it, or -1. */
static int64_t settle(struct scan *s, const struct candidate *list, size_t count)
{
    uint8_t digests[PATIENCE * DIGEST];
    hash_candidates(s, list, count, digests);
    for (size_t i = 0; i < count; i++)
        if (allowed(s, &list[i]) && decide(s, &list[i], digests + DIGEST * i))
            return list[i].position + (int64_t)s->w->block;
    return -1;
}

/* ---- looking up ---- */

/* Keep the candidates at the front whose sums are wanted and may be hashed. */
static size_t wanted_front(const struct scan *s, struct candidate *list, const uint32_t *sums, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        list[i].place = find_group(s->w, sums[i]);
        if (list[i].place == s->w->distinct || !allowed(s, &list[i]))
            return i;
        fetch_sample(s->w, list[i].place);
    }
    return count;
}

/* From the end of a match on, try block after block, as long as they are wanted: where files agree, nothing
 * is rolled over. The position where to roll on. */
static int64_t follow(struct scan *s, int64_t position)
{
    const int64_t block = (int64_t)s->w->block;
    const size_t most = blocks_at_once(s->w->block);
    struct candidate list[AT_ONCE];
    uint32_t sums[AT_ONCE];
    uint8_t digests[AT_ONCE * DIGEST];
    for (size_t batch = 1;; batch = 2 * batch < most ? 2 * batch : most) {
        size_t count = 0;
        for (int64_t at = position; count < batch && at <= s->last; at += block) {
            list[count].position = at;
            sums[count] = block_sum(s->data + at, s->w->block);
            if (!passes(s->w, sums[count]))
                break;
            fetch_group(s->w, sums[count++]);
        }
        count = wanted_front(s, list, sums, count);
        if (count == 0)
            return position;
        hash_candidates(s, list, count, digests);
        for (size_t i = 0; i < count; i++, position += block)
            if (!allowed(s, &list[i]) || !decide(s, &list[i], digests + DIGEST * i))
                return position + 1;
        if (count < batch)
            return position;
    }
}

/* Windows that wait to be hashed together. More may wait the longer nothing has matched: what was swept
 * behind a match is swept again. */
struct queue {
    struct candidate list[PATIENCE];
    size_t count, patience;
};

/* Look up what a sweep from `position` let pass. The position after a match, or -1. */
static int64_t try_hits(struct scan *s, struct queue *q, int64_t position, const struct hit *hits,
                        size_t count)
{
    for (size_t i = 0; i < count; i++)
        fetch_group(s->w, hits[i].sum);
    for (size_t i = 0; i < count; i++) {
        struct candidate *c = &q->list[q->count];
        *c = (struct candidate){position + hits[i].at, find_group(s->w, hits[i].sum)};
        if (c->place == s->w->distinct || !allowed(s, c))
            continue;
        fetch_sample(s->w, c->place);
        if (++q->count < q->patience)
            continue;
        int64_t after = settle(s, q->list, q->count);
        if (after >= 0)
            return after;
        size_t most = PATIENCE * LEAF / s->w->block;
        q->count = 0;
        q->patience = 2 * q->patience <= most ? 2 * q->patience : q->patience;
    }
    return -1;
}

/* Roll from `position` until a window is wanted. The position after it, or -1. */
static int64_t roll(struct scan *s, int64_t position)
{
    const struct variant *v = variant();
    struct queue q = {.patience = 1};
    struct hit hits[MOST_SWEEP + 1];
    uint32_t sum = block_sum(s->data + position, s->w->block);
    for (int64_t most = FIRST_SWEEP;; most = 2 * most < MOST_SWEEP ? 2 * most : MOST_SWEEP) {
        int64_t count = s->last - position < most ? s->last - position : most;
        size_t found = v->sweep(s->w, s->data + position, (size_t)count, &sum, hits);
        bool end = position + count == s->last; /* its window is the last, there is no next sum */
        if (end && passes(s->w, sum))
            hits[found++] = (struct hit){(uint32_t)count, sum};
        int64_t after = try_hits(s, &q, position, hits, found);
        if (after >= 0 || s->no_memory)
            return after;
        if (end)
            return q.count ? settle(s, q.list, q.count) : -1;
        position += count;
    }
}

int64_t search(struct wanted *w, const uint8_t *data, size_t size, int64_t base)
{
    if (!w->distinct || size < w->block)
        return 0;
    struct scan s = {
        .w = w,
        .data = data,
        .last = (int64_t)(size - w->block),
        .base = base,
        .vain_ratio = VAIN_RATIO + ((uint64_t)w->distinct * w->block >> VAIN_SHIFT),
    };
    for (int64_t position = 0; position >= 0 && position <= s.last && !s.no_memory;) {
        position = roll(&s, position);
        if (position >= 0)
            position = follow(&s, position);
    }
    free(s.failures.slots);
    return s.no_memory ? -1 : (int64_t)s.hashed;
}
