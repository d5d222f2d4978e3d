/* check: upjob.native.check: the pass over a file before it is imported. */
#include "bindings/check.h"

#include <stdatomic.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bindings/changes.h"
#include "bindings/mapping.h"
#include "bindings/wait.h"
#include "core/loop_watch.h"

#define PROGRESS_EVERY_MS 100
#define CHECK_TYPE        "upjob.check"

/* The user value of what is waited for. */
enum { HOLDER = 1 };

/* The check as a userdata of its own, so that it goes when everything that uses it has gone. User value 1 is
 * the file's name. */
struct holder {
    struct check *check;
    bool used; /* by a run, or by an opening that has not ended */
};

struct checking {
    struct wait wait;
    struct check *check;
    struct holder *holder;
    struct lua_mapping *mapping; /* NULL: none */
    struct comparison *comparison; /* NULL: none */
    bool opens;                  /* only that */
    bool on_loop;                /* slices are taken between turns, because they call functions */
    bool given_up;
    struct loop_work *work;
    struct loop_watch *watch;      /* of a pipe */
    struct loop_timer *next_slice; /* when they are taken on the loop */
    struct posted slice;
    int self_ref; /* until it has ended: a slice cannot be cut short */
    /* How far it is: written by the slice's thread, told by a timer of the loop. */
    _Atomic uint64_t rows, bytes, total;
    int progress_ref; /* the script's function, or LUA_NOREF */
    struct loop_timer *timer;
    struct posted report;
    int settled_ref; /* the script's function, until it was called, or LUA_NOREF */
    struct posted tell;
};

static void unref(struct checking *checking, int *ref)
{
    luaL_unref(checking->wait.app->L, LUA_REGISTRYINDEX, *ref);
    *ref = LUA_NOREF;
}

/* ---- progress ---- */

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

/* ---- what is settled before the end ---- */

static void start_work(void *arg);

static bool is_to_be_told(const struct checking *checking)
{
    return checking->settled_ref != LUA_NOREF && check_is_settled(checking->check);
}

static const struct mapping *mapping_of(const struct checking *checking)
{
    return checking->mapping ? checking->mapping->mapping : NULL;
}

/* Between slices, and between turns. The function's task runs beside the slices that come. */
static void tell_settled(lua_State *L, struct checking *checking)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, checking->settled_ref);
    (void)push_check_result(L, checking->check, mapping_of(checking), "");
    unref(checking, &checking->settled_ref);
    task_spawn(L, 1, true);
    lua_pop(L, 1);
}

static void tell_and_go_on(lua_State *L, struct posted *posted)
{
    struct checking *checking = (struct checking *)((char *)posted - offsetof(struct checking, tell));
    tell_settled(L, checking);
    start_work(checking);
}

/* ---- slices ---- */

static bool take_slice(struct checking *checking, bool opening)
{
    bool more = opening ? check_open_slice(checking->check) : check_slice(checking->check);
    const struct check_result *result = check_result(checking->check);
    atomic_store(&checking->rows, result->rows);
    atomic_store(&checking->bytes, result->bytes);
    atomic_store(&checking->total, result->total);
    return more;
}

/* On another thread. It ends, to go on later, where the input is to be waited for. */
static bool work_slice(void *arg)
{
    struct checking *checking = arg;
    return take_slice(checking, checking->opens || checking->on_loop) && check_waits_for(checking->check) < 0 &&
           !is_to_be_told(checking);
}

/* No thread uses what others may use too. */
static void leave(struct checking *checking)
{
    if (checking->comparison)
        comparison_leave(checking->comparison);
    unref(checking, &checking->settled_ref);
    unref(checking, &checking->self_ref);
}

static void end(struct checking *checking)
{
    stop_reporting(checking);
    wait_finish(&checking->wait);
    leave(checking);
}

