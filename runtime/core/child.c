#include "core/child.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "core/buf.h"

#define LAST_OUTPUT_MS 300 /* that is waited for its output after all of the group was killed: another may hold it open */

struct child {
    uv_process_t process;
    uv_pipe_t in, out;
    uv_write_t write;
    bool has_in, has_out; /* pipes that are open */
    struct loop *loop;
    struct loop_timer *timer;
    int handles;  /* that are not closed: it is freed with the last */
    bool running, told, freed, kept;
    pid_t pid;
    struct buf text; /* of the line that is not whole */
    char *input;
    char scratch[16384];
    struct child_end end;
    void (*line)(void *arg, const char *text, size_t size);
    void (*ended)(void *arg, const struct child_end *end);
    void *arg;
};

static void handle_closed(uv_handle_t *handle)
{
    struct child *child = handle->data;
    if (--child->handles > 0)
        return;
    buf_free(&child->text);
    free(child->input);
    free(child);
}

static void close_in(struct child *child)
{
    if (child->has_in)
        uv_close((uv_handle_t *)&child->in, handle_closed);
    child->has_in = false;
}

static void close_out(struct child *child)
{
    if (child->has_out)
        uv_close((uv_handle_t *)&child->out, handle_closed);
    child->has_out = false;
}

static void tell_line(struct child *child, const char *text, size_t size)
{
    if (child->line && !child->freed)
        child->line(child->arg, text, size);
}

static void tell_end(struct child *child)
{
    loop_timer_stop(child->timer);
    child->timer = NULL;
    close_in(child);
    close_out(child);
    if (child->told || child->freed)
        return;
    child->told = true;
    if (child->text.len > 0)
        tell_line(child, child->text.data, child->text.len);
    child->ended(child->arg, &child->end);
}

static void time_is_up(void *arg)
{
    struct child *child = arg;
    child->timer = NULL;
    tell_end(child);
}

static void exited(uv_process_t *process, int64_t status, int signal)
{
    struct child *child = process->data;
    child->running = false;
    child->end = (struct child_end){.status = (int)status, .signal = signal};
    kill(-child->pid, SIGKILL);
    if (!child->has_out || !(child->timer = loop_deadline_start(child->loop, LAST_OUTPUT_MS, time_is_up, child)))
        tell_end(child);
}

/* ---- its input and output ---- */

static void has_written(uv_write_t *write, int status)
{
    (void)status; /* one that does not read its input need not */
    close_in(write->data);
}

static void make_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct child *child = handle->data;
    (void)suggested;
    *room = uv_buf_init(child->scratch, sizeof child->scratch);
}

/* Whole lines are told, what follows the last is kept. */
static void take_text(struct child *child, const char *text, size_t size)
{
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t piece = end ? (size_t)(end - text) : size;
        size_t room = child->text.max - child->text.len;
        (void)buf_add(&child->text, text, piece < room ? piece : room);
        if (!end)
            return;
        tell_line(child, child->text.len ? child->text.data : "", child->text.len);
        buf_reset(&child->text);
        text += piece + 1;
        size -= piece + 1;
    }
}

static void has_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
    struct child *child = stream->data;
    if (got > 0) {
        take_text(child, room->base, (size_t)got);
    } else if (got < 0) {
        close_out(child);
        if (!child->running)
            tell_end(child);
    }
}

/* ---- starting ---- */

static bool open_pipe(struct child *child, uv_pipe_t *pipe, bool *has)
{
    if (uv_pipe_init(loop_uv(child->loop), pipe, 0) != 0)
        return false;
    pipe->data = child;
    child->handles++;
    return *has = true;
}

static bool prepare(struct child *child, const struct child_options *options, uv_stdio_container_t stdio[3])
{
    stdio[0] = stdio[1] = stdio[2] = (uv_stdio_container_t){.flags = UV_IGNORE};
    if (options->input) {
        child->input = malloc(options->input_size + 1);
        if (!child->input || !open_pipe(child, &child->in, &child->has_in))
            return false;
        memcpy(child->input, options->input, options->input_size);
        stdio[0].flags = UV_CREATE_PIPE | UV_READABLE_PIPE;
        stdio[0].data.stream = (uv_stream_t *)&child->in;
    }
    if (options->output >= 0) {
        stdio[1] = stdio[2] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = options->output};
        return true;
    }
    stdio[2] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO};
    if (!options->line)
        return true;
    stdio[1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
    stdio[1].data.stream = (uv_stream_t *)&child->out;
    return open_pipe(child, &child->out, &child->has_out);
}

