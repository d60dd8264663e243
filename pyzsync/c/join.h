/* Which old nodes are among the wanted ones, wherever they are. */
#ifndef PYZSYNC_JOIN_H
#define PYZSYNC_JOIN_H

#include <stdatomic.h>

#include "common.h"

/* Columns of hashes: 4 weak bytes and `width` strong ones for each node. */
struct rows {
    const uint8_t *weak, *strong;
    size_t width;
    uint32_t count;
};

/* A hash table of the wanted nodes. Once made, only places change, and that by single atomic steps: any
 * number of threads may feed at the same time. */
struct join {
    struct rows wanted;
    _Atomic uint32_t *places; /* of each: the least old place, or one of those below */
    struct slot *slots;
    uint32_t mask;
    uint32_t *filter; /* a bit for each wanted weak sum */
    int filter_shift;
};

#define NO_PLACE UINT32_MAX
#define NOT_WANTED (UINT32_MAX - 1)
#define LINK (UINT32_C(1) << 31) /* and the equal wanted node before it: that one's place */
#define MOST_NODES (INT32_MAX - 1)

/* Numbers that nobody outside can know spread the keys over the table: no crafted set of hashes makes long
 * chains. What is found does not depend on them. `bytes` are 24 random ones. */
void seed_join(const uint8_t *bytes);

/* False if there is no memory. `flags` has a byte for each of the rows: is it wanted? To be freed in either
 * case. */
bool make_join(struct join *join, const uint8_t *flags);
void free_join(struct join *join);

/* Where neighbours are neighbours in both files, the place of one follows from that of the other: a node
 * that is wanted (`flags`) and has no place (NO_PLACE) takes the place behind its left neighbour's, if the
 * old node there is equal; then the one before its right neighbour's. Places are below old->count. */
void extend_runs(uint32_t *places, const uint8_t *flags, const struct rows *wanted, const struct rows *old);

/* Old nodes, of which the first is at `place`. */
void feed_join(struct join *join, const struct rows *old, uint32_t place);

/* The place of a wanted node, NO_PLACE if there is none. */
uint32_t place_of(const struct join *join, uint32_t node);

#endif
