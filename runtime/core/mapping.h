/* mapping: a field mapping, compiled: what the fields of an upload job get of a row's cells.
 *
 * A field has its value of one column, of several that are joined, or of none (a constant). Then its steps
 * change it, one after the other, and it is looked at: whether it may be empty, how long it is, what a
 * spreadsheet has left of it, and its content type. What is written in Lua (via, when, a Lua pattern of
 * replace) is a step that calls the embedding. A value that is as its cell is the cell: nothing is copied. An
 * empty value is left as it is by every step but default, lookup (where "" is among the pairs) and the
 * embedding's, and is valid unless the field is required or is of the key.
 *
 * A mapping does not change once it is bound: threads share it, each with an arena of its own, unless it
 * calls the embedding.
 */
#ifndef UPJOB_CORE_MAPPING_H
#define UPJOB_CORE_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/csv.h"
#include "core/err.h"
#include "core/mapping_arena.h"

#define MAPPING_MAX_LENGTH_DEFAULT ((size_t)255) /* characters that the service takes of a value */

enum mapping_type {
    MAPPING_STRING,
    MAPPING_NUMBER,
    MAPPING_PHONE,
    MAPPING_EMAIL,
    MAPPING_NAME,
    MAPPING_TYPES
};

enum mapping_step_kind {
    MAPPING_TRIM,  /* white space of Unicode at both ends, no-break spaces and characters that nobody sees too
                    */
    MAPPING_LOWER, /* Unicode case: see core/mapping_case.h */
    MAPPING_UPPER,
    MAPPING_TITLE,  /* capitals where words begin, small letters behind */
    MAPPING_DIGITS, /* the digits alone, of any script, as ASCII */
    MAPPING_E164,   /* text: the region, or NULL when every number has its country code */
    MAPPING_DATE, /* list: formats (core/mapping_date.h) that are tried in order; number: the least two-digit
                   * year that is of the 1900s, 0 for 69. Gives YYYY-MM-DD, or YYYY-MM-DDTHH:MM:SS by a format
                   * that has hours */
    MAPPING_REPLACE, /* every `text` becomes `with`: bytes, no pattern */
    MAPPING_DEFAULT, /* text, where the value is empty */
    MAPPING_SPLIT,   /* part `number` (from 1, or from -1 at the end) between separators `text`; empty when
                        there are fewer */
    MAPPING_LOOKUP,  /* what `pairs` have for the value, which is compared byte by byte */
    MAPPING_CALL,    /* the embedding's function `number` */
    MAPPING_STEPS,
};

enum mapping_missing {
    MAPPING_MISSING_INVALID,
    MAPPING_MISSING_KEPT,
    MAPPING_MISSING_WITH
}; /* _WITH: it becomes `with` */

struct mapping_pair {
    const char *from, *to;
};

struct mapping_step {
    enum mapping_step_kind kind;
    const char *text, *with;
    const char *const *list; /* NULL-terminated */
    long number;
    const struct mapping_pair *pairs;
    size_t pair_count;
    enum mapping_missing missing; /* a value that is not among the pairs */
};

struct mapping_field {
    const char *key;    /* in Fields */
    const char *target; /* "EmailAddress", "Attributes.tier" */
    enum mapping_type type;
    const char *const *columns; /* header names, NULL-terminated; NULL for a constant */
    const char *separator; /* between several, NULL for none; cells that are empty or blank are left out */
    const char *constant;
    const struct mapping_step *steps;
    size_t step_count;
    bool required;
    bool is_key; /* no column of it may be empty: what is left out would make keys of different rows equal */
    bool is_id;  /* holds numbers that name something (AccountNumber, PostalCode): a power of ten has lost
                    digits; keys too */
    size_t max_length; /* characters; 0 means MAPPING_MAX_LENGTH_DEFAULT */
};

/* What is to become of a row with a value that is not valid: for who passes over the file. */
enum mapping_on_invalid { MAPPING_REJECT, MAPPING_BLANK, MAPPING_STOP };

enum mapping_fault_class {
    MAPPING_REQUIRED_EMPTY,
    MAPPING_KEY_EMPTY,
    MAPPING_TOO_LONG,
    MAPPING_NOT_A_NUMBER,
    MAPPING_NOT_AN_EMAIL,
    MAPPING_NOT_A_PHONE,
    MAPPING_NOT_A_DATE,
    MAPPING_NOT_IN_LOOKUP,
    MAPPING_CALL_INVALID,
    MAPPING_SPREADSHEET_DAMAGE, /* #N/A, 4.4E+11 where digits are meant */
    MAPPING_FAULT_CLASSES,
};

