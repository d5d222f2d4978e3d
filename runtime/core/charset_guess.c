/* Which character set are these bytes in? ICU's detector knows the statistics of running text; a file of customers is names,
 * where they say little. So the single-byte sets are judged by what each makes of the bytes: letters stand beside letters of
 * their own script, vowels beside consonants, capitals not behind small letters, and symbols not within words. The sets of
 * several bytes are left to ICU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/ucsdet.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>

#include "core/charset.h"

#define NONE 0xFFFF

/* What a set starts with, in hundredths of a point for each byte: how often such a file is met. */
struct candidate {
    const char *name;
    const char *icu; /* what ICU's detector calls it, or one that has the same letters at the same places; NULL: nothing */
    int prior;
};

static const struct candidate candidates[] = {
    {"windows-1252", "ISO-8859-1", 0},
    {"ISO-8859-15", NULL, -40},
    {"windows-1250", "ISO-8859-2", -60},
    {"ISO-8859-2", "ISO-8859-2", -80},
    {"windows-1251", "windows-1251", -40},
    {"KOI8-R", "KOI8-R", -80},
    {"windows-1253", "ISO-8859-7", -60},
    {"windows-1254", "ISO-8859-9", -30},
    {"windows-1255", "ISO-8859-8", -60},
    {"windows-1256", "windows-1256", -60},
    {"windows-1257", NULL, -100},
    {"macintosh", NULL, -120},
    {"IBM850", NULL, -120},
    {"IBM866", NULL, -120},
};
enum { CANDIDATES = sizeof candidates / sizeof candidates[0] };

/* A character as its neighbours see it. */
struct look {
    uint32_t c;
    UScriptCode script; /* of a letter; USCRIPT_COMMON otherwise */
    bool letter, vowel, upper, lower;
};

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

static struct look look_at(uint32_t c)
{
    UErrorCode status = U_ZERO_ERROR;
    struct look look = {.c = c, .script = USCRIPT_COMMON};
    look.letter = c != NONE && u_isalpha((UChar32)c) && c != 0xAA && c != 0xBA;
    if (!look.letter)
        return look;
    look.script = uscript_getScript((UChar32)c, &status);
    look.vowel = is_vowel(c);
    look.upper = u_isupper((UChar32)c);
    look.lower = u_islower((UChar32)c);
    return look;
}

static bool is_one_of(uint32_t c, const uint32_t *list)
{
    while (*list && *list != c)
        list++;
    return *list != 0;
}

/* What stands in text, also between words: no-break space § © « ® ° · » – — ‘ ’ ‚ “ ” „ … € £ № ™ */
static bool is_usual_symbol(uint32_t c)
{
    static const uint32_t usual[] = {0xA0,   0xA3,   0xA7,   0xA9,   0xAA,   0xAB,   0xAE,   0xB0,   0xB7,   0xBA,   0xBB,   0x2013,
                                     0x2014, 0x2018, 0x2019, 0x201A, 0x201C, 0x201D, 0x201E, 0x2026, 0x20AC, 0x2116, 0x2122, 0};
    return is_one_of(c, usual);
}

/* What stands within words: no-break space · – ’ */
static bool is_within_words(uint32_t c)
{
    static const uint32_t within[] = {0xA0, 0xB7, 0x2013, 0x2019, 0};
    return is_one_of(c, within);
}

/* Letters that languages have, but few of their words. */
static bool is_rare(uint32_t c)
{
    static const uint32_t rare[] = {0xD0, 0xDD, 0xDE, 0xF0, 0xFE, 0xFF, 0x178, 0x192, 0x138, 0x14A, 0x14B, 0x166, 0x167, 0};
    return is_one_of(c, rare);
}

