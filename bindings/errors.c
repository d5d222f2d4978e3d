/* errors: the error object of scripts. */
#include <string.h>

#include "bindings/app.h"

#define ERR_TYPE "upjob.error"

static void set_text(lua_State *L, const char *name, const char *value)
{
    if (value[0]) {
        lua_pushstring(L, value);
        lua_setfield(L, -2, name);
    }
}

static void set_integer(lua_State *L, const char *name, long value)
{
    if (value) {
        lua_pushinteger(L, value);
        lua_setfield(L, -2, name);
    }
}

/* A field of the table at index 1 as text, "" when absent. */
static const char *field_text(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    const char *text = lua_isstring(L, -1) ? lua_tostring(L, -1) : "";
    return text;
}

/* As err_text does it; the table may have been made or changed by a script. */
static int error_tostring(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const char *file = field_text(L, "file"), *line = field_text(L, "line");
    const char *operation = field_text(L, "operation"), *code = field_text(L, "code");
    const char *message = field_text(L, "message"), *id = field_text(L, "request_id");
    const char *attempts = field_text(L, "attempts");
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    if (file[0]) {
        luaL_addstring(&text, file);
        luaL_addstring(&text, ":");
        if (line[0]) {
            luaL_addstring(&text, line);
            luaL_addstring(&text, ":");
        }
        luaL_addstring(&text, " ");
    } else if (operation[0]) {
        luaL_addstring(&text, operation);
        luaL_addstring(&text, ": ");
        luaL_addstring(&text, code);
        luaL_addstring(&text, ": ");
    }
    luaL_addstring(&text, message);
    /* What the message tells already is not told twice. */
    if (strstr(message, id))
        id = "";
    bool again = attempts[0] && strcmp(attempts, "1") != 0 && !strstr(message, " attempts)");
    if (id[0]) {
        luaL_addstring(&text, " (request id ");
        luaL_addstring(&text, id);
    }
    if (again) {
        luaL_addstring(&text, id[0] ? ", " : " (");
        luaL_addstring(&text, attempts);
        luaL_addstring(&text, " attempts");
    }
    if (id[0] || again)
        luaL_addstring(&text, ")");
    luaL_pushresult(&text);
    return 1;
}

static void set_metatable(lua_State *L)
{
    if (luaL_newmetatable(L, ERR_TYPE)) {
        lua_pushcfunction(L, error_tostring);
        lua_setfield(L, -2, "__tostring");
    }
    lua_setmetatable(L, -2);
}

void push_err(lua_State *L, const struct err *e)
{
    lua_createtable(L, 0, 8);
    lua_pushstring(L, e->code[0] ? e->code : ERR_INTERNAL);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, e->message);
    lua_setfield(L, -2, "message");
    lua_pushboolean(L, e->retryable);
    lua_setfield(L, -2, "retryable");
    set_text(L, "outcome", e->unknown_outcome ? "unknown" : "");
    set_text(L, "operation", e->operation);
    set_text(L, "request_id", e->request_id);
    set_text(L, "file", e->file);
    set_text(L, "value", e->value);
    set_integer(L, "status", e->status);
    set_integer(L, "attempts", e->attempts);
    set_integer(L, "line", e->line);
    set_integer(L, "column", e->column);
    set_metatable(L);
}

int fail_with(lua_State *L, const struct err *e)
{
    lua_pushnil(L);
    push_err(L, e);
    return 2;
}

int raise_err(lua_State *L, const struct err *e)
{
    push_err(L, e);
    return lua_error(L);
}

/* error_object(table) → the same table as an error: for the Lua half of the library. */
int native_error_object(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    set_metatable(L);
    return 1;
}

/* is_error(value) → boolean */
int native_is_error(lua_State *L)
{
    bool is = false;
    if (lua_istable(L, 1) && lua_getmetatable(L, 1)) {
        luaL_getmetatable(L, ERR_TYPE);
        is = lua_rawequal(L, -1, -2);
    }
    lua_pushboolean(L, is);
    return 1;
}
