/* csv_sample: some records of the rest of a CSV file, each as likely as any other (reservoir sampling), kept as copies.
 *
 * The same seed and the same file give the same sample, on every machine. Memory is that of the records kept.
 */
#ifndef UPJOB_CORE_CSV_SAMPLE_H
#define UPJOB_CORE_CSV_SAMPLE_H

#include "core/csv.h"

struct csv_sample;

/* Keeps up to `most` records, at least 1. NULL: ERR_MEMORY. */
struct csv_sample *csv_sample_new(size_t most, uint64_t seed, struct err *err) MUST_CHECK;
void csv_sample_free(struct csv_sample *sample); /* NULL is allowed */
/* Goes over the records of about the next `bytes` of input: CSV_NOTHING_YET when there is more, CSV_BAD and CSV_FAILED as
 * csv_reader_next says; it may then be called again. CSV_FAILED without the reader having failed is ERR_MEMORY. */
enum csv_status csv_sample_read(struct csv_sample *sample, struct csv_reader *reader, uint64_t bytes,
                                struct err *err) MUST_CHECK;
/* Records gone over so far. */
uint64_t csv_sample_seen(const struct csv_sample *sample);

/* A record kept. */
struct csv_sampled {
    uint64_t index; /* among the records gone over, from 0 */
    long line;
    size_t count;
    const struct csv_slice *cells;
};
/* Puts the records kept into the file's order and returns how many there are; csv_sample_at then gives them, from 0. */
size_t csv_sample_finish(struct csv_sample *sample);
const struct csv_sampled *csv_sample_at(const struct csv_sample *sample, size_t i);

#endif
