#include "bindings/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/app.h"

#define ARRAY_TYPE "upjob.json.array"

static const char null_tag;

/* ---- Lua to JSON ---- */

static cJSON *from_value(lua_State *L, int index, const struct shape *shape, int depth);

static const struct shape *member_shape(const struct shape *shape, const char *name)
{
    if (!shape)
        return NULL;
    if (shape->kind == SHAPE_MAP || shape->kind == SHAPE_LIST)
        return shape->value;
    for (const struct member *m = shape->kind == SHAPE_STRUCTURE ? shape->members : NULL; m && m->name; m++)
        if (strcmp(m->name, name) == 0)
            return m->shape;
    return NULL;
}

static bool is_array(lua_State *L, int index, const struct shape *shape)
{
    if (luaL_getmetafield(L, index, "__name") != LUA_TNIL) {
        bool marked = lua_isstring(L, -1) && strcmp(lua_tostring(L, -1), ARRAY_TYPE) == 0;
        lua_pop(L, 1);
        if (marked)
            return true;
    }
    if (lua_rawlen(L, index) > 0)
        return true;
    lua_pushnil(L);
    if (lua_next(L, index)) {
        lua_pop(L, 2);
        return false;
    }
    return shape && shape->kind == SHAPE_LIST;
}

static cJSON *fail(lua_State *L, cJSON *tree, const char *message)
{
    cJSON_Delete(tree);
    lua_pushstring(L, message);
    return NULL;
}

static cJSON *from_array(lua_State *L, int index, const struct shape *shape, int depth)
{
    cJSON *list = cJSON_CreateArray();
    lua_Integer n = (lua_Integer)lua_rawlen(L, index), count = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        count++;
        if (!lua_isinteger(L, -1)) {
            lua_pop(L, 1);
            return fail(L, list, "a table with both list items and named fields cannot be JSON");
        }
    }
    if (count != n)
        return fail(L, list, "a list with holes cannot be JSON");
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, index, i);
        cJSON *item = from_value(L, lua_gettop(L), shape ? shape->value : NULL, depth + 1);
        if (!item) {
            cJSON_Delete(list);
            return NULL;
        }
        lua_pop(L, 1);
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Keys are written in order, so that the same table gives the same text. */
static cJSON *from_object(lua_State *L, int index, const struct shape *shape, int depth)
{
    cJSON *object = cJSON_CreateObject();
    size_t count = 0, at = 0;
    lua_pushnil(L);
    for (; lua_next(L, index); count++) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING) {
            lua_pop(L, 1);
            return fail(L, object, "a table with both named fields and other keys cannot be JSON");
        }
    }
    const char **keys = lua_newuserdatauv(L, (count + 1) * sizeof *keys, 0);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        keys[at++] = lua_tostring(L, -1);
    }
    qsort(keys, count, sizeof *keys, by_text);
    for (at = 0; at < count; at++) {
        lua_getfield(L, index, keys[at]);
        cJSON *item = from_value(L, lua_gettop(L), member_shape(shape, keys[at]), depth + 1);
        if (!item) {
            cJSON_Delete(object);
            return NULL;
        }
        lua_pop(L, 1);
        cJSON_AddItemToObject(object, keys[at], item);
    }
    lua_pop(L, 1);
    return object;
}

static cJSON *from_number(lua_State *L, int index)
{
    if (lua_isinteger(L, index)) {
        lua_Integer n = lua_tointeger(L, index);
        char text[32];
        if (n > -(1LL << 53) && n < (1LL << 53))
            return cJSON_CreateNumber((double)n);
        snprintf(text, sizeof text, "%lld", (long long)n);
        return cJSON_CreateRaw(text); /* doubles have no room for it */
    }
    double number = lua_tonumber(L, index);
    if (isnan(number) || isinf(number))
        return fail(L, NULL, "a number that is not finite cannot be JSON");
    return cJSON_CreateNumber(number);
}

static cJSON *from_value(lua_State *L, int index, const struct shape *shape, int depth)
{
    if (depth > JSON_MAX_DEPTH)
        return fail(L, NULL, "tables are nested too deeply (in a circle?) to be JSON");
    luaL_checkstack(L, 8, "tables are nested too deeply");
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        return cJSON_CreateNull();
    case LUA_TBOOLEAN:
        return cJSON_CreateBool(lua_toboolean(L, index));
    case LUA_TNUMBER:
        return from_number(L, index);
    case LUA_TSTRING: {
        size_t len;
        const char *text = lua_tolstring(L, index, &len);
        if (strlen(text) != len)
            return fail(L, NULL, "a string with a NUL byte cannot be JSON here");
        return cJSON_CreateString(text);
    }
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index) == &null_tag)
            return cJSON_CreateNull();
        break;
    case LUA_TTABLE:
        return is_array(L, index, shape) ? from_array(L, index, shape, depth) : from_object(L, index, shape, depth);
    default:
        break;
    }
    lua_pushfstring(L, "a %s cannot be JSON", luaL_typename(L, index));
    return NULL;
}

