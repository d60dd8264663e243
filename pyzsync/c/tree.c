#include "tree.h"

#include <stdlib.h>
#include <string.h>

#include "blake3.h"
#include "weak.h"

/* Inputs handed over at once: some full sets of lanes, and few enough that their leaves (32 KiB) and
 * digests stay in the first-level cache. */
enum { BATCH = 64, NODE = FANOUT * DIGEST };

/* `count` inputs of `size` bytes that lie side by side. */
static void hash_row(const uint8_t *data, size_t count, size_t size, uint8_t *digests)
{
    const uint8_t *inputs[BATCH];
    for (size_t i = 0; i < count; i++)
        inputs[i] = data + i * size;
    variant()->hash_chunks(inputs, count, size, digests);
}

/* The sums first: they are read in order, which fetches what the lanes then read side by side. */
static void hash_some_leaves(const uint8_t *data, size_t count, uint8_t *weak, uint8_t *strong)
{
    const struct variant *v = variant();
    for (size_t i = 0; i < count; i++)
        store32(weak + 4 * i, v->leaf_sum(data + i * LEAF));
    hash_row(data, count, LEAF, strong);
}

void hash_level_0(const uint8_t *data, int64_t length, uint8_t *weak, uint8_t *strong)
{
    size_t full = (size_t)(length / LEAF), rest = (size_t)(length % LEAF);
    for (size_t i = 0; i < full; i += BATCH)
        hash_some_leaves(data + i * LEAF, full - i < BATCH ? full - i : BATCH, weak + 4 * i,
                         strong + DIGEST * i);
    if (rest) {
        store32(weak + 4 * full, short_sum(data + full * LEAF, rest));
        hash_chunk(data + full * LEAF, rest, strong + DIGEST * full);
    }
}

void hash_level_above(const uint8_t *weak, const uint8_t *strong, int64_t count, int64_t child_size,
                      int64_t length, uint8_t *above_weak, uint8_t *above_strong)
{
    size_t full = (size_t)(count / FANOUT), rest = (size_t)(count % FANOUT);
    uint32_t shift = weak_power((uint64_t)child_size);
    uint32_t last = weak_power((uint64_t)(length - (count - 1) * child_size));
    for (int64_t child = 0; child < count; child += FANOUT) {
        uint32_t sum = 0;
        for (int64_t i = child; i < child + FANOUT && i < count; i++)
            sum = sum * (i + 1 < count ? shift : last) + load32(weak + 4 * i);
        store32(above_weak + 4 * (child / FANOUT), sum);
    }
    for (size_t i = 0; i < full; i += BATCH)
        hash_row(strong + NODE * i, full - i < BATCH ? full - i : BATCH, NODE,
                 above_strong + DIGEST * i);
    if (rest)
        hash_chunk(strong + NODE * full, DIGEST * rest, above_strong + DIGEST * full);
}

int64_t count_nodes(int64_t length, int base, int last)
{
    int64_t count = pieces(length, LEAF), all = 0;
    for (int level = 0; level <= last; level++, count = pieces(count, FANOUT))
        all += level < base ? 0 : count;
    return all;
}

/* Append the nodes of a level. Whole digests are written where the next ones overwrite their ends: a copy
 * of a length that the compiler knows is a move. */
static void keep_level(struct levels *out, const uint8_t *weak, const uint8_t *strong, int64_t count)
{
    int64_t apart = DIGEST / (int64_t)out->width, i = 0;
    memcpy(out->weak, weak, 4 * (size_t)count);
    out->weak += 4 * count;
    for (; i < count - apart; i++, out->strong += out->width)
        memcpy(out->strong, strong + DIGEST * i, DIGEST);
    for (; i < count; i++, out->strong += out->width)
        memcpy(out->strong, strong + DIGEST * i, out->width);
}

bool hash_levels(const uint8_t *data, int64_t length, int base, int last, struct levels out,
                 uint8_t top[DIGEST], uint8_t apex[DIGEST])
{
    int64_t count = pieces(length, LEAF), size = LEAF;
    uint8_t *weak = malloc((size_t)count * (4 + DIGEST)), *strong = weak + 4 * count;
    if (!weak)
        return false;
    bool alone = false;
    hash_level_0(data, length, weak, strong);
    for (int level = 0;; level++, size *= FANOUT) {
        if (level >= base)
            keep_level(&out, weak, strong, count);
        if (count == 1 && !alone) {
            memcpy(apex, strong, DIGEST);
            alone = true;
        }
        if (level == last)
            break;
        hash_level_above(weak, strong, count, size, length, weak, strong); /* which it may overwrite */
        count = pieces(count, FANOUT);
    }
    memcpy(top, strong, DIGEST);
    free(weak);
    return true;
}

size_t blocks_at_once(size_t block)
{
    return block < BATCH * LEAF ? BATCH * LEAF / block : 1;
}

/* A block of more than BATCH leaves: its children's digests, then its own. At most 27 deep. */
static void hash_big_block(const uint8_t *data, size_t block, uint8_t *digest)
{
    uint8_t children[NODE];
    for (size_t i = 0; i < FANOUT; i++) {
        const uint8_t *child = data + i * (block / FANOUT);
        hash_blocks(&child, 1, block / FANOUT, children + DIGEST * i);
    }
    hash_chunk(children, NODE, digest);
}

void hash_blocks(const uint8_t *const *blocks, size_t count, size_t block, uint8_t *digests)
{
    if (block > BATCH * LEAF) {
        hash_big_block(blocks[0], block, digests);
        return;
    }
    const uint8_t *leaves[BATCH];
    uint8_t level[BATCH * DIGEST];
    size_t nodes = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < block; at += LEAF)
            leaves[nodes++] = blocks[i] + at;
    variant()->hash_chunks(leaves, nodes, LEAF, level);
    for (; nodes > count; nodes /= FANOUT)
        hash_row(level, nodes / FANOUT, NODE, level);
    memcpy(digests, level, count * DIGEST);
}
