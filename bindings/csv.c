/* csv: upjob.csv: a streaming reader and a writer. A row is a view of the reader's buffer: a cell becomes a Lua string
 * only when it is touched. */
#include "core/csv.h"

#include <stdlib.h>
#include <string.h>

#include "bindings/app.h"
#include "bindings/wait.h"
#include "core/operations.h"

#define READER_TYPE "upjob.csv.reader"
#define ROW_TYPE "upjob.csv.row"
#define WRITER_TYPE "upjob.csv.writer"

/* User values of a reader. */
enum { READER_COLUMNS = 1, READER_ON_ERROR, READER_SOURCE, READER_VALUES = READER_SOURCE };

struct reader {
    struct csv_reader *csv; /* while it is counting, the other thread's; freed when closed and not counting */
    bool closed;
    const struct csv_row *row; /* the current one, or NULL */
    const char *text;       /* csv.parse: what is left of the string */
    size_t text_left;
    bool no_header;
    struct loop_work *counting; /* on another thread; NULL: it is not */
    long line;              /* of the current or last row */
};

static struct reader *check_reader(lua_State *L, int index)
{
    struct reader *reader = luaL_checkudata(L, index, READER_TYPE);
    if (reader->closed)
        luaL_error(L, "the CSV reader is closed");
    if (reader->counting)
        luaL_error(L, "the CSV reader is counting: wait for reader:count() to return");
    return reader;
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

static struct csv_options read_options(lua_State *L, int index, const char *what)
{
    static const char *const known[] = {"header", "delimiter", "quote", "strict", "max_record", "on_error", NULL};
    struct csv_options options = {0};
    struct err e;
    err_clear(&e);
    if (lua_isnoneornil(L, index))
        return options;
    check_options(L, index, what, known);
    options.no_header = !option_boolean(L, index, what, "header", true);
    options.delimiter = one_byte(L, index, what, "delimiter");
    options.quote = one_byte(L, index, what, "quote");
    options.strict = option_boolean(L, index, what, "strict", false);
    double max = option_number(L, index, what, "max_record", 0);
    if (max < 0 || max > 1e12)
        luaL_error(L, "%s: option \"max_record\" is in bytes", what);
    options.max_record = (size_t)max;
    if (!csv_options_check(&options, &e))
        luaL_error(L, "%s: %s", what, e.message);
    return options;
}

/* The closed handle first; what can fail fills it. */
static struct reader *new_reader(lua_State *L, int options_index, const char *what, struct csv_options *options)
{
    *options = read_options(L, options_index, what);
    struct reader *reader = lua_newuserdatauv(L, sizeof *reader, READER_VALUES);
    memset(reader, 0, sizeof *reader);
    luaL_setmetatable(L, READER_TYPE);
    reader->no_header = options->no_header;
    if (lua_istable(L, options_index) && option_function(L, options_index, what, "on_error"))
        lua_setiuservalue(L, -2, READER_ON_ERROR);
    return reader;
}

/* open(path, options?) → reader | nil, err */
static int csv_open(lua_State *L)
{
    struct csv_options options;
    struct err e;
    err_clear(&e);
    const char *path = luaL_checkstring(L, 1);
    lua_settop(L, 2);
    struct reader *reader = new_reader(L, 2, "csv.open", &options);
    reader->csv = csv_reader_open(path, &options, &e);
    return reader->csv ? 1 : fail_with(L, &e);
}

static long give_text(void *arg, char *into, size_t size, struct err *e)
{
    struct reader *reader = arg;
    size_t n = reader->text_left < size ? reader->text_left : size;
    (void)e;
    memcpy(into, reader->text, n);
    reader->text += n;
    reader->text_left -= n;
    return (long)n;
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
    reader->text = lua_tolstring(L, 1, &reader->text_left);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, READER_SOURCE);
    reader->csv = csv_reader_new(give_text, reader, "text", &options, &e);
    return reader->csv ? 1 : fail_with(L, &e);
}

