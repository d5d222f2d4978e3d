#include "core/http_transfer.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "core/endpoint.h"
#include "core/http_tls.h"
#include "core/log.h"
#include "core/redact.h"
#include "core/secret.h"

#define KEPT_CONNECTIONS 64L
#define SPARE_HANDLES 16

/* ---- curl's multi interface on the loop ---- */

struct http {
    struct loop *loop;
    CURLM *multi;
    uv_timer_t *timer;
    uv_idle_t *idle; /* active while curl has more to do at once */
    struct watch **watches; /* by socket; NULL where there never was one */
    size_t watch_count;
    CURL *spare[SPARE_HANDLES]; /* reset, for the next transfers: to make one costs a tenth of a call */
    size_t spare_count;
};

/* A socket that curl waits for, now and then. Kept for the next one of its number, as a call over a connection that stands would
 * else make and close one, in system calls that cost as much as the call's own. Freed when its handle has closed. */
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
        http_transfer_remove(http, transfer);
        transfer->done(transfer->arg, code);
    }
}

/* Lets curl work. What it sends and receives, and what `done` reads, may be a secret, of which parts are left on the stack. */
static void act(struct http *http, curl_socket_t socket, int flags)
{
    int running;
    curl_multi_socket_action(http->multi, socket, flags, &running);
    collect(http);
    secret_cleanse_stack();
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct http *http = watch->http;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    act(http, watch->socket, flags);
}

static void watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static bool has_watch(const struct http *http, curl_socket_t socket)
{
    return (size_t)socket < http->watch_count && http->watches[socket];
}

static bool add_watch(struct http *http, curl_socket_t socket)
{
    if ((size_t)socket >= http->watch_count) {
        size_t count = (size_t)socket + 16;
        struct watch **grown = realloc(http->watches, count * sizeof *grown);
        if (!grown)
            return false;
        memset(grown + http->watch_count, 0, (count - http->watch_count) * sizeof *grown);
        http->watches = grown;
        http->watch_count = count;
    }
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return false;
    watch->http = http;
    watch->socket = socket;
    watch->poll.data = watch;
    if (uv_poll_init_socket(loop_uv(http->loop), &watch->poll, socket) != 0) {
        free(watch);
        return false;
    }
    http->watches[socket] = watch;
    return true;
}

static int watch_socket(CURL *easy, curl_socket_t socket, int what, void *arg, void *socket_arg)
{
    struct http *http = arg;
    (void)easy;
    (void)socket_arg;
    if (what == CURL_POLL_REMOVE)
        return has_watch(http, socket) ? uv_poll_stop(&http->watches[socket]->poll) : 0;
    if (!has_watch(http, socket) && !add_watch(http, socket))
        return -1;
    struct watch *watch = http->watches[socket];
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, socket_ready) == 0 ? 0 : -1;
}

static void timer_fired(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void turn_came(uv_idle_t *idle)
{
    uv_idle_stop(idle);
    act(idle->data, CURL_SOCKET_TIMEOUT, 0);
}

/* What is to go on at once goes on in the next turn: a timer of 0 ms that is started in its own callback would fire again in
 * this one (libuv 1.44), and one fast download would keep everything else waiting until its end. */
static int set_timer(CURLM *multi, long ms, void *arg)
{
    struct http *http = arg;
    (void)multi;
    uv_idle_stop(http->idle);
    uv_timer_stop(http->timer);
    if (ms < 0)
        return 0;
    if (ms == 0)
        return uv_idle_start(http->idle, turn_came) == 0 ? 0 : -1;
    uv_update_time(loop_uv(http->loop));
    return uv_timer_start(http->timer, timer_fired, (uint64_t)ms, 0) == 0 ? 0 : -1;
}

static void handle_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Headers and replies pass through curl's memory, keys among them: it is overwritten when curl gives it back. */
static bool start_curl(void)
{
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, secret_release, secret_realloc, strdup, calloc) == CURLE_OK;
}

struct http *http_new(struct loop *loop, struct err *e)
{
    struct http *http = calloc(1, sizeof *http);
    if (!http || !start_curl() || !(http->timer = calloc(1, sizeof *http->timer)) ||
        !(http->idle = calloc(1, sizeof *http->idle)) || !(http->multi = curl_multi_init())) {
        err_set(e, ERR_MEMORY, "cannot start the HTTP client: out of memory");
        if (http) {
            free(http->timer);
            free(http->idle);
        }
        free(http);
        return NULL;
    }
    http->loop = loop;
    uv_timer_init(loop_uv(loop), http->timer);
    uv_idle_init(loop_uv(loop), http->idle);
    http->timer->data = http->idle->data = http;
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    /* Between calls curl keeps four connections for each transfer that there is at that moment, which may be none. */
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS);
    return http;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    while (http->spare_count > 0)
        curl_easy_cleanup(http->spare[--http->spare_count]);
    curl_multi_cleanup(http->multi);
    uv_close((uv_handle_t *)http->timer, handle_closed);
    uv_close((uv_handle_t *)http->idle, handle_closed);
    for (size_t i = 0; i < http->watch_count; i++)
        if (http->watches[i])
            uv_close((uv_handle_t *)&http->watches[i]->poll, watch_closed);
    free(http->watches);
    free(http);
    curl_global_cleanup();
}

/* ---- what every transfer shares ---- */

