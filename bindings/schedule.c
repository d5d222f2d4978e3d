/* schedule: upjob.native.schedule: when schedules fire. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "bindings/app.h"
#include "core/cron.h"

#define COUNT_MOST 100000

/* Pushes the list of the next `count` times after `after`; nil, err when there is none. */
static int push_times(lua_State *L, const struct cron *cron, const struct tz *tz, int64_t after, long count)
{
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 1; i <= count && cron_next(cron, tz, after, &after); i++) {
        lua_pushinteger(L, after);
        lua_rawseti(L, -2, i);
    }
    if (lua_rawlen(L, -1) > 0)
        return 1;
    struct err err;
    err_clear(&err);
    err_set(&err, ERR_USAGE, "\"%.100s\" does not fire in %.100s before the year 10000", lua_tostring(L, 1), tz_name(tz));
    return fail_with(L, &err);
}

static int close_zone(lua_State *L)
{
    struct tz **zone = lua_touserdata(L, 1);
    tz_free(*zone);
    *zone = NULL;
    return 0;
}

/* Leaves on the stack what frees the zone, also when memory for the list runs out. */
static struct tz **push_zone(lua_State *L)
{
    struct tz **zone = lua_newuserdatauv(L, sizeof *zone, 0);
    *zone = NULL;
    if (luaL_newmetatable(L, "upjob.schedule.zone")) {
        lua_pushcfunction(L, close_zone);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return zone;
}

static const char *check_text(lua_State *L, const char *text, size_t len, const char *what)
{
    if (strlen(text) != len)
        luaL_error(L, "schedule.next: %s holds a NUL byte", what);
    return text;
}

/* next(expression, { tz=, from=, count= }?) → { epoch, … } | nil, err */
static int native_next(lua_State *L)
{
    static const char what[] = "schedule.next";
    static const char *const known[] = {"tz", "from", "count", NULL};
    if (lua_type(L, 1) != LUA_TSTRING)
        return luaL_error(L, "%s: an expression is needed, as \"0 6 * * MON-FRI\", not a %s", what, luaL_typename(L, 1));
    const char *expression = check_text(L, lua_tostring(L, 1), lua_rawlen(L, 1), "the expression");
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    check_options(L, 2, what, known);
    const char *name = option_string(L, 2, what, "tz", NULL);
    if (name)
        check_text(L, name, (lua_getfield(L, 2, "tz"), lua_rawlen(L, -1)), "option \"tz\"");
    if (name && !*name)
        return luaL_error(L, "%s: option \"tz\" is empty: name a zone as Europe/Berlin, or leave it out for the system's", what);
    double from = floor(option_number(L, 2, what, "from", (double)time(NULL)));
    if (from < (double)CRON_LEAST || from > (double)CRON_MOST)
        return luaL_error(L, "%s: option \"from\" is in seconds since 1970, within the years 1 to 9999", what);
    long count = option_integer(L, 2, what, "count", 1, COUNT_MOST, 1);

    struct cron cron;
    struct err err;
    err_clear(&err);
    struct tz **zone = push_zone(L);
    if (!cron_parse(expression, &cron, &err) || !(*zone = tz_load(name, &err)))
        return fail_with(L, &err);
    return push_times(L, &cron, *zone, (int64_t)from, count);
}

int open_native_schedule(lua_State *L)
{
    static const luaL_Reg functions[] = {{"next", native_next}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
