#include "bindings/wait.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/app.h"
#include "bindings/collector.h"
#include "bindings/task.h"

#define WAIT_TYPE "upjob.wait"

/* What a waiting coroutine yields: no script can have this pointer, so none can forge a wait. */
static const char wait_tag;

struct scheduler *scheduler_new(struct app *app, void (*on_halt)(struct scheduler *scheduler))
{
    struct scheduler *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->app = app;
    s->on_halt = on_halt;
    return s;
}

void scheduler_free(struct scheduler *scheduler)
{
    free(scheduler);
}

lua_State *scheduler_running(const struct scheduler *scheduler)
{
    return scheduler->running;
}

void scheduler_enqueue(struct task *t)
{
    struct scheduler *s = t->app->scheduler;
    if (t->queued || t->state == TASK_ENDED)
        return;
    loop_wake(s->app->loop);
    t->queued = true;
    t->next_ready = NULL;
    if (s->ready_last)
        s->ready_last->next_ready = t;
    else
        s->ready_first = t;
    s->ready_last = t;
}

void scheduler_enqueue_first(struct task *t)
{
    struct scheduler *s = t->app->scheduler;
    struct task **p = &s->ready_first, *before = NULL;
    scheduler_enqueue(t);
    for (; *p != t; p = &(*p)->next_ready)
        before = *p;
    if (!before)
        return;
    *p = t->next_ready;
    if (s->ready_last == t)
        s->ready_last = before;
    t->next_ready = s->ready_first;
    s->ready_first = t;
}

static struct task *dequeue(struct scheduler *s)
{
    struct task *t = s->ready_first;
    if (!t)
        return NULL;
    s->ready_first = t->next_ready;
    if (!s->ready_first)
        s->ready_last = NULL;
    t->queued = false;
    return t;
}

/* ---- waits ---- */

/* A wait that is dropped while its work is under way, or before its results were taken: the work is given up, and a task that
 * still waits is let go on. */
static int wait_collect(lua_State *L)
{
    struct wait *w = lua_touserdata(L, 1);
    if (w->started && w->class->cancel)
        w->class->cancel(w);
    w->started = false;
    wait_finish(w);
    return 0;
}

void wait_check_refusal(lua_State *L)
{
    const char *reason = app_of(L)->scheduler->refusal;
    if (!*reason)
        return;
    lua_pushstring(L, reason);
    lua_error(L);
}

