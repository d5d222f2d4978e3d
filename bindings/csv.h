/* csv: what the files of upjob.csv share: csv.c opens and closes readers, csv_source.c gives them their text, csv_iterate.c goes
 * over their records, csv_row.c has the rows, csv_rest.c counts and samples, csv_writer.c has the writer. */
#ifndef UPJOB_BINDINGS_CSV_H
#define UPJOB_BINDINGS_CSV_H

#include "core/csv.h"
#include "core/input.h"

#include "bindings/app.h"

/* User values of a reader. */
enum {
    READER_COLUMNS = 1, /* from name to index and from index to name, once the header was read */
    READER_ON_ERROR,
    READER_ASK,         /* the function that gives the text */
    READER_TEXT,        /* the string that is read now */
    READER_FAILURE,     /* the error of that function */
    READER_ROW,         /* the row object */
    READER_VALUES = READER_ROW
};

/* A header name by the address of its Lua string, which READER_COLUMNS keeps: short strings are equal when they are the same. */
#define NAME_SLOTS 64
struct name_slot {
    const char *name;
    size_t column; /* from 1 */
};

struct reader {
    struct input *input;    /* a file, a pipe or what a function gives; NULL: a string */
    struct csv_reader *csv; /* while something works on it, the other thread's; freed when closed and nothing does */
    const struct csv_row *row;    /* the current one, or NULL */
    const struct row_object *object; /* what stands for it in the script */
    struct err error;       /* of the iterators: empty between calls */
    long line;              /* of the current or last row */
    uint64_t serial;        /* of the current row: with check_rows, no other row object has it */
    bool closed;
    bool no_header;
    bool check_rows;
    bool asks;              /* a function gives the text */
    bool asking;            /* that function is running, or waits */
    bool text_ended;        /* there is none behind `text` */
    bool ask_failed;        /* READER_FAILURE says why */
    const char *text;       /* what is left of READER_TEXT */
    size_t text_left;
    struct rest *rest;       /* what works on all that is left, on another thread; NULL: nothing does */
    struct reading *waiting; /* what waits for a pipe or a terminal to go on; NULL: nothing does */
    struct name_slot slots[NAME_SLOTS];
};

/* What readers and writers share of their options, a table at `index` or nothing; raises for one that is wrong, or not `known`. */
struct csv_options csv_read_options(lua_State *L, int index, const char *what, const char *const *known);

/* ---- csv.c ---- */

/* True when the reader can be asked for what comes next. */
static inline bool csv_is_free(const struct reader *reader)
{
    return !reader->closed && !reader->rest && !reader->waiting && !reader->asking;
}
/* The reader at `index`; raises when it is closed or another task uses it. */
struct reader *csv_check_reader(lua_State *L, int index);
void csv_check_free(lua_State *L, const struct reader *reader);
/* Frees what no other thread uses any more. */
void csv_free_closed(struct reader *reader);
/* Pushes the error of the reader at index 1 that has failed with `e`. */
void csv_push_error(lua_State *L, const struct reader *reader, const struct err *e);
/* Tells a record that cannot be read to on_error, or raises it. The reader is at `index`. */
void csv_tell_error(lua_State *L, int index, const struct err *e);

/* ---- csv_source.c: text that is there, that a function gives, or that is yet to come ---- */

/* The csv_source of a string or a function. */
long csv_give_text(void *reader, char *into, size_t size, struct err *e);
/* Takes the string at `index` as the text that comes next. The reader is at `reader_index`. */
void csv_set_text(lua_State *L, int reader_index, int index);
/* True when the call that has just failed is to be made again when there is more text. */
bool csv_waits(const struct reader *reader);
/* What can be waited for then; -1: the function is to be asked. */
int csv_waits_for(const struct reader *reader);
/* Has the reader at index 1 go on, which waits. True: make the call again, if the reader
 * is still free. False: return what `*result` says; where that is not
 * known before the function was waited for it does not return, and `again` goes on with what is on the stack now. */
bool csv_more_text(lua_State *L, struct reader *reader, lua_CFunction again, int *result);
void csv_stop_waiting(struct reader *reader);

/* ---- csv_iterate.c: methods of a reader ---- */

int csv_reader_header_names(lua_State *L);
int csv_reader_rows(lua_State *L);
int csv_reader_columns(lua_State *L);

/* ---- csv_rest.c: methods that work on all that is left, on another thread ---- */

int csv_reader_count_rest(lua_State *L);
int csv_reader_sample(lua_State *L);
/* The reader closes: what works on it ends with an error. */
void csv_rest_closed(struct rest *rest);

/* ---- csv_row.c ---- */

/* The row object of the reader at `reader_index`, whose header was read, is pushed. */
void csv_push_row(lua_State *L, int reader_index);
/* Pushes a row object of its own for the current row, of the kind of that at `like`: with check_rows. */
void csv_push_checked_row(lua_State *L, struct reader *reader, int like);
bool csv_is_row(lua_State *L, int index);
/* The record of the row at `index`; pushes the table READER_COLUMNS of its reader. Raises when it is gone. */
const struct csv_row *csv_check_row(lua_State *L, int index);
/* Pushes READER_COLUMNS of the reader at `reader_index`, made of the header that was read. */
void csv_push_columns(lua_State *L, int reader_index);
/* The column, from 1, that the name or index at `key` means; raises for a name that no column has. */
lua_Integer csv_find_column(lua_State *L, int columns, int key);

/* Adds cell `i`, from 1, to the table on top of the stack, by index and by name. READER_COLUMNS is at `columns`. Of two columns
 * with one name the first is meant: add the last cell first. */
void csv_add_cell(lua_State *L, int columns, lua_Integer i, struct csv_slice cell);

/* Functions of the module. */
int csv_copy_row(lua_State *L);
int csv_number(lua_State *L);
int csv_equals(lua_State *L);
int csv_make_writer(lua_State *L);
/* Makes the metatable. */
void csv_open_writers(lua_State *L);

#endif
