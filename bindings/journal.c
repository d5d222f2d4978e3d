/* journal: upjob.native.journal: the journal on a thread of its own; a call waits for its answer, which is on disk then. */
#include "core/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/app.h"
#include "bindings/json.h"
#include "bindings/wait.h"
#include "core/worker.h"

#define STORE_TYPE "upjob.journal"

struct store {
    struct worker *worker;
    struct journal *journal; /* the thread's; NULL until it was opened */
    unsigned calls;          /* under way: the loop goes on for them */
};

/* One call, owned by the thread's queue until `done`, which may find that nobody waits any more. */
struct call {
    struct calling *calling; /* NULL when it was given up */
    struct store *store;
    journal_operation *operation; /* NULL: open the journal */
    cJSON *params, *reply;
    char *directory, *notice; /* notice: for a person; NULL when there is none */
    double lease;
    struct err err;
    bool ok;
};

struct calling {
    struct wait wait;
    struct call *call;
};

static void call_free(struct call *call)
{
    cJSON_Delete(call->params);
    cJSON_Delete(call->reply);
    free(call->directory);
    free(call->notice);
    free(call);
}

/* Renewing is tried again at the next turn; who lost a lease is told when it writes. */
static void renew(void *arg)
{
    struct store *store = arg;
    struct err ignored;
    err_clear(&ignored);
    if (store->journal)
        (void)!journal_renew(store->journal, &ignored);
}

/* On the journal's thread. */
static void call_run(void *arg)
{
    struct call *call = arg;
    if (call->operation && !call->store->journal) {
        err_set(&call->err, ERR_INTERNAL, "the journal was not opened");
        return;
    }
    if (call->operation) {
        call->ok = journal_run(call->store->journal, call->operation, call->params, &call->reply, &call->err);
    } else {
        call->store->journal = journal_open(call->directory, call->lease, &call->err);
        call->ok = call->store->journal != NULL;
    }
    if (call->store->journal)
        call->notice = journal_take_notice(call->store->journal);
}

/* On the loop's thread. */
static void call_done(void *arg)
{
    struct call *call = arg;
    struct calling *calling = call->calling;
    if (--call->store->calls == 0)
        worker_hold(call->store->worker, false);
    if (calling)
        wait_finish(&calling->wait);
    else
        call_free(call); /* what was asked for was done all the same */
}

static void calling_cancel(struct wait *wait)
{
    struct calling *calling = (struct calling *)wait;
    if (!calling->call)
        return;
    calling->call->calling = NULL;
    if (wait->done)
        call_free(calling->call);
    calling->call = NULL;
}

static int calling_results(lua_State *L, struct wait *wait, int index)
{
    struct calling *calling = (struct calling *)wait;
    struct call *call = calling->call;
    (void)index;
    struct err err = call->err;
    bool ok = call->ok;
    cJSON *reply = call->reply;
    char notice[2048] = "";
    if (call->notice)
        snprintf(notice, sizeof notice, "%s", call->notice);
    call->reply = NULL;
    calling->call = NULL;
    call_free(call); /* before anything that may raise */
    if (reply) {
        json_guard(L, reply);
        json_to_lua(L, reply);
    } else if (ok) {
        lua_pushboolean(L, 1);
    } else {
        fail_with(L, &err);
    }
    if (ok)
        lua_pushnil(L);
    if (notice[0])
        lua_pushstring(L, notice);
    else
        lua_pushnil(L);
    return 3;
}

static const struct wait_class calling_class = {calling_results, calling_cancel, false};

static struct store *check_store(lua_State *L)
{
    struct store **store = luaL_checkudata(L, 1, STORE_TYPE);
    if (!*store)
        luaL_error(L, "the journal was closed");
    return *store;
}

/* Sends the call and waits; takes it over. */
static int call_and_wait(lua_State *L, struct call *call)
{
    struct calling *calling = wait_new(L, sizeof *calling, &calling_class);
    calling->call = call;
    call->calling = calling;
    if (!worker_post(call->store->worker, call_run, call_done, call)) {
        calling->call = NULL;
        call_free(call);
        return luaL_error(L, "not enough memory");
    }
    if (call->store->calls++ == 0)
        worker_hold(call->store->worker, true);
    calling->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

/* new() → store, of which open is to be called first */
static int native_new(lua_State *L)
{
    struct err err;
    err_clear(&err);
    struct store **handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = NULL; /* its end is called in any case */
    luaL_setmetatable(L, STORE_TYPE);
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return luaL_error(L, "not enough memory");
    store->worker = worker_new(app_of(L)->loop, "journal", &err);
    if (!store->worker) {
        free(store);
        return fail_with(L, &err);
    }
    *handle = store;
    return 1;
}

/* store:open(directory, lease) → true | nil, err; and, as the third in both cases, what a person is to be told, or nil */
static int store_open(lua_State *L)
{
    struct store *store = check_store(L);
    const char *directory = luaL_checkstring(L, 2);
    double lease = luaL_optnumber(L, 3, JOURNAL_LEASE);
    struct call *call = calloc(1, sizeof *call);
    if (!call || !(call->directory = strdup(directory))) {
        free(call);
        return luaL_error(L, "not enough memory");
    }
    call->store = store;
    call->lease = lease;
    worker_every(store->worker, lease / 3, renew, store);
    return call_and_wait(L, call);
}

static const struct shape any_text = {.kind = SHAPE_MAP, .value = &any_text};

/* store:call(operation, params) → its reply | nil, err; and the third as above. Text need not be UTF-8, as names of files. */
static int store_call(lua_State *L)
{
    struct store *store = check_store(L);
    const char *name = luaL_checkstring(L, 2);
    journal_operation *operation = journal_find_operation(name);
    if (!operation)
        return luaL_error(L, "the journal has no operation \"%s\"", name);
    cJSON *params = json_from_lua(L, 3, &any_text);
    if (!params)
        return luaL_error(L, "journal: %s", lua_tostring(L, -1));
    struct call *call = calloc(1, sizeof *call);
    if (!call) {
        cJSON_Delete(params);
        return luaL_error(L, "not enough memory");
    }
    *call = (struct call){.store = store, .operation = operation, .params = params};
    return call_and_wait(L, call);
}

/* What is queued is written first. */
static int store_close(lua_State *L)
{
    struct store **handle = luaL_checkudata(L, 1, STORE_TYPE), *store = *handle;
    *handle = NULL;
    if (!store)
        return 0;
    worker_halt(store->worker);
    worker_free(store->worker);
    journal_close(store->journal);
    free(store);
    return 0;
}

int open_native_journal(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", native_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"open", store_open}, {"call", store_call}, {"close", store_close}, {NULL, NULL}};
    luaL_newmetatable(L, STORE_TYPE);
    lua_pushcfunction(L, store_close);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
