/* join: waiting for the ends of tasks, and what speaks against it. */
#include <lauxlib.h>
#include <math.h>

#include "bindings/app.h"
#include "bindings/task.h"

#define NO_LIMIT UINT64_MAX

/* Waiting for the ends of tasks: for one, or for all of a list. */
struct joining {
    struct wait wait;
    struct task *waiter; /* NULL: the host */
    struct loop_timer *timer;
    bool timed_out;
    bool until_failure; /* the first that fails ends it */
    struct task *failed;
    size_t count, left;
    struct joined {
        struct joining *joining;
        struct task *task; /* NULL once it has ended, or is not waited for any longer */
        struct joined *next;
    } joined[];
};

/* No task's end is waited for any longer. */
static void joining_cancel(struct wait *w)
{
    struct joining *joining = (struct joining *)w;
    loop_timer_stop(joining->timer);
    joining->timer = NULL;
    if (joining->waiter)
        joining->waiter->joins = NULL;
    joining->waiter = NULL;
    for (size_t i = 0; i < joining->count; i++) {
        struct joined *joined = &joining->joined[i];
        if (!joined->task)
            continue;
        struct joined **p = &joined->task->joined;
        while (*p != joined)
            p = &(*p)->next;
        *p = joined->next;
        joined->task = NULL;
    }
}

static void joined_ended(struct joined *joined, struct task *t)
{
    struct joining *joining = joined->joining;
    t->joined = joined->next;
    joined->task = NULL;
    joining->left--;
    if (t->failed && joining->until_failure)
        joining->failed = t;
    if (joining->left > 0 && !joining->failed)
        return;
    joining_cancel(&joining->wait);
    wait_finish(&joining->wait);
}

static void joining_timed_out(void *arg)
{
    struct joining *joining = arg;
    joining->timer = NULL;
    joining->timed_out = true;
    joining_cancel(&joining->wait);
    wait_finish(&joining->wait);
}

void join_ended(struct task *t)
{
    while (t->joined)
        joined_ended(t->joined, t);
}

/* Whether `target` can only end after `current` has gone on: because it waits for it, through others too, or, with `stack`,
 * because it stands below it on the C stack. Where `current` can yield it leaves that stack. */
static bool waits_for(struct task *target, struct task *current, bool stack, bool yields)
{
    unsigned search = ++target->app->scheduler->searches;
    struct task *todo = target;
    target->seen = search;
    target->next_seen = NULL;
    while (todo) {
        struct task *t = todo;
        size_t count = t->joins ? t->joins->count : 0;
        if (t == current)
            return true;
        todo = t->next_seen;
        for (size_t i = 0; i <= count; i++) {
            struct task *next = i < count ? t->joins->joined[i].task : stack ? t->above : NULL;
            if (!next || next->seen == search || (i == count && next == current && yields))
                continue;
            next->seen = search;
            next->next_seen = todo;
            todo = next;
        }
    }
    return false;
}

/* What speaks against waiting, or NULL: waiting in a circle never ends; a task below us on the C stack cannot go on before we
 * return. */
static const char *circle(lua_State *L, struct task *target, struct task *current)
{
    bool yields = lua_isyieldable(L) && !app_of(L)->scheduler->pinned;
    if (!current || target->state == TASK_ENDED)
        return NULL;
    if (target == current)
        return "cannot be waited for here: a task cannot wait for itself";
    if (waits_for(target, current, false, true))
        return "cannot be waited for here: these tasks wait for each other, neither can end";
    if (waits_for(target, current, true, yields))
        return "cannot be waited for here: it is itself in the middle of a call that cannot yield, and goes on only when this "
               "call has returned";
    return NULL;
}

/* refusal(task) → what speaks against waiting for it here, nil when nothing does */
int join_refusal(lua_State *L)
{
    lua_pushstring(L, circle(L, task_check(L, 1), app_of(L)->scheduler->current));
    return 1;
}

/* The userdata of a wait for `count` tasks, which join() adds. What keeps them alive, at `index`, is its user value. */
static struct joining *new_joining(lua_State *L, const struct wait_class *class, int index, size_t count)
{
    struct joining *joining = wait_new(L, sizeof *joining + count * sizeof joining->joined[0], class);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, 1);
    joining->waiter = app_of(L)->scheduler->current;
    return joining;
}

