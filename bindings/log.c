/* log: upjob.native.log. */
#include "core/log.h"

#include <stdlib.h>
#include <string.h>

#include "bindings/app.h"

#define MOST_FIELDS 64

static const char *const levels[] = {"error", "warn", "info", "debug", "trace", NULL};

static enum log_level check_level(lua_State *L, int index)
{
    return (enum log_level)luaL_checkoption(L, index, NULL, levels);
}

static struct log_field field_of(lua_State *L, int index, const char *name)
{
    struct log_field field = {.name = name, .kind = LOG_STRING};
    if (lua_isinteger(L, index)) {
        field.kind = LOG_INTEGER;
        field.integer = lua_tointeger(L, index);
    } else if (lua_type(L, index) == LUA_TNUMBER) {
        field.kind = LOG_NUMBER;
        field.number = lua_tonumber(L, index);
    } else if (lua_isboolean(L, index)) {
        field.kind = LOG_BOOLEAN;
        field.boolean = lua_toboolean(L, index);
    } else {
        field.text = luaL_checklstring(L, index, &field.len);
    }
    return field;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct log_field *)a)->name, ((const struct log_field *)b)->name);
}

/* The fields of the table at `index`, or none: by name, so that lines look alike. The table keeps their texts. */
static struct log_fields check_fields(lua_State *L, int index, struct log_field list[MOST_FIELDS])
{
    struct log_fields fields = {list, 0};
    if (lua_isnoneornil(L, index))
        return fields;
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (fields.count < MOST_FIELDS && lua_next(L, index)) {
        luaL_checktype(L, -2, LUA_TSTRING);
        list[fields.count++] = field_of(L, lua_gettop(L), lua_tostring(L, -2));
        lua_pop(L, 1);
    }
    qsort(list, fields.count, sizeof *list, by_name);
    return fields;
}

/* write(level, text, fields?, hides?): when the level is in force. fields: a table of strings, numbers and booleans by name; with
 * `hides` text does not show them. */
static int native_write(lua_State *L)
{
    struct log_field list[MOST_FIELDS];
    size_t len;
    enum log_level level = check_level(L, 1);
    const char *text = luaL_checklstring(L, 2, &len);
    struct log_fields fields = check_fields(L, 3, list);
    log_event(level, text, len, &fields, !lua_toboolean(L, 4));
    return 0;
}

/* line(level, text, fields?, prefix?) → the line with its end, for standard error; text shows neither level nor fields, but the
 * prefix, "upjob: " when it is not given */
static int native_line(lua_State *L)
{
    struct log_field list[MOST_FIELDS];
    size_t size;
    struct log_line line = {.level = check_level(L, 1), .prefix = luaL_optstring(L, 4, "upjob: "), .what = ""};
    line.text = luaL_checklstring(L, 2, &line.len);
    line.fields = check_fields(L, 3, list);
    char *text = log_compose(&line, &size);
    if (!text)
        return luaL_error(L, "out of memory");
    lua_pushlstring(L, text, size);
    free(text);
    return 1;
}

/* context(fields): those of every line from now on, in JSON */
static int native_context(lua_State *L)
{
    struct log_field list[MOST_FIELDS];
    struct log_fields fields = check_fields(L, 1, list);
    return log_set_context(&fields) ? 0 : luaL_error(L, "out of memory");
}

/* progress(text?): the line of progress on the terminal that is standard error, in place of the one before; none: no line. What is
 * logged takes its place. */
static int native_progress(lua_State *L)
{
    const char *text = luaL_optstring(L, 1, NULL);
    log_progress(false);
    fprintf(stderr, LOG_CLEARS_LINE "%s", text ? text : "");
    fflush(stderr);
    log_progress(text != NULL);
    return 0;
}

/* level(name?) → the level in force */
static int native_level(lua_State *L)
{
    if (!lua_isnoneornil(L, 1))
        log_set_level(check_level(L, 1));
    lua_pushstring(L, log_level_name(log_get_level()));
    return 1;
}

/* format("text" | "json" | nil) → the format in force. Programs of ours that are started from now on have it too: it belongs to the
 * start of a program, as no other thread may look at the environment meanwhile. */
static int native_format(lua_State *L)
{
    static const char *const formats[] = {"text", "json", NULL};
    if (!lua_isnoneornil(L, 1)) {
        int format = luaL_checkoption(L, 1, NULL, formats);
        log_set_format((enum log_format)format);
        setenv("UPJOB_LOG_FORMAT", formats[format], 1);
    }
    lua_pushstring(L, formats[log_get_format()]);
    return 1;
}

int open_native_log(lua_State *L)
{
    static const luaL_Reg functions[] = {{"write", native_write},     {"line", native_line},     {"level", native_level},
                                         {"context", native_context}, {"format", native_format},
                                         {"progress", native_progress}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
