#include "core/err.h"

#include <stdio.h>
#include <string.h>

void err_clear(struct err *e)
{
    memset(e, 0, sizeof *e);
}

/* Drops a UTF-8 sequence that was cut in two at the end of `text`. */
static void trim_broken_utf8(char *text)
{
    size_t length = strlen(text);
    size_t back = 0;
    while (back < length && back < 4 && ((unsigned char)text[length - 1 - back] & 0xC0) == 0x80)
        back++;
    if (back == length)
        return;
    unsigned char lead = (unsigned char)text[length - 1 - back];
    size_t need = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (need > back)
        text[length - 1 - back] = '\0';
}

static void format_into(char *out, size_t size, const char *format, va_list args)
{
    int length = vsnprintf(out, size, format, args);
    if (length >= 0 && (size_t)length >= size)
        trim_broken_utf8(out);
}

static void copy_text(char *out, size_t size, const char *text)
{
    size_t length = strlen(text);
    bool cut = length >= size;
    if (cut)
        length = size - 1;
    memmove(out, text, length);
    out[length] = '\0';
    if (cut)
        trim_broken_utf8(out);
}

bool err_set(struct err *e, const char *code, const char *format, ...)
{
    va_list args;
    copy_text(e->code, sizeof e->code, code);
    va_start(args, format);
    format_into(e->message, sizeof e->message, format, args);
    va_end(args);
    return false;
}

bool err_errno(struct err *e, const char *code, int errnum, const char *format, ...)
{
    va_list args;
    copy_text(e->code, sizeof e->code, code);
    va_start(args, format);
    format_into(e->message, sizeof e->message, format, args);
    va_end(args);
    size_t used = strlen(e->message);
    snprintf(e->message + used, sizeof e->message - used, ": %s", strerror(errnum));
    return false;
}

bool err_at(struct err *e, const char *file, long line, long column, const char *value)
{
    copy_text(e->file, sizeof e->file, file ? file : "");
    copy_text(e->value, sizeof e->value, value ? value : "");
    e->line = line;
    e->column = column;
    return false;
}

bool err_is(const struct err *e, const char *code)
{
    return strcmp(e->code, code) == 0;
}

const char *err_text(const struct err *e, char *out, size_t size)
{
    int n = 0;
    if (e->file[0] && e->line > 0)
        n = snprintf(out, size, "%s:%ld: %s", e->file, e->line, e->message);
    else if (e->file[0])
        n = snprintf(out, size, "%s: %s", e->file, e->message);
    else if (e->operation[0])
        n = snprintf(out, size, "%s: %s: %s", e->operation, e->code, e->message);
    else
        n = snprintf(out, size, "%s", e->message);
    bool id = e->request_id[0], again = e->attempts > 1;
    if (id && n > 0 && (size_t)n < size)
        n += snprintf(out + n, size - (size_t)n, " (request id %s%s", e->request_id, again ? "" : ")");
    if (again && n > 0 && (size_t)n < size)
        n += snprintf(out + n, size - (size_t)n, "%s%d attempts)", id ? ", " : " (", e->attempts);
    if (n > 0 && (size_t)n >= size)
        trim_broken_utf8(out);
    return out;
}