cJSON *json_from_lua(lua_State *L, int index, const struct shape *shape)
{
    int top = lua_gettop(L);
    cJSON *tree = from_value(L, lua_absindex(L, index), shape, 0);
    if (tree) {
        lua_settop(L, top);
    } else {
        lua_replace(L, top + 1); /* the message */
        lua_settop(L, top + 1);
    }
    return tree;
}

/* ---- JSON to Lua ---- */

static void push_number(lua_State *L, double number)
{
    if (number == floor(number) && fabs(number) < 9e15)
        lua_pushinteger(L, (lua_Integer)number);
    else
        lua_pushnumber(L, number);
}

void json_to_lua(lua_State *L, const cJSON *value)
{
    luaL_checkstack(L, 8, "JSON is nested too deeply");
    if (cJSON_IsObject(value)) {
        lua_newtable(L);
        for (const cJSON *item = value->child; item; item = item->next) {
            if (cJSON_IsNull(item))
                continue;
            json_to_lua(L, item);
            lua_setfield(L, -2, item->string);
        }
    } else if (cJSON_IsArray(value)) {
        lua_newtable(L);
        lua_Integer i = 1;
        for (const cJSON *item = value->child; item; item = item->next) {
            json_to_lua(L, item);
            lua_rawseti(L, -2, i++);
        }
        luaL_setmetatable(L, ARRAY_TYPE);
    } else if (cJSON_IsString(value)) {
        lua_pushstring(L, value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        push_number(L, value->valuedouble);
    } else if (cJSON_IsBool(value)) {
        lua_pushboolean(L, cJSON_IsTrue(value));
    } else {
        lua_pushlightuserdata(L, (void *)&null_tag);
    }
}

/* ---- guards ---- */

static int guard_collect(lua_State *L)
{
    cJSON **held = lua_touserdata(L, 1);
    cJSON_Delete(*held);
    *held = NULL;
    return 0;
}

void json_guard(lua_State *L, cJSON *tree)
{
    cJSON **held = lua_newuserdatauv(L, sizeof *held, 0);
    *held = tree;
    if (luaL_newmetatable(L, "upjob.json.guard")) {
        lua_pushcfunction(L, guard_collect);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
}

/* ---- upjob.json ---- */

/* json.encode(value, {pretty = true}?) → text */
static int encode(lua_State *L)
{
    luaL_checkany(L, 1);
    bool pretty = lua_istable(L, 2) && (lua_getfield(L, 2, "pretty"), lua_toboolean(L, -1));
    cJSON *tree = json_from_lua(L, 1, NULL);
    if (!tree)
        return luaL_error(L, "json.encode: %s", lua_tostring(L, -1));
    char *text = pretty ? cJSON_Print(tree) : cJSON_PrintUnformatted(tree);
    cJSON_Delete(tree);
    if (!text)
        return luaL_error(L, "out of memory");
    lua_pushstring(L, text);
    cJSON_free(text);
    return 1;
}

/* json.decode(text) → value | nil, err */
static int decode(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len), *end = NULL;
    cJSON *tree = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    const char *rest = tree ? end : NULL;
    while (rest && rest < text + len && strchr(" \t\r\n", *rest) && *rest)
        rest++;
    if (!tree || rest < text + len) {
        struct err e;
        err_clear(&e);
        err_set(&e, "JsonError", "this is not JSON: it cannot be read from byte %ld on",
                (long)((tree ? rest : end ? end : text) - text + 1));
        cJSON_Delete(tree);
        return fail_with(L, &e);
    }
    json_guard(L, tree);
    json_to_lua(L, tree);
    return 1;
}

/* json.array(table?) marks a table as a list, also when it is empty */
static int array(lua_State *L)
{
    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 1);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_setmetatable(L, ARRAY_TYPE);
    return 1;
}

int open_native_json(lua_State *L)
{
    static const luaL_Reg functions[] = {{"encode", encode}, {"decode", decode}, {"array", array}, {NULL, NULL}};
    luaL_newmetatable(L, ARRAY_TYPE); /* luaL_newmetatable sets __name, by which is_array knows it */
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, (void *)&null_tag);
    lua_setfield(L, -2, "null");
    return 1;
}