void child_keep_descriptors(void)
{
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}

static int spawn(struct child *child, const struct child_options *options, uv_stdio_container_t stdio[3])
{
    uv_process_options_t process = {.file = options->argv[0], .args = (char **)options->argv, .env = (char **)options->env,
                                    .cwd = options->directory, .exit_cb = exited, .stdio = stdio, .stdio_count = 3,
                                    .flags = UV_PROCESS_DETACHED};
    child_keep_descriptors();
    child->process.data = child;
    child->handles++;
    int status = uv_spawn(loop_uv(child->loop), &child->process, &process);
    child->running = status == 0;
    child->pid = child->process.pid;
    return status;
}

/* Of a program that cannot be started, which directory is not there looks like which program is not. */
static void set_error(struct err *err, const struct child_options *options, int status)
{
    if (options->directory && access(options->directory, X_OK) != 0)
        err_set(err, ERR_SYSTEM, "%.200s cannot be started in %.400s: %s", options->argv[0], options->directory, strerror(errno));
    else
        err_set(err, ERR_SYSTEM, "%.200s cannot be started: %s", options->argv[0], uv_strerror(status));
}

struct child *child_start(struct loop *loop, const struct child_options *options, struct err *err)
{
    struct child *child = calloc(1, sizeof *child);
    uv_stdio_container_t stdio[3];
    if (!child) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    child->loop = loop;
    child->kept = options->kept;
    child->line = options->line;
    child->ended = options->ended;
    child->arg = options->arg;
    buf_init(&child->text, CHILD_LINE_MOST);
    int status = prepare(child, options, stdio) ? spawn(child, options, stdio) : UV_ENOMEM;
    if (status == 0 && child->has_out)
        status = uv_read_start((uv_stream_t *)&child->out, make_room, has_read);
    if (status == 0 && child->has_in) {
        uv_buf_t text = {.base = child->input, .len = options->input_size};
        child->write.data = child;
        status = uv_write(&child->write, (uv_stream_t *)&child->in, &text, 1, has_written);
    }
    if (status == 0)
        return child;
    set_error(err, options, status);
    child_free(child);
    return NULL;
}

pid_t child_pid(const struct child *child)
{
    return child->pid;
}

double child_cpu_seconds(const struct child *child)
{
    clockid_t clock;
    struct timespec used;
    if (!child->running || clock_getcpuclockid(child->pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

/* Kills it with all that it has started. A keeper that was stopped goes on for that. */
static bool kill_all(struct child *child)
{
    if (child->kept)
        return kill(child->pid, CHILD_ASKS_KEEPER) == 0 && kill(child->pid, SIGCONT) == 0;
    kill(-child->pid, SIGKILL);
    return kill(child->pid, SIGKILL) == 0;
}

void child_signal(struct child *child, int number)
{
    if (child->running && number == SIGKILL)
        (void)kill_all(child);
    else if (child->running)
        kill(-child->pid, number);
}

/* libuv forgets a process with its handle. One that became another user's (sudo) cannot be killed, and is not waited for. */
static void kill_and_reap(struct child *child)
{
    child->running = false;
    if (!kill_all(child))
        return;
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    kill(-child->pid, SIGKILL); /* where it was kept, and its keeper was killed meanwhile or could not be made */
}

void child_free(struct child *child)
{
    if (!child || child->freed)
        return;
    child->freed = true;
    if (child->running)
        kill_and_reap(child);
    loop_timer_stop(child->timer);
    child->timer = NULL;
    close_in(child);
    close_out(child);
    if (child->handles == 0)
        free(child); /* no handle was made */
    else if (child->process.data)
        uv_close((uv_handle_t *)&child->process, handle_closed);
}
