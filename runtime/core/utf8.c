#include "core/utf8.h"

#include <string.h>

#define HIGH_BITS 0x8080808080808080u
#define LOW_BITS  0x0101010101010101u

/* Length of the run of ASCII at `at`, found sixteen bytes at a time. */
static size_t ascii_run(const char *at, size_t len)
{
    size_t n = 0;
    uint64_t a, b;
    while (len - n >= 16) {
        memcpy(&a, at + n, 8);
        memcpy(&b, at + n + 8, 8);
        if ((a | b) & HIGH_BITS)
            break;
        n += 16;
    }
    while (n < len && (unsigned char)at[n] < 0x80)
        n++;
    return n;
}

/* What the first bytes say: RFC 3629's table. The second byte is narrowed where the lead
 * byte alone would let overlong forms, surrogates or too high code points through. */
static size_t sequence_length(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    if (lead >= 0xF0 && lead <= 0xF4)
        return 4;
    return 0;
}

static enum utf8_found read_sequence(const unsigned char *at, size_t len, size_t *length)
{
    unsigned char low, high;
    size_t whole = sequence_length(at[0], &low, &high);
    *length = 1;
    if (whole == 0)
        return UTF8_WRONG;
    for (; *length < whole; ++*length) {
        if (*length == len)
            return UTF8_CUT;
        if (at[*length] < low || at[*length] > high)
            return UTF8_WRONG;
        low = 0x80;
        high = 0xBF;
    }
    return UTF8_WHOLE;
}

enum utf8_found utf8_next(const char *bytes, size_t len, size_t *length)
{
    return read_sequence((const unsigned char *)bytes, len, length);
}

static bool is_tail(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t utf8_run(const char *bytes, size_t len, uint64_t *characters)
{
    const unsigned char *at = (const unsigned char *)bytes;
    size_t n = 0;
    uint64_t count = 0;
    for (; len - n >= 3; count++) {
        unsigned char lead = at[n];
        if ((lead & 0xE0) == 0xC0 && lead >= 0xC2 && is_tail(at[n + 1]))
            n += 2;
        else if ((lead & 0xF0) == 0xE0 && lead != 0xE0 && lead != 0xED && is_tail(at[n + 1]) && is_tail(at[n + 2]))
            n += 3;
        else
            break;
    }
    *characters += count;
    return n;
}

/* Offset of the first sequence that is not whole, `len` when there is none. */
static size_t scan(const char *bytes, size_t len, enum utf8_found *why)
{
    size_t at = 0, length;
    uint64_t characters = 0;
    *why = UTF8_WHOLE;
    for (;;) {
        at += ascii_run(bytes + at, len - at);
        if (at < len)
            at += utf8_run(bytes + at, len - at, &characters);
        while (at < len && (unsigned char)bytes[at] >= 0x80) {
            *why = read_sequence((const unsigned char *)bytes + at, len - at, &length);
            if (*why != UTF8_WHOLE)
                return at;
            at += length;
        }
        if (at == len)
            return len;
    }
}

bool utf8_valid(const char *bytes, size_t len, size_t *error_at)
{
    enum utf8_found why = UTF8_WHOLE;
    size_t at = len > 0 ? scan(bytes, len, &why) : 0;
    if (why != UTF8_WHOLE && error_at)
        *error_at = at;
    return why == UTF8_WHOLE;
}

size_t utf8_length(const char *bytes, size_t len)
{
    size_t n = 0, at = 0;
    for (; len - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, 8);
        /* A byte continues a sequence when its top bits are 10: those are subtracted. */
        uint64_t continues = (word >> 7) & (~word >> 6) & LOW_BITS;
        n += 8 - (size_t)((continues * LOW_BITS) >> 56);
    }
    for (; at < len; at++)
        n += ((unsigned char)bytes[at] & 0xC0) != 0x80;
    return n;
}

size_t utf8_prefix(const char *bytes, size_t len, size_t max)
{
    size_t at = 0, more = 0; /* bytes that may continue the character */
    for (; at < len; at++) {
        if (((unsigned char)bytes[at] & 0xC0) == 0x80 && more > 0) {
            more--;
            continue;
        }
        if (max == 0)
            break;
        max--;
        more = 3;
    }
    return at;
}

size_t utf8_decode(const char *bytes, size_t len, uint32_t *character)
{
    static const unsigned char masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    const unsigned char *at = (const unsigned char *)bytes;
    size_t length;
    *character = UTF8_NONE;
    if (read_sequence(at, len, &length) != UTF8_WHOLE)
        return 1;
    uint32_t value = at[0] & masks[length];
    for (size_t i = 1; i < length; i++)
        value = value << 6 | (at[i] & 0x3F);
    *character = value;
    return length;
}

size_t utf8_encode(uint32_t character, char out[4])
{
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    if (character < 0x80)
        return out[0] = (char)character, 1;
    size_t length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; character >>= 6)
        out[i] = (char)(0x80 | (character & 0x3F));
    out[0] = (char)(leads[length] | character);
    return length;
}

static bool fail_at(struct utf8_state *state, uint64_t at)
{
    state->failed = true;
    state->error_at = at;
    return false;
}

/* Completes the sequence that the last piece cut: the bytes taken for it. */
static size_t complete(struct utf8_state *state, const char *bytes, size_t len)
{
    size_t taken = 0, length;
    while (state->count > 0 && taken < len) {
        state->pending[state->count++] = (unsigned char)bytes[taken++];
        enum utf8_found found = read_sequence(state->pending, state->count, &length);
        if (found == UTF8_WRONG)
            fail_at(state, state->offset + taken - state->count);
        if (found != UTF8_CUT)
            state->count = 0;
    }
    return taken;
}

bool utf8_feed(struct utf8_state *state, const char *bytes, size_t len)
{
    if (state->failed)
        return false;
    size_t taken = complete(state, bytes, len);
    if (!state->failed && taken < len) {
        enum utf8_found why;
        size_t at = taken + scan(bytes + taken, len - taken, &why);
        if (why == UTF8_WRONG)
            return fail_at(state, state->offset + at);
        state->count = (unsigned char)(len - at);
        memcpy(state->pending, bytes + at, len - at);
    }
    state->offset += len;
    return !state->failed;
}

bool utf8_finish(struct utf8_state *state)
{
    if (!state->failed && state->count > 0)
        return fail_at(state, state->offset - state->count);
    return !state->failed;
}
