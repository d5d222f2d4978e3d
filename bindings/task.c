/* task: upjob.native.task: tasks, and what is waited for in them: their ends, time, signals. */
#include "bindings/task.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "bindings/app.h"

#define TASK_TYPE "upjob.task"

/* Waiting for the end of a task. */
struct task_end {
    struct wait wait;
    struct task *task;
    struct task *waiter;
    struct task_end *next;
    struct loop_timer *timer;
    bool timed_out;
    bool quiet; /* does not answer for the task's error */
};

/* ---- the life of a task ---- */

/* The userdata's coroutine is its user value, so that results can be had as long as the handle lives. */
static struct task *new_task(lua_State *L, int nargs, bool handler)
{
    struct app *app = app_of(L);
    struct scheduler *s = app->scheduler;
    struct task *t = lua_newuserdatauv(L, sizeof *t, 1);
    memset(t, 0, sizeof *t);
    luaL_setmetatable(L, TASK_TYPE);
    t->app = app;
    t->nargs = nargs;
    t->handler = handler;
    t->co = lua_newthread(L);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, -1);
    t->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    t->next = s->tasks;
    if (s->tasks)
        s->tasks->previous = t;
    s->tasks = t;
    return t;
}

void task_spawn(lua_State *L, int nargs, bool handler)
{
    struct task *t = new_task(L, nargs, handler);
    lua_insert(L, -(nargs + 2)); /* the handle below function and arguments */
    luaL_checkstack(t->co, nargs + 8, "too many arguments");
    lua_xmove(L, t->co, nargs + 1);
    t->state = TASK_READY;
    scheduler_enqueue(t);
}

struct task *task_check(lua_State *L, int index)
{
    return luaL_checkudata(L, index, TASK_TYPE);
}

/* Writes a message with its traceback (of `co`) to standard error; the message is at `co`'s top. */
static void report_error(lua_State *L, lua_State *co, const char *prefix)
{
    const char *message = luaL_tolstring(co, -1, NULL);
    luaL_traceback(L, co, message, 0);
    fprintf(stderr, "upjob: %s%s\n", prefix, lua_tostring(L, -1));
    lua_pop(L, 1);
    lua_pop(co, 1);
}

/* Closes the variables of a task that died, in the task's own name, and leaves its error (for the main task also the
 * text with the traceback) on its stack. */
static void close_failed(struct scheduler *s, struct task *t)
{
    lua_State *L = s->app->L;
    struct task *previous = s->current;
    bool is_main = t == s->main;
    if (is_main) {
        luaL_traceback(L, t->co, luaL_tolstring(t->co, -1, NULL), 0);
        lua_pop(t->co, 1);
    } else if (!t->observed) {
        lua_pushvalue(t->co, -1);
        report_error(L, t->co, t->handler ? "error in a handler: " : "error in a task: ");
        s->had_errors = s->had_errors || !t->handler;
    }
    s->current = t;
    lua_resetthread(t->co);
    s->current = previous;
    if (is_main)
        lua_xmove(L, t->co, 1);
    t->nresults = is_main ? 2 : 1;
}

static bool is_observed(const struct task *t)
{
    for (const struct task_end *end = t->ends; end; end = end->next)
        if (!end->quiet)
            return true;
    return false;
}

void task_end(struct task *t, int status, int nresults)
{
    struct scheduler *s = t->app->scheduler;
    t->failed = status != LUA_OK;
    t->nresults = nresults;
    t->observed = t->observed || is_observed(t) || t == s->main;
    if (t->failed)
        close_failed(s, t);
    t->state = TASK_ENDED;
    while (t->ends) {
        struct task_end *end = t->ends;
        t->ends = end->next;
        loop_timer_stop(end->timer);
        end->timer = NULL;
        wait_finish(&end->wait);
    }
    if (t->previous)
        t->previous->next = t->next;
    else if (s->tasks == t)
        s->tasks = t->next;
    if (t->next)
        t->next->previous = t->previous;
    t->previous = t->next = NULL;
    luaL_unref(s->app->L, LUA_REGISTRYINDEX, t->self_ref);
    t->self_ref = LUA_NOREF;
}

bool scheduler_had_errors(const struct scheduler *scheduler)
{
    return scheduler->had_errors;
}

/* ---- waiting for a task ---- */

static void task_end_cancel(struct wait *w)
{
    struct task_end *end = (struct task_end *)w;
    loop_timer_stop(end->timer);
    end->timer = NULL;
    if (end->waiter)
        end->waiter->waits_for = NULL;
    if (!end->task)
        return;
    for (struct task_end **p = &end->task->ends; *p; p = &(*p)->next) {
        if (*p == end) {
            *p = end->next;
            break;
        }
    }
    end->task = NULL;
}

