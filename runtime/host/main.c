/* main: starts the Lua state and the loop, runs scripts/upjob/cli.lua as the main task, ends with its status. */
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bindings/app.h"
#include "bindings/wait.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/module.h"
#include "core/secret.h"
#include "host/keeper.h"
#include "host/limits.h"
#include "host/state.h"

/* ---- interruption: the signals that ask a program to end raise Interrupted in the main task, the second one ends the
 * process ---- */

/* A signal handler is called with nothing else; written before the handlers are set. */
static struct interruption {
    struct app *app;
    uv_async_t wake;
    volatile sig_atomic_t signal;  /* the last one, 0 when it was dealt with */
    volatile sig_atomic_t pending; /* not yet raised */
} interruption;

static void fill_interrupted(struct err *e)
{
    int number = interruption.signal;
    err_clear(e);
    err_set(e, ERR_INTERRUPTED, "%s",
            number == SIGTERM ? "terminated" : number == SIGHUP ? "the terminal has gone" : "interrupted");
    e->status = 128 + number;
}

/* In a script that computes and never waits. A task that is not the main one is only made to make way: what it was asked is
 * still to be raised in the main task. */
static void interrupt_hook(lua_State *L, lua_Debug *debug)
{
    struct err e;
    (void)debug;
    lua_sethook(L, NULL, 0, 0);
    if (!interruption.pending)
        return;
    fill_interrupted(&e);
    if (scheduler_interrupts_main(interruption.app->scheduler))
        interruption.pending = 0;
    raise_err(L, &e);
}

/* Between turns. */
static void interrupt_main(struct scheduler *scheduler)
{
    struct err e;
    if (!interruption.pending)
        return;
    fill_interrupted(&e);
    interruption.pending = 0;
    scheduler_interrupt(scheduler, &e);
}

/* The turn of the loop ends; what is to be done is done between turns. */
static void interrupt_wakes(uv_async_t *wake)
{
    (void)wake;
    loop_wake(interruption.app->loop);
}

static void on_signal(int number)
{
    if (interruption.pending) {
        /* Asked twice and still not heard. */
        _exit(128 + number);
    }
    interruption.signal = number;
    interruption.pending = 1;
    scheduler_halt(interruption.app->scheduler);
    lua_State *running = scheduler_running(interruption.app->scheduler);
    if (running)
        lua_sethook(running, interrupt_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
    uv_async_send(&interruption.wake);
}

static void catch_signals(struct app *app)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    interruption.app = app;
    uv_async_init(loop_uv(app->loop), &interruption.wake, interrupt_wakes);
    uv_unref((uv_handle_t *)&interruption.wake);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGQUIT, &action, NULL);
    /* nohup has it ignored, and it stays so. */
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of the write */
}

/* ---- running ---- */

/* Bytes beyond the limit of scripts in which what they have left is put away. */
#define MEMORY_TO_END ((size_t)32 << 20)

static int load_cli(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "upjob.cli");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    return 1;
}

/* Protected: (argc, argv) → exit status */
static int run(lua_State *L)
{
    int argc = (int)lua_tointeger(L, 1), count = 0;
    char **argv = lua_touserdata(L, 2);
    state_fill(L);
    lua_pushcfunction(L, load_cli);
    lua_call(L, 0, 1);
    lua_createtable(L, argc, 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    task_spawn(L, 1, false);
    int status = scheduler_run(L, lua_gettop(L), &count);
    scheduler_tell_errors(app_of(L)->scheduler);
    if (status != LUA_OK) {
        /* The error, then its text with the traceback. */
        log_failure("", lua_tostring(L, -1));
        lua_pushinteger(L, 1);
        return 1;
    }
    lua_Integer code = count > 0 ? lua_tointeger(L, -count) : 0;
    lua_pushinteger(L, code == 0 && scheduler_had_errors(app_of(L)->scheduler) ? 1 : code);
    return 1;
}

static void end_tasks(struct app *app)
{
    scheduler_cancel_all(app->L);
    scheduler_drain(app->L);
    loop_finish_work(app->loop);
}

static int run_app(struct app *app, size_t memory_limit, int argc, char **argv)
{
    int status = 1;
    struct memory memory = {0};
    memory_set_limit(&memory, memory_limit);
    lua_State *L = app->L = lua_newstate(memory_alloc, &memory);
    if (!L) {
        log_failure("", "out of memory");
        return 1;
    }
    state_handle_warnings(L);
    *(struct app **)lua_getextraspace(L) = app;
    lua_pushcfunction(L, run);
    lua_pushinteger(L, argc);
    lua_pushlightuserdata(L, argv);
    if (lua_pcall(L, 2, 1, 0) == LUA_OK)
        status = (int)lua_tointeger(L, -1);
    else
        log_failure("", luaL_tolstring(L, -1, NULL));
    if (memory.limit > 0)
        memory_set_limit(&memory, memory.limit + MEMORY_TO_END);
    end_tasks(app);
    lua_close(L);
    memory_free_all(&memory);
    return status;
}

static const char *program_path(const char *argv0)
{
    static char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return argv0;
    path[n] = '\0';
    return path;
}

/* A standard descriptor that is closed would be given to the next file or socket. What takes its place fails when used. */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            _exit(1);
}

int main(int argc, char **argv)
{
    struct app app = {0};
    struct err e;
    err_clear(&e);
    fill_standard_descriptors();
    keeper_begin(argc, argv);
    size_t memory_limit = limits_set();
    log_start();
    setlocale(LC_CTYPE, "");
    module_set_program(program_path(argv[0]));
    secret_harden_process();
    app.library_path = getenv("UPJOB_PATH");
    if (app.library_path && !*app.library_path)
        app.library_path = NULL;
    app.loop = loop_new(&e);
    app.scheduler = scheduler_new(&app, interrupt_main);
    if (!app.loop || !app.scheduler) {
        log_failure("", e.code[0] ? e.message : "out of memory");
        return 1;
    }
    catch_signals(&app);
    int status = run_app(&app, memory_limit, argc, argv);
    if (app.free_http)
        app.free_http(app.http);
    uv_close((uv_handle_t *)&interruption.wake, NULL);
    loop_free(app.loop);
    scheduler_free(app.scheduler);
    return end_output(status);
}
