/* credentials: upjob.native.credentials: the keys of a profile, as the AWS CLI finds them, for scripts that sign for themselves. */
#include <string.h>

#include "bindings/app.h"
#include "bindings/wait.h"
#include "core/credentials.h"
#include "core/endpoint.h"

#define SOURCE_TYPE "upjob.credentials"

struct source {
    struct credentials_store *store;
};

static int source_collect(lua_State *L)
{
    struct source *source = luaL_checkudata(L, 1, SOURCE_TYPE);
    credentials_store_free(source->store);
    source->store = NULL;
    return 0;
}

static struct credentials_store *open_store(lua_State *L, const struct aws_config *config, const char *region,
                                            const char *mfa_token, struct err *e)
{
    struct credentials_options how = {.loop = app_of(L)->loop, .http = app_http(L), .region = region, .mfa_token = mfa_token};
    return credentials_open(config, &how, e);
}

/* region{profile=} → region | nil, err: that of the environment or the profile, where no keys need be */
static int native_region(lua_State *L)
{
    static const char *const known[] = {"profile", NULL};
    const char *what = "region";
    char region[64];
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    struct aws_config *config = aws_config_load(option_string(L, 1, what, "profile", NULL), &e);
    bool ok = config && endpoint_region(NULL, config, region, sizeof region, &e);
    aws_config_free(config);
    if (!ok)
        return fail_with(L, &e);
    lua_pushstring(L, region);
    return 1;
}

/* open{profile=, mfa_token=} → source | nil, err: nothing is fetched yet */
static int native_open(lua_State *L)
{
    static const char *const known[] = {"profile", "mfa_token", NULL};
    const char *what = "credentials";
    char region[64];
    struct err e, no_region;
    err_clear(&e);
    lua_settop(L, 1);
    check_options(L, 1, what, known);
    const char *profile = option_string(L, 1, what, "profile", NULL);
    const char *mfa_token = option_string(L, 1, what, "mfa_token", NULL);
    app_http(L); /* may raise: before there is something to free */
    struct source *source = lua_newuserdatauv(L, sizeof *source, 0);
    memset(source, 0, sizeof *source);
    luaL_setmetatable(L, SOURCE_TYPE);
    struct aws_config *config = aws_config_load(profile, &e);
    if (!config)
        return fail_with(L, &e);
    bool has_region = endpoint_region(NULL, config, region, sizeof region, &no_region);
    source->store = open_store(L, config, has_region ? region : NULL, mfa_token, &e);
    aws_config_free(config);
    return source->store ? 1 : fail_with(L, &e);
}

/* ---- keys ---- */

struct asking {
    struct wait wait;
    struct credentials_wait *await; /* under way, or NULL */
    struct source *source;          /* a user value, so that it lives as long */
    struct err error;
};

static void asking_cancel(struct wait *w)
{
    struct asking *asking = (struct asking *)w;
    if (asking->await)
        credentials_await_cancel(asking->await);
    asking->await = NULL;
}

static void push_key(lua_State *L, const char *name, const struct secret *secret)
{
    if (!secret)
        return;
    struct secret **slot = push_secret(L, NULL);
    *slot = secret_new(secret_bytes(secret), secret_len(secret));
    if (!*slot)
        luaL_error(L, "out of memory");
    lua_setfield(L, -2, name);
}

static int push_keys(lua_State *L, const struct credentials *keys)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, keys->access_key_id);
    lua_setfield(L, -2, "access_key_id");
    push_key(L, "secret_access_key", keys->secret_access_key);
    push_key(L, "session_token", keys->session_token);
    return 1;
}

static int asking_results(lua_State *L, struct wait *w, int index)
{
    struct asking *asking = (struct asking *)w;
    (void)index;
    if (asking->error.code[0])
        return fail_with(L, &asking->error);
    /* Other tasks may have run since the keys came. */
    const struct credentials *keys = credentials_current(asking->source->store);
    if (!keys) {
        err_set(&asking->error, ERR_CREDENTIALS, "the credentials of %.500s expired as soon as they had come",
                credentials_source(asking->source->store));
        return fail_with(L, &asking->error);
    }
    return push_keys(L, keys);
}

static const struct wait_class asking_class = {asking_results, asking_cancel, false};

static void keys_came(void *arg, const struct credentials *keys, const struct err *failure)
{
    struct asking *asking = arg;
    asking->await = NULL;
    if (!keys)
        asking->error = *failure;
    wait_finish(&asking->wait);
}

/* keys(source) → {access_key_id, secret_access_key, session_token} | nil, err; the last two are secrets */
static int native_keys(lua_State *L)
{
    struct err e;
    err_clear(&e);
    struct source *source = luaL_checkudata(L, 1, SOURCE_TYPE);
    const struct credentials *keys = credentials_current(source->store);
    if (keys)
        return push_keys(L, keys);
    struct asking *asking = wait_new(L, sizeof *asking, &asking_class);
    asking->source = source;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    asking->await = credentials_await(source->store, keys_came, asking, &e);
    if (!asking->await)
        return fail_with(L, &e);
    asking->wait.started = true;
    return wait_for(L, lua_gettop(L));
}

int open_native_credentials(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open", native_open}, {"region", native_region}, {"keys", native_keys}, {NULL, NULL}};
    luaL_newmetatable(L, SOURCE_TYPE);
    lua_pushcfunction(L, source_collect);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, functions);
    return 1;
}
