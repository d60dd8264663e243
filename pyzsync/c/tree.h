/* Hashes of leaves, of the level above a level, and of whole blocks. */
#ifndef PYZSYNC_TREE_H
#define PYZSYNC_TREE_H

#include "common.h"

/* Weak (4 bytes little-endian) and strong (DIGEST) of each leaf of `length` bytes. */
void hash_level_0(const uint8_t *data, int64_t length, uint8_t *weak, uint8_t *strong);

/* The same of the nodes above `count` children of `child_size` bytes each, `length` in all. They may
 * overwrite the children's. */
void hash_level_above(const uint8_t *weak, const uint8_t *strong, int64_t count, int64_t child_size,
                      int64_t length, uint8_t *above_weak, uint8_t *above_strong);

/* Hashes of some levels, one behind the other: `width` bytes are kept of each node's digest. */
struct levels {
    uint8_t *weak, *strong;
    size_t width;
};

/* The nodes of the levels `base` to `last` of `length` bytes. */
int64_t count_nodes(int64_t length, int base, int last);

/* Their hashes, and the full digests of the one node of level `last` and of the lowest level with one node.
 * False if there is no memory. There is a byte or more, and level `last` has one node. */
bool hash_levels(const uint8_t *data, int64_t length, int base, int last, struct levels out,
                 uint8_t top[DIGEST], uint8_t apex[DIGEST]);

/* The blocks of `block` bytes (LEAF times a power of FANOUT) that are hashed at once. */
size_t blocks_at_once(size_t block);

/* The digests of at most that many blocks. */
void hash_blocks(const uint8_t *const *blocks, size_t count, size_t block, uint8_t *digests);

#endif
