#include "core/mapping_date.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum part { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, PARTS, LITERAL = PARTS };

struct token {
    enum part part;
    size_t least, most;    /* digits; both 0 for the name of a month */
    struct csv_slice text; /* of a literal */
};

struct format {
    const char *text;
    struct token *tokens;
    size_t count;
    bool has[PARTS];
};

struct dates {
    struct format *formats;
    size_t count;
    int pivot;
};

/* ---- compiling ---- */

static const struct word {
    const char *text;
    struct token token;
} words[] = {
    {"YYYY", {.part = YEAR, .least = 4, .most = 4}},
    {"YY", {.part = YEAR, .least = 2, .most = 2}},
    {"MMMM", {.part = MONTH}},
    {"MMM", {.part = MONTH}},
    {"MM", {.part = MONTH, .least = 2, .most = 2}},
    {"M", {.part = MONTH, .least = 1, .most = 2}},
    {"DD", {.part = DAY, .least = 2, .most = 2}},
    {"D", {.part = DAY, .least = 1, .most = 2}},
    {"HH", {.part = HOUR, .least = 2, .most = 2}},
    {"H", {.part = HOUR, .least = 1, .most = 2}},
    {"mm", {.part = MINUTE, .least = 2, .most = 2}},
    {"ss", {.part = SECOND, .least = 2, .most = 2}},
};

static const struct word *find_word(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].text) == len && memcmp(words[i].text, text, len) == 0)
            return &words[i];
    return NULL;
}

static bool refuse_letters(const char *format, const char *at, size_t len, struct err *err)
{
    /* "dd.mm.yyyy", as other programs have it */
    char capitals[64];
    bool other_case = !strpbrk(format, "HhTMDY") && strlen(format) < sizeof capitals;
    for (size_t i = 0; other_case && i <= strlen(format); i++)
        capitals[i] = (char)toupper((unsigned char)format[i]);
    if (other_case && strstr(capitals, "YY"))
        return err_set(err, ERR_USAGE, "the date format \"%s\" has \"%.*s\" (did you mean \"%s\"?)", format, (int)len, at,
                       capitals);
    return err_set(err, ERR_USAGE,
                   "the date format \"%s\" has \"%.*s\": there are YYYY YY MM M MMM DD D HH H mm ss; other letters stand in "
                   "[brackets]",
                   format, (int)len, at);
}

static bool add_word(struct format *format, const char *at, size_t len, struct err *err)
{
    const struct word *word = find_word(at, len);
    if (!word)
        return refuse_letters(format->text, at, len, err);
    enum part part = word->token.part;
    if (format->has[part])
        return err_set(err, ERR_USAGE, "the date format \"%s\" has the same part twice: \"%s\"", format->text, word->text);
    const struct token *before = format->count > 0 ? &format->tokens[format->count - 1] : NULL;
    if (before && before->part != LITERAL && before->least < before->most)
        return err_set(err, ERR_USAGE,
                       "in the date format \"%s\" nothing stands before \"%s\", and the part there has one digit or two: write "
                       "it with two letters",
                       format->text, word->text);
    format->has[part] = true;
    format->tokens[format->count++] = word->token;
    return true;
}

static void add_literal(struct format *format, const char *at, size_t len)
{
    if (len > 0)
        format->tokens[format->count++] = (struct token){.part = LITERAL, .text = {at, len}};
}

/* What stands at `at`: the bytes of it that were taken, 0 when it is no part of a format. */
static size_t add_token(struct format *format, const char *at, struct err *err)
{
    size_t len = 1;
    if (*at == '[') {
        const char *end = strchr(at, ']');
        if (!end)
            return err_set(err, ERR_USAGE, "the date format \"%s\" has no ] for its [", format->text), 0;
        add_literal(format, at + 1, (size_t)(end - at) - 1);
        return (size_t)(end - at) + 1;
    }
    if (!isalpha((unsigned char)*at) || *at == 'T' || *at == 'Z') {
        add_literal(format, at, 1);
        return 1;
    }
    while (at[len] == *at)
        len++;
    return add_word(format, at, len, err) ? len : 0;
}

static bool check_parts(const struct format *format, struct err *err)
{
    static const char *const named[] = {"year: YYYY or YY", "month: MM, M or MMM", "day: DD or D"};
    for (int part = YEAR; part <= DAY; part++)
        if (!format->has[part])
            return err_set(err, ERR_USAGE, "the date format \"%s\" has no %s", format->text, named[part]);
    if (format->has[HOUR] != format->has[MINUTE] || (format->has[SECOND] && !format->has[MINUTE]))
        return err_set(err, ERR_USAGE, "the date format \"%s\" has half a time: HH and mm belong together", format->text);
    return true;
}

