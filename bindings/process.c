/* process: upjob.native.process: programs that are run beside this one (core/child.h). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings/app.h"
#include "bindings/wait.h"
#include "core/buf.h"
#include "core/child.h"

#define PROCESS_TYPE "upjob.process"
#define LINES_MOST ((size_t)64 << 20) /* bytes of lines that wait for their function */

extern char **environ;

struct ending;

struct process {
    struct app *app;
    struct child *child;
    struct child_end end;
    bool ended;
    int line_ref;         /* the function for lines, or LUA_NOREF */
    int self_ref;         /* keeps it until it has ended */
    struct buf lines;     /* whole ones, each with its end */
    struct posted told;   /* lines, and the end after them */
    struct ending *waits; /* who waits for the end */
};

struct ending {
    struct wait wait;
    struct process *process;
    struct ending *next;
};

/* ---- callbacks, in turns of the loop ---- */

static void on_line(void *arg, const char *text, size_t size)
{
    struct process *process = arg;
    if (buf_add(&process->lines, text, size))
        (void)buf_addc(&process->lines, '\n');
    scheduler_post(process->app->scheduler, &process->told);
}

static void on_end(void *arg, const struct child_end *end)
{
    struct process *process = arg;
    process->end = *end;
    process->ended = true;
    scheduler_post(process->app->scheduler, &process->told);
}

/* ---- between turns ---- */

static void tell_lines(lua_State *L, struct process *process)
{
    struct buf lines = process->lines;
    buf_init(&process->lines, LINES_MOST);
    size_t left = lines.len;
    for (const char *at = lines.data, *end; left > 0 && (end = memchr(at, '\n', left)); at = end + 1) {
        left -= (size_t)(end - at) + 1;
        lua_rawgeti(L, LUA_REGISTRYINDEX, process->line_ref);
        lua_pushlstring(L, at, (size_t)(end - at));
        task_spawn(L, 1, true);
        lua_pop(L, 1);
    }
    buf_free(&lines);
}

static void told(lua_State *L, struct posted *posted)
{
    struct process *process = (struct process *)((char *)posted - offsetof(struct process, told));
    if (process->line_ref != LUA_NOREF)
        tell_lines(L, process);
    if (!process->ended)
        return;
    struct ending *ending = process->waits;
    process->waits = NULL;
    while (ending) {
        struct ending *next = ending->next;
        ending->next = NULL;
        wait_finish(&ending->wait);
        ending = next;
    }
    child_free(process->child);
    process->child = NULL;
    luaL_unref(L, LUA_REGISTRYINDEX, process->line_ref); /* it may hold the process */
    luaL_unref(L, LUA_REGISTRYINDEX, process->self_ref);
    process->line_ref = process->self_ref = LUA_NOREF;
}

/* ---- options ---- */

/* A NULL-terminated list of the strings of the table at `index`, which keeps them. */
static char **read_words(lua_State *L, int index, const char *what)
{
    size_t count = lua_istable(L, index) ? lua_rawlen(L, index) : 0;
    if (count == 0)
        luaL_error(L, "process.spawn: option \"%s\" must be a list of words", what);
    char **words = lua_newuserdatauv(L, (count + 1) * sizeof *words, 0);
    for (size_t i = 0; i < count; i++) {
        if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TSTRING)
            luaL_error(L, "process.spawn: option \"%s\" must be a list of words", what);
        words[i] = (char *)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    words[count] = NULL;
    return words;
}

static bool is_named(const char *variable, const char *name)
{
    size_t len = strlen(name);
    return strncmp(variable, name, len) == 0 && variable[len] == '=';
}

/* Whether the table at `index` says something of this variable. */
static bool is_changed(lua_State *L, int index, const char *variable)
{
    bool changed = false;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        changed = changed || (lua_type(L, -2) == LUA_TSTRING && is_named(variable, lua_tostring(L, -2)));
        lua_pop(L, 1);
    }
    return changed;
}

/* This process's environment with what the table at `index` changes: a value, or false for none. A list that a table on the
 * stack keeps. */
