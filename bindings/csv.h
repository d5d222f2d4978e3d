/* csv: what the files of upjob.csv share: csv.c has the reader, csv_row.c its rows, csv_writer.c the writer. */
#ifndef UPJOB_BINDINGS_CSV_H
#define UPJOB_BINDINGS_CSV_H

#include "core/csv.h"

#include "bindings/app.h"

/* User values of a reader. */
enum { READER_COLUMNS = 1, READER_ON_ERROR, READER_SOURCE, READER_VALUES = READER_SOURCE };

struct reader {
    struct csv_reader *csv; /* while it is counting, the other thread's; freed when closed and not counting */
    bool closed;
    const struct csv_row *row; /* the current one, or NULL */
    const char *text;       /* csv.parse: what is left of the string */
    size_t text_left;
    bool no_header;
    struct counting *counting; /* what counts it, on another thread; NULL: nothing does */
    struct reading *waiting;   /* what waits for a pipe or a terminal to go on; NULL: nothing does */
    long line;              /* of the current or last row */
};

/* The options of a reader or a writer, a table at `index` or nothing; raises for one that is wrong. */
struct csv_options csv_read_options(lua_State *L, int index, const char *what);

/* Pushes the row object of the reader at `reader_index`. */
void csv_push_row(lua_State *L, int reader_index);
bool csv_is_row(lua_State *L, int index);
/* The record of the row at `index`, its reader pushed at a stack index of its own; raises when it is gone. */
const struct csv_row *csv_check_row(lua_State *L, int index, int *reader_index);

/* Functions of the module. */
int csv_copy_row(lua_State *L);
int csv_number(lua_State *L);
int csv_equals(lua_State *L);
int csv_make_writer(lua_State *L);

/* Make the metatables. */
void csv_open_rows(lua_State *L);
void csv_open_writers(lua_State *L);

#endif
