/* supervisor: upjob.native.supervisor: scripts/upjob/supervisor.lua is its user. Each function that tells something → true | nil,
 * err; true too where there is nobody to tell. */
#include "core/supervisor.h"

#include "bindings/app.h"

static int tell(lua_State *L, bool (*how)(struct err *err))
{
    struct err e;
    err_clear(&e);
    if (!how(&e))
        return fail_with(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

static int native_ready(lua_State *L)
{
    return tell(L, supervisor_ready);
}

static int native_reloading(lua_State *L)
{
    return tell(L, supervisor_reloading);
}

static int native_stopping(lua_State *L)
{
    return tell(L, supervisor_stopping);
}

static int native_ping(lua_State *L)
{
    return tell(L, supervisor_ping);
}

/* status(text) */
static int native_status(lua_State *L)
{
    struct err e;
    err_clear(&e);
    if (!supervisor_status(luaL_checkstring(L, 1), &e))
        return fail_with(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* present() → boolean */
static int native_present(lua_State *L)
{
    lua_pushboolean(L, supervisor_present());
    return 1;
}

/* watchdog() → seconds within which it is to be pinged | nil */
static int native_watchdog(lua_State *L)
{
    uint64_t us = supervisor_watchdog();
    if (us == 0)
        return 0;
    lua_pushnumber(L, (lua_Number)us / 1e6);
    return 1;
}

int open_native_supervisor(lua_State *L)
{
    static const luaL_Reg functions[] = {{"ready", native_ready},     {"reloading", native_reloading},
                                         {"ping", native_ping},       {"stopping", native_stopping},
                                         {"status", native_status},   {"watchdog", native_watchdog},
                                         {"present", native_present}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
