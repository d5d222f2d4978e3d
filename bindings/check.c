/* check: upjob.native.check: the pass over a file before it is imported. */
#include "core/check.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bindings/app.h"
#include "bindings/wait.h"

#define PROGRESS_EVERY_MS 100

struct checking {
    struct wait wait;
    struct check *check;
    struct loop_work *work;
    int self_ref; /* until the work has ended: a slice cannot be cut short */
    /* How far it is: written by the slice's thread, told by a timer of the loop. */
    _Atomic uint64_t rows, bytes, total;
    int progress_ref; /* the script's function, or LUA_NOREF */
    struct loop_timer *timer;
    struct posted report;
};

static bool slice(void *arg)
{
    struct checking *checking = arg;
    bool more = check_slice(checking->check);
    const struct check_result *result = check_result(checking->check);
    atomic_store(&checking->rows, result->rows);
    atomic_store(&checking->bytes, result->bytes);
    atomic_store(&checking->total, result->total);
    return more;
}

static void unref(struct checking *checking, int *ref)
{
    luaL_unref(checking->wait.app->L, LUA_REGISTRYINDEX, *ref);
    *ref = LUA_NOREF;
}

static void stop_reporting(struct checking *checking)
{
    loop_timer_stop(checking->timer);
    checking->timer = NULL;
    scheduler_unpost(checking->wait.app->scheduler, &checking->report);
    unref(checking, &checking->progress_ref);
}

/* In a turn of the loop: the script's function is called between turns. */
static void progress_due(void *arg)
{
    struct checking *checking = arg;
    checking->timer = loop_timer_start(checking->wait.app->loop, PROGRESS_EVERY_MS, progress_due, checking);
    scheduler_post(checking->wait.app->scheduler, &checking->report);
}

static void report_progress(lua_State *L, struct posted *posted)
{
    struct checking *checking = (struct checking *)((char *)posted - offsetof(struct checking, report));
    lua_rawgeti(L, LUA_REGISTRYINDEX, checking->progress_ref);
    lua_pushinteger(L, (lua_Integer)atomic_load(&checking->bytes));
    lua_pushinteger(L, (lua_Integer)atomic_load(&checking->total));
    lua_pushinteger(L, (lua_Integer)atomic_load(&checking->rows));
    task_spawn(L, 3, true);
    lua_pop(L, 1);
}

static void done(void *arg)
{
    struct checking *checking = arg;
    checking->work = NULL;
    stop_reporting(checking);
    wait_finish(&checking->wait);
    unref(checking, &checking->self_ref);
}

static void cancel(struct wait *w)
{
    struct checking *checking = (struct checking *)w;
    stop_reporting(checking);
    if (checking->work)
        loop_work_cancel(checking->work);
}

static void set_integer(lua_State *L, const char *name, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void push_problem(lua_State *L, const struct check_problem *problem, const char *file)
{
    char text[1024];
    lua_createtable(L, 0, 8);
    set_text(L, "class", check_class_name(problem->class));
    set_text(L, "reason", problem->reason);
    set_text(L, "column_name", problem->name);
    set_text(L, "value", problem->value);
    set_integer(L, "line", (uint64_t)problem->line);
    set_integer(L, "column", (uint64_t)problem->column);
    set_text(L, "text", check_problem_text(problem, file, true, text, sizeof text));
    set_text(L, "masked", check_problem_text(problem, file, false, text, sizeof text));
}

/* {rows, bad_rows, bytes, counts = {class = n}, problems = {…}, outgoing_fd, outgoing_bytes, rejects_written, md5, identity}
 * md5 and identity: what upload.put takes to see that it sends what was checked */
static int results(lua_State *L, struct wait *w, int index)
{
    struct checking *checking = (struct checking *)w;
    const struct check_result *result = check_result(checking->check);
    if (result->fatal)
        return fail_with(L, &result->err);
    lua_getiuservalue(L, index, 1);
    const char *file = lua_tostring(L, -1);
    lua_createtable(L, 0, 10);
    set_integer(L, "rows", result->rows);
    set_integer(L, "bad_rows", result->bad_rows);
    set_integer(L, "bytes", result->total);
    set_integer(L, "outgoing_bytes", result->outgoing_bytes);
    lua_pushboolean(L, result->rejects_written);
    lua_setfield(L, -2, "rejects_written");
    lua_newtable(L);
    for (int i = 0; i < CHECK_CLASSES; i++)
        if (result->counts[i])
            set_integer(L, check_class_name((enum check_class)i), result->counts[i]);
    lua_setfield(L, -2, "counts");
    lua_createtable(L, (int)result->problem_count, 0);
    for (size_t i = 0; i < result->problem_count; i++) {
        push_problem(L, &result->problems[i], file);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "problems");
    set_text(L, "md5", result->md5);
    if (result->outgoing_fd < 0) {
        char identity[FILE_IDENTITY_TEXT];
        file_identity_text(&result->identity, identity);
        set_text(L, "identity", identity);
    } else {
        int fd = check_take_outgoing(checking->check);
        set_integer(L, "outgoing_fd", (uint64_t)fd);
    }
    return 1;
}

static const struct wait_class checking_class = {results, cancel, false};

static int collect(lua_State *L)
{
    struct check **held = lua_touserdata(L, 1);
    check_free(*held);
    *held = NULL;
    return 0;
}

/* The check as a userdata of its own, so that it goes when everything that uses it has gone. */
static struct check **new_holder(lua_State *L)
{
    struct check **held = lua_newuserdatauv(L, sizeof *held, 0);
    *held = NULL;
    if (luaL_newmetatable(L, "upjob.check")) {
        lua_pushcfunction(L, collect);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return held;
}

/* Fields from {{column=, required=, max_length=}, …}; the texts are the tables'. */
static struct check_field *read_fields(lua_State *L, const char *what, size_t *count)
{
    lua_getfield(L, 1, "fields");
    luaL_argcheck(L, lua_istable(L, -1), 1, "fields must be a list");
    int list = lua_gettop(L);
    *count = lua_rawlen(L, list);
    struct check_field *fields = lua_newuserdatauv(L, (*count + 1) * sizeof *fields, 0);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, list, (lua_Integer)i + 1);
        int field = lua_gettop(L);
        fields[i].column = need_string(L, field, what, "column");
        fields[i].required = option_boolean(L, field, what, "required", false);
        fields[i].max_length = (size_t)option_number(L, field, what, "max_length", 0);
        lua_pop(L, 1);
    }
    return fields;
}