static bool compile(struct format *format, const char *text, struct mapping_arena *memory, struct err *err)
{
    format->text = mapping_arena_keep(memory, text, strlen(text));
    format->tokens = mapping_arena_room(memory, DATES_FORMAT_MOST * sizeof *format->tokens);
    if (!format->text || !format->tokens)
        return err_set(err, ERR_MEMORY, "no memory for a date format");
    for (const char *at = format->text; *at;) {
        if (format->count == DATES_FORMAT_MOST)
            return err_set(err, ERR_USAGE, "the date format \"%.20s…\" has more than %d parts", text, DATES_FORMAT_MOST);
        size_t taken = add_token(format, at, err);
        if (taken == 0)
            return false;
        at += taken;
    }
    return check_parts(format, err);
}

struct dates *dates_new(const char *const *formats, long pivot, struct mapping_arena *memory, struct err *err)
{
    size_t count = 0;
    while (formats && formats[count])
        count++;
    struct dates *dates = mapping_arena_room(memory, sizeof *dates);
    struct format *compiled = mapping_arena_room(memory, (count + 1) * sizeof *compiled);
    if (!dates || !compiled)
        return err_set(err, ERR_MEMORY, "no memory for a date format"), NULL;
    if (count == 0 || pivot < 0 || pivot > 100)
        return err_set(err, ERR_USAGE,
                       count == 0 ? "a date needs a format, such as \"DD.MM.YYYY\""
                                  : "the first year of the 1900s has two digits"),
               NULL;
    memset(compiled, 0, (count + 1) * sizeof *compiled);
    *dates = (struct dates){compiled, count, pivot ? (int)pivot : DATES_PIVOT};
    for (size_t i = 0; i < count; i++)
        if (!compile(&compiled[i], formats[i], memory, err))
            return NULL;
    return dates;
}

const char *dates_told(const struct dates *dates, char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (size_t i = 0; i < dates->count && used < size; i++) {
        const char *between = i == 0 ? "" : i + 1 < dates->count ? ", " : " or ";
        if (used + strlen(between) + strlen(dates->formats[i].text) + sizeof ", …" > size) {
            snprintf(out + used, size - used, ", …");
            break;
        }
        used += (size_t)snprintf(out + used, size - used, "%s%s", between, dates->formats[i].text);
    }
    return out;
}

/* ---- reading ---- */

static bool read_digits(const struct token *token, struct csv_slice *text, int *value)
{
    size_t n = 0;
    *value = 0;
    while (n < token->most && n < text->len && text->data[n] >= '0' && text->data[n] <= '9')
        *value = *value * 10 + (text->data[n++] - '0');
    text->data += n;
    text->len -= n;
    return n >= token->least;
}

static bool read_token(const struct token *token, struct csv_slice *text, int values[PARTS])
{
    if (token->part != LITERAL && token->most > 0)
        return read_digits(token, text, &values[token->part]);
    size_t taken = token->text.len;
    if (token->part == LITERAL && (text->len < taken || memcmp(text->data, token->text.data, taken) != 0))
        return false;
    if (token->part != LITERAL && (taken = month_name(*text, &values[token->part])) == 0)
        return false;
    text->data += taken;
    text->len -= taken;
    return true;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static enum dates_result check_values(const int values[PARTS])
{
    if (values[MONTH] < 1 || values[MONTH] > 12)
        return DATES_NO_MONTH;
    if (values[DAY] < 1 || values[DAY] > days_of(values[YEAR], values[MONTH]))
        return DATES_NO_DAY;
    return values[HOUR] > 23 || values[MINUTE] > 59 || values[SECOND] > 59 ? DATES_NO_TIME : DATES_GOOD;
}

static enum dates_result read_format(const struct format *format, int pivot, struct csv_slice text, int values[PARTS])
{
    bool two_digits = false;
    for (size_t i = 0; i < format->count; i++) {
        if (!read_token(&format->tokens[i], &text, values))
            return DATES_OTHER_FORM;
        two_digits = two_digits || (format->tokens[i].part == YEAR && format->tokens[i].most == 2);
    }
    if (text.len > 0)
        return DATES_OTHER_FORM;
    if (two_digits)
        values[YEAR] += values[YEAR] >= pivot ? 1900 : 2000;
    return check_values(values);
}

/* Digits alone: printf would cost more than all the rest. */
static char *put(char *out, int value, int digits)
{
    for (int i = digits; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    return out + digits;
}

static void write_date(const int values[PARTS], bool with_time, char *out)
{
    static const char behind[PARTS] = {'-', '-', 'T', ':', ':', '\0'};
    int last = with_time ? SECOND : DAY;
    for (int part = YEAR; part <= last; part++) {
        out = put(out, values[part], part == YEAR ? 4 : 2);
        *out++ = part == last ? '\0' : behind[part];
    }
}

enum dates_result dates_read(const struct dates *dates, struct csv_slice text, char out[DATES_SIZE])
{
    enum dates_result first = DATES_OTHER_FORM;
    for (size_t i = 0; i < dates->count; i++) {
        int values[PARTS] = {0};
        enum dates_result result = read_format(&dates->formats[i], dates->pivot, text, values);
        if (result == DATES_GOOD) {
            write_date(values, dates->formats[i].has[HOUR], out);
            return DATES_GOOD;
        }
        first = first == DATES_OTHER_FORM ? result : first;
    }
    return first;
}
