/* csv_row: the row object of upjob.csv: a view of the record that its reader has read last. Each reader has a metatable of its
 * own, whose functions know the reader and its columns: a cell is found without a lookup by the type's name. */
#include <string.h>

#include "bindings/csv.h"
#include "core/operations.h"

#define ROW_TYPE "upjob.csv.row"

/* One for the reader, and with check_rows one for each record beside it, which scripts get instead. */
struct row_object {
    struct reader *reader; /* kept by the metatable */
    uint64_t serial;
    long line;
};

/* Marks the metatables of rows: READER_COLUMNS is behind it. */
static const char row_tag;

/* ---- columns ---- */

static size_t slot_of(const char *name)
{
    uintptr_t address = (uintptr_t)name;
    return (address >> 4 ^ address >> 10) % NAME_SLOTS;
}

/* Of two names for one slot the first has it; the table finds the other. */
static void fill_slot(struct reader *reader, const char *name, size_t column)
{
    struct name_slot *slot = &reader->slots[slot_of(name)];
    if (!slot->name)
        *slot = (struct name_slot){name, column};
}

void csv_push_columns(lua_State *L, int reader_index)
{
    struct reader *reader = lua_touserdata(L, reader_index);
    const struct csv_row *header;
    struct err e;
    if (lua_getiuservalue(L, reader_index, READER_COLUMNS) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    err_clear(&e);
    if (!csv_reader_header(reader->csv, &header, &e))
        raise_err(L, &e);
    memset(reader->slots, 0, sizeof reader->slots); /* of a table that memory was out for, whose names are gone */
    lua_createtable(L, (int)header->count, (int)header->count);
    for (size_t i = 0; i < header->count; i++) {
        struct csv_slice name = csv_cell(header, i);
        lua_pushlstring(L, name.data, name.len);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer)i + 1);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) == LUA_TNIL) { /* of two with one name the first is meant */
            fill_slot(reader, lua_tostring(L, -2), i + 1);
            lua_pushvalue(L, -2);
            lua_pushinteger(L, (lua_Integer)i + 1);
            lua_rawset(L, -5);
        }
        lua_pop(L, 2);
    }
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, reader_index, READER_COLUMNS);
}

/* Raises for a name that no column has: a misspelt column must not read as an empty one. */
static void no_such_column(lua_State *L, int columns, const char *name)
{
    size_t count = lua_rawlen(L, columns);
    if (count == 0)
        luaL_error(L, "there is no column \"%s\": the file is read without a header, so columns are indexes", name);
    const char **names = lua_newuserdatauv(L, (count + 1) * sizeof *names, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, columns, (lua_Integer)i + 1);
        names[i] = lua_tostring(L, -1); /* the table keeps it */
        lua_pop(L, 1);
    }
    names[count] = NULL;
    const char *separator = count == 1 ? strpbrk(names[0], ";\t|") : NULL;
    if (separator)
        luaL_error(L, "there is no column \"%s\": the header is one cell, and its names seem to be separated by %s: say so, "
                      "with delimiter = \"%s\"", name, *separator == ';' ? "\";\"" : *separator == '|' ? "\"|\"" : "tabs",
                   *separator == ';' ? ";" : *separator == '|' ? "|" : "\\t");
    const char *near = nearest_name(name, names);
    if (near)
        luaL_error(L, "there is no column \"%s\" (did you mean \"%s\"?)", name, near);
    luaL_error(L, "there is no column \"%s\"", name);
}

lua_Integer csv_find_column(lua_State *L, int columns, int key)
{
    lua_Integer column = 0;
    if (lua_type(L, key) == LUA_TSTRING) {
        lua_pushvalue(L, key);
        if (lua_rawget(L, columns) != LUA_TNUMBER)
            no_such_column(L, columns, lua_tostring(L, key));
        column = lua_tointeger(L, -1);
        lua_pop(L, 1);
    } else if (lua_isinteger(L, key)) {
        column = lua_tointeger(L, key);
    } else {
        luaL_error(L, "a column is a name or an index, not a %s", luaL_typename(L, key));
    }
    return column;
}

