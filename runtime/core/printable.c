#include "core/printable.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"

/* The code point of a valid sequence. */
static uint32_t code_point(const unsigned char *bytes, size_t n)
{
    static const unsigned char lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = bytes[0] & lead_bits[n];
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (bytes[i] & 0x3F);
    return code;
}

static bool is_obeyed(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x061C || code == 0x200E || code == 0x200F ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

size_t printable_character(const char *text, size_t len, char out[PRINTABLE_SIZE])
{
    size_t n = 1;
    while (n < 4 && n < len && ((unsigned char)text[n] & 0xC0) == 0x80)
        n++;
    if (!utf8_valid(text, n, NULL)) {
        snprintf(out, PRINTABLE_SIZE, "\\x%02X", (unsigned char)text[0]);
        return 1;
    }
    uint32_t code = code_point((const unsigned char *)text, n);
    if (is_obeyed(code)) {
        snprintf(out, PRINTABLE_SIZE, code < 0x80 ? "\\x%02X" : "\\u{%X}", (unsigned)code);
        return n;
    }
    memcpy(out, text, n);
    out[n] = '\0';
    return n;
}
