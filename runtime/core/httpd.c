#include "core/httpd.h"

#include <stdlib.h>

#include "core/connections.h"

struct httpd {
    struct MHD_Daemon *daemon;
    struct connections *connections;
    uv_poll_t *poll;
    uv_timer_t *timer;
    uv_idle_t *idle;   /* active while the daemon has more to do at once */
    uv_check_t *check; /* runs the daemon again after replies were made ready in this turn */
    bool due;
};

static void timer_due(uv_timer_t *timer)
{
    httpd_run(timer->data);
}

static void more_to_do(uv_idle_t *idle)
{
    ((struct httpd *)idle->data)->due = true;
}

/* What is to go on at once goes on in the next turn: a timer of 0 ms that is started in its own callback would fire again in
 * this one (libuv 1.44), and one fast upload would keep everything else waiting until its end. */
void httpd_run(struct httpd *httpd)
{
    MHD_UNSIGNED_LONG_LONG wait;
    httpd->due = false;
    MHD_run(httpd->daemon);
    bool due = MHD_get_timeout(httpd->daemon, &wait) == MHD_YES;
    if (due && wait == 0)
        uv_idle_start(httpd->idle, more_to_do);
    else
        uv_idle_stop(httpd->idle);
    if (due && wait > 0)
        uv_timer_start(httpd->timer, timer_due, wait, 0);
    else
        uv_timer_stop(httpd->timer);
}

/* Between turns too, when the next one would sleep before it comes to an end. */
void httpd_run_soon(struct httpd *httpd)
{
    httpd->due = true;
    uv_idle_start(httpd->idle, more_to_do);
}

bool httpd_is_due(const struct httpd *httpd)
{
    return httpd->due;
}

static void readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    httpd_run(poll->data);
}

static void after_turn(uv_check_t *check)
{
    struct httpd *httpd = check->data;
    if (httpd->due)
        httpd_run(httpd);
}

static void connection_taken(void *arg)
{
    httpd_run_soon(arg);
}

static bool watch(struct httpd *httpd, struct loop *loop, struct err *err)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(httpd->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uv_loop_t *uv = loop_uv(loop);
    httpd->poll = calloc(1, sizeof *httpd->poll);
    httpd->timer = calloc(1, sizeof *httpd->timer);
    httpd->check = calloc(1, sizeof *httpd->check);
    httpd->idle = calloc(1, sizeof *httpd->idle);
    if (!info || !httpd->poll || !httpd->timer || !httpd->check || !httpd->idle) {
        void *handles[] = {httpd->poll, httpd->timer, httpd->check, httpd->idle};
        for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++)
            free(handles[i]);
        httpd->poll = NULL;
        return err_set(err, ERR_MEMORY, "out of memory");
    }
    uv_poll_init(uv, httpd->poll, info->epoll_fd);
    uv_timer_init(uv, httpd->timer);
    uv_check_init(uv, httpd->check);
    uv_idle_init(uv, httpd->idle);
    httpd->poll->data = httpd->timer->data = httpd->check->data = httpd->idle->data = httpd;
    uv_poll_start(httpd->poll, UV_READABLE, readable);
    uv_check_start(httpd->check, after_turn);
    /* Listening alone does not keep a program going. */
    uv_unref((uv_handle_t *)httpd->poll);
    uv_unref((uv_handle_t *)httpd->timer);
    uv_unref((uv_handle_t *)httpd->check);
    uv_unref((uv_handle_t *)httpd->idle);
    return true;
}

static bool start_daemon(struct httpd *httpd, const struct httpd_options *options, struct err *err)
{
    httpd->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, options->handle, options->arg,
        MHD_OPTION_URI_LOG_CALLBACK, options->came, options->arg, MHD_OPTION_NOTIFY_COMPLETED, options->completed, options->arg,
        MHD_OPTION_NOTIFY_CONNECTION, connections_notify, httpd->connections, MHD_OPTION_CONNECTION_LIMIT, options->most,
        MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->connection_memory,
        MHD_OPTION_END);
    return httpd->daemon || err_set(err, ERR_MEMORY, "cannot start the listener");
}

struct httpd *httpd_new(struct loop *loop, const struct httpd_options *options, struct err *err)
{
    struct connections *connections = connections_new(loop, options->socket, options->most, options->patience, err);
    struct httpd *httpd = connections ? calloc(1, sizeof *httpd) : NULL;
    if (!httpd) {
        connections_free(connections);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    httpd->connections = connections;
    if (start_daemon(httpd, options, err) && watch(httpd, loop, err) &&
        connections_start(connections, httpd->daemon, connection_taken, httpd, err))
        return httpd;
    httpd_free(httpd);
    return NULL;
}

void httpd_stop(struct httpd *httpd)
{
    if (httpd && httpd->poll)
        uv_poll_stop(httpd->poll);
}

static void closed(uv_handle_t *handle)
{
    free(handle);
}

void httpd_free(struct httpd *httpd)
{
    if (!httpd)
        return;
    httpd_stop(httpd);
    connections_stop(httpd->connections);
    if (httpd->daemon)
        MHD_stop_daemon(httpd->daemon);
    connections_free(httpd->connections);
    uv_handle_t *handles[] = {(uv_handle_t *)httpd->poll, (uv_handle_t *)httpd->timer, (uv_handle_t *)httpd->check,
                              (uv_handle_t *)httpd->idle};
    for (size_t i = 0; httpd->poll && i < sizeof handles / sizeof handles[0]; i++)
        uv_close(handles[i], closed);
    free(httpd);
}
