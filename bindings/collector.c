#include "bindings/collector.h"

/* Garbage that is collected at a time, of the heap: little, so that its memory is used again while it is in the cache. */
#define MINOR_PERCENT 5
/* Going over so much takes some 30 ms. */
#define LARGE_KB (32 * 1024)

static bool is_large(lua_State *L)
{
    return lua_gc(L, LUA_GCCOUNT) > LARGE_KB;
}

void collector_start(lua_State *L)
{
    lua_gc(L, LUA_GCGEN, MINOR_PERCENT, 0);
}

void collector_watch(lua_State *L)
{
    if (is_large(L))
        lua_gc(L, LUA_GCINC, 0, 0, 0); /* nothing, when it is so already */
}

/* A step of the generational collector looks at young objects only. */
bool collector_step(lua_State *L)
{
    if (is_large(L)) {
        collector_watch(L);
        return lua_gc(L, LUA_GCSTEP, 0) != 0;
    }
    lua_gc(L, LUA_GCCOLLECT);
    return true;
}
