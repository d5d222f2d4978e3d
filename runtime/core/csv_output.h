/* csv_output: where the bytes of a CSV writer go: a function of the caller's, a file or standard output.
 *
 * The first failure stays: every later call gives it again.
 */
#ifndef UPJOB_CORE_CSV_OUTPUT_H
#define UPJOB_CORE_CSV_OUTPUT_H

#include "core/csv.h"

struct csv_output {
    csv_sink sink; /* NULL: the descriptor */
    void *arg;
    int fd;
    bool owns_fd;
    bool closed;
    bool failed;
    struct err failure;
    char *name; /* of the file; NULL for a sink */
};

void csv_output_to_sink(struct csv_output *output, csv_sink sink, void *arg);
/* As csv_writer_open says of `path`. On failure there is nothing to free. */
bool csv_output_open(struct csv_output *output, const char *path, struct err *err) MUST_CHECK;
/* False with *err filled when it has failed before or is closed. */
bool csv_output_usable(const struct csv_output *output, struct err *err) MUST_CHECK;
/* Gives all bytes out, for as long as that takes. */
bool csv_output_write(struct csv_output *output, const char *bytes, size_t len, struct err *err) MUST_CHECK;
bool csv_output_close(struct csv_output *output, struct err *err) MUST_CHECK;
/* Closes what is open and frees what it holds, not `output`. */
void csv_output_free(struct csv_output *output);

#endif