/* The results of the task, or nil and its error. */
static int push_task_results(lua_State *L, struct task *t)
{
    t->observed = true;
    int n = t->nresults;
    luaL_checkstack(t->co, n + 1, NULL);
    luaL_checkstack(L, n + 2, NULL);
    int base = lua_gettop(t->co) - n + 1;
    if (t->failed) {
        lua_pushnil(L);
        lua_pushvalue(t->co, base);
        lua_xmove(t->co, L, 1);
        return 2;
    }
    for (int i = 0; i < n; i++) {
        lua_pushvalue(t->co, base + i);
        lua_xmove(t->co, L, 1);
    }
    return n;
}

static int task_end_results(lua_State *L, struct wait *w, int index)
{
    struct task_end *end = (struct task_end *)w;
    if (end->waiter)
        end->waiter->waits_for = NULL;
    if (end->timed_out) {
        struct err e;
        err_clear(&e);
        err_set(&e, ERR_TIMEOUT, "timed out");
        e.retryable = true;
        return fail_with(L, &e);
    }
    lua_getiuservalue(L, index, 1);
    return push_task_results(L, task_check(L, -1));
}

static const struct wait_class task_end_class = {task_end_results, task_end_cancel};

static void task_end_timed_out(void *arg)
{
    struct task_end *end = arg;
    end->timer = NULL;
    end->timed_out = true;
    struct task *waiter = end->waiter;
    task_end_cancel(&end->wait);
    end->waiter = waiter;
    wait_finish(&end->wait);
}

/* Waiting in a circle never ends; a task below us on the C stack cannot go on before we return. */
static void refuse_circle(lua_State *L, struct task *target, struct task *current)
{
    for (struct task *t = target; t; t = t->waits_for)
        if (t == current)
            luaL_error(L, target == current ? "a task cannot wait for itself"
                                            : "these tasks wait for each other: neither can end");
    if (target->state == TASK_RUNNING && !lua_isyieldable(L))
        luaL_error(L, "cannot wait here for a task that is itself in the middle of a call that cannot yield: it goes on "
                      "only when this call has returned");
}

/* The userdata of a wait for the end of the task at `index`. */
static struct task_end *new_task_end(lua_State *L, int index, struct task *t)
{
    struct task *current = t->app->scheduler->current;
    struct task_end *end = wait_new(L, sizeof *end, &task_end_class);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, 1);
    end->task = t;
    end->waiter = current;
    end->next = t->ends;
    t->ends = end;
    end->wait.started = true;
    if (current)
        current->waits_for = t;
    return end;
}

/* wait(task, seconds or nil) → results | nil, err */
static int native_wait(lua_State *L)
{
    struct task *t = task_check(L, 1);
    struct app *app = app_of(L);
    double seconds = luaL_optnumber(L, 2, -1);
    if (t->state == TASK_ENDED)
        return push_task_results(L, t);
    refuse_circle(L, t, app->scheduler->current);
    struct task_end *end = new_task_end(L, 1, t);
    if (seconds >= 0)
        end->timer = loop_timer_start(app->loop, (uint64_t)(seconds * 1000), task_end_timed_out, end);
    return wait_for(L, lua_gettop(L));
}

static int join_results(lua_State *L, struct wait *w, int index)
{
    (void)index;
    ((struct task_end *)w)->waiter->waits_for = NULL;
    lua_pushboolean(L, 1);
    return 1;
}

static const struct wait_class join_class = {join_results, task_end_cancel};

/* join_one() → true when another task has ended, nil when there is none left. Its error stays its own affair. */
static int native_join_one(lua_State *L)
{
    struct scheduler *s = app_of(L)->scheduler;
    struct task *t = s->tasks;
    if (t && t == s->current)
        t = t->next;
    if (!t)
        return 0;
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->self_ref);
    struct task_end *end = new_task_end(L, 1, t);
    end->wait.class = &join_class;
    end->quiet = true;
    return wait_for(L, lua_gettop(L));
}

/* ---- cancelling ---- */

void task_interrupt(struct task *t, const struct err *e)
{
    if (t->state == TASK_ENDED)
        return;
    t->has_interrupt = true;
    t->interrupt = *e;
    if (t->state == TASK_WAITING) {
        if (t->waiting)
            t->waiting->task = NULL;
        t->waiting = NULL;
        scheduler_enqueue(t);
    }
}

/* cancel(task, message or nil): an error with code Cancelled is raised at its wait; one that never ran just ends. */
static int native_cancel(lua_State *L)
{
    struct task *t = task_check(L, 1);
    struct err e;
    err_clear(&e);
    err_set(&e, ERR_CANCELLED, "%s", luaL_optstring(L, 2, "the task was cancelled"));
    t->observed = true; /* whoever cancelled it knows: its error is not reported */
    if (t->state == TASK_READY && !t->started) {
        lua_settop(t->co, 0);
        push_err(L, &e);
        lua_xmove(L, t->co, 1);
        task_end(t, LUA_ERRRUN, 1);
    } else {
        task_interrupt(t, &e);
    }
    return 0;
}

