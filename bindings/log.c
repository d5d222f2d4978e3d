/* log: upjob.native.log. */
#include "core/log.h"
#include "bindings/app.h"

static int native_write(lua_State *L)
{
    static const char *const names[] = {"error", "warn", "info", "debug", "trace", NULL};
    int level = luaL_checkoption(L, 1, NULL, names);
    log_write((enum log_level)level, "%s", luaL_checkstring(L, 2));
    return 0;
}

/* level(name?) → the level in force */
static int native_level(lua_State *L)
{
    static const char *const names[] = {"error", "warn", "info", "debug", "trace", NULL};
    if (!lua_isnoneornil(L, 1))
        log_set_level((enum log_level)luaL_checkoption(L, 1, NULL, names));
    lua_pushstring(L, names[log_get_level()]);
    return 1;
}

int open_native_log(lua_State *L)
{
    static const luaL_Reg functions[] = {{"write", native_write}, {"level", native_level}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
