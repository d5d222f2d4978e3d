/* phone_cache: results that were found before, by the bytes of the number. Bounded, for any number of threads. */
#ifndef UPJOB_CORE_PHONE_CACHE_H
#define UPJOB_CORE_PHONE_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/phone.h"

struct phone_cache;

/* For about `entries` numbers (a power of two, 64 at least). NULL when memory is out. */
struct phone_cache *phone_cache_new(size_t entries);
/* Overwrites what it holds. NULL is allowed. */
void phone_cache_free(struct phone_cache *cache);
/* False when it is not there. */
bool phone_cache_get(struct phone_cache *cache, struct csv_slice number, struct phone_result *out);
/* In the place of one that was not asked for lately. Numbers that are longer than people write them are not kept. */
void phone_cache_put(struct phone_cache *cache, struct csv_slice number, const struct phone_result *result);
/* Numbers in it. */
size_t phone_cache_count(struct phone_cache *cache);

#endif
