/* schedule: upjob.native.schedule: when schedules fire. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "bindings/app.h"
#include "core/cron.h"
#include "core/schedule.h"
#include "core/when.h"

#define COUNT_MOST 100000
#define CLOCK_TYPE "upjob.schedule.clock"

static const char *check_text(lua_State *L, const char *text, size_t len, const char *function, const char *what)
{
    if (strlen(text) != len)
        luaL_error(L, "%s: %s holds a NUL byte", function, what);
    return text;
}

/* ---- zones: shared by the clocks that are made within a minute, so that one that is made later knows of new tzdata ---- */

#define ZONES       "upjob.schedule.zones"
#define SHARED_FOR  60 /* seconds */

struct zone {
    struct tz *tz;
    time_t read_at; /* of the monotonic clock */
};

static time_t monotonic_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static int close_zone(lua_State *L)
{
    struct zone *zone = lua_touserdata(L, 1);
    tz_free(zone->tz);
    zone->tz = NULL;
    return 0;
}

/* Pushes the table of zones by name, which keeps none alive. */
static void push_zones(lua_State *L)
{
    if (luaL_getsubtable(L, LUA_REGISTRYINDEX, ZONES))
        return;
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
}

/* Pushes what owns the zone of that name (NULL: the system's own) and returns the zone; NULL: it cannot be read. */
static const struct tz *push_zone(lua_State *L, const char *name, struct err *err)
{
    const char *key = name ? name : "";
    push_zones(L);
    if (lua_getfield(L, -1, key) == LUA_TUSERDATA) {
        struct zone *known = lua_touserdata(L, -1);
        lua_remove(L, -2);
        if (monotonic_now() - known->read_at < SHARED_FOR)
            return known->tz;
        push_zones(L);
        lua_insert(L, -2);
    }
    lua_pop(L, 1);
    struct zone *zone = lua_newuserdatauv(L, sizeof *zone, 0);
    *zone = (struct zone){.read_at = monotonic_now()};
    if (luaL_newmetatable(L, "upjob.schedule.zone")) {
        lua_pushcfunction(L, close_zone);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    zone->tz = tz_load(name, err);
    if (zone->tz) {
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, key);
    }
    lua_remove(L, -2);
    return zone->tz;
}

/* The zone's name in a table of options; NULL: the system's own. */
static const char *option_zone(lua_State *L, int index, const char *function)
{
    const char *name = option_string(L, index, function, "tz", NULL);
    if (name) {
        lua_getfield(L, index, "tz");
        check_text(L, name, lua_rawlen(L, -1), function, "option \"tz\"");
        lua_pop(L, 1);
    }
    if (name && !*name)
        luaL_error(L, "%s: option \"tz\" is empty: name a zone as Europe/Berlin, or leave it out for the system's", function);
    return name;
}

static int64_t option_time(lua_State *L, int index, const char *function, const char *name, double fallback)
{
    double time = floor(option_number(L, index, function, name, fallback));
    if (time < (double)CRON_LEAST || time > (double)CRON_MOST)
        luaL_error(L, "%s: option \"%s\" is in seconds since 1970, within the years 1 to 9999", function, name);
    return (int64_t)time;
}

/* ---- next ---- */

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

/* next(expression, { tz=, from=, count= }?) → { epoch, … } | nil, err */
static int native_next(lua_State *L)
{
    static const char what[] = "schedule.next";
    static const char *const known[] = {"tz", "from", "count", NULL};
    if (lua_type(L, 1) != LUA_TSTRING)
        return luaL_error(L, "%s: an expression is needed, as \"0 6 * * MON-FRI\", not a %s", what, luaL_typename(L, 1));
    const char *expression = check_text(L, lua_tostring(L, 1), lua_rawlen(L, 1), what, "the expression");
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    check_options(L, 2, what, known);
    const char *name = option_zone(L, 2, what);
    int64_t from = option_time(L, 2, what, "from", (double)time(NULL));
    long count = option_integer(L, 2, what, "count", 1, COUNT_MOST, 1);

    struct cron cron;
    struct err err;
    const struct tz *tz;
    err_clear(&err);
    if (!cron_parse(expression, &cron, &err) || !(tz = push_zone(L, name, &err)))
        return fail_with(L, &err);
    return push_times(L, &cron, tz, from, count);
}

