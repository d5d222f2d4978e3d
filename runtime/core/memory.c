#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_UNITS ((size_t)4096)
#define LEAST_STEP  64 /* of the limit, between two times that Lua is made to collect */

/* AddressSanitizer sees only what malloc gives. */
#ifdef __SANITIZE_ADDRESS__
#define LARGEST 0
#else
#define LARGEST MEMORY_SIZES
#endif

/* Takes one unit itself, so that what follows is aligned. */
struct memory_block {
    struct memory_block *next;
    char padding[MEMORY_UNIT - sizeof(struct memory_block *)];
};

static size_t units_of(size_t size)
{
    return (size + MEMORY_UNIT - 1) / MEMORY_UNIT;
}

static bool add_block(struct memory *memory)
{
    struct memory_block *block = malloc(BLOCK_UNITS * MEMORY_UNIT);
    if (!block)
        return false;
    block->next = memory->blocks;
    memory->blocks = block;
    memory->rest = (char *)(block + 1);
    memory->rest_units = BLOCK_UNITS - 1;
    return true;
}

static void give_back(struct memory *memory, void *object, size_t units)
{
    struct memory_free *freed = object;
    freed->next = memory->free[units];
    memory->free[units] = freed;
}

static void *carve(struct memory *memory, size_t units)
{
    if (memory->rest_units < units) {
        if (memory->rest_units > 0)
            give_back(memory, memory->rest, memory->rest_units);
        memory->rest_units = 0;
        if (!add_block(memory))
            return NULL;
    }
    void *object = memory->rest;
    memory->rest += units * MEMORY_UNIT;
    memory->rest_units -= units;
    return object;
}

static void *take(struct memory *memory, size_t size)
{
    size_t units = units_of(size);
    if (units > LARGEST)
        return malloc(size);
    struct memory_free *object = memory->free[units];
    if (!object)
        return carve(memory, units);
    memory->free[units] = object->next;
    return object;
}

static void release(struct memory *memory, void *object, size_t size)
{
    size_t units = units_of(size);
    if (units > LARGEST)
        free(object);
    else
        give_back(memory, object, units);
}

static void *resize(struct memory *memory, void *object, size_t old_size, size_t new_size)
{
    size_t old_units = units_of(old_size), new_units = units_of(new_size);
    if (old_units == new_units && new_units <= LARGEST)
        return object;
    bool both_large = old_units > LARGEST && new_units > LARGEST;
    void *moved = both_large ? realloc(object, new_size) : take(memory, new_size);
    if (!moved) /* Lua relies on it that nothing fails to shrink */
        return new_size <= old_size ? object : NULL;
    if (both_large)
        return moved;
    memcpy(moved, object, old_size < new_size ? old_size : new_size);
    release(memory, object, old_size);
    return moved;
}

/* Without an object, old_size is its kind. */
static void *allocate(struct memory *memory, void *object, size_t old_size, size_t new_size)
{
    if (!object)
        return new_size > 0 ? take(memory, new_size) : NULL;
    if (new_size > 0)
        return resize(memory, object, old_size, new_size);
    release(memory, object, old_size);
    return NULL;
}

/* Between what is used and the limit. */
static size_t half_way(const struct memory *memory)
{
    size_t left = memory->used < memory->limit ? memory->limit - memory->used : 0;
    size_t step = left / 2 > memory->limit / LEAST_STEP ? left / 2 : memory->limit / LEAST_STEP;
    return memory->used + step;
}

void memory_set_limit(struct memory *memory, size_t bytes)
{
    memory->limit = bytes;
    memory->mark = half_way(memory);
}

/* Lua collects its garbage when a new object is refused, and asks again; for the buffers of its auxiliary library it does not, but
 * raises an error. So that those find memory which is only garbage, an object is refused now and then before the limit is
 * reached, and the next one after something was refused at the limit. */
static bool may_grow(struct memory *memory, size_t more, bool is_new)
{
    bool again = is_new && memory->refused;
    if (again)
        memory->mark = half_way(memory);
    memory->refused = false;
    if (memory->used + more > memory->limit) {
        memory->mark = 0;
        memory->refused = is_new && !again;
        return false;
    }
    if (is_new && !again && memory->used + more > memory->mark)
        memory->refused = true;
    return !memory->refused;
}

void *memory_alloc(void *of, void *object, size_t old_size, size_t new_size)
{
    struct memory *memory = of;
    size_t had = object ? old_size : 0;
    if (new_size > had && memory->limit > 0 && !may_grow(memory, new_size - had, !object && old_size > 0))
        return NULL;
    void *given = allocate(memory, object, old_size, new_size);
    if (given || new_size == 0)
        memory->used += new_size - had;
    return given;
}

void memory_free_all(struct memory *memory)
{
    while (memory->blocks) {
        struct memory_block *block = memory->blocks;
        memory->blocks = block->next;
        free(block);
    }
    memset(memory, 0, sizeof *memory);
}
