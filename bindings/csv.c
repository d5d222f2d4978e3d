/* csv: upjob.csv: a streaming reader and a writer. A row is a view of the reader's buffer: a cell becomes a Lua string
 * only when it is touched. Here readers are opened and closed. */
#include <string.h>
#include <strings.h>

#include "bindings/csv.h"

#define READER_TYPE "upjob.csv.reader"

struct reader *csv_check_reader(lua_State *L, int index)
{
    struct reader *reader = luaL_checkudata(L, index, READER_TYPE);
    csv_check_free(L, reader);
    return reader;
}

void csv_check_free(lua_State *L, const struct reader *reader)
{
    if (reader->closed)
        luaL_error(L, "the CSV reader is closed");
    if (reader->rest)
        luaL_error(L, "the CSV reader is counting or sampling: wait for that call to return");
    if (reader->waiting)
        luaL_error(L, "another task waits for what the CSV reader reads next");
    if (reader->asking)
        luaL_error(L, "the CSV reader waits for the function that gives its text: it cannot be used meanwhile");
}

/* ---- opening ---- */

static unsigned char one_byte(lua_State *L, int index, const char *what, const char *name)
{
    size_t len = 0;
    const char *text = option_string(L, index, what, name, NULL);
    if (!text)
        return 0;
    len = strlen(text);
    if (len != 1)
        luaL_error(L, "%s: option \"%s\" must be one byte, such as \",\" or \"\\t\"", what, name);
    return (unsigned char)text[0];
}

struct csv_options csv_read_options(lua_State *L, int index, const char *what, const char *const *known)
{
    struct csv_options options = {0};
    struct err e;
    err_clear(&e);
    if (lua_isnoneornil(L, index))
        return options;
    check_options(L, index, what, known);
    options.delimiter = one_byte(L, index, what, "delimiter");
    options.quote = one_byte(L, index, what, "quote");
    options.trim = option_boolean(L, index, what, "trim", false);
    if (!csv_options_check(&options, &e))
        luaL_error(L, "%s: %s", what, e.message);
    return options;
}

/* The closed handle first; what can fail fills it. */
static struct reader *new_reader(lua_State *L, int options_index, const char *what, struct csv_options *options)
{
    static const char *const of_text[] = {"header", "delimiter", "quote", "trim", "strict", "max_record", "on_error",
                                          "check_rows", NULL};
    static const char *const of_files[] = {"header", "delimiter", "quote", "trim", "strict", "max_record", "on_error",
                                           "check_rows", "encoding", NULL};
    *options = csv_read_options(L, options_index, what, strcmp(what, "csv.parse") == 0 ? of_text : of_files);
    struct reader *reader = lua_newuserdatauv(L, sizeof *reader, READER_VALUES);
    memset(reader, 0, sizeof *reader);
    luaL_setmetatable(L, READER_TYPE);
    if (!lua_istable(L, options_index))
        return reader;
    reader->no_header = options->no_header = !option_boolean(L, options_index, what, "header", true);
    options->strict = option_boolean(L, options_index, what, "strict", false);
    options->max_record = (size_t)option_integer(L, options_index, what, "max_record", 1, (long)CSV_MAX_RECORD_MOST, 0);
    reader->check_rows = option_boolean(L, options_index, what, "check_rows", false);
    if (option_function(L, options_index, what, "on_error"))
        lua_setiuservalue(L, -2, READER_ON_ERROR);
    return reader;
}


static bool is_callable(lua_State *L, int index)
{
    if (lua_isfunction(L, index))
        return true;
    if (luaL_getmetafield(L, index, "__call") == LUA_TNIL)
        return false;
    lua_pop(L, 1);
    return true;
}

/* Fetches the object whose address is at index 1, with the keys of the command line's profile. False with nil and its error
 * pushed; the input is NULL with *e otherwise. */
static bool open_object(lua_State *L, struct reader *reader, const struct input_options *from, struct err *e)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, "upjob.source") == LUA_TNIL) {
        lua_getglobal(L, "require");
        lua_pushstring(L, "upjob.source");
        lua_call(L, 1, 1);
    }
    lua_getfield(L, -1, "of");
    lua_pushvalue(L, 1);
    lua_newtable(L);
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2))
        return false;
    lua_settop(L, lua_gettop(L) - 1);
    lua_getfield(L, -1, "fd");
    reader->input = input_open_file((int)lua_tointeger(L, -1), lua_tostring(L, 1), from, e);
    lua_pop(L, 1);
    luaL_callmeta(L, -1, "__close");
    return true;
}

