/* secret: an opaque value in Lua: it prints as <secret>, goes where a key is taken, and becomes a string only through
 * :reveal(). Its bytes are overwritten when it is closed or collected. */
#include <string.h>

#include "bindings/app.h"
#include "core/secret.h"

#define SECRET_TYPE "upjob.secret"

struct holder {
    struct secret *secret;
};

struct secret **push_secret(lua_State *L, struct secret *secret)
{
    struct holder *holder = lua_newuserdatauv(L, sizeof *holder, 0);
    holder->secret = secret;
    luaL_setmetatable(L, SECRET_TYPE);
    return &holder->secret;
}

static int make(lua_State *L, const char *bytes, size_t len)
{
    push_secret(L, NULL); /* the holder first: an error below must not lose the bytes */
    struct holder *holder = lua_touserdata(L, -1);
    holder->secret = secret_new(bytes, len);
    if (!holder->secret)
        return luaL_error(L, "out of memory");
    return 1;
}

const struct secret *check_secret(lua_State *L, int index, const char *what)
{
    struct holder *holder = luaL_testudata(L, index, SECRET_TYPE);
    if (!holder && lua_type(L, index) == LUA_TSTRING) {
        size_t len;
        const char *bytes = lua_tolstring(L, index, &len);
        index = lua_absindex(L, index);
        make(L, bytes, len);
        lua_replace(L, index);
        holder = lua_touserdata(L, index);
    }
    if (!holder)
        luaL_error(L, "%s must be a secret or a string, not a %s", what, luaL_typename(L, index));
    if (!holder->secret)
        luaL_error(L, "%s was closed: it is gone", what);
    return holder->secret;
}

static int secret_reveal(lua_State *L)
{
    const struct secret *secret = check_secret(L, 1, "the secret");
    lua_pushlstring(L, secret_bytes(secret), secret_len(secret));
    return 1;
}

static int secret_close(lua_State *L)
{
    struct holder *holder = luaL_checkudata(L, 1, SECRET_TYPE);
    secret_free(holder->secret);
    holder->secret = NULL;
    return 0;
}

static int secret_tostring(lua_State *L)
{
    luaL_checkudata(L, 1, SECRET_TYPE);
    lua_pushliteral(L, SECRET_SHOWN);
    return 1;
}

static int secret_make(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    return make(L, bytes, len);
}

static int secret_is(lua_State *L)
{
    lua_pushboolean(L, luaL_testudata(L, 1, SECRET_TYPE) != NULL);
    return 1;
}

int open_native_secret(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", secret_make}, {"is", secret_is}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"reveal", secret_reveal}, {"close", secret_close}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__tostring", secret_tostring}, {"__gc", secret_close}, {"__close", secret_close},
                                    {NULL, NULL}};
    luaL_newmetatable(L, SECRET_TYPE);
    luaL_setfuncs(L, meta, 0);
    lua_pushliteral(L, SECRET_SHOWN);
    lua_setfield(L, -2, "__name");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
