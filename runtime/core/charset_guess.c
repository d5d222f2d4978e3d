/* Which character set are these bytes in? ICU's detector knows the statistics of running text; a file of customers is names,
 * where they say little. So the single-byte sets are judged by what each makes of the bytes: letters stand beside letters of
 * their own script, vowels beside consonants, capitals not behind small letters, and symbols not within words. The sets of
 * several bytes are judged by how many of their characters are frequent ones. What ICU says counts in both.
 * ISO-8859-1 is never the guess: windows-1252 reads the same letters in the same bytes, and more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/ucsdet.h>

#include "core/charset.h"
#include "core/charset_letters.h"

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
    {"windows-1254", "ISO-8859-9", -10},
    {"windows-1255", "ISO-8859-8", -60},
    {"windows-1256", "windows-1256", -60},
    {"windows-1257", NULL, -40},
    {"macintosh", NULL, -120},
    {"IBM850", NULL, -120},
    {"IBM866", NULL, -120},
};
enum { CANDIDATES = sizeof candidates / sizeof candidates[0] };

/* The bytes above 0x7F of a text, as one set has them. */
struct verdict {
    long points;
    size_t count, latin, other; /* bytes; those that are letters of Latin, and of another script */
    size_t alien;               /* letters that no language has for which people use this set */
    size_t icelandic;           /* ð þ ý, which are Icelandic when letters beside them are, too */
    size_t of_iceland, not_of_iceland;
};

/* Small letters beside a to z. */
struct alphabet {
    const char *set;
    uint32_t letters[32];
};

static const struct alphabet alphabets[] = {
    {"windows-1254", {0xE7, 0x11F, 0x131, 0xF6, 0x15F, 0xFC, 0xE2, 0xEE, 0xFB, 'i', 0}},
    {"windows-1257", {0x101, 0x10D, 0x113, 0x123, 0x12B, 0x137, 0x13C, 0x146, 0x161, 0x16B, 0x17E, 0x105, 0x119,
                      0x117, 0x12F, 0x173, 0xF5,  0xE4,  0xF6,  0xFC,  0}},
};

static const struct alphabet *alphabet_of(const char *set)
{
    for (size_t i = 0; i < sizeof alphabets / sizeof alphabets[0]; i++)
        if (strcmp(alphabets[i].set, set) == 0)
            return &alphabets[i];
    return NULL;
}

static void count_language(const struct look *look, const struct alphabet *alphabet, struct verdict *verdict)
{
    static const uint32_t icelandic[] = {0xF0, 0xFE, 0xFD, 0};
    static const uint32_t of_iceland[] = {0xE1, 0xE9, 0xED, 0xF3, 0xFA, 0xE6, 0};
    uint32_t small = look->c == 0x130 ? 'i' : (uint32_t)u_tolower((UChar32)look->c); /* İ */
    verdict->alien += alphabet && !charset_is_one_of(small, alphabet->letters);
    if (charset_is_one_of(small, icelandic))
        verdict->icelandic++;
    else if (charset_is_one_of(small, of_iceland))
        verdict->of_iceland++;
    else
        verdict->not_of_iceland += small != 0xF6;
}

/* Points for what only the whole shows. */
static long judge_languages(const struct verdict *verdict)
{
    long points = -2 * (long)verdict->alien;
    if (verdict->icelandic > 0 && (verdict->not_of_iceland > 0 || verdict->of_iceland == 0))
        points -= 3 * (long)verdict->icelandic;
    /* One file has one alphabet, beside plain Latin letters. */
    return points - 10 * (long)(verdict->latin < verdict->other ? verdict->latin : verdict->other);
}

static void judge_sample(const struct look looks[256], const struct charset_evidence *evidence,
                         const struct alphabet *alphabet, struct verdict *verdict)
{
    for (size_t i = 0; i < evidence->sample_len; i++) {
        unsigned char byte = (unsigned char)evidence->sample[i];
        if (byte < 0x80)
            continue;
        unsigned char before = i > 0 ? (unsigned char)evidence->sample[i - 1] : '\n';
        unsigned char after = i + 1 < evidence->sample_len ? (unsigned char)evidence->sample[i + 1] : '\n';
        const struct look *look = &looks[byte];
        verdict->points += charset_judge(&looks[before], look, &looks[after]);
        if (look->letter && look->script == USCRIPT_LATIN)
            count_language(look, alphabet, verdict);
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
        looks[i] = charset_look(table[i]);
    judge_sample(looks, evidence, alphabet_of(set->name), &verdict);
    verdict.points += judge_languages(&verdict);
    for (int byte = 0x80; byte < 256; byte++)
        if (evidence->bytes[byte] > 0 && table[byte] == CHARSET_NONE)
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
    {"EUC-JP", 0xB0, 0xCF, 0xA4, 0xA5, -8}, {"EUC-KR", 0xB0, 0xC8, 0xA3, 0xA3, 15},
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

/* A few letters prove little. */
static int most_for(const struct charset_evidence *evidence)
{
    uint64_t count = 0;
    for (int byte = 0x80; byte < 256; byte++)
        count += evidence->bytes[byte];
    return count < 5 ? 50 + 9 * (int)count : 95;
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
        count += table[byte] == CHARSET_NONE ? evidence->bytes[byte] : 0;
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
            return give(out, set->name, clamp(score * 3 / 4, 0, most_for(evidence)), false);
    }
    for (int i = 0; i < CANDIDATES; i++)
        if (i != best && scores[i] > second)
            second = scores[i];
    int confidence = 40 + scores[best] / 12 + clamp(scores[best] - second, 0, 150) / 5;
    (void)give(out, candidates[best].name, clamp(confidence, 0, most_for(evidence)), true);
    out->undefined = count_undefined(out->name, evidence);
    return true;
}
