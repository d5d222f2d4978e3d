/* retry: which failures are tried again and after what delay; the SDKs' rules in force
 * since 10 November 2026 (3 attempts, truncated binary exponential backoff, one token
 * bucket per client). */
#ifndef UPJOB_CORE_RETRY_H
#define UPJOB_CORE_RETRY_H

#include <stdbool.h>

#include "core/err.h"

#define RETRY_ATTEMPTS 3 /* unless told otherwise */
#define RETRY_MOST_ATTEMPTS 1000

enum retry_class { RETRY_NEVER, RETRY_TRANSIENT, RETRY_THROTTLING };

/* Of a reply's status (0: no reply came) and error code ("" when unknown). */
enum retry_class retry_classify(int status, const char *code);

/* One per client, in place. */
struct retry_bucket {
    int tokens;
};
void retry_bucket_init(struct retry_bucket *bucket); /* 500 tokens */

/* One per call, in place; zero it first. */
struct retry_state {
    int retries;   /* so far */
    int last_cost; /* of the last retry, 0 when none */
};

/* Whether to send again, and after how many milliseconds. `random01` is in [0,1). `server_ms` is
 * x-amz-retry-after, or -1. Takes the tokens when it says yes. */
bool retry_allowed(struct retry_bucket *bucket, struct retry_state *state, enum retry_class class,
                   int max_attempts, double random01, double server_ms, double *delay_ms);
/* After success: gives tokens back. */
void retry_success(struct retry_bucket *bucket, const struct retry_state *state);
/* AWS_MAX_ATTEMPTS, else `configured` (the profile's max_attempts or NULL), else RETRY_ATTEMPTS. A bad value is ERR_CONFIG. */
bool retry_max_attempts(const char *configured, int *out, struct err *err) MUST_CHECK;

#endif
