#include "core/survey_value.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/mapping.h"
#include "core/mapping_arena.h"
#include "core/mapping_date.h"
#include "core/mapping_email.h"
#include "core/utf8.h"

#define PHONE_DIGITS_LEAST 7
#define PHONE_DIGITS_MOST  15 /* ITU-T E.164 */
#define DATE_LEAST         6
#define DATE_MOST          40
#define NAME_MOST          80

const char *const survey_date_formats[] = {
    "YYYY-MM-DD", "YYYY-MM-DDTHH:mm:ss", "YYYY-MM-DDTHH:mm:ssZ", "YYYY-MM-DD HH:mm:ss", "YYYY-MM-DD HH:mm", "YYYY/M/D",
    "YYYY.M.D", "YYYYMMDD", "D.M.YYYY", "D.M.YY", "D.M.YYYY H:mm", "D/M/YYYY", "M/D/YYYY", "D/M/YY", "M/D/YY",
    "D/M/YYYY H:mm", "M/D/YYYY H:mm", "D-M-YYYY", "M-D-YYYY", "D-M-YY", "M-D-YY", "D MMM YYYY", "D. MMM YYYY", "D-MMM-YYYY",
    "D-MMM-YY", "MMM D, YYYY", "MMM D YYYY", "D [de] MMM [de] YYYY", NULL,
};
#define FORMATS (sizeof survey_date_formats / sizeof survey_date_formats[0] - 1)
_Static_assert(FORMATS <= SURVEY_FORMATS_MOST, "a bit each");

/* What a date of a format consists of, so that few values are read by it in vain. */
struct outline {
    unsigned digits_least, digits_most, signs, slashes, points;
    bool letters;
};

struct survey_look {
    struct mapping_arena memory;
    struct dates *dates[FORMATS];
    struct outline outlines[FORMATS];
};

const char *survey_kind_name(enum survey_kind kind)
{
    static const char *const names[SURVEY_KINDS] = {"email", "phone", "number", "date", "name"};
    return names[kind];
}

const char *survey_trait_name(enum survey_trait trait)
{
    static const char *const names[SURVEY_TRAITS] = {
        "spaces", "capitals",      "integer",        "decimal", "decimal_comma", "leading_zero", "digits",
        "international", "north_american", "words",   "url",           "damage",       "long",   "not_utf8",
    };
    return names[trait];
}

static struct outline outline_of(const char *format)
{
    struct outline outline = {0};
    bool bracket = false;
    for (const char *at = format; *at; at++) {
        size_t run = strspn(at, (char[]){*at, '\0'});
        bracket = *at == '[' || (bracket && *at != ']');
        outline.signs += *at == '-';
        outline.slashes += *at == '/';
        outline.points += *at == '.';
        outline.letters |= bracket || *at == 'T' || *at == 'Z' || (*at == 'M' && run == 3);
        if (!bracket && strchr("YMDHms", *at) && !(*at == 'M' && run == 3)) {
            outline.digits_least += (unsigned)run;
            outline.digits_most += (unsigned)(run == 1 ? 2 : run);
        }
        if (!bracket)
            at += run - 1;
    }
    return outline;
}

struct survey_look *survey_look_new(struct err *err)
{
    struct survey_look *look = calloc(1, sizeof *look);
    if (!look) {
        err_set(err, ERR_MEMORY, "no memory for looking at values");
        return NULL;
    }
    for (size_t i = 0; i < FORMATS; i++) {
        const char *const one[] = {survey_date_formats[i], NULL};
        look->dates[i] = dates_new(one, 0, &look->memory, err);
        look->outlines[i] = outline_of(survey_date_formats[i]);
        if (!look->dates[i]) {
            survey_look_free(look);
            return NULL;
        }
    }
    return look;
}

void survey_look_free(struct survey_look *look)
{
    if (!look)
        return;
    mapping_arena_free(&look->memory);
    free(look);
}

/* ---- white space ---- */

static size_t blank_at_start(const char *s, size_t len)
{
    if ((unsigned char)s[0] <= ' ')
        return 1;
    return len > 1 && memcmp(s, "\xC2\xA0", 2) == 0 ? 2 : 0; /* a no-break space */
}

static size_t blank_at_end(const char *s, size_t len)
{
    if ((unsigned char)s[len - 1] <= ' ')
        return 1;
    return len > 1 && memcmp(s + len - 2, "\xC2\xA0", 2) == 0 ? 2 : 0;
}

