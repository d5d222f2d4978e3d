/* s3: upjob.native.s3: fetch{} makes a file of an object of S3. */
#include "core/s3.h"

#include <stddef.h>
#include <unistd.h>

#include "bindings/app.h"
#include "bindings/client.h"
#include "bindings/wait.h"

struct fetching {
    struct wait wait;
    struct s3_fetch *fetch;
    struct client *client; /* whose keys are used; its user value; NULL: none */
    struct s3_result result;
    struct err error;
    lua_State *L;     /* the main state: progress runs as a task of its own */
    int progress_ref; /* the script's function, or LUA_NOREF */
    struct posted report;
    uint64_t done, total;
};

/* Nothing calls back any more. */
static void end(struct fetching *fetching)
{
    if (fetching->client)
        client_release(fetching->client);
    fetching->client = NULL;
    scheduler_unpost(fetching->wait.app->scheduler, &fetching->report);
    luaL_unref(fetching->L, LUA_REGISTRYINDEX, fetching->progress_ref);
    fetching->progress_ref = LUA_NOREF;
}

static void fetch_cancel(struct wait *w)
{
    struct fetching *fetching = (struct fetching *)w;
    if (fetching->fetch)
        s3_cancel(fetching->fetch);
    fetching->fetch = NULL;
    if (fetching->result.fd >= 0)
        close(fetching->result.fd);
    fetching->result.fd = -1;
    end(fetching);
}

static int fetch_results(lua_State *L, struct wait *w, int index)
{
    struct fetching *fetching = (struct fetching *)w;
    (void)index;
    end(fetching);
    if (fetching->error.code[0])
        return fail_with(L, &fetching->error);
    lua_createtable(L, 0, 5);
    lua_pushinteger(L, (lua_Integer)fetching->result.bytes);
    lua_setfield(L, -2, "bytes");
    lua_pushstring(L, fetching->result.look);
    lua_setfield(L, -2, "look");
    lua_pushstring(L, fetching->result.region);
    lua_setfield(L, -2, "region");
    lua_pushinteger(L, fetching->result.requests);
    lua_setfield(L, -2, "requests");
    if (fetching->result.fd >= 0) {
        lua_pushinteger(L, fetching->result.fd);
        lua_setfield(L, -2, "fd");
    }
    fetching->result.fd = -1; /* the script's */
    return 1;
}

static const struct wait_class fetch_class = {fetch_results, fetch_cancel, false};

static void fetch_done(void *arg, const struct s3_result *result, const struct err *e)
{
    struct fetching *fetching = arg;
    fetching->fetch = NULL;
    fetching->result = *result;
    fetching->error = *e;
    wait_finish(&fetching->wait);
}

/* In a turn of the loop: the script's function is called between turns. */
static void fetch_progress(void *arg, uint64_t done, uint64_t total)
{
    struct fetching *fetching = arg;
    if (fetching->progress_ref == LUA_NOREF)
        return;
    fetching->done = done;
    fetching->total = total;
    scheduler_post(fetching->wait.app->scheduler, &fetching->report);
}

static void fetch_report(lua_State *L, struct posted *posted)
{
    struct fetching *fetching = (struct fetching *)((char *)posted - offsetof(struct fetching, report));
    lua_rawgeti(L, LUA_REGISTRYINDEX, fetching->progress_ref);
    lua_pushinteger(L, (lua_Integer)fetching->done);
    lua_pushinteger(L, (lua_Integer)fetching->total);
    task_spawn(L, 2, true);
    lua_pop(L, 1);
}

/* fetch{ url, look, client, profile, region, use_fips, use_dual_stack, mfa_token, directory, stall_timeout, connect_timeout,
 * progress = function(done, total) end } → { fd, bytes, look, region, requests } | nil, err: as core/s3.h says. `client` is a
 * native client whose keys are used; fd is the caller's to close, and not there with look = true. */
static int native_fetch(lua_State *L)
{
    static const char *const known[] = {"url", "look", "client", "profile", "region", "use_fips", "use_dual_stack", "mfa_token",
                                        "directory", "stall_timeout", "connect_timeout", "progress", NULL};
    const char *what = "s3.fetch";
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    struct s3_options options = {.url = need_string(L, 1, what, "url"),
                                 .look = option_boolean(L, 1, what, "look", false),
                                 .profile = option_string(L, 1, what, "profile", NULL),
                                 .region = option_string(L, 1, what, "region", NULL),
                                 .use_fips = option_boolean(L, 1, what, "use_fips", false),
                                 .use_dual_stack = option_boolean(L, 1, what, "use_dual_stack", false),
                                 .mfa_token = option_string(L, 1, what, "mfa_token", NULL),
                                 .directory = option_string(L, 1, what, "directory", NULL),
                                 .stall_timeout_ms = option_timeout_ms(L, 1, what, "stall_timeout"),
                                 .connect_timeout_ms = option_timeout_ms(L, 1, what, "connect_timeout"),
                                 .progress = fetch_progress};
    struct fetching *fetching = wait_new(L, sizeof *fetching, &fetch_class);
    int index = lua_gettop(L);
    fetching->L = app_of(L)->L;
    fetching->progress_ref = LUA_NOREF;
    fetching->report.run = fetch_report;
    fetching->result.fd = -1;
    struct http *http = app_http(L);
    if (option_function(L, 1, what, "progress"))
        fetching->progress_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    if (lua_getfield(L, 1, "client") != LUA_TNIL) {
        fetching->client = client_hold(L, lua_gettop(L));
        options.credentials = client_credentials(fetching->client);
    }
    lua_setiuservalue(L, index, 1);
    fetching->fetch = s3_start(http, app_of(L)->loop, &options, fetch_done, fetching, &e);
    if (!fetching->fetch) {
        end(fetching);
        return fail_with(L, &e);
    }
    fetching->wait.started = true;
    return wait_for(L, index);
}

/* name(url) → what a file of the object would be called | nil, err */
static int native_name(lua_State *L)
{
    struct s3_object object;
    struct err e;
    err_clear(&e);
    const char *url = luaL_checkstring(L, 1);
    if (!s3_url_parse(url, &object, &e)) {
        err_at(&e, url, 0, 0, NULL);
        return fail_with(L, &e);
    }
    lua_pushstring(L, s3_url_name(&object));
    return 1;
}

int open_native_s3(lua_State *L)
{
    static const luaL_Reg functions[] = {{"fetch", native_fetch}, {"name", native_name}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