static void free_closed(struct reader *reader)
{
    csv_reader_free(reader->csv);
    reader->csv = NULL;
}

/* Also while it is counting, in whichever task: the count ends with its slice, and then the reader is freed. */
static int reader_close(lua_State *L)
{
    struct reader *reader = luaL_checkudata(L, 1, READER_TYPE);
    reader->closed = true;
    reader->row = NULL;
    if (reader->counting)
        loop_work_cancel(reader->counting);
    else
        free_closed(reader);
    return 0;
}

/* ---- columns ---- */

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
        lua_pushlstring(L, header->cells[i - 1].data, header->cells[i - 1].len);
        lua_pushinteger(L, (lua_Integer)i);
        lua_rawset(L, -3);
    }
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, index, READER_COLUMNS);
}

/* header() → list of names | nil, err; empty when the file is read without one */
static int reader_header(lua_State *L)
{
    struct reader *reader = check_reader(L, 1);
    const struct csv_row *header;
    struct err e;
    err_clear(&e);
    if (reader->no_header) {
        lua_newtable(L);
        return 1;
    }
    if (!csv_reader_header(reader->csv, &header, &e))
        return fail_with(L, &e);
    lua_createtable(L, (int)header->count, 0);
    for (size_t i = 0; i < header->count; i++) {
        lua_pushlstring(L, header->cells[i].data, header->cells[i].len);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- rows ---- */

/* The reader whose row it is, at a stack index of its own; raises when there is no current row. */
static const struct csv_row *check_row(lua_State *L, int index, int *reader_index)
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

/* The cell that a name or an index means; NULL when the row is too short for it. */
static const struct csv_slice *find_cell(lua_State *L, int row_index, int key_index)
{
    int reader_index;
    const struct csv_row *row = check_row(L, row_index, &reader_index);
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
    return column >= 1 && (size_t)column <= row->count ? &row->cells[column - 1] : NULL;
}

static int row_index(lua_State *L)
{
    const struct csv_slice *cell = find_cell(L, 1, 2);
    if (!cell)
        return 0;
    lua_pushlstring(L, cell->data, cell->len);
    return 1;
}

static int row_length(lua_State *L)
{
    int reader_index;
    lua_pushinteger(L, (lua_Integer)check_row(L, 1, &reader_index)->count);
    return 1;
}

/* Pushes the name of column i (from 1), or i itself where there is no header or the row is longer. */
static void push_column_name(lua_State *L, struct reader *reader, lua_Integer i)
{
    const struct csv_row *header = NULL;
    struct err e;
    err_clear(&e);
    if (!reader->no_header && csv_reader_header(reader->csv, &header, &e) && (size_t)i <= header->count)
        lua_pushlstring(L, header->cells[i - 1].data, header->cells[i - 1].len);
    else
        lua_pushinteger(L, i);
}

/* pairs(row): column name, cell, in the file's order */
static int row_next(lua_State *L)
{
    int reader_index;
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(1)) + 1;
    const struct csv_row *row = check_row(L, 1, &reader_index);
    lua_pushinteger(L, i);
    lua_replace(L, lua_upvalueindex(1));
    if ((size_t)i > row->count)
        return 0;
    push_column_name(L, lua_touserdata(L, reader_index), i);
    lua_pushlstring(L, row->cells[i - 1].data, row->cells[i - 1].len);
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
    const struct csv_row *row = check_row(L, 1, &reader_index);
    lua_pushfstring(L, "csv row: line %d, %d cells", (int)row->line, (int)row->count);
    return 1;
}

/* copy(row) → a table to keep: the cells by name and by index */
static int csv_copy(lua_State *L)
{
    int reader_index;
    const struct csv_row *row = check_row(L, 1, &reader_index);
    struct reader *reader = lua_touserdata(L, reader_index);
    lua_createtable(L, (int)row->count, (int)row->count);
    for (size_t i = row->count; i > 0; i--) {
        lua_pushlstring(L, row->cells[i - 1].data, row->cells[i - 1].len);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer)i);
        push_column_name(L, reader, (lua_Integer)i);
        lua_insert(L, -2);
        lua_rawset(L, -3);
    }
    return 1;
}

