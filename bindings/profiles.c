/* profiles: upjob.native.profiles: the API client. Every operation of the table is a method, found by its Lua name. */
#include <math.h>
#include <string.h>

#include "bindings/app.h"
#include "bindings/client.h"
#include "bindings/json.h"
#include "bindings/operations.h"
#include "bindings/wait.h"
#include "core/api.h"
#include "core/credentials_region.h"
#include "core/endpoint.h"
#include "core/retry.h"
#include "core/secret.h"

#define CLIENT_TYPE "upjob.client"

struct client {
    struct api_client *api; /* NULL once closed and no call is under way */
    size_t calls;           /* under way: they end as they would have */
    bool closed;
};

static struct client *check_client(lua_State *L, int index)
{
    struct client *client = luaL_checkudata(L, index, CLIENT_TYPE);
    if (client->closed)
        luaL_error(L, "the client was closed");
    return client;
}

static void free_unused(struct client *client)
{
    if (!client->closed || client->calls > 0)
        return;
    api_client_free(client->api);
    client->api = NULL;
}

/* ---- for other bindings ---- */

struct client *client_hold(lua_State *L, int index)
{
    struct client *client = check_client(L, index);
    client->calls++;
    return client;
}

struct credentials_store *client_credentials(const struct client *client)
{
    return api_client_credentials(client->api);
}

void client_release(struct client *client)
{
    client->calls--;
    free_unused(client);
}

/* ---- a call ---- */

struct calling {
    struct wait wait;
    struct client *client; /* its user value, so that it lives as long as its calls */
    struct api_call *call; /* under way, or NULL */
    struct api_reply reply;
    const char *secret_name; /* of the member that is one; NULL when there is none */
    struct secret **secret;  /* where the Lua object beside the client keeps it */
    struct err error;
};

static void call_ended(struct calling *calling)
{
    calling->call = NULL;
    calling->client->calls--;
    free_unused(calling->client);
}

static void calling_cancel(struct wait *w)
{
    struct calling *calling = (struct calling *)w;
    if (calling->call) {
        api_call_cancel(calling->call);
        call_ended(calling);
    }
    cJSON_Delete(calling->reply.output);
    calling->reply.output = NULL;
}

static int calling_results(lua_State *L, struct wait *w, int index)
{
    struct calling *calling = (struct calling *)w;
    if (calling->error.code[0])
        return fail_with(L, &calling->error);
    json_guard(L, calling->reply.output);
    cJSON *output = calling->reply.output;
    calling->reply.output = NULL;
    json_to_lua(L, output);
    if (calling->secret && *calling->secret) {
        lua_getiuservalue(L, index, 1);
        lua_rawgeti(L, -1, 2);
        lua_setfield(L, -3, calling->secret_name);
        lua_pop(L, 1);
    }
    return 1;
}

static const struct wait_class calling_class = {calling_results, calling_cancel, false};

static void calling_done(void *arg, struct api_reply *reply, const struct err *e)
{
    struct calling *calling = arg;
    calling->reply = *reply;
    reply->output = NULL;
    if (calling->secret) {
        *calling->secret = reply->secret;
        reply->secret = NULL;
    }
    calling->error = *e;
    call_ended(calling);
    wait_finish(&calling->wait);
}

/* A wait that keeps the client at index 1 alive, and beside it the secret that the reply will bring. */
static struct calling *new_calling(lua_State *L, const char *secret_name)
{
    struct calling *calling = wait_new(L, sizeof *calling, &calling_class);
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    if (secret_name) {
        calling->secret_name = secret_name;
        calling->secret = push_secret(L, NULL);
        lua_rawseti(L, -2, 2);
    }
    lua_setiuservalue(L, -2, 1);
    return calling;
}

