/* csv_iterate: header(), and the iterators over the records: rows() and columns(). They wait where the input has nothing yet. */
#include <string.h>

#include "bindings/csv.h"

#define MOST_COLUMNS 200 /* Lua has no more local variables in a function */

/* Has the header of the reader at index 1. False: return what *result says; `again` goes on. */
static bool read_header(lua_State *L, struct reader *reader, lua_CFunction again, bool raises, int *result)
{
    const struct csv_row *header;
    struct err e;
    for (;;) {
        csv_check_free(L, reader);
        err_clear(&e);
        if (csv_reader_header(reader->csv, &header, &e))
            return true;
        if (csv_waits(reader)) {
            if (!csv_more_text(L, reader, again, result))
                return false;
            continue;
        }
        lua_pushnil(L);
        csv_push_error(L, reader, &e);
        *result = raises ? lua_error(L) : 2;
        return false;
    }
}

/* header() → list of names | nil, err; empty when the file is read without one */
int csv_reader_header_names(lua_State *L)
{
    struct reader *reader = csv_check_reader(L, 1);
    int result;
    lua_settop(L, 1);
    if (reader->no_header) {
        lua_newtable(L);
        return 1;
    }
    if (!read_header(L, reader, csv_reader_header_names, false, &result))
        return result;
    csv_push_columns(L, 1);
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -2, i);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

/* ---- going on to the next record ---- */

/* What an iterator gives for the current record. */
typedef int (*give_row)(lua_State *L, struct reader *reader);

static void raise_failure(lua_State *L, struct reader *reader)
{
    struct err e = reader->error;
    err_clear(&reader->error);
    csv_push_error(L, reader, &e);
    lua_error(L);
}

static void bad_record(lua_State *L, struct reader *reader)
{
    struct err e = reader->error;
    err_clear(&reader->error);
    reader->line = reader->row->line;
    reader->row = NULL;
    csv_tell_error(L, 1, &e);
    lua_settop(L, 1);
}

/* After a call that gave no record: on until there is one, or the end. on_error may do anything with the reader: to close it
 * there is how to stop at an error. */
static int no_row(lua_State *L, struct reader *reader, enum csv_status status, lua_CFunction again, give_row give)
{
    int result;
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    for (;;) {
        if (status == CSV_ROW)
            break;
        if (status == CSV_BAD)
            bad_record(L, reader);
        else
            reader->row = NULL;
        if (status == CSV_END || reader->closed)
            return 0;
        if (status == CSV_FAILED && !csv_waits(reader))
            raise_failure(L, reader);
        err_clear(&reader->error);
        if (status == CSV_FAILED && !csv_more_text(L, reader, again, &result))
            return result;
        csv_check_free(L, reader);
        status = csv_reader_next(reader->csv, &reader->row, &reader->error);
    }
    return give(L, reader);
}

/* The reader is upvalue 1: nothing is asked of the arguments. */
static inline int next_row(lua_State *L, lua_CFunction again, give_row give)
{
    struct reader *reader = lua_touserdata(L, lua_upvalueindex(1));
    if (!csv_is_free(reader))
        csv_check_free(L, reader);
    enum csv_status status = csv_reader_next(reader->csv, &reader->row, &reader->error);
    if (status == CSV_ROW)
        return give(L, reader);
    return no_row(L, reader, status, again, give);
}

/* ---- rows ---- */

static int give_view(lua_State *L, struct reader *reader)
{
    reader->line = reader->row->line;
    lua_pushvalue(L, lua_upvalueindex(2));
    return 1;
}

static int next_view(lua_State *L)
{
    return next_row(L, next_view, give_view);
}

static int give_checked(lua_State *L, struct reader *reader)
{
    reader->line = reader->row->line;
    csv_push_checked_row(L, reader, lua_upvalueindex(2));
    return 1;
}

static int next_checked(lua_State *L)
{
    return next_row(L, next_checked, give_checked);
}

