/* options: tables of options, checked the same way everywhere. */
#include <math.h>
#include <string.h>

#include "bindings/app.h"
#include "core/operations.h"

void check_options(lua_State *L, int index, const char *what, const char *const *known)
{
    if (!lua_istable(L, index))
        luaL_error(L, "%s: a table of options is needed, not %s", what, luaL_typename(L, index));
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "%s: options are given by name", what);
        const char *name = lua_tostring(L, -1);
        const char *const *k = known;
        while (*k && strcmp(*k, name) != 0)
            k++;
        if (!*k) {
            const char *near = nearest_name(name, known);
            if (near)
                luaL_error(L, "%s: unknown option \"%s\" (did you mean \"%s\"?)", what, name, near);
            luaL_error(L, "%s: unknown option \"%s\"", what, name);
        }
    }
}

static int get(lua_State *L, int index, const char *what, const char *name, int type)
{
    int got = lua_getfield(L, index, name);
    if (got != LUA_TNIL && got != type)
        luaL_error(L, "%s: option \"%s\" must be a %s, not a %s", what, name, lua_typename(L, type),
                   luaL_typename(L, -1));
    return got;
}

const char *option_string(lua_State *L, int index, const char *what, const char *name, const char *fallback)
{
    const char *text = get(L, index, what, name, LUA_TSTRING) == LUA_TNIL ? fallback : lua_tostring(L, -1);
    lua_pop(L, 1); /* the table keeps the string */
    return text;
}

const char *need_string(lua_State *L, int index, const char *what, const char *name)
{
    const char *text = option_string(L, index, what, name, NULL);
    if (!text)
        luaL_error(L, "%s: option \"%s\" is required", what, name);
    return text;
}

double option_number(lua_State *L, int index, const char *what, const char *name, double fallback)
{
    double number = get(L, index, what, name, LUA_TNUMBER) == LUA_TNIL ? fallback : lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (isnan(number))
        luaL_error(L, "%s: option \"%s\" is not a number (0/0)", what, name);
    return number;
}

long option_integer(lua_State *L, int index, const char *what, const char *name, long min, long max, long fallback)
{
    int is_whole;
    int type = get(L, index, what, name, LUA_TNUMBER);
    lua_Integer number = type == LUA_TNIL ? fallback : lua_tointegerx(L, -1, &is_whole);
    if (type != LUA_TNIL && (!is_whole || number < min || number > max))
        luaL_error(L, "%s: option \"%s\" must be a whole number from %I to %I, not %s", what, name, (LUAI_UACINT)min, (LUAI_UACINT)max,
                   luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    return (long)number;
}

bool option_boolean(lua_State *L, int index, const char *what, const char *name, bool fallback)
{
    bool value = get(L, index, what, name, LUA_TBOOLEAN) == LUA_TNIL ? fallback : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

long option_timeout_ms(lua_State *L, int index, const char *what, const char *name)
{
    double seconds = option_number(L, index, what, name, 0);
    if (seconds < 0 || seconds > 1e6)
        luaL_error(L, "%s: option \"%s\" is in seconds, from 0 to 1000000", what, name);
    return seconds > 0 && seconds < 0.001 ? 1 : (long)(seconds * 1000);
}

bool option_function(lua_State *L, int index, const char *what, const char *name)
{
    int type = lua_getfield(L, index, name);
    if (type == LUA_TFUNCTION || luaL_getmetafield(L, -1, "__call") != LUA_TNIL) {
        if (type != LUA_TFUNCTION)
            lua_pop(L, 1);
        return true;
    }
    if (type != LUA_TNIL)
        luaL_error(L, "%s: option \"%s\" must be a function, not a %s", what, name, lua_typename(L, type));
    lua_pop(L, 1);
    return false;
}
