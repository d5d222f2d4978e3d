/* charset: text in other character sets than UTF-8, through ICU. In charset.so, which input.c loads when it is needed.
 *
 * What cannot be converted is never replaced by something that reads well: each such place becomes the byte CHARSET_INVALID,
 * which no UTF-8 has, so that whoever checks the text refuses the row. Those are: bytes that are no character of the set; in the
 * single-byte sets of Windows also those that Microsoft leaves undefined (ICU takes them for control characters); noncharacters.
 */
#ifndef UPJOB_CORE_CHARSET_H
#define UPJOB_CORE_CHARSET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/codec.h"

#define CHARSET_MODULE        "charset.so"
#define CHARSET_MODULE_SYMBOL "charset_module"
#define CHARSET_INVALID       '\xFF'
#define CHARSET_NAME          64

/* What is known of bytes that are neither UTF-8 nor UTF-16. */
struct charset_evidence {
    const char *sample; /* pieces of lines, those with bytes above 0x7F */
    size_t sample_len;
    const uint64_t *bytes; /* 256 counts of those above 0x7F in the whole input (the others may be 0) */
    bool cr_only;          /* lines end as they did on a Macintosh */
};

struct charset_guess {
    char name[CHARSET_NAME];
    int confidence;   /* per cent */
    bool single_byte;    /* a set of 256 characters at most, one byte each */
    uint64_t undefined;  /* bytes in the whole input that are none of them; 0 for sets of several bytes: only reading tells */
};

/* What the module exports. */
struct charset_module {
    /* To UTF-8; `options` is the name of the set. A byte-order mark is text to it. */
    struct codec codec;
    /* The name that IANA prefers for a set, by any name that ICU knows: "windows-1252" for "cp1252". False with an ERR_USAGE that
     * names the nearest. */
    bool (*canonical)(const char *name, char out[CHARSET_NAME], struct err *err);
    /* The best guess. */
    bool (*guess)(const struct charset_evidence *evidence, struct charset_guess *out, struct err *err);
};

extern const struct charset_module charset_module;

/* charset_guess.c, below charset.c. */
bool charset_guess(const struct charset_evidence *evidence, struct charset_guess *out, struct err *err) MUST_CHECK;

#define CHARSET_NONE 0xFFFF /* no character */

/* The characters of a single-byte set: CHARSET_NONE where there is none. False when it is not one or ICU does not have it. */
bool charset_table(const char *name, uint16_t table[256]) MUST_CHECK;

#endif