static void join(lua_State *L, struct joining *joining, struct task *t)
{
    const char *refusal = circle(L, t, joining->waiter);
    if (refusal) {
        joining_cancel(&joining->wait);
        luaL_error(L, "the task %s", refusal);
    }
    struct joined *joined = &joining->joined[joining->count++];
    if (t->state == TASK_ENDED) {
        if (t->failed && joining->until_failure && !joining->failed)
            joining->failed = t;
        return;
    }
    joined->joining = joining;
    joined->task = t;
    joined->next = t->joined;
    t->joined = joined;
    joining->left++;
    joining->wait.started = true;
}

/* Waits for what was joined, on top of the stack; for at most `limit_ms`, unless that is NO_LIMIT. */
static int wait_for_joined(lua_State *L, struct joining *joining, uint64_t limit_ms)
{
    if (joining->left == 0 || joining->failed) {
        joining_cancel(&joining->wait);
        wait_finish(&joining->wait);
    } else {
        if (joining->waiter)
            joining->waiter->joins = joining;
        if (limit_ms != NO_LIMIT)
            joining->timer = loop_deadline_start(app_of(L)->loop, limit_ms, joining_timed_out, joining);
    }
    return wait_for(L, lua_gettop(L));
}

/* The results of a task, or nil and its error. */
static int push_task_results(lua_State *L, struct task *t)
{
    int n = t->failed ? 1 : t->nresults;
    task_heard(t);
    luaL_checkstack(L, n + 1, NULL);
    if (t->failed)
        lua_pushnil(L);
    for (int i = 1; i <= n; i++) {
        lua_checkstack(t->co, 1);
        lua_pushvalue(t->co, i);
        lua_xmove(t->co, L, 1);
    }
    return t->failed ? 2 : n;
}

static int one_results(lua_State *L, struct wait *w, int index)
{
    if (((struct joining *)w)->timed_out) {
        struct err e;
        err_clear(&e);
        err_set(&e, ERR_TIMEOUT, "timed out");
        e.retryable = true;
        return fail_with(L, &e);
    }
    lua_getiuservalue(L, index, 1);
    return push_task_results(L, task_check(L, -1));
}

static const struct wait_class one_class = {one_results, joining_cancel, true};

/* wait(task, seconds or nil) → results | nil, err; math.huge is no limit */
int join_wait(lua_State *L)
{
    struct task *t = task_check(L, 1);
    uint64_t limit = lua_isnoneornil(L, 2) || lua_tonumber(L, 2) == HUGE_VAL ? NO_LIMIT : task_check_seconds(L, 2);
    struct joining *joining = new_joining(L, &one_class, 1, 1);
    join(L, joining, t);
    return wait_for_joined(L, joining, limit);
}

/* The list of first results, or nil and the error of the one that failed first. All have been heard. */
static int all_results(lua_State *L, struct wait *w, int index)
{
    struct joining *joining = (struct joining *)w;
    lua_settop(L, index);
    lua_getiuservalue(L, index, 1);
    int tasks = lua_gettop(L);
    lua_createtable(L, (int)joining->count, 0);
    for (size_t i = 0; i < joining->count; i++) {
        lua_rawgeti(L, tasks, (lua_Integer)i + 1);
        struct task *t = task_check(L, -1);
        task_heard(t);
        lua_pop(L, 1);
        if (joining->failed || t->nresults == 0)
            continue;
        lua_settop(L, tasks + 1);
        int n = push_task_results(L, t);
        lua_pop(L, n - 1);
        lua_rawseti(L, tasks + 1, (lua_Integer)i + 1);
    }
    return joining->failed ? push_task_results(L, joining->failed) : 1;
}

static const struct wait_class all_class = {all_results, joining_cancel, true};

/* all(list of tasks) → list of first results | nil, err of the first that fails */
int join_all(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t count = lua_rawlen(L, 1);
    struct joining *joining = new_joining(L, &all_class, 1, count);
    joining->until_failure = true;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        join(L, joining, task_check(L, -1));
        lua_pop(L, 1);
    }
    return wait_for_joined(L, joining, NO_LIMIT);
}

static int any_results(lua_State *L, struct wait *w, int index)
{
    (void)w;
    (void)index;
    lua_pushboolean(L, 1);
    return 1;
}

static const struct wait_class any_class = {any_results, joining_cancel, true};

/* join_any() → true when another task has ended, nil when there is none left. Its error stays its own affair. */
int join_any(lua_State *L)
{
    struct scheduler *s = app_of(L)->scheduler;
    struct task *t = s->tasks;
    if (t && t == s->current)
        t = t->next;
    if (!t)
        return 0;
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->self_ref);
    struct joining *joining = new_joining(L, &any_class, 1, 1);
    join(L, joining, t);
    return wait_for_joined(L, joining, NO_LIMIT);
}
