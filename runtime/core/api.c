#include "core/api.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/api_reply.h"
#include "core/api_skew.h"
#include "core/api_turns.h"
#include "core/credentials_store.h"
#include "core/endpoint.h"
#include "core/log.h"
#include "core/retry.h"
#include "core/sigv4.h"

#define SIGNING_NAME "profile"
#define HASH_HEADER "X-Amz-Content-Sha256"
#define MAX_API_RESPONSE ((size_t)32 << 20)

struct api_client {
    struct http *http;
    struct loop *loop;
    char region[64];
    char endpoint[512];
    struct http_url url; /* of the endpoint */
    struct credentials_store *credentials;
    struct sigv4_cache *keys;
    struct retry_bucket bucket;
    const struct operation *operations; /* the table */
    struct api_turns *turns;            /* one for each of them */
    double skew;            /* seconds that the service's clock is ahead of this machine's */
    bool correct_skew;
    int max_attempts;
    long connect_timeout_ms, read_timeout_ms;
};

/* ---- the client ---- */

static bool client_credentials(struct api_client *client, const struct api_options *options,
                               const struct aws_config *config, struct err *e)
{
    struct credentials given;
    struct credentials_options how = {.loop = client->loop, .http = client->http, .region = client->region,
                                      .use_fips = options->use_fips, .use_dual_stack = options->use_dual_stack,
                                      .mfa_token = options->mfa_token};
    if (!options->access_key_id && !options->secret_access_key)
        client->credentials = credentials_open(config, &how, e);
    else if (credentials_explicit(options->access_key_id, options->secret_access_key, options->session_token, &given, e))
        client->credentials = credentials_store_fixed(&given, e);
    return client->credentials != NULL;
}

static bool client_configure(struct api_client *client, const struct api_options *options,
                             const struct aws_config *config, struct err *e)
{
    if (!endpoint_region(options->region, config, client->region, sizeof client->region, e))
        return false;
    struct endpoint_options where = {.region = client->region,
                                     .endpoint_url = options->endpoint_url,
                                     .use_fips = options->use_fips,
                                     .use_dual_stack = options->use_dual_stack};
    if (!endpoint_resolve(&where, config, client->endpoint, sizeof client->endpoint, e) ||
        !http_url_parse(client->endpoint, &client->url, e) || !client_credentials(client, options, config, e))
        return false;
    client->max_attempts = options->max_attempts > 0 ? options->max_attempts : RETRY_ATTEMPTS;
    if (options->max_attempts > 0 || !config)
        return true;
    return retry_max_attempts(aws_config_get(config, "max_attempts"), &client->max_attempts, e);
}

