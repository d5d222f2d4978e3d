#include "core/http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/endpoint.h"
#include "core/http_transfer.h"
#include "core/log.h"
#include "core/redact.h"

/* ---- curl's multi interface on the loop ---- */

struct http {
    struct loop *loop;
    CURLM *multi;
    uv_timer_t *timer;
};

/* A socket that curl waits for. Freed when its handle has closed. */
struct watch {
    uv_poll_t poll;
    struct http *http;
    curl_socket_t socket;
};

/* Tells the transfers that have ended. A `done` may add or remove transfers, so one is taken at a time. */
static void collect(struct http *http)
{
    CURLMsg *message;
    int left;
    while (http->multi && (message = curl_multi_info_read(http->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct http_transfer *transfer = NULL;
        CURL *easy = message->easy_handle;
        int code = (int)message->data.result;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
        curl_multi_remove_handle(http->multi, easy);
        transfer->done(transfer->arg, code);
    }
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct http *http = watch->http;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    int running;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(http->multi, watch->socket, flags, &running);
    collect(http);
}

static void watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static int watch_socket(CURL *easy, curl_socket_t socket, int what, void *arg, void *socket_arg)
{
    struct http *http = arg;
    struct watch *watch = socket_arg;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch) {
            uv_poll_stop(&watch->poll);
            uv_close((uv_handle_t *)&watch->poll, watch_closed);
            curl_multi_assign(http->multi, socket, NULL);
        }
        return 0;
    }
    if (!watch) {
        watch = calloc(1, sizeof *watch);
        if (!watch)
            return -1;
        watch->http = http;
        watch->socket = socket;
        watch->poll.data = watch;
        if (uv_poll_init_socket(loop_uv(http->loop), &watch->poll, socket) != 0) {
            free(watch);
            return -1;
        }
        curl_multi_assign(http->multi, socket, watch);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, socket_ready) == 0 ? 0 : -1;
}

static void timer_fired(uv_timer_t *timer)
{
    struct http *http = timer->data;
    int running;
    curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(http);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
    struct http *http = arg;
    (void)multi;
    if (ms < 0)
        return uv_timer_stop(http->timer);
    uv_update_time(loop_uv(http->loop));
    return uv_timer_start(http->timer, timer_fired, (uint64_t)ms, 0) == 0 ? 0 : -1;
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

struct http *http_new(struct loop *loop, struct err *e)
{
    struct http *http = calloc(1, sizeof *http);
    if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(http->timer = calloc(1, sizeof *http->timer)) ||
        !(http->multi = curl_multi_init())) {
        err_set(e, ERR_MEMORY, "cannot start the HTTP client: out of memory");
        if (http)
            free(http->timer);
        free(http);
        return NULL;
    }
    http->loop = loop;
    uv_timer_init(loop_uv(loop), http->timer);
    http->timer->data = http;
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    return http;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    curl_multi_cleanup(http->multi);
    uv_close((uv_handle_t *)http->timer, timer_closed);
    free(http);
    curl_global_cleanup();
}

/* ---- what every transfer shares ---- */

/* Secrets may stand in any of them: curl tells the headers of HTTP/2 in its texts. */
static void trace_lines(char mark, const char *data, size_t size)
{
    struct buf line;
    const char *end = data + size;
    buf_init(&line, 64 * 1024);
    while (data < end) {
        const char *stop = memchr(data, '\n', (size_t)(end - data));
        size_t len = (size_t)((stop ? stop : end) - data);
        buf_reset(&line);
        if (redact_line(data, len, &line))
            log_wire(mark, "%s", line.data ? line.data : "");
        data = stop ? stop + 1 : end;
    }
    buf_cleanse(&line);
}

static int trace(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
    (void)easy;
    (void)arg;
    if (type == CURLINFO_HEADER_OUT)
        trace_lines('>', data, size);
    else if (type == CURLINFO_HEADER_IN)
        trace_lines('<', data, size);
    else if (type == CURLINFO_TEXT)
        trace_lines('*', data, size);
    return 0;
}

static bool url_is_loopback(const char *url)
{
    struct http_url parts;
    struct err ignored;
    err_clear(&ignored);
    if (!http_url_parse(url, &parts, &ignored))
        return false;
    bool loopback = endpoint_is_loopback(parts.host);
    http_url_free(&parts);
    return loopback;
}

bool http_transfer_prepare(void *easy, const char *url, long connect_timeout_ms, struct err *e)
{
    const char *bundle = getenv("AWS_CA_BUNDLE");
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms ? connect_timeout_ms : 10000L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "upjob/" UPJOB_VERSION);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    if (bundle && *bundle && code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_CAINFO, bundle);
    if (url_is_loopback(url))
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (log_enabled(LOG_TRACE)) {
        curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
        curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, trace);
    }
    if (code != CURLE_OK)
        return err_set(e, ERR_CONNECTION, "cannot set up the request: %s", curl_easy_strerror(code));
    return true;
}

