/* spec: what an option such as "throttle=0.1,slow=64k" says. */
#ifndef UPJOB_LOCAL_SPEC_H
#define UPJOB_LOCAL_SPEC_H

#include "core/err.h"

/* Calls `set` for each name and value, in order, until it says false. `what` names the kind of thing in errors ("fault").
 * ERR_USAGE when a part is no NAME=VALUE. */
bool spec_read(const char *what, const char *spec,
               bool (*set)(void *arg, const char *name, const char *value, struct err *err), void *arg,
               struct err *err) MUST_CHECK;

#endif
