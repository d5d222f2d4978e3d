#include "bindings/collector.h"

#include "bindings/app.h"

/* Garbage that is collected at a time, of the heap: little, so that its memory is used again while it is in the cache. */
#define MINOR_PERCENT 5
/* Going over so much takes some 30 ms. */
#define LARGE_KB (32 * 1024)
/* Well below it, so that a heap that goes up and down does not change often: each change goes over all of it. */
#define SMALL_KB (LARGE_KB / 2)

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
    struct app *app = app_of(L);
    if (is_large(L)) {
        if (lua_gc(L, LUA_GCINC, 0, 0, 0) == LUA_GCGEN) /* nothing, when it is so already */
            app->collects_in_steps = true;
    } else if (app->collects_in_steps && lua_gc(L, LUA_GCCOUNT) < SMALL_KB) {
        app->collects_in_steps = false;
        collector_start(L);
    }
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
