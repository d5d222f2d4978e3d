/* mapping_arena: memory for the values of a row, given back all at once. Not for several threads. */
#ifndef UPJOB_CORE_MAPPING_ARENA_H
#define UPJOB_CORE_MAPPING_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct mapping_block;

/* Starts all zero. */
struct mapping_arena {
    struct mapping_block *block; /* the one that is being used up, linked to those before it */
    size_t used;
};

/* Room for `size` bytes, aligned for any type; NULL when memory is out. */
void *mapping_arena_room(struct mapping_arena *arena, size_t size);
/* Gives back the end of what was last had: `size` of its bytes are kept. */
void mapping_arena_trim(struct mapping_arena *arena, void *room, size_t size);
/* A copy of `len` bytes, with a NUL behind them; NULL when memory is out. */
char *mapping_arena_keep(struct mapping_arena *arena, const char *bytes, size_t len);
/* Forgets everything that it gave; some memory is kept for what comes. */
void mapping_arena_reset(struct mapping_arena *arena);
/* It is empty and usable afterwards. */
void mapping_arena_free(struct mapping_arena *arena);

#endif
