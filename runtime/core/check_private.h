/* check_private: what the files of the check share:
 *
 *   check            making, freeing, the slices
 *   check_plan       the plan's copies
 *   check_file       what can be said of the file alone
 *   check_input      the file: what it is, its text, its header
 *   check_header     the columns: those that the mapping reads, those that nobody does, those of what is sent
 *   check_rows       the pass over the rows
 *   check_sent       what is sent: one outgoing file, or parts; check_sent_begin and check_sent_end their beginning and end
 *   check_row        the problems of one row, and its cells as they are sent
 *   check_dates      dates that can be read in two ways
 *   check_ahead      phone numbers, on several threads before the rows that have them
 *   check_keys       rows that have the same key
 *   check_changes    rows that are not as they were in the last import, and those of a pass
 *   check_shown      rows that are kept to be shown
 *   check_problems   what problems are called, how they read, which are kept, the file of all of them
 */
#ifndef UPJOB_CORE_CHECK_PRIVATE_H
#define UPJOB_CORE_CHECK_PRIVATE_H

#include "core/buf.h"
#include "core/check.h"
#include "core/digest_thread.h"
#include "core/outgoing.h"
#include "core/rejects.h"

struct check_ahead;
struct check_changes;
struct check_sent;
struct check_keys;
struct check_dates_look;
struct check_list;
struct check_shown;

/* Text that is kept for check_ahead until the mapping is known. */
#define CHECK_EARLY_MOST ((size_t)512 << 10)

enum phase { SPOOLING, EXAMINING, OPENED, ROWS, COPYING, KEYS, FINISHED };

/* Where the value of a field goes. */
struct place {
    long cell; /* of the row that is sent */
};

struct check {
    /* What was asked for. */
    char *path, *encoding, *temporary;
    struct csv_options csv;
    bool strict;
    size_t max_problems;
    struct check_plan plan; /* texts are copies */
    enum phase phase;
    struct check_result result;
    /* The file. */
    struct input *input;
    struct input_examination *examination;
    struct input_facts facts;
    int fd;                /* given instead of a path; -1: none */
    bool named;            /* it can be opened again by its path */
    bool waiting;          /* for a pipe */
    bool as_it_stands;     /* the bytes of the file are text as the service takes it */
    struct digest_thread *digest; /* of the input, as long as it may be what is sent */
    struct csv_reader *reader;
    const struct csv_row *header;
    char **names; /* of the header's cells, NULL-terminated */
    /* What is sent. */
    struct outgoing *outgoing;  /* NULL: it is only written in parts */
    struct check_sent *sent;    /* NULL: it is not split */
    struct rejects *rejects;
    struct place *places; /* of each field */
    const char **sources; /* of each field */
    size_t field_count;
    char **sent_names;       /* of all columns that are sent */
    size_t sent_count;       /* those of the header, then others */
    struct csv_slice *cells; /* of the row that is sent, */
    bool cells_made;         /* when it is not the row as it stands */
    struct mapping_arena arena;
    /* The row at hand. */
    struct buf reasons; /* for the rejects file */
    uint64_t row_errors;
    bool row_is_whole; /* it has the cells that the header says */
    struct csv_slice key;
    struct check_keys *keys;
    struct check_changes *changes; /* NULL: not asked for */
    uint64_t selected;             /* rows of plan.select that were met */
    struct check_dates_look *dates;
    struct check_ahead *ahead; /* NULL: there is nothing to look at before */
    struct buf early;          /* text that was read before that was known; failed: too much */
    struct check_list *list;   /* of problems */
    struct check_shown *shown; /* NULL: none are */
};

/* ---- check_input.c ---- */

/* One step of SPOOLING and EXAMINING. */
bool check_input_step(struct check *check, uint64_t until_ns, struct err *err) MUST_CHECK;
/* It did not change while it was read. */
bool check_input_end(struct check *check, struct err *err) MUST_CHECK;
uint64_t check_now_ns(void);

/* ---- check_plan.c ---- */

/* NULL for NULL; *failed when memory is out. */
char *check_copy_text(const char *text, bool *failed);
void check_free_plan(struct check_plan *plan);

/* ---- check_file.c ---- */

bool check_tell_encoding(struct check *check, struct err *err) MUST_CHECK;
bool check_tell_shape(struct check *check, struct err *err) MUST_CHECK;
/* After the last row. */
bool check_tell_cut_off(struct check *check, struct err *err) MUST_CHECK;

/* ---- check_rows.c ---- */

/* With the header known and the plan given. */
bool check_begin_rows(struct check *check, struct err *err) MUST_CHECK;
/* Some of them; the phase is another when there are no more, or something is to be copied before. */
bool check_read_rows(struct check *check, uint64_t until_ns, struct err *err) MUST_CHECK;

/* ---- check_sent.c ---- */

/* With the header known. */
bool check_sent_begin(struct check *check, struct err *err) MUST_CHECK;
/* Every row, as outgoing.h says. */
bool check_sent_keep(struct check *check, const struct csv_row *row, struct err *err) MUST_CHECK;
bool check_sent_drop(struct check *check, const struct csv_row *row, struct err *err) MUST_CHECK;
bool check_sent_replace(struct check *check, const struct csv_row *row, const struct csv_slice *cells, size_t count,
                        struct err *err) MUST_CHECK;