static char **read_environment(lua_State *L, int index)
{
    size_t have = 0, changes = 0, count = 0;
    while (environ[have])
        have++;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        changes++;
    char **list = lua_newuserdatauv(L, (have + changes + 1) * sizeof *list, 0);
    lua_newtable(L);
    int kept = lua_gettop(L);
    for (size_t i = 0; i < have; i++)
        if (!is_changed(L, index, environ[i]))
            list[count++] = environ[i];
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (!lua_toboolean(L, -1))
            continue;
        const char *value = luaL_tolstring(L, -1, NULL);
        list[count++] = (char *)lua_pushfstring(L, "%s=%s", lua_tostring(L, -3), value);
        lua_rawseti(L, kept, (lua_Integer)count);
        lua_pop(L, 1);
    }
    list[count] = NULL;
    return list;
}

/* Sets the variable of the table of changes to the environment at `index`, of which a copy takes the place, to the text on top of
 * the stack, which is popped. */
static void add_variable(lua_State *L, int index, const char *name)
{
    lua_newtable(L);
    if (lua_istable(L, index)) {
        for (lua_pushnil(L); lua_next(L, index);) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, -4);
        }
    }
    lua_insert(L, -2);
    lua_setfield(L, -2, name);
    lua_replace(L, index);
}

/* Adds the limits of the table below it (host/limits.h) to the changes to the environment at `index`, where there are any. */
static void add_limits(lua_State *L, int index)
{
    static const char *const names[] = {"wall", "cpu", "files", "memory", NULL};
    char text[256] = "";
    lua_getfield(L, 1, "limits");
    if (lua_isnil(L, -1))
        return;
    luaL_checktype(L, -1, LUA_TTABLE);
    for (const char *const *name = names; *name; name++) {
        size_t len = strlen(text);
        if (lua_getfield(L, -1, *name) == LUA_TNUMBER)
            snprintf(text + len, sizeof text - len, "%s%s=%.3f", len ? "," : "", *name, lua_tonumber(L, -1));
        lua_pop(L, 1);
    }
    lua_pushstring(L, text);
    add_variable(L, index, "UPJOB_LIMITS");
}

/* Whether the option "kept" is given, which the program is told in the environment at `index` (host/keeper.h). */
static bool add_keeper(lua_State *L, int index)
{
    lua_getfield(L, 1, "kept");
    bool kept = lua_toboolean(L, -1);
    if (kept) {
        lua_pushliteral(L, "1");
        add_variable(L, index, "UPJOB_KEEPER");
    }
    return kept;
}

/* Its file for output, which is made with mode 0600 or appended to. */
static int open_output(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_at(err, path, 0, 0, NULL);
        err_errno(err, ERR_SYSTEM, errno, "cannot open the file for the output of a run");
    }
    return fd;
}

/* spawn{argv=, env=, directory=, output= or stdout=function, input=, limits=, kept=} → process | nil, err. env: { NAME = "value" or
 * false }, what differs from this process's. output: a file that its standard output and error are appended to. limits: { wall=,
 * cpu= (seconds), files=, memory= (bytes of scripts) }, of which a program that is this one takes notice, as of kept=true: what
 * leaves its process group ends with it, too. */
static int native_spawn(lua_State *L)
{
    static const char *const known[] = {"argv", "env", "directory", "output", "stdout", "input", "limits", "kept", NULL};
    static const char what[] = "process.spawn";
    struct err err;
    err_clear(&err);
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    lua_getfield(L, 1, "argv");
    lua_getfield(L, 1, "env");
    add_limits(L, 3);
    lua_settop(L, 3);
    bool kept = add_keeper(L, 3);
    lua_settop(L, 3);
    struct child_options options = {.argv = read_words(L, 2, "argv"),
                                    .env = lua_istable(L, 3) ? read_environment(L, 3) : NULL,
                                    .directory = option_string(L, 1, what, "directory", NULL),
                                    .output = -1,
                                    .kept = kept,
                                    .ended = on_end};
    const char *output = option_string(L, 1, what, "output", NULL);
    lua_getfield(L, 1, "input");
    options.input = lua_tolstring(L, -1, &options.input_size);
    struct process *process = lua_newuserdatauv(L, sizeof *process, 0);
    int self = lua_gettop(L);
    *process = (struct process){.app = app_of(L), .line_ref = LUA_NOREF, .self_ref = LUA_NOREF, .told.run = told};
    buf_init(&process->lines, LINES_MOST);
    luaL_setmetatable(L, PROCESS_TYPE);
    if (option_function(L, 1, what, "stdout")) {
        process->line_ref = luaL_ref(L, LUA_REGISTRYINDEX);
        options.line = on_line;
    }
    options.arg = process;
    if (output && (options.output = open_output(output, &err)) < 0)
        return fail_with(L, &err);
    process->child = child_start(app_of(L)->loop, &options, &err);
    if (options.output >= 0)
        close(options.output);
    if (!process->child)
        return fail_with(L, &err);
    lua_pushvalue(L, self);
    process->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, self);
    return 1;
}