static void loop_due(void *arg)
{
    struct checking *checking = arg;
    checking->next_slice = NULL;
    scheduler_post(checking->wait.app->scheduler, &checking->slice);
}

/* Between turns; the next one a turn later, so that everything else goes on. */
static void loop_slice(lua_State *L, struct posted *posted)
{
    struct checking *checking = (struct checking *)((char *)posted - offsetof(struct checking, slice));
    luaL_checkstack(L, 20, "a check");
    lua_rawgeti(L, LUA_REGISTRYINDEX, checking->self_ref);
    lua_rawgeti(L, -1, 3);
    mapping_enter(checking->mapping, L, lua_gettop(L), check_reader(checking->check));
    bool more = take_slice(checking, false);
    mapping_leave(checking->mapping);
    lua_pop(L, 2);
    if (checking->given_up || !more) {
        end(checking);
        return;
    }
    if (is_to_be_told(checking))
        tell_settled(L, checking);
    checking->next_slice = loop_timer_start(checking->wait.app->loop, 0, loop_due, checking);
    if (!checking->next_slice)
        loop_due(checking);
}

static void work_done(void *arg)
{
    struct checking *checking = arg;
    int fd = check_waits_for(checking->check);
    checking->work = NULL;
    if (!checking->given_up && fd >= 0) {
        checking->watch = loop_watch_start(checking->wait.app->loop, fd, start_work, checking);
        if (checking->watch)
            return;
    }
    if (!checking->given_up && is_to_be_told(checking))
        scheduler_post(checking->wait.app->scheduler, &checking->tell);
    else if (!checking->given_up && checking->on_loop && !check_result(checking->check)->fatal)
        loop_due(checking);
    else
        end(checking);
}

static void start_work(void *arg)
{
    struct checking *checking = arg;
    checking->watch = NULL;
    checking->work = loop_work_start(checking->wait.app->loop, work_slice, work_done, checking);
    if (!checking->work)
        end(checking);
}

static void cancel(struct wait *w)
{
    struct checking *checking = (struct checking *)w;
    bool idle = checking->watch || checking->next_slice || checking->slice.queued || checking->tell.queued;
    checking->given_up = true;
    stop_reporting(checking);
    scheduler_unpost(checking->wait.app->scheduler, &checking->tell);
    loop_watch_stop(checking->watch);
    loop_timer_stop(checking->next_slice);
    scheduler_unpost(checking->wait.app->scheduler, &checking->slice);
    checking->watch = NULL;
    checking->next_slice = NULL;
    if (checking->work)
        loop_work_cancel(checking->work);
    else if (idle)
        leave(checking);
}

/* ---- results ---- */

static int push_opened(lua_State *L, struct checking *checking, int holder)
{
    const struct check_result *result = check_result(checking->check);
    long line;
    if (result->fatal)
        return push_check_result(L, checking->check, NULL, "");
    const char *const *names = check_header_names(checking->check, &line);
    checking->holder->used = false;
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, holder);
    lua_setfield(L, -2, "check");
    lua_newtable(L);
    for (lua_Integer i = 0; names[i]; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "header");
    lua_pushinteger(L, line);
    lua_setfield(L, -2, "line");
    push_check_facts(L, result->facts);
    lua_setfield(L, -2, "facts");
    return 1;
}

static int results(lua_State *L, struct wait *w, int index)
{
    struct checking *checking = (struct checking *)w;
    lua_getiuservalue(L, index, HOLDER);
    int holder = lua_gettop(L);
    if (checking->opens)
        return push_opened(L, checking, holder);
    lua_getiuservalue(L, holder, 1);
    int count = push_check_result(L, checking->check, mapping_of(checking), lua_tostring(L, -1));
    /* Not when the collector comes, which knows nothing of its memory and its open file: there may be many checks. */
    check_free(checking->holder->check);
    checking->check = checking->holder->check = NULL;
    return count;
}

static const struct wait_class checking_class = {results, cancel, false};