/* Whether the row is of a part that is not written now. NULL: one that cannot be read, which has no key. */
bool check_sent_elsewhere(struct check *check, const struct csv_row *row, bool *elsewhere, struct err *err) MUST_CHECK;
bool check_sent_pending(const struct check *check);
bool check_sent_copy(struct check *check, struct err *err) MUST_CHECK;
void check_sent_end(struct check *check, uint64_t size);
/* When nothing is pending any more. */
bool check_sent_finish(struct check *check, struct err *err) MUST_CHECK;
/* Whether the input itself may still be what is sent. */
bool check_sent_may_be_input(const struct check *check);
bool check_sent_is_later_pass(const struct check *check);
void check_sent_free(struct check *check);

/* ---- check_header.c ---- */

/* Finds the mapping's columns, tells of the others, and decides which columns are sent. */
bool check_header(struct check *check, struct err *err) MUST_CHECK;
/* True when the header that is sent is not the input's. */
bool check_header_changes(const struct check *check);

/* ---- check_row.c ---- */

/* True for a record of several cells with nothing in any. */
bool check_is_empty(const struct csv_row *row);
/* Looks at a record that could be read: its problems are added, its cells made. */
bool check_row(struct check *check, const struct csv_row *row, struct err *err) MUST_CHECK;

/* Whether the mapping lets the row go without a value of this field that is invalid. */
bool check_may_blank(const struct check *check, const struct mapping_field *field,
                     enum mapping_fault_class class);

/* ---- check_shown.c ---- */

struct check_shown *check_shown_new(size_t most, struct err *err) MUST_CHECK;
void check_shown_free(struct check_shown *shown);
/* Keeps the row at hand, when there is room for its fate. */
bool check_show_row(struct check *check, const struct csv_row *row, struct err *err) MUST_CHECK;

/* ---- check_dates.c ---- */

bool check_dates_new(struct check *check, struct err *err) MUST_CHECK;
void check_dates_free(struct check_dates_look *dates);
bool check_dates_row(struct check *check, const struct csv_row *row, struct err *err) MUST_CHECK;

/* ---- check_ahead.c ---- */

/* Makes check->ahead when the mapping has such fields. */
bool check_ahead_new(struct check *check, struct err *err) MUST_CHECK;
void check_ahead_free(struct check_ahead *ahead);
/* Text that was read and is yet to become rows. check->ahead is NULL afterwards when it cannot go on. */
bool check_ahead_feed(struct check *check, const char *text, size_t len, struct err *err) MUST_CHECK;

/* ---- check_keys.c ---- */

/* `memory`: bytes of a sort; 0: as much as is good for it alone. */
struct check_keys *check_keys_new(const char *directory, size_t memory, struct err *err) MUST_CHECK;
void check_keys_free(struct check_keys *keys);
bool check_keys_add(struct check *check, const struct csv_row *row, struct err *err) MUST_CHECK;
/* After the last row. */
void check_keys_end(struct check_keys *keys);
/* Then: some milliseconds of sorting and telling; *more is false at the end. */
bool check_keys_step(struct check *check, bool *more, struct err *err) MUST_CHECK;

/* A key that rows have: how many, the first, the last but one and the last of their lines. */
bool check_keys_group(struct check_keys *keys, const struct changes_repeated *rows, struct err *err) MUST_CHECK;

/* ---- check_changes.c ---- */

/* Makes check->changes when they are asked for, and looks at the rows that are asked for. After check_header. */
bool check_changes_new(struct check *check, struct err *err) MUST_CHECK;
/* When the file was not read to its end, what has changed is given up. */
void check_changes_free(struct check *check);
/* The row at hand, in error or not. */
bool check_changes_row(struct check *check, const struct csv_row *row, struct err *err) MUST_CHECK;
/* Whether rows of one key are met where all are compared, and need not be looked for: in the last file. */
bool check_changes_tell_keys(const struct check *check);
/* After the last row. */
bool check_changes_end(struct check *check, struct err *err) MUST_CHECK;
/* Then, while it is true, steps: after the last file. */
bool check_changes_busy(const struct check *check);
bool check_changes_step(struct check *check, struct err *err) MUST_CHECK;
/* At the very end. */
bool check_changes_finish(struct check *check, struct err *err) MUST_CHECK;
/* True for a row that is not among those that were asked for. Once for each row: the others are counted. */
static inline bool check_is_passed_over(struct check *check, const struct csv_row *row)
{
    if (!check->plan.select)
        return false;
    bool selected = rowset_has(check->plan.select, (uint64_t)row->line);
    check->selected += selected;
    return !selected;
}

/* ---- check_problems.c ---- */

struct check_list *check_list_new(size_t most, const char *path, struct err *err) MUST_CHECK;
void check_list_free(struct check_list *list);
/* Puts the file of all problems in its place. */
bool check_list_finish(struct check *check, struct err *err) MUST_CHECK;
/* Puts the kept ones in order, into the result. */
void check_list_end(struct check *check);

/* A problem: counted, kept when it is among the first, written, and, of a row in error, noted for the rejects
 * file. `value` and `hint` may be NULL. */
struct check_finding {
    enum check_class class;
    long line, column;
    const struct csv_slice *value;
    const char *reason, *hint;
    bool blanked; /* the row stays */
};
bool check_add(struct check *check, const struct check_finding *finding, struct err *err) MUST_CHECK;
/* False when a problem of the class would only be counted: it need not be put into words. */
bool check_is_told(const struct check *check, enum check_class class);
/* A value as it can be shown, shortened. */
void check_shorten(char *out, size_t size, struct csv_slice value);

#endif
