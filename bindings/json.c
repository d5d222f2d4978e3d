#include "bindings/json.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/app.h"
#include "core/json_text.h"
#include "core/utf8.h"

#define ARRAY_TYPE "upjob.json.array"
#define DEPTH_SHOWN 4 /* of the place of a table that is nested too deeply */

static const char null_tag;

/* ---- Lua to JSON ---- */

/* Where in the value a part of it stands, as a chain up to the whole, whose place is NULL. */
struct place {
    const struct place *above;
    const char *name;  /* of a field, or NULL: */
    lua_Integer index; /* of a list item, from 1 as in Lua */
    int depth;
};

static cJSON *from_value(lua_State *L, int index, const struct shape *shape, const struct place *place);

/* Pushes "Fields.email.Source", "Values[2]", or "" for the whole. */
static void push_place(lua_State *L, const struct place *place)
{
    if (!place) {
        lua_pushliteral(L, "");
        return;
    }
    push_place(L, place->above);
    if (place->name)
        lua_pushfstring(L, place->above ? "%s.%s" : "%s%s", lua_tostring(L, -1), place->name);
    else
        lua_pushfstring(L, "%s[%I]", lua_tostring(L, -1), (LUAI_UACINT)place->index);
    lua_remove(L, -2);
}

/* Frees what was made so far and leaves the message, after where it is about. Always NULL. */
static cJSON *fail(lua_State *L, cJSON *tree, const struct place *place, const char *format, ...)
{
    va_list args;
    cJSON_Delete(tree);
    push_place(L, place);
    if (place)
        lua_pushliteral(L, ": ");
    va_start(args, format);
    lua_pushvfstring(L, format, args);
    va_end(args);
    lua_concat(L, place ? 3 : 2);
    return NULL;
}

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

static cJSON *from_array(lua_State *L, int index, const struct shape *shape, const struct place *place)
{
    cJSON *list = cJSON_CreateArray();
    struct place here = {.above = place, .depth = place ? place->depth + 1 : 1};
    lua_Integer n = (lua_Integer)lua_rawlen(L, index), count = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        count++;
        if (!lua_isinteger(L, -1))
            return fail(L, list, place, "a table with both list items and named fields cannot be JSON");
    }
    if (count != n)
        return fail(L, list, place, "a list with holes cannot be JSON");
    for (here.index = 1; here.index <= n; here.index++) {
        lua_rawgeti(L, index, here.index);
        cJSON *item = from_value(L, lua_gettop(L), shape ? shape->value : NULL, &here);
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

/* What cannot be the text of a string or of a name, told as a failure of `place`; the values of API calls are checked by
 * their shapes, which say it as an error of the call. */
static bool is_text(lua_State *L, const char *what, const char *text, size_t len, const struct shape *shape, cJSON *tree,
                    const struct place *place)
{
    size_t at = strlen(text);
    if (at != len)
        fail(L, tree, place, "%s with a NUL byte cannot be JSON here (byte %d)", what, (int)at + 1);
    else if (!shape && !utf8_valid(text, len, &at))
        fail(L, tree, place, "%s that is not UTF-8 cannot be JSON (byte %d)", what, (int)at + 1);
    else
        return true;
    return false;
}

/* The names of the table's fields, in order, so that the same table gives the same text: a userdata on the stack. NULL with
 * the message when one cannot be a name. */
static const char **sorted_names(lua_State *L, int index, cJSON *object, const struct place *place, size_t *count)
{
    *count = 0;
    lua_pushnil(L);
    for (; lua_next(L, index); ++*count) {
        size_t len;
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING) {
            fail(L, object, place, "a table with both named fields and other keys cannot be JSON");
            return NULL;
        }
        const char *name = lua_tolstring(L, -1, &len);
        if (!is_text(L, "a field's name", name, len, NULL, object, place))
            return NULL;
    }
    const char **names = lua_newuserdatauv(L, (*count + 1) * sizeof *names, 0);
    size_t at = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        names[at++] = lua_tostring(L, -1);
    }
    qsort(names, *count, sizeof *names, by_text);
    return names;
}

static cJSON *from_object(lua_State *L, int index, const struct shape *shape, const struct place *place)
{
    cJSON *object = cJSON_CreateObject();
    struct place here = {.above = place, .depth = place ? place->depth + 1 : 1};
    size_t count;
    const char **names = sorted_names(L, index, object, place, &count);
    if (!names)
        return NULL;
    for (size_t at = 0; at < count; at++) {
        here.name = names[at];
        lua_getfield(L, index, names[at]);
        cJSON *item = from_value(L, lua_gettop(L), member_shape(shape, names[at]), &here);
        if (!item) {
            cJSON_Delete(object);
            return NULL;
        }
        lua_pop(L, 1);
        cJSON_AddItemToObject(object, names[at], item);
    }
    lua_pop(L, 1);
    return object;
}