/* open(path or function, options?) → reader | nil, err. A path may be s3://bucket/key. */
static int csv_open(lua_State *L)
{
    struct csv_options options;
    struct err e;
    err_clear(&e);
    lua_settop(L, 2);
    bool asks = is_callable(L, 1);
    if (!asks && lua_type(L, 1) != LUA_TSTRING)
        return luaL_typeerror(L, 1, "path or function");
    struct reader *reader = new_reader(L, 2, "csv.open", &options);
    struct input_options from = {.encoding = lua_istable(L, 2) ? option_string(L, 2, "csv.open", "encoding", NULL) : NULL};
    if (!asks && strncasecmp(lua_tostring(L, 1), "s3://", 5) == 0) {
        if (!open_object(L, reader, &from, &e))
            return 2;
    } else if (asks) {
        lua_pushvalue(L, 1);
        lua_setiuservalue(L, -2, READER_ASK);
        reader->asks = true;
        reader->input = input_open_source(csv_give_text, reader, "the function's text", &from, &e);
    } else {
        reader->input = input_open(lua_tostring(L, 1), &from, &e);
    }
    lua_settop(L, 3);
    if (reader->input)
        reader->csv = csv_reader_new(input_read, reader->input, input_name(reader->input), &options, &e);
    return reader->csv ? 1 : fail_with(L, &e);
}

/* parse(text, options?) → reader over a string */
static int csv_parse_text(lua_State *L)
{
    struct csv_options options;
    struct err e;
    err_clear(&e);
    luaL_checktype(L, 1, LUA_TSTRING);
    lua_settop(L, 2);
    struct reader *reader = new_reader(L, 2, "csv.parse", &options);
    csv_set_text(L, lua_gettop(L), 1);
    reader->text_ended = true;
    reader->csv = csv_reader_new(csv_give_text, reader, "text", &options, &e);
    return reader->csv ? 1 : fail_with(L, &e);
}

/* ---- errors ---- */

void csv_push_error(lua_State *L, const struct reader *reader, const struct err *e)
{
    if (reader->ask_failed && err_is(e, ERR_FILE))
        lua_getiuservalue(L, 1, READER_FAILURE);
    else
        push_err(L, e);
}

void csv_tell_error(lua_State *L, int index, const struct err *e)
{
    if (lua_getiuservalue(L, index, READER_ON_ERROR) == LUA_TNIL)
        raise_err(L, e);
    push_err(L, e);
    lua_call(L, 1, 0);
}

/* ---- closing ---- */

void csv_free_closed(struct reader *reader)
{
    csv_reader_free(reader->csv);
    reader->csv = NULL;
    input_close(reader->input);
    reader->input = NULL;
}

/* Also while it is counting or waiting, in whichever task: that ends then, and with a count's slice the reader is freed. */
static int reader_close(lua_State *L)
{
    struct reader *reader = luaL_checkudata(L, 1, READER_TYPE);
    reader->closed = true;
    reader->row = NULL;
    if (reader->waiting)
        csv_stop_waiting(reader);
    if (reader->rest)
        csv_rest_closed(reader->rest);
    else
        csv_free_closed(reader);
    return 0;
}

/* reader.line, and methods */
static int reader_index(lua_State *L)
{
    struct reader *reader = luaL_checkudata(L, 1, READER_TYPE);
    if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "line") == 0) {
        lua_pushinteger(L, reader->line);
        return 1;
    }
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
}

int open_native_csv(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open", csv_open},       {"parse", csv_parse_text}, {"writer", csv_make_writer},
                                         {"copy", csv_copy_row},   {"number", csv_number},    {"equals", csv_equals},
                                         {NULL, NULL}};
    static const luaL_Reg reader_methods[] = {{"header", csv_reader_header_names}, {"rows", csv_reader_rows},
                                              {"columns", csv_reader_columns},     {"count", csv_reader_count_rest},
                                              {"sample", csv_reader_sample},       {"close", reader_close},
                                              {NULL, NULL}};
    static const luaL_Reg reader_meta[] = {{"__gc", reader_close}, {"__close", reader_close}, {NULL, NULL}};
    luaL_newmetatable(L, READER_TYPE);
    luaL_setfuncs(L, reader_meta, 0);
    luaL_newlib(L, reader_methods);
    lua_pushcclosure(L, reader_index, 1);
    lua_setfield(L, -2, "__index");
    csv_open_writers(L);
    luaL_newlib(L, functions);
    return 1;
}
