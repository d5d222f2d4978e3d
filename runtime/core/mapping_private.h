/* mapping_private: what the files of the mapping share:
 *
 *   mapping          making, binding, the value of a field
 *   mapping_build    the steps as they are given, made ready
 *   mapping_steps    what steps do, but those with files of their own:
 *   mapping_case, mapping_date, mapping_lookup, mapping_phone
 *   mapping_types    content types and a spreadsheet's damage; mapping_email has its own
 *   characters       classes of Unicode characters
 */
#ifndef UPJOB_CORE_MAPPING_PRIVATE_H
#define UPJOB_CORE_MAPPING_PRIVATE_H

#include <string.h>

#include "core/mapping.h"

struct dates;
struct lookup;
struct mapping_phone;

/* A step, ready to be done. Strings are the mapping's. */
struct step {
    enum mapping_step_kind kind;
    struct csv_slice text, with;
    long number;
    enum mapping_missing missing;
    struct dates *dates;
    struct lookup *lookup;
    struct mapping_phone *phone;
};

struct field {
    struct mapping_field given;
    struct step *steps;
    size_t step_count;
    size_t *columns; /* in the file, from 0 */
    size_t column_count;
    struct csv_slice separator, constant;
};

struct mapping {
    struct mapping_arena memory; /* for all that it is made of */
    struct field *fields;
    size_t count;
    mapping_call call;
    void *arg;
    bool calls;
    struct mapping_phone *phones; /* the rules of the regions that occur */
};

/* A value on its way through the steps. */
struct work {
    const struct mapping *mapping;
    const struct field *field;
    struct mapping_arena *arena;
    const struct csv_row *row;
    struct csv_slice value;
    struct mapping_fault *fault;
    struct err *err;
};

enum outcome { OUTCOME_GOOD, OUTCOME_SKIPPED, OUTCOME_INVALID, OUTCOME_FAILED };

/* Makes the steps of a field, in the mapping's memory. */
bool mapping_steps_make(struct mapping *mapping, struct field *field, struct err *err) MUST_CHECK;
char *mapping_copy_text(struct mapping_arena *memory, const char *text, struct err *err) MUST_CHECK;

/* Does a step on work->value. */
enum outcome mapping_step_do(struct work *work, const struct step *step) MUST_CHECK;

/* Of a value that is not empty. */
void mapping_trim(struct csv_slice *value);

/* True for most values that mapping_type_look finds good, of those that are not empty. False says nothing. */
bool mapping_type_is_plain(const struct mapping_field *given, struct csv_slice value);
/* Looks at a value that is not empty by the field's content type. */
enum outcome mapping_type_look(struct work *work) MUST_CHECK;
enum outcome mapping_email_look(struct work *work) MUST_CHECK;
/* What a spreadsheet leaves of a value: #N/A, and of one that is to be a number or digits, 4.4E+11. */
enum outcome mapping_damage_look(struct work *work, bool digits_count) MUST_CHECK;

/* E.164 through libphonenumber: the one place that knows of it. The rules of a region are made once. */
struct mapping_phone *mapping_phone_of(struct mapping *mapping, const char *region, struct err *err) MUST_CHECK;
enum outcome mapping_phone_do(struct work *work, struct mapping_phone *phone) MUST_CHECK;
void mapping_phones_free(struct mapping *mapping);

/* Fills the fault and returns OUTCOME_INVALID; the hint is static. */
enum outcome mapping_invalid(struct work *work, enum mapping_fault_class class, const char *hint, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* Fills the error and returns OUTCOME_FAILED. */
enum outcome mapping_no_memory(struct work *work);

static inline struct csv_slice slice_of(const char *text)
{
    return (struct csv_slice){text ? text : "", text ? strlen(text) : 0};
}

static inline bool slices_equal(struct csv_slice a, struct csv_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

#endif
