/* The rolling search. A window is tried in three steps, each much rarer than the one before: its sum passes
 * the filter, its sum is wanted, its digest is wanted.
 *
 * Windows are hashed several at once, ahead of the decision whether they are tried at all: a match before
 * them rules out those that it overlaps. Only what is decided counts in `hashed`, and the work done ahead
 * is bounded by what was decided, since a batch grows only while all before it went the same way. */
#include "search.h"

#include <string.h>

#include "notes.h"
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
    CROWD = 8,          /* blocks of one weak sum: of more it is not asked whether all are found */
    RUN = 64,           /* bytes of a run compared at once */
    AT_ONCE = 64,       /* windows that are looked up or hashed at once: see tree.c */
};

struct candidate {
    int64_t position;
    uint32_t place; /* of its sum's group */
};

struct scan {
    struct wanted *w;
    const uint8_t *data;
    int64_t last; /* the last window's position */
    int64_t base;
    int64_t done; /* what was found before this offset counts as found */
    uint64_t hashed, vain, vain_ratio;
    struct notes notes;
    bool no_memory;
};

/* ---- the bounds ---- */

/* The note of a place, to be written; NULL if there is no memory, which ends the scan. */
static struct note *write_note(struct scan *s, uint32_t place)
{
    struct note *note = note_of(&s->notes, place);
    s->no_memory |= !note;
    return note;
}

/* Is this distinct block no longer looked for? */
static bool counts_as_found(const struct scan *s, uint32_t place)
{
    return atomic_load_explicit(&s->w->where[place], memory_order_relaxed) < s->done ||
           noted(&s->notes, place).found;
}

/* Are all blocks of this group found? A crowd is never looked through. */
static bool spent(const struct scan *s, uint32_t place)
{
    uint32_t end = group_end(s->w, place, s->w->sums[place]);
    if (end - place > CROWD)
        return false;
    for (; place < end; place++)
        if (!counts_as_found(s, place))
            return false;
    return true;
}

/* May a window of this group be hashed? Once the answer is no for a position, it stays no. */
static bool allowed(const struct scan *s, const struct candidate *c)
{
    uint64_t position = (uint64_t)c->position;
    return s->vain < VAIN + position / s->w->block * s->vain_ratio &&
           noted(&s->notes, c->place).failed < GIVE_UP + (position >> GIVE_UP_SHIFT) && !spent(s, c->place);
}

/* ---- deciding ---- */

static void count_failure(struct scan *s, uint32_t place)
{
    struct note *note = write_note(s, place);
    s->vain++;
    if (note)
        note->failed++;
}

