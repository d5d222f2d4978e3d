#include "core/charset_letters.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>

#include "core/charset.h"

static uint32_t base_letter(uint32_t c)
{
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2 *nfd = unorm2_getNFDInstance(&status);
    UChar parts[8];
    int32_t n = U_SUCCESS(status) ? unorm2_getDecomposition(nfd, (UChar32)c, parts, 8, &status) : 0;
    return n > 0 && U_SUCCESS(status) ? parts[0] : c;
}

static bool is_vowel(uint32_t c)
{
    static const uint32_t more[] = {0xE6, 0xF8, 0x153, 0x131, 0}; /* æ ø œ ı */
    uint32_t base = (uint32_t)u_tolower((UChar32)base_letter(c));
    for (const uint32_t *at = more; *at; at++)
        if (base == *at)
            return true;
    return base < 0x80 && base && strchr("aeiouy", (int)base);
}

struct look charset_look(uint32_t c)
{
    UErrorCode status = U_ZERO_ERROR;
    struct look look = {.c = c, .script = USCRIPT_COMMON};
    look.letter = c != CHARSET_NONE && u_isalpha((UChar32)c) && c != 0xAA && c != 0xBA;
    if (!look.letter)
        return look;
    look.script = uscript_getScript((UChar32)c, &status);
    look.vowel = is_vowel(c);
    look.upper = u_isupper((UChar32)c);
    look.lower = u_islower((UChar32)c);
    return look;
}

bool charset_is_one_of(uint32_t c, const uint32_t *list)
{
    while (*list && *list != c)
        list++;
    return *list != 0;
}

/* What stands in text, also between words: no-break space § © « ® ° · » – — ‘ ’ ‚ “ ” „ … € £ № ™ */
static bool is_usual_symbol(uint32_t c)
{
    static const uint32_t usual[] = {0xA0,   0xA3,   0xA7,   0xA9,   0xAA,   0xAB,   0xAE,   0xB0,   0xB7,   0xBA,   0xBB, 0x2013,
                                     0x2014, 0x2018, 0x2019, 0x201A, 0x201C, 0x201D, 0x201E, 0x2026, 0x20AC, 0x2116, 0x2122, 0};
    return charset_is_one_of(c, usual);
}

/* What stands within words: no-break space · – ’ */
static bool is_within_words(uint32_t c)
{
    static const uint32_t within[] = {0xA0, 0xB7, 0x2013, 0x2019, 0};
    return charset_is_one_of(c, within);
}

/* á ã ä é ë í ï ó õ ö ú ü, as in São, Zoë, García. */
static bool stands_beside_vowels(uint32_t c)
{
    static const uint32_t such[] = {0xE1, 0xE3, 0xE4, 0xE9, 0xEB, 0xED, 0xEF, 0xF3, 0xF5, 0xF6, 0xFA, 0xFC, 0};
    return charset_is_one_of((uint32_t)u_tolower((UChar32)c), such);
}

/* Points for one neighbour of a letter. */
static int beside(const struct look *letter, const struct look *other)
{
    if (!other->letter)
        return 0;
    if (other->script != letter->script)
        return -5;
    if (letter->script != USCRIPT_LATIN)
        return 1;
    if (other->c >= 0x80)
        return -1;
    if (letter->vowel != other->vowel)
        return 2;
    return letter->vowel && !stands_beside_vowels(letter->c) ? -2 : 0;
}

static int judge_letter(const struct look *before, const struct look *at, const struct look *after)
{
    int points = (before->letter || after->letter) + beside(at, before) + beside(at, after);
    if (at->upper && before->lower)
        points -= 4;
    if (at->lower && after->upper && at->c != 0xDF)
        points -= 3;
    if (at->lower && before->upper && after->upper)
        points -= 3;
    if (at->upper && before->upper && after->lower)
        points -= 3;
    if (at->c == 0xF5 && after->c != 'e') /* Portuguese has "ões"; elsewhere it is a Hungarian ő that is misread */
        points -= 6;
    if (at->script == USCRIPT_LATIN)
        return points;
    if (!before->letter && !after->letter)
        points -= 2;
    if (!before->letter && at->lower) /* names have capitals */
        points -= 2;
    return points;
}

static int judge_symbol(const struct look *before, const struct look *at, const struct look *after)
{
    int points = is_usual_symbol(at->c) ? 0 : -2;
    if (before->letter && after->letter && !is_within_words(at->c))
        points -= 4;
    bool name = at->c == 0x2019 && before->letter && after->upper; /* O’Brien, d’Arc */
    bool apart = points == 0 && !before->letter && !after->letter;
    return points + 2 * name + apart;
}

int charset_judge(const struct look *before, const struct look *at, const struct look *after)
{
    if (at->c == CHARSET_NONE || u_charType((UChar32)at->c) == U_CONTROL_CHAR)
        return -12;
    if (at->letter)
        return judge_letter(before, at, after);
    return judge_symbol(before, at, after);
}
