/* survey: what the columns of a CSV file hold, found in one pass over all of it (two where no column is unique).
 *
 * Counts per column, the first values that are not what most are, and whether any value comes twice: a mapping is suggested of
 * it. Memory does not grow with the file. Plain C in slices of a few milliseconds, to be run in a thread pool: a survey is used
 * by one thread at a time, which need not be the same one.
 */
#ifndef UPJOB_CORE_SURVEY_H
#define UPJOB_CORE_SURVEY_H

#include "core/input_examine.h"
#include "core/survey_unique.h"
#include "core/survey_value.h"

#define SURVEY_MISFITS      3  /* that are kept of each kind */
#define SURVEY_VALUE        96 /* bytes that are kept of a value */
#define SURVEY_VALUES       64 /* different values that are kept of a column which has no more */
#define SURVEY_SAMPLES      256 /* values with the digits of a phone number that are kept, from all of the file */
#define SURVEY_SAMPLE       48
#define SURVEY_PAIR_COLUMNS 6
#define SURVEY_PAIRS        (SURVEY_PAIR_COLUMNS * (SURVEY_PAIR_COLUMNS - 1) / 2)

struct survey_options {
    const char *path;     /* "-": standard input */
    int fd;               /* an open regular file instead (duplicated), named `path`; 0 or less: none */
    const char *encoding; /* NULL: it is found out */
    const char *temporary; /* the directory of its temporary files; NULL: where there is room (core/tempfile.h) */
};

/* A value, shortened; personal data. */
struct survey_text {
    long line;
    size_t len;
    char bytes[SURVEY_VALUE];
};

struct survey_common {
    uint64_t count;
    uint64_t hash;
    struct survey_text text; /* with the line of the first one */
};

struct survey_column {
    const char *name; /* owned by the survey; UTF-8 unless the file is not */
    size_t name_len;
    uint64_t filled;            /* cells that are not empty or blank */
    long first_empty;           /* line; 0: none */
    uint64_t kinds[SURVEY_KINDS];
    uint64_t traits[SURVEY_TRAITS];
    long trait_lines[SURVEY_TRAITS]; /* of the first that has it; 0: none */
    uint64_t dates[SURVEY_FORMATS_MOST];
    size_t max_chars;
    struct survey_text misfits[SURVEY_KINDS][SURVEY_MISFITS]; /* the first values that are not of that kind; line 0: none */
    struct unique_counts unique;
    uint64_t distinct;          /* exact when the state is UNIQUE_MEASURED or there are few values, else within some per cent */
    size_t value_count;         /* SURVEY_VALUES + 1: there are more, and no values */
    const struct survey_common *values;
    size_t sample_count;
    const char (*samples)[SURVEY_SAMPLE]; /* NUL-terminated */
};

struct survey_pair {
    size_t columns[2]; /* from 0 */
    struct unique_counts unique;
};

struct survey_result {
    bool finished, failed;
    struct err err;                  /* when failed */
    const struct input_facts *facts; /* NULL before they are known */
    char delimiter;
    uint64_t rows;                   /* that could be read and are not blank */
    uint64_t blank;                  /* records without any value: a spreadsheet leaves such at the end */
    uint64_t unreadable, ragged;     /* records, with more or fewer cells than the header */
    const struct survey_column *columns;
    size_t column_count;
    const struct survey_pair *pairs; /* of columns without empty cells; only where no such column is unique */
    size_t pair_count;
};

struct survey;

struct survey *survey_new(const struct survey_options *options, struct err *err) MUST_CHECK;
/* Does some milliseconds of work. False when the survey is finished. */
bool survey_slice(struct survey *survey) MUST_CHECK;
/* Valid until survey_free, complete when finished. */
const struct survey_result *survey_result(const struct survey *survey);
void survey_free(struct survey *survey); /* NULL is allowed */

#endif