void *wait_new(lua_State *L, size_t size, const struct wait_class *class)
{
    wait_check_refusal(L);
    struct wait *w = lua_newuserdatauv(L, size, 1);
    memset(w, 0, size);
    w->class = class;
    w->app = app_of(L);
    if (luaL_newmetatable(L, WAIT_TYPE)) {
        lua_pushcfunction(L, wait_collect);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return w;
}

void wait_finish(struct wait *w)
{
    struct task *t = w->task;
    w->done = true;
    loop_wake(w->app->loop);
    w->task = NULL;
    if (t && t->waiting == w) {
        t->waiting = NULL;
        scheduler_enqueue(t);
    }
}

/* Raises what the task was interrupted with, once. */
static int raise_interrupt(lua_State *L, struct task *t)
{
    t->has_interrupt = false;
    return raise_err(L, &t->interrupt);
}

/* The work is not waited for any longer, nor are its results, if they are there. */
static void give_up(struct wait *w)
{
    if (w->started && w->class->cancel)
        w->class->cancel(w);
    w->started = false;
    w->done = true;
    w->task = NULL;
}

static int wait_results(lua_State *L, int index)
{
    struct wait *w = lua_touserdata(L, index);
    struct task *t = w->app->scheduler->current;
    if (t && t->has_interrupt) {
        give_up(w);
        return raise_interrupt(L, t);
    }
    w->started = false;
    return w->class->results ? w->class->results(L, w, index) : 0;
}

static int wait_continue(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    return wait_results(L, (int)context);
}

static void run_ready(struct scheduler *s, lua_State *from);

/* A turn of the loop, which sleeps only when there is nothing to do between turns. False when nothing is left that could ever
 * go on. */
static bool turn(struct scheduler *s)
{
    bool alive = loop_turn(s->app->loop, !s->ready_first && !s->posted && !s->halted);
    return alive || s->ready_first || s->posted || s->halted;
}

static bool is_over(const struct wait *w, const struct task *t)
{
    return w->done || (t && t->has_interrupt);
}

/* Lua allows 200 calls of C on each other. Past so many waits what else is ready has to stand back, unless it is waited for:
 * it could wait in such a place too. */
#define MANY_NESTED 24

/* Runs everything else until the wait is over or its task is interrupted. False when nothing could ever end it. */
static bool run_until(lua_State *L, struct wait *w, struct task *t)
{
    struct scheduler *s = w->app->scheduler;
    bool possible = true;
    s->nested++;
    while (possible && !is_over(w, t)) {
        bool alone = s->nested > MANY_NESTED && !w->class->by_tasks && !s->halted;
        if (!alone)
            run_ready(s, L);
        if (!is_over(w, t))
            possible = alone ? loop_turn(s->app->loop, true) : turn(s);
    }
    s->nested--;
    return possible || is_over(w, t);
}

/* The wait of a place that cannot yield: everything else goes on from here. */
static void run_nested(lua_State *L, struct wait *w, struct task *t)
{
    struct err e;
    if (run_until(L, w, t))
        return;
    err_clear(&e);
    err_set(&e, ERR_INTERNAL, "this wait can never end: nothing is under way that could end it");
    raise_err(L, &e);
}

bool wait_quietly(lua_State *L, struct wait *w, struct err *interrupt)
{
    struct task *t = w->app->scheduler->current;
    run_until(L, w, t);
    if (t && t->has_interrupt) {
        t->has_interrupt = false;
        *interrupt = t->interrupt;
        return false;
    }
    return true;
}

int wait_for(lua_State *L, int index)
{
    struct wait *w = lua_touserdata(L, index);
    struct task *t = w->app->scheduler->current;
    if (w->done || (t && t->has_interrupt))
        return wait_results(L, index);
    if (t && lua_isyieldable(L)) {
        w->task = t;
        t->waiting = w;
        lua_pushlightuserdata(L, (void *)&wait_tag);
        return lua_yieldk(L, 1, index, wait_continue);
    }
    run_nested(L, w, t);
    return wait_results(L, index);
}

int wait_pcall(lua_State *L, int nargs, int nresults, lua_KContext context, lua_KFunction then)
{
    return lua_pcallk(L, nargs, nresults, 0, context, then);
}

/* ---- tasks ---- */

/* Whether a coroutine, or a task itself, stands in a wait: the tag that it yielded stays on its stack until it goes on. */
static bool stands_in_wait(lua_State *co)
{
    return lua_status(co) == LUA_YIELD && lua_gettop(co) > 0 && lua_islightuserdata(co, -1) &&
           lua_touserdata(co, -1) == &wait_tag;
}

static void task_yielded(struct task *t, int nresults)
{
    t->state = TASK_WAITING;
    if (!stands_in_wait(t->co)) {
        /* coroutine.yield at the top of a task lets the others run. */
        lua_pop(t->co, nresults);
        scheduler_enqueue(t);
    } else if (!t->waiting || t->has_interrupt) {
        scheduler_enqueue(t);
    }
}

static void resume_task(struct scheduler *s, struct task *t, lua_State *from)
{
    struct task *previous = s->current;
    lua_State *previous_running = s->running;
    bool previous_pinned = s->pinned;
    int nargs = t->started ? 0 : t->nargs, nresults = 0;
    if (!t->started && t->has_interrupt && t != s->main) { /* it never runs */
        lua_settop(t->co, 0);
        push_err(t->co, &t->interrupt);
        task_end(t, LUA_ERRRUN, 1);
        return;
    }
    if (stands_in_wait(t->co))
        lua_pop(t->co, 1);
    t->started = true;
    t->state = TASK_RUNNING;
    s->current = t;
    s->running = t->co;
    s->pinned = false;
    if (previous)
        previous->above = t;
    int status = lua_resume(t->co, from, nargs, &nresults);
    if (status == LUA_YIELD) {
        task_yielded(t, nresults);
    } else {
        s->pinned = true; /* its variables are closed where nothing can yield */
        task_end(t, status, nresults);
    }
    if (previous)
        previous->above = NULL;
    s->current = previous;
    s->running = previous_running;
    s->pinned = previous_pinned;
}

void scheduler_post(struct scheduler *scheduler, struct posted *posted)
{
    if (posted->queued)
        return;
    posted->queued = true;
    loop_wake(scheduler->app->loop);
    posted->next = scheduler->posted;
    scheduler->posted = posted;
}

void scheduler_unpost(struct scheduler *scheduler, struct posted *posted)
{
    for (struct posted **p = &scheduler->posted; posted->queued && *p; p = &(*p)->next) {
        if (*p == posted) {
            *p = posted->next;
            break;
        }
    }
    posted->queued = false;
}

/* It may call functions of scripts, which an interrupt ends as it ends those of tasks. */
static void run_posted(struct scheduler *s, struct posted *posted)
{
    lua_State *running = s->running;
    s->running = s->app->L;
    posted->run(s->app->L, posted);
    s->running = running;
}

static void run_ready(struct scheduler *s, lua_State *from)
{
    if (s->halted) {
        s->halted = 0;
        s->on_halt(s);
    }
    collector_watch(s->app->L);
    while (s->posted) {
        struct posted *posted = s->posted;
        s->posted = posted->next;
        posted->queued = false;
        run_posted(s, posted);
    }
    /* Those that become ready meanwhile run after the next turn of the loop, so that none starves it. */
    struct task *last = s->ready_last;
    while (s->ready_first && !s->halted) {
        struct task *t = dequeue(s);
        resume_task(s, t, from);
        if (t == last || (t == s->main && t->state == TASK_ENDED))
            break;
    }
}

/* ---- coroutines of scripts: waits pass through ---- */

static int resume_finished(lua_State *L, lua_State *co, int status, int nresults, bool wrap);

static int resume_passed(lua_State *L, int status, lua_KContext wrap);

/* Not yieldable here: the scheduler runs until the wait that a coroutine of ours stands in is over. It is no longer one that
 * the task yielded for. */
static void wait_in_place(lua_State *L, struct task *t)
{
    struct wait *w = t->waiting;
    w->task = NULL;
    t->waiting = NULL;
    run_nested(L, w, t);
}

/* Resumes the coroutine at index 1 with the nargs values on its stack, for as long as it waits. */
static int resume_through(lua_State *L, int nargs, bool wrap)
{
    lua_State *co = lua_tothread(L, 1);
    struct scheduler *s = app_of(L)->scheduler;
    for (;;) {
        int nresults = 0;
        lua_State *running = s->running;
        bool pinned = s->pinned;
        s->running = co;
        s->pinned = pinned || !lua_isyieldable(L);
        int status = lua_resume(co, L, nargs, &nresults);
        s->running = running;
        s->pinned = pinned;
        if (!stands_in_wait(co))
            return resume_finished(L, co, status, nresults, wrap);
        if (lua_isyieldable(L)) {
            lua_pushlightuserdata(L, (void *)&wait_tag);
            return lua_yieldk(L, 1, wrap, resume_passed);
        }
        wait_in_place(L, s->current);
        lua_pop(co, 1);
        nargs = 0;
    }
}

static int resume_passed(lua_State *L, int status, lua_KContext wrap)
{
    (void)status;
    lua_pop(lua_tothread(L, 1), 1);
    return resume_through(L, 0, wrap != 0);
}

static int resume_finished(lua_State *L, lua_State *co, int status, int nresults, bool wrap)
{
    if (status == LUA_OK || status == LUA_YIELD) {
        luaL_checkstack(L, nresults + 1, "too many results");
        lua_settop(L, 1);
        if (!wrap)
            lua_pushboolean(L, 1);
        lua_xmove(co, L, nresults);
        return nresults + (wrap ? 0 : 1);
    }
    lua_settop(L, 1);
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    if (!wrap)
        return 2;
    /* As in lcorolib.c: a dead coroutine's variables are closed, and a text gets the place of the caller. */
    if (lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD) {
        lua_resetthread(co);
        lua_xmove(co, L, 1);
    }
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

/* What a coroutine that waits is to others: one that runs. It goes on by itself. */
#define WAITS "a coroutine that waits: it goes on by itself when its wait is over"

static int move_arguments(lua_State *L, lua_State *co, int nargs)
{
    if (!lua_checkstack(co, nargs))
        return luaL_error(L, "too many arguments to resume");
    lua_xmove(L, co, nargs);
    return nargs;
}

static int patched_resume(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTHREAD);
    lua_State *co = lua_tothread(L, 1);
    if (co == L) { /* lua_resume would leave its message on our own stack */
        lua_pushboolean(L, 0);
        lua_pushliteral(L, "cannot resume non-suspended coroutine");
        return 2;
    }
    if (stands_in_wait(co)) {
        lua_pushboolean(L, 0);
        lua_pushliteral(L, "cannot resume " WAITS);
        return 2;
    }
    return resume_through(L, move_arguments(L, co, lua_gettop(L) - 1), false);
}

static int wrap_call(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int nargs = lua_gettop(L);
    if (stands_in_wait(co))
        return luaL_error(L, "cannot resume " WAITS);
    move_arguments(L, co, nargs);
    lua_pushvalue(L, lua_upvalueindex(1));
    return resume_through(L, nargs, true);
}

static int patched_wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, wrap_call, 1);
    return 1;
}

