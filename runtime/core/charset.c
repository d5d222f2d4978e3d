#include "core/charset.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>

#include "core/operations.h"

#define PIVOT 4096 /* UTF-16 units */
#define OUT   ((size_t)PIVOT * 3 + 8)
#define WIDE  16 /* bytes that are copied at once */

/* One character of a single-byte set as UTF-8. */
struct character {
    char bytes[3];
    unsigned char len;
};

struct converter {
    UConverter *icu; /* NULL for a single-byte set */
    struct character table[256];
    bool ascii;      /* the first 128 are those of ASCII */
    UChar lead;      /* the first half of a pair, whose second has not come yet; 0: none */
    size_t at, len;  /* what is ready and not yet given out */
    char out[OUT];
    UChar pivot[PIVOT];
};

/* ---- names ---- */

/* ucnv_open would look for files, too. */
static bool is_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len >= CHARSET_NAME)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("-_.:+", name[i]))
            return false;
    return true;
}

static UConverter *open_converter(const char *name)
{
    UErrorCode status = U_ZERO_ERROR;
    UConverter *icu = is_name(name) ? ucnv_open(name, &status) : NULL;
    if (icu && U_FAILURE(status)) {
        ucnv_close(icu);
        icu = NULL;
    }
    return icu;
}

/* Every name that ICU has, NULL-terminated; the caller frees the list only. */
static const char **all_names(void)
{
    size_t count = 0, size = 0;
    const char **names = NULL;
    for (int32_t i = 0; i < ucnv_countAvailable(); i++) {
        const char *set = ucnv_getAvailableName(i);
        UErrorCode status = U_ZERO_ERROR;
        uint16_t aliases = ucnv_countAliases(set, &status);
        if (count + aliases + 1 > size) {
            size = (count + aliases + 1) * 2;
            const char **grown = realloc(names, size * sizeof *names);
            if (!grown)
                break;
            names = grown;
        }
        for (uint16_t k = 0; k < aliases; k++) {
            const char *alias = ucnv_getAlias(set, k, &status);
            if (alias)
                names[count++] = alias;
        }
        names[count] = NULL;
    }
    return names;
}

static bool fail_unknown(const char *name, struct err *err)
{
    const char **names = all_names();
    const char *near = names ? nearest_name(name, names) : NULL;
    if (near)
        err_set(err, ERR_USAGE, "\"%.80s\" is not a character set that is known: did you mean \"%s\"?", name, near);
    else
        err_set(err, ERR_USAGE, "\"%.80s\" is not a character set that is known: such are UTF-8, UTF-16, windows-1252", name);
    free(names);
    return false;
}

static bool canonical(const char *name, char out[CHARSET_NAME], struct err *err)
{
    UConverter *icu = open_converter(name);
    if (!icu)
        return fail_unknown(name, err);
    UErrorCode status = U_ZERO_ERROR;
    const char *own = ucnv_getName(icu, &status);
    const char *mail = ucnv_getStandardName(own, "MIME", &status);
    const char *registered = ucnv_getStandardName(own, "IANA", &status);
    const char *best = mail ? mail : registered ? registered : own;
    bool fits = best && strlen(best) < CHARSET_NAME;
    if (fits)
        memcpy(out, best, strlen(best) + 1);
    ucnv_close(icu);
    return fits || err_set(err, ERR_INTERNAL, "the character set \"%s\" has no name", name);
}

/* ---- making ---- */

/* Instead of a character: what ICU does with a place that it cannot convert. */
static void mark_invalid(const void *context, UConverterToUnicodeArgs *args, const char *units, int32_t length,
                         UConverterCallbackReason reason, UErrorCode *status)
{
    static const UChar none = CHARSET_NONE;
    (void)context;
    (void)units;
    (void)length;
    if (reason > UCNV_IRREGULAR) /* reset, close, clone */
        return;
    *status = U_ZERO_ERROR;
    ucnv_cbToUWriteUChars(args, &none, 1, 0, status);
}

static bool mark_what_is_invalid(UConverter *icu)
{
    UErrorCode status = U_ZERO_ERROR;
    ucnv_setToUCallBack(icu, mark_invalid, NULL, NULL, NULL, &status);
    return U_SUCCESS(status);
}

/* Those of Windows and IBM's ICU gives as the control characters of the same numbers where Microsoft has nothing. */
static bool is_windows(UConverter *icu)
{
    UErrorCode status = U_ZERO_ERROR;
    const char *own = ucnv_getName(icu, &status);
    const char *name = own ? ucnv_getStandardName(own, "IANA", &status) : NULL;
    return name && strncmp(name, "windows-", 8) == 0;
}

static bool fill_table(UConverter *icu, uint16_t table[256])
{
    if (ucnv_getMaxCharSize(icu) > 1 || !mark_what_is_invalid(icu))
        return false;
    bool windows = is_windows(icu);
    for (int byte = 0; byte < 256; byte++) {
        UErrorCode status = U_ZERO_ERROR;
        UChar made[4];
        char in = (char)byte;
        ucnv_resetToUnicode(icu);
        int32_t n = ucnv_toUChars(icu, made, 4, &in, 1, &status);
        bool defined = n == 1 && !U_FAILURE(status) && !(windows && made[0] >= 0x80 && made[0] < 0xA0);
        table[byte] = defined ? made[0] : CHARSET_NONE;
    }
    return true;
}

