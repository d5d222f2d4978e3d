/* printable: text from elsewhere as it may go to a terminal.
 *
 * What a terminal obeys or what hides other text is shown by its code: control characters (C0, DEL, C1: ECMA-48), and those that
 * turn the direction of writing (Unicode UAX #9). Bytes that are not UTF-8 likewise. The forms are those of a Lua string:
 * \x1B and \u{202E}.
 */
#ifndef UPJOB_CORE_PRINTABLE_H
#define UPJOB_CORE_PRINTABLE_H

#include <stddef.h>

#define PRINTABLE_SIZE 16

/* Writes the first character of `text` (len >= 1) as it is to be shown, NUL-terminated; returns how many bytes it takes there. */
size_t printable_character(const char *text, size_t len, char out[PRINTABLE_SIZE]);

#endif
