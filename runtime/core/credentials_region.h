/* credentials_region: the region of the EC2 instance that this runs on: the last place that is looked at for
 * one. */
#ifndef UPJOB_CORE_CREDENTIALS_REGION_H
#define UPJOB_CORE_CREDENTIALS_REGION_H

#include "core/credentials.h"

struct region_lookup;
/* Asks the instance metadata, as the profile of `config` says; it is borrowed for the call. `done` comes in a
 * turn of the loop, once, with the region, or with NULL and the error that endpoint_region gives when there
 * is none. NULL, with *err filled, when it cannot be asked. */
struct region_lookup *region_lookup_start(const struct aws_config *config,
                                          const struct credentials_options *options,
                                          void (*done)(void *arg, const char *region, const struct err *err),
                                          void *arg, struct err *err) MUST_CHECK;
/* Ends it; `done` is not called. */
void region_lookup_cancel(struct region_lookup *lookup);

#endif
