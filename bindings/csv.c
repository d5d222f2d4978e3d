/* csv: upjob.csv: a streaming reader and a writer. A row is a view of the reader's buffer: a cell becomes a Lua string
 * only when it is touched. */
#include "core/csv.h"

#include <stdlib.h>
#include <string.h>

#include "bindings/csv.h"
#include "bindings/wait.h"
#include "core/loop_watch.h"

#define READER_TYPE "upjob.csv.reader"

static struct reader *check_reader(lua_State *L, int index)
{
    struct reader *reader = luaL_checkudata(L, index, READER_TYPE);
    if (reader->closed)
        luaL_error(L, "the CSV reader is closed");
    if (reader->counting)
        luaL_error(L, "the CSV reader is counting: wait for reader:count() to return");
    if (reader->waiting)
        luaL_error(L, "another task waits for what the CSV reader reads next");
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

struct csv_options csv_read_options(lua_State *L, int index, const char *what)
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
    *options = csv_read_options(L, options_index, what);
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

/* ---- waiting for a pipe or a terminal to go on ---- */

struct reading {
    struct wait wait;
    struct reader *reader;
    struct loop_watch *watch;
    lua_CFunction again; /* what is called again then, with the reader */
};

static void stop_waiting(struct reading *reading)
{
    loop_watch_stop(reading->watch);
    reading->watch = NULL;
    reading->reader->waiting = NULL;
}

static void can_go_on(void *arg)
{
    struct reading *reading = arg;
    reading->watch = NULL; /* it has called */
    stop_waiting(reading);
    wait_finish(&reading->wait);
}

static void reading_cancel(struct wait *w)
{
    struct reading *reading = (struct reading *)w;
    if (reading->watch)
        stop_waiting(reading);
}

static int reading_results(lua_State *L, struct wait *w, int index)
{
    (void)index;
    return ((struct reading *)w)->again(L);
}

static const struct wait_class reading_class = {reading_results, reading_cancel, false};

/* The binding's return expression when the reader at index 1 waits: `again` goes on when it can. */
static int wait_for_input(lua_State *L, struct reader *reader, lua_CFunction again)
{
    int fd;
    (void)!csv_reader_waits(reader->csv, &fd);
    lua_settop(L, 1);
    struct reading *reading = wait_new(L, sizeof *reading, &reading_class);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 2, 1);
    reading->reader = reader;
    reading->again = again;
    reading->watch = loop_watch_start(app_of(L)->loop, fd, can_go_on, reading);
    if (!reading->watch)
        return luaL_error(L, "cannot wait for the input of the CSV reader");
    reader->waiting = reading;
    reading->wait.started = true;
    return wait_for(L, 2);
}

/* True when the call on the reader that has just failed is to be made again when there is more input. */
static bool waits(const struct reader *reader)
{
    int fd;
    return csv_reader_waits(reader->csv, &fd);
}

