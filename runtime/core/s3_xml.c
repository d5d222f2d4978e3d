#include "core/s3_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/redact.h"
#include "core/secret.h"

#define MOST_TEXT ((size_t)128 << 10)

/* Copies without the values that stand behind the names of secret parameters: those of a URL that was not ours. */
static void hide_parameters(const char *text, char *out, size_t size)
{
    struct buf shown;
    buf_init(&shown, MOST_TEXT);
    out[0] = '\0';
    if (redact_line(text, strlen(text), &shown) && shown.data) {
        size_t len = shown.len < size ? shown.len : size - 1;
        while (len < shown.len && len > 0 && ((unsigned char)shown.data[len] & 0xC0) == 0x80) /* not within a character */
            len--;
        snprintf(out, size, "%.*s", (int)len, shown.data);
    }
    buf_cleanse(&shown);
}

/* Adds a character as UTF-8. Those that steer a terminal, and those that there are not, become a space. */
static char *put_character(char *to, unsigned long c)
{
    if (c < 0x20 || c == 0x7F || c > 0x10FFFF || (c >= 0x80 && c < 0xA0) || (c >= 0xD800 && c < 0xE000))
        c = ' ';
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3F));
    } else {
        if (c < 0x10000) {
            *to++ = (char)(0xE0 | c >> 12);
        } else {
            *to++ = (char)(0xF0 | c >> 18);
            *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        }
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    }
    return to;
}

/* The reference that begins at `text` ("&lt;", "&#39;", "&#x2014;"): its character, and in *len its length; 0 when it is none. */
static unsigned long reference(const char *text, size_t *len)
{
    static const struct {
        const char *text;
        char c;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        *len = strlen(named[i].text);
        if (strncmp(text, named[i].text, *len) == 0)
            return (unsigned char)named[i].c;
    }
    bool hexadecimal = text[1] == '#' && (text[2] == 'x' || text[2] == 'X');
    const char *digits = text + (hexadecimal ? 3 : 2);
    size_t count = text[1] == '#' ? strspn(digits, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789") : 0;
    if (count == 0 || digits[count] != ';')
        return 0;
    *len = (size_t)(digits - text) + count + 1;
    unsigned long c = strtoul(digits, NULL, hexadecimal ? 16 : 10);
    return c ? c : ' ';
}

/* Resolves references in place: a character is never longer than what stands for it. */
static void resolve(char *text)
{
    char *to = text;
    size_t len;
    while (*text) {
        unsigned long c = *text == '&' ? reference(text, &len) : 0;
        if (c) {
            to = put_character(to, c);
            text += len;
        } else {
            *to++ = (unsigned char)*text < ' ' ? ' ' : *text;
            text++;
        }
    }
    *to = '\0';
}

void s3_xml_text(const char *xml, const char *name, const struct redact_values *secrets, char *out, size_t size)
{
    char open[40], shut[40];
    snprintf(open, sizeof open, "<%s>", name);
    snprintf(shut, sizeof shut, "</%s>", name);
    const char *start = xml ? strstr(xml, open) : NULL;
    const char *end = start ? strstr(start, shut) : NULL;
    char *text = end ? strndup(start + strlen(open), (size_t)(end - start) - strlen(open)) : NULL;
    out[0] = '\0';
    if (!text)
        return;
    resolve(text);
    redact_values_hide(secrets, text);
    hide_parameters(text, out, size);
    secret_cleanse(text, strlen(text));
    free(text);
}
