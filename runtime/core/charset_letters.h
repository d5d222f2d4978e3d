/* charset_letters: how well a character fits between its neighbours. Below charset_guess.c. */
#ifndef UPJOB_CORE_CHARSET_LETTERS_H
#define UPJOB_CORE_CHARSET_LETTERS_H

#include <stdbool.h>
#include <stdint.h>
#include <unicode/uscript.h>

/* A character as its neighbours see it. */
struct look {
    uint32_t c;
    UScriptCode script; /* of a letter; USCRIPT_COMMON otherwise */
    bool letter, vowel, upper, lower;
};

struct look charset_look(uint32_t c);
bool charset_is_one_of(uint32_t c, const uint32_t *list);
/* Points, from -12 for what is no character at all to 5 for a letter between two that go with it. */
int charset_judge(const struct look *before, const struct look *at, const struct look *after);

#endif