/* number(row, column) → the cell as a number, nil when it is not one; no guessing of separators */
static int csv_number(lua_State *L)
{
    char text[64];
    const struct csv_slice *cell = find_cell(L, 1, 2);
    if (!cell || cell->len == 0 || cell->len >= sizeof text)
        return 0;
    memcpy(text, cell->data, cell->len);
    text[cell->len] = '\0';
    return lua_stringtonumber(L, text) == cell->len + 1;
}

/* equals(row, column, text) → boolean, without making a string of the cell */
static int csv_equals(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 3, &len);
    const struct csv_slice *cell = find_cell(L, 1, 2);
    lua_pushboolean(L, cell && cell->len == len && memcmp(cell->data, text, len) == 0);
    return 1;
}

/* ---- iterating ---- */

static void tell_error(lua_State *L, int reader_index, const struct err *e)
{
    if (lua_getiuservalue(L, reader_index, READER_ON_ERROR) != LUA_TFUNCTION)
        raise_err(L, e);
    push_err(L, e);
    lua_call(L, 1, 0);
}

/* The iterator: the reader is its state, the row object its control value. on_error may do anything with the reader: to close
 * it there is how to stop at an error. */
static int rows_next(lua_State *L)
{
    struct err e;
    lua_settop(L, 1);
    check_reader(L, 1);
    for (;;) {
        struct reader *reader = lua_touserdata(L, 1);
        if (reader->closed)
            return 0;
        check_reader(L, 1);
        err_clear(&e);
        enum csv_status status = csv_reader_next(reader->csv, &reader->row, &e);
        if (status == CSV_ROW) {
            reader->line = reader->row->line;
            lua_pushvalue(L, lua_upvalueindex(1));
            return 1;
        }
        if (reader->row)
            reader->line = reader->row->line;
        reader->row = NULL;
        if (status == CSV_END)
            return 0;
        if (status == CSV_FAILED)
            return raise_err(L, &e);
        tell_error(L, 1, &e);
        lua_settop(L, 1);
    }
}

/* rows() → iterator, reader: each call gives the row object, a view of the record just read */
static int reader_rows(lua_State *L)
{
    struct reader *reader = check_reader(L, 1);
    const struct csv_row *header;
    struct err e;
    err_clear(&e);
    if (!reader->no_header && !csv_reader_header(reader->csv, &header, &e))
        return raise_err(L, &e);
    lua_newuserdatauv(L, 0, 1);
    luaL_setmetatable(L, ROW_TYPE);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_pushcclosure(L, rows_next, 1);
    lua_pushvalue(L, 1);
    return 2;
}

/* ---- counting: the rest of the file, in slices on another thread ---- */

#define COUNT_SLICE 20000

struct counting {
    struct wait wait;
    struct reader *reader;
    lua_Integer rows;
    struct err error;
    int self_ref; /* the work cannot be cut short within a slice: the userdata stays until it has ended */
};

static bool count_slice(void *arg)
{
    struct counting *counting = arg;
    const struct csv_row *row;
    for (int i = 0; i < COUNT_SLICE; i++) {
        enum csv_status status = csv_reader_next(counting->reader->csv, &row, &counting->error);
        if (status != CSV_ROW)
            return false;
        counting->rows++;
    }
    return true;
}

static void count_done(void *arg)
{
    struct counting *counting = arg;
    counting->reader->counting = NULL;
    if (counting->reader->closed) {
        free_closed(counting->reader);
        err_set(&counting->error, ERR_CANCELLED, "the CSV reader was closed while it was counting");
    }
    wait_finish(&counting->wait);
    luaL_unref(counting->wait.app->L, LUA_REGISTRYINDEX, counting->self_ref);
}

