/* csv: a streaming CSV reader that is pulled record by record, and a writer.
 *
 * A scan finds where cells and records end (csv_scan.h), and libcsv reads every record that is not as RFC 4180 has it. Cells
 * keep every byte: nothing is trimmed unless that is asked for. A record is read strictly; one that strict reading refuses
 * is read again leniently within its own physical line (`5" pipe`); when that does not end at the line's end, it is an
 * error record, and reading goes on with the next line. So it does behind a quote that is not closed within max_record
 * bytes. With `strict`, every record that strict reading refuses is an error record.
 * Lines are physical: CR LF, LF and a lone CR each end one, also inside quotes.
 * Blank lines are dropped, as libcsv does, and counted as lines.
 * Memory is one window and the longest record, however long the input.
 */
#ifndef UPJOB_CORE_CSV_H
#define UPJOB_CORE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define CSV_MAX_RECORD_DEFAULT ((size_t)16 << 20)
#define CSV_MAX_RECORD_MOST    ((size_t)1 << 30)

struct csv_options {
    unsigned char delimiter; /* 0 means ',' */
    unsigned char quote;     /* 0 means '"' */
    bool no_header;          /* the first record is data */
    bool strict;
    bool pauses;             /* see CSV_NOTHING_YET */
    bool trim;               /* drop spaces and tabs at both ends of cells without quotes, and around quotes */
    bool keep_bom;           /* leave a UTF-8 byte-order mark in the first cell; otherwise it is dropped */
    size_t max_record;       /* bytes, without its line end, at most CSV_MAX_RECORD_MOST; 0 means CSV_MAX_RECORD_DEFAULT */
    uint64_t start_offset;   /* where the source begins in the whole input: added to row offsets */
    long start_line;         /* line of the source's first byte; 0 means 1 */
};

/* A cell, or any run of bytes: not NUL-terminated, may hold NULs, owned by the reader. */
struct csv_slice {
    const char *data;
    size_t len;
};

/* A record. Everything in it is valid until the next call on the reader. */
struct csv_row {
    size_t count;           /* of its cells: csv_cell gives them */
    long line;              /* physical line on which it begins, from 1 */
    uint64_t offset;        /* byte in the input at which it begins */
    uint64_t end;           /* byte after its line end: where the next record may begin */
    struct csv_slice raw;   /* the record as it stands in the input, without its line end */
    /* What follows is for csv_cell. */
    const struct csv_slice *cells; /* NULL: they are made when they are asked for */
    const char *text;              /* the window on the input, */
    size_t start;                  /* where in it the record begins, */
    const uint32_t *ends;          /* and where each cell ends */
    char *unescaped;               /* room for cells with doubled quotes */
    unsigned char delimiter, quote;
    bool trim;
};

/* A cell that is in quotes or to be trimmed: what stands between the delimiters, from text[from] on. */
struct csv_slice csv_cell_meant(const struct csv_row *row, size_t from, size_t len);

/* Cell `i` of the record, from 0; i < row->count. Nothing is copied, but cells whose quotes are doubled are, each time. */
static inline struct csv_slice csv_cell(const struct csv_row *row, size_t i)
{
    if (row->cells)
        return row->cells[i];
    size_t from = i > 0 ? row->ends[i - 1] + (size_t)1 : row->start;
    size_t len = row->ends[i] - from;
    if ((len > 0 && (unsigned char)row->text[from] == row->quote) || row->trim)
        return csv_cell_meant(row, from, len);
    return (struct csv_slice){row->text + from, len};
}

enum csv_status {
    CSV_ROW,    /* *row is a record */
    CSV_BAD,    /* a record that cannot be read: *row has line, offset, end and raw (no cells), *err says why */
    CSV_END,    /* the input is at its end */
    CSV_NOTHING_YET, /* with `pauses` only: some of a long run of blank lines has gone by, and what comes is not known. Not before
                      * the header: who does not want to wait for that reads it as a row, with no_header */
    CSV_FAILED, /* the source failed, or a physical line passes max_record, or memory is out: *err; the reader is done */
};

/* Gives up to `size` bytes of input: the count, 0 at the end, -1 with *err filled, or CSV_SOURCE_WAITS when it has nothing
 * yet: csv_reader_waits says so, and the call on the reader is to be made again. */
#define CSV_SOURCE_WAITS (-2)
typedef long (*csv_source)(void *arg, char *into, size_t size, struct err *err);

struct csv_reader;