/* header() → list of names | nil, err; empty when the file is read without one */
static int reader_header(lua_State *L)
{
    struct reader *reader = check_reader(L, 1);
    const struct csv_row *header;
    struct err e;
    err_clear(&e);
    lua_settop(L, 1);
    if (reader->no_header) {
        lua_newtable(L);
        return 1;
    }
    if (!csv_reader_header(reader->csv, &header, &e))
        return waits(reader) ? wait_for_input(L, reader, reader_header) : fail_with(L, &e);
    lua_createtable(L, (int)header->count, 0);
    for (size_t i = 0; i < header->count; i++) {
        struct csv_slice name = csv_cell(header, i);
        lua_pushlstring(L, name.data, name.len);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
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
        if (status == CSV_FAILED && waits(reader))
            return wait_for_input(L, reader, rows_next);
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
    if (!reader->no_header && !csv_reader_header(reader->csv, &header, &e) && !waits(reader))
        return raise_err(L, &e);
    csv_push_row(L, 1);
    lua_pushcclosure(L, rows_next, 1);
    lua_pushvalue(L, 1);
    return 2;
}

/* ---- counting: the rest of the file, in slices on another thread ---- */

#define COUNT_SLICE ((uint64_t)4 << 20)

struct counting {
    struct wait wait;
    struct reader *reader;
    struct loop_work *work;
    struct loop_watch *watch; /* instead, while the input has nothing yet */
    bool stopped;
    uint64_t rows;
    struct err error;
    int self_ref; /* the work cannot be cut short within a slice: the userdata stays until it has ended */
};

static bool count_slice(void *arg)
{
    struct counting *counting = arg;
    return csv_reader_count(counting->reader->csv, COUNT_SLICE, &counting->rows, &counting->error) == CSV_NOTHING_YET;
}

static void free_closed(struct reader *reader)
{
    csv_reader_free(reader->csv);
    reader->csv = NULL;
}

/* Nothing counts any more. */
static void count_release(struct counting *counting)
{
    struct reader *reader = counting->reader;
    int self_ref = counting->self_ref;
    reader->counting = NULL;
    counting->self_ref = LUA_NOREF;
    if (reader->closed) {
        free_closed(reader);
        err_set(&counting->error, ERR_CANCELLED, "the CSV reader was closed while it was counting");
    }
    luaL_unref(counting->wait.app->L, LUA_REGISTRYINDEX, self_ref);
}

static void count_end(struct counting *counting)
{
    wait_finish(&counting->wait);
    count_release(counting);
}

static void count_on(void *arg);

/* No slice waits for input: the thread pool has other work. */
static void count_done(void *arg)
{
    struct counting *counting = arg;
    int fd;
    counting->work = NULL;
    if (!counting->stopped && csv_reader_waits(counting->reader->csv, &fd)) {
        counting->watch = loop_watch_start(counting->wait.app->loop, fd, count_on, counting);
        if (counting->watch)
            return;
    }
    count_end(counting);
}

static void count_on(void *arg)
{
    struct counting *counting = arg;
    counting->watch = NULL;
    err_clear(&counting->error);
    counting->work = loop_work_start(counting->wait.app->loop, count_slice, count_done, counting);
    if (counting->work)
        return;
    err_set(&counting->error, ERR_MEMORY, "out of memory");
    count_end(counting);
}

/* Work under way calls count_done when its slice has ended; a watch calls no more. */
static void count_cancel(struct wait *w)
{
    struct counting *counting = (struct counting *)w;
    counting->stopped = true;
    if (counting->work)
        loop_work_cancel(counting->work);
    if (!counting->watch)
        return;
    loop_watch_stop(counting->watch);
    counting->watch = NULL;
    count_release(counting);
}

static int count_results(lua_State *L, struct wait *w, int index)
{
    struct counting *counting = (struct counting *)w;
    (void)index;
    if (counting->error.code[0])
        return fail_with(L, &counting->error);
    lua_pushinteger(L, (lua_Integer)counting->rows);
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
    counting->work = loop_work_start(app_of(L)->loop, count_slice, count_done, counting);
    if (!counting->work)
        return luaL_error(L, "out of memory");
    reader->counting = counting;
    reader->row = NULL; /* its cells are what the other thread reads into */
    counting->wait.started = true;
    lua_pushvalue(L, 2);
    counting->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return wait_for(L, 2);
}

/* ---- closing ---- */

/* Also while it is counting or waiting, in whichever task: that ends then, and with a count's slice the reader is freed. */
static int reader_close(lua_State *L)
{
    struct reader *reader = luaL_checkudata(L, 1, READER_TYPE);
    reader->closed = true;
    reader->row = NULL;
    if (reader->waiting) {
        struct wait *wait = &reader->waiting->wait;
        stop_waiting(reader->waiting);
        wait_finish(wait);
    }
    if (reader->counting) {
        struct wait *wait = &reader->counting->wait;
        count_cancel(wait);
        if (!reader->counting) /* it waited */
            wait_finish(wait);
    } else {
        free_closed(reader);
    }
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
    static const luaL_Reg reader_methods[] = {{"header", reader_header}, {"rows", reader_rows},
                                              {"count", reader_count},   {"close", reader_close}, {NULL, NULL}};
    static const luaL_Reg reader_meta[] = {{"__gc", reader_close}, {"__close", reader_close}, {NULL, NULL}};
    luaL_newmetatable(L, READER_TYPE);
    luaL_setfuncs(L, reader_meta, 0);
    luaL_newlib(L, reader_methods);
    lua_pushcclosure(L, reader_index, 1);
    lua_setfield(L, -2, "__index");
    csv_open_rows(L);
    csv_open_writers(L);
    luaL_newlib(L, functions);
    return 1;
}
