#include "bindings/modules.h"

#include <lauxlib.h>
#include <string.h>

#include "core/module.h"

void *module_symbol(lua_State *L, const char *module, const char *symbol)
{
    struct err err;
    err_clear(&err);
    void *address = module_find(module, symbol, &err);
    if (!address)
        luaL_error(L, "%s", err.message);
    return address;
}

static int open_late(lua_State *L)
{
    void *address = module_symbol(L, lua_tostring(L, lua_upvalueindex(1)), lua_tostring(L, lua_upvalueindex(2)));
    lua_CFunction open;
    memcpy(&open, &address, sizeof open); /* ISO C has no cast for it; dlsym(3) does this */
    return open(L);
}

void push_late_opener(lua_State *L, const char *module, const char *symbol)
{
    lua_pushstring(L, module);
    lua_pushstring(L, symbol);
    lua_pushcclosure(L, open_late, 2);
}