/* Without a rate that was given: the service's, but none for a server on this machine. */
static bool client_set_rates(struct api_client *client, const struct api_options *options, struct err *e)
{
    size_t count;
    bool limited = !options->unlimited && !endpoint_is_loopback(client->url.host);
    client->operations = operation_all(&count);
    client->turns = calloc(count, sizeof *client->turns);
    if (!client->turns)
        return err_set(e, ERR_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        api_turns_init(&client->turns[i], client->loop, limited ? api_rate_default(client->operations[i].name) : 0);
    for (size_t i = 0; i < options->rate_count; i++)
        api_turns_init(&client->turns[options->rates[i].operation - client->operations], client->loop, options->rates[i].most);
    return true;
}

struct api_client *api_client_new(struct http *http, struct loop *loop, const struct api_options *options,
                                  struct err *e)
{
    struct aws_config *config = options->standalone ? NULL : aws_config_load(options->profile, e);
    if (!config && !options->standalone)
        return NULL;
    struct api_client *client = calloc(1, sizeof *client);
    if (!client || !(client->keys = sigv4_cache_new())) {
        err_set(e, ERR_MEMORY, "out of memory");
        goto failed;
    }
    client->http = http;
    client->loop = loop;
    client->connect_timeout_ms = options->connect_timeout_ms;
    client->read_timeout_ms = options->read_timeout_ms;
    retry_bucket_init(&client->bucket);
    client->correct_skew = api_skew_enabled();
    if (!client_configure(client, options, config, e) || !client_set_rates(client, options, e))
        goto failed;
    aws_config_free(config);
    return client;
failed:
    aws_config_free(config);
    api_client_free(client);
    return NULL;
}

void api_client_free(struct api_client *client)
{
    if (!client)
        return;
    http_url_free(&client->url);
    credentials_store_free(client->credentials);
    sigv4_cache_free(client->keys);
    free(client->turns);
    free(client);
}

const char *api_client_region(const struct api_client *client)
{
    return client->region;
}

const char *api_client_endpoint(const struct api_client *client)
{
    return client->endpoint;
}

struct credentials_store *api_client_credentials(const struct api_client *client)
{
    return client->credentials;
}

bool api_client_has_credentials(const struct api_client *client)
{
    return credentials_current(client->credentials) != NULL;
}

const char *api_client_credentials_source(const struct api_client *client)
{
    return credentials_source(client->credentials);
}

time_t api_client_credentials_expiry(const struct api_client *client)
{
    return credentials_expiry(client->credentials);
}

double api_client_clock_offset(const struct api_client *client)
{
    return client->skew;
}

/* ---- a call ---- */

struct api_call {
    struct api_client *client;
    const char *operation; /* its name, for errors */
    const char *method;
    bool idempotent;
    const struct shape *output; /* NULL: any */
    const char *secret; /* the output's member that is one, or NULL */
    struct buf path, query, body;
    bool has_body;
    struct credentials_wait *keys; /* waited for before the next attempt, or NULL */
    struct http_call *http;      /* under way, or NULL */
    struct api_turns *turns;     /* of its operation, or NULL */
    struct api_turn turn;        /* waited for before the next attempt */
    double sent_at;              /* the attempt; by api_turns_now */
    double skew;                 /* that it was signed with */
    bool skew_corrected;         /* once is enough */
    struct loop_timer *pause;    /* before the next attempt, or NULL */
    struct loop_timer *deadline; /* of the whole call, or NULL */
    struct retry_state retries;
    int attempts, max_attempts;
    void (*done)(void *arg, struct api_reply *reply, const struct err *e);
    void *arg;
};

static bool begin_attempt(struct api_call *call, struct err *e) MUST_CHECK;
static bool next_attempt(struct api_call *call, struct err *e) MUST_CHECK;

/* Nothing of it calls back any more. */
static void end_work(struct api_call *call)
{
    if (call->keys)
        credentials_await_cancel(call->keys);
    if (call->http)
        http_cancel(call->http);
    api_turn_leave(&call->turn);
    loop_timer_stop(call->pause);
    loop_timer_stop(call->deadline);
    call->keys = NULL;
    call->http = NULL;
    call->pause = call->deadline = NULL;
}

static void call_free(struct api_call *call)
{
    end_work(call);
    buf_free(&call->path);
    buf_free(&call->query);
    buf_free(&call->body);
    free(call);
}

void api_call_cancel(struct api_call *call)
{
    call_free(call);
}

static void finish(struct api_call *call, struct api_reply *reply, struct err *e)
{
    reply->attempts = call->attempts;
    if (e->code[0]) {
        snprintf(e->operation, sizeof e->operation, "%s", call->operation);
        snprintf(e->request_id, sizeof e->request_id, "%s", reply->request_id);
        e->status = reply->status;
        e->attempts = call->attempts;
    }
    end_work(call); /* what it waits for is the client's, which `done` may free */
    call->done(call->arg, reply, e);
    cJSON_Delete(reply->output);
    secret_free(reply->secret);
    call_free(call);
}

static void finish_failed(struct api_call *call, struct err *e)
{
    struct api_reply reply = {0};
    finish(call, &reply, e);
}

static double random01(void)
{
    uint32_t bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        bits = (uint32_t)clock();
    return bits / 4294967296.0;
}

static void resume_call(void *arg)
{
    struct api_call *call = arg;
    struct err e;
    err_clear(&e);
    call->pause = NULL;
    if (!next_attempt(call, &e))
        finish_failed(call, &e);
}

static void take_turn(void *arg)
{
    struct api_call *call = arg;
    struct err e;
    err_clear(&e);
    if (!begin_attempt(call, &e))
        finish_failed(call, &e);
}

/* Sends it when the rate of its operation has room. */
static bool next_attempt(struct api_call *call, struct err *e)
{
    if (!call->turns || api_turns_take(call->turns))
        return begin_attempt(call, e);
    log_wire('*', "%s: waiting for its turn", call->operation);
    return api_turns_wait(call->turns, &call->turn, take_turn, call, e);
}

/* The request is not to be sent twice, may have arrived, and nothing tells what came of it: only the caller can look. */
static void tell_unknown(struct err *e)
{
    struct err whole = *e;
    err_set(e, whole.code, "%.560s; whether it was carried out is not known: look with ListUploadJobs before you send it again",
            whole.message);
    e->retryable = false;
    e->unknown_outcome = true;
}

static void call_timed_out(void *arg)
{
    struct api_call *call = arg;
    struct err e;
    err_clear(&e);
    call->deadline = NULL;
    err_set(&e, ERR_TIMEOUT, "no answer within the given timeout, after %d attempt%s%s", call->attempts,
            call->attempts == 1 ? "" : "s",
            call->attempts == 0 ? ": it waited for its turn, as many calls of this operation were before it" : "");
    if (call->keys)
        err_set(&e, ERR_TIMEOUT, "no credentials within the given timeout: they are waited for from %.500s",
                credentials_source(call->client->credentials));
    e.retryable = true;
    if (!call->idempotent && call->http && http_call_sent(call->http))
        tell_unknown(&e);
    finish_failed(call, &e);
}

/* Whether the failure may be tried again, and if so, arranges it. */
static bool try_again(struct api_call *call, const struct http_response *response, int status, const struct err *e)
{
    double delay_ms = 0;
    const char *after = response ? http_response_header(response, "x-amz-retry-after") : NULL;
    enum retry_class class = retry_classify(status, e->code);
    if (status == 0 && !e->retryable)
        return false;
    if (!retry_allowed(&call->client->bucket, &call->retries, class, call->max_attempts, random01(),
                       after ? atof(after) : -1, &delay_ms))
        return false;
    log_wire('*', "%s: %s: trying again in %.0f ms", call->operation, e->code, delay_ms);
    call->pause = loop_timer_start(call->client->loop, (uint64_t)ceil(delay_ms), resume_call, call);
    return call->pause != NULL;
}

/* Signs again by the service's clock when that is what was wrong. It is not one of the attempts: a call that is made once, as it
 * must not be carried out twice, was refused before anything was done for it. */
static bool correct_clock(struct api_call *call, const struct http_response *response, const struct err *e)
{
    struct api_client *client = call->client;
    if (!client->correct_skew || call->skew_corrected || !api_skew_is_suspected(e->code))
        return false;
    /* Another call may have learned it since this one was signed. */
    if (!api_skew_learn(response, &client->skew) && client->skew == call->skew)
        return false;
    call->skew_corrected = true;
    log_wire('*', "%s: %s: this machine's clock is %.0f s off: signing again by the service's", call->operation, e->code,
             client->skew);
    call->pause = loop_timer_start(client->loop, 0, resume_call, call);
    return call->pause != NULL;
}

/* No answer, or one of success that cannot be read. */
static bool is_unknown(const struct api_call *call, const struct http_response *response, int status)
{
    return !call->idempotent && response->sent && (status == 0 || status < 300);
}

static void attempt_done(void *arg, struct http_response *response, const struct err *failure)
{
    struct api_call *call = arg;
    struct api_reply reply = {0};
    struct err e = *failure;
    call->http = NULL;
    if (!e.code[0])
        api_reply_read(response, call->output, call->secret, call->client->endpoint, &reply, &e);
    if (e.code[0]) {
        enum retry_class class = retry_classify(reply.status, e.code);
        e.retryable = reply.status ? class != RETRY_NEVER : e.retryable;
        if (call->turns && class == RETRY_THROTTLING)
            api_turns_throttled(call->turns, call->sent_at);
        if (is_unknown(call, response, reply.status))
            tell_unknown(&e);
        else if (correct_clock(call, response, &e) || try_again(call, response, reply.status, &e))
            return;
    } else {
        retry_success(&call->client->bucket, &call->retries);
        if (call->turns)
            api_turns_answered(call->turns);
    }
    finish(call, &reply, &e);
}

/* RFC 9110, 8.6: where a body would have a meaning, a length of 0 says that there is none. */
static bool sends_length(const struct api_call *call)
{
    return call->has_body || strcmp(call->method, "PUT") == 0 || strcmp(call->method, "POST") == 0;
}

/* What is signed and sent: headers and their values stay in `result` and the client. */
static bool start_signed(struct api_call *call, const struct credentials *credentials,
                         const struct sigv4_result *signature, const char *url, struct err *e)
{
    struct http_header headers[6];
    size_t count = 0;
    headers[count++] = (struct http_header){(char *)"X-Amz-Date", (char *)signature->date};
    headers[count++] = (struct http_header){(char *)HASH_HEADER, (char *)signature->payload_hash};
    headers[count++] = (struct http_header){(char *)"Authorization", (char *)signature->authorization};
    if (credentials->session_token)
        headers[count++] = (struct http_header){(char *)"X-Amz-Security-Token",
                                                (char *)secret_bytes(credentials->session_token)};
    if (call->has_body)
        headers[count++] = (struct http_header){(char *)"Content-Type", (char *)"application/json"};
    struct http_request request = {.method = call->method, .url = url, .headers = headers, .header_count = count,
                                   .body = call->body.data, .body_len = call->body.len,
                                   .has_body = sends_length(call),
                                   .connect_timeout_ms = call->client->connect_timeout_ms,
                                   .read_timeout_ms = call->client->read_timeout_ms,
                                   .max_response = MAX_API_RESPONSE,
                                   .secret = call->secret != NULL, .once = !call->idempotent};
    call->http = http_start(call->client->http, &request, attempt_done, call, e);
    return call->http != NULL;
}

static bool send_attempt(struct api_call *call, const struct credentials *credentials, struct err *e)
{
    struct api_client *client = call->client;
    char hash[65], length[24];
    struct sigv4_header headers[] = {
        {HASH_HEADER, hash}, {"content-type", "application/json"}, {"content-length", length}};
    struct buf path, url;
    bool ok = false;
    buf_init(&path, 16 * 1024);
    buf_init(&url, 32 * 1024);
    sigv4_sha256_hex(call->body.data, call->body.len, hash);
    snprintf(length, sizeof length, "%zu", call->body.len);
    /* A path in the endpoint URL (a gateway's) goes before the operation's. */
    buf_addf(&path, "%s%s", strcmp(client->url.path, "/") == 0 ? "" : client->url.path, call->path.data);
    buf_addf(&url, "%s://%s%s%s%s", client->url.scheme, client->url.authority, path.data ? path.data : "",
             call->query.len ? "?" : "", call->query.len ? call->query.data : "");
    struct sigv4_request request = {.method = call->method, .host = client->url.authority, .path = path.data,
                                    .query = call->query.data, .headers = headers, .header_count = call->has_body ? 3 : 1,
                                    .body = call->body.data, .body_len = call->body.len};
    struct sigv4_scope scope = {SIGNING_NAME, client->region, time(NULL) + (time_t)lround(client->skew)};
    struct sigv4_credentials keys = {
        credentials->access_key_id, secret_bytes(credentials->secret_access_key),
        credentials->session_token ? secret_bytes(credentials->session_token) : NULL};
    struct sigv4_result *signature = calloc(1, sizeof *signature);
    call->attempts++;
    call->skew = client->skew;
    call->sent_at = api_turns_now();
    if (!signature || path.failed || url.failed) {
        err_set(e, ERR_MEMORY, "out of memory");
    } else if (sigv4_sign(&request, &scope, &keys, client->keys, signature, e)) {
        ok = start_signed(call, credentials, signature, url.data, e);
        sigv4_result_free(signature);
    }
    free(signature);
    buf_free(&path);
    buf_free(&url);
    return ok;
}

static void keys_ready(void *arg, const struct credentials *credentials, const struct err *failure)
{
    struct api_call *call = arg;
    struct err e = *failure;
    call->keys = NULL;
    if (credentials)
        err_clear(&e);
    if (!credentials || !send_attempt(call, credentials, &e))
        finish_failed(call, &e);
}

/* Sends, at once or when there are keys to sign with. */
static bool begin_attempt(struct api_call *call, struct err *e)
{
    const struct credentials *credentials = credentials_current(call->client->credentials);
    if (credentials)
        return send_attempt(call, credentials, e);
    call->keys = credentials_await(call->client->credentials, keys_ready, call, e);
    return call->keys != NULL;
}

static struct api_call *call_new(struct api_client *client, const char *operation, const char *method,
                                 void (*done)(void *, struct api_reply *, const struct err *), void *arg,
                                 struct err *e)
{
    struct api_call *call = calloc(1, sizeof *call);
    if (!call) {
        err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    call->client = client;
    call->operation = operation;
    call->max_attempts = client->max_attempts;
    call->method = method;
    call->done = done;
    call->arg = arg;
    return call;
}

struct api_call *api_call_start(struct api_client *client, const struct operation *op, const cJSON *params,
                                long timeout_ms, int max_attempts,
                                void (*done)(void *arg, struct api_reply *reply, const struct err *e), void *arg,
                                struct err *e)
{
    struct operation_request request;
    snprintf(e->operation, sizeof e->operation, "%s", op->name);
    if (!operation_validate(op, params, e) || !operation_build(op, params, &request, e))
        return NULL;
    struct api_call *call = call_new(client, op->name, op->method, done, arg, e);
    if (!call) {
        operation_request_free(&request);
        return NULL;
    }
    call->idempotent = op->idempotent;
    call->secret = op->secret;
    call->output = op->output;
    call->path = request.path;
    call->query = request.query;
    call->body = request.body;
    call->has_body = request.has_body;
    call->turns = &client->turns[op - client->operations];
    if (max_attempts > 0)
        call->max_attempts = max_attempts;
    if (timeout_ms > 0)
        call->deadline = loop_deadline_start(client->loop, (uint64_t)timeout_ms, call_timed_out, call);
    if (next_attempt(call, e))
        return call;
    call_free(call);
    return NULL;
}

struct api_call *api_get_start(struct api_client *client, const char *path, const char *query,
                               void (*done)(void *arg, struct api_reply *reply, const struct err *e), void *arg,
                               struct err *e)
{
    struct api_call *call = call_new(client, "GET", "GET", done, arg, e);
    if (!call)
        return NULL;
    call->idempotent = true;
    buf_init(&call->path, 16 * 1024);
    buf_init(&call->query, 16 * 1024);
    buf_adds(&call->path, path);
    buf_adds(&call->query, query ? query : "");
    if (!call->path.failed && !call->query.failed && begin_attempt(call, e))
        return call;
    call_free(call);
    return NULL;
}
