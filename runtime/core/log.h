/* log: one line per event on standard error, for people and for log collectors.
 *
 * The level and the format are process-wide settings given once at start by the
 * host; a message never holds a secret or, unless values may be shown, a cell.
 * With JSON each line is an object (core/log_line.h). Where standard error is
 * the journal of a service, lines of text begin with their priority, as
 * sd-daemon(3) has it.
 */
#ifndef UPJOB_CORE_LOG_H
#define UPJOB_CORE_LOG_H

#include <stdbool.h>

#include "core/err.h"
#include "core/log_line.h"

#define LOG_CLEARS_LINE "\r\033[K" /* of a terminal (ECMA-48, EL) */

enum log_format { LOG_TEXT, LOG_JSON };

/* Takes the format from UPJOB_LOG_FORMAT, and finds out from JOURNAL_STREAM whether standard error is the journal. */
void log_start(void);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_enabled(enum log_level level);
void log_set_format(enum log_format format);
enum log_format log_get_format(void);
/* Fields that every line has from now on where they are JSON; copied. False, and nothing is changed, when memory is out. Other
 * threads may log meanwhile. */
bool log_set_context(const struct log_fields *fields) MUST_CHECK;
/* `run` is called with `arg` before each line goes out, from whichever thread it comes, for a host that must make room; or NULL. */
void log_before(void (*run)(void *arg), void *arg);
/* Whether standard error is a terminal on which a line of progress stands that has no end: the next line takes its place. */
void log_progress(bool stands);
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
/* A message with fields, which text has behind it when it `shows` them. */
void log_event(enum log_level level, const char *text, size_t len, const struct log_fields *fields, bool shows);
/* What ended a program or a task, of any length, whatever the level; `what` stands before it. In JSON a traceback of Lua behind it
 * is a field. */
void log_failure(const char *what, const char *text);
/* A line of the wire trace (-v), as curl shows it: `mark` is '>' sent, '<' received, '*' about. */
void log_wire(char mark, const char *format, ...) PRINTF_LIKE(2, 3);
/* The line, with its end, as it is to go to standard error, whatever the level; allocated, NULL when memory is out. */
char *log_compose(const struct log_line *line, size_t *size) MUST_CHECK;
/* Composes and writes it. */
void log_put(const struct log_line *line);

#endif