static void count_cancel(struct wait *w)
{
    struct counting *counting = (struct counting *)w;
    if (counting->reader->counting)
        loop_work_cancel(counting->reader->counting);
}

static int count_results(lua_State *L, struct wait *w, int index)
{
    struct counting *counting = (struct counting *)w;
    (void)index;
    if (counting->error.code[0])
        return fail_with(L, &counting->error);
    lua_pushinteger(L, counting->rows);
    return 1;
}

static const struct wait_class count_class = {count_results, count_cancel, false};

static int reader_count(lua_State *L)
{
    struct reader *reader = check_reader(L, 1);
    lua_settop(L, 1);
    struct counting *counting = wait_new(L, sizeof *counting, &count_class);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 2, 1);
    counting->reader = reader;
    reader->counting = loop_work_start(app_of(L)->loop, count_slice, count_done, counting);
    if (!reader->counting)
        return luaL_error(L, "out of memory");
    reader->row = NULL; /* its cells are what the other thread reads into */
    counting->wait.started = true;
    lua_pushvalue(L, 2);
    counting->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return wait_for(L, 2);
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

/* ---- the writer ---- */

struct writer {
    struct csv_writer *csv;
};

/* writer(path, options?) → writer | nil, err */
static int csv_make_writer(lua_State *L)
{
    struct err e;
    err_clear(&e);
    const char *path = luaL_checkstring(L, 1);
    lua_settop(L, 2);
    struct csv_options options = read_options(L, 2, "csv.writer");
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

/* The cells of a list of strings and numbers; nil within it is an empty cell up to #list. */
static struct csv_slice *list_cells(lua_State *L, int index, size_t *count)
{
    *count = (size_t)luaL_len(L, index);
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
    if (luaL_testudata(L, 2, ROW_TYPE)) {
        int reader_at;
        const struct csv_row *row = check_row(L, 2, &reader_at);
        ok = csv_writer_row(writer->csv, row->cells, row->count, &e);
    } else {
        size_t count;
        luaL_checktype(L, 2, LUA_TTABLE);
        const struct csv_slice *cells = list_cells(L, 2, &count);
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

int open_native_csv(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open", csv_open},     {"parse", csv_parse_text}, {"writer", csv_make_writer},
                                         {"copy", csv_copy},     {"number", csv_number},    {"equals", csv_equals},
                                         {NULL, NULL}};
    static const luaL_Reg reader_methods[] = {{"header", reader_header}, {"rows", reader_rows},
                                              {"count", reader_count},   {"close", reader_close}, {NULL, NULL}};
    static const luaL_Reg reader_meta[] = {{"__gc", reader_close}, {"__close", reader_close}, {NULL, NULL}};
    static const luaL_Reg row_meta[] = {{"__index", row_index}, {"__len", row_length}, {"__pairs", row_pairs},
                                        {"__tostring", row_tostring}, {NULL, NULL}};
    static const luaL_Reg writer_methods[] = {{"write", writer_write}, {"close", writer_close}, {NULL, NULL}};
    static const luaL_Reg writer_meta[] = {{"__gc", writer_collect}, {"__close", writer_leave}, {NULL, NULL}};
    luaL_newmetatable(L, READER_TYPE);
    luaL_setfuncs(L, reader_meta, 0);
    luaL_newlib(L, reader_methods);
    lua_pushcclosure(L, reader_index, 1);
    lua_setfield(L, -2, "__index");
    luaL_newmetatable(L, ROW_TYPE);
    luaL_setfuncs(L, row_meta, 0);
    luaL_newmetatable(L, WRITER_TYPE);
    luaL_setfuncs(L, writer_meta, 0);
    luaL_newlib(L, writer_methods);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
