/* phone: telephone numbers as people write them, in the form of ITU-T E.164 ("+447400123456").
 *
 * The rules are libphonenumber's, which costs some 14 us a number: what was seen is remembered (in memory only: it is
 * personal data), and phone_batch uses every processor. What is accepted is what the library makes of it and calls valid; but
 * what it would repair by guessing is refused with the reason: letters, an extension, and what a spreadsheet leaves of a
 * number. White space and marks that are not seen, which it does not know all of, count as spaces.
 *
 * The library is loaded with the first rules that are made (phone.so, made where libphonenumber is installed). It stays.
 */
#ifndef UPJOB_CORE_PHONE_H
#define UPJOB_CORE_PHONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/csv.h"
#include "core/err.h"

#define PHONE_E164_SIZE          24    /* the number with its '+' and NUL */
#define PHONE_REMEMBERED_DEFAULT 32768 /* numbers; some 3 MiB */
#define PHONE_MAX_BYTES          250   /* that libphonenumber looks at */

enum phone_reason {
    PHONE_VALID,
    PHONE_NO_DIGITS,
    PHONE_NOT_UTF8,
    PHONE_LETTER,          /* `character` at `position` */
    PHONE_CHARACTER,       /* one that stands in no number: likewise */
    PHONE_SCIENTIFIC,      /* 4.4E+11: digits are lost */
    PHONE_DECIMAL,         /* 447400123456.0 */
    PHONE_SHEET_ERROR,     /* #N/A, #REF! */
    PHONE_EXTENSION,       /* E.164 has none */
    PHONE_NO_COUNTRY_CODE, /* and no region that would give one */
    PHONE_COUNTRY_CODE,    /* no such one */
    PHONE_NO_AREA_CODE,
    PHONE_TOO_SHORT,
    PHONE_TOO_LONG,
    PHONE_LENGTH,          /* between those that there are */
    PHONE_NOT_A_NUMBER,    /* not written as any number is */
    PHONE_NOT_IN_USE,      /* of a right length, but of no range that is given out */
    PHONE_REASONS,
};

struct phone_fault {
    enum phone_reason reason;
    int country_code;       /* of the number, 0 when it is not known */
    bool international;     /* written with a country code of its own */
    uint32_t character;     /* Unicode code point; 0: none */
    unsigned position;      /* of it, in characters from 1 */
};

struct phone_result {
    char e164[PHONE_E164_SIZE]; /* "" unless the reason is PHONE_VALID */
    struct phone_fault fault;
};

struct phone_options {
    const char *region;       /* ISO 3166-1 alpha-2, capitals; NULL: every number must have its country code */
    bool drop_extension;      /* take the number without it */
    bool convert_letters;     /* as on a keypad: 1-800-FLOWERS */
    unsigned threads;         /* of phone_batch; 0: as many as processors */
    size_t remembered;        /* numbers; 0 means PHONE_REMEMBERED_DEFAULT */
};

struct phone_rules;

/* Copies the options. The first call loads the library, some 20 ms. ERR_USAGE names the region that was meant; ERR_CONFIG says
 * what to install. */
struct phone_rules *phone_rules_new(const struct phone_options *options, struct err *err) MUST_CHECK;
/* NULL is allowed. No call may be under way. */
void phone_rules_free(struct phone_rules *rules);

/* Looks at one number; any number of threads may at once. False only when it could not be looked at: memory is out. */
bool phone_e164(struct phone_rules *rules, struct csv_slice in, struct phone_result *out, struct err *err) MUST_CHECK;
/* Likewise for `count` of them, on several threads; the caller waits, so it is for a worker thread. 1,000 numbers that were not
 * seen before take some 15 ms of one processor. */
bool phone_batch(struct phone_rules *rules, const struct csv_slice *in, size_t count, struct phone_result *out,
                 struct err *err) MUST_CHECK;

/* What is wrong, as the end of a sentence that begins with the value: "is not a phone number in region GB: it contains the letter
 * O". Nothing of the value but that character is in it. Returns `out`. */
const char *phone_fault_text(const struct phone_rules *rules, const struct phone_fault *fault, char *out, size_t size);

/* A number of the region that is valid and is nobody's, as libphonenumber gives it for examples: as it is written there, with its
 * country code, and in E.164. False when it knows none. */
enum phone_form { PHONE_NATIONAL, PHONE_INTERNATIONAL, PHONE_E164 };
bool phone_example(const struct phone_rules *rules, enum phone_form form, char *out, size_t size) MUST_CHECK;

#endif
