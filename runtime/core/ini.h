/* ini: the dialect of the AWS shared files.
 *
 * Sections in brackets, `key = value`, whole-line comments with # or ;, nested settings as
 * indented lines under a key without a value. Values of any length: session tokens pass
 * 1,000 characters. CR LF, tabs and a byte-order mark are taken.
 */
#ifndef UPJOB_CORE_INI_H
#define UPJOB_CORE_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

/* Called for each setting. `parent` is NULL, or the key under which a nested setting stands. The strings
 * are valid during the call. Called with key NULL for each section's head. Return false with *err filled to stop. */
typedef bool (*ini_setting)(void *arg, const char *section, const char *parent, const char *key,
                            const char *value, long line, struct err *err);

/* `name` stands for the file in errors, which give the line. `text` is changed in place and must have room for one
 * byte after `len`. A line that is indented more than the key above it continues that key's value, after a newline. */
bool ini_parse(char *text, size_t len, const char *name, ini_setting setting, void *arg, struct err *err) MUST_CHECK;

#endif
