#include "core/mapping_case.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#include "core/characters.h"
#include "core/mapping_private.h"
#include "core/utf8.h"

static locale_t letters;

static void find_letters(void)
{
    letters = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

bool case_ready(struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_letters);
    return letters || err_set(err, ERR_SYSTEM, "the C library has no locale C.UTF-8, by which letters are changed: install it");
}

static uint32_t small(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
    return (uint32_t)towlower_l((wint_t)c, letters);
}

static uint32_t capital(uint32_t c)
{
    if (c < 0x80)
        return c >= 'a' && c <= 'z' ? c & ~0x20u : c;
    return (uint32_t)towupper_l((wint_t)c, letters);
}

/* ---- words, for titles ---- */

static bool is_apostrophe(uint32_t c)
{
    return c == '\'' || c == 0x2019 || c == 0x02BC;
}

static bool is_of_word(uint32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    return !character_is_space(c) && !(c >= 0xA1 && c <= 0xBF && c != 0xAA && c != 0xB5 && c != 0xB7 && c != 0xBA) &&
           !(c >= 0x2010 && c <= 0x2027) && !(c >= 0x2030 && c <= 0x205E) && !(c >= 0x3001 && c <= 0x3003);
}

static uint32_t title(uint32_t c, size_t *word)
{
    if (is_apostrophe(c)) {
        *word = *word == 1 ? 0 : *word;
        return c;
    }
    if (!is_of_word(c)) {
        *word = 0;
        return c;
    }
    return (*word)++ == 0 ? capital(c) : small(c);
}

/* ---- values ---- */

/* The bytes at the start that stay as they are: ASCII that is right already. */
static size_t unchanged(enum mapping_step_kind how, struct csv_slice in)
{
    char first = how == MAPPING_LOWER ? 'A' : 'a';
    size_t at = 0;
    while (at < in.len && (unsigned char)in.data[at] < 0x80 && (unsigned char)(in.data[at] - first) >= 26)
        at++;
    return at;
}

bool case_change(enum mapping_step_kind how, struct csv_slice in, struct mapping_arena *arena, struct csv_slice *out)
{
    size_t at = how == MAPPING_TITLE ? 0 : unchanged(how, in), used = at, word = 0;
    *out = in;
    if (at == in.len)
        return true;
    /* A character of two bytes may become one of three; none grows more. */
    char *room = in.len < SIZE_MAX / 2 ? mapping_arena_room(arena, in.len + in.len / 2 + 4) : NULL;
    if (!room)
        return false;
    memcpy(room, in.data, at);
    while (at < in.len) {
        uint32_t c = (unsigned char)in.data[at];
        size_t taken = c < 0x80 ? 1 : utf8_decode(in.data + at, in.len - at, &c);
        if (c == UTF8_NONE)
            room[used++] = in.data[at];
        else
            used += utf8_encode(how == MAPPING_TITLE   ? title(c, &word)
                                : how == MAPPING_LOWER ? small(c)
                                                       : capital(c),
                                room + used);
        at += taken;
    }
    *out = (struct csv_slice){room, used};
    mapping_arena_trim(arena, room, used);
    return true;
}
