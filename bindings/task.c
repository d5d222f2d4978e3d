/* task: upjob.native.task: the life of tasks, sleeping, signals. */
#include "bindings/task.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "bindings/app.h"

#define TASK_TYPE "upjob.task"

/* ---- the life of a task ---- */

void task_link(struct task **list, struct task *t)
{
    t->previous = NULL;
    t->next = *list;
    if (*list)
        (*list)->previous = t;
    *list = t;
}

void task_unlink(struct task **list, struct task *t)
{
    if (t->previous)
        t->previous->next = t->next;
    else
        *list = t->next;
    if (t->next)
        t->next->previous = t->previous;
    t->previous = t->next = NULL;
}

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
    task_link(&s->tasks, t);
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

/* Closes the variables of a task that died, while it is still the running one, and leaves its error, and the error's text, on its
 * stack. */
static void close_failed(struct scheduler *s, struct task *t)
{
    lua_State *L = s->app->L;
    bool told = !t->pardoned;
    if (told)
        task_push_error_text(L, t);
    if (t->started)
        lua_resetthread(t->co);
    if (told)
        lua_xmove(L, t->co, 1);
    t->nresults = told ? 2 : 1;
}

void task_end(struct task *t, int status, int nresults)
{
    struct scheduler *s = t->app->scheduler;
    t->failed = status != LUA_OK;
    t->nresults = nresults;
    if (t->failed)
        close_failed(s, t);
    t->state = TASK_ENDED;
    join_ended(t);
    task_unlink(&s->tasks, t);
    if (t->failed && t->nresults == 2 && t != s->main)
        task_keep_error(t);
    luaL_unref(s->app->L, LUA_REGISTRYINDEX, t->self_ref);
    t->self_ref = LUA_NOREF;
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
    t->pardoned = true; /* whoever cancelled it knows */
    task_interrupt(t, &e);
    return 0;
}

void scheduler_halt(struct scheduler *scheduler)
{
    scheduler->halted = 1;
}

void scheduler_interrupt(struct scheduler *scheduler, const struct err *e)
{
    struct task *main = scheduler->main;
    if (!main) {
        scheduler->abandoned = true;
        return;
    }
    task_interrupt(main, e);
    if (main->state == TASK_WAITING)
        scheduler_enqueue_first(main);
    for (struct task *t = main->above; t; t = t->above) {
        t->pardoned = true;
        task_interrupt(t, e);
    }
}

bool scheduler_interrupts_main(struct scheduler *scheduler)
{
    if (scheduler->current == scheduler->main) {
        scheduler->halted = 0;
        return true;
    }
    if (scheduler->current)
        scheduler->current->pardoned = true;
    return false;
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
        t->pardoned = true;
        task_interrupt(t, &e);
    }
}

/* ---- sleeping ---- */

#define AGES_MS ((uint64_t)1000 * 366 * 86400 * 1000)

uint64_t task_check_seconds(lua_State *L, int index)
{
    double seconds = luaL_checknumber(L, index);
    luaL_argcheck(L, seconds >= 0, index, "seconds, 0 or more");
    return seconds < AGES_MS / 1000.0 ? (uint64_t)(seconds * 1000 + 0.5) : AGES_MS;
}

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

static const struct wait_class sleep_class = {NULL, sleep_cancel, false};

static void sleep_over(void *arg)
{
    struct sleeping *sleeping = arg;
    sleeping->timer = NULL;
    wait_finish(&sleeping->wait);
}

static int native_sleep(lua_State *L)
{
    uint64_t ms = task_check_seconds(L, 1);
    struct sleeping *sleeping = wait_new(L, sizeof *sleeping, &sleep_class);
    sleeping->timer = loop_timer_start(app_of(L)->loop, ms, sleep_over, sleeping);
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

static const struct wait_class signal_class = {NULL, signal_cancel, true};

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
    wait_check_refusal(L);
    task_spawn(L, lua_gettop(L) - 1, false);
    return 1;
}

static int native_handler(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    wait_check_refusal(L);
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

/* at_prompt(): from now on errors of tasks do not make the program fail. Whoever sits at a prompt has seen them. */
static int native_at_prompt(lua_State *L)
{
    app_of(L)->scheduler->at_prompt = true;
    return 0;
}

/* refuse_waits(reason | nil): until it is called with nil, whatever would wait or start a task raises the reason. */
static int native_refuse_waits(lua_State *L)
{
    struct scheduler *s = app_of(L)->scheduler;
    snprintf(s->refusal, sizeof s->refusal, "%s", luaL_optstring(L, 1, ""));
    return 0;
}

static int native_is(lua_State *L)
{
    lua_pushboolean(L, luaL_testudata(L, 1, TASK_TYPE) != NULL);
    return 1;
}

static int task_tostring(lua_State *L)
{
    struct task *t = task_check(L, 1);
    lua_pushfstring(L, "task: %p", (void *)t);
    return 1;
}

/* tell_errors(): errors of tasks that nobody has asked for by now → whether there were any, these or earlier ones, and the text of
 * one of these */
static int native_tell_errors(lua_State *L)
{
    struct scheduler *scheduler = app_of(L)->scheduler;
    lua_pushnil(L);
    if (scheduler->untold)
        lua_pushstring(L, lua_tostring(scheduler->untold->co, 2));
    scheduler_tell_errors(scheduler);
    lua_pushboolean(L, scheduler_had_errors(scheduler));
    lua_insert(L, -2);
    return 2;
}

int open_native_task(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"spawn", native_spawn},   {"handler", native_handler}, {"sleep", native_sleep},
        {"all", join_all},         {"join_any", join_any},      {"refusal", join_refusal},
        {"is", native_is},         {"signal", native_signal},   {"now", native_now},
        {"at_prompt", native_at_prompt}, {"refuse_waits", native_refuse_waits},
        {"tell_errors", native_tell_errors}, {NULL, NULL}};
    static const luaL_Reg task_methods[] = {{"wait", join_wait}, {"cancel", native_cancel},
                                            {"status", native_status}, {NULL, NULL}};
    static const luaL_Reg signal_methods[] = {{"wait", signal_wait}, {"set", signal_set}, {NULL, NULL}};
    luaL_newmetatable(L, TASK_TYPE);
    luaL_newlib(L, task_methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, task_collect);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, task_tostring);
    lua_setfield(L, -2, "__tostring");
    luaL_newmetatable(L, "upjob.signal");
    luaL_newlib(L, signal_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 2);
    luaL_newlib(L, functions);
    return 1;
}
