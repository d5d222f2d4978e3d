/* credentials_request: an HTTP request of a source of keys, sent again when there was no answer, or one of
 * 429 or 5xx. Private to credentials*.c. */
#ifndef UPJOB_CORE_CREDENTIALS_REQUEST_H
#define UPJOB_CORE_CREDENTIALS_REQUEST_H

#include "core/credentials.h"
#include "core/http.h"

/* How often, with what pause between. */
struct credentials_attempts {
    int most;
    long pause_ms;
    bool (*again)(
        const struct http_response *response); /* whether another answer is to be asked for; may be NULL */
};

struct credentials_request;
/* `request` is copied. `done` as that of http_start, with the last answer. Request and answer are held for
 * secret. */
struct credentials_request *
credentials_request_start(const struct credentials_options *options, const struct http_request *request,
                          const struct credentials_attempts *attempts,
                          void (*done)(void *arg, struct http_response *response, const struct err *err),
                          void *arg, struct err *err) MUST_CHECK;
/* False with *err telling what came instead of an answer of success: nothing, or another status with what the
 * server said. `from` is who was asked, as in credentials_answer.h. */
bool credentials_answered(const struct http_response *response, const struct err *failure, const char *from,
                          struct err *err) MUST_CHECK;
/* Ends it; `done` is not called. NULL is allowed. */
void credentials_request_cancel(struct credentials_request *request);

#endif
