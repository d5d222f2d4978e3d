/* changes: upjob.native.changes: the sets of keys that an import of what has changed compares with. */
#include "bindings/changes.h"

#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "bindings/app.h"
#include "bindings/wait.h"
#include "core/keyset.h"

#define ROWS_TYPE       "upjob.rows"
#define COMPARISON_TYPE "upjob.comparison"

/* ---- handles ---- */

/* Pushes the metatable of a type, and returns whether it was made now: with what the type's handles have: close, which also a block's end and the collector call. */
static bool push_type(lua_State *L, const char *type, lua_CFunction close)
{
    bool made = luaL_newmetatable(L, type);
    if (made) {
        lua_pushcfunction(L, close);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, close);
        lua_setfield(L, -2, "__close");
        lua_createtable(L, 0, 1);
        lua_pushcfunction(L, close);
        lua_setfield(L, -2, "close");
        lua_setfield(L, -2, "__index");
    }
    return made;
}

/* ---- rows ---- */

static int rows_close(lua_State *L)
{
    struct rowset **rows = luaL_checkudata(L, 1, ROWS_TYPE);
    rowset_free(*rows);
    *rows = NULL;
    return 0;
}

/* How many there are. */
static int rows_count(lua_State *L)
{
    struct rowset **rows = luaL_checkudata(L, 1, ROWS_TYPE);
    lua_pushinteger(L, *rows ? (lua_Integer)(*rows)->rows : 0);
    return 1;
}

struct rowset **push_rows(lua_State *L)
{
    struct rowset **held = lua_newuserdatauv(L, sizeof *held, 0);
    *held = NULL;
    if (push_type(L, ROWS_TYPE, rows_close)) {
        lua_pushcfunction(L, rows_count);
        lua_setfield(L, -2, "__len");
    }
    lua_setmetatable(L, -2);
    return held;
}

struct rowset *option_rows(lua_State *L, int index, const char *what, const char *name)
{
    lua_getfield(L, index, name);
    struct rowset **rows = luaL_testudata(L, -1, ROWS_TYPE);
    bool absent = lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!absent && !rows)
        luaL_error(L, "%s: %s must be the lines of a result", what, name);
    if (rows && !*rows)
        luaL_error(L, "%s: %s was closed", what, name);
    return rows ? *rows : NULL;
}

/* ---- what is compared ---- */

static void end_comparison(struct comparison *comparison)
{
    if (comparison->changes)
        changes_give_up(comparison->changes);
    changes_free(comparison->changes);
    comparison->changes = NULL;
}

void comparison_leave(struct comparison *comparison)
{
    comparison->used = false;
    if (comparison->closed)
        end_comparison(comparison);
}

static int comparison_close(lua_State *L)
{
    struct comparison *comparison = luaL_checkudata(L, 1, COMPARISON_TYPE);
    comparison->closed = true;
    if (!comparison->used)
        end_comparison(comparison);
    return 0;
}

/* compare{ before =, staged =, due_before =, only_due =, expires =, files = how many, tmp = } → a comparison, to be closed, that as
 * many checks take one after the other (upjob.checking) | nil, err */
static int native_compare(lua_State *L)
{
    static const char *const known[] = {"before", "staged", "due_before", "only_due", "expires", "files", "tmp", NULL};
    const char *what = "compare";
    struct err err;
    err_clear(&err);
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    const struct changes_options options = {
        .before = option_string(L, 1, what, "before", NULL),
        .staged = option_string(L, 1, what, "staged", NULL),
        .due_before = option_integer(L, 1, what, "due_before", LONG_MIN, LONG_MAX, LONG_MIN),
        .only_due = option_boolean(L, 1, what, "only_due", false),
        .expires = option_integer(L, 1, what, "expires", LONG_MIN, LONG_MAX, KEYSET_NO_EXPIRY),
        .files = (size_t)option_integer(L, 1, what, "files", 1, INT_MAX, 1),
        .directory = option_string(L, 1, what, "tmp", NULL),
    };
    struct comparison *comparison = lua_newuserdatauv(L, sizeof *comparison, 0);
    *comparison = (struct comparison){0};
    push_type(L, COMPARISON_TYPE, comparison_close);
    lua_setmetatable(L, -2);
    comparison->changes = changes_new(&options, &err);
    return comparison->changes ? 1 : fail_with(L, &err);
}

struct comparison *option_comparison(lua_State *L, int index, const char *what, const char *name)
{
    lua_getfield(L, index, name);
    struct comparison *comparison = luaL_testudata(L, -1, COMPARISON_TYPE);
    if (!comparison && !lua_isnil(L, -1))
        luaL_error(L, "%s: %s must be what compare returns", what, name);
    if (comparison && (comparison->closed || comparison->used))
        luaL_error(L, "%s: %s %s", what, name, comparison->closed ? "was closed" : "is in use");
    return comparison;
}

/* ---- what takes its time ---- */

struct working {
    struct wait wait;
    struct loop_work *work;
    char *before, *staged, *path, *directory; /* within the userdata; NULL: not given */
    bool done;
    int64_t expires;
    uint64_t count;
    struct keyset_facts facts;
    struct err err;
    int self_ref; /* until the work has ended: it cannot be cut short */
};

static bool promote(void *arg)
{
    struct working *working = arg;
    working->done = keyset_promote(working->staged, working->path, &working->err);
    return false;
}

