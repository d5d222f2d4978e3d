/* task_errors: what becomes of the error of a task that nobody waits for. It is told, with the traceback, once nobody can wait
 * for it any more: when the task's handle is collected, or when the program ends. A handler's error is told at once. */
#include <lauxlib.h>

#include "bindings/app.h"
#include "bindings/collector.h"
#include "bindings/task.h"
#include "core/log.h"

/* An idle script makes no garbage, so that Lua alone would not collect: while errors are kept, slices of a collection are run,
 * ever less often while they find nothing. */
#define FIRST_LOOK_MS 100
#define LAST_LOOK_MS 30000
#define LOOK_SLICE_MS 5

/* Pushes what was raised as text; of a script's own table what is in it (upjob.errors). */
static const char *push_message(lua_State *L, int index)
{
    if (!lua_istable(L, index))
        return luaL_tolstring(L, index, NULL);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "upjob.errors");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "text_of");
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
    return lua_tostring(L, -1);
}

/* (error, coroutine) → text. Protected: the error may be an object whose __tostring fails. */
static int error_text(lua_State *L)
{
    const char *message = push_message(L, 1);
    luaL_traceback(L, lua_tothread(L, 2), message, 0);
    return 1;
}

void task_push_error_text(lua_State *L, struct task *t)
{
    lua_checkstack(L, 8);
    lua_pushvalue(t->co, -1);
    lua_xmove(t->co, L, 1);
    lua_pushcfunction(L, error_text);
    lua_pushvalue(L, -2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->self_ref);
    lua_getiuservalue(L, -1, 1);
    lua_remove(L, -2);
    if (lua_pcall(L, 2, 1, 0) == LUA_OK) {
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING)
        return; /* there is no memory for a traceback */
    lua_pop(L, 1);
    lua_pushliteral(L, "(an error object that does not become a string)");
}

static void tell(struct task *t)
{
    struct scheduler *s = t->app->scheduler;
    log_failure(t->handler ? "error in a handler: " : "error in a task: ", lua_tostring(t->co, 2));
    s->had_errors = s->had_errors || !t->handler;
}

void task_heard(struct task *t)
{
    if (!t->untold)
        return;
    t->untold = false;
    task_unlink(&t->app->scheduler->untold, t);
}

static void look_due(void *arg)
{
    struct scheduler *s = arg;
    s->look_timer = NULL;
    scheduler_post(s, &s->look);
}

static void look_later(struct scheduler *s)
{
    if (!s->look_timer && !s->look.queued)
        s->look_timer = loop_timer_start(s->app->loop, s->look_ms, look_due, s);
    loop_timer_unref(s->look_timer);
}

/* Between turns: a slice of a collection, which tells the errors of the handles that it finds. */
static void look(lua_State *L, struct posted *posted)
{
    struct scheduler *s = app_of(L)->scheduler;
    uint64_t until = loop_now() + LOOK_SLICE_MS;
    bool whole = false;
    (void)posted;
    while (s->untold && !whole && loop_now() < until)
        whole = collector_step(L);
    if (whole && s->look_ms < LAST_LOOK_MS)
        s->look_ms *= 2;
    if (s->untold)
        look_later(s);
}

void task_keep_error(struct task *t)
{
    struct scheduler *s = t->app->scheduler;
    if (t->handler) {
        tell(t);
        return;
    }
    t->untold = true;
    task_link(&s->untold, t);
    s->look.run = look;
    s->look_ms = FIRST_LOOK_MS;
    look_later(s);
}

int task_collect(lua_State *L)
{
    struct task *t = lua_touserdata(L, 1);
    if (t->untold)
        tell(t);
    task_heard(t);
    return 0;
}

void scheduler_tell_errors(struct scheduler *scheduler)
{
    while (scheduler->untold) {
        struct task *t = scheduler->untold;
        tell(t);
        task_heard(t);
    }
}

bool scheduler_had_errors(const struct scheduler *scheduler)
{
    return scheduler->had_errors && !scheduler->at_prompt;
}