/* False when the delimiter and the quote are the same, or one is a line end, or max_record is too large, or a quote is a space
 * that is to be trimmed (ERR_USAGE).
 * Every function here that takes options checks them. */
bool csv_options_check(const struct csv_options *options, struct err *err) MUST_CHECK;

/* Reads from `source` (input_read of core/input.h, for files and pipes). `name` (copied) stands for the file in errors. The header, unless
 * there is none, is read by the first call of csv_reader_header or csv_reader_next. */
struct csv_reader *csv_reader_new(csv_source source, void *arg, const char *name,
                                  const struct csv_options *options, struct err *err) MUST_CHECK;
/* True when the last call failed only because the source has nothing yet: the call is to be made again when it has. */
bool csv_reader_waits(const struct csv_reader *reader);
/* NULL is allowed. */
void csv_reader_free(struct csv_reader *reader);

/* The header record, which stays valid as long as the reader. Fails when the input is empty
 * (ERR_INVALID_FILE) or the header cannot be read. With no_header, a row of count 0. */
bool csv_reader_header(struct csv_reader *reader, const struct csv_row **header, struct err *err) MUST_CHECK;
/* Index of the first header cell equal to `name` (bytes), or -1. */
long csv_reader_column(struct csv_reader *reader, const char *name, size_t len);
enum csv_status csv_reader_next(struct csv_reader *reader, const struct csv_row **row, struct err *err) MUST_CHECK;
/* Counts the records of about the next `bytes` of input into *rows, which goes on from what it is. CSV_NOTHING_YET: there is
 * more; CSV_BAD and CSV_FAILED as csv_reader_next says, the records before it counted. */
enum csv_status csv_reader_count(struct csv_reader *reader, uint64_t bytes, uint64_t *rows, struct err *err) MUST_CHECK;
/* Physical lines read so far, and bytes. */
long csv_reader_line(const struct csv_reader *reader);
uint64_t csv_reader_offset(const struct csv_reader *reader);
/* True when the input began with a UTF-8 byte-order mark (known once the first record was read). */
bool csv_reader_had_bom(const struct csv_reader *reader);

/* Writes `len` bytes in quotes, those within doubled, as libcsv does; not NUL-terminated.
 * `into` has room for 2 * len + 2 bytes. Returns the bytes written. */
size_t csv_quote(char *into, const char *bytes, size_t len, unsigned char quote);

/* The writer. A cell has quotes where a reader would otherwise take it for something else: when it holds the delimiter,
 * a quote, CR or LF; when it begins or ends with a space or a tab, which many readers, libcsv among them, take off cells
 * without quotes; when it is empty and alone in its record, which would be a blank line; and when it is the first of the
 * output and begins as a byte-order mark does (UTF-8 or UTF-16). Quotes in it are doubled. Records end with LF.
 * A failure stays: every later call gives it again. */
struct csv_writer;
/* Gives bytes out: false with *err filled. */
typedef bool (*csv_sink)(void *arg, const char *bytes, size_t len, struct err *err);

struct csv_writer *csv_writer_new(csv_sink sink, void *arg, const struct csv_options *options,
                                  struct err *err) MUST_CHECK;
/* Writes to the file at `path`, mode 0600, created or emptied; "-" for standard output. A named pipe that nobody reads is
 * ERR_FILE. Where a pipe is full, the call that gives bytes out waits until its reader has taken some. */
struct csv_writer *csv_writer_open(const char *path, const struct csv_options *options,
                                   struct err *err) MUST_CHECK;
/* Writes a record of `count` cells; data may be NULL where len is 0. No byte outside of the cells is read. */
bool csv_writer_row(struct csv_writer *writer, const struct csv_slice *cells, size_t count, struct err *err) MUST_CHECK;
/* Writes a record that was read, with the quotes that it needs. */
bool csv_writer_record(struct csv_writer *writer, const struct csv_row *row, struct err *err) MUST_CHECK;
/* Bytes as they are, for a record copied whole; the caller sees to the line end. */
bool csv_writer_raw(struct csv_writer *writer, const char *bytes, size_t len, struct err *err) MUST_CHECK;
bool csv_writer_flush(struct csv_writer *writer, struct err *err) MUST_CHECK;
/* Bytes that were written so far, given out or not. */
uint64_t csv_writer_bytes(const struct csv_writer *writer);
/* Flushes and closes: what could not be written is the error, now and when called again. The writer is still to be freed. */
bool csv_writer_close(struct csv_writer *writer, struct err *err) MUST_CHECK;
void csv_writer_free(struct csv_writer *writer);

#endif
