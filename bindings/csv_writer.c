/* csv_writer: the writer object of upjob.csv. */
#include "bindings/csv.h"

#define WRITER_TYPE "upjob.csv.writer"
#define MOST_CELLS  ((lua_Integer)1 << 24) /* of a list, which may say any length */

struct writer {
    struct csv_writer *csv;
};

/* writer(path, options?) → writer | nil, err */
int csv_make_writer(lua_State *L)
{
    struct err e;
    err_clear(&e);
    const char *path = luaL_checkstring(L, 1);
    lua_settop(L, 2);
    static const char *const known[] = {"delimiter", "quote", NULL};
    struct csv_options options = csv_read_options(L, 2, "csv.writer", known);
    struct writer *writer = lua_newuserdatauv(L, sizeof *writer, 0);
    writer->csv = NULL;
    luaL_setmetatable(L, WRITER_TYPE);
    writer->csv = csv_writer_open(path, &options, &e);
    return writer->csv ? 1 : fail_with(L, &e);
}

static struct writer *check_writer(lua_State *L)
{
    struct writer *writer = luaL_checkudata(L, 1, WRITER_TYPE);
    if (!writer->csv)
        luaL_error(L, "the CSV writer is closed");
    return writer;
}

static size_t list_length(lua_State *L, int index)
{
    lua_Integer length = luaL_len(L, index);
    if (length < 0 || length > MOST_CELLS)
        luaL_error(L, "writer:write: a list has from 0 to %I cells, not %I", (LUAI_UACINT)MOST_CELLS, (LUAI_UACINT)length);
    return (size_t)length;
}

/* The cells of a list of strings and numbers; nil within it is an empty cell up to #list. */
static struct csv_slice *list_cells(lua_State *L, int index, size_t *count)
{
    *count = list_length(L, index);
    struct csv_slice *cells = lua_newuserdatauv(L, (*count + 1) * sizeof *cells, 1);
    lua_createtable(L, (int)*count, 0); /* keeps the strings made of numbers */
    for (size_t i = 0; i < *count; i++) {
        int type = lua_geti(L, index, (lua_Integer)i + 1);
        if (type == LUA_TNIL) {
            lua_pop(L, 1);
            lua_pushliteral(L, "");
        } else if (type != LUA_TSTRING && type != LUA_TNUMBER) {
            luaL_error(L, "writer:write: cell %d is a %s: cells are strings or numbers", (int)i + 1,
                       lua_typename(L, type));
        }
        cells[i].data = lua_tolstring(L, -1, &cells[i].len);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setiuservalue(L, -2, 1);
    return cells;
}

/* write(list or row) → true | nil, err */
static int writer_write(lua_State *L)
{
    struct writer *writer = check_writer(L);
    struct err e;
    bool ok;
    err_clear(&e);
    lua_settop(L, 2);
    if (csv_is_row(L, 2)) {
        const struct csv_row *row = csv_check_row(L, 2);
        ok = csv_writer_record(writer->csv, row, &e);
    } else {
        size_t count;
        luaL_checktype(L, 2, LUA_TTABLE);
        const struct csv_slice *cells = list_cells(L, 2, &count);
        (void)check_writer(L); /* the list's metamethods may have closed it */
        ok = csv_writer_row(writer->csv, cells, count, &e);
    }
    if (!ok)
        return fail_with(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* close() → true | nil, err: what could not be written is told here */
static int writer_close(lua_State *L)
{
    struct writer *writer = luaL_checkudata(L, 1, WRITER_TYPE);
    struct err e;
    err_clear(&e);
    bool ok = !writer->csv || csv_writer_close(writer->csv, &e);
    csv_writer_free(writer->csv);
    writer->csv = NULL;
    if (!ok)
        return fail_with(L, &e);
    lua_pushboolean(L, 1);
    return 1;
}

/* Leaving the block: an error of closing must not pass unseen. */
static int writer_leave(lua_State *L)
{
    lua_settop(L, 1);
    if (writer_close(L) == 2)
        return lua_error(L);
    return 0;
}

static int writer_collect(lua_State *L)
{
    struct writer *writer = luaL_checkudata(L, 1, WRITER_TYPE);
    csv_writer_free(writer->csv);
    writer->csv = NULL;
    return 0;
}

void csv_open_writers(lua_State *L)
{
    static const luaL_Reg writer_methods[] = {{"write", writer_write}, {"close", writer_close}, {NULL, NULL}};
    static const luaL_Reg writer_meta[] = {{"__gc", writer_collect}, {"__close", writer_leave}, {NULL, NULL}};
    luaL_newmetatable(L, WRITER_TYPE);
    luaL_setfuncs(L, writer_meta, 0);
    luaL_newlib(L, writer_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