struct csv_slice survey_inner(struct csv_slice cell)
{
    size_t n;
    while (cell.len > 0 && (n = blank_at_start(cell.data, cell.len)) > 0)
        cell = (struct csv_slice){cell.data + n, cell.len - n};
    while (cell.len > 0 && (n = blank_at_end(cell.data, cell.len)) > 0)
        cell.len -= n;
    return cell;
}

/* ---- what characters it has ---- */

struct tally {
    unsigned digits, letters, capitals, signs, points, commas, slashes, spaces, brackets, others;
    bool ascii;
};

static struct tally count(struct csv_slice s)
{
    struct tally t = {.ascii = true};
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c >= 0x80) {
            t.ascii = false;
            t.letters += (c & 0xC0) != 0x80;
        } else if (isdigit(c))
            t.digits++;
        else if (isalpha(c)) {
            t.letters++;
            t.capitals += isupper(c) != 0;
        } else if (c == '-' || c == '+')
            t.signs++;
        else if (c == '.')
            t.points++;
        else if (c == ',')
            t.commas++;
        else if (c == '/')
            t.slashes++;
        else if (c == ' ')
            t.spaces++;
        else if (c == '(' || c == ')')
            t.brackets++;
        else
            t.others++;
    }
    return t;
}

/* ---- numbers and codes ---- */

static bool begins_with_sign(struct csv_slice s)
{
    return s.data[0] == '-' || s.data[0] == '+';
}

static void look_for_number(struct csv_slice s, const struct tally *t, struct survey_value *out)
{
    bool sign = begins_with_sign(s);
    size_t first = sign ? 1 : 0;
    unsigned between = t->points + t->commas;
    if (t->digits == 0 || t->digits + t->signs + between != s.len || t->signs != (unsigned)sign)
        return;
    bool digits_at_ends = isdigit((unsigned char)s.data[s.len - 1]) && isdigit((unsigned char)s.data[first]);
    if (between == 0) {
        out->traits |= 1u << SURVEY_INTEGER;
        out->kinds |= 1u << SURVEY_NUMBER;
        if (!sign && t->digits >= PHONE_DIGITS_LEAST && t->digits <= PHONE_DIGITS_MOST)
            out->traits |= 1u << SURVEY_DIGITS;
    } else if (t->points == 1 && t->commas == 0 && digits_at_ends) {
        out->traits |= 1u << SURVEY_DECIMAL;
        out->kinds |= 1u << SURVEY_NUMBER;
    } else if (t->commas == 1 && digits_at_ends) {
        const char *comma = memchr(s.data, ',', s.len);
        if (t->points == 0 || !memchr(comma, '.', s.len - (size_t)(comma - s.data)))
            out->traits |= 1u << SURVEY_DECIMAL_COMMA;
    }
}

static bool is_leading_zero(struct csv_slice s, const struct tally *t)
{
    return s.len > 1 && s.data[0] == '0' && isdigit((unsigned char)s.data[1]) &&
           t->digits + t->signs + t->spaces + t->slashes + t->points + t->brackets == s.len;
}

static bool has_exponent(struct csv_slice s)
{
    for (size_t i = 0; i + 1 < s.len; i++)
        if ((s.data[i] == 'E' || s.data[i] == 'e') && s.data[i + 1] == '+')
            return true;
    return false;
}

static bool is_damage(struct csv_slice s, const struct tally *t)
{
    static const char *const errors[] = {"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", NULL};
    for (size_t i = 0; s.data[0] == '#' && errors[i]; i++)
        if (s.len == strlen(errors[i]) && memcmp(s.data, errors[i], s.len) == 0)
            return true;
    /* 4.4E+11, 4,4E+11 */
    return t->letters == 1 && t->signs == 1 && t->digits > 2 && t->digits + t->points + t->commas + 2 == s.len &&
           isdigit((unsigned char)s.data[0]) && has_exponent(s);
}

/* ---- dates ---- */

static bool may_be_date(struct csv_slice s, const struct tally *t)
{
    if (s.len < DATE_LEAST || s.len > DATE_MOST || t->digits < 3 || t->digits > 14 || t->brackets > 0)
        return false;
    if (s.len == t->digits)
        return s.len == 8;
    return t->signs + t->points + t->slashes >= 2 || (t->letters >= 3 && t->letters <= 20);
}

static bool fits(const struct outline *outline, const struct tally *t)
{
    return t->digits >= outline->digits_least && t->digits <= outline->digits_most && t->signs == outline->signs &&
           t->slashes == outline->slashes && t->points == outline->points && (t->letters > 0) == outline->letters;
}

