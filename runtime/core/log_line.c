#include "core/log_line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/printable.h"
#include "core/utf8.h"

#define TRACEBACK "\nstack traceback:\n"

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug", "trace"};
    return names[level];
}

/* ---- text ---- */

static void begin_line(const struct log_line *line, bool journal, FILE *out)
{
    static const char priorities[] = {'3', '4', '6', '7', '7'};
    if (journal)
        fprintf(out, "<%c>", priorities[line->level]);
}

/* What is told may come from elsewhere: only line ends and tabs in it are obeyed. */
static void show(const struct log_line *line, bool journal, FILE *out)
{
    char shown[PRINTABLE_SIZE];
    for (size_t at = 0; at < line->len;) {
        char c = line->text[at];
        if (c == '\n' || c == '\t') {
            fputc(c, out);
            at++;
            if (c == '\n' && at < line->len)
                begin_line(line, journal, out);
            continue;
        }
        at += printable_character(line->text + at, line->len - at, shown);
        fputs(shown, out);
    }
}

/* A value with something in it that would be taken for its end goes in quotes. */
static void show_value(const char *text, size_t len, FILE *out)
{
    char shown[PRINTABLE_SIZE];
    bool quoted = len == 0;
    for (size_t i = 0; i < len; i++)
        quoted = quoted || strchr(" \"=", text[i]);
    if (quoted)
        fputc('"', out);
    for (size_t at = 0; at < len;) {
        at += printable_character(text + at, len - at, shown);
        fprintf(out, shown[0] == '"' ? "\\%s" : "%s", shown);
    }
    if (quoted)
        fputc('"', out);
}

static const char *not_finite(double number)
{
    return isnan(number) ? "nan" : number > 0 ? "inf" : "-inf";
}

/* The fewest digits that read back as the same number. */
static void print_number(double number, FILE *out)
{
    char text[32];
    if (!isfinite(number)) {
        fputs(not_finite(number), out);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    fputs(text, out);
}

static void print_plain(const struct log_field *field, FILE *out)
{
    if (field->kind == LOG_INTEGER)
        fprintf(out, "%lld", field->integer);
    else if (field->kind == LOG_BOOLEAN)
        fputs(field->boolean ? "true" : "false", out);
    else
        print_number(field->number, out);
}

static void show_fields(const struct log_fields *fields, FILE *out)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct log_field *field = &fields->list[i];
        fputs(i == 0 ? ": " : " ", out);
        show_value(field->name, strlen(field->name), out);
        fputc('=', out);
        if (field->kind == LOG_STRING)
            show_value(field->text, field->len, out);
        else
            print_plain(field, out);
    }
}

void log_line_text(const struct log_line *line, bool journal, FILE *out)
{
    begin_line(line, journal, out);
    fputs(line->prefix, out);
    fputs(line->what, out);
    show(line, journal, out);
    if (line->shows_fields)
        show_fields(&line->fields, out);
    fputc('\n', out);
}

/* ---- JSON ---- */

/* As four or eight hexadecimal digits, with surrogates (RFC 8259, 7). */
static void escape(uint32_t code, FILE *out)
{
    if (code > 0xFFFF)
        fprintf(out, "\\u%04x\\u%04x", (unsigned)(0xD7C0 + (code >> 10)), (unsigned)(0xDC00 + (code & 0x3FF)));
    else
        fprintf(out, "\\u%04x", (unsigned)code);
}

static size_t json_character(const char *text, size_t len, FILE *out)
{
    char shown[PRINTABLE_SIZE];
    uint32_t code;
    size_t n = utf8_decode(text, len, &code);
    size_t taken = printable_character(text, len, shown);
    if (code == UTF8_NONE)
        fprintf(out, "\\%s", shown);
    else if (code == '\n' || code == '\t')
        fputs(code == '\n' ? "\\n" : "\\t", out);
    else if (code == '"' || code == '\\')
        fprintf(out, "\\%c", (int)code);
    else if (shown[0] == '\\')
        escape(code, out);
    else
        fputs(shown, out);
    return code == UTF8_NONE ? taken : n;
}

static void json_text(const char *text, size_t len, FILE *out)
{
    for (size_t at = 0; at < len;)
        at += json_character(text + at, len - at, out);
}

static void json_string(const char *text, size_t len, FILE *out)
{
    fputc('"', out);
    json_text(text, len, out);
    fputc('"', out);
}

static bool is_reserved(const char *name)
{
    return strcmp(name, "time") == 0 || strcmp(name, "level") == 0 || strcmp(name, "message") == 0;
}

static void json_field(const struct log_field *field, FILE *out)
{
    fputs(",\"", out);
    json_text(field->name, strlen(field->name), out);
    fputs(is_reserved(field->name) ? "_\":" : "\":", out);
    if (field->kind == LOG_STRING)
        json_string(field->text, field->len, out);
    else if (field->kind == LOG_NUMBER && !isfinite(field->number))
        json_string(not_finite(field->number), strlen(not_finite(field->number)), out);
    else
        print_plain(field, out);
}

static bool has_field(const struct log_fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (strcmp(fields->list[i].name, name) == 0)
            return true;
    return false;
}

static void json_time(const struct timespec *now, FILE *out)
{
    struct tm utc;
    char text[32] = "";
    if (gmtime_r(&now->tv_sec, &utc))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    fprintf(out, "{\"time\":\"%s.%03dZ\"", text, (int)(now->tv_nsec / 1000000));
}

void log_line_json(const struct log_line *line, const struct log_fields *context, const struct timespec *now, FILE *out)
{
    const char *traceback = memmem(line->text, line->len, TRACEBACK, strlen(TRACEBACK));
    size_t len = traceback ? (size_t)(traceback - line->text) : line->len;
    json_time(now, out);
    fprintf(out, ",\"level\":\"%s\",\"message\":\"", log_level_name(line->level));
    json_text(line->what, strlen(line->what), out);
    json_text(line->text, len, out);
    fputc('"', out);
    for (size_t i = 0; i < context->count; i++)
        if (!has_field(&line->fields, context->list[i].name))
            json_field(&context->list[i], out);
    for (size_t i = 0; i < line->fields.count; i++)
        json_field(&line->fields.list[i], out);
    if (traceback && !has_field(&line->fields, "traceback")) {
        fputs(",\"traceback\":", out);
        json_string(traceback + 1, line->len - len - 1, out);
    }
    fputs("}\n", out);
}
