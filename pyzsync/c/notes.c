#include "notes.h"

#include <stdlib.h>

enum {
    FIRST_SLOTS = 256,
};

static struct note *slot_of(const struct notes *n, uint32_t place)
{
    uint32_t slot = place * UINT32_C(0x9E3779B1) >> 7 & n->mask;
    while (n->slots[slot].used && n->slots[slot].place != place)
        slot = (slot + 1) & n->mask;
    return &n->slots[slot];
}

static bool grow(struct notes *n)
{
    struct notes bigger = {.mask = n->slots ? 2 * n->mask + 1 : FIRST_SLOTS - 1, .used = n->used};
    bigger.slots = calloc((size_t)bigger.mask + 1, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (uint32_t i = 0; n->slots && i <= n->mask; i++)
        if (n->slots[i].used)
            *slot_of(&bigger, n->slots[i].place) = n->slots[i];
    free(n->slots);
    *n = bigger;
    return true;
}

struct note *note_of(struct notes *n, uint32_t place)
{
    if ((!n->slots || n->used > n->mask / 2) && !grow(n))
        return NULL;
    struct note *note = slot_of(n, place);
    n->used += !note->used;
    note->used = true;
    note->place = place;
    return note;
}

struct note noted(const struct notes *n, uint32_t place)
{
    return n->slots ? *slot_of(n, place) : (struct note){0};
}

void free_notes(struct notes *n)
{
    free(n->slots);
}
