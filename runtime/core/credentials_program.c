#include "core/credentials_program.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "core/child.h"
#include "core/secret.h"

#define MAX_MESSAGES ((size_t)4 << 10)
#define LAST_OUTPUT_MS                                                                                       \
    300 /* that is waited for after the program has ended: what it started may hold its output open */

struct program {
    uv_process_t process;
    uv_pipe_t out, messages;
    struct loop *loop;
    struct loop_timer *timer; /* its time is up, then its output's; NULL: none */
    int handles;              /* that are not closed: it is freed with the last */
    int reading;              /* pipes that are open */
    bool running;
    struct program_end end;
    char scratch[1024]; /* of standard error */
    void (*done)(void *arg, struct program_end *end);
    void *arg;
};

static void handle_closed(uv_handle_t *handle)
{
    struct program *program = handle->data;
    if (--program->handles > 0)
        return;
    buf_cleanse(&program->end.out);
    buf_cleanse(&program->end.messages);
    free(program);
}

/* Whoever is killed is waited for here: libuv forgets a process with its handle. One that became another user's (sudo) cannot be
 * killed: it is left alone, as to wait for it would hold up everything. */
static void kill_and_reap(struct program *program)
{
    if (!program->running)
        return;
    program->running = false;
    if (uv_process_kill(&program->process, SIGKILL) != 0)
        return;
    while (waitpid(program->process.pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void close_all(struct program *program)
{
    kill_and_reap(program);
    loop_timer_stop(program->timer);
    program->timer = NULL;
    uv_close((uv_handle_t *)&program->process, handle_closed);
    uv_close((uv_handle_t *)&program->out, handle_closed);
    uv_close((uv_handle_t *)&program->messages, handle_closed);
}

void program_stop(struct program *program)
{
    close_all(program);
}

static void finish(struct program *program)
{
    close_all(program);
    program->done(program->arg, &program->end);
}

static void time_is_up(void *arg)
{
    struct program *program = arg;
    program->timer = NULL;
    program->end.timed_out = program->running;
    finish(program);
}

static void exited(uv_process_t *process, int64_t status, int signal)
{
    struct program *program = process->data;
    program->running = false;
    program->end.status = (int)status;
    program->end.signal = signal;
    loop_timer_stop(program->timer);
    program->timer = NULL;
    if (program->reading == 0)
        finish(program);
    else
        program->timer = loop_deadline_start(program->loop, LAST_OUTPUT_MS, time_is_up, program);
}

/* ---- its output ---- */

static void make_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct program *program = handle->data;
    struct buf *out = &program->end.out;
    size_t left = out->max - out->len;
    (void)suggested;
    if (handle == (uv_handle_t *)&program->messages) {
        *room = uv_buf_init(program->scratch, sizeof program->scratch);
    } else {
        room->len = left < 4096 ? left : 4096;
        room->base = room->len > 0 ? buf_reserve(out, room->len) : NULL;
    }
}

/* Of standard error the beginning is of use; the rest is read so that the program can go on. */
static void keep_messages(struct program *program, size_t got)
{
    struct buf *messages = &program->end.messages;
    size_t left = messages->max - messages->len;
    buf_add(messages, program->scratch, got < left ? got : left);
    secret_cleanse(program->scratch, got);
}

static void stop_reading(struct program *program, uv_stream_t *stream)
{
    uv_read_stop(stream);
    program->reading--;
    if (program->reading == 0 && !program->running)
        finish(program);
}

static void has_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
    struct program *program = stream->data;
    (void)room;
    if (got > 0 && stream == (uv_stream_t *)&program->messages) {
        keep_messages(program, (size_t)got);
    } else if (got > 0) {
        program->end.out.len += (size_t)got;
    } else if (got == UV_ENOBUFS) {
        program->end.overflow = true;
        finish(program);
    } else if (got < 0) {
        stop_reading(program, stream);
    }
}

static int open_pipes(struct program *program, struct loop *loop)
{
    int status = uv_pipe_init(loop_uv(loop), &program->out, 0);
    program->out.data = program;
    if (status == 0)
        status = uv_pipe_init(loop_uv(loop), &program->messages, 0);
    program->messages.data = program;
    return status;
}

struct program *program_start(struct loop *loop, char *const *words, size_t max_output, long timeout_ms,
                              void (*done)(void *arg, struct program_end *end), void *arg, struct err *err)
{
    struct program *program = calloc(1, sizeof *program);
    if (!program || open_pipes(program, loop) != 0) {
        free(program);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&program->out},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&program->messages},
    };
    uv_process_options_t options = {
        .file = words[0], .args = (char **)words, .exit_cb = exited, .stdio = stdio, .stdio_count = 3};
    program->loop = loop;
    program->done = done;
    program->arg = arg;
    program->handles = 3;
    program->process.data = program;
    buf_init(&program->end.out, max_output);
    buf_init(&program->end.messages, MAX_MESSAGES);
    /* As from the AWS CLI; a connection would stay open for as long as what the program has started runs. */
    child_keep_descriptors();
    int status = uv_spawn(loop_uv(loop), &program->process, &options);
    program->running = status == 0;
    if (status == 0)
        program->timer = loop_deadline_start(loop, (uint64_t)timeout_ms, time_is_up, program);
    if (status == 0 && program->timer &&
        uv_read_start((uv_stream_t *)&program->out, make_room, has_read) == 0 &&
        uv_read_start((uv_stream_t *)&program->messages, make_room, has_read) == 0) {
        program->reading = 2;
        return program;
    }
    close_all(program);
    err_set(err, ERR_CREDENTIALS, "%.200s cannot be started: %s", words[0],
            uv_strerror(status ? status : UV_ENOMEM));
    return NULL;
}
