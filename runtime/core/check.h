/* check: one pass over a CSV file before it is imported.
 *
 * The service reports three counts and no row, and imports half of a file that is not what it takes. So the
 * file is looked at here first: what it is (character set, delimiter, line ends: input_examine.h), and every
 * row under the mapping. What the service would fail is named by line and column, and is kept back; what can
 * be mended is mended: the text becomes UTF-8 with commas, and cells become what the mapping makes of them.
 * What is then to be sent is the file itself when nothing of it was changed, otherwise an outgoing file.
 *
 * Plain C in slices of a few milliseconds, to be run in a thread pool, or, when the mapping calls the
 * embedding, on its thread: a check is used by one thread at a time, which need not be the same one.
 */
#ifndef UPJOB_CORE_CHECK_H
#define UPJOB_CORE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/changes.h"
#include "core/csv.h"
#include "core/digest.h"
#include "core/err.h"
#include "core/file_identity.h"
#include "core/input_examine.h"
#include "core/mapping.h"
#include "core/split.h"

/* Limits of the service (inferred: "under 1 GB"; characters of a profile's values). */
#define CHECK_MAX_BYTES                  1000000000u
#define CHECK_MAX_ADDITIONAL_INFORMATION 1000u /* of the one target that takes more than 255 */

#define CHECK_PROBLEMS_DEFAULT 20
/* What a spreadsheet has room for: a file with as many lines was perhaps cut off. */
#define CHECK_SPREADSHEET_LINES 1048576

/* What was found. Up to CHECK_SPREADSHEET_DAMAGE they are errors: of the row, which is rejected, or of a
 * value, which the mapping may say is blanked. The others are warnings: the import goes on. */
enum check_class {
    CHECK_UNREADABLE, /* CSV_BAD */
    CHECK_TOO_FEW_CELLS,
    CHECK_TOO_MANY_CELLS,
    CHECK_NUL,
    CHECK_NOT_UTF8,
    CHECK_OF_MAPPING, /* and those of enum mapping_fault_class, in its order */
    CHECK_REQUIRED_EMPTY = CHECK_OF_MAPPING,
    CHECK_KEY_EMPTY,
    CHECK_TOO_LONG,
    CHECK_NOT_A_NUMBER,
    CHECK_NOT_AN_EMAIL,
    CHECK_NOT_A_PHONE,
    CHECK_NOT_A_DATE,
    CHECK_NOT_IN_LOOKUP,
    CHECK_CALL_INVALID,
    CHECK_SPREADSHEET_DAMAGE,
    CHECK_CONVERTED, /* another character set */
    CHECK_MARK,      /* a byte-order mark */
    CHECK_MIXED,     /* of several character sets */
    CHECK_DELIMITER,
    CHECK_SEP_LINE,
    CHECK_UNMAPPED_HEADER,
    CHECK_EMPTY_HEADER,
    CHECK_DUPLICATE_HEADER,
    CHECK_DOTTED_HEADER,
    CHECK_CUT_OFF,
    CHECK_EMPTY_ROW, /* cells, and nothing in any: what spreadsheets have behind the last row */
    CHECK_AMBIGUOUS_DATE,
    CHECK_DUPLICATE_KEY,
    CHECK_CLASSES,
};

/* "unreadable", "too few cells", … for reports. */
const char *check_class_name(enum check_class class);
bool check_is_error(enum check_class class);

/* Ways to write the dates of a field of one column, when there are several. */
struct check_dates {
    size_t field;               /* of the mapping */
    const char *const *formats; /* NULL-terminated */
};

/* How what is sent is split where it is too large: core/split.h. */
struct check_split_plan {
    const char *salt;    /* NULL: it is not, and what is too large is refused */
    uint64_t part_bytes; /* a part has fewer */
    size_t slots;        /* parts whose files may be there at once */
    const struct split_range *ranges; /* of the parts to be written, in order; NULL: it is to be found out whether it must be
                                       * split, and how */
    size_t range_count;
};

/* A part of what is to be sent. */
struct check_part {
    struct split_part plan; /* without a file, and not below part_bytes: it is to be split again */
    int fd;                 /* nameless, at its start; -1: it was not written */
    char md5[DIGEST_TEXT];  /* of a part that was written */
};

