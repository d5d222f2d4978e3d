#include "core/s3_get.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/secret.h"

#define MOST_HEADER ((size_t)16 << 10)

void s3_get_init(struct s3_get *get)
{
    redact_values_init(&get->secrets);
    s3_reply_init(&get->reply);
}

static void drop_transfer(struct s3_get *get)
{
    http_transfer_give_back(get->access->http, get->transfer.easy, true);
    get->transfer.easy = NULL;
    for (struct curl_slist *header = get->headers; header; header = header->next)
        secret_cleanse(header->data, strlen(header->data));
    curl_slist_free_all(get->headers);
    get->headers = NULL;
}

void s3_get_cancel(struct s3_get *get)
{
    if (get->keys)
        credentials_await_cancel(get->keys);
    get->keys = NULL;
    if (get->transfer.easy)
        http_transfer_remove(get->access->http, &get->transfer);
    drop_transfer(get);
}

void s3_get_end(struct s3_get *get)
{
    s3_get_cancel(get);
    redact_values_free(&get->secrets);
    s3_reply_free(&get->reply);
}

/* ---- what comes ---- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool is_object(const struct s3_get *get)
{
    return get->reply.status == 200 || get->reply.status == 206;
}

static size_t take_header(char *data, size_t unit, size_t count, void *arg)
{
    struct s3_get *get = arg;
    if (!s3_reply_header(&get->reply, data, unit * count))
        return 0;
    if (get->reply.head_ended && is_object(get) && !get->head(get->arg))
        return 0;
    return unit * count;
}

static size_t take_body(char *data, size_t unit, size_t count, void *arg)
{
    struct s3_get *get = arg;
    if (!is_object(get)) {
        s3_reply_body(&get->reply, data, unit * count);
        return unit * count;
    }
    return get->take(get->arg, data, unit * count) ? unit * count : 0;
}

static void ended(void *arg, int curl_code)
{
    struct s3_get *get = arg;
    struct err e;
    err_clear(&e);
    get->ended = now();
    if (curl_code == CURLE_OK && !get->reply.head_ended) /* which curl overlooks when a status has come */
        curl_code = CURLE_PARTIAL_FILE;
    if (curl_code != CURLE_OK)
        http_transfer_error(get->transfer.easy, curl_code, get->place->url, &e);
    drop_transfer(get);
    get->done(get->arg, &e);
}

/* ---- what is sent ---- */

static bool add_header(struct s3_get *get, const char *name, const char *value)
{
    struct buf line;
    buf_init(&line, MOST_HEADER);
    buf_addf(&line, "%s: %s", name, value);
    struct curl_slist *list = line.failed ? NULL : curl_slist_append(get->headers, line.data);
    buf_cleanse(&line);
    if (list)
        get->headers = list;
    return list != NULL;
}

static bool sign(struct s3_get *get, const struct credentials *credentials, const struct sigv4_header *own, size_t count,
                 struct sigv4_result *signature, struct err *e)
{
    struct sigv4_request request = {.method = "GET", .host = get->place->host, .path = get->place->path, .headers = own,
                                    .header_count = count, .payload_hash = SIGV4_EMPTY_SHA256};
    struct sigv4_scope scope = {"s3", get->access->region, time(NULL) + (time_t)lround(get->access->skew)};
    struct sigv4_credentials keys = {credentials->access_key_id, secret_bytes(credentials->secret_access_key),
                                     credentials->session_token ? secret_bytes(credentials->session_token) : NULL};
    return sigv4_sign(&request, &scope, &keys, get->access->keys, signature, e);
}

static bool add_headers(struct s3_get *get, const struct credentials *credentials, struct err *e)
{
    char range[64];
    snprintf(range, sizeof range, "bytes=%" PRIu64 "-%" PRIu64, get->first, get->last);
    const struct sigv4_header own[] = {{"Range", range}, {"X-Amz-Content-Sha256", SIGV4_EMPTY_SHA256}, {"If-Match", get->etag}};
    size_t count = get->etag[0] ? 3 : 2;
    struct sigv4_result *signature = calloc(1, sizeof *signature);
    if (!signature)
        return err_set(e, ERR_MEMORY, "out of memory");
    bool ok = sign(get, credentials, own, count, signature, e), added = ok;
    for (size_t i = 0; added && i < count; i++)
        added = add_header(get, own[i].name, own[i].value);
    added = added && add_header(get, "X-Amz-Date", signature->date) && add_header(get, "Authorization", signature->authorization);
    const struct secret *token = credentials->session_token;
    if (added && token)
        added = add_header(get, "X-Amz-Security-Token", secret_bytes(token)) &&
                redact_values_add(&get->secrets, secret_bytes(token), secret_len(token));
    if (ok)
        sigv4_result_free(signature);
    free(signature);
    return !ok || added ? ok : err_set(e, ERR_MEMORY, "out of memory");
}

static bool send_request(struct s3_get *get, const struct credentials *credentials, struct err *e)
{
    CURL *easy = get->transfer.easy = http_transfer_handle(get->access->http);
    s3_reply_reset(&get->reply);
    redact_values_free(&get->secrets);
    redact_values_init(&get->secrets);
    if (!easy)
        return err_set(e, ERR_MEMORY, "out of memory");
    if (!http_transfer_prepare(easy, get->place->url, get->connect_timeout_ms, e) || !add_headers(get, credentials, e))
        return false;
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, get->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, get);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, get);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's answer is not the object's */
    get->transfer.secrets = &get->secrets;
    get->transfer.stall_ms = get->stall_timeout_ms;
    get->transfer.progress = NULL;
    get->transfer.done = ended;
    get->transfer.arg = get;
    get->started = now();
    return http_transfer_add(get->access->http, &get->transfer, e);
}

static void keys_ready(void *arg, const struct credentials *credentials, const struct err *failure)
{
    struct s3_get *get = arg;
    struct err e = *failure;
    get->keys = NULL;
    if (credentials) {
        err_clear(&e);
        if (send_request(get, credentials, &e))
            return;
        drop_transfer(get);
    }
    get->done(get->arg, &e);
}

bool s3_get_start(struct s3_get *get, uint64_t first, uint64_t last, const char *etag, struct err *e)
{
    get->first = first;
    get->last = last;
    snprintf(get->etag, sizeof get->etag, "%s", etag ? etag : "");
    s3_reply_reset(&get->reply);
    const struct credentials *credentials = credentials_current(get->access->credentials);
    if (!credentials) {
        get->keys = credentials_await(get->access->credentials, keys_ready, get, e);
        return get->keys != NULL;
    }
    if (send_request(get, credentials, e))
        return true;
    drop_transfer(get);
    return false;
}
