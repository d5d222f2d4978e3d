/* log_line: one line of the log as text for a person, or as a JSON object for a collector.
 *
 * Text: a prefix, the message, and where it shows them the fields as name=value. JSON: time (RFC 3339, UTC, milliseconds), level,
 * message, then the fields. What is not UTF-8 is written as \xE9 in both; what a terminal would obey is escaped in both. A field
 * named as one of the first three gets a "_" behind its name.
 */
#ifndef UPJOB_CORE_LOG_LINE_H
#define UPJOB_CORE_LOG_LINE_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

struct log_field {
    const char *name;
    enum { LOG_STRING, LOG_INTEGER, LOG_NUMBER, LOG_BOOLEAN } kind;
    const char *text; /* of a string: `len` bytes of anything */
    size_t len;
    long long integer;
    double number; /* in JSON a string when it is not finite */
    bool boolean;
};

struct log_fields {
    const struct log_field *list;
    size_t count;
};

struct log_line {
    enum log_level level;
    const char *prefix; /* of the text only */
    const char *what;   /* stands before the message in both; "" */
    const char *text;
    size_t len;
    struct log_fields fields;
    bool shows_fields; /* in the text */
};

/* The name of a level: "error" "warn" "info" "debug" "trace". */
const char *log_level_name(enum log_level level);
/* Each writes the line with its end. `journal`: the level as journald takes it from a service's standard error, before each
 * line of the text ("<4>": syslog(3)). `context` are the fields of the process: those that the line has itself are left out. */
void log_line_text(const struct log_line *line, bool journal, FILE *out);
void log_line_json(const struct log_line *line, const struct log_fields *context, const struct timespec *now, FILE *out);

#endif
