#include "bindings/modules.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "bindings/app.h"

/* Beside the program (a build directory), else in ../lib/upjob (an installation). What a module exports is there for those
 * that are loaded after it. */
static void *load(lua_State *L, const char *module)
{
    static const char *const places[] = {"", "../lib/upjob/"};
    const char *program = app_of(L)->program_path, *slash = strrchr(program, '/');
    char why[512] = "";
    lua_pushlstring(L, program, slash ? (size_t)(slash - program + 1) : 0);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *path = lua_pushfstring(L, "%s%s%s", lua_tostring(L, -1), places[i], module);
        void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        const char *error = handle ? NULL : dlerror();
        lua_pop(L, 1);
        if (handle) {
            lua_pop(L, 1);
            return handle;
        }
        snprintf(why, sizeof why, "%s", error ? error : "");
    }
    luaL_error(L, "a part of upjob (%s) cannot be loaded: %s", module, why);
    return NULL;
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
