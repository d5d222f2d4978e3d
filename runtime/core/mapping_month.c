/* month_name of mapping_date.h */
#include <stdbool.h>
#include <string.h>

#include "core/mapping_date.h"

/* Small letters. A name's first three letters stand for it too, and what is written of it beyond them. */
static const char *const names[12][8] = {
    {"january", "januar", "jänner", "janvier", "enero", "gennaio", "janeiro", "januari"},
    {"february", "februar", "feber", "février", "febrero", "febbraio", "fevereiro", "februari"},
    {"march", "märz", "mars", "marzo", "março", "maart", "mrt", "mrz"},
    {"april", "avril", "abril", "aprile"},
    {"may", "mai", "mayo", "maggio", "maio", "mei"},
    {"june", "juni", "juin", "junio", "giugno", "junho"},
    {"july", "juli", "juillet", "julio", "luglio", "julho"},
    {"august", "août", "agosto", "augustus"},
    {"september", "septembre", "septiembre", "settembre", "setembro", "sept", "set"},
    {"october", "oktober", "octobre", "octubre", "ottobre", "outubro"},
    {"november", "novembre", "noviembre", "novembro"},
    {"december", "dezember", "décembre", "diciembre", "dicembre", "dezembro"},
};

/* Letters of ASCII and Latin-1, the only ones that a name has: the bytes of the one at `at`, in small letters. 0: no letter. */
static size_t small_letter(struct csv_slice text, size_t at, char out[2])
{
    char c = at < text.len ? text.data[at] : '\0';
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return out[0] = (char)(c | 0x20), 1;
    if (c != '\xC3' || at + 1 >= text.len)
        return 0;
    unsigned char second = (unsigned char)text.data[at + 1];
    if (second < 0x80 || second > 0xBF)
        return 0;
    out[0] = c;
    out[1] = (char)(second < 0xA0 ? second + 0x20 : second);
    return 2;
}

static size_t letters_count(const char *bytes, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)bytes[i] & 0xC0) != 0x80;
    return count;
}

static bool is_name(const char *word, size_t len, const char *name)
{
    size_t whole = strlen(name);
    return len <= whole && memcmp(word, name, len) == 0 && (len == whole || letters_count(word, len) >= 3);
}

size_t month_name(struct csv_slice text, int *month)
{
    char word[24], letter[2];
    size_t len = 0, at = 0, taken;
    while ((taken = small_letter(text, at, letter)) > 0) {
        if (len + taken > sizeof word)
            return 0;
        memcpy(word + len, letter, taken);
        len += taken;
        at += taken;
    }
    int found = 0;
    for (int i = 0; i < 12 && len > 0; i++)
        for (int j = 0; j < 8 && names[i][j]; j++)
            if (is_name(word, len, names[i][j])) {
                if (found && found != i + 1)
                    return 0; /* "jui": juin or juillet */
                found = i + 1;
            }
    *month = found;
    return found ? at : 0;
}