/* Lua's own function, the upvalue, does the rest. */
static int call_original(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int patched_close(lua_State *L)
{
    if (lua_isthread(L, 1) && stands_in_wait(lua_tothread(L, 1)))
        return luaL_error(L, "cannot close " WAITS);
    return call_original(L);
}

static int patched_status(lua_State *L)
{
    if (!lua_isthread(L, 1) || !stands_in_wait(lua_tothread(L, 1)))
        return call_original(L);
    lua_pushliteral(L, "normal");
    return 1;
}

/* At the top of a task a yield is a wait as well: what interrupts the task is raised there. */
static int yield_over(lua_State *L, int status, lua_KContext context)
{
    struct task *t = app_of(L)->scheduler->current;
    (void)status;
    (void)context;
    if (t && t->co == L && t->has_interrupt)
        return raise_interrupt(L, t);
    return lua_gettop(L);
}

static int patched_yield(lua_State *L)
{
    return lua_yieldk(L, lua_gettop(L), 0, yield_over);
}

void wait_patch_coroutines(lua_State *L)
{
    static const luaL_Reg patched[] = {{"resume", patched_resume}, {"wrap", patched_wrap}, {"yield", patched_yield},
                                       {NULL, NULL}};
    static const luaL_Reg around[] = {{"close", patched_close}, {"status", patched_status}, {NULL, NULL}};
    lua_getglobal(L, "coroutine");
    luaL_setfuncs(L, patched, 0);
    for (const luaL_Reg *f = around; f->name; f++) {
        lua_getfield(L, -1, f->name);
        lua_pushcclosure(L, f->func, 1);
        lua_setfield(L, -2, f->name);
    }
    lua_pop(L, 1);
}

/* ---- running it all ---- */

int scheduler_run(lua_State *L, int index, int *count)
{
    struct scheduler *s = app_of(L)->scheduler;
    struct task *t = task_check(L, index);
    s->main = t;
    for (run_ready(s, L); t->state != TASK_ENDED; run_ready(s, L)) {
        if (!turn(s)) {
            struct err e;
            err_clear(&e);
            err_set(&e, ERR_INTERNAL, "this wait can never end: nothing is under way that could end it");
            task_interrupt(t, &e);
        }
    }
    s->main = NULL;
    *count = t->nresults;
    luaL_checkstack(L, *count, NULL);
    lua_xmove(t->co, L, *count);
    return t->failed ? LUA_ERRRUN : LUA_OK;
}

void scheduler_drain(lua_State *L)
{
    struct scheduler *s = app_of(L)->scheduler;
    do
        run_ready(s, L);
    while (s->tasks && !s->abandoned && turn(s));
}
