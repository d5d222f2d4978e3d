#include "core/printable.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/utf8.h"

static bool is_obeyed(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x061C || code == 0x200E || code == 0x200F ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

size_t printable_character(const char *text, size_t len, char out[PRINTABLE_SIZE])
{
    uint32_t code;
    size_t n = utf8_decode(text, len, &code);
    if (code == UTF8_NONE) {
        snprintf(out, PRINTABLE_SIZE, "\\x%02X", (unsigned char)text[0]);
        return 1;
    }
    if (is_obeyed(code)) {
        snprintf(out, PRINTABLE_SIZE, code < 0x80 ? "\\x%02X" : "\\u{%X}", (unsigned)code);
        return n;
    }
    memcpy(out, text, n);
    out[n] = '\0';
    return n;
}
