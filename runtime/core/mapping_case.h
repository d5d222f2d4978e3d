/* mapping_case: capitals and small letters.
 *
 * ASCII by itself; other letters as the C library's C.UTF-8 has them, character by character, the same in every language. So ß
 * stays when capitals are made, ﬁ too; İ becomes i; Σ becomes σ, at a word's end too; Turkish and Lithuanian have no rules
 * of their own.
 * A title has a capital where a word begins and small letters behind: "van der BERG" becomes "Van Der Berg", and "McDonald"
 * "Mcdonald". A word is letters, digits and marks; a hyphen, a dot, a space or any other character of ASCII ends it. An
 * apostrophe does so behind a single letter only: "O'Neill", "D'Arcy", but "Mother's".
 */
#ifndef UPJOB_CORE_MAPPING_CASE_H
#define UPJOB_CORE_MAPPING_CASE_H

#include "core/mapping.h"

/* Finds what the C library knows of letters; once per process. False when it has no C.UTF-8 (ERR_SYSTEM). */
bool case_ready(struct err *err) MUST_CHECK;
/* `how` is MAPPING_LOWER, _UPPER or _TITLE. What is right already is given back as it is; bytes that are not UTF-8 stay. False
 * when memory is out. */
bool case_change(enum mapping_step_kind how, struct csv_slice in, struct mapping_arena *arena,
                 struct csv_slice *out) MUST_CHECK;

#endif