/* ---- methods ---- */

static int ending_results(lua_State *L, struct wait *wait, int index)
{
    struct process *process = ((struct ending *)wait)->process;
    (void)index;
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, process->end.status);
    lua_setfield(L, -2, "status");
    if (process->end.signal) {
        lua_pushinteger(L, process->end.signal);
        lua_setfield(L, -2, "signal");
    }
    return 1;
}

static void ending_cancel(struct wait *wait)
{
    struct ending *ending = (struct ending *)wait, **link = &ending->process->waits;
    while (*link && *link != ending)
        link = &(*link)->next;
    if (*link)
        *link = ending->next;
}

static const struct wait_class ending_class = {ending_results, ending_cancel, false};

/* process:wait() → { status=, signal= or nil }, when it has ended and its lines were told */
static int process_wait(lua_State *L)
{
    struct process *process = luaL_checkudata(L, 1, PROCESS_TYPE);
    struct ending *ending = wait_new(L, sizeof *ending, &ending_class);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    ending->process = process;
    if (process->ended && !process->child)
        return ending_results(L, &ending->wait, 0);
    ending->next = process->waits;
    process->waits = ending;
    ending->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

/* process:kill("TERM" | "KILL" | "INT" | "HUP"): to its whole group; "KILL" to all that is kept, too */
static int process_kill(lua_State *L)
{
    static const char *const names[] = {"TERM", "KILL", "INT", "HUP", "STOP", "CONT", NULL};
    static const int numbers[] = {SIGTERM, SIGKILL, SIGINT, SIGHUP, SIGSTOP, SIGCONT};
    struct process *process = luaL_checkudata(L, 1, PROCESS_TYPE);
    int number = numbers[luaL_checkoption(L, 2, "TERM", names)];
    if (process->child)
        child_signal(process->child, number);
    return 0;
}

static int process_pid(lua_State *L)
{
    struct process *process = luaL_checkudata(L, 1, PROCESS_TYPE);
    lua_pushinteger(L, process->child ? child_pid(process->child) : 0);
    return 1;
}

/* process:cpu() → the seconds of processor time that it has used itself; 0 once it has ended */
static int process_cpu(lua_State *L)
{
    struct process *process = luaL_checkudata(L, 1, PROCESS_TYPE);
    lua_pushnumber(L, process->child ? child_cpu_seconds(process->child) : 0);
    return 1;
}

/* Only when the program ends before it. */
static int process_collect(lua_State *L)
{
    struct process *process = luaL_checkudata(L, 1, PROCESS_TYPE);
    scheduler_unpost(process->app->scheduler, &process->told);
    child_free(process->child);
    process->child = NULL;
    buf_free(&process->lines);
    luaL_unref(L, LUA_REGISTRYINDEX, process->line_ref);
    process->line_ref = LUA_NOREF;
    return 0;
}

int open_native_process(lua_State *L)
{
    static const luaL_Reg functions[] = {{"spawn", native_spawn}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"wait", process_wait}, {"kill", process_kill}, {"pid", process_pid}, {"cpu", process_cpu}, {NULL, NULL}};
    luaL_newmetatable(L, PROCESS_TYPE);
    lua_pushcfunction(L, process_collect);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
