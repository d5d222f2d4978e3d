/* csv_reader: what a CSV reader is made of. Private to the CSV reader's units:
 *
 *   csv         opening, the header, the calls of csv.h
 *   csv_rows    records as the scan finds them
 *   csv_record  a record that the scan leaves to libcsv
 *   csv_scan    the scan
 *   lines       the window over the input
 */
#ifndef UPJOB_CORE_CSV_READER_H
#define UPJOB_CORE_CSV_READER_H

#include <csv.h> /* libcsv */

#include "core/buf.h"
#include "core/csv.h"
#include "core/csv_scan.h"
#include "core/lines.h"

enum reader_state { READER_NEW, READER_READY, READER_FAILED };

struct csv_reader {
    struct lines lines;
    struct csv_options options;
    enum reader_state state;
    struct err failure; /* why READER_FAILED */
    char *name;
    long line;     /* of the last byte taken */
    bool began;    /* the byte-order mark has been looked for */
    bool had_bom;
    struct csv_row row;

    /* The scan has listed what stands in the window up to index `scanned`; what is before the current record is used up. */
    struct csv_scan scan;
    size_t scanned;
    bool suspect;  /* it stopped there, in a record that is for libcsv */
    bool after_cr; /* a count has come to a CR, and the LF that belongs to it may follow */
    size_t next_end, next_record, next_inner;
    size_t ends_room, records_room, inner_room;
    char *unescaped; /* cells of the record whose quotes are not doubled any more, each as far from the start as in the record */
    size_t unescaped_room;

    /* libcsv */
    struct csv_parser parser;
    struct csv_slice *cells; /* of the record; only `len` counts while libcsv gives them */
    size_t count, room;
    struct buf text; /* the cells that libcsv has unescaped, end to end */
    bool ended;      /* libcsv has given the end of the record */
    bool no_memory;

    struct csv_row header;
    struct csv_slice *header_cells;
    char *header_text;
};

/* What trimming takes away. */
static inline bool csv_is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Before the first record: what the window has from its start on is to be scanned. */
void csv_rows_restart(struct csv_reader *reader);
void csv_rows_free(struct csv_reader *reader);
/* Reads what stands next, header or row, as csv_reader_next says. */
enum csv_status csv_rows_next(struct csv_reader *reader, struct err *err) MUST_CHECK;
/* As csv_reader_count says. */
enum csv_status csv_rows_count(struct csv_reader *reader, uint64_t bytes, uint64_t *rows, struct err *err) MUST_CHECK;

void csv_record_init(struct csv_reader *reader);
void csv_record_free(struct csv_reader *reader);
/* Reads the record at the window's start with libcsv: strictly, then leniently within its line. It begins with no line end. */
enum csv_status csv_record_read(struct csv_reader *reader, struct err *err) MUST_CHECK;

/* Ends the reader, unless it waits for input: every later call gives the same error. Returns CSV_FAILED. */
enum csv_status csv_reader_fail(struct csv_reader *reader, struct err *err);
enum csv_status csv_reader_no_memory(struct csv_reader *reader, struct err *err);

#endif
