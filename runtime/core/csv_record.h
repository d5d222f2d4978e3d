/* csv_record: the reading of one record: strictly, then leniently within its line. Private to csv. */
#ifndef UPJOB_CORE_CSV_RECORD_H
#define UPJOB_CORE_CSV_RECORD_H

#include <csv.h> /* libcsv */

#include "core/buf.h"
#include "core/csv.h"
#include "core/lines.h"

enum reader_state { READER_NEW, READER_READY, READER_FAILED };

struct csv_reader {
    struct lines lines;
    struct csv_parser parser;
    struct csv_options options;
    enum reader_state state;
    struct err failure; /* why READER_FAILED */
    char *name;
    int fd;    /* -1 when there is none to close */
    bool may_wait; /* `fd` is no regular file */
    bool waits;    /* it has nothing yet */
    long line; /* of the last byte taken */
    bool had_bom;
    struct csv_row row;
    struct csv_slice *cells; /* of the record; only `len` counts while libcsv gives them */
    size_t count, room;
    struct buf text; /* the cells that libcsv has unescaped, end to end */
    bool ended;      /* libcsv has given the end of the record */
    bool no_memory;
    struct csv_row header;
    struct csv_slice *header_cells;
    char *header_text;
};

/* Reads what stands next, header or row, as csv_reader_next says. */
enum csv_status csv_record_read(struct csv_reader *reader, struct err *err) MUST_CHECK;
/* Ends the reader, unless it waits for input: every later call gives the same error. Returns CSV_FAILED. */
enum csv_status csv_reader_fail(struct csv_reader *reader, struct err *err);

#endif
