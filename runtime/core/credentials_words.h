/* credentials_words: a command line taken apart into its words, as Python's shlex.split does, with no shell:
 * what the AWS tools do with credential_process. */
#ifndef UPJOB_CORE_CREDENTIALS_WORDS_H
#define UPJOB_CORE_CREDENTIALS_WORDS_H

#include "core/err.h"

/* The words, NULL-terminated, in one piece of memory that the caller frees. NULL: *fault says what is wrong,
 * or is NULL when memory is out. Quotes join words ('as it is', "with \" and \\"), a backslash takes the
 * character after it as it is. */
char **credentials_words(const char *line, const char **fault) MUST_CHECK;

#endif