/* Is this window, whose digest is known, a block that is looked for? */
static bool decide(struct scan *s, const struct candidate *c, const uint8_t *digest)
{
    s->hashed++;
    uint32_t place = find_strong(s->w, c->place, digest);
    if (place == s->w->distinct || counts_as_found(s, place)) {
        count_failure(s, c->place);
        return false;
    }
    struct note *note = write_note(s, place);
    if (note)
        note->found = true;
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

/* Try windows in turn until one is wanted. Its position, or -1. */
static int64_t settle(struct scan *s, const struct candidate *list, size_t count)
{
    uint8_t digests[PATIENCE * DIGEST];
    hash_candidates(s, list, count, digests);
    for (size_t i = 0; i < count; i++)
        if (allowed(s, &list[i]) && decide(s, &list[i], digests + DIGEST * i))
            return list[i].position;
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

/* From a match on, try block after block, as long as they are wanted: where files agree, nothing is rolled
 * over. Returns where to roll on: the last of them hides no window that overlaps it. */
static int64_t follow(struct scan *s, int64_t match)
{
    const int64_t block = (int64_t)s->w->block;
    const size_t most = blocks_at_once(s->w->block);
    struct candidate list[AT_ONCE];
    uint32_t sums[AT_ONCE];
    uint8_t digests[AT_ONCE * DIGEST];
    for (size_t batch = 1;; batch = 2 * batch < most ? 2 * batch : most) {
        size_t count = 0;
        for (int64_t at = match + block; count < batch && at <= s->last; at += block) {
            list[count].position = at;
            sums[count] = block_sum(s->data + at, s->w->block);
            if (!passes(s->w, sums[count]))
                break;
            fetch_group(s->w, sums[count++]);
        }
        count = wanted_front(s, list, sums, count);
        if (count == 0)
            return match + 1;
        hash_candidates(s, list, count, digests);
        for (size_t i = 0; i < count; i++, match += block)
            if (!allowed(s, &list[i]) || !decide(s, &list[i], digests + DIGEST * i))
                return match + 1;
        if (count < batch)
            return match + 1;
    }
}

/* Where a roll stopped: at a window that is wanted, or at one from which to roll on. Or at the data's end. */
struct stop {
    enum { END, MATCH, ROLL } why;
    int64_t position;
};

static const struct stop at_end = {END, 0};

/* Windows that wait to be hashed together. More may wait the longer nothing has matched: what was swept
 * behind a match is swept again. */
struct queue {
    struct candidate list[PATIENCE];
    size_t count, patience;
};

/* Hash what waits. */
static struct stop settle_queue(struct scan *s, struct queue *q)
{
    int64_t match = q->count ? settle(s, q->list, q->count) : -1;
    size_t most = PATIENCE * LEAF / s->w->block;
    q->count = 0;
    q->patience = 2 * q->patience <= most ? 2 * q->patience : q->patience;
    return match < 0 ? at_end : (struct stop){MATCH, match};
}

/* If the window at `position` is one byte over and over, the first position with another sum, else -1. Such
 * windows are not looked for again and again. */
static int64_t run_end(const struct scan *s, int64_t position)
{
    const uint8_t *window = s->data + position, *stop = s->data + s->last + s->w->block;
    if (window[0] != window[1] || memcmp(window, window + 1, s->w->block - 1) != 0)
        return -1;
    const uint8_t *end = window + s->w->block;
    for (; stop - end >= RUN && memcmp(end - 1, end, RUN) == 0; end += RUN)
        ;
    while (end < stop && *end == *window)
        end++;
    return end - s->data - (int64_t)s->w->block + 1;
}

/* Keep what passes the second filter too, if there is one. */
static size_t pass_again(const struct wanted *w, struct hit *hits, size_t count)
{
    if (!w->second)
        return count;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(w->second + second_word(hits[i].sum));
    for (size_t i = 0; i < count; i++) {
        hits[kept] = hits[i];
        kept += passes_again(w, hits[i].sum);
    }
    return kept;
}

/* Look up what a sweep from `position` let pass: does it end here? */
static struct stop try_hits(struct scan *s, struct queue *q, int64_t position, const struct hit *hits,
                            size_t count)
{
    struct stop stop = at_end;
    for (size_t i = 0; i < count; i++)
        fetch_group(s->w, hits[i].sum);
    for (size_t i = 0; i < count && stop.why == END; i++) {
        struct candidate *c = &q->list[q->count];
        *c = (struct candidate){position + hits[i].at, find_group(s->w, hits[i].sum)};
        if (c->place == s->w->distinct)
            continue;
        if (allowed(s, c)) {
            fetch_sample(s->w, c->place);
            if (++q->count == q->patience)
                stop = settle_queue(s, q);
        } else if (i && hits[i - 1].sum == hits[i].sum && spent(s, c->place)) {
            int64_t end = run_end(s, c->position);
            if (end >= 0 && (stop = settle_queue(s, q)).why == END)
                stop = (struct stop){ROLL, end};
        }
    }
    return stop;
}

/* Roll from `position` until a window is wanted. */
static struct stop roll(struct scan *s, int64_t position)
{
    const struct variant *v = variant();
    struct queue q = {.patience = 1};
    struct hit hits[MOST_SWEEP + 1];
    uint32_t sum = block_sum(s->data + position, s->w->block);
    int64_t most = position ? FIRST_SWEEP : MOST_SWEEP;
    for (;; most = 2 * most < MOST_SWEEP ? 2 * most : MOST_SWEEP) {
        int64_t count = s->last - position < most ? s->last - position : most;
        size_t found = v->sweep(s->w, s->data + position, (size_t)count, &sum, hits);
        bool end = position + count == s->last; /* its window is the last, there is no next sum */
        if (end && passes(s->w, sum))
            hits[found++] = (struct hit){(uint32_t)count, sum};
        found = pass_again(s->w, hits, found);
        struct stop stop = try_hits(s, &q, position, hits, found);
        if (stop.why != END || s->no_memory)
            return stop;
        if (end)
            return settle_queue(s, &q);
        position += count;
    }
}

int64_t search(struct wanted *w, const uint8_t *data, size_t size, int64_t base, int64_t done)
{
    if (!w->distinct || size < w->block)
        return 0;
    struct scan s = {
        .w = w,
        .data = data,
        .last = (int64_t)(size - w->block),
        .base = base,
        .done = done,
        .vain_ratio = VAIN_RATIO + ((uint64_t)w->distinct * w->block >> VAIN_SHIFT),
    };
    for (int64_t position = 0; position <= s.last && !s.no_memory;) {
        struct stop stop = roll(&s, position);
        if (stop.why == END)
            break;
        position = stop.why == MATCH ? follow(&s, stop.position) : stop.position;
    }
    free_notes(&s.notes);
    return s.no_memory ? -1 : (int64_t)s.hashed;
}