/* ---- the check as scripts hold it ---- */

static int collect(lua_State *L)
{
    struct holder *holder = lua_touserdata(L, 1);
    check_free(holder->check);
    holder->check = NULL;
    return 0;
}

static struct holder *new_holder(lua_State *L, const char *file)
{
    struct holder *holder = lua_newuserdatauv(L, sizeof *holder, 1);
    *holder = (struct holder){0};
    if (luaL_newmetatable(L, CHECK_TYPE)) {
        lua_pushcfunction(L, collect);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_pushstring(L, strcmp(file, "-") == 0 ? "standard input" : file);
    lua_setiuservalue(L, -2, 1);
    return holder;
}

static struct holder *open_holder(lua_State *L, const char *what, struct err *err)
{
    struct check_options options = {.path = need_string(L, 1, what, "file"),
                                    .fd = (int)option_number(L, 1, what, "fd", -1),
                                    .encoding = option_string(L, 1, what, "encoding", NULL),
                                    .strict = option_boolean(L, 1, what, "strict", false),
                                    .temporary = option_string(L, 1, what, "tmp", NULL),
                                    .max_problems = (size_t)option_number(L, 1, what, "max_problems", 0)};
    struct holder *holder = new_holder(L, options.path);
    holder->check = check_new(&options, err);
    return holder;
}

/* That of `open`, or a new one; pushed. */
static struct holder *take_holder(lua_State *L, const char *what, struct err *err)
{
    lua_getfield(L, 1, "opened");
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return open_holder(L, what, err);
    }
    luaL_argcheck(L, lua_istable(L, -1), 1, "opened is what open returns");
    lua_getfield(L, -1, "check");
    lua_remove(L, -2);
    struct holder *holder = luaL_checkudata(L, -1, CHECK_TYPE);
    luaL_argcheck(L, holder->check && !holder->used, 1, "what was opened was used already");
    return holder;
}

/* ---- starting ---- */

/* Keeps the function, if one was given, and begins to call it. */
static void start_reporting(lua_State *L, struct checking *checking, const char *what)
{
    if (!option_function(L, 1, what, "progress"))
        return;
    checking->progress_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    checking->timer = loop_timer_start(app_of(L)->loop, PROGRESS_EVERY_MS, progress_due, checking);
}

static void keep_settled(lua_State *L, struct checking *checking, const char *what)
{
    if (option_function(L, 1, what, "settled"))
        checking->settled_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* `mapping` and `comparison` are places on the stack, 0 for none. All stay while the work runs: the reference holds them. */
static int start(lua_State *L, const char *what, struct holder *holder, int holder_index, int mapping, int comparison,
                 bool opens)
{
    struct checking *checking = wait_new(L, sizeof *checking, &checking_class);
    int self = lua_gettop(L);
    checking->check = holder->check;
    checking->holder = holder;
    checking->mapping = mapping ? lua_touserdata(L, mapping) : NULL;
    checking->comparison = comparison ? lua_touserdata(L, comparison) : NULL;
    checking->opens = opens;
    checking->on_loop = checking->mapping && checking->mapping->on_loop;
    checking->slice.run = loop_slice;
    checking->report.run = report_progress;
    checking->tell.run = tell_and_go_on;
    checking->progress_ref = checking->settled_ref = LUA_NOREF;
    holder->used = true;
    lua_pushvalue(L, holder_index);
    lua_setiuservalue(L, self, HOLDER);
    lua_createtable(L, 4, 0);
    lua_pushvalue(L, holder_index);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, self);
    lua_rawseti(L, -2, 2);
    if (mapping) {
        lua_pushvalue(L, mapping);
        lua_rawseti(L, -2, 3);
    }
    if (checking->comparison) {
        checking->comparison->used = true;
        lua_pushvalue(L, comparison);
        lua_rawseti(L, -2, 4);
    }
    checking->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    start_reporting(L, checking, what);
    keep_settled(L, checking, what);
    checking->work = loop_work_start(app_of(L)->loop, work_slice, work_done, checking);
    if (!checking->work) {
        stop_reporting(checking);
        leave(checking);
        return luaL_error(L, "out of memory");
    }
    checking->wait.started = true;
    return wait_for(L, self);
}

