/* listener: the requests that a daemon on the loop hands over (core/httpd.h). Routes and uploads do the rest. */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/connections.h"
#include "core/httpd.h"
#include "core/listening.h"
#include "local/service.h"

#define MOST 4000
#define DESCRIPTORS_KEPT 64 /* for stores, for the loop, for the rest of the program */
#define IDLE_SECONDS 120
#define LOOK_MS 500
#define LAST_RUNS 16 /* of the daemon before it is stopped: a reply takes two or three */
#define CONNECTION_MEMORY ((size_t)128 << 10)
#define MOST_BODIES ((size_t)64 << 20) /* bytes of calls' bodies that are kept at a time, over all connections */
#define SMALL_BODY ((size_t)8 << 10)   /* that is kept in any case */

struct listener {
    struct local *service;
    struct httpd *httpd;
    int port;
    struct exchange *paused;
    struct exchange *receiving; /* uploads whose bodies are coming */
    struct loop_timer *look;    /* at those */
    size_t bodies;              /* bytes allocated for calls' bodies */
};

/* ---- exchanges ---- */

void exchange_suspend(struct exchange *ex)
{
    ex->suspended = true;
    MHD_suspend_connection(ex->connection);
}

void exchange_resume(struct exchange *ex)
{
    struct listener *listener = ex->service->listener;
    ex->suspended = false;
    MHD_resume_connection(ex->connection);
    httpd_run_soon(listener->httpd);
}

static void pause_over(void *arg)
{
    struct exchange *ex = arg;
    struct exchange **p = &ex->service->listener->paused;
    while (*p && *p != ex)
        p = &(*p)->next;
    if (*p)
        *p = ex->next;
    ex->pause = NULL;
    exchange_resume(ex);
}

void exchange_pause(struct exchange *ex, uint64_t ms)
{
    struct listener *listener = ex->service->listener;
    ex->pause = loop_timer_start(ex->service->loop, ms, pause_over, ex);
    if (!ex->pause)
        return; /* out of memory: it goes on at once */
    ex->next = listener->paused;
    listener->paused = ex;
    exchange_suspend(ex);
}

/* ---- clients that are gone ---- */

bool exchange_client_closed(const struct exchange *ex)
{
    struct pollfd socket = {connection_socket(ex->connection), POLLRDHUP, 0};
    return poll(&socket, 1, 0) > 0;
}

/* Under edge-triggered epoll microhttpd misses an end that comes together with the last bytes of a piece, and would keep what
 * was uploaded so far until the connection has been idle for long. Shut down, the socket tells it once more. */
static void end_if_gone(const struct exchange *ex)
{
    int fd = connection_socket(ex->connection);
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        shutdown(fd, SHUT_RDWR);
}

static void look_for_gone(void *arg)
{
    struct listener *listener = arg;
    /* microhttpd may have bytes that came before the end, for those suspended or just resumed. */
    if (httpd_is_due(listener->httpd))
        httpd_run(listener->httpd);
    for (struct exchange *ex = listener->receiving; ex; ex = ex->next_receiving)
        if (!ex->suspended)
            end_if_gone(ex);
    listener->look = listener->receiving ? loop_timer_start(listener->service->loop, LOOK_MS, look_for_gone, listener) : NULL;
}

static void start_receiving(struct exchange *ex)
{
    struct listener *listener = ex->service->listener;
    ex->next_receiving = listener->receiving;
    listener->receiving = ex;
    if (!listener->look)
        listener->look = loop_timer_start(listener->service->loop, LOOK_MS, look_for_gone, listener);
}

static void stop_receiving(struct exchange *ex)
{
    struct exchange **p = &ex->service->listener->receiving;
    while (*p && *p != ex)
        p = &(*p)->next_receiving;
    if (*p)
        *p = ex->next_receiving;
}

/* ---- replies ---- */

static void add_headers(struct MHD_Response *response, struct exchange *ex)
{
    if (ex->is_upload) {
        MHD_add_response_header(response, "x-amz-request-id", ex->request_id);
        MHD_add_response_header(response, "x-amz-id-2", "bG9jYWw=");
        if (ex->etag[0])
            MHD_add_response_header(response, "ETag", ex->etag);
        if (!ex->err.code[0])
            MHD_add_response_header(response, "x-amz-server-side-encryption-customer-algorithm", "AES256");
        if (ex->text.len)
            MHD_add_response_header(response, "Content-Type", "application/xml");
        return;
    }
    MHD_add_response_header(response, "Content-Type", "application/json");
    MHD_add_response_header(response, "x-amzn-RequestId", ex->request_id);
    if (ex->err.code[0])
        MHD_add_response_header(response, "x-amzn-ErrorType", ex->err.code);
}

