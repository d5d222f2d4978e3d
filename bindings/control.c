/* control: upjob.native.control: the control socket of a daemon, both of its ends. */
#include <stdlib.h>
#include <string.h>

#include "bindings/app.h"
#include "bindings/wait.h"
#include "core/control_client.h"
#include "core/control_server.h"

#define SERVER_TYPE "upjob.control"

struct served {
    struct control_server *server; /* NULL when closed */
    struct waiting *waiting;
};

/* ---- waiting for a request ---- */

struct waiting {
    struct wait wait;
    struct served *served;
};

static void end_waiting(struct waiting *waiting)
{
    if (waiting->served)
        waiting->served->waiting = NULL;
    waiting->served = NULL;
}

static void cancel_waiting(struct wait *w)
{
    end_waiting((struct waiting *)w);
}

static const struct wait_class waiting_class = {NULL, cancel_waiting, false};

static void something_asked(void *arg)
{
    struct served *served = arg;
    struct waiting *waiting = served->waiting;
    if (!waiting)
        return;
    end_waiting(waiting);
    wait_finish(&waiting->wait);
}

static struct served *check_served(lua_State *L)
{
    return luaL_checkudata(L, 1, SERVER_TYPE);
}

/* server:next() → who asks, the line; nil when there is none that nobody has taken yet, or the server was closed */
static int server_next(lua_State *L)
{
    struct served *served = check_served(L);
    struct control_request request;
    if (!served->server || !control_server_next(served->server, &request))
        return 0;
    lua_pushinteger(L, (lua_Integer)request.caller);
    lua_pushlstring(L, request.line, request.len);
    free(request.line);
    return 2;
}

/* server:wait(): until there may be a request */
static int server_wait(lua_State *L)
{
    struct served *served = check_served(L);
    if (served->waiting)
        return luaL_error(L, "server:wait: somebody waits already");
    if (!served->server)
        return 0;
    struct waiting *waiting = wait_new(L, sizeof *waiting, &waiting_class);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    waiting->served = served;
    served->waiting = waiting;
    waiting->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

/* server:answer(who, line) */
static int server_answer(lua_State *L)
{
    struct served *served = check_served(L);
    size_t len;
    lua_Integer caller = luaL_checkinteger(L, 2);
    const char *line = luaL_checklstring(L, 3, &len);
    if (served->server)
        control_server_answer(served->server, (uint64_t)caller, line, len);
    return 0;
}

static int server_close(lua_State *L)
{
    struct served *served = check_served(L);
    control_server_free(served->server);
    served->server = NULL;
    something_asked(served);
    return 0;
}

/* listen(directory, too_long, too_many) → server | nil, err. The lines are for who asks too much, and who is one too many. */
static int native_listen(lua_State *L)
{
    const char *directory = luaL_checkstring(L, 1), *too_long = luaL_checkstring(L, 2), *too_many = luaL_checkstring(L, 3);
    struct err err;
    err_clear(&err);
    struct served *served = lua_newuserdatauv(L, sizeof *served, 2);
    memset(served, 0, sizeof *served);
    luaL_setmetatable(L, SERVER_TYPE);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, -2, 2);
    served->server = control_server_new(app_of(L)->loop, directory, too_long, too_many, something_asked, served, &err);
    return served->server ? 1 : fail_with(L, &err);
}

/* ---- asking ---- */

struct asking {
    struct wait wait;
    struct control_call *call;
};

static void answered(void *arg)
{
    struct asking *asking = arg;
    wait_finish(&asking->wait);
}

static void cancel_asking(struct wait *w)
{
    struct asking *asking = (struct asking *)w;
    control_call_free(asking->call);
    asking->call = NULL;
}

static int asking_results(lua_State *L, struct wait *w, int index)
{
    struct asking *asking = (struct asking *)w;
    size_t len = 0;
    struct err err;
    (void)index;
    err_clear(&err);
    const char *answer = control_call_answer(asking->call, &len, &err);
    if (!answer)
        fail_with(L, &err);
    else
        lua_pushlstring(L, answer, len);
    cancel_asking(w);
    return answer ? 1 : 2;
}

static const struct wait_class asking_class = {asking_results, cancel_asking, false};

/* ask(directory, line, seconds) → the line that is the answer | nil, err */
static int native_ask(lua_State *L)
{
    size_t len;
    const char *directory = luaL_checkstring(L, 1), *line = luaL_checklstring(L, 2, &len);
    double seconds = luaL_checknumber(L, 3);
    struct err err;
    err_clear(&err);
    luaL_argcheck(L, seconds > 0 && seconds <= 1e9, 3, "seconds, more than 0");
    struct asking *asking = wait_new(L, sizeof *asking, &asking_class);
    asking->call = control_call_new(app_of(L)->loop, directory, line, len, (uint64_t)(seconds * 1000), answered, asking, &err);
    if (!asking->call)
        return fail_with(L, &err);
    asking->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

int open_native_control(lua_State *L)
{
    static const luaL_Reg functions[] = {{"listen", native_listen}, {"ask", native_ask}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"next", server_next}, {"wait", server_wait}, {"answer", server_answer},
                                       {"close", server_close}, {NULL, NULL}};
    luaL_newmetatable(L, SERVER_TYPE);
    lua_pushcfunction(L, server_close);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    lua_pushinteger(L, (lua_Integer)CONTROL_LINE);
    lua_setfield(L, -2, "LINE");
    return 1;
}
