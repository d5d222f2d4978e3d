/* check: one pass over a CSV file before it is imported.
 *
 * The service reports three counts and no row, and imports half of a file that is not what
 * it takes. So every row is looked at here first: what the service would fail is named by
 * line and column, and can be kept back. Plain C in slices of a few milliseconds, to be run
 * in a thread pool: a check is used by one thread at a time, which need not be the same one.
 */
#ifndef UPJOB_CORE_CHECK_H
#define UPJOB_CORE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/csv.h"
#include "core/digest.h"
#include "core/err.h"
#include "core/file_identity.h"

/* Limits of the service (inferred: "under 1 GB"; characters of a profile's values). */
#define CHECK_MAX_BYTES                  1000000000u
#define CHECK_MAX_LENGTH                 255u  /* of a mapped value, in characters */
#define CHECK_MAX_ADDITIONAL_INFORMATION 1000u /* of the one target that takes more */

#define CHECK_PROBLEMS_DEFAULT 20
/* The column that the rejects file has beside the input's. */
#define CHECK_REASON_COLUMN "upjob_reason"

/* What makes a row an error. */
enum check_class {
    CHECK_UNREADABLE, /* CSV_BAD */
    CHECK_TOO_FEW_CELLS,
    CHECK_TOO_MANY_CELLS,
    CHECK_NUL,
    CHECK_NOT_UTF8,
    CHECK_REQUIRED_EMPTY,
    CHECK_KEY_EMPTY,
    CHECK_TOO_LONG,
    CHECK_CLASSES,
};

/* "unreadable", "too few cells", … for reports. */
const char *check_class_name(enum check_class class);

/* A column that the mapping reads. One that several fields read may be given several times. */
struct check_field {
    const char *column; /* header name */
    bool required;
    size_t max_length; /* characters; 0 means CHECK_MAX_LENGTH */
};

struct check_options {
    const char *path;       /* a regular file */
    struct csv_options csv; /* no_header, keep_bom and the start are not looked at */
    const struct check_field *fields;
    size_t field_count;
    const char *const *keys;  /* key columns, NULL-terminated; NULL: none */
    bool reject;              /* keep the rows in error back: see check_result */
    const char *rejects_path; /* where they go; NULL: nowhere */
    size_t max_problems;      /* that are kept; 0 means CHECK_PROBLEMS_DEFAULT */
};

struct check_problem {
    enum check_class class;
    long line;        /* physical line on which the record begins */
    long column;      /* cell, from 1; 0: the whole row */
    char name[128];   /* of the column, shortened; "" when it has none */
    char value[96];   /* of the cell, shortened, bytes that cannot be printed as \xNN: personal data */
    char reason[256]; /* what is wrong; holds no value */
};

struct check_result {
    bool finished;
    bool fatal; /* nothing may be sent: `err` says why */
    struct err err;
    uint64_t rows;                        /* records after the header, those in error too */
    uint64_t bad_rows;                    /* a row counts once, whatever is wrong with it */
    uint64_t counts[CHECK_CLASSES];       /* problems; a row may have several */
    uint64_t bytes;                       /* read so far, for progress */
    uint64_t total;                       /* bytes of the file */
    const struct check_problem *problems; /* the first ones, owned by the check */
    size_t problem_count;
    /* With `reject`, when rows were rejected: a nameless file, mode 0600, at its start, with the
     * header and the good rows as they stood. -1 otherwise: the file itself can be sent. */
    int outgoing_fd; /* owned by the check until check_take_outgoing */
    uint64_t outgoing_bytes;
    bool rejects_written; /* rejects_path was created or replaced */
    /* Of what is to be sent (the outgoing file, else the file itself), when the check has ended well: its MD5, and, for the file
     * itself, which one it was, to be compared when it is sent. */
    char md5[DIGEST_TEXT];
    struct file_identity identity;
};

struct check;

/* Copies the options. Nothing is opened before the first slice. */
struct check *check_new(const struct check_options *options, struct err *err) MUST_CHECK;
/* What the first slice begins with, for a look at the header only: opens the file and finds what would be wrong with every row. */
bool check_open(struct check *check, struct err *err) MUST_CHECK;
/* The header's names, NULL-terminated, owned by the check, and its line. After check_open. */
const char *const *check_header_names(const struct check *check, long *line);
/* Does some milliseconds of work. False when the check is finished. */
bool check_slice(struct check *check) MUST_CHECK;
/* Valid until check_free; may be looked at between slices. */
const struct check_result *check_result(const struct check *check);
/* Hands the outgoing descriptor to the caller, who closes it; -1 when there is none. */
int check_take_outgoing(struct check *check);
/* Frees; a rejects file that is not complete is removed. NULL is allowed. */
void check_free(struct check *check);

/* The problem as a sentence: `customers.csv:4182: column "Mobile" (6): is empty, …`. Without the
 * value unless `show_value`. `file` may be NULL. Returns `out`. */
const char *check_problem_text(const struct check_problem *problem, const char *file, bool show_value,
                               char *out, size_t size);

#endif
