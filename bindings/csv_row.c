/* csv_row: the row object of upjob.csv: a view of the record that its reader has read last. */
#include <string.h>

#include "bindings/csv.h"
#include "core/operations.h"

#define ROW_TYPE "upjob.csv.row"

bool csv_is_row(lua_State *L, int index)
{
    return luaL_testudata(L, index, ROW_TYPE) != NULL;
}

void csv_push_row(lua_State *L, int reader_index)
{
    lua_newuserdatauv(L, 0, 1);
    luaL_setmetatable(L, ROW_TYPE);
    lua_pushvalue(L, reader_index);
    lua_setiuservalue(L, -2, 1);
}

static void push_cell(lua_State *L, const struct csv_row *row, lua_Integer i)
{
    struct csv_slice cell = csv_cell(row, (size_t)i);
    lua_pushlstring(L, cell.data, cell.len);
}

/* Pushes the table from column name to index, made once; raises the reader's error. */
static void push_columns(lua_State *L, int index, struct reader *reader)
{
    const struct csv_row *header;
    struct err e;
    if (lua_getiuservalue(L, index, READER_COLUMNS) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    err_clear(&e);
    if (!csv_reader_header(reader->csv, &header, &e))
        raise_err(L, &e);
    lua_createtable(L, 0, (int)header->count);
    for (size_t i = header->count; i > 0; i--) { /* of two with one name the first is meant */
        push_cell(L, header, (lua_Integer)i - 1);
        lua_pushinteger(L, (lua_Integer)i);
        lua_rawset(L, -3);
    }
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, index, READER_COLUMNS);
}

const struct csv_row *csv_check_row(lua_State *L, int index, int *reader_index)
{
    luaL_checkudata(L, index, ROW_TYPE);
    lua_getiuservalue(L, index, 1);
    *reader_index = lua_gettop(L);
    struct reader *reader = lua_touserdata(L, -1);
    if (!reader->row)
        luaL_error(L, "this row is gone: it is valid until the next one is read (keep it with csv.copy(row))");
    return reader->row;
}

/* Raises for a name that no column has: a misspelt column must not read as an empty one. */
static void no_such_column(lua_State *L, int columns, const char *name)
{
    size_t count = 0;
    lua_pushnil(L);
    for (; lua_next(L, columns); count++)
        lua_pop(L, 1);
    const char **names = lua_newuserdatauv(L, (count + 1) * sizeof *names, 0);
    size_t at = 0;
    lua_pushnil(L);
    while (lua_next(L, columns)) {
        lua_pop(L, 1);
        names[at++] = lua_tostring(L, -1);
    }
    names[at] = NULL;
    const char *near = nearest_name(name, names);
    if (near)
        luaL_error(L, "there is no column \"%s\" (did you mean \"%s\"?)", name, near);
    luaL_error(L, "there is no column \"%s\"", name);
}

/* The cell that a name or an index means; false when the row is too short for it. */
static bool find_cell(lua_State *L, int row_index, int key_index, struct csv_slice *cell)
{
    int reader_index;
    const struct csv_row *row = csv_check_row(L, row_index, &reader_index);
    lua_Integer column = 0;
    if (lua_isinteger(L, key_index)) {
        column = lua_tointeger(L, key_index);
    } else if (lua_type(L, key_index) == LUA_TSTRING) {
        push_columns(L, reader_index, lua_touserdata(L, reader_index));
        lua_pushvalue(L, key_index);
        if (lua_rawget(L, -2) != LUA_TNUMBER)
            no_such_column(L, lua_gettop(L) - 1, lua_tostring(L, key_index));
        column = lua_tointeger(L, -1);
    } else {
        luaL_error(L, "a column is a name or an index, not a %s", luaL_typename(L, key_index));
    }
    if (column < 1 || (size_t)column > row->count)
        return false;
    *cell = csv_cell(row, (size_t)column - 1);
    return true;
}

static int row_index(lua_State *L)
{
    struct csv_slice cell;
    if (!find_cell(L, 1, 2, &cell))
        return 0;
    lua_pushlstring(L, cell.data, cell.len);
    return 1;
}

static int row_length(lua_State *L)
{
    int reader_index;
    lua_pushinteger(L, (lua_Integer)csv_check_row(L, 1, &reader_index)->count);
    return 1;
}

/* Pushes the name of column i (from 1), or i itself where there is no header or the row is longer. */
static void push_column_name(lua_State *L, struct reader *reader, lua_Integer i)
{
    const struct csv_row *header = NULL;
    struct err e;
    err_clear(&e);
    if (!reader->no_header && csv_reader_header(reader->csv, &header, &e) && (size_t)i <= header->count)
        push_cell(L, header, i - 1);
    else
        lua_pushinteger(L, i);
}

/* pairs(row): column name, cell, in the file's order */
static int row_next(lua_State *L)
{
    int reader_index;
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(1)) + 1;
    const struct csv_row *row = csv_check_row(L, 1, &reader_index);
    lua_pushinteger(L, i);
    lua_replace(L, lua_upvalueindex(1));
    if ((size_t)i > row->count)
        return 0;
    push_column_name(L, lua_touserdata(L, reader_index), i);
    push_cell(L, row, i - 1);
    return 2;
}

static int row_pairs(lua_State *L)
{
    luaL_checkudata(L, 1, ROW_TYPE);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, row_next, 1);
    lua_pushvalue(L, 1);
    return 2;
}

static int row_tostring(lua_State *L)
{
    int reader_index;
    const struct csv_row *row = csv_check_row(L, 1, &reader_index);
    lua_pushfstring(L, "csv row: line %d, %d cells", (int)row->line, (int)row->count);
    return 1;
}

/* copy(row) → a table to keep: the cells by name and by index */
int csv_copy_row(lua_State *L)
{
    int reader_index;
    const struct csv_row *row = csv_check_row(L, 1, &reader_index);
    struct reader *reader = lua_touserdata(L, reader_index);
    lua_createtable(L, (int)row->count, (int)row->count);
    for (size_t i = row->count; i > 0; i--) {
        push_cell(L, row, (lua_Integer)i - 1);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer)i);
        push_column_name(L, reader, (lua_Integer)i);
        lua_insert(L, -2);
        lua_rawset(L, -3);
    }
    return 1;
}

/* number(row, column) → the cell as a number, nil when it is not one; no guessing of separators */
int csv_number(lua_State *L)
{
    char text[64];
    struct csv_slice cell;
    if (!find_cell(L, 1, 2, &cell) || cell.len == 0 || cell.len >= sizeof text)
        return 0;
    memcpy(text, cell.data, cell.len);
    text[cell.len] = '\0';
    return lua_stringtonumber(L, text) == cell.len + 1;
}

/* equals(row, column, text) → boolean, without making a string of the cell */
int csv_equals(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 3, &len);
    struct csv_slice cell;
    lua_pushboolean(L, find_cell(L, 1, 2, &cell) && cell.len == len && memcmp(cell.data, text, len) == 0);
    return 1;
}

void csv_open_rows(lua_State *L)
{
    static const luaL_Reg row_meta[] = {{"__index", row_index}, {"__len", row_length}, {"__pairs", row_pairs},
                                        {"__tostring", row_tostring}, {NULL, NULL}};
    luaL_newmetatable(L, ROW_TYPE);
    luaL_setfuncs(L, row_meta, 0);
    lua_pop(L, 1);
}
