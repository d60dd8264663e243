/* What a scan has seen of some places: a hash table that grows. */
#ifndef PYZSYNC_NOTES_H
#define PYZSYNC_NOTES_H

#include <stdbool.h>
#include <stdint.h>

struct note {
    uint32_t place;  /* of a distinct block, */
    uint32_t failed; /* if it is its group's first: windows that were none of the group's blocks */
    bool used, found;
};

/* All zero to begin with. */
struct notes {
    struct note *slots;
    uint32_t used, mask;
};

/* The note of a place, to be written; NULL if there is no memory. */
struct note *note_of(struct notes *notes, uint32_t place);

/* The note of a place, or an empty one. */
struct note noted(const struct notes *notes, uint32_t place);

void free_notes(struct notes *notes);

#endif