static const char **read_keys(lua_State *L)
{
    lua_getfield(L, 1, "keys");
    int list = lua_gettop(L);
    size_t count = lua_istable(L, list) ? lua_rawlen(L, list) : 0;
    const char **keys = lua_newuserdatauv(L, (count + 1) * sizeof *keys, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (lua_Integer)i + 1);
        keys[i] = luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    keys[count] = NULL;
    return keys;
}

/* Keeps the function, if one was given, and begins to call it. */
static void start_reporting(lua_State *L, struct checking *checking, const char *what)
{
    checking->progress_ref = LUA_NOREF;
    checking->report.run = report_progress;
    if (!option_function(L, 1, what, "progress"))
        return;
    checking->progress_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    checking->timer = loop_timer_start(app_of(L)->loop, PROGRESS_EVERY_MS, progress_due, checking);
}

/* run{file, fields, keys, reject, rejects, max_problems, progress = function(bytes, total, rows) end} → result | nil, err */
static int native_run(lua_State *L)
{
    static const char *const known[] = {"file", "fields", "keys", "reject", "rejects", "max_problems",
                                        "progress", NULL};
    const char *what = "check";
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    struct check_options options = {.path = need_string(L, 1, what, "file"),
                                    .rejects_path = option_string(L, 1, what, "rejects", NULL),
                                    .reject = option_boolean(L, 1, what, "reject", false),
                                    .max_problems = (size_t)option_number(L, 1, what, "max_problems", 0)};
    options.fields = read_fields(L, what, &options.field_count);
    options.keys = read_keys(L);
    struct check **held = new_holder(L);
    int holder = lua_gettop(L);
    *held = check_new(&options, &e);
    if (!*held)
        return fail_with(L, &e);
    struct checking *checking = wait_new(L, sizeof *checking, &checking_class);
    checking->check = *held;
    lua_pushstring(L, options.path);
    lua_setiuservalue(L, -2, 1);
    /* Both stay while the work runs: the reference holds a pair. */
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, holder);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, 2);
    checking->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    start_reporting(L, checking, what);
    checking->work = loop_work_start(app_of(L)->loop, slice, done, checking);
    if (!checking->work) {
        stop_reporting(checking);
        unref(checking, &checking->self_ref);
        return luaL_error(L, "out of memory");
    }
    checking->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

/* header{file, keys} → names, line | nil, err: what the check would say of the header */
static int native_header(lua_State *L)
{
    static const char *const known[] = {"file", "keys", NULL};
    const char *what = "header";
    struct err e;
    long line;
    err_clear(&e);
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    struct check_options options = {.path = need_string(L, 1, what, "file")};
    options.keys = read_keys(L);
    struct check **held = new_holder(L);
    *held = check_new(&options, &e);
    if (!*held || !check_open(*held, &e))
        return fail_with(L, &e);
    const char *const *names = check_header_names(*held, &line);
    lua_newtable(L);
    for (lua_Integer i = 0; names[i]; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushinteger(L, line);
    return 2;
}

/* close_fd(fd) */
static int native_close_fd(lua_State *L)
{
    close((int)luaL_checkinteger(L, 1));
    return 0;
}

int open_native_check(lua_State *L)
{
    static const luaL_Reg functions[] = {{"run", native_run}, {"header", native_header}, {"close_fd", native_close_fd}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
