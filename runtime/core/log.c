#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/printable.h"

/* The settings of the process that a library function cannot be handed. */
static enum log_level threshold = LOG_WARN;
static struct {
    void (*run)(void *arg);
    void *arg;
} before;

void log_before(void (*run)(void *arg), void *arg)
{
    before.run = run;
    before.arg = arg;
}

void log_set_level(enum log_level level)
{
    threshold = level;
}

enum log_level log_get_level(void)
{
    return threshold;
}

bool log_enabled(enum log_level level)
{
    return level <= threshold;
}

/* What is told may come from elsewhere: only line ends and tabs in it are obeyed. */
static void show(const char *text, size_t len, FILE *out)
{
    char shown[PRINTABLE_SIZE];
    for (size_t at = 0; at < len;) {
        if (text[at] == '\n' || text[at] == '\t') {
            fputc(text[at++], out);
            continue;
        }
        at += printable_character(text + at, len - at, shown);
        fputs(shown, out);
    }
}

/* One write per line where that is possible: lines of several threads, and processes, do not mix. */
static void write_line(const char *prefix, const char *what, const char *text, size_t len)
{
    char *line = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&line, &size);
    if (!out)
        return;
    fputs(prefix, out);
    fputs(what, out);
    show(text, len, out);
    fputc('\n', out);
    if (fclose(out) == 0) {
        if (before.run)
            before.run(before.arg);
        fwrite(line, 1, size, stderr);
    }
    free(line);
}

static void write_formatted(const char *prefix, const char *format, va_list args)
{
    char text[2048];
    int length = vsnprintf(text, sizeof text, format, args);
    write_line(prefix, "", text, length < 0 ? 0 : (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

void log_failure(const char *what, const char *text)
{
    write_line("upjob: ", what, text, strlen(text));
}

void log_write(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug", "trace"};
    char prefix[48];
    va_list args;
    if (!log_enabled(level))
        return;
    snprintf(prefix, sizeof prefix, "upjob: %s: ", names[level]);
    va_start(args, format);
    write_formatted(level == LOG_INFO ? "upjob: " : prefix, format, args);
    va_end(args);
}

void log_wire(char mark, const char *format, ...)
{
    char prefix[4] = {mark, ' ', '\0', '\0'};
    va_list args;
    if (!log_enabled(LOG_TRACE))
        return;
    va_start(args, format);
    write_formatted(prefix, format, args);
    va_end(args);
}
