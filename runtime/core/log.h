/* log: one line per event on standard error, for people and for log collectors.
 *
 * The level and the format are process-wide settings given once at start by the
 * host; a message never holds a secret or, unless values may be shown, a cell.
 */
#ifndef UPJOB_CORE_LOG_H
#define UPJOB_CORE_LOG_H

#include <stdbool.h>

#include "core/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_enabled(enum log_level level);
/* `run` is called with `arg` before each line goes out, from whichever thread it comes, for a host that must make room; or NULL. */
void log_before(void (*run)(void *arg), void *arg);
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
/* What ended a program or a task, of any length, whatever the level; `what` stands before it. */
void log_failure(const char *what, const char *text);
/* A line of the wire trace (-v), as curl shows it: `mark` is '>' sent, '<' received, '*' about. */
void log_wire(char mark, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
