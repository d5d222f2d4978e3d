#include "core/retry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET_SIZE 500
#define COST_TRANSIENT 14
#define COST_THROTTLING 5
#define BASE_TRANSIENT_MS 50.0
#define BASE_THROTTLING_MS 1000.0
#define MAX_DELAY_MS 20000.0
#define MAX_OVER_SERVER_MS 5000.0 /* how far a server may stretch a delay */

static const char *const throttling_codes[] = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
    "TooManyRequestsException", "ProvisionedThroughputExceededException", "TransactionInProgressException",
    "RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceededException", "RequestThrottled", "SlowDown",
    "PriorRequestNotComplete", "EC2ThrottledException", NULL,
};

/* PriorRequestNotComplete is in the SDKs' lists of both kinds; the throttling one is asked first. */
static const char *const transient_codes[] = {
    "RequestTimeout", "RequestTimeoutException", ERR_CONNECTION, ERR_TIMEOUT, NULL,
};

static bool is_one_of(const char *code, const char *const *codes)
{
    for (; *codes; codes++)
        if (strcmp(code, *codes) == 0)
            return true;
    return false;
}

enum retry_class retry_classify(int status, const char *code)
{
    if (status == 429 || is_one_of(code, throttling_codes))
        return RETRY_THROTTLING;
    if (status == 500 || status == 502 || status == 503 || status == 504 || is_one_of(code, transient_codes))
        return RETRY_TRANSIENT;
    /* No reply and no reason known: the connection broke. With another code it is a fault of our own. */
    return status == 0 && !*code ? RETRY_TRANSIENT : RETRY_NEVER;
}

void retry_bucket_init(struct retry_bucket *bucket)
{
    bucket->tokens = BUCKET_SIZE;
}

static double backoff_ms(enum retry_class class, int retries, double random01)
{
    double delay = class == RETRY_THROTTLING ? BASE_THROTTLING_MS : BASE_TRANSIENT_MS;
    for (int i = 0; i < retries && delay < MAX_DELAY_MS; i++)
        delay *= 2;
    return random01 * (delay < MAX_DELAY_MS ? delay : MAX_DELAY_MS);
}

bool retry_allowed(struct retry_bucket *bucket, struct retry_state *state, enum retry_class class, int max_attempts,
                   double random01, double server_ms, double *delay_ms)
{
    int cost = class == RETRY_THROTTLING ? COST_THROTTLING : COST_TRANSIENT;
    if (class == RETRY_NEVER || state->retries + 1 >= max_attempts || bucket->tokens < cost)
        return false;
    double delay = backoff_ms(class, state->retries, random01);
    if (server_ms > delay)
        delay = server_ms < delay + MAX_OVER_SERVER_MS ? server_ms : delay + MAX_OVER_SERVER_MS;
    *delay_ms = delay;
    bucket->tokens -= cost;
    state->last_cost = cost;
    state->retries++;
    return true;
}

void retry_success(struct retry_bucket *bucket, const struct retry_state *state)
{
    bucket->tokens += state->last_cost > 0 ? state->last_cost : 1;
    if (bucket->tokens > BUCKET_SIZE)
        bucket->tokens = BUCKET_SIZE;
}

bool retry_max_attempts(const char *configured, int *out, struct err *err)
{
    const char *from = "AWS_MAX_ATTEMPTS", *text = getenv(from);
    char *end;
    if (!text || !*text) {
        from = "max_attempts of the profile";
        text = configured;
    }
    *out = RETRY_ATTEMPTS;
    if (!text || !*text)
        return true;
    errno = 0;
    long attempts = strtol(text, &end, 10);
    if (end == text || *end || errno || attempts < 1 || attempts > RETRY_MOST_ATTEMPTS)
        return err_set(err, ERR_CONFIG, "%s is \"%.40s\": it must be a whole number from 1 to %d", from, text,
                       RETRY_MOST_ATTEMPTS);
    *out = (int)attempts;
    return true;
}
