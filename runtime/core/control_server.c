#include "core/control_server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/control_socket.h"

#define READ_SIZE ((size_t)64 << 10)
#define SWEEP_MS 5000
#define ROOM_MS 1000 /* silence after which a caller gives way to another */

enum caller_state { CALLER_READING, CALLER_ASKED, CALLER_WRITING };

struct caller {
    uv_pipe_t pipe;
    struct control_server *server;
    struct caller *next;
    uint64_t id;
    uint64_t since; /* its last sign of life */
    enum caller_state state;
    bool taken;  /* its request */
    bool ended;  /* sends nothing more */
    bool leaves; /* once its answer is written */
    struct buf in;
    size_t line; /* the length of the request in `in`, without its end */
    uv_write_t write;
    char *out;
};

struct control_server {
    uv_pipe_t pipe;
    struct loop *loop;
    char *directory;
    struct stat info;
    struct caller *callers;
    unsigned count;
    uint64_t last_id;
    struct loop_timer *sweep;
    const char *too_long, *too_many;
    void (*asked)(void *arg);
    void *arg;
};

/* ---- the life of a caller ---- */

static void caller_closed(uv_handle_t *handle)
{
    struct caller *caller = handle->data;
    buf_free(&caller->in);
    free(caller->out);
    free(caller);
}

static void drop(struct caller *caller)
{
    struct control_server *server = caller->server;
    struct caller **p = &server->callers;
    if (uv_is_closing((uv_handle_t *)&caller->pipe))
        return;
    while (*p != caller)
        p = &(*p)->next;
    *p = caller->next;
    server->count--;
    uv_close((uv_handle_t *)&caller->pipe, caller_closed);
}

static void read_on(struct caller *caller);

static void written(uv_write_t *write, int status)
{
    struct caller *caller = write->data;
    free(caller->out);
    caller->out = NULL;
    caller->since = loop_now();
    if (status < 0 || caller->leaves)
        drop(caller);
    else
        read_on(caller);
}

static void answer(struct caller *caller, const char *line, size_t len)
{
    char *out = malloc(len + 1);
    if (!out) {
        drop(caller);
        return;
    }
    memcpy(out, line, len);
    out[len] = '\n';
    caller->out = out;
    caller->state = CALLER_WRITING;
    caller->since = loop_now();
    caller->write.data = caller;
    uv_buf_t bytes = uv_buf_init(out, (unsigned)(len + 1));
    if (uv_write(&caller->write, (uv_stream_t *)&caller->pipe, &bytes, 1, written) != 0)
        drop(caller);
}

static void answer_last(struct caller *caller, const char *line)
{
    caller->leaves = true;
    answer(caller, line, strlen(line));
}

/* ---- requests ---- */

static void make_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct caller *caller = handle->data;
    (void)suggested;
    char *room = buf_reserve(&caller->in, READ_SIZE);
    *out = uv_buf_init(room, room ? (unsigned)READ_SIZE : 0);
}

/* Whether the caller's request is whole; what cannot become one is answered. */
static bool find_line(struct caller *caller)
{
    struct buf *in = &caller->in;
    const char *end = in->len > 0 ? memchr(in->data, '\n', in->len) : NULL;
    caller->line = end ? (size_t)(end - in->data) : in->len;
    if (caller->line > CONTROL_LINE) {
        uv_read_stop((uv_stream_t *)&caller->pipe);
        answer_last(caller, caller->server->too_long);
        return false;
    }
    return end || (caller->ended && in->len > 0);
}

static void ask(struct caller *caller)
{
    uv_read_stop((uv_stream_t *)&caller->pipe);
    caller->state = CALLER_ASKED;
    caller->taken = false;
    caller->server->asked(caller->server->arg);
}

static void have_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct caller *caller = stream->data;
    (void)bytes;
    if (n == 0)
        return;
    if (n < 0 && n != UV_EOF) {
        drop(caller);
        return;
    }
    caller->since = loop_now();
    caller->ended = n < 0;
    caller->in.len += n > 0 ? (size_t)n : 0;
    if (find_line(caller))
        ask(caller);
    else if (caller->ended && caller->state == CALLER_READING)
        drop(caller);
}

/* The caller's next line, which may have come with the one before. */
static void read_on(struct caller *caller)
{
    struct buf *in = &caller->in;
    size_t used = caller->line < in->len ? caller->line + 1 : in->len;
    if (used > 0)
        memmove(in->data, in->data + used, in->len - used);
    in->len -= used;
    caller->line = 0;
    caller->state = CALLER_READING;
    if (find_line(caller))
        ask(caller);
    else if (caller->state == CALLER_READING &&
             (caller->ended || uv_read_start((uv_stream_t *)&caller->pipe, make_room, have_read) != 0))
        drop(caller);
}

