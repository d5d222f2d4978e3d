/* csv_compare: holds the CSV reader against the reference: the same cells, lines, offsets and errors. */
#ifndef UPJOB_TESTS_CSV_COMPARE_H
#define UPJOB_TESTS_CSV_COMPARE_H

#include "core/buf.h"
#include "tests/reference/csv_reference.h"

/* How the reader is used. Both from a source that gives as little as it likes, or has nothing yet. */
enum csv_way {
    CSV_BY_RECORD, /* record by record */
    CSV_BY_COUNT,  /* counting slices of any size, with a record read here and there */
    CSV_WAYS
};

/* Reads the reference's text, with its options, in pieces that depend on `seed`. False at the first difference, which
 * *why then tells. */
bool csv_reads_the_same(const struct csv_reference *reference, enum csv_way way, uint64_t seed, struct buf *why) MUST_CHECK;

/* csv_reads_the_same in every way by every path of the scan that this machine has. Leaves the best of them chosen. */
bool csv_paths_read_the_same(const struct csv_reference *reference, uint64_t seed, struct buf *why) MUST_CHECK;

#endif
