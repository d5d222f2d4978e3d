#include "core/credentials_region.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credentials_imds.h"
#include "core/endpoint.h"

struct region_lookup {
    struct imds imds;
    char profile[200]; /* for the error */
    void (*done)(void *arg, const char *region, const struct err *err);
    void *arg;
};

void region_lookup_cancel(struct region_lookup *lookup)
{
    imds_close(&lookup->imds);
    free(lookup);
}

static void answered(void *arg, const char *text, const struct err *failure)
{
    struct region_lookup *lookup = arg;
    struct err err = *failure, ignored;
    char region[64] = "";
    err_clear(&ignored);
    bool ok = text && endpoint_region(text, NULL, region, sizeof region, &ignored);
    if (text && !ok)
        err_set(&err, ERR_CONFIG, "%s gave something that is not the name of a region", lookup->imds.name);
    if (!ok)
        endpoint_no_region(lookup->profile, strdupa(err.message), &err);
    lookup->done(lookup->arg, ok ? region : NULL, &err);
    region_lookup_cancel(lookup);
}

struct region_lookup *region_lookup_start(const struct aws_config *config,
                                          const struct credentials_options *options,
                                          void (*done)(void *arg, const char *region, const struct err *err),
                                          void *arg, struct err *err)
{
    struct credentials_search search = {config, options, aws_config_profile(config), true, NULL};
    if (imds_is_disabled()) {
        endpoint_no_region(search.profile, "the instance metadata is switched off by " IMDS_DISABLED, err);
        return NULL;
    }
    struct region_lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    snprintf(lookup->profile, sizeof lookup->profile, "%s", search.profile);
    lookup->done = done;
    lookup->arg = arg;
    if (imds_init(&lookup->imds, &search, err) &&
        imds_get(&lookup->imds, "/latest/meta-data/placement/region", answered, lookup, err))
        return lookup;
    free(lookup);
    return NULL;
}