/* The call has started; it is on top of the stack. */
static int wait_for_reply(lua_State *L, struct calling *calling, struct client *client)
{
    calling->client = client;
    client->calls++;
    calling->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

/* call(client, operation name, params, timeout, max_attempts) → reply | nil, err; a breach of the model raises at `level`. */
static int native_call(lua_State *L)
{
    struct err e;
    err_clear(&e);
    lua_settop(L, 5);
    struct client *client = check_client(L, 1);
    const struct operation *op = operation_find(luaL_checkstring(L, 2));
    if (!op)
        return luaL_error(L, "there is no operation \"%s\"", lua_tostring(L, 2));
    if (lua_isnil(L, 3)) {
        lua_newtable(L);
        lua_replace(L, 3);
    }
    if (!lua_istable(L, 3))
        return luaL_error(L, "%s: a table of parameters is needed, not %s", op->lua_name, luaL_typename(L, 3));
    double timeout = luaL_optnumber(L, 4, 0);
    if (timeout == HUGE_VAL)
        timeout = 0; /* no limit */
    if (!(timeout >= 0 && timeout <= 1e6))
        return luaL_error(L, "%s: option \"timeout\" is in seconds, from 0 to 1000000", op->lua_name);
    lua_Number attempts = luaL_optnumber(L, 5, 0);
    if (!lua_isnil(L, 5) && !(attempts >= 1 && attempts <= RETRY_MOST_ATTEMPTS && attempts == floor(attempts)))
        return luaL_error(L, "%s: option \"max_attempts\" must be a whole number from 1 to %d", op->lua_name,
                          RETRY_MOST_ATTEMPTS);
    cJSON *params = json_from_lua(L, 3, op->input);
    if (!params)
        return luaL_error(L, "%s: %s", op->lua_name, lua_tostring(L, -1));
    json_guard(L, params);
    struct calling *calling = new_calling(L, op->secret);
    calling->call = api_call_start(client->api, op, params, (long)ceil(timeout * 1000), (int)attempts,
                                   calling_done, calling, &e);
    if (!calling->call)
        return fail_with(L, &e);
    return wait_for_reply(L, calling, client);
}

/* get(client, path, query?) → reply | nil, err: for the embedded service's own addresses */
static int native_get(lua_State *L)
{
    struct err e;
    err_clear(&e);
    struct client *client = check_client(L, 1);
    const char *path = luaL_checkstring(L, 2), *query = luaL_optstring(L, 3, "");
    struct calling *calling = new_calling(L, NULL);
    calling->call = api_get_start(client->api, path, query, calling_done, calling, &e);
    if (!calling->call)
        return fail_with(L, &e);
    return wait_for_reply(L, calling, client);
}

/* ---- the client ---- */

static const char *credential(lua_State *L, int index, const char *what, const char *name, bool required)
{
    if (lua_getfield(L, index, name) == LUA_TNIL) {
        if (required)
            luaL_error(L, "%s: option \"%s\" is required", what, name);
        lua_pop(L, 1);
        return NULL;
    }
    return secret_bytes(check_secret(L, lua_gettop(L), name));
}

/* rates = {create_upload_job = 2, …} in calls a second, or false for no limit. The array is left on the stack. */
static void read_rates(lua_State *L, const char *what, struct api_options *options)
{
    int type = lua_getfield(L, 1, "rates"), index = lua_gettop(L);
    if (type == LUA_TNIL)
        return;
    options->unlimited = type == LUA_TBOOLEAN && !lua_toboolean(L, index);
    if (options->unlimited)
        return;
    if (type != LUA_TTABLE)
        luaL_error(L, "%s: option \"rates\" is a table of calls a second by operation, or false for no limit, not %s", what,
                   luaL_typename(L, index));
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        count++;
    struct api_operation_rate *rates = lua_newuserdatauv(L, (count + 1) * sizeof *rates, 0);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        const struct operation *op = operation_find(name), *near = op ? NULL : operation_nearest(name);
        double most = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
        if (!op)
            luaL_error(L, "%s: option \"rates\": there is no operation \"%s\"%s%s%s", what, name,
                       near ? " (did you mean \"" : "", near ? near->lua_name : "", near ? "\"?)" : "");
        if (!(most > 0 && most <= 1e6))
            luaL_error(L, "%s: option \"rates\": %s must be calls a second, more than 0", what, name);
        rates[options->rate_count++] = (struct api_operation_rate){op, most};
    }
    options->rates = rates;
}