static int give_list(lua_State *L, struct reader *reader)
{
    const struct csv_row *row = reader->row;
    reader->line = row->line;
    reader->serial++;
    lua_createtable(L, (int)row->count, 0);
    for (size_t i = 0; i < row->count; i++) {
        struct csv_slice cell = csv_cell(row, i);
        lua_pushlstring(L, cell.data, cell.len);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int next_list(lua_State *L)
{
    return next_row(L, next_list, give_list);
}

static bool gives_lists(lua_State *L, int index)
{
    static const char *const known[] = {"as", NULL};
    if (lua_isnoneornil(L, index))
        return false;
    check_options(L, index, "reader:rows", known);
    const char *as = option_string(L, index, "reader:rows", "as", "row");
    if (strcmp(as, "list") != 0 && strcmp(as, "row") != 0)
        luaL_error(L, "reader:rows: option \"as\" must be \"row\" or \"list\", not \"%s\"", as);
    return strcmp(as, "list") == 0;
}

/* rows(options?) → iterator, reader: each call gives the row object, a view of the record just read, or a list of its cells */
int csv_reader_rows(lua_State *L)
{
    struct reader *reader = csv_check_reader(L, 1);
    int result;
    lua_settop(L, 2);
    bool lists = gives_lists(L, 2);
    if (!read_header(L, reader, csv_reader_rows, true, &result))
        return result;
    lua_pushvalue(L, 1);
    csv_push_row(L, 1);
    lua_pushcclosure(L, lists ? next_list : reader->check_rows ? next_checked : next_view, 2);
    lua_pushvalue(L, 1);
    return 2;
}

/* ---- columns ---- */

/* Upvalue 2 of the iterator. */
struct projection {
    int count;
    size_t columns[MOST_COLUMNS]; /* from 0 */
};

/* A cell that the record lacks is an empty string: a nil would end the loop. */
static int give_columns(lua_State *L, struct reader *reader)
{
    const struct projection *projection = lua_touserdata(L, lua_upvalueindex(2));
    const struct csv_row *row = reader->row;
    int count = projection->count;
    reader->line = row->line;
    reader->serial++;
    if (count > LUA_MINSTACK - 4)
        luaL_checkstack(L, count, NULL);
    for (int i = 0; i < count; i++) {
        size_t at = projection->columns[i];
        struct csv_slice cell = {"", 0};
        if (at < row->count)
            cell = csv_cell(row, at);
        lua_pushlstring(L, cell.data, cell.len);
    }
    return count;
}

static int next_columns(lua_State *L)
{
    return next_row(L, next_columns, give_columns);
}

/* Adds what the list says at `i`, which is on top of the stack; the table of columns is at `columns`. */
static void add_column(lua_State *L, struct projection *projection, const struct reader *reader, int columns, int i)
{
    lua_Integer last = (lua_Integer)lua_rawlen(L, columns);
    lua_Integer column = csv_find_column(L, columns, lua_gettop(L));
    if (column < 1)
        luaL_error(L, "reader:columns: columns are counted from 1, not %I", (LUAI_UACINT)column);
    if (!reader->no_header && column > last)
        luaL_error(L, "reader:columns: there is no column %I: the header has %I", (LUAI_UACINT)column, (LUAI_UACINT)last);
    for (int j = 0; j < i; j++)
        if (projection->columns[j] == (size_t)column - 1)
            luaL_error(L, "reader:columns: column %I is listed twice, as item %d and item %d", (LUAI_UACINT)column, j + 1, i + 1);
    projection->columns[i] = (size_t)column - 1;
}

/* columns(list) → iterator, reader: each call gives the cells of these columns, names or indexes, as strings */
int csv_reader_columns(lua_State *L)
{
    struct reader *reader = csv_check_reader(L, 1);
    int result;
    lua_settop(L, 2);
    if (!lua_istable(L, 2))
        return luaL_error(L, "reader:columns: a list of column names or indexes is needed, not %s", luaL_typename(L, 2));
    lua_Integer count = luaL_len(L, 2);
    if (count < 1 || count > MOST_COLUMNS)
        return luaL_error(L, "reader:columns: the list must have from 1 to %d columns, not %I", MOST_COLUMNS, (LUAI_UACINT)count);
    if (!read_header(L, reader, csv_reader_columns, true, &result))
        return result;
    csv_push_columns(L, 1);
    lua_pushvalue(L, 1);
    struct projection *projection = lua_newuserdatauv(L, sizeof *projection, 0);
    projection->count = (int)count;
    for (int i = 0; i < projection->count; i++) {
        lua_geti(L, 2, i + 1);
        add_column(L, projection, reader, 3, i);
        lua_settop(L, 5);
    }
    lua_pushcclosure(L, next_columns, 2);
    lua_pushvalue(L, 1);
    return 2;
}