/* "required and empty", "not an e-mail address", … for reports. */
const char *mapping_fault_class_name(enum mapping_fault_class class);

struct mapping_fault {
    enum mapping_fault_class class;
    long column; /* in the file, from 1: the field's first, or the one that is empty of a key's; 0: a constant
                  */
    char reason[256]; /* "is not an e-mail address: it has no @": goes on from the column's name and holds no
                       * value, but perhaps one character of it; what the embedding says is its own */
    const char *hint; /* what can be done about it, static; "" when that is plain */
};

enum mapping_called {
    MAPPING_CALL_SAME,  /* the value stays */
    MAPPING_CALL_VALUE, /* *result is the value */
    MAPPING_CALL_SKIPS, /* the field is to be empty in this row: no more steps, and required asks for nothing
                         */
    MAPPING_CALL_REFUSES, /* the value is invalid; *result is the reason, empty for none */
    MAPPING_CALL_FAILED,  /* *err */
};
/* Called for MAPPING_CALL. A *result must stay valid until the arena is reset: what is not the value, a part
 * of it or a cell of the row is kept with mapping_arena_keep. */
typedef enum mapping_called (*mapping_call)(void *arg, long function, const struct csv_row *row,
                                            struct csv_slice value, struct mapping_arena *arena,
                                            struct csv_slice *result, struct err *err);

struct mapping;

/* False (ERR_USAGE) when the step cannot be done, whatever the value: a region or a format of a date that is none, two
 * results for the same value of a lookup. For a language that wants to say so at once. */
bool mapping_step_check(const struct mapping_step *step, struct err *err) MUST_CHECK;
/* Copies what it is given; texts are UTF-8. `call` may be NULL when no step needs it. ERR_USAGE as
 * mapping_step_check says, and for a field of neither columns nor a constant; ERR_CONFIG when what e164 needs
 * is not installed. */
struct mapping *mapping_new(const struct mapping_field *fields, size_t count, mapping_call call, void *arg,
                            struct err *err) MUST_CHECK;
/* Finds the columns in a file's header: ERR_INVALID_FILE names the nearest where one is missing, and one that
 * is there twice. May be called again, for another file. */
bool mapping_bind(struct mapping *mapping, const struct csv_row *header, struct err *err) MUST_CHECK;
/* NULL is allowed. */
void mapping_free(struct mapping *mapping);

size_t mapping_count(const struct mapping *mapping);
/* A field as it was given: of it, steps is NULL. */
const struct mapping_field *mapping_field_at(const struct mapping *mapping, size_t field);
/* The columns of a field, from 0. After mapping_bind. */
const size_t *mapping_columns(const struct mapping *mapping, size_t field, size_t *count);
/* True when the value of a field may be another than the cell of its one column. */
bool mapping_changes(const struct mapping *mapping, size_t field);
/* True when it has steps in the embedding: then it is used on the embedding's thread. */
bool mapping_calls(const struct mapping *mapping);

/* Phone numbers cost far more than all else, and are remembered. Who has cells of rows that are yet to come
 * can have them looked at before, on several threads, so that mapping_value finds them known. True for a
 * field of one column whose first step, but for trim, is e164. */
bool mapping_looks_ahead(const struct mapping *mapping, size_t field);
/* For such a field; the cells, none of which is empty, are trimmed in place. */
bool mapping_look_ahead(const struct mapping *mapping, size_t field, struct csv_slice *cells, size_t count,
                        struct err *err) MUST_CHECK;

enum mapping_value_kind {
    MAPPING_SAME,    /* *value is what stands in the cell of the field's one column */
    MAPPING_CHANGED, /* *value is another, valid until the arena is reset or the reader goes on */
    MAPPING_INVALID, /* *fault says why; *value is what was looked at */
    MAPPING_FAILED,  /* a function raised, or memory is out: *err */
};

/* The value of a field, from 0, in a row. After mapping_bind. A cell that the row does not have is empty. The
 * arena is reset by the caller, once per row. */
enum mapping_value_kind mapping_value(const struct mapping *mapping, struct mapping_arena *arena,
                                      size_t field, const struct csv_row *row, struct csv_slice *value,
                                      struct mapping_fault *fault, struct err *err) MUST_CHECK;

#endif