/* What the rows are looked at for. Everything is borrowed, but texts are copied. */
struct check_plan {
    struct mapping *mapping; /* bound by the check; NULL: only what can be said of the file alone */
    enum mapping_on_invalid on_invalid;
    bool no_check; /* rows are changed as the mapping says, and otherwise sent as they are: a value that is
                    * invalid stays, nothing is rejected, and keys are not compared */
    bool reject;   /* keep the rows in error back: see check_result */
    bool no_digest; /* nothing will be sent: no MD5 is made */
    bool settles;   /* somebody waits for check_is_settled: rejected rows are put in their place then */
    const char *rejects_path;   /* where they go; NULL: nowhere */
    const char *problems_path;  /* every problem, as CSV; NULL: nowhere */
    size_t shown;               /* rows of each fate that are kept to be shown: check_shown_rows */
    uint64_t max_rows;          /* 0: all; else only so many are looked at, and there is nothing to be sent */
    const char *const *skipped; /* headers that are left out on purpose, NULL-terminated; NULL: none */
    const struct check_dates *dates;
    size_t date_count;
    /* Whether a row is wanted at all; false with *err when that cannot be told. NULL: all are. */
    bool (*wants)(void *arg, const struct csv_row *row, bool *wanted, struct err *err);
    void *arg;
    struct check_split_plan split;
    /* What has changed since the last import: found out in a pass of its own over each file, which makes nothing to be sent. */
    struct changes *changes; /* that the file is the next one of; held; NULL: that is not asked for */
    struct rowset *select; /* only these rows, of the same file, are looked at; NULL: all */
};

struct check_options {
    const char *path; /* a file, a pipe, "-" for standard input; plain, gzip or zstd */
    int fd; /* an open regular file to be read instead, from its beginning (duplicated): `path` is then its name in errors; 0 or
             * less: none */
    struct csv_options
        csv; /* delimiter 0: it is recognised; no_header, keep_bom and the start are not looked at */
    const char *encoding; /* a name; NULL: it is recognised */
    bool strict;          /* refuse what would be converted or renamed */
    const char *temporary; /* the directory of its temporary files; NULL: where there is room (core/tempfile.h) */
    size_t max_problems;  /* that are kept; 0 means CHECK_PROBLEMS_DEFAULT */
    struct check_plan plan;
};

struct check_problem {
    enum check_class class;
    long line;        /* physical line on which the record begins; 0: the whole file */
    long column;      /* cell, from 1; 0: the whole row */
    char name[128];   /* of the column, shortened; "" when it has none */
    char value[1280]; /* of the cell, as far as 300 characters, bytes that cannot be printed as \xNN: personal data */
    char reason[256]; /* what is wrong; goes on from the value, and holds none of it but perhaps one character
                       */
    char hint[128];   /* what can be done about it; "" when that is plain */
};

/* What becomes of a row: it is in error and kept back, it is sent otherwise than it stands, or as it stands. */
enum check_fate { CHECK_REJECTED, CHECK_CHANGED, CHECK_SENT, CHECK_FATES };

/* The value of a field in a row that is shown. Texts may be cut. */
struct check_shown_value {
    const char *const *cells; /* of the field's columns */
    size_t cell_count;
    const char *value; /* what is sent; "" of one that is invalid */
    enum mapping_value_kind kind;
    bool blanked;       /* it is invalid, and the row is sent without it */
    const char *reason; /* of one that is invalid; otherwise "" */
};

struct check_shown_row {
    long line;
    const char *reasons; /* all that is wrong with it; otherwise "" */
    const struct check_shown_value *values; /* by field; NULL where the row is not as the header says */
    size_t value_count;
};