bool charset_table(const char *name, uint16_t table[256])
{
    UConverter *icu = open_converter(name);
    bool done = icu && fill_table(icu, table);
    if (icu)
        ucnv_close(icu);
    return done;
}

static bool is_noncharacter(uint32_t c)
{
    return (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF);
}

/* The bytes of `c` at `out`, or CHARSET_INVALID: how many. */
static size_t encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (is_noncharacter(c) || (c >= 0xD800 && c <= 0xDFFF)) {
        out[0] = CHARSET_INVALID;
        return 1;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

static void make_table(struct converter *converter, const uint16_t table[256])
{
    converter->ascii = true;
    for (int byte = 0; byte < 256; byte++) {
        struct character *to = &converter->table[byte];
        to->len = (unsigned char)encode(table[byte], to->bytes);
        converter->ascii = converter->ascii && (byte >= 0x80 || table[byte] == byte);
    }
}

static void converter_free(void *state)
{
    struct converter *converter = state;
    if (converter->icu)
        ucnv_close(converter->icu);
    free(converter);
}

static void *converter_make(const void *options, struct err *err)
{
    const char *name = options;
    struct converter *converter = calloc(1, sizeof *converter);
    uint16_t table[256];
    if (!converter) {
        err_set(err, ERR_MEMORY, "no memory for the character set %.*s", CHARSET_NAME, name);
        return NULL;
    }
    converter->icu = open_converter(name);
    if (!converter->icu) {
        free(converter);
        fail_unknown(name, err);
        return NULL;
    }
    if (fill_table(converter->icu, table)) {
        make_table(converter, table);
        ucnv_close(converter->icu);
        converter->icu = NULL;
    } else if (!mark_what_is_invalid(converter->icu)) {
        converter_free(converter);
        err_set(err, ERR_INTERNAL, "the character set %.*s cannot be converted", CHARSET_NAME, name);
        return NULL;
    }
    return converter;
}

/* ---- converting ---- */

static bool is_ascii(const char *at)
{
    uint64_t a, b;
    memcpy(&a, at, 8);
    memcpy(&b, at + 8, 8);
    return ((a | b) & 0x8080808080808080u) == 0;
}

static void convert_single(struct converter *converter, struct codec_io *io)
{
    const unsigned char *in = (const unsigned char *)io->in;
    size_t at = 0, len = 0;
    while (at < io->in_len && len + WIDE * 3 < OUT) {
        if (converter->ascii && io->in_len - at >= WIDE && is_ascii(io->in + at)) {
            memcpy(converter->out + len, io->in + at, WIDE);
            at += WIDE;
            len += WIDE;
            continue;
        }
        for (size_t end = io->in_len - at < WIDE ? io->in_len : at + WIDE; at < end; at++) {
            const struct character *c = &converter->table[in[at]];
            memcpy(converter->out + len, c->bytes, sizeof c->bytes);
            len += c->len;
        }
    }
    io->in += at;
    io->in_len -= at;
    converter->len = len;
}

/* The pivot as UTF-8. */
static void encode_pivot(struct converter *converter, size_t count)
{
    char *out = converter->out;
    for (size_t i = 0; i < count; i++) {
        UChar unit = converter->pivot[i];
        if (unit < 0x80 && !converter->lead) {
            *out++ = (char)unit;
            continue;
        }
        if (converter->lead && U16_IS_TRAIL(unit)) {
            out += encode((uint32_t)U16_GET_SUPPLEMENTARY(converter->lead, unit), out);
            converter->lead = 0;
            continue;
        }
        if (converter->lead)
            *out++ = CHARSET_INVALID;
        converter->lead = U16_IS_LEAD(unit) ? unit : 0;
        if (!converter->lead)
            out += encode(unit, out);
    }
    converter->len = (size_t)(out - converter->out);
}

static bool convert_many(struct converter *converter, struct codec_io *io, struct err *err)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar *to = converter->pivot;
    const char *from = io->in;
    ucnv_toUnicode(converter->icu, &to, converter->pivot + PIVOT, &from, io->in + io->in_len, NULL, io->last, &status);
    io->in_len -= (size_t)(from - io->in);
    io->in = from;
    if (U_FAILURE(status) && status != U_BUFFER_OVERFLOW_ERROR)
        return err_set(err, ERR_FILE, "cannot be converted to UTF-8: %s", u_errorName(status));
    encode_pivot(converter, (size_t)(to - converter->pivot));
    if (io->last && converter->len == 0 && converter->lead) {
        converter->out[converter->len++] = CHARSET_INVALID;
        converter->lead = 0;
    }
    return true;
}

static bool converter_run(void *state, struct codec_io *io, struct err *err)
{
    struct converter *converter = state;
    while (io->out_len > 0) {
        if (converter->at == converter->len) {
            converter->at = converter->len = 0;
            if (!converter->icu)
                convert_single(converter, io);
            else if (!convert_many(converter, io, err))
                return false;
            if (converter->len == 0)
                return true;
        }
        size_t n = converter->len - converter->at;
        if (n > io->out_len)
            n = io->out_len;
        memcpy(io->out, converter->out + converter->at, n);
        converter->at += n;
        io->out += n;
        io->out_len -= n;
    }
    return true;
}

const struct charset_module charset_module = {{converter_make, converter_run, converter_free}, canonical, charset_guess};