/* ---- the record behind a row object ---- */

/* The row object at `index`, and pushes READER_COLUMNS; NULL, and pushes nothing, when it is something else. */
static const struct row_object *test_row(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index))
        return NULL;
    if (lua_rawgetp(L, -1, &row_tag) == LUA_TTABLE) {
        lua_remove(L, -2);
        return lua_touserdata(L, index);
    }
    lua_pop(L, 2);
    return NULL;
}

bool csv_is_row(lua_State *L, int index)
{
    if (!test_row(L, index))
        return false;
    lua_pop(L, 1);
    return true;
}

const struct csv_row *csv_check_row(lua_State *L, int index)
{
    const struct row_object *object = test_row(L, index);
    if (!object) {
        luaL_typeerror(L, index, ROW_TYPE);
        return NULL;
    }
    const struct reader *reader = object->reader;
    if (reader->check_rows && (object->serial != reader->serial || !reader->row))
        luaL_error(L, "the row of line %I is gone: a row is valid until the next one is read (keep it with csv.copy(row))",
                   (LUAI_UACINT)object->line);
    if (!reader->row)
        luaL_error(L, "this row is gone: it is valid until the next one is read (keep it with csv.copy(row))");
    return reader->row;
}

/* For the functions of the metatable, whose upvalue 1 is the reader: the row at index 1. */
static inline const struct csv_row *own_row(lua_State *L, const struct reader *reader)
{
    if (lua_touserdata(L, 1) == reader->object && reader->row)
        return reader->row;
    const struct csv_row *row = csv_check_row(L, 1);
    lua_pop(L, 1);
    return row;
}

static inline void push_cell(lua_State *L, const struct csv_row *row, lua_Integer column)
{
    struct csv_slice cell = csv_cell(row, (size_t)column - 1);
    lua_pushlstring(L, cell.data, cell.len);
}

static inline bool has_cell(const struct csv_row *row, lua_Integer column)
{
    return (lua_Unsigned)column - 1 < row->count;
}

/* ---- the metatable: upvalues are the reader and READER_COLUMNS ---- */

static lua_Integer key_column(lua_State *L, const struct reader *reader)
{
    if (lua_type(L, 2) == LUA_TSTRING) {
        const char *name = lua_tostring(L, 2);
        const struct name_slot *slot = &reader->slots[slot_of(name)];
        if (slot->name == name)
            return (lua_Integer)slot->column;
    }
    return csv_find_column(L, lua_upvalueindex(2), 2);
}

static int row_index(lua_State *L)
{
    const struct reader *reader = lua_touserdata(L, lua_upvalueindex(1));
    const struct csv_row *row = own_row(L, reader);
    lua_Integer column = key_column(L, reader);
    if (!has_cell(row, column))
        return 0;
    push_cell(L, row, column);
    return 1;
}

static int row_length(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)own_row(L, lua_touserdata(L, lua_upvalueindex(1)))->count);
    return 1;
}

/* Pushes the name of a column, or the index itself where there is no header or the row is longer. */
static void push_column_name(lua_State *L, int columns, lua_Integer column)
{
    if (lua_rawgeti(L, columns, column) == LUA_TSTRING)
        return;
    lua_pop(L, 1);
    lua_pushinteger(L, column);
}

/* pairs(row): column name, cell, in the file's order. Upvalue 3 is the column that was last. */
static int row_next(lua_State *L)
{
    const struct csv_row *row = own_row(L, lua_touserdata(L, lua_upvalueindex(1)));
    lua_Integer column = lua_tointeger(L, lua_upvalueindex(3)) + 1;
    if (!has_cell(row, column))
        return 0;
    lua_pushinteger(L, column);
    lua_replace(L, lua_upvalueindex(3));
    push_column_name(L, lua_upvalueindex(2), column);
    push_cell(L, row, column);
    return 2;
}

static int row_pairs(lua_State *L)
{
    (void)own_row(L, lua_touserdata(L, lua_upvalueindex(1)));
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, row_next, 3);
    lua_pushvalue(L, 1);
    return 2;
}