static bool mark(void *arg)
{
    struct working *working = arg;
    working->done = keyset_mark(working->staged, working->path, working->expires, &working->err);
    return false;
}

static bool write_gone(void *arg)
{
    struct working *working = arg;
    working->done = keyset_write_gone(working->before, working->staged, working->path, working->directory,
                                      &working->count, &working->err);
    return false;
}

static bool check(void *arg)
{
    struct working *working = arg;
    working->done = keyset_check(working->path, &working->facts, &working->err);
    return false;
}

static void unref(struct working *working)
{
    luaL_unref(working->wait.app->L, LUA_REGISTRYINDEX, working->self_ref);
    working->self_ref = LUA_NOREF;
}

static void work_done(void *arg)
{
    struct working *working = arg;
    working->work = NULL;
    wait_finish(&working->wait);
    unref(working);
}

static void set_integer(lua_State *L, const char *name, int64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static int push_facts(lua_State *L, const struct keyset_facts *facts)
{
    lua_createtable(L, 0, 5);
    set_integer(L, "generation", (int64_t)facts->generation);
    set_integer(L, "base", (int64_t)facts->base);
    set_integer(L, "written_at", facts->written_at);
    set_integer(L, "count", (int64_t)facts->count);
    lua_createtable(L, (int)facts->time_count, 0);
    for (uint32_t i = 0; i < facts->time_count; i++) {
        lua_pushinteger(L, facts->times[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "times");
    return 1;
}

static int results(lua_State *L, struct wait *wait, int index)
{
    struct working *working = (struct working *)wait;
    (void)index;
    if (!working->done)
        return fail_with(L, &working->err);
    if (!working->staged)
        return push_facts(L, &working->facts);
    if (working->before)
        lua_pushinteger(L, (lua_Integer)working->count);
    else
        lua_pushboolean(L, true);
    return 1;
}

static void cancel(struct wait *wait)
{
    struct working *working = (struct working *)wait;
    if (working->work)
        loop_work_cancel(working->work);
}

static const struct wait_class working_class = {results, cancel, false};

static size_t size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static char *put(char **at, const char *text)
{
    char *begin = *at;
    if (!text)
        return NULL;
    *at = stpcpy(begin, text) + 1;
    return begin;
}

static int start(lua_State *L, bool (*work)(void *), const char *before, const char *staged, const char *path,
                 const char *directory, int64_t expires)
{
    size_t size = size_of(before) + size_of(staged) + size_of(path) + size_of(directory);
    struct working *working = wait_new(L, sizeof *working + size, &working_class);
    char *at = (char *)(working + 1);
    int self = lua_gettop(L);
    working->before = put(&at, before);
    working->staged = put(&at, staged);
    working->path = put(&at, path);
    working->directory = put(&at, directory);
    working->expires = expires;
    err_clear(&working->err);
    lua_pushvalue(L, self);
    working->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    working->work = loop_work_start(app_of(L)->loop, work, work_done, working);
    if (!working->work) {
        unref(working);
        return luaL_error(L, "out of memory");
    }
    working->wait.started = true;
    return wait_for(L, self);
}

/* promote(staged, current) → true | nil, err: as keyset_promote of core/keyset.h. Code "Outdated" when another import was faster. */
static int native_promote(lua_State *L)
{
    return start(L, promote, NULL, luaL_checkstring(L, 1), luaL_checkstring(L, 2), NULL, 0);
}

/* mark(staged, current, expires) → true | nil, err: as keyset_mark */
static int native_mark(lua_State *L)
{
    return start(L, mark, NULL, luaL_checkstring(L, 1), luaL_checkstring(L, 2), NULL, luaL_checkinteger(L, 3));
}

/* write_gone{ before =, staged =, file =, tmp = directory of temporary files } → number of keys | nil, err: as keyset_write_gone */
static int native_write_gone(lua_State *L)
{
    static const char *const known[] = {"before", "staged", "file", "tmp", NULL};
    check_options(L, 1, "write_gone", known);
    return start(L, write_gone, need_string(L, 1, "write_gone", "before"), need_string(L, 1, "write_gone", "staged"),
                 need_string(L, 1, "write_gone", "file"), option_string(L, 1, "write_gone", "tmp", NULL), 0);
}

/* info(path) → { generation =, base =, written_at =, times = of the last sets, its own last, count = of keys } | nil, err: what
 * its beginning says, which is looked at alone */
static int native_info(lua_State *L)
{
    struct err err;
    err_clear(&err);
    lua_settop(L, 1);
    const char *path = luaL_checkstring(L, 1);
    struct keyset_reader *reader = keyset_reader_open(path, &err);
    if (!reader)
        return fail_with(L, &err);
    const struct keyset_facts facts = *keyset_facts(reader);
    keyset_reader_free(reader);
    return push_facts(L, &facts);
}

/* check(path) → as info | nil, err: all of it is read, so that no damage is found later */
static int native_check(lua_State *L)
{
    return start(L, check, NULL, NULL, luaL_checkstring(L, 1), NULL, 0);
}

int open_native_changes(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"info", native_info}, {"check", native_check}, {"promote", native_promote}, {"mark", native_mark}, {"write_gone", native_write_gone},
        {"compare", native_compare}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
