#include "core/mapping_lookup.h"

#include "core/mapping_private.h"

struct entry {
    struct csv_slice from, to; /* from.data is NULL where there is none */
};

/* Open addressing: at least half of the places, a power of two of them, are free. */
struct lookup {
    struct entry *entries;
    size_t mask;
};

/* FNV-1a. The pairs are the user's own: nobody else can make them collide. */
static size_t hash(struct csv_slice value)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < value.len; i++)
        h = (h ^ (unsigned char)value.data[i]) * 0x100000001B3u;
    return (size_t)(h ^ h >> 32);
}

/* The place of a value, or the free one where it would be. */
static struct entry *place(const struct lookup *lookup, struct csv_slice value)
{
    size_t at = hash(value) & lookup->mask;
    while (lookup->entries[at].from.data && !slices_equal(lookup->entries[at].from, value))
        at = (at + 1) & lookup->mask;
    return &lookup->entries[at];
}

static bool add(struct lookup *lookup, const struct mapping_pair *pair, struct mapping_arena *memory, struct err *err)
{
    struct entry *entry = place(lookup, slice_of(pair->from));
    if (entry->from.data)
        return slices_equal(entry->to, slice_of(pair->to)) ||
               err_set(err, ERR_USAGE, "in the lookup, \"%s\" stands for both \"%s\" and \"%s\"", pair->from, entry->to.data,
                       pair->to);
    const char *from = mapping_copy_text(memory, pair->from, err), *to = mapping_copy_text(memory, pair->to, err);
    if (!from || !to)
        return false;
    *entry = (struct entry){slice_of(from), slice_of(to)};
    return true;
}

struct lookup *lookup_new(const struct mapping_pair *pairs, size_t count, struct mapping_arena *memory, struct err *err)
{
    size_t size = 2;
    while (size < count * 2)
        size *= 2;
    struct lookup *lookup = mapping_arena_room(memory, sizeof *lookup);
    struct entry *entries = mapping_arena_room(memory, size * sizeof *entries);
    if (!lookup || !entries)
        return err_set(err, ERR_MEMORY, "no memory for a lookup of %zu values", count), NULL;
    memset(entries, 0, size * sizeof *entries);
    *lookup = (struct lookup){entries, size - 1};
    for (size_t i = 0; i < count; i++)
        if (!add(lookup, &pairs[i], memory, err))
            return NULL;
    return lookup;
}

const struct csv_slice *lookup_find(const struct lookup *lookup, struct csv_slice value)
{
    const struct entry *entry = place(lookup, value);
    return entry->from.data ? &entry->to : NULL;
}
