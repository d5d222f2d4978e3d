/* names: the random names that the service gives to jobs, upload paths and stored files. */
#ifndef UPJOB_LOCAL_NAMES_H
#define UPJOB_LOCAL_NAMES_H

#include <stdbool.h>

#include "core/err.h"

#define NAME_SIZE 33 /* 32 lower-case hexadecimal digits, the form of the API's JobId, and the NUL */

bool name_new(char out[NAME_SIZE], struct err *err) MUST_CHECK;
/* Whether a text has the form of such a name. */
bool name_is(const char *text);

#endif
