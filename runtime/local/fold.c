#include "local/fold.h"

#include <locale.h>
#include <pthread.h>
#include <string.h>
#include <wctype.h>

#include "core/utf8.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t unicode; /* made once, never changed */

static void open_locale(void)
{
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* The character of a sequence that is known to be UTF-8. */
static wint_t decode(const unsigned char *bytes, size_t len)
{
    static const unsigned char lead[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    wint_t c = bytes[0] & lead[len];
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (bytes[i] & 0x3F);
    return c;
}

static size_t encode(wint_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(lead[len] | c);
    return len;
}

static size_t sequence_length(const char *text, size_t len)
{
    unsigned char first = (unsigned char)text[0];
    size_t n = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 1;
    return n <= len && utf8_valid(text, n, NULL) ? n : 1;
}

size_t fold_text(const char *text, size_t len, char *out, size_t size)
{
    size_t written = 0, n;
    for (size_t at = 0; at < len; at += n) {
        char lower[4];
        size_t lower_len = 1;
        lower[0] = text[at];
        n = 1;
        if (text[at] >= 'A' && text[at] <= 'Z') {
            lower[0] = (char)(text[at] + 32);
        } else if ((unsigned char)text[at] >= 0x80 && (n = sequence_length(text + at, len - at)) > 1) {
            pthread_once(&once, open_locale);
            wint_t c = decode((const unsigned char *)text + at, n);
            lower_len = encode(unicode ? towlower_l(c, unicode) : c, lower);
        }
        if (written + lower_len > size)
            break;
        memcpy(out + written, lower, lower_len);
        written += lower_len;
    }
    return written;
}