struct check_result {
    bool finished;
    bool in_part; /* plan.max_rows: not all rows were looked at */
    bool fatal; /* nothing may be sent: `err` says why */
    struct err err;
    const struct input_facts *facts; /* what the file is; NULL until that is known */
    uint64_t rows; /* records after the header, those in error too, but not those that were not wanted,
                    * and not empty ones */
    uint64_t unwanted;
    uint64_t passed_over;           /* rows that are not for this pass: they count in nothing else */
    uint64_t bad_rows;              /* in error: a row counts once, whatever is wrong with it */
    uint64_t blanked;               /* values that were invalid and were emptied */
    uint64_t changed_rows;          /* that are sent otherwise than they stand: by steps and blanks */
    uint64_t counts[CHECK_CLASSES]; /* problems; a row may have several */
    uint64_t bytes;                 /* read so far, for progress */
    uint64_t total;                 /* bytes of the file */
    /* The first ones, by line; where there are more than max_problems, errors before warnings. Known at the
     * end; owned by the check. */
    const struct check_problem *problems;
    size_t problem_count;
    /* For each field of the mapping the column of what is sent that has its value; owned by the check. */
    const char *const *sources;
    /* What is to be sent, when it is not the file itself: a nameless file, mode 0600, at its start. -1
     * otherwise. With plan.changes, the input where it cannot be opened again. */
    int outgoing_fd; /* owned by the check until check_take_outgoing */
    uint64_t outgoing_bytes;
    /* The parts of what is to be sent, when it is split; their descriptors are the check's until check_take_part. */
    const struct check_part *parts; /* NULL: it is not */
    size_t part_count;
    bool mended;           /* it is not the input byte by byte, also apart from rows that are left out */
    bool rejects_written;  /* rejects_path was created or replaced, */
    bool problems_written; /* and problems_path */
    /* Of what is to be sent, when the check has ended well: its MD5, "" with no_digest, and, for the file itself, which one it
     * was, to be compared when it is sent. */
    char md5[DIGEST_TEXT];
    struct file_identity identity;
    const struct changes_counts *changes; /* of all files, with the last one; NULL: not asked for, or not known */
};

struct check;

/* Copies the options. Nothing is opened before the first slice. */
struct check *check_new(const struct check_options *options, struct err *err) MUST_CHECK;
/* The first slices alone: reads what cannot be read twice to a temporary file, finds out what the file is and
 * reads its header. False when that is done, or has failed as the result says. */
bool check_open_slice(struct check *check) MUST_CHECK;
/* All of them. */
bool check_open(struct check *check, struct err *err) MUST_CHECK;
/* The header's names, NULL-terminated, owned by the check, and its line. After check_open. */
const char *const *check_header_names(const struct check *check, long *line);
/* Another plan than that of the options: before check_slice. */
bool check_set_plan(struct check *check, const struct check_plan *plan, struct err *err) MUST_CHECK;
/* Does some milliseconds of work. False when the check is finished. */
bool check_slice(struct check *check) MUST_CHECK;
/* The descriptor to wait for before the next slice, when the input is a pipe that has nothing yet; -1: none.
 */
int check_waits_for(const struct check *check);
/* With plan.settles: parts are made, and all that is wrong with rows is known, while rows that have the same key are still looked
 * for: the result is what it will be but for these, and for the list of problems. Later slices may still fail. */
bool check_is_settled(const struct check *check);
/* Valid until check_free; may be looked at between slices. */
const struct check_result *check_result(const struct check *check);
/* The reader of the rows, for who calls the embedding; NULL before the header was read. */
struct csv_reader *check_reader(struct check *check);
/* After check_open: another descriptor, the caller's, of the file itself, or of the temporary one that holds what cannot be read
 * twice. -1 with *err. */
int check_input_again(const struct check *check, struct err *err) MUST_CHECK;
/* The first rows of that fate, in order; owned by the check. */
size_t check_shown_rows(const struct check *check, enum check_fate fate, const struct check_shown_row **rows);
/* What plan.changes was; NULL when that was not asked for. */
struct changes *check_changes(struct check *check);
/* Hands the outgoing descriptor to the caller, who closes it; -1 when there is none. */
int check_take_outgoing(struct check *check);
/* The same of a part. */
int check_take_part(struct check *check, size_t part);
/* Frees; files that are not complete are removed. NULL is allowed. */
void check_free(struct check *check);

/* The problem as a line: `customers.csv:4182: column "Mobile" (6): "07700 90O123" is not a phone number …`.
 * Without the value unless `show_value`. `file` may be NULL. Returns `out`. */
const char *check_problem_text(const struct check_problem *problem, const char *file, bool show_value,
                               char *out, size_t size);

#endif