/* ---- clocks ---- */

static const char *const kinds[] = {"cron", "every", "at", NULL};

static const struct schedule *check_clock(lua_State *L)
{
    return luaL_checkudata(L, 1, CLOCK_TYPE);
}

/* A time at index 2 as whole seconds; times beyond the years that are looked at are as their ends. */
static int64_t check_time(lua_State *L, double (*whole)(double))
{
    double time = whole(luaL_checknumber(L, 2));
    luaL_argcheck(L, !isnan(time), 2, "seconds since 1970 are needed");
    return (int64_t)fmin(fmax(time, (double)CRON_LEAST - 1), (double)CRON_MOST + 1);
}

static int push_time(lua_State *L, bool found, int64_t time)
{
    if (found)
        lua_pushinteger(L, time);
    else
        lua_pushnil(L);
    return 1;
}

/* clock:next(after) → epoch | nil */
static int clock_next(lua_State *L)
{
    int64_t fires;
    bool found = schedule_next(check_clock(L), check_time(L, floor), &fires);
    return push_time(L, found, fires);
}

/* clock:previous(before) → epoch | nil */
static int clock_previous(lua_State *L)
{
    int64_t fired;
    bool found = schedule_previous(check_clock(L), check_time(L, ceil), &fired);
    return push_time(L, found, fired);
}

/* clock:passes_both() → boolean: it fires each time that a clock which is set backwards shows one of its times */
static int clock_passes_both(lua_State *L)
{
    lua_pushboolean(L, schedule_passes_both(check_clock(L)));
    return 1;
}

/* clock:local_time(epoch) → { seconds=, offset=, zone= }: what the clock of its zone shows, as os.date("!…", seconds) writes it,
 * seconds east of UTC, abbreviation */
static int clock_local_time(lua_State *L)
{
    int64_t utc = check_time(L, floor);
    struct tz_period period = tz_period_at(check_clock(L)->tz, utc);
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, utc + period.offset);
    lua_setfield(L, -2, "seconds");
    lua_pushinteger(L, period.offset);
    lua_setfield(L, -2, "offset");
    lua_pushstring(L, period.abbreviation);
    lua_setfield(L, -2, "zone");
    return 1;
}

static void set_clock_metatable(lua_State *L)
{
    static const luaL_Reg methods[] = {{"next", clock_next},
                                       {"previous", clock_previous},
                                       {"passes_both", clock_passes_both},
                                       {"local_time", clock_local_time},
                                       {NULL, NULL}};
    if (luaL_newmetatable(L, CLOCK_TYPE)) {
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
}

/* clock{ kind=, expression=, tz=, anchor= } → clock | nil, err. The clock keeps its zone. */
static int native_clock(lua_State *L)
{
    static const char what[] = "clock";
    static const char *const known[] = {"kind", "expression", "tz", "anchor", NULL};
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    lua_getfield(L, 1, "kind");
    enum schedule_kind kind = (enum schedule_kind)luaL_checkoption(L, 2, NULL, kinds);
    const char *expression = need_string(L, 1, what, "expression");
    lua_getfield(L, 1, "expression");
    check_text(L, expression, lua_rawlen(L, -1), what, "the expression");
    const char *name = option_zone(L, 1, what);
    int64_t anchor = option_time(L, 1, what, "anchor", 0);

    struct err err;
    err_clear(&err);
    struct schedule *schedule = lua_newuserdatauv(L, sizeof *schedule, 1);
    const struct tz *tz = push_zone(L, name, &err);
    if (!tz || !schedule_parse(kind, expression, tz, anchor, schedule, &err))
        return fail_with(L, &err);
    lua_setiuservalue(L, -2, 1);
    set_clock_metatable(L);
    return 1;
}

/* duration(text) → seconds | nil, err */
static int native_duration(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    int64_t seconds;
    struct err err;
    err_clear(&err);
    if (!when_duration(check_text(L, text, len, "duration", "the text"), &seconds, &err))
        return fail_with(L, &err);
    lua_pushinteger(L, seconds);
    return 1;
}

int open_native_schedule(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"next", native_next}, {"clock", native_clock}, {"duration", native_duration}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
