/* survey_value: what one cell looks like. Cheap and pragmatic: it is for counting, not for judging a row. */
#ifndef UPJOB_CORE_SURVEY_VALUE_H
#define UPJOB_CORE_SURVEY_VALUE_H

#include <stdint.h>

#include "core/csv.h"
#include "core/err.h"

/* What a value may be; a value may be several of them. */
enum survey_kind {
    SURVEY_EMAIL,  /* an e-mail address (core/mapping_email.h) */
    SURVEY_PHONE,  /* 7 to 15 digits, written as no number or date is: with a +, a 0 in front, or what people put between */
    SURVEY_NUMBER, /* as the service takes one: a sign, digits, a point */
    SURVEY_DATE,   /* by one of survey_date_formats */
    SURVEY_NAME,   /* begins with a capital, letters, no digits: also of places and companies */
    SURVEY_KINDS,
};

/* What a value has about it. */
enum survey_trait {
    SURVEY_SPACES,        /* white space at an end */
    SURVEY_CAPITALS,      /* an ASCII capital letter */
    SURVEY_INTEGER,       /* digits, perhaps with a sign */
    SURVEY_DECIMAL,       /* a number with a point */
    SURVEY_DECIMAL_COMMA, /* a number with a decimal comma */
    SURVEY_LEADING_ZERO,  /* a 0 before another digit, among nothing but what a number or a code has */
    SURVEY_DIGITS,        /* 7 to 15 digits and nothing else: may be a phone number */
    SURVEY_INTERNATIONAL, /* a phone number with + or 00 in front */
    SURVEY_NORTH_AMERICAN, /* a phone number of 3, 3 and 4 digits */
    SURVEY_WORDS,         /* a space within */
    SURVEY_URL,
    SURVEY_DAMAGE,        /* what a spreadsheet leaves: #N/A, 4.4E+11 */
    SURVEY_LONG,          /* more than 255 characters */
    SURVEY_NOT_UTF8,
    SURVEY_TRAITS,
};

/* "email", "phone", …; "spaces", "decimal_comma", … */
const char *survey_kind_name(enum survey_kind kind);
const char *survey_trait_name(enum survey_trait trait);

/* The formats that dates are tried with, as core/mapping_date.h writes them, NULL-terminated; at most 32. */
extern const char *const survey_date_formats[];
#define SURVEY_FORMATS_MOST 32

struct survey_value {
    uint32_t kinds;          /* 1 << enum survey_kind */
    uint32_t traits;         /* 1 << enum survey_trait */
    uint32_t dates;          /* 1 << index in survey_date_formats */
    size_t chars;            /* of the whole cell */
    struct csv_slice inner;  /* without white space at the ends: of this everything but spaces is said */
};

struct survey_look;

struct survey_look *survey_look_new(struct err *err) MUST_CHECK;
void survey_look_free(struct survey_look *look); /* NULL is allowed */
/* False for a cell that is empty or blank; then only traits and inner are set. */
bool survey_look_at(const struct survey_look *look, struct csv_slice cell, struct survey_value *out);

/* The cell without white space at its ends, as `inner` is. */
struct csv_slice survey_inner(struct csv_slice cell);

#endif