/* Secrets may stand in any of them: curl tells the headers of HTTP/2 in its texts. */
static void trace_lines(char mark, const char *data, size_t size, const struct redact_values *secrets)
{
    struct buf line;
    const char *end = data + size;
    buf_init(&line, 64 * 1024);
    while (data < end) {
        const char *stop = memchr(data, '\n', (size_t)(end - data));
        size_t len = (size_t)((stop ? stop : end) - data);
        buf_reset(&line);
        if (redact_line(data, len, &line)) {
            if (secrets && line.data)
                redact_values_hide(secrets, line.data);
            log_wire(mark, "%s", line.data ? line.data : "");
        }
        data = stop ? stop + 1 : end;
    }
    buf_cleanse(&line);
}

static int trace(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
    struct http_transfer *transfer = NULL;
    (void)arg;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    const struct redact_values *secrets = transfer ? transfer->secrets : NULL;
    if (type == CURLINFO_HEADER_OUT)
        trace_lines('>', data, size, secrets);
    else if (type == CURLINFO_HEADER_IN)
        trace_lines('<', data, size, secrets);
    else if (type == CURLINFO_TEXT)
        trace_lines('*', data, size, secrets);
    return 0;
}

/* A URL with a user name, or any other that is not plain, is taken for one of another machine. */
static bool url_is_loopback(const char *url)
{
    char host[64];
    const char *start = strstr(url, "://");
    if (!start)
        return false;
    start += 3;
    if (memchr(start, '@', strcspn(start, "/?#")))
        return false;
    bool bracketed = *start == '[';
    start += bracketed;
    size_t len = strcspn(start, bracketed ? "]/?#" : ":/?#");
    if (len >= sizeof host || (bracketed && start[len] != ']'))
        return false;
    memcpy(host, start, len);
    host[len] = '\0';
    return endpoint_is_loopback(host);
}

void *http_transfer_handle(struct http *http)
{
    return http->spare_count > 0 ? http->spare[--http->spare_count] : curl_easy_init();
}

void http_transfer_give_back(struct http *http, void *easy, bool held_secret)
{
    if (!easy)
        return;
    if (held_secret || http->spare_count == SPARE_HANDLES) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    http->spare[http->spare_count++] = easy;
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
    http_tls_prepare(easy);
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

/* ---- a transfer on which nothing moves ---- */

/* curl calls it whenever it has been at work. Its own low-speed limit looks at an average of seconds, which goes on for a
 * while after the last byte. */
static int moved(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    struct http_transfer *transfer = arg;
    long headers = 0;
    (void)down_total;
    (void)up_total;
    curl_easy_getinfo(transfer->easy, CURLINFO_HEADER_SIZE, &headers);
    if (transfer->up != up || transfer->down != down + headers) {
        transfer->up = up;
        transfer->down = down + headers;
        transfer->moved_at = loop_now();
    }
    if (transfer->progress)
        transfer->progress(transfer->arg, (uint64_t)up);
    return 0;
}

/* When something last happened: before the connection stands that is the connect timeout's business. */
static uint64_t last_moved(const struct http_transfer *transfer)
{
    curl_off_t microseconds = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &microseconds);
    if (microseconds == 0)
        return loop_now();
    uint64_t began = transfer->started_at + (uint64_t)microseconds / 1000;
    return began > transfer->moved_at ? began : transfer->moved_at;
}

static void stall_due(void *arg)
{
    struct http_transfer *transfer = arg;
    uint64_t due = last_moved(transfer) + (uint64_t)transfer->stall_ms, now = loop_now();
    transfer->stall = NULL;
    if (due > now) {
        transfer->stall = loop_deadline_start(transfer->http->loop, due - now, stall_due, transfer);
        return;
    }
    http_transfer_remove(transfer->http, transfer);
    transfer->done(transfer->arg, CURLE_OPERATION_TIMEDOUT);
}

bool http_transfer_add(struct http *http, struct http_transfer *transfer, struct err *e)
{
    transfer->http = http;
    transfer->started_at = transfer->moved_at = loop_now();
    transfer->up = transfer->down = 0;
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(transfer->easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(transfer->easy, CURLOPT_XFERINFOFUNCTION, moved);
    curl_easy_setopt(transfer->easy, CURLOPT_XFERINFODATA, transfer);
    transfer->stall = loop_deadline_start(http->loop, (uint64_t)transfer->stall_ms, stall_due, transfer);
    if (!transfer->stall)
        return err_set(e, ERR_MEMORY, "out of memory");
    CURLMcode code = curl_multi_add_handle(http->multi, transfer->easy);
    if (code == CURLM_OK)
        return true;
    http_transfer_remove(http, transfer);
    return err_set(e, ERR_CONNECTION, "cannot start the request: %s", curl_multi_strerror(code));
}

void http_transfer_remove(struct http *http, struct http_transfer *transfer)
{
    loop_timer_stop(transfer->stall);
    transfer->stall = NULL;
    curl_multi_remove_handle(http->multi, transfer->easy);
}

/* ---- what its end means ---- */

void http_transfer_error(void *easy, int curl_code, const char *url, struct err *e)
{
    struct http_url parts = {0};
    struct err ignored;
    long os_error = 0, proxy_status = 0;
    err_clear(&ignored);
    bool parsed = http_url_parse(url, &parts, &ignored);
    const char *host = parsed ? parts.authority : "the server";
    CURLcode code = (CURLcode)curl_code;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    e->retryable = true;
    if (proxy_status >= 400) {
        e->retryable = proxy_status >= 500;
        err_set(e, ERR_CONNECTION, "the proxy refused the way to %s (%ld): it must %s, or NO_PROXY must have it", host, proxy_status,
                proxy_status == 407 ? "be given a user and a password that it takes" : "allow this host");
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
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