/* open{file, fd, encoding, strict, max_problems, tmp} → { check =, header = names, line =, facts = } | nil, err: what
 * the file is, and its header; `run` goes on from there, and standard input is read once. */
static int native_open(lua_State *L)
{
    static const char *const known[] = {"file", "fd", "encoding", "strict", "max_problems", "tmp", NULL};
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    check_options(L, 1, "open", known);
    struct holder *holder = open_holder(L, "open", &e);
    if (!holder->check)
        return fail_with(L, &e);
    return start(L, "open", holder, lua_gettop(L), 0, 0, true);
}

/* run{file or opened, fd, tmp, mapping, encoding, strict, no_check, reject, rejects, problems, max_problems,
 *     shown, max_rows, digest, split, changes, select, progress = function(bytes, total, rows) end,
 *     settled = function(result) end} → result | nil, err: the tables of check_results.c */
static int native_run(lua_State *L)
{
    static const char *const known[] = {"file",     "opened",       "mapping",  "encoding",
                                        "tmp",      "strict",   "no_check",     "reject",   "rejects",
                                        "problems", "max_problems", "progress", "shown",  "max_rows", "digest",
                                        "split",    "changes",  "select",       "fd",       "settled", NULL};
    const char *what = "check";
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    struct comparison *comparison = option_comparison(L, 1, what, "changes");
    struct check_plan plan = {.rejects_path = option_string(L, 1, what, "rejects", NULL),
                              .problems_path = option_string(L, 1, what, "problems", NULL),
                              .shown = (size_t)option_integer(L, 1, what, "shown", 0, 1000, 0),
                              .max_rows = (uint64_t)option_integer(L, 1, what, "max_rows", 0, LONG_MAX, 0),
                              .reject = option_boolean(L, 1, what, "reject", false),
                              .no_check = option_boolean(L, 1, what, "no_check", false),
                              .no_digest = !option_boolean(L, 1, what, "digest", true),
                              .changes = comparison ? comparison->changes : NULL,
                              .select = option_rows(L, 1, what, "select")};
    read_check_split(L, &plan.split);
    luaL_argcheck(L, !plan.changes || (!plan.select && !plan.split.salt && plan.max_rows == 0), 1,
                  "changes is a pass of its own, without select, split or max_rows");
    plan.settles = option_function(L, 1, what, "settled");
    int mapping = read_check_mapping(L, &plan);
    struct holder *holder = take_holder(L, what, &e);
    int index = lua_gettop(L);
    if (!holder->check || !check_set_plan(holder->check, &plan, &e))
        return fail_with(L, &e);
    return start(L, what, holder, index, mapping, comparison ? 2 : 0, false);
}

/* input_fd(opened) → a descriptor of what was opened, to be closed, with which it can be read again: /proc/self/fd/N | nil, err */
static int native_input_fd(lua_State *L)
{
    struct err e;
    err_clear(&e);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_getfield(L, 1, "check");
    struct holder *holder = luaL_checkudata(L, -1, CHECK_TYPE);
    luaL_argcheck(L, holder->check && !holder->used, 1, "what was opened was used already");
    int fd = check_input_again(holder->check, &e);
    if (fd < 0)
        return fail_with(L, &e);
    lua_pushinteger(L, fd);
    return 1;
}

/* close_fd(fd) */
static int native_close_fd(lua_State *L)
{
    close((int)luaL_checkinteger(L, 1));
    return 0;
}

int open_native_check(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"open", native_open}, {"run", native_run}, {"input_fd", native_input_fd}, {"close_fd", native_close_fd}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
