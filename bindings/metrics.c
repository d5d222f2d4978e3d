/* metrics: upjob.native.metrics, in metrics.so: pages over HTTP, which scripts/upjob/metrics.lua makes. */
#include "core/metrics.h"

#include <math.h>
#include <stddef.h>

#include "bindings/app.h"
#include "bindings/wait.h"
#include "core/usage.h"

#define SERVER_TYPE "upjob.metrics"

static const char *const page_names[] = {[METRICS_PAGE] = "metrics", [METRICS_HEALTH] = "healthz", NULL};

/* The script's function holds the server in its closure, or not: it is kept by the registry until the server is closed. */
struct server {
    struct app *app;
    struct metrics *metrics; /* NULL once closed */
    int asked_ref;
    struct posted ask;
    bool asked[METRICS_PAGES];
};

static struct server *check_server(lua_State *L)
{
    return luaL_checkudata(L, 1, SERVER_TYPE);
}

static void on_asked(void *arg, enum metrics_page page)
{
    struct server *server = arg;
    server->asked[page] = true;
    scheduler_post(server->app->scheduler, &server->ask);
}

/* Between turns: the script's function is called for each page that is asked for. */
static void ask(lua_State *L, struct posted *posted)
{
    struct server *server = (struct server *)((char *)posted - offsetof(struct server, ask));
    for (int page = 0; page < METRICS_PAGES; page++) {
        if (!server->asked[page])
            continue;
        server->asked[page] = false;
        lua_rawgeti(L, LUA_REGISTRYINDEX, server->asked_ref);
        lua_pushstring(L, page_names[page]);
        task_spawn(L, 1, true);
        lua_pop(L, 1);
    }
}

static int server_close(lua_State *L)
{
    struct server *server = check_server(L);
    metrics_free(server->metrics);
    server->metrics = NULL;
    scheduler_unpost(server->app->scheduler, &server->ask);
    luaL_unref(L, LUA_REGISTRYINDEX, server->asked_ref);
    server->asked_ref = LUA_NOREF;
    return 0;
}

/* answer(server, page, status, text): nothing happens once it is closed */
static int server_answer(lua_State *L)
{
    size_t len;
    struct server *server = check_server(L);
    int page = luaL_checkoption(L, 2, NULL, page_names);
    lua_Integer status = luaL_checkinteger(L, 3);
    const char *text = luaL_checklstring(L, 4, &len);
    luaL_argcheck(L, status >= 200 && status < 600, 3, "a status of HTTP is needed");
    if (server->metrics)
        metrics_answer(server->metrics, (enum metrics_page)page, (unsigned)status, text, len);
    return 0;
}

/* place(server) → "http://127.0.0.1:9464/metrics" or "unix:PATH" | nil once it is closed */
static int server_place(lua_State *L)
{
    struct server *server = check_server(L);
    if (!server->metrics)
        return 0;
    lua_pushstring(L, metrics_place(server->metrics));
    return 1;
}

/* serve{ address=, anywhere=, patience=, asked=function(page) } → server | nil, err. asked is called in a task of its own with
 * "metrics" or "healthz"; server:answer(page, status, text) is to follow. */
static int native_serve(lua_State *L)
{
    static const char *const known[] = {"address", "anywhere", "patience", "asked", NULL};
    const char *what = "metrics.serve";
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    struct metrics_options options = {.address = need_string(L, 1, what, "address"),
                                      .anywhere = option_boolean(L, 1, what, "anywhere", false),
                                      .patience = option_number(L, 1, what, "patience", 0),
                                      .asked = on_asked};
    struct server *server = lua_newuserdatauv(L, sizeof *server, 0);
    *server = (struct server){.app = app_of(L), .asked_ref = LUA_NOREF, .ask = {.run = ask}};
    luaL_setmetatable(L, SERVER_TYPE);
    if (!option_function(L, 1, what, "asked"))
        return luaL_error(L, "%s: option \"asked\" is required", what);
    server->asked_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    options.arg = server;
    server->metrics = metrics_new(app_of(L)->loop, &options, &e);
    if (server->metrics)
        return 1;
    luaL_unref(L, LUA_REGISTRYINDEX, server->asked_ref);
    server->asked_ref = LUA_NOREF;
    return fail_with(L, &e);
}

static void set_number(lua_State *L, const char *name, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

/* usage() → { cpu_seconds=, started_at=, resident_bytes=, virtual_bytes=, open_files=, most_files= }, what is known of it */
static int native_usage(lua_State *L)
{
    struct usage usage;
    bool known = usage_read(&usage);
    lua_createtable(L, 0, 6);
    if (known) {
        set_number(L, "cpu_seconds", usage.cpu_seconds);
        set_number(L, "started_at", usage.started_at);
        set_number(L, "resident_bytes", (double)usage.resident_bytes);
        set_number(L, "virtual_bytes", (double)usage.virtual_bytes);
    }
    if (usage.open_files >= 0)
        set_number(L, "open_files", (double)usage.open_files);
    set_number(L, "most_files", usage.most_files);
    return 1;
}

int open_native_metrics(lua_State *L)
{
    static const luaL_Reg functions[] = {{"serve", native_serve}, {"usage", native_usage}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"answer", server_answer}, {"place", server_place}, {"close", server_close}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", server_close}, {"__close", server_close}, {NULL, NULL}};
    luaL_newmetatable(L, SERVER_TYPE);
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
