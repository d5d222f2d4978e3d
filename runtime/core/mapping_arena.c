#include "core/mapping_arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE ((size_t)4096)
/* A reset keeps no larger block, so that one huge value does not stay. */
#define KEPT_MOST ((size_t)1 << 20)

struct mapping_block {
    struct mapping_block *before;
    size_t size;
    alignas(max_align_t) char bytes[];
};

static struct mapping_block *add_block(struct mapping_arena *arena, size_t wanted)
{
    size_t size = arena->block ? arena->block->size * 2 : BLOCK_SIZE;
    if (size > KEPT_MOST)
        size = KEPT_MOST;
    if (size < wanted)
        size = wanted;
    struct mapping_block *block = size <= SIZE_MAX - sizeof *block ? malloc(sizeof *block + size) : NULL;
    if (!block)
        return NULL;
    block->before = arena->block;
    block->size = size;
    arena->block = block;
    arena->used = 0;
    return block;
}

static size_t aligned(size_t size)
{
    return (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

void *mapping_arena_room(struct mapping_arena *arena, size_t size)
{
    size_t rounded = aligned(size);
    if (rounded < size)
        return NULL;
    struct mapping_block *block = arena->block;
    if (!block || block->size - arena->used < rounded)
        block = add_block(arena, rounded);
    if (!block)
        return NULL;
    void *room = block->bytes + arena->used;
    arena->used += rounded;
    return room;
}

void mapping_arena_trim(struct mapping_arena *arena, void *room, size_t size)
{
    arena->used = (size_t)((char *)room - arena->block->bytes) + aligned(size);
}

char *mapping_arena_keep(struct mapping_arena *arena, const char *bytes, size_t len)
{
    char *copy = len < SIZE_MAX ? mapping_arena_room(arena, len + 1) : NULL;
    if (!copy)
        return NULL;
    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

/* Frees the blocks, but one that may stay when `keep`. */
static void drop_blocks(struct mapping_arena *arena, size_t keep)
{
    struct mapping_block *kept = NULL;
    while (arena->block) {
        struct mapping_block *block = arena->block;
        arena->block = block->before;
        if (!kept && block->size <= keep)
            kept = block;
        else
            free(block);
    }
    if (kept)
        kept->before = NULL;
    arena->block = kept;
    arena->used = 0;
}

void mapping_arena_reset(struct mapping_arena *arena)
{
    arena->used = 0;
    if (arena->block && (arena->block->before || arena->block->size > KEPT_MOST))
        drop_blocks(arena, KEPT_MOST);
}

void mapping_arena_free(struct mapping_arena *arena)
{
    drop_blocks(arena, 0);
}
