#include "core/control_client.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/control_socket.h"

#define READ_SIZE ((size_t)64 << 10)

struct control_call {
    uv_pipe_t pipe;
    uv_write_t write;
    struct loop_timer *timer;
    char *out;
    struct buf in;
    size_t line; /* the length of the answer in `in` */
    bool ended;
    struct err err; /* when it has failed */
    void (*done)(void *arg);
    void *arg;
};

static void call_closed(uv_handle_t *handle)
{
    struct control_call *call = handle->data;
    buf_free(&call->in);
    free(call->out);
    free(call);
}

static void end(struct control_call *call)
{
    if (call->ended)
        return;
    call->ended = true;
    loop_timer_stop(call->timer);
    call->timer = NULL;
    uv_read_stop((uv_stream_t *)&call->pipe);
    call->done(call->arg);
}

static void time_over(void *arg)
{
    struct control_call *call = arg;
    call->timer = NULL;
    err_set(&call->err, ERR_TIMEOUT, "the daemon has not answered in time");
    end(call);
}

static void written(uv_write_t *write, int status)
{
    /* When it cannot be written, what is read tells why, or that it is over. */
    (void)write;
    (void)status;
}

static void make_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct control_call *call = handle->data;
    (void)suggested;
    char *room = buf_reserve(&call->in, READ_SIZE);
    *out = uv_buf_init(room, room ? (unsigned)READ_SIZE : 0);
}

static void have_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct control_call *call = stream->data;
    (void)bytes;
    if (n == 0)
        return;
    if (n < 0) {
        if (n == UV_ENOBUFS)
            err_set(&call->err, ERR_CONNECTION, "the daemon's answer has no end");
        else
            err_set(&call->err, ERR_CONNECTION, "the daemon has closed the connection without an answer");
        end(call);
        return;
    }
    const char *at = memchr(call->in.data + call->in.len, '\n', (size_t)n);
    call->in.len += (size_t)n;
    if (!at)
        return;
    call->line = (size_t)(at - call->in.data);
    end(call);
}

static bool begin(struct control_call *call, struct loop *loop, int fd, const char *line, size_t len, uint64_t timeout_ms)
{
    int status = uv_pipe_open(&call->pipe, fd);
    if (status != 0)
        close(fd);
    call->out = malloc(len + 1);
    if (status != 0 || !call->out)
        return err_set(&call->err, ERR_SYSTEM, "the daemon cannot be spoken to: %s", status ? uv_strerror(status) : "out of memory");
    memcpy(call->out, line, len);
    call->out[len] = '\n';
    uv_buf_t bytes = uv_buf_init(call->out, (unsigned)(len + 1));
    status = uv_write(&call->write, (uv_stream_t *)&call->pipe, &bytes, 1, written);
    if (status == 0)
        status = uv_read_start((uv_stream_t *)&call->pipe, make_room, have_read);
    call->timer = loop_deadline_start(loop, timeout_ms, time_over, call);
    if (status == 0 && call->timer)
        return true;
    return err_set(&call->err, ERR_SYSTEM, "the daemon cannot be spoken to: %s", status ? uv_strerror(status) : "out of memory");
}

struct control_call *control_call_new(struct loop *loop, const char *directory, const char *line, size_t len, uint64_t timeout_ms,
                                      void (*done)(void *arg), void *arg, struct err *err)
{
    int fd = control_socket_connect(directory, err);
    if (fd < 0)
        return NULL;
    struct control_call *call = calloc(1, sizeof *call);
    if (!call) {
        close(fd);
        err_set(err, ERR_MEMORY, "no memory to ask the daemon");
        return NULL;
    }
    buf_init(&call->in, CONTROL_ANSWER);
    err_clear(&call->err);
    call->done = done;
    call->arg = arg;
    uv_pipe_init(loop_uv(loop), &call->pipe, 0);
    call->pipe.data = call;
    if (begin(call, loop, fd, line, len, timeout_ms))
        return call;
    *err = call->err;
    control_call_free(call);
    return NULL;
}

const char *control_call_answer(struct control_call *call, size_t *len, struct err *err)
{
    if (call->err.code[0]) {
        *err = call->err;
        return NULL;
    }
    *len = call->line;
    return call->in.data;
}

void control_call_free(struct control_call *call)
{
    if (!call)
        return;
    loop_timer_stop(call->timer);
    uv_close((uv_handle_t *)&call->pipe, call_closed);
}