static cJSON *from_number(lua_State *L, int index, const struct shape *shape, const struct place *place)
{
    double number = lua_tonumber(L, index);
    if (isnan(number) || isinf(number))
        return fail(L, NULL, place, "a number that is not finite cannot be JSON");
    if (lua_isinteger(L, index) && fabs(number) >= 9007199254740992.0 && !shape) {
        char text[32]; /* doubles have no room for it; a shape has its limits, which are checked as numbers */
        snprintf(text, sizeof text, "%lld", (long long)lua_tointeger(L, index));
        return cJSON_CreateRaw(text);
    }
    return cJSON_CreateNumber(number);
}

static cJSON *from_table(lua_State *L, int index, const struct shape *shape, const struct place *place)
{
    if (place && place->depth > JSON_MAX_DEPTH) {
        while (place->depth > DEPTH_SHOWN)
            place = place->above;
        return fail(L, NULL, place, "tables are nested too deeply (in a circle?) to be JSON");
    }
    return is_array(L, index, shape) ? from_array(L, index, shape, place) : from_object(L, index, shape, place);
}

static cJSON *from_value(lua_State *L, int index, const struct shape *shape, const struct place *place)
{
    luaL_checkstack(L, 12, "tables are nested too deeply");
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        return cJSON_CreateNull();
    case LUA_TBOOLEAN:
        return cJSON_CreateBool(lua_toboolean(L, index));
    case LUA_TNUMBER:
        return from_number(L, index, shape, place);
    case LUA_TSTRING: {
        size_t len;
        const char *text = lua_tolstring(L, index, &len);
        return is_text(L, "a string", text, len, shape, NULL, place) ? cJSON_CreateString(text) : NULL;
    }
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index) == &null_tag)
            return cJSON_CreateNull();
        break;
    case LUA_TTABLE:
        return from_table(L, index, shape, place);
    default:
        break;
    }
    return fail(L, NULL, place, "a %s cannot be JSON", luaL_typename(L, index));
}

cJSON *json_from_lua(lua_State *L, int index, const struct shape *shape)
{
    int top = lua_gettop(L);
    cJSON *tree = from_value(L, lua_absindex(L, index), shape, NULL);
    if (!tree)
        lua_rotate(L, top + 1, 1); /* the message, which is on top */
    lua_settop(L, tree ? top : top + 1);
    return tree;
}

/* ---- JSON to Lua ---- */

/* The next number of the text, and *text behind it. Outside strings only numbers have digits. */
static const char *next_number(const char **text)
{
    const char *at = *text;
    while (*at != '-' && !isdigit((unsigned char)*at))
        if (*at++ == '"')
            for (; *at++ != '"';)
                at += at[-1] == '\\';
    *text = at + strspn(at, "+-.0123456789eE");
    return at;
}

/* A double is not exact from 2^53 on: a longer integer is taken from the text, where there is one. */
static void push_number(lua_State *L, double number, const char **text)
{
    const char *start = text ? next_number(text) : NULL;
    char *end = NULL;
    errno = 0;
    lua_Integer integer = start ? strtoll(start, &end, 10) : 0;
    if (start && end == *text && errno == 0)
        lua_pushinteger(L, integer);
    else if (number == floor(number) && fabs(number) < 9007199254740992.0) /* from there on doubles have gaps */
        lua_pushinteger(L, (lua_Integer)number);
    else
        lua_pushnumber(L, number);
}

/* text: what of the JSON text was not yet read, in which numbers stand in the order of the tree, or NULL. */
static void push_value(lua_State *L, const cJSON *value, const char **text)
{
    luaL_checkstack(L, 8, "JSON is nested too deeply");
    if (cJSON_IsObject(value)) {
        lua_newtable(L);
        for (const cJSON *item = value->child; item; item = item->next) {
            if (cJSON_IsNull(item))
                continue;
            push_value(L, item, text);
            lua_setfield(L, -2, item->string);
        }
    } else if (cJSON_IsArray(value)) {
        lua_newtable(L);
        lua_Integer i = 1;
        for (const cJSON *item = value->child; item; item = item->next) {
            push_value(L, item, text);
            lua_rawseti(L, -2, i++);
        }
        luaL_setmetatable(L, ARRAY_TYPE);
    } else if (cJSON_IsString(value)) {
        lua_pushstring(L, value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        push_number(L, value->valuedouble, text);
    } else if (cJSON_IsBool(value)) {
        lua_pushboolean(L, cJSON_IsTrue(value));
    } else {
        lua_pushlightuserdata(L, (void *)&null_tag);
    }
}

void json_to_lua(lua_State *L, const cJSON *value)
{
    push_value(L, value, NULL);
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
    char *text = json_text(tree, pretty);
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
    push_value(L, tree, &text);
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
