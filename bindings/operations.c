#include "bindings/operations.h"

#include "bindings/json.h"
#include "core/operations.h"

/* operation(name) → {name, lua_name, method, path, items} | nil, nearest lua name */
static int native_operation(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const struct operation *op = operation_find(name);
    if (!op) {
        const struct operation *near = operation_nearest(name);
        lua_pushnil(L);
        lua_pushstring(L, near ? near->lua_name : NULL);
        return 2;
    }
    lua_createtable(L, 0, 5);
    lua_pushstring(L, op->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, op->lua_name);
    lua_setfield(L, -2, "lua_name");
    lua_pushstring(L, op->method);
    lua_setfield(L, -2, "method");
    lua_pushstring(L, op->path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, op->items);
    lua_setfield(L, -2, "items");
    return 1;
}

static int native_operations(lua_State *L)
{
    size_t count;
    const struct operation *all = operation_all(&count);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, all[i].lua_name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* validate(name, params) → true | nil, err */
static int native_validate(lua_State *L)
{
    struct err e;
    err_clear(&e);
    const struct operation *op = operation_find(luaL_checkstring(L, 1));
    luaL_argcheck(L, op, 1, "not an operation");
    luaL_checktype(L, 2, LUA_TTABLE);
    cJSON *params = json_from_lua(L, 2, op->input);
    if (!params)
        return luaL_error(L, "%s: %s", op->lua_name, lua_tostring(L, -1));
    bool ok = operation_validate(op, params, &e);
    cJSON_Delete(params);
    if (!ok)
        return fail_with(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

static void set_buf(lua_State *L, const char *name, const struct buf *text)
{
    if (text->len == 0)
        return;
    lua_pushlstring(L, text->data, text->len);
    lua_setfield(L, -2, name);
}

static bool build_request(lua_State *L, const struct operation *op, const cJSON *params, struct err *e)
{
    struct operation_request request;
    if (!operation_validate(op, params, e) || !operation_build(op, params, &request, e))
        return false;
    lua_createtable(L, 0, 5);
    lua_pushstring(L, op->name);
    lua_setfield(L, -2, "operation");
    lua_pushstring(L, op->method);
    lua_setfield(L, -2, "method");
    set_buf(L, "path", &request.path);
    set_buf(L, "query", &request.query);
    if (request.has_body)
        set_buf(L, "body", &request.body);
    operation_request_free(&request);
    return true;
}

/* request(name, params) → { operation, method, path, query, body } | nil, err: what a call would send */
static int native_request(lua_State *L)
{
    struct err e;
    err_clear(&e);
    const struct operation *op = operation_find(luaL_checkstring(L, 1));
    luaL_argcheck(L, op, 1, "not an operation");
    luaL_checktype(L, 2, LUA_TTABLE);
    cJSON *params = json_from_lua(L, 2, op->input);
    if (!params)
        return luaL_error(L, "%s: %s", op->lua_name, lua_tostring(L, -1));
    bool built = build_request(L, op, params, &e);
    cJSON_Delete(params);
    return built ? 1 : fail_with(L, &e);
}

void add_operations(lua_State *L)
{
    static const luaL_Reg functions[] = {{"operation", native_operation},
                                         {"operations", native_operations},
                                         {"validate", native_validate},
                                         {"request", native_request},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
