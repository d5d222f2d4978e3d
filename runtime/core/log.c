#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/printable.h"

/* The one setting of the process that a library function cannot be handed. */
static enum log_level threshold = LOG_WARN;

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

/* One fprintf per line: lines of several threads do not mix. What is told may come from elsewhere: only line ends and tabs
 * in it are obeyed. */
static void write_line(const char *prefix, const char *format, va_list args)
{
    char line[2048], shown[sizeof line * 2];
    size_t used = 0;
    int length = vsnprintf(line, sizeof line, format, args);
    size_t end = length < 0 ? 0 : (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
    for (size_t at = 0; at < end && used + PRINTABLE_SIZE < sizeof shown;) {
        if (line[at] == '\n' || line[at] == '\t') {
            shown[used++] = line[at++];
            continue;
        }
        at += printable_character(line + at, end - at, shown + used);
        used += strlen(shown + used);
    }
    fprintf(stderr, "%s%.*s\n", prefix, (int)used, shown);
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
    write_line(level == LOG_INFO ? "upjob: " : prefix, format, args);
    va_end(args);
}

void log_wire(char mark, const char *format, ...)
{
    char prefix[4] = {mark, ' ', '\0', '\0'};
    va_list args;
    if (!log_enabled(LOG_TRACE))
        return;
    va_start(args, format);
    write_line(prefix, format, args);
    va_end(args);
}
