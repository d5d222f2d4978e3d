/* signals: upjob.native.signals: a script takes signals that would interrupt the program, and waits for them.
 *
 * While they are taken they are libuv's; when they are given back, what handled them before does so again. */
#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/app.h"
#include "bindings/wait.h"

#define SIGNALS_TYPE "upjob.signals"
#define SIGNALS_MOST 8
#define PENDING_EACH 2 /* of a signal that nobody has heard of yet: the third says nothing more */
#define PENDING_MOST (SIGNALS_MOST * PENDING_EACH + 1)

static const struct {
    const char *name;
    int number;
} known[] = {{"SIGHUP", SIGHUP}, {"SIGINT", SIGINT}, {"SIGQUIT", SIGQUIT}, {"SIGTERM", SIGTERM}, {"SIGUSR1", SIGUSR1},
             {"SIGUSR2", SIGUSR2}};

struct taken;
struct handle;

struct waiting {
    struct wait wait;
    struct taken *taken;   /* NULL: nothing is waited for */
    struct handle *handle; /* kept by the wait */
    int number;
};

/* On the heap until libuv has closed every handle. */
struct taken {
    uv_signal_t handles[SIGNALS_MOST];
    int numbers[SIGNALS_MOST];
    struct sigaction before[SIGNALS_MOST];
    int count, open;
    int pending[PENDING_MOST]; /* in the order in which they came */
    int npending;
    struct waiting *waiting;
};

struct handle {
    struct taken *taken;
};

static const char *name_of(int number)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].number == number)
            return known[i].name;
    return "";
}

static int number_of(lua_State *L, int index)
{
    const char *name = luaL_checkstring(L, index);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].number;
    return luaL_argerror(L, index, "one of SIGHUP SIGINT SIGQUIT SIGTERM SIGUSR1 SIGUSR2");
}

static int shift(struct taken *taken)
{
    int number = taken->pending[0];
    taken->npending--;
    memmove(taken->pending, taken->pending + 1, sizeof taken->pending[0] * (size_t)taken->npending);
    return number;
}

static void deliver(struct taken *taken)
{
    struct waiting *waiting = taken->waiting;
    if (!waiting || taken->npending == 0)
        return;
    taken->waiting = NULL;
    waiting->taken = NULL;
    waiting->number = shift(taken);
    wait_finish(&waiting->wait);
}

static void arrived(uv_signal_t *uv, int number)
{
    struct taken *taken = uv->data;
    int count = 0;
    for (int i = 0; i < taken->npending; i++)
        count += taken->pending[i] == number;
    if (count < PENDING_EACH && taken->npending < PENDING_MOST)
        taken->pending[taken->npending++] = number;
    deliver(taken);
}

/* ---- waiting for the next one ---- */

static int push_signal(lua_State *L, struct wait *w, int index)
{
    struct waiting *waiting = (struct waiting *)w;
    (void)index;
    if (waiting->number == 0) /* given back meanwhile */
        return 0;
    lua_pushstring(L, name_of(waiting->number));
    return 1;
}

/* One that was delivered to a task which was ended before it could hear of it. */
static void put_back(struct taken *taken, int number)
{
    if (!taken || taken->npending == PENDING_MOST)
        return;
    memmove(taken->pending + 1, taken->pending, sizeof taken->pending[0] * (size_t)taken->npending++);
    taken->pending[0] = number;
}

static void stop_waiting(struct wait *w)
{
    struct waiting *waiting = (struct waiting *)w;
    if (waiting->taken)
        waiting->taken->waiting = NULL;
    waiting->taken = NULL;
    if (waiting->number)
        put_back(waiting->handle->taken, waiting->number);
    waiting->number = 0;
}

static const struct wait_class waiting_class = {push_signal, stop_waiting, true};

/* signals:next() → "SIGTERM", … when one has come; nil when they were given back */
static int signals_next(lua_State *L)
{
    struct handle *handle = luaL_checkudata(L, 1, SIGNALS_TYPE);
    if (!handle->taken)
        return 0;
    if (handle->taken->waiting)
        return luaL_error(L, "signals:next: another task waits for them");
    struct waiting *waiting = wait_new(L, sizeof *waiting, &waiting_class);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    waiting->handle = handle;
    waiting->taken = handle->taken;
    handle->taken->waiting = waiting;
    waiting->wait.started = true;
    deliver(handle->taken);
    return wait_for(L, lua_gettop(L));
}

/* ---- taking and giving back ---- */

static void handle_closed(uv_handle_t *uv)
{
    struct taken *taken = uv->data;
    if (--taken->open == 0)
        free(taken);
}

static void give_back(struct taken *taken)
{
    struct waiting *waiting = taken->waiting;
    taken->waiting = NULL;
    for (int i = 0; i < taken->count; i++) {
        uv_signal_stop(&taken->handles[i]);
        sigaction(taken->numbers[i], &taken->before[i], NULL);
    }
    for (int i = 0; i < taken->count; i++)
        uv_close((uv_handle_t *)&taken->handles[i], handle_closed);
    if (waiting) {
        waiting->taken = NULL;
        wait_finish(&waiting->wait);
    }
}

/* signals:close(), its __gc and __close */
static int signals_close(lua_State *L)
{
    struct handle *handle = luaL_checkudata(L, 1, SIGNALS_TYPE);
    struct taken *taken = handle->taken;
    handle->taken = NULL;
    if (taken)
        give_back(taken);
    return 0;
}

/* take(name, …) → signals */
static int native_take(lua_State *L)
{
    int count = lua_gettop(L), numbers[SIGNALS_MOST] = {0};
    luaL_argcheck(L, count >= 1 && count <= SIGNALS_MOST, 1, "one to eight names of signals");
    for (int i = 0; i < count; i++)
        numbers[i] = number_of(L, i + 1);
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    handle->taken = NULL;
    luaL_setmetatable(L, SIGNALS_TYPE);
    struct taken *taken = handle->taken = calloc(1, sizeof *taken);
    if (!taken)
        return luaL_error(L, "out of memory");
    for (int i = 0; i < count; i++) {
        taken->numbers[i] = numbers[i];
        sigaction(numbers[i], NULL, &taken->before[i]);
        uv_signal_init(loop_uv(app_of(L)->loop), &taken->handles[i]);
        taken->handles[i].data = taken;
        taken->count = taken->open = i + 1;
        int status = uv_signal_start(&taken->handles[i], arrived, numbers[i]);
        if (status != 0)
            return luaL_error(L, "signals.take: %s: %s", name_of(numbers[i]), uv_strerror(status));
    }
    return 1;
}

int open_native_signals(lua_State *L)
{
    static const luaL_Reg functions[] = {{"take", native_take}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"next", signals_next}, {"close", signals_close}, {NULL, NULL}};
    luaL_newmetatable(L, SIGNALS_TYPE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, signals_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, signals_close);
    lua_setfield(L, -2, "__close");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
