/* fold: text made comparable whatever its case: each character in its simple lower case (Unicode, as the C library's C.UTF-8 locale
 * has it). Bytes that are not UTF-8 stay as they are. Thread-safe. */
#ifndef UPJOB_LOCAL_FOLD_H
#define UPJOB_LOCAL_FOLD_H

#include <stddef.h>

/* Writes at most `size` bytes, never a part of a character; returns how many. */
size_t fold_text(const char *text, size_t len, char *out, size_t size);

#endif