static int row_tostring(lua_State *L)
{
    const struct csv_row *row = own_row(L, lua_touserdata(L, lua_upvalueindex(1)));
    lua_pushfstring(L, "csv row: line %I, %I cells", (LUAI_UACINT)row->line, (LUAI_UACINT)row->count);
    return 1;
}

static void push_metatable(lua_State *L, int reader_index)
{
    static const luaL_Reg functions[] = {{"__index", row_index}, {"__len", row_length}, {"__pairs", row_pairs},
                                         {"__tostring", row_tostring}, {NULL, NULL}};
    lua_createtable(L, 0, 8);
    csv_push_columns(L, reader_index);
    lua_rawsetp(L, -2, &row_tag);
    lua_pushliteral(L, ROW_TYPE);
    lua_setfield(L, -2, "__name");
    lua_pushliteral(L, ROW_TYPE); /* no script has these functions for itself, or for another object */
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, reader_index);
    csv_push_columns(L, reader_index);
    luaL_setfuncs(L, functions, 2);
}

void csv_push_row(lua_State *L, int reader_index)
{
    struct reader *reader = lua_touserdata(L, reader_index);
    if (lua_getiuservalue(L, reader_index, READER_ROW) == LUA_TUSERDATA)
        return;
    lua_pop(L, 1);
    struct row_object *object = lua_newuserdatauv(L, sizeof *object, 0);
    *object = (struct row_object){.reader = reader};
    push_metatable(L, reader_index);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, reader_index, READER_ROW);
    reader->object = object;
}

void csv_push_checked_row(lua_State *L, struct reader *reader, int like)
{
    struct row_object *object = lua_newuserdatauv(L, sizeof *object, 0);
    *object = (struct row_object){reader, ++reader->serial, reader->row->line};
    lua_getmetatable(L, like);
    lua_setmetatable(L, -2);
}

/* ---- functions of the module ---- */

void csv_add_cell(lua_State *L, int columns, lua_Integer i, struct csv_slice cell)
{
    bool named = lua_rawgeti(L, columns, i) == LUA_TSTRING;
    lua_pushlstring(L, cell.data, cell.len);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -4, i);
    if (named)
        lua_rawset(L, -3);
    else
        lua_pop(L, 2);
}

/* copy(row) → a table to keep: the cells by name and by index */
int csv_copy_row(lua_State *L)
{
    lua_settop(L, 1);
    const struct csv_row *row = csv_check_row(L, 1);
    int columns = lua_gettop(L);
    lua_createtable(L, (int)row->count, (int)row->count);
    for (size_t i = row->count; i > 0; i--)
        csv_add_cell(L, columns, (lua_Integer)i, csv_cell(row, i - 1));
    return 1;
}

/* The cell that the name or index at index 2 means of the row at index 1; false when the row is too short for it. */
static bool find_cell(lua_State *L, struct csv_slice *cell)
{
    const struct csv_row *row = csv_check_row(L, 1);
    lua_Integer column = csv_find_column(L, lua_gettop(L), 2);
    if (!has_cell(row, column))
        return false;
    *cell = csv_cell(row, (size_t)column - 1);
    return true;
}

/* number(row, column) → the cell as a number, nil when it is not one; no guessing of separators */
int csv_number(lua_State *L)
{
    char text[64];
    struct csv_slice cell;
    lua_settop(L, 2);
    if (!find_cell(L, &cell) || cell.len == 0 || cell.len >= sizeof text)
        return 0;
    memcpy(text, cell.data, cell.len);
    text[cell.len] = '\0';
    return lua_stringtonumber(L, text) == cell.len + 1;
}

/* equals(row, column, text) → boolean, without making a string of the cell */
int csv_equals(lua_State *L)
{
    size_t len;
    struct csv_slice cell;
    const char *text = luaL_checklstring(L, 3, &len);
    lua_pushboolean(L, find_cell(L, &cell) && cell.len == len && memcmp(cell.data, text, len) == 0);
    return 1;
}