static void look_for_date(const struct survey_look *look, struct csv_slice s, const struct tally *t, struct survey_value *out)
{
    char iso[DATES_SIZE];
    for (size_t i = 0; i < FORMATS; i++)
        if (fits(&look->outlines[i], t) && dates_read(look->dates[i], s, iso) == DATES_GOOD)
            out->dates |= 1u << i;
    if (out->dates)
        out->kinds |= 1u << SURVEY_DATE;
}

/* ---- phones ---- */

static bool is_north_american(struct csv_slice s, const struct tally *t)
{
    static const char forms[][15] = {"999-999-9999", "999.999.9999", "999 999 9999", "(999) 999-9999", "(999)999-9999"};
    if (t->digits != 10)
        return false;
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
        size_t i = 0;
        while (i < s.len && forms[f][i] && (forms[f][i] == '9' ? isdigit((unsigned char)s.data[i]) != 0 : s.data[i] == forms[f][i]))
            i++;
        if (i == s.len && !forms[f][i])
            return true;
    }
    return false;
}

static void look_for_phone(struct csv_slice s, const struct tally *t, struct survey_value *out)
{
    bool plus = s.data[0] == '+' || (s.data[0] == '(' && s.len > 1 && s.data[1] == '+');
    bool zeros = s.len > 2 && memcmp(s.data, "00", 2) == 0;
    if (t->digits < PHONE_DIGITS_LEAST || t->digits > PHONE_DIGITS_MOST + 2u || out->dates || t->letters > 0 || t->others > 0 ||
        t->commas > 0 || (out->traits & (1u << SURVEY_DECIMAL)))
        return;
    bool between = t->spaces + t->brackets + t->slashes + t->points > 0 || memchr(s.data, '-', s.len) != NULL;
    if (s.data[0] == '-' || !(plus || s.data[0] == '0' || between))
        return;
    out->kinds |= 1u << SURVEY_PHONE;
    if (plus || zeros)
        out->traits |= 1u << SURVEY_INTERNATIONAL;
    if (is_north_american(s, t))
        out->traits |= 1u << SURVEY_NORTH_AMERICAN;
}

/* ---- the rest ---- */

static bool is_name(struct csv_slice s, const struct tally *t)
{
    unsigned char first = (unsigned char)s.data[0];
    return t->digits == 0 && t->letters > 1 && s.len <= NAME_MOST && t->slashes == 0 && (first >= 0x80 || isupper(first)) &&
           !memchr(s.data, '@', s.len);
}

static bool is_url(struct csv_slice s)
{
    return (s.len > 8 && strncasecmp(s.data, "https://", 8) == 0) || (s.len > 7 && strncasecmp(s.data, "http://", 7) == 0) ||
           (s.len > 4 && strncasecmp(s.data, "www.", 4) == 0);
}

bool survey_look_at(const struct survey_look *look, struct csv_slice cell, struct survey_value *out)
{
    *out = (struct survey_value){.inner = survey_inner(cell)};
    struct csv_slice s = out->inner;
    if (s.len != cell.len)
        out->traits |= 1u << SURVEY_SPACES;
    if (s.len == 0)
        return false;
    struct tally t = count(s);
    out->chars = t.ascii && s.len == cell.len ? cell.len : utf8_length(cell.data, cell.len);
    if (out->chars > MAPPING_MAX_LENGTH_DEFAULT)
        out->traits |= 1u << SURVEY_LONG;
    if (!t.ascii && !utf8_valid(s.data, s.len, NULL))
        out->traits |= 1u << SURVEY_NOT_UTF8;
    if (t.capitals > 0)
        out->traits |= 1u << SURVEY_CAPITALS;
    if (is_leading_zero(s, &t))
        out->traits |= 1u << SURVEY_LEADING_ZERO;
    if (t.spaces > 0)
        out->traits |= 1u << SURVEY_WORDS;
    if (is_url(s))
        out->traits |= 1u << SURVEY_URL;
    if (is_damage(s, &t))
        out->traits |= 1u << SURVEY_DAMAGE;
    look_for_number(s, &t, out);
    if (may_be_date(s, &t))
        look_for_date(look, s, &t, out);
    look_for_phone(s, &t, out);
    if (memchr(s.data, '@', s.len) && (email_is_plain(s) || !email_problem(s).what))
        out->kinds |= 1u << SURVEY_EMAIL;
    if (is_name(s, &t))
        out->kinds |= 1u << SURVEY_NAME;
    return true;
}
