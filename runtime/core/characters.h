/* characters: classes of Unicode characters that data from elsewhere is full of. Source: the Unicode character database, 14.0.
 */
#ifndef UPJOB_CORE_CHARACTERS_H
#define UPJOB_CORE_CHARACTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* White space (White_Space: no-break and wide spaces too). */
bool character_is_space(uint32_t character);
/* What nobody sees: spaces of no width, joiners, marks that turn the direction of writing, a byte-order mark. */
bool character_is_invisible(uint32_t character);
/* The value of a decimal digit (Nd) of any script, 0 to 9; -1 for what is none. */
int character_digit(uint32_t character);

/* How many bytes of `text` are white space or invisible, from its start and from its end. Bytes that are not UTF-8 are neither.
 */
size_t characters_blank_start(const char *text, size_t len);
size_t characters_blank_end(const char *text, size_t len);

#endif