/* client({region, profile, endpoint_url, credentials, …}, embedded?) → client | nil, err. An embedded one looks at nothing
 * that is configured. */
static int native_client(lua_State *L)
{
    static const char *const known[] = {"region", "profile", "endpoint_url", "credentials", "max_attempts",
                                        "use_fips", "use_dual_stack", "connect_timeout", "read_timeout", "rates",
                                        "mfa_token", NULL};
    static const char *const keys[] = {"access_key_id", "secret_access_key", "session_token", NULL};
    const char *what = "profiles.client", *given = "profiles.client: credentials";
    struct err e;
    err_clear(&e);
    lua_settop(L, 2);
    check_options(L, 1, what, known);
    struct api_options options = {.region = option_string(L, 1, what, "region", NULL),
                                  .profile = option_string(L, 1, what, "profile", NULL),
                                  .endpoint_url = option_string(L, 1, what, "endpoint_url", NULL),
                                  .use_fips = option_boolean(L, 1, what, "use_fips", false),
                                  .use_dual_stack = option_boolean(L, 1, what, "use_dual_stack", false),
                                  .max_attempts = (int)option_integer(L, 1, what, "max_attempts", 1, RETRY_MOST_ATTEMPTS, 0),
                                  .mfa_token = option_string(L, 1, what, "mfa_token", NULL),
                                  .standalone = lua_toboolean(L, 2),
                                  .connect_timeout_ms = option_timeout_ms(L, 1, what, "connect_timeout"),
                                  .read_timeout_ms = option_timeout_ms(L, 1, what, "read_timeout")};
    if (lua_getfield(L, 1, "credentials") != LUA_TNIL) {
        check_options(L, 3, given, keys);
        options.access_key_id = need_string(L, 3, given, "access_key_id");
        options.secret_access_key = credential(L, 3, given, "secret_access_key", true);
        options.session_token = credential(L, 3, given, "session_token", false);
    }
    read_rates(L, what, &options);
    struct client *client = lua_newuserdatauv(L, sizeof *client, 0);
    memset(client, 0, sizeof *client);
    luaL_setmetatable(L, CLIENT_TYPE);
    client->api = api_client_new(app_http(L), app_of(L)->loop, &options, &e);
    return client->api ? 1 : fail_with(L, &e);
}

/* ---- the region, where only the instance knows it ---- */

struct asking {
    struct wait wait;
    struct region_lookup *lookup; /* under way, or NULL */
    char region[64];
    struct err error;
};

static void asking_cancel(struct wait *w)
{
    struct asking *asking = (struct asking *)w;
    if (asking->lookup)
        region_lookup_cancel(asking->lookup);
    asking->lookup = NULL;
}

static int asking_results(lua_State *L, struct wait *w, int index)
{
    struct asking *asking = (struct asking *)w;
    (void)index;
    if (!asking->region[0])
        return fail_with(L, &asking->error);
    lua_pushstring(L, asking->region);
    return 1;
}

static const struct wait_class asking_class = {asking_results, asking_cancel, false};

static void asking_done(void *arg, const char *region, const struct err *e)
{
    struct asking *asking = arg;
    asking->lookup = NULL;
    asking->error = *e;
    snprintf(asking->region, sizeof asking->region, "%s", region ? region : "");
    wait_finish(&asking->wait);
}

/* metadata_region(options that client() has taken) → region | nil, err; nil alone when they or what is configured have one, or
 * the configuration cannot be read: then it is not the region that client() failed for. */
