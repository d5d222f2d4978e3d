/* phone_engine: what phone.so gives to phone.c. It is C, with C++ behind it: no exception passes, and nothing is to be freed. */
#ifndef UPJOB_CORE_PHONE_ENGINE_H
#define UPJOB_CORE_PHONE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "core/phone.h"

#define PHONE_ENGINE_SYMBOL "upjob_phone_engine"

struct phone_engine {
    const char *version; /* UPJOB_VERSION, of the program that it is a part of */
    /* The codes of all regions that have numbers, NULL-terminated. */
    const char *const *regions;
    /* The code of the region that is named otherwise: "GBR", "Germany", "UK". NULL: none. */
    const char *(*region_named)(const char *name);
    /* Looks at UTF-8 of at most PHONE_MAX_BYTES. `region` is "" for none. False: no memory. */
    bool (*look)(const struct phone_options *options, const char *bytes, size_t len, struct phone_result *out);
    bool (*example)(const char *region, enum phone_form form, char *out, size_t size);
};

/* NULL: no memory. */
const struct phone_engine *upjob_phone_engine(void);

#ifdef __cplusplus
}
#endif

#endif
