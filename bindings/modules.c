#include "bindings/modules.h"

#include <dlfcn.h>
#include <string.h>

#include "bindings/app.h"
#include "core/module.h"

/* What a module exports is there for those that are loaded after it. */
static void *load(lua_State *L, const char *module)
{
    char path[PATH_MAX];
    if (!module_path(app_of(L)->program_path, module, path))
        luaL_error(L, "a part of upjob (%s) is not there: neither beside the program nor in ../lib/upjob", module);
    void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!handle)
        luaL_error(L, "a part of upjob (%s) cannot be loaded: %s", module, dlerror());
    return handle;
}

void *module_symbol(lua_State *L, const char *module, const char *symbol)
{
    void *address = dlsym(load(L, module), symbol);
    if (!address)
        luaL_error(L, "%s is not of this version of upjob: it has no %s", module, symbol);
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