static int native_metadata_region(lua_State *L)
{
    const char *what = "profiles.client";
    struct err e;
    err_clear(&e);
    const char *profile = option_string(L, 1, what, "profile", NULL), *region = option_string(L, 1, what, "region", NULL);
    struct asking *asking = wait_new(L, sizeof *asking, &asking_class);
    struct credentials_options how = {.loop = app_of(L)->loop, .http = app_http(L)};
    struct aws_config *config = aws_config_load(profile, &e);
    if (!config || endpoint_has_region(region, config)) {
        aws_config_free(config);
        lua_pushnil(L);
        return 1;
    }
    asking->lookup = region_lookup_start(config, &how, asking_done, asking, &e);
    aws_config_free(config);
    if (!asking->lookup)
        return fail_with(L, &e);
    asking->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

static int client_close(lua_State *L)
{
    struct client *client = luaL_checkudata(L, 1, CLIENT_TYPE);
    client->closed = true;
    free_unused(client);
    return 0;
}

/* about(client) → {region, endpoint, credentials_source, credentials_at_hand (false: still to be fetched), credentials_expire
 * (epoch; nil: never, or not known yet), clock_offset}: never a secret */
static int native_about(lua_State *L)
{
    struct client *client = check_client(L, 1);
    lua_createtable(L, 0, 5);
    lua_pushnumber(L, api_client_clock_offset(client->api));
    lua_setfield(L, -2, "clock_offset");
    lua_pushstring(L, api_client_region(client->api));
    lua_setfield(L, -2, "region");
    lua_pushstring(L, api_client_endpoint(client->api));
    lua_setfield(L, -2, "endpoint");
    lua_pushstring(L, api_client_credentials_source(client->api));
    lua_setfield(L, -2, "credentials_source");
    lua_pushboolean(L, api_client_has_credentials(client->api));
    lua_setfield(L, -2, "credentials_at_hand");
    if (api_client_credentials_expiry(client->api) != 0) {
        lua_pushinteger(L, api_client_credentials_expiry(client->api));
        lua_setfield(L, -2, "credentials_expire");
    }
    return 1;
}

/* ---- the table of operations, seen from Lua ---- */

/* endpoint{region, use_fips, use_dual_stack, endpoint_url} → url | nil, err */
static int native_endpoint(lua_State *L)
{
    static const char *const known[] = {"region", "use_fips", "use_dual_stack", "endpoint_url", NULL};
    const char *what = "profiles.endpoint";
    char url[512];
    struct err e;
    err_clear(&e);
    check_options(L, 1, what, known);
    struct endpoint_options options = {.region = option_string(L, 1, what, "region", NULL),
                                       .endpoint_url = option_string(L, 1, what, "endpoint_url", NULL),
                                       .use_fips = option_boolean(L, 1, what, "use_fips", false),
                                       .use_dual_stack = option_boolean(L, 1, what, "use_dual_stack", false)};
    if (!endpoint_resolve(&options, NULL, url, sizeof url, &e))
        return fail_with(L, &e);
    lua_pushstring(L, url);
    return 1;
}

/* partition(region) → "aws", "aws-cn", … */
static int native_partition(lua_State *L)
{
    lua_pushstring(L, endpoint_partition(luaL_checkstring(L, 1)));
    return 1;
}

/* nearest(name, names) → the nearest of the list, or nil: for every "did you mean" */
static int native_nearest(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t n = lua_rawlen(L, 2);
    const char **names = lua_newuserdatauv(L, (n + 1) * sizeof *names, 0);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        names[i] = luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    names[n] = NULL;
    lua_pushstring(L, nearest_name(luaL_checkstring(L, 1), names));
    return 1;
}

int open_native_profiles(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"client", native_client},     {"call", native_call},           {"get", native_get},
        {"about", native_about},       {"close", client_close},         {"endpoint", native_endpoint},
        {"nearest", native_nearest},   {"partition", native_partition}, {"metadata_region", native_metadata_region},
        {NULL, NULL}};
    luaL_newmetatable(L, CLIENT_TYPE);
    lua_pushcfunction(L, client_close);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, functions);
    add_operations(L);
    return 1;
}
