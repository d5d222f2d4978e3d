/* lines: the physical lines of a stream, found in one window over it.
 *
 * CR LF, LF and a lone CR each end a line. The window holds everything from the start of
 * the current record on, so that a record that turns out to be wrong can be read again;
 * it grows up to the longest record and no further. Below the CSV reader only.
 */
#ifndef UPJOB_CORE_LINES_H
#define UPJOB_CORE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/csv.h"
#include "core/err.h"

/* What is known of one byte: it does not occur in data[from] to data[at - 1], and stands at
 * `at` unless that is the window's end. So a byte that is rare, as a CR mostly is, is not
 * looked for again and again, neither line by line nor when a record is read a second time. */
struct mark {
    size_t from, at;
};

struct lines {
    csv_source source; /* not owned */
    void *arg;
    char *data;
    size_t len;
    size_t size;  /* bytes allocated */
    size_t start; /* index of the record's first byte; what is before it may be dropped */
    struct mark lf, cr;
    size_t max;    /* bytes a record may have */
    uint64_t base; /* offset in the whole input of data[0] */
    bool at_end;   /* the source has said so: it is not asked again */
    bool waits;    /* the source had nothing yet when it was asked last */
};

/* Offsets from the record's start, which stay right when the window moves. */
struct line {
    size_t begin;
    size_t end;  /* of its text */
    size_t next; /* after its line end; equals `end` when the input ends without one */
};

enum line_status {
    LINE_FOUND,
    LINE_NONE,     /* the input is at its end */
    LINE_TOO_LONG, /* the record passes `max` with this line: no error is filled */
    LINE_FAILED,   /* the source failed or memory is out */
};

void lines_init(struct lines *lines, csv_source source, void *arg, size_t max, uint64_t base);
void lines_free(struct lines *lines);
/* Finds the line that begins `from` bytes after the record's start. */
enum line_status lines_find(struct lines *lines, size_t from, struct line *line, struct err *err) MUST_CHECK;
/* Reads on; at the input's end sets at_end. The window may move: index i becomes i less what `base` has grown by. */
bool lines_fill(struct lines *lines, struct err *err) MUST_CHECK;
/* Has `n` bytes of the record in the window, fewer when the input ends. */
bool lines_peek(struct lines *lines, size_t n, struct err *err) MUST_CHECK;
/* The record's bytes in the window; valid until the next find or peek. */
const char *lines_data(const struct lines *lines);
size_t lines_len(const struct lines *lines);
/* Ends the record: the next begins `n` bytes on. The bytes stay until the next find or peek. */
void lines_take(struct lines *lines, size_t n);
/* Offset of the record's start in the whole input. */
uint64_t lines_offset(const struct lines *lines);

#endif
