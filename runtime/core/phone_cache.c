#include "core/phone_cache.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define WAYS    8  /* entries that a number may be in */
#define LOCKS   64 /* each for a part of the sets */
#define MAX_KEY 38

struct entry {
    unsigned char len; /* 0: free */
    bool asked;        /* since a place was last sought here */
    char key[MAX_KEY];
    struct phone_result result;
};

struct set {
    uint32_t tags[WAYS]; /* of the hashes, so that few keys are compared */
    unsigned hand;       /* where the search for a place goes on */
    struct entry entries[WAYS];
};

struct phone_cache {
    size_t sets; /* a power of two */
    struct set *set;
    pthread_mutex_t locks[LOCKS];
};

struct phone_cache *phone_cache_new(size_t entries)
{
    struct phone_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->sets = 8;
    while (cache->sets * WAYS < entries && cache->sets < SIZE_MAX / 4 / sizeof(struct set))
        cache->sets *= 2;
    cache->set = calloc(cache->sets, sizeof *cache->set);
    if (!cache->set)
        return free(cache), NULL;
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_init(&cache->locks[i], NULL);
    return cache;
}

void phone_cache_free(struct phone_cache *cache)
{
    if (!cache)
        return;
    for (int i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&cache->locks[i]);
    for (size_t i = 0; i < cache->sets; i++)
        for (int j = 0; j < WAYS; j++)
            if (cache->set[i].entries[j].len) /* pages that were never used stay so */
                explicit_bzero(&cache->set[i].entries[j], sizeof cache->set[i].entries[j]);
    free(cache->set);
    free(cache);
}

struct place {
    struct set *set;
    pthread_mutex_t *lock;
    uint32_t tag;
};

static struct place place_of(struct phone_cache *cache, struct csv_slice number)
{
    uint64_t hash = XXH3_64bits(number.data, number.len);
    size_t index = (size_t)hash & (cache->sets - 1);
    return (struct place){&cache->set[index], &cache->locks[index % LOCKS], (uint32_t)(hash >> 32)};
}

static bool fits(struct csv_slice number)
{
    return number.len > 0 && number.len <= MAX_KEY;
}

static struct entry *find(const struct place *place, struct csv_slice number)
{
    for (int i = 0; i < WAYS; i++) {
        struct entry *entry = &place->set->entries[i];
        if (place->set->tags[i] == place->tag && entry->len == number.len && memcmp(entry->key, number.data, number.len) == 0)
            return entry;
    }
    return NULL;
}

bool phone_cache_get(struct phone_cache *cache, struct csv_slice number, struct phone_result *out)
{
    if (!fits(number))
        return false;
    struct place place = place_of(cache, number);
    pthread_mutex_lock(place.lock);
    struct entry *entry = find(&place, number);
    if (entry) {
        entry->asked = true;
        *out = entry->result;
    }
    pthread_mutex_unlock(place.lock);
    return entry != NULL;
}

/* The first that is free or was not asked for since the hand last passed. */
static unsigned free_place(struct set *set)
{
    for (;;) {
        unsigned i = set->hand;
        set->hand = (i + 1) % WAYS;
        if (set->entries[i].len == 0 || !set->entries[i].asked)
            return i;
        set->entries[i].asked = false;
    }
}

void phone_cache_put(struct phone_cache *cache, struct csv_slice number, const struct phone_result *result)
{
    if (!fits(number))
        return;
    struct place place = place_of(cache, number);
    pthread_mutex_lock(place.lock);
    if (!find(&place, number)) {
        unsigned i = free_place(place.set);
        struct entry *entry = &place.set->entries[i];
        place.set->tags[i] = place.tag;
        entry->len = (unsigned char)number.len;
        entry->asked = false;
        memcpy(entry->key, number.data, number.len);
        entry->result = *result;
    }
    pthread_mutex_unlock(place.lock);
}

size_t phone_cache_count(struct phone_cache *cache)
{
    size_t count = 0;
    for (size_t i = 0; i < cache->sets; i++) {
        pthread_mutex_lock(&cache->locks[i % LOCKS]);
        for (int j = 0; j < WAYS; j++)
            count += cache->set[i].entries[j].len != 0;
        pthread_mutex_unlock(&cache->locks[i % LOCKS]);
    }
    return count;
}
