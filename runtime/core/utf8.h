/* utf8: is it UTF-8, where not, and how many characters.
 *
 * Strict, as RFC 3629 section 3 has it: no overlong forms, no surrogates, nothing above
 * U+10FFFF. No byte is ever changed.
 */
#ifndef UPJOB_CORE_UTF8_H
#define UPJOB_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when `bytes` is UTF-8. Otherwise *error_at, unless NULL, is the offset of the first
 * byte of the first sequence that is none. */
bool utf8_valid(const char *bytes, size_t len, size_t *error_at);

enum utf8_found {
    UTF8_WHOLE, /* a character of *length bytes */
    UTF8_CUT,   /* the bytes end within what may be one */
    UTF8_WRONG, /* the first *length bytes, 1 to 3, are none and no part of the next: one place that is not UTF-8 */
};

/* What stands first in `bytes`, of which there is at least one. */
enum utf8_found utf8_next(const char *bytes, size_t len, size_t *length);

/* The characters of two and three bytes that stand first, as far as each needs no second look: their bytes, which may be fewer
 * than there are such. Adds their number to *characters. */
size_t utf8_run(const char *bytes, size_t len, uint64_t *characters);

/* Code points in UTF-8; in anything else, bytes that do not continue a sequence. */
size_t utf8_length(const char *bytes, size_t len);

/* The longest prefix of at most `max` code points: its bytes, never more than 4 * max, whatever the bytes are. */
size_t utf8_prefix(const char *bytes, size_t len, size_t max);

/* The code point at the start of `bytes` (len >= 1) and how many bytes it takes; for bytes that are not UTF-8, UTF8_NONE and 1. */
#define UTF8_NONE UINT32_MAX
size_t utf8_decode(const char *bytes, size_t len, uint32_t *character);
/* Writes a code point up to U+10FFFF; returns how many bytes that are. */
size_t utf8_encode(uint32_t character, char out[4]);

/* A stream that is checked piece by piece. Starts all zero. */
struct utf8_state {
    uint64_t offset;          /* of the next byte to be fed */
    uint64_t error_at;        /* where the first sequence begins that is none, when `failed` */
    unsigned char pending[4]; /* a sequence that the last piece cut */
    unsigned char count;
    bool failed;
};

/* False once a sequence is not UTF-8; what is fed afterwards is not looked at. */
bool utf8_feed(struct utf8_state *state, const char *bytes, size_t len);
/* The stream ends: false when it was not UTF-8 or ends within a sequence. */
bool utf8_finish(struct utf8_state *state);

#endif