bool http_transfer_add(struct http *http, struct http_transfer *transfer, struct err *e)
{
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    CURLMcode code = curl_multi_add_handle(http->multi, transfer->easy);
    if (code != CURLM_OK)
        return err_set(e, ERR_CONNECTION, "cannot start the request: %s", curl_multi_strerror(code));
    return true;
}

void http_transfer_remove(struct http *http, struct http_transfer *transfer)
{
    curl_multi_remove_handle(http->multi, transfer->easy);
}

void http_transfer_error(void *easy, int curl_code, const char *url, struct err *e)
{
    struct http_url parts = {0};
    struct err ignored;
    long os_error = 0;
    err_clear(&ignored);
    bool parsed = http_url_parse(url, &parts, &ignored);
    const char *host = parsed ? parts.authority : "the server";
    CURLcode code = (CURLcode)curl_code;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    e->retryable = true;
    if (code == CURLE_OPERATION_TIMEDOUT) {
        err_set(e, ERR_TIMEOUT, "no answer from %s in time", host);
    } else if (code == CURLE_COULDNT_RESOLVE_HOST) {
        err_set(e, ERR_CONNECTION, "the name %s cannot be resolved: check the region or endpoint, and the network",
                parsed ? parts.host : host);
    } else if (code == CURLE_COULDNT_CONNECT) {
        err_set(e, ERR_CONNECTION, "cannot connect to %s%s%s", host, os_error ? ": " : "",
                os_error ? strerror((int)os_error) : "");
    } else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
        e->retryable = false;
        err_set(e, ERR_CONNECTION, "the certificate of %s cannot be verified (a proxy's own? set AWS_CA_BUNDLE): %s",
                host, curl_easy_strerror(code));
    } else {
        err_set(e, ERR_CONNECTION, "the connection to %s failed: %s", host, curl_easy_strerror(code));
    }
    if (parsed)
        http_url_free(&parts);
}

/* ---- requests ---- */

struct http_call {
    struct http *http;
    struct http_transfer transfer;
    struct curl_slist *headers;
    struct http_response response;
    char *url;
    void *body;
    void (*done)(void *arg, struct http_response *response, const struct err *e);
    void *arg;
    bool overflow;
};

static double wall_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void forget_headers(struct http_response *response)
{
    for (size_t i = 0; i < response->header_count; i++) {
        free(response->headers[i].name);
        free(response->headers[i].value);
    }
    free(response->headers);
    response->headers = NULL;
    response->header_count = 0;
}

static void call_free(struct http_call *call)
{
    if (call->transfer.easy)
        curl_easy_cleanup(call->transfer.easy);
    curl_slist_free_all(call->headers);
    forget_headers(&call->response);
    buf_cleanse(&call->response.body);
    free(call->url);
    free(call->body);
    free(call);
}

static size_t take_body(char *data, size_t unit, size_t count, void *arg)
{
    struct http_call *call = arg;
    if (buf_add(&call->response.body, data, unit * count))
        return unit * count;
    call->overflow = true;
    return 0;
}

static size_t take_header(char *data, size_t unit, size_t count, void *arg)
{
    struct http_call *call = arg;
    struct http_response *response = &call->response;
    size_t size = unit * count, len = size;
    const char *colon = memchr(data, ':', len);
    if (len > 5 && strncmp(data, "HTTP/", 5) == 0) {
        forget_headers(response); /* those of a 100 or of a redirect */
        return size;
    }
    if (!colon)
        return size;
    while (len > 0 && strchr("\r\n \t", data[len - 1]))
        len--;
    const char *value = colon + 1;
    while (value < data + len && (*value == ' ' || *value == '\t'))
        value++;
    size_t value_len = value < data + len ? (size_t)(data + len - value) : 0;
    struct http_header *grown = realloc(response->headers, (response->header_count + 1) * sizeof *grown);
    if (!grown)
        return 0;
    response->headers = grown;
    struct http_header *header = &grown[response->header_count];
    header->name = strndup(data, (size_t)(colon - data));
    header->value = strndup(value, value_len);
    response->header_count++;
    return header->name && header->value ? size : 0;
}

static void call_done(void *arg, int curl_code)
{
    struct http_call *call = arg;
    struct http_response *response = &call->response;
    struct err e;
    long status = 0, connects = 0;
    curl_off_t sent = 0, microseconds = 0;
    err_clear(&e);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_REQUEST_SIZE, &connects);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_TOTAL_TIME_T, &microseconds);
    response->seconds = (double)microseconds / 1e6;
    response->ended = wall_clock();
    response->sent = connects > 0 || sent > 0;
    response->status = (int)status;
    if (call->overflow) {
        err_set(&e, ERR_RESPONSE, "the reply is larger than %zu bytes", response->body.max);
    } else if (curl_code != CURLE_OK) {
        http_transfer_error(call->transfer.easy, curl_code, call->url, &e);
        response->status = 0;
    }
    call->done(call->arg, response, &e);
    call_free(call);
}

