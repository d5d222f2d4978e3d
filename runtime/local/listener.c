/* listener: libmicrohttpd on the loop, through its epoll descriptor. Routes and uploads do the rest. */
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "local/connections.h"
#include "local/service.h"

#define IDLE_SECONDS 120
#define LOOK_MS 500
#define LAST_RUNS 16 /* of the daemon before it is stopped: a reply takes two or three */
#define CONNECTION_MEMORY ((size_t)128 << 10)
#define MOST_BODIES ((size_t)64 << 20) /* bytes of calls' bodies that are kept at a time, over all connections */
#define SMALL_BODY ((size_t)8 << 10)   /* that is kept in any case */

struct listener {
    struct local *service;
    struct MHD_Daemon *daemon;
    uv_poll_t *poll;
    uv_timer_t *timer;
    uv_idle_t *idle;   /* active while the daemon has more to do at once */
    uv_check_t *check; /* runs the daemon again after replies were made ready in this turn */
    struct exchange *paused;
    struct exchange *receiving; /* uploads whose bodies are coming */
    struct loop_timer *look;    /* at those */
    struct connections *connections;
    size_t bodies; /* bytes allocated for calls' bodies */
    bool pending;
};

static void run_daemon(struct listener *listener);

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
    listener->pending = true;
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
    if (listener->pending)
        run_daemon(listener);
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

/* ---- on the loop ---- */

static void timer_due(uv_timer_t *timer)
{
    run_daemon(timer->data);
}

static void more_to_do(uv_idle_t *idle)
{
    ((struct listener *)idle->data)->pending = true;
}

/* What is to go on at once goes on in the next turn: a timer of 0 ms that is started in its own callback would fire again in
 * this one (libuv 1.44), and one fast upload would keep everything else waiting until its end. */
static void run_daemon(struct listener *listener)
{
    MHD_UNSIGNED_LONG_LONG wait;
    listener->pending = false;
    MHD_run(listener->daemon);
    bool due = MHD_get_timeout(listener->daemon, &wait) == MHD_YES;
    if (due && wait == 0)
        uv_idle_start(listener->idle, more_to_do);
    else
        uv_idle_stop(listener->idle);
    if (due && wait > 0)
        uv_timer_start(listener->timer, timer_due, wait, 0);
    else
        uv_timer_stop(listener->timer);
}

static void readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run_daemon(poll->data);
}

static void after_turn(uv_check_t *check)
{
    struct listener *listener = check->data;
    if (listener->pending)
        run_daemon(listener);
}

static void closed(uv_handle_t *handle)
{
    free(handle);
}

static void connection_taken(void *arg)
{
    ((struct listener *)arg)->pending = true;
}

static bool watch(struct listener *listener, struct err *err)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uv_loop_t *uv = loop_uv(listener->service->loop);
    listener->poll = calloc(1, sizeof *listener->poll);
    listener->timer = calloc(1, sizeof *listener->timer);
    listener->check = calloc(1, sizeof *listener->check);
    listener->idle = calloc(1, sizeof *listener->idle);
    if (!info || !listener->poll || !listener->timer || !listener->check || !listener->idle)
        return err_set(err, ERR_MEMORY, "out of memory");
    uv_poll_init(uv, listener->poll, info->epoll_fd);
    uv_timer_init(uv, listener->timer);
    uv_check_init(uv, listener->check);
    uv_idle_init(uv, listener->idle);
    listener->poll->data = listener->timer->data = listener->check->data = listener->idle->data = listener;
    uv_poll_start(listener->poll, UV_READABLE, readable);
    uv_check_start(listener->check, after_turn);
    /* Listening alone does not keep a program going. */
    uv_unref((uv_handle_t *)listener->poll);
    uv_unref((uv_handle_t *)listener->timer);
    uv_unref((uv_handle_t *)listener->check);
    uv_unref((uv_handle_t *)listener->idle);
    return true;
}

static bool start_daemon(struct listener *listener, struct err *err)
{
    listener->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, came, listener->service, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, connections_notify, listener->connections, MHD_OPTION_CONNECTION_LIMIT,
        connections_most(listener->connections), MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_END);
    return listener->daemon || err_set(err, ERR_MEMORY, "cannot start the listener");
}

struct listener *listener_new(struct local *service, const struct local_options *options, struct err *err)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    listener->service = service;
    listener->connections = connections_new(service->loop, options->host ? options->host : "127.0.0.1", options->port,
                                            options->patience, err);
    if (listener->connections && start_daemon(listener, err) && watch(listener, err) &&
        connections_start(listener->connections, listener->daemon, connection_taken, listener, err))
        return listener;
    listener_free(listener);
    return NULL;
}

int listener_port(const struct listener *listener)
{
    return connections_port(listener->connections);
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
    if (listener->poll)
        uv_poll_stop(listener->poll);
    for (int i = 0; listener->daemon && i < LAST_RUNS; i++) {
        end_pauses(listener);
        MHD_run(listener->daemon);
    }
    end_pauses(listener);
    if (listener->connections)
        connections_stop(listener->connections);
    if (listener->daemon)
        MHD_stop_daemon(listener->daemon);
    connections_free(listener->connections);
    loop_timer_stop(listener->look);
    uv_handle_t *handles[] = {(uv_handle_t *)listener->poll, (uv_handle_t *)listener->timer,
                              (uv_handle_t *)listener->check, (uv_handle_t *)listener->idle};
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++)
        if (handles[i])
            uv_close(handles[i], closed);
    free(listener);
}
