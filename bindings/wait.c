#include "bindings/wait.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/app.h"
#include "core/log.h"

#define TASK_TYPE "upjob.task"
#define WAIT_TYPE "upjob.wait"

/* What a waiting coroutine yields: no script can have this pointer, so none can forge a wait. */
static const char wait_tag;

enum task_state { TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_ENDED };

struct task {
    struct app *app;
    lua_State *co;
    int co_ref;           /* keeps the coroutine alive until the task has ended */
    int self_ref;         /* keeps this userdata alive until then */
    enum task_state state;
    int nargs;            /* of the first resume */
    bool started;
    bool handler;
    bool failed, observed;
    bool queued;
    struct wait *waiting;        /* what it yielded for */
    struct task *waits_for;      /* the task whose end it waits for */
    bool has_interrupt;
    struct err interrupt;        /* raised at its wait */
    int nresults;                /* on co's stack once it has ended */
    struct task *next_ready;
    struct task *previous, *next; /* all tasks that have not ended */
    struct task_end *ends;       /* who waits for its end */
};

struct scheduler {
    struct app *app;
    struct task *current;
    struct task *main;
    struct task *ready_first, *ready_last;
    struct task *tasks;
    struct posted *posted;
    lua_State *running;
    bool had_errors;
};

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

struct scheduler *scheduler_new(struct app *app)
{
    struct scheduler *s = calloc(1, sizeof *s);
    if (s)
        s->app = app;
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

bool scheduler_had_errors(const struct scheduler *scheduler)
{
    return scheduler->had_errors;
}

static void enqueue(struct task *t)
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

/* A wait that is dropped while its work is under way: the work is given up, and a task that still waits is let go on. */
static int wait_collect(lua_State *L)
{
    struct wait *w = lua_touserdata(L, 1);
    if (w->started && !w->done && w->class->cancel)
        w->class->cancel(w);
    w->started = false;
    wait_finish(w);
    return 0;
}

void *wait_new(lua_State *L, size_t size, const struct wait_class *class)
{
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
        enqueue(t);
    }
}

/* Raises what the task was interrupted with, once. */
static void raise_interrupt(lua_State *L, struct task *t, struct wait *w)
{
    if (w->started && !w->done && w->class->cancel)
        w->class->cancel(w);
    w->started = false;
    w->done = true;
    w->task = NULL;
    t->has_interrupt = false;
    raise_err(L, &t->interrupt);
}

static int wait_results(lua_State *L, int index)
{
    struct wait *w = lua_touserdata(L, index);
    struct task *t = w->app->scheduler->current;
    if (t && t->has_interrupt)
        raise_interrupt(L, t, w);
    if (!w->done)
        return luaL_error(L, "this coroutine waits in another task: it cannot be resumed from here");
    w->started = false;
    return w->class->results(L, w, index);
}

static int wait_continue(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    return wait_results(L, (int)context);
}

static void run_ready(struct scheduler *s, lua_State *from);