static bool add_headers(struct http_call *call, const struct http_request *request)
{
    struct buf line;
    bool type_given = false;
    buf_init(&line, 1 << 20);
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        buf_reset(&line);
        /* "Name;" is how curl is asked to send a header without a value. */
        buf_addf(&line, *header->value ? "%s: %s" : "%s;", header->name, header->value);
        struct curl_slist *list = line.failed ? NULL : curl_slist_append(call->headers, line.data);
        if (!list)
            break;
        call->headers = list;
        type_given = type_given || strcasecmp(header->name, "content-type") == 0;
    }
    bool failed = line.failed;
    buf_cleanse(&line);
    /* curl would add these by itself, and a signed request must carry what was signed. */
    static const char *const removed[] = {"Accept:", "Expect:", "Content-Type:"};
    for (size_t i = 0; i < (type_given ? 2u : 3u); i++) {
        struct curl_slist *list = curl_slist_append(call->headers, removed[i]);
        if (!list)
            return false;
        call->headers = list;
    }
    return !failed;
}

static void set_request(struct http_call *call, const struct http_request *request)
{
    CURL *easy = call->transfer.easy;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, request->timeout_ms);
    long stalled = request->read_timeout_ms ? request->read_timeout_ms : 60000;
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (stalled + 999) / 1000);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request->follow_redirects ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, NULL);
    if (request->has_body || request->body_len > 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
    } else if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

struct http_call *http_start(struct http *http, const struct http_request *request,
                             void (*done)(void *arg, struct http_response *response, const struct err *e),
                             void *arg, struct err *e)
{
    struct http_call *call = calloc(1, sizeof *call);
    if (!call) {
        err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    call->http = http;
    call->done = done;
    call->arg = arg;
    buf_init(&call->response.body, request->max_response ? request->max_response : HTTP_MAX_RESPONSE);
    call->transfer.easy = curl_easy_init();
    call->transfer.done = call_done;
    call->transfer.arg = call;
    call->url = strdup(request->url);
    call->body = malloc(request->body_len + 1);
    if (!call->transfer.easy || !call->url || !call->body || !add_headers(call, request)) {
        err_set(e, ERR_MEMORY, "out of memory");
        goto failed;
    }
    if (request->body_len)
        memcpy(call->body, request->body, request->body_len);
    if (!http_transfer_prepare(call->transfer.easy, call->url, request->connect_timeout_ms, e))
        goto failed;
    set_request(call, request);
    call->response.started = wall_clock();
    if (!http_transfer_add(http, &call->transfer, e))
        goto failed;
    return call;
failed:
    call_free(call);
    return NULL;
}

void http_cancel(struct http_call *call)
{
    http_transfer_remove(call->http, &call->transfer);
    call_free(call);
}

const char *http_response_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (strcasecmp(response->headers[i].name, name) == 0)
            return response->headers[i].value;
    return NULL;
}

/* ---- URLs ---- */

static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return strdup("");
    char *copy = strdup(text);
    curl_free(text);
    return copy;
}

bool http_url_parse(const char *text, struct http_url *out, struct err *e)
{
    memset(out, 0, sizeof *out);
    CURLU *url = curl_url();
    CURLUcode code = url ? curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS) : CURLUE_OUT_OF_MEMORY;
    if (code != CURLUE_OK) {
        err_set(e, ERR_CONFIG, "this is not a URL: %s", curl_url_strerror(code));
        curl_url_cleanup(url);
        return false;
    }
    out->scheme = url_part(url, CURLUPART_SCHEME, 0);
    out->host = url_part(url, CURLUPART_HOST, 0);
    out->path = url_part(url, CURLUPART_PATH, 0);
    out->query = url_part(url, CURLUPART_QUERY, 0);
    char *port = url_part(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
    curl_url_cleanup(url);
    if (out->host && port && (out->authority = malloc(strlen(out->host) + strlen(port) + 2))) {
        strcpy(out->authority, out->host);
        if (*port) {
            strcat(out->authority, ":");
            strcat(out->authority, port);
        }
    }
    free(port);
    if (out->scheme && out->host && out->path && out->query && out->authority)
        return true;
    http_url_free(out);
    return err_set(e, ERR_MEMORY, "out of memory");
}

void http_url_free(struct http_url *url)
{
    free(url->scheme);
    free(url->host);
    free(url->authority);
    free(url->path);
    free(url->query);
    memset(url, 0, sizeof *url);
}