void scheduler_interrupt(struct scheduler *scheduler, const struct err *e)
{
    if (scheduler->main)
        task_interrupt(scheduler->main, e);
}

void scheduler_cancel_all(lua_State *L)
{
    struct scheduler *s = app_of(L)->scheduler;
    struct err e;
    err_clear(&e);
    err_set(&e, ERR_CANCELLED, "the program is ending");
    for (struct task *t = s->tasks; t; t = t->next) {
        if (t == s->current)
            continue;
        t->handler = t->observed = true;
        task_interrupt(t, &e);
    }
}

/* ---- sleeping ---- */

struct sleeping {
    struct wait wait;
    struct loop_timer *timer;
};

static void sleep_cancel(struct wait *w)
{
    struct sleeping *sleeping = (struct sleeping *)w;
    loop_timer_stop(sleeping->timer);
    sleeping->timer = NULL;
}

static int sleep_results(lua_State *L, struct wait *w, int index)
{
    (void)L;
    (void)w;
    (void)index;
    return 0;
}

static const struct wait_class sleep_class = {sleep_results, sleep_cancel};

static void sleep_over(void *arg)
{
    struct sleeping *sleeping = arg;
    sleeping->timer = NULL;
    wait_finish(&sleeping->wait);
}

static int native_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 1, "seconds, 0 or more");
    struct sleeping *sleeping = wait_new(L, sizeof *sleeping, &sleep_class);
    sleeping->timer = loop_timer_start(app_of(L)->loop, (uint64_t)(seconds * 1000 + 0.5), sleep_over, sleeping);
    if (!sleeping->timer)
        return luaL_error(L, "out of memory");
    sleeping->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

/* ---- signals: one task tells others that something happened ---- */

struct signal {
    struct signal_wait *waits;
};

struct signal_wait {
    struct wait wait;
    struct signal *signal;
    struct signal_wait *next;
};

static void signal_cancel(struct wait *w)
{
    struct signal_wait *waiting = (struct signal_wait *)w;
    if (!waiting->signal)
        return;
    for (struct signal_wait **p = &waiting->signal->waits; *p; p = &(*p)->next) {
        if (*p == waiting) {
            *p = waiting->next;
            break;
        }
    }
    waiting->signal = NULL;
}

static const struct wait_class signal_class = {sleep_results, signal_cancel};

static int signal_wait(lua_State *L)
{
    struct signal *signal = luaL_checkudata(L, 1, "upjob.signal");
    struct signal_wait *waiting = wait_new(L, sizeof *waiting, &signal_class);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    waiting->signal = signal;
    waiting->next = signal->waits;
    signal->waits = waiting;
    waiting->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

static int signal_set(lua_State *L)
{
    struct signal *signal = luaL_checkudata(L, 1, "upjob.signal");
    while (signal->waits) {
        struct signal_wait *waiting = signal->waits;
        signal->waits = waiting->next;
        waiting->signal = NULL;
        wait_finish(&waiting->wait);
    }
    return 0;
}

static int native_signal(lua_State *L)
{
    struct signal *signal = lua_newuserdatauv(L, sizeof *signal, 0);
    signal->waits = NULL;
    luaL_setmetatable(L, "upjob.signal");
    return 1;
}

/* ---- the native module ---- */

static int native_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    task_spawn(L, lua_gettop(L) - 1, false);
    return 1;
}

static int native_handler(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    task_spawn(L, lua_gettop(L) - 1, true);
    return 1;
}

static int native_now(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)loop_now() / 1000.0);
    return 1;
}

static int native_status(lua_State *L)
{
    static const char *const names[] = {"ready", "running", "waiting", "ended"};
    struct task *t = task_check(L, 1);
    lua_pushstring(L, t->state == TASK_ENDED && t->failed ? "failed" : names[t->state]);
    return 1;
}

static int task_tostring(lua_State *L)
{
    struct task *t = task_check(L, 1);
    lua_pushfstring(L, "task: %p", (void *)t);
    return 1;
}

int open_native_task(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"spawn", native_spawn},   {"handler", native_handler}, {"sleep", native_sleep}, {"wait", native_wait},
        {"cancel", native_cancel}, {"signal", native_signal},   {"now", native_now},     {"status", native_status},
        {"join_one", native_join_one},
        {NULL, NULL}};
    static const luaL_Reg task_methods[] = {{"wait", native_wait}, {"cancel", native_cancel},
                                            {"status", native_status}, {NULL, NULL}};
    static const luaL_Reg signal_methods[] = {{"wait", signal_wait}, {"set", signal_set}, {NULL, NULL}};
    luaL_newmetatable(L, TASK_TYPE);
    luaL_newlib(L, task_methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, task_tostring);
    lua_setfield(L, -2, "__tostring");
    luaL_newmetatable(L, "upjob.signal");
    luaL_newlib(L, signal_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 2);
    luaL_newlib(L, functions);
    return 1;
}