static enum MHD_Result queue_reply(struct exchange *ex)
{
    if (ex->is_upload)
        uploads_render(ex);
    else
        routes_render(ex);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        ex->text.len, ex->text.data ? ex->text.data : (char *)"", MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    add_headers(response, ex);
    if (ex->is_last)
        MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result result = MHD_queue_response(ex->connection, (unsigned)ex->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- microhttpd's callbacks ---- */

/* The request line has come: microhttpd decodes paths, and signatures need them as they were sent. */
static void *came(void *arg, const char *uri, struct MHD_Connection *connection)
{
    (void)connection;
    return exchange_new(arg, uri);
}

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct exchange *ex = arg;
    (void)kind;
    if (exchange_add_header(ex, name, value))
        return MHD_YES;
    err_set(&ex->err, ERR_MEMORY, "out of memory");
    return MHD_NO;
}

/* Where a body ends must not depend on who reads the head (RFC 9112, 6.3). */
static bool check_framing(struct exchange *ex)
{
    size_t lengths = 0;
    for (size_t i = 0; i < ex->header_count; i++)
        lengths += strcasecmp(ex->headers[i].name, "content-length") == 0;
    ex->is_last = lengths + (exchange_header(ex, "transfer-encoding") != NULL) > 1;
    return !ex->is_last || exchange_refuse(ex, 400, ex->is_upload ? "InvalidRequest" : "BadRequestException",
                                           "The request tells more than once how long it is.");
}

/* Checks what the head tells; ends in PHASE_CHECKING or PHASE_CHECKED. */
static void begin(struct exchange *ex, struct MHD_Connection *connection, const char *method)
{
    ex->connection = connection;
    snprintf(ex->method, sizeof ex->method, "%s", method);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, ex);
    ex->is_upload = strncmp(ex->path, UPLOAD_PREFIX, strlen(UPLOAD_PREFIX)) == 0;
    ex->phase = PHASE_CHECKED;
    if (ex->err.code[0] || !check_framing(ex))
        return;
    if (ex->is_upload)
        uploads_begin(ex);
    else
        (void)!auth_check_caller(ex);
}

/* A client that waits to be told, or has much to send, is told at once that it is refused. One that is sending a little would
 * find the connection broken and never see why: its body is taken, and thrown away. */
static bool answers_at_once(const struct exchange *ex)
{
    const char *length = exchange_header(ex, "content-length");
    return ex->err.code[0] && (ex->is_last || exchange_header(ex, "expect") || (length && atof(length) > (double)MAX_API_BODY));
}

static enum MHD_Result checked(struct exchange *ex)
{
    if (answers_at_once(ex)) {
        ex->phase = PHASE_READY;
        return queue_reply(ex);
    }
    ex->phase = PHASE_BODY;
    if (ex->is_upload && !ex->err.code[0]) {
        start_receiving(ex);
        connection_waits(ex->connection, false);
    }
    return MHD_YES;
}

static void drop_body(struct exchange *ex)
{
    ex->service->listener->bodies -= ex->body.size;
    buf_cleanse(&ex->body);
}

/* Of a call. Small ones always find room. */
static void keep_body(struct exchange *ex, const char *bytes, size_t len)
{
    struct listener *listener = ex->service->listener;
    size_t size = ex->body.size;
    if (ex->body.len + len > SMALL_BODY && listener->bodies + len > MOST_BODIES)
        exchange_refuse(ex, 429, "ThrottlingException", "Too many large requests are coming at once.");
    else if (!buf_add(&ex->body, bytes, len))
        exchange_refuse(ex, 413, "BadRequestException", "The request is larger than %zu bytes.", MAX_API_BODY);
    listener->bodies += ex->body.size - size;
    if (ex->err.code[0])
        drop_body(ex);
}

