#include "core/upload_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The text between <name> and </name>. */
static void xml_text(const char *xml, const char *name, char *out, size_t size)
{
    char open[40], shut[40];
    snprintf(open, sizeof open, "<%s>", name);
    snprintf(shut, sizeof shut, "</%s>", name);
    const char *start = strstr(xml, open);
    const char *end = start ? strstr(start, shut) : NULL;
    out[0] = '\0';
    if (end) {
        start += strlen(open);
        snprintf(out, size, "%.*s", (int)(end - start), start);
        resolve(out);
    }
}

void upload_read_error(const char *body, int status, char *request_id, size_t size, struct err *e)
{
    char code[64], message[400];
    xml_text(body, "Code", code, sizeof code);
    xml_text(body, "Message", message, sizeof message);
    if (!request_id[0])
        xml_text(body, "RequestId", request_id, size);
    if (!code[0])
        snprintf(code, sizeof code, "HTTP%d", status);
    bool expired = strstr(message, "expired") != NULL || strcmp(code, "ExpiredToken") == 0;
    err_set(e, code, "the upload was refused (%d): %s%s", status,
            message[0] ? message : "no reason was given",
            expired ? "; ask for a new path with GetUploadJobPath" : "");
    e->status = status;
    e->retryable = expired || status >= 500 || strcmp(code, "RequestTimeout") == 0 || strcmp(code, "SlowDown") == 0;
}
