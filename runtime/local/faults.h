/* faults: bad days on demand, so that a client can be seen through them.
 *
 * Each kind strikes with a probability. Whether the n-th request of an operation is struck depends on the seed alone, not on
 * time or on what other operations do in between, so that a run can be repeated.
 */
#ifndef UPJOB_LOCAL_FAULTS_H
#define UPJOB_LOCAL_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum fault {
    FAULT_THROTTLE,    /* an API call is answered 429 ThrottlingException */
    FAULT_ERROR,       /* an API call is answered 500, half of the time after it was carried out */
    FAULT_EXPIRE_URL,  /* an upload URL has expired when it is given out */
    FAULT_DROP_UPLOAD, /* the connection is reset in the middle of a PUT */
    FAULT_STALL_UPLOAD,/* a PUT is not read any further from its middle on, until the client gives up */
    FAULT_DENY,        /* an API call is answered 403 AccessDeniedException, as where a permission is missing */
    FAULT_KINDS,
};

struct faults;
struct facts;

/* "throttle=0.1,error=0.05,expire-url=1,drop-upload=0.2,stall-upload=0.1,deny=0.1,slow=64k,seed=7", and with `rates` (which
 * outlives it; NULL: none) the real service's rates as throttling. `spec` may be NULL. ERR_USAGE names what is wrong with it.
 * Owned by the caller. */
struct faults *faults_new(const char *spec, const struct facts *rates, struct err *err) MUST_CHECK;
void faults_free(struct faults *faults); /* NULL is allowed */

/* The next request of `operation` (of the model, or "PutObject"): is it struck? NULL faults: never. */
bool faults_strike(struct faults *faults, enum fault kind, const char *operation);
/* After a strike: where in its course, in [0, 1). */
double faults_where(const struct faults *faults);
/* True when the call is more than the operation's rate allows. */
bool faults_over_rate(struct faults *faults, const char *operation, double now);
/* Bytes a second at which uploads are read; 0: as they come. */
double faults_upload_rate(const struct faults *faults);
uint64_t faults_seed(const struct faults *faults);

#endif
