/* csv_reference: what a CSV text reads as, by the plainest reader that keeps the rule of core/csv.h.
 *
 * It stands on libcsv alone, has the whole text in memory and makes every cell of every record, so that there
 * is little in it that can be wrong. What is fast is held against it, record by record. Where memory runs out it aborts.
 */
#ifndef UPJOB_TESTS_CSV_REFERENCE_H
#define UPJOB_TESTS_CSV_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/csv.h"

/* The name of the input in errors. */
#define CSV_REFERENCE_NAME "t.csv"

struct reference_record {
    enum csv_status status; /* never CSV_NOTHING_YET */
    size_t count;           /* of its cells */
    size_t first;           /* private: the first of them among all */
    long line;              /* on which it begins */
    long lines;             /* read when it has been read */
    uint64_t offset, end;   /* in the whole input; of CSV_END and CSV_FAILED: both where reading stands */
    struct csv_slice raw;
    struct err *err;        /* of CSV_BAD and CSV_FAILED, otherwise NULL */
};

struct csv_reference {
    const char *data; /* not owned */
    size_t len;
    struct csv_options options;
    bool had_bom;
    bool had_wrong_mark; /* one of UTF-16, which ends the reading */
    /* What is read in turn: the header first, when there is one; the last is CSV_END or CSV_FAILED. */
    struct reference_record *records;
    size_t count;
    struct csv_slice *cells; /* private, as is their text */
    char *text;
};

/* Reads `data`, which must stay as it is. The options must be possible ones. */
struct csv_reference *csv_reference_read(const char *data, size_t len, const struct csv_options *options);
/* Cell `i` of a record, from 0. */
struct csv_slice csv_reference_cell(const struct csv_reference *reference, const struct reference_record *record, size_t i);
/* NULL is allowed. */
void csv_reference_free(struct csv_reference *reference);

#endif
