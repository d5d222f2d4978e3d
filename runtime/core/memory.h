/* memory: what the objects of scripts live in. Most are small and short-lived, a string for each cell that a script touches:
 * those are taken from lists by size and given back to them, which is less work than malloc is. For one thread. */
#ifndef UPJOB_CORE_MEMORY_H
#define UPJOB_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define MEMORY_UNIT  ((size_t)16)
#define MEMORY_SIZES 32 /* objects of up to so many units come from lists */

struct memory_free {
    struct memory_free *next;
};

struct memory_block;

/* All zero is one that is empty. Memory that small objects have taken stays with it. */
struct memory {
    struct memory_free *free[MEMORY_SIZES + 1]; /* by units */
    struct memory_block *blocks;
    char *rest; /* of the newest block */
    size_t rest_units;
    size_t used;  /* bytes of objects that there are */
    size_t limit; /* that `used` may reach; 0: none */
    size_t mark;  /* at which, below the limit, Lua is made to collect its garbage */
    bool refused; /* a new object: Lua collects, and asks again */
};

/* Objects may take so many bytes together; 0: as many as there are. Before the first object, or to give more. */
void memory_set_limit(struct memory *memory, size_t bytes);

/* Gives, resizes (both NULL when memory is out, or the limit is reached; making smaller never fails) or frees (new_size 0) an
 * object, as Lua asks for it: `memory` is the struct memory; without an object, old_size means nothing. */
void *memory_alloc(void *memory, void *object, size_t old_size, size_t new_size);
/* When everything was given back. */
void memory_free_all(struct memory *memory);

#endif
