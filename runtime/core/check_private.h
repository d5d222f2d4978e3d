/* check_private: what the files of check share: check.c has the pass over the file, check_header.c what would be wrong with every
 * row, check_row.c the problems of one.
 */
#ifndef UPJOB_CORE_CHECK_PRIVATE_H
#define UPJOB_CORE_CHECK_PRIVATE_H

#include "core/buf.h"
#include "core/check.h"
#include "core/rejects.h"

/* What is asked of one column: fields and keys that name the same column are one rule. */
struct rule {
    char *column;
    long index; /* in the header */
    bool required, key;
    size_t max_length;
};

enum phase { OPENING, ROWS, COPYING, FINISHED };

struct check {
    char *path;
    struct csv_options csv;
    struct rule *rules;
    size_t rule_count;
    size_t key_count;
    bool reject;
    char *rejects_path;
    size_t max_problems;
    enum phase phase;
    int fd;
    struct digest *digest; /* of the input */
    struct csv_reader *reader;
    const struct csv_row *header;
    char **names; /* of the header's cells, NULL-terminated */
    struct rejects *rejects;
    struct buf reasons; /* of the row at hand, for the rejects file */
    uint64_t row_problems;
    struct check_problem *problems;
    struct check_result result;
};

/* Reads the header and finds the columns of the rules in it. */
bool check_header(struct check *check, struct err *err) MUST_CHECK;
/* Adds the problems of a record that could be read. */
void check_row(struct check *check, const struct csv_row *row);
/* Counts a problem, keeps it when it is among the first, and notes it for the rejects file. */
void check_add_problem(struct check *check, enum check_class class, const struct csv_row *row, long column,
                       const char *reason);
/* A value as it can be shown, shortened. */
void check_shorten(char *out, size_t size, struct csv_slice value);

#endif
