/* api: calls of the Customer Profiles API: validated, signed, sent, tried again, parsed.
 *
 * A client holds region, endpoint and credentials, and what its calls share: the retry bucket, the rate of each operation, and
 * the difference between this machine's clock and the service's.
 */
#ifndef UPJOB_CORE_API_H
#define UPJOB_CORE_API_H

#include <cjson/cJSON.h>

#include "core/credentials.h"
#include "core/http.h"
#include "core/operations.h"

struct api_operation_rate {
    const struct operation *operation;
    double most; /* calls in a second; 0: no limit */
};

/* Borrowed for the time of api_client_new; NULL or 0 means "not given". */
struct api_options {
    const char *region;
    const char *profile;
    const char *endpoint_url;
    bool use_fips, use_dual_stack;
    const char *access_key_id, *secret_access_key, *session_token; /* explicit credentials */
    const char *mfa_token; /* for a profile with mfa_serial */
    bool standalone; /* look at neither the shared files nor the environment: region, endpoint and credentials must be given */
    int max_attempts;
    long connect_timeout_ms, read_timeout_ms; /* 0: 10 s, 60 s */
    const struct api_operation_rate *rates; /* instead of api_rate_default's, which hold for servers on other machines */
    size_t rate_count;
    bool unlimited; /* no rates but those */
};

struct api_client;
/* ERR_CONFIG or ERR_CREDENTIALS when region, endpoint or credentials cannot be had. Owned by the caller; freed after
 * all of its calls have ended: in the `done` of the last one at the earliest. */
struct api_client *api_client_new(struct http *http, struct loop *loop, const struct api_options *options,
                                  struct err *e) MUST_CHECK;
void api_client_free(struct api_client *client);
const char *api_client_region(const struct api_client *client);
const char *api_client_endpoint(const struct api_client *client);
/* The client's keys, for a request to another service. They are its own. */
struct credentials_store *api_client_credentials(const struct api_client *client);
/* As credentials_source and credentials_expiry: known once a call was made. */
const char *api_client_credentials_source(const struct api_client *client);
/* False while keys are still to be fetched. */
bool api_client_has_credentials(const struct api_client *client);
time_t api_client_credentials_expiry(const struct api_client *client);
/* Seconds that the service's clock is ahead of this machine's, as far as a refusal has told; 0 until one has. */
double api_client_clock_offset(const struct api_client *client);

struct api_reply {
    cJSON *output; /* the callback may take it by setting NULL here; NULL after an error */
    struct secret *secret; /* the output's member of that kind, which is not in it; taken likewise; NULL when there is none */
    int status;
    int attempts;
    char request_id[128];
};

struct api_call;
/* Starts a call. `params` is validated before anything is sent (ERR_VALIDATION at once) and not kept. `timeout_ms`
 * bounds the whole call with its retries; 0: none. `max_attempts` is the call's own; 0: the client's; one more that a wrong clock
 * makes necessary is not counted. `done` comes in a turn of the loop, once; e->code is "" on success.
 * An operation that is not idempotent is sent once when it may have arrived without an answer: e->unknown_outcome. */
struct api_call *api_call_start(struct api_client *client, const struct operation *op, const cJSON *params,
                                long timeout_ms, int max_attempts,
                                void (*done)(void *arg, struct api_reply *reply, const struct err *e), void *arg,
                                struct err *e) MUST_CHECK;
/* A call outside the model, such as the embedded service's own: `path` and `query` escaped. */
struct api_call *api_get_start(struct api_client *client, const char *path, const char *query,
                               void (*done)(void *arg, struct api_reply *reply, const struct err *e), void *arg,
                               struct err *e) MUST_CHECK;
/* Ends it; `done` is not called. */
void api_call_cancel(struct api_call *call);

#endif