bool control_server_next(struct control_server *server, struct control_request *request)
{
    struct caller *next = NULL;
    for (struct caller *c = server->callers; c; c = c->next)
        if (c->state == CALLER_ASKED && !c->taken && (!next || c->since < next->since))
            next = c;
    if (!next)
        return false;
    request->line = malloc(next->line + 1);
    if (!request->line) {
        drop(next);
        return false;
    }
    memcpy(request->line, next->in.data, next->line);
    request->line[next->line] = '\0';
    request->len = next->line;
    request->caller = next->id;
    next->taken = true;
    return true;
}

void control_server_answer(struct control_server *server, uint64_t id, const char *line, size_t len)
{
    for (struct caller *c = server->callers; c; c = c->next) {
        if (c->id == id && c->state == CALLER_ASKED && c->taken) {
            answer(c, line, len);
            return;
        }
    }
}

/* ---- who comes, and who goes ---- */

static void sweep(void *arg);

static void sweep_later(struct control_server *server)
{
    if (!server->sweep)
        server->sweep = loop_timer_start(server->loop, SWEEP_MS, sweep, server);
    loop_timer_unref(server->sweep);
}

/* The one that has been silent for the longest time, and for so long, while nothing is being done for it. */
static struct caller *most_silent(struct control_server *server, uint64_t ms)
{
    struct caller *found = NULL;
    uint64_t now = loop_now();
    for (struct caller *c = server->callers; c; c = c->next)
        if (c->state != CALLER_ASKED && now - c->since >= ms && (!found || c->since < found->since))
            found = c;
    return found;
}

static void sweep(void *arg)
{
    struct control_server *server = arg;
    struct caller *silent;
    server->sweep = NULL;
    while ((silent = most_silent(server, CONTROL_SILENT_MS)))
        drop(silent);
    if (server->callers)
        sweep_later(server);
}

static void has_come(uv_stream_t *stream, int status)
{
    struct control_server *server = stream->data;
    struct caller *caller = status == 0 ? calloc(1, sizeof *caller) : NULL;
    uv_os_fd_t fd;
    if (!caller)
        return;
    uv_pipe_init(loop_uv(server->loop), &caller->pipe, 0);
    buf_init(&caller->in, CONTROL_LINE + 2 * READ_SIZE);
    caller->pipe.data = caller;
    caller->server = server;
    caller->id = ++server->last_id;
    caller->since = loop_now();
    struct caller *silent = server->count >= CONTROL_CALLERS ? most_silent(server, ROOM_MS) : NULL;
    if (silent)
        drop(silent);
    caller->next = server->callers;
    server->callers = caller;
    server->count++;
    sweep_later(server);
    if (uv_accept(stream, (uv_stream_t *)&caller->pipe) != 0 || uv_fileno((uv_handle_t *)&caller->pipe, &fd) != 0 ||
        !control_socket_trusts(fd))
        drop(caller);
    else if (server->count > CONTROL_CALLERS)
        answer_last(caller, server->too_many);
    else
        read_on(caller);
}

/* ---- the server ---- */

static void server_closed(uv_handle_t *handle)
{
    struct control_server *server = handle->data;
    free(server->directory);
    free(server);
}

struct control_server *control_server_new(struct loop *loop, const char *directory, const char *too_long, const char *too_many,
                                          void (*asked)(void *arg), void *arg, struct err *err)
{
    struct control_server *server = calloc(1, sizeof *server);
    if (server)
        server->directory = strdup(directory);
    if (!server || !server->directory) {
        free(server);
        err_set(err, ERR_MEMORY, "no memory for a control socket");
        return NULL;
    }
    server->loop = loop;
    server->too_long = too_long;
    server->too_many = too_many;
    server->asked = asked;
    server->arg = arg;
    uv_pipe_init(loop_uv(loop), &server->pipe, 0);
    server->pipe.data = server;
    int fd = control_socket_listen(directory, &server->info, err), status = -1;
    if (fd >= 0)
        status = uv_pipe_open(&server->pipe, fd);
    if (fd >= 0 && status != 0)
        close(fd);
    if (fd >= 0 && status == 0)
        status = uv_listen((uv_stream_t *)&server->pipe, CONTROL_CALLERS, has_come);
    if (status == 0)
        return server;
    if (fd >= 0) {
        control_socket_remove(directory, &server->info);
        err_set(err, ERR_SYSTEM, "the control socket cannot be listened on: %s", uv_strerror(status));
    }
    uv_close((uv_handle_t *)&server->pipe, server_closed);
    return NULL;
}

void control_server_free(struct control_server *server)
{
    if (!server)
        return;
    control_socket_remove(server->directory, &server->info);
    loop_timer_stop(server->sweep);
    while (server->callers)
        drop(server->callers);
    uv_close((uv_handle_t *)&server->pipe, server_closed);
}
