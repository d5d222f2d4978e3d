/* pattern: does a text match a pattern of the service model?
 *
 * The model's patterns are regular expressions in the dialect of JavaScript and Java: \d \w \s \S and (?!…) are not
 * POSIX, so regcomp does not take them. This matcher knows what the model uses: literals, '.', classes, the escapes
 * above, groups, alternatives, the quantifiers * + ? {n} {m,n}, anchors and negative look-ahead. It backtracks without
 * compiling anything: texts are short, having passed their length limits.
 */
#ifndef UPJOB_CORE_PATTERN_H
#define UPJOB_CORE_PATTERN_H

#include <stdbool.h>

/* A pattern without an anchor must match the whole text; one with an anchor is taken as written (so "^arn:" asks for
 * a beginning). Bytes are compared; '.' is any byte. Safe on any thread. */
bool pattern_matches(const char *pattern, const char *text);

#endif