/* Runs everything else until the wait is over or its task is interrupted. False when nothing could ever end it. */
static bool run_until(lua_State *L, struct wait *w, struct task *t)
{
    struct scheduler *s = w->app->scheduler;
    while (!w->done && !(t && t->has_interrupt)) {
        run_ready(s, L);
        if (w->done || (t && t->has_interrupt))
            break;
        if (!loop_turn(s->app->loop, !s->ready_first) && !s->ready_first && !s->posted && !w->done)
            return false;
    }
    return true;
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

bool wait_quietly(lua_State *L, struct wait *w)
{
    struct task *t = w->app->scheduler->current;
    run_until(L, w, t);
    if (t && t->has_interrupt) {
        t->has_interrupt = false;
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

/* ---- tasks ---- */

static void end_task(struct task *t, int status, int nresults);

/* A coroutine that passes its wait outwards, or a task itself, has yielded: is it a wait? Pops the tag if so. */
static bool yielded_wait(lua_State *co, int nresults)
{
    if (nresults != 1 || lua_touserdata(co, -1) != &wait_tag || !lua_islightuserdata(co, -1))
        return false;
    lua_pop(co, 1);
    return true;
}

static void resume_task(struct scheduler *s, struct task *t, lua_State *from)
{
    struct task *previous = s->current;
    lua_State *previous_running = s->running;
    int nargs = t->started ? 0 : t->nargs, nresults = 0;
    t->started = true;
    t->state = TASK_RUNNING;
    s->current = t;
    s->running = t->co;
    int status = lua_resume(t->co, from, nargs, &nresults);
    s->current = previous;
    s->running = previous_running;
    if (status != LUA_YIELD) {
        end_task(t, status, nresults);
        return;
    }
    t->state = TASK_WAITING;
    if (!yielded_wait(t->co, nresults)) {
        /* coroutine.yield at the top of a task lets the others run. */
        lua_pop(t->co, nresults);
        enqueue(t);
    } else if (!t->waiting || t->has_interrupt) {
        enqueue(t);
    }
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

static void run_ready(struct scheduler *s, lua_State *from)
{
    while (s->posted) {
        struct posted *posted = s->posted;
        s->posted = posted->next;
        posted->queued = false;
        posted->run(s->app->L, posted);
    }
    /* Those that become ready meanwhile run after the next turn of the loop, so that none starves it. */
    struct task *last = s->ready_last;
    while (s->ready_first) {
        struct task *t = dequeue(s);
        if (t->state != TASK_RUNNING && t->state != TASK_ENDED)
            resume_task(s, t, from);
        if (t == last)
            break;
    }
}

void report_error(lua_State *L, lua_State *co, const char *prefix)
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

static void end_task(struct task *t, int status, int nresults)
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
    enqueue(t);
}

static struct task *check_task(lua_State *L, int index)
{
    return luaL_checkudata(L, index, TASK_TYPE);
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
    return push_task_results(L, check_task(L, -1));
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
    struct task *t = check_task(L, 1);
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

static void interrupt_task(struct task *t, const struct err *e)
{
    if (t->state == TASK_ENDED)
        return;
    t->has_interrupt = true;
    t->interrupt = *e;
    if (t->state == TASK_WAITING) {
        if (t->waiting)
            t->waiting->task = NULL;
        t->waiting = NULL;
        enqueue(t);
    }
}

/* cancel(task, message or nil): an error with code Cancelled is raised at its wait; one that never ran just ends. */
static int native_cancel(lua_State *L)
{
    struct task *t = check_task(L, 1);
    struct err e;
    err_clear(&e);
    err_set(&e, ERR_CANCELLED, "%s", luaL_optstring(L, 2, "the task was cancelled"));
    t->observed = true; /* whoever cancelled it knows: its error is not reported */
    if (t->state == TASK_READY && !t->started) {
        lua_settop(t->co, 0);
        push_err(L, &e);
        lua_xmove(L, t->co, 1);
        end_task(t, LUA_ERRRUN, 1);
    } else {
        interrupt_task(t, &e);
    }
    return 0;
}

void scheduler_interrupt(struct scheduler *scheduler, const struct err *e)
{
    if (scheduler->main)
        interrupt_task(scheduler->main, e);
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
        interrupt_task(t, &e);
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

/* ---- coroutines of scripts: waits pass through ---- */

static int resume_finished(lua_State *L, lua_State *co, int status, int nresults, bool wrap);

static int resume_passed(lua_State *L, int status, lua_KContext wrap);

/* Resumes the coroutine at index 1 with the nargs values on its stack, for as long as it waits. */
static int resume_through(lua_State *L, int nargs, bool wrap)
{
    lua_State *co = lua_tothread(L, 1);
    struct scheduler *s = app_of(L)->scheduler;
    for (;;) {
        int nresults = 0;
        lua_State *running = s->running;
        s->running = co;
        int status = lua_resume(co, L, nargs, &nresults);
        s->running = running;
        if (status != LUA_YIELD || !yielded_wait(co, nresults))
            return resume_finished(L, co, status, nresults, wrap);
        nargs = 0;
        if (lua_isyieldable(L)) {
            lua_pushlightuserdata(L, (void *)&wait_tag);
            return lua_yieldk(L, 1, wrap, resume_passed);
        }
        /* Not yieldable here: run the scheduler until the wait is over, then go on in the coroutine. */
        struct task *t = s->current;
        struct wait *w = t ? t->waiting : NULL;
        if (w && !w->done)
            run_nested(L, w, t);
    }
}

static int resume_passed(lua_State *L, int status, lua_KContext wrap)
{
    (void)status;
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
    return resume_through(L, move_arguments(L, co, lua_gettop(L) - 1), false);
}

static int wrap_call(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int nargs = lua_gettop(L);
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

void wait_patch_coroutines(lua_State *L)
{
    static const luaL_Reg patched[] = {{"resume", patched_resume}, {"wrap", patched_wrap}, {NULL, NULL}};
    lua_getglobal(L, "coroutine");
    luaL_setfuncs(L, patched, 0);
    lua_pop(L, 1);
}

/* ---- running it all ---- */

static bool turn(struct scheduler *s)
{
    run_ready(s, s->app->L);
    bool alive = loop_turn(s->app->loop, !s->ready_first);
    return alive || s->ready_first || s->posted;
}

int scheduler_run(lua_State *L, int index, int *count)
{
    struct scheduler *s = app_of(L)->scheduler;
    struct task *t = check_task(L, index);
    s->main = t;
    while (t->state != TASK_ENDED) {
        if (!turn(s) && t->state != TASK_ENDED) {
            struct err e;
            err_clear(&e);
            err_set(&e, ERR_INTERNAL, "this wait can never end: nothing is under way that could end it");
            interrupt_task(t, &e);
        }
    }
    s->main = NULL;
    int n = t->nresults, base = lua_gettop(t->co) - n + 1;
    luaL_checkstack(L, n + 1, NULL);
    for (int i = 0; i < n; i++) {
        lua_pushvalue(t->co, base + i);
        lua_xmove(t->co, L, 1);
    }
    *count = n;
    return t->failed ? LUA_ERRRUN : LUA_OK;
}

void scheduler_drain(lua_State *L)
{
    struct scheduler *s = app_of(L)->scheduler;
    while (s->tasks && turn(s))
        ;
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
    struct task *t = check_task(L, 1);
    lua_pushstring(L, t->state == TASK_ENDED && t->failed ? "failed" : names[t->state]);
    return 1;
}

static int task_tostring(lua_State *L)
{
    struct task *t = check_task(L, 1);
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