/* á ã ä é ë í ï ó õ ö ú ü, as in São, Zoë, García. */
static bool stands_beside_vowels(uint32_t c)
{
    static const uint32_t such[] = {0xE1, 0xE3, 0xE4, 0xE9, 0xEB, 0xED, 0xEF, 0xF3, 0xF5, 0xF6, 0xFA, 0xFC, 0};
    return is_one_of((uint32_t)u_tolower((UChar32)c), such);
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
    if (is_rare(at->c))
        points--;
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

static int judge(const struct look *before, const struct look *at, const struct look *after)
{
    if (at->c == NONE || u_charType((UChar32)at->c) == U_CONTROL_CHAR)
        return -12;
    if (at->letter)
        return judge_letter(before, at, after);
    return judge_symbol(before, at, after);
}

/* The bytes above 0x7F of a text, as one set has them. */
struct verdict {
    long points;
    size_t count, latin, other; /* bytes; those that are letters of Latin, and of another script */
};

static void judge_sample(const struct look looks[256], const struct charset_evidence *evidence, struct verdict *verdict)
{
    for (size_t i = 0; i < evidence->sample_len; i++) {
        unsigned char byte = (unsigned char)evidence->sample[i];
        if (byte < 0x80)
            continue;
        unsigned char before = i > 0 ? (unsigned char)evidence->sample[i - 1] : '\n';
        unsigned char after = i + 1 < evidence->sample_len ? (unsigned char)evidence->sample[i + 1] : '\n';
        const struct look *look = &looks[byte];
        verdict->points += judge(&looks[before], look, &looks[after]);
        verdict->latin += look->letter && look->script == USCRIPT_LATIN;
        verdict->other += look->letter && look->script != USCRIPT_LATIN;
        verdict->count++;
    }
}

/* Hundredths of points for each byte above 0x7F, with what ICU says. */
static int judge_set(const struct candidate *set, const struct charset_evidence *evidence, int confidence)
{
    uint16_t table[256];
    struct look looks[256];
    struct verdict verdict = {0};
    if (!charset_table(set->name, table))
        return -10000;
    for (int i = 0; i < 256; i++)
        looks[i] = look_at(table[i]);
    judge_sample(looks, evidence, &verdict);
    /* One file has one alphabet, beside plain Latin letters. */
    verdict.points -= 10 * (long)(verdict.latin < verdict.other ? verdict.latin : verdict.other);
    for (int byte = 0x80; byte < 256; byte++)
        if (evidence->bytes[byte] > 0 && table[byte] == NONE)
            verdict.points -= 2; /* also where the sample does not show it */
    int score = verdict.count > 0 ? (int)(verdict.points * 100 / (long)verdict.count) : 0;
    if (evidence->cr_only && strcmp(set->name, "macintosh") == 0)
        score += 150;
    return score + set->prior + confidence;
}

/* ---- sets of several bytes ---- */

/* Where the lead bytes of frequent characters are: of kana, of Hangul, of the first level of ideographs. */
struct several {
    const char *name;
    unsigned char from, to, kana_from, kana_to;
    int prior; /* in hundredths: the narrower the ranges, the more it says to be within them */
};

static const struct several several[] = {
    {"GB18030", 0xB0, 0xD7, 0xA3, 0xA3, 0},     {"Big5", 0xA4, 0xC6, 0xA1, 0xA3, 0},   {"Shift_JIS", 0x88, 0x97, 0x82, 0x83, 10},
    {"EUC-JP", 0xB0, 0xCF, 0xA4, 0xA5, 8}, {"EUC-KR", 0xB0, 0xC8, 0xA3, 0xA3, 15},
};
enum { SEVERAL = sizeof several / sizeof several[0] };

/* True when the sample is text of the set from its first byte to its last. */
static bool converts(const char *name, const struct charset_evidence *evidence)
{
    UErrorCode status = U_ZERO_ERROR;
    UConverter *icu = ucnv_open(name, &status);
    size_t size = evidence->sample_len + 1;
    UChar *made = malloc(size * sizeof *made);
    if (U_SUCCESS(status) && made) {
        ucnv_setToUCallBack(icu, UCNV_TO_U_CALLBACK_STOP, NULL, NULL, NULL, &status);
        ucnv_toUChars(icu, made, (int32_t)size, evidence->sample, (int32_t)evidence->sample_len, &status);
    }
    bool done = U_SUCCESS(status) && made;
    if (icu)
        ucnv_close(icu);
    free(made);
    return done;
}

/* The share of frequent characters, in hundredths, with what ICU says. */
static int judge_several(const struct several *set, const struct charset_evidence *evidence, int confidence)
{
    size_t count = 0, frequent = 0;
    if (!converts(set->name, evidence))
        return -10000;
    for (size_t i = 0; i < evidence->sample_len; i++) {
        unsigned char lead = (unsigned char)evidence->sample[i];
        if (lead < 0x80)
            continue;
        count++;
        frequent += (lead >= set->from && lead <= set->to) || (lead >= set->kana_from && lead <= set->kana_to);
        i++; /* the second byte */
    }
    return count > 0 ? (int)(frequent * 100 / count) + set->prior + confidence / 2 : -10000;
}

/* ---- what ICU says ---- */

struct opinion {
    int several[SEVERAL]; /* confidences, per cent */
    int single[CANDIDATES];
};

static const char *iso_name(const char *name)
{
    static const char *const twins[][2] = {{"windows-1252", "ISO-8859-1"}, {"windows-1250", "ISO-8859-2"},
                                           {"windows-1253", "ISO-8859-7"}, {"windows-1254", "ISO-8859-9"},
                                           {"windows-1255", "ISO-8859-8"}, {"ISO-8859-8-I", "ISO-8859-8"}};
    for (size_t i = 0; i < sizeof twins / sizeof twins[0]; i++)
        if (strcmp(name, twins[i][0]) == 0)
            return twins[i][1];
    return name;
}

static void take_match(const UCharsetMatch *match, struct opinion *opinion)
{
    UErrorCode status = U_ZERO_ERROR;
    const char *name = ucsdet_getName(match, &status);
    int confidence = ucsdet_getConfidence(match, &status);
    if (U_FAILURE(status) || !name)
        return;
    for (size_t i = 0; i < SEVERAL; i++)
        if (strcmp(several[i].name, name) == 0)
            opinion->several[i] = confidence;
    name = iso_name(name);
    for (size_t i = 0; i < CANDIDATES; i++)
        if (candidates[i].icu && strcmp(candidates[i].icu, name) == 0 && confidence > opinion->single[i])
            opinion->single[i] = confidence;
}

static bool ask_icu(const struct charset_evidence *evidence, struct opinion *opinion, struct err *err)
{
    UErrorCode status = U_ZERO_ERROR;
    int32_t found = 0;
    UCharsetDetector *detector = ucsdet_open(&status);
    ucsdet_setText(detector, evidence->sample, (int32_t)evidence->sample_len, &status);
    const UCharsetMatch **matches = ucsdet_detectAll(detector, &found, &status);
    for (int32_t i = 0; U_SUCCESS(status) && i < found; i++)
        take_match(matches[i], opinion);
    ucsdet_close(detector);
    return U_SUCCESS(status) ||
           err_set(err, ERR_INTERNAL, "the character set cannot be recognised: %s", u_errorName(status));
}

/* ---- the guess ---- */

static int clamp(int value, int least, int most)
{
    return value < least ? least : value > most ? most : value;
}

static bool give(struct charset_guess *out, const char *name, int confidence, bool single_byte)
{
    snprintf(out->name, sizeof out->name, "%s", name);
    out->confidence = clamp(confidence, 5, 95);
    out->single_byte = single_byte;
    out->undefined = 0;
    return true;
}

/* The set of several bytes that the sample is in; NULL when the single-byte set that has `points` explains it better: in text
 * that really is Cyrillic or Greek, nearly every letter has all of its points. */
static const struct several *best_several(const struct charset_evidence *evidence, const struct opinion *opinion, int points,
                                          int *score)
{
    const struct several *best = NULL;
    if (points >= 180)
        return NULL;
    *score = points >= 0 ? 70 : 50;
    for (size_t i = 0; i < SEVERAL; i++) {
        int found = judge_several(&several[i], evidence, opinion->several[i]);
        if (found > *score) {
            *score = found;
            best = &several[i];
        }
    }
    return best;
}

/* True for sets in which every letter of a word is above 0x7F. */
static bool has_own_letters(const char *name)
{
    static const char *const sets[] = {"windows-1251", "KOI8-R", "windows-1253", "windows-1255", "windows-1256", "IBM866"};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        if (strcmp(sets[i], name) == 0)
            return true;
    return false;
}

static uint64_t count_undefined(const char *name, const struct charset_evidence *evidence)
{
    uint16_t table[256];
    uint64_t count = 0;
    if (!charset_table(name, table))
        return 0;
    for (int byte = 0x80; byte < 256; byte++)
        count += table[byte] == NONE ? evidence->bytes[byte] : 0;
    return count;
}

bool charset_guess(const struct charset_evidence *evidence, struct charset_guess *out, struct err *err)
{
    struct opinion opinion = {0};
    int best = 0, score = 0, scores[CANDIDATES], second = -10000;
    if (!ask_icu(evidence, &opinion, err))
        return false;
    for (int i = 0; i < CANDIDATES; i++) {
        scores[i] = judge_set(&candidates[i], evidence, opinion.single[i]);
        if (scores[i] > scores[best])
            best = i;
    }
    if (scores[best] < 0 || has_own_letters(candidates[best].name)) {
        const struct several *set = best_several(evidence, &opinion, scores[best], &score);
        if (set)
            return give(out, set->name, score * 3 / 4, false);
    }
    for (int i = 0; i < CANDIDATES; i++)
        if (i != best && scores[i] > second)
            second = scores[i];
    (void)give(out, candidates[best].name, 40 + scores[best] / 12 + clamp(scores[best] - second, 0, 150) / 5, true);
    out->undefined = count_undefined(out->name, evidence);
    return true;
}
