/* csv_scan: where the cells and the records of a CSV text end.
 *
 * The text is looked at in blocks of 64 bytes, each of them as bit masks of its quotes, delimiters and line ends; which of
 * these stand within quotes is the running parity of the quotes. What is not plain RFC 4180 is not decided here: the scan
 * stops at a quote that opens elsewhere than at a cell's start or closes elsewhere than at its end, and csv_record reads
 * the record that it stands in. Private to the CSV reader.
 */
#ifndef UPJOB_CORE_CSV_SCAN_H
#define UPJOB_CORE_CSV_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that one call may be given; csv_scan_index writes at most as many entries, and some more, to each of its lists.
 * Tests may have it smaller. */
#ifndef CSV_SCAN_MOST
#define CSV_SCAN_MOST ((size_t)128 << 10)
#endif
#define CSV_SCAN_SPARE ((size_t)64)

/* Between two calls that go on from each other. */
struct csv_scan_state {
    uint64_t inside;      /* all ones: what comes next stands in quotes; else 0 */
    uint64_t may_open;    /* 1: a quote may open next: behind a delimiter, a line end, a quote, or at the start */
    uint64_t after_close; /* 1: the byte before was a closing quote */
    uint64_t after_end;   /* 1: the byte before ended a record, or there is none */
    uint64_t after_cr;    /* 1: the byte before was a CR */
};

/* Positions are indexes into the text. */
struct csv_scan {
    unsigned char delimiter, quote;
    struct csv_scan_state state;
    uint32_t *ends;    /* of delimiters and of the line ends that end a record: each ends a cell */
    uint32_t *records; /* indexes into `ends` of those that end a record: CR and LF each do */
    uint32_t *inner;   /* of line ends in quotes, of CR LF the CR */
    size_t end_count, record_count, inner_count;
};

struct csv_scan_count {
    uint64_t records; /* that ended and were not blank */
    long lines;       /* physical lines that ended: CR LF, LF and a lone CR each end one */
    size_t next;      /* position behind the last CR or LF that ended a record; unchanged when there was none */
    long next_lines;  /* `lines` there */
};

/* Before a record's first byte. */
void csv_scan_restart(struct csv_scan *scan);
/* Looks at text[from] to text[to - 1] and lists what it finds, behind what is listed. Returns `to`, or the position of the
 * first quote, or of the byte behind it, that is not as RFC 4180 has it: the lists end before it. */
size_t csv_scan_index(struct csv_scan *scan, const char *text, size_t from, size_t to);
/* Looks at the same and only counts, adding to *count. Returns what csv_scan_index does. */
size_t csv_scan_count(struct csv_scan *scan, const char *text, size_t from, size_t to, struct csv_scan_count *count);

/* The names of all the ways in which it can be done, NULL-terminated; no build has them all. */
extern const char *const csv_scan_paths[];
/* Chooses one for this process, NULL the best; false when this build or this machine does not have it. The environment
 * variable UPJOB_CSV_SCAN chooses at the first scan. */
bool csv_scan_select(const char *path);

#endif
