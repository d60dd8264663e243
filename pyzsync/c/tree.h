/* Hashes of leaves, of the level above a level, and of whole blocks. */
#ifndef PYZSYNC_TREE_H
#define PYZSYNC_TREE_H

#include "common.h"

/* Weak (4 bytes little-endian) and strong (DIGEST) of each leaf of `length` bytes. */
void hash_level_0(const uint8_t *data, int64_t length, uint8_t *weak, uint8_t *strong);

/* The same of the nodes above `count` children of `child_size` bytes each, `length` in all. */
void hash_level_above(const uint8_t *weak, const uint8_t *strong, int64_t count, int64_t child_size,
                      int64_t length, uint8_t *above_weak, uint8_t *above_strong);

/* The blocks of `block` bytes (LEAF times a power of FANOUT) that are hashed at once. */
size_t blocks_at_once(size_t block);

/* The digests of at most that many blocks. */
void hash_blocks(const uint8_t *const *blocks, size_t count, size_t block, uint8_t *digests);

#endif