/* Returns how many of the bytes were taken. */
static size_t take_body(struct exchange *ex, const char *bytes, size_t len)
{
    if (ex->err.code[0])
        return len;
    if (ex->is_upload)
        return uploads_body(ex, bytes, len);
    keep_body(ex, bytes, len);
    return len;
}

static void finish(struct exchange *ex)
{
    if (ex->is_upload) {
        stop_receiving(ex);
        uploads_finish(ex);
        return;
    }
    connection_waits(ex->connection, false);
    routes_handle(ex);
    drop_body(ex);
}

/* Called for the head, for each piece of the body, at its end, and again whenever the exchange was resumed. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload_data, size_t *upload_size, void **context)
{
    struct exchange *ex = *context;
    (void)arg;
    (void)url;
    (void)version;
    if (!ex)
        return MHD_NO;
    if (ex->phase == PHASE_HEAD) {
        begin(ex, connection, method);
        return ex->phase == PHASE_CHECKED ? checked(ex) : MHD_YES;
    }
    if (ex->phase == PHASE_CHECKING || ex->phase == PHASE_WORKING)
        return MHD_YES; /* suspended */
    if (ex->phase == PHASE_READY)
        return queue_reply(ex);
    if (ex->phase == PHASE_CHECKED)
        return checked(ex);
    if (*upload_size > 0) {
        *upload_size -= take_body(ex, upload_data, *upload_size);
        return ex->dropped ? MHD_NO : MHD_YES;
    }
    finish(ex);
    return ex->phase == PHASE_READY ? queue_reply(ex) : MHD_YES;
}

static void completed(void *arg, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
    struct exchange *ex = *context;
    (void)arg;
    (void)code;
    *context = NULL;
    if (!ex)
        return;
    if (ex->is_upload)
        stop_receiving(ex);
    drop_body(ex);
    exchange_free(ex);
    connection_waits(connection, true);
}

/* ---- start and end ---- */

/* Each connection may need a descriptor for its socket and one for a file. The limit of open files is raised as far as it may be
 * and is of use. */
static unsigned most_connections(void)
{
    const rlim_t wanted = 2 * MOST + DESCRIPTORS_KEPT;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return MOST;
    if (limit.rlim_cur < wanted) {
        struct rlimit raised = {limit.rlim_max < wanted ? limit.rlim_max : wanted, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    if (limit.rlim_cur >= wanted)
        return MOST;
    unsigned descriptors = (unsigned)limit.rlim_cur;
    return descriptors > 2 * DESCRIPTORS_KEPT ? (descriptors - DESCRIPTORS_KEPT) / 2 : descriptors / 4 + 1;
}

/* -1 with *err. */
static int listen_as(const struct local_options *options, int *port, struct err *err)
{
    const char *host = options->host ? options->host : "127.0.0.1";
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) == 1)
        return listening_on_port(host, options->port, port, err);
    err_set(err, ERR_CONFIG, "%s is not an IPv4 address to listen on", host);
    return -1;
}

static bool start(struct listener *listener, const struct local_options *options, struct err *err)
{
    struct httpd_options daemon = {.most = most_connections(),
                                   .patience = options->patience,
                                   .idle_seconds = IDLE_SECONDS,
                                   .connection_memory = CONNECTION_MEMORY,
                                   .handle = handle,
                                   .completed = completed,
                                   .came = came,
                                   .arg = listener->service};
    daemon.socket = listen_as(options, &listener->port, err);
    if (daemon.socket >= 0)
        listener->httpd = httpd_new(listener->service->loop, &daemon, err);
    return listener->httpd != NULL;
}

struct listener *listener_new(struct local *service, const struct local_options *options, struct err *err)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    listener->service = service;
    if (start(listener, options, err))
        return listener;
    listener_free(listener);
    return NULL;
}

int listener_port(const struct listener *listener)
{
    return listener->port;
}

static void end_pauses(struct listener *listener)
{
    while (listener->paused) {
        loop_timer_stop(listener->paused->pause);
        pause_over(listener->paused);
    }
}

void listener_free(struct listener *listener)
{
    if (!listener)
        return;
    httpd_stop(listener->httpd);
    for (int i = 0; listener->httpd && i < LAST_RUNS; i++) {
        end_pauses(listener);
        httpd_run(listener->httpd);
    }
    end_pauses(listener);
    httpd_free(listener->httpd);
    loop_timer_stop(listener->look);
    free(listener);
}
