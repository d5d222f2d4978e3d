/* Reading expressions. */
#include "core/cron.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define FIELDS 5
enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY };

static const struct field {
    const char *name;
    int min, max; /* of a value */
    int last;     /* of a cycle: Sunday is 0 there */
    const char *const *names;
    int first_name;
    const char *allowed;
} fields[FIELDS] = {
    {"minute", 0, 59, 59, NULL, 0, "0 to 59"},
    {"hour", 0, 23, 23, NULL, 0, "0 to 23"},
    {"day-of-month", 1, 31, 31, NULL, 0, "1 to 31, nW, L, L-n or LW"},
    {"month", 1, 12, 12,
     (const char *const[]){"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC", NULL}, 1,
     "1 to 12 or JAN to DEC"},
    {"day-of-week", 0, 7, 6, (const char *const[]){"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", NULL}, 0,
     "0 to 7 or SUN to SAT (0 and 7 are Sunday), with #n or L behind it for the nth or the last of a month"},
};

struct part {
    const char *from, *end;
};

struct parser {
    const char *text, *at, *end; /* the expression; what is left of a field */
    const struct field *field;
    struct cron *cron;
    struct err *err;
};

/* ---- errors ---- */

static int position(const struct parser *parser, const char *at)
{
    return (int)(at - parser->text) + 1;
}

/* What stands from `from` up to the next comma is not allowed. */
static bool refuse(const struct parser *parser, const char *from)
{
    const struct field *field = parser->field;
    int len = 0;
    while (from + len < parser->end && from[len] != ',' && len < 40)
        len++;
    if (len == 0)
        return err_set(parser->err, ERR_USAGE, "the %s field of \"%.100s\" lacks a value at position %d: allowed is %s, or *",
                       field->name, parser->text, position(parser, from), field->allowed);
    return err_set(parser->err, ERR_USAGE, "the %s field of \"%.100s\" has \"%.*s\" at position %d: allowed is %s, or *",
                   field->name, parser->text, len, from, position(parser, from), field->allowed);
}

static bool refuse_number(const struct parser *parser, const char *at, const char *what, int min, int max)
{
    return err_set(parser->err, ERR_USAGE, "the %s field of \"%.100s\" has %s at position %d that is not from %d to %d",
                   parser->field->name, parser->text, what, position(parser, at), min, max);
}

/* ---- items ---- */

static bool at_end(const struct parser *parser)
{
    return parser->at == parser->end || *parser->at == ',';
}

static bool skip(struct parser *parser, char c)
{
    if (parser->at == parser->end || toupper((unsigned char)*parser->at) != c)
        return false;
    parser->at++;
    return true;
}

static bool number(struct parser *parser, int min, int max, int *value)
{
    const char *p = parser->at;
    for (*value = 0; p < parser->end && isdigit((unsigned char)*p); p++)
        *value = *value > 999 ? 1000 : *value * 10 + (*p - '0');
    if (p == parser->at || *value < min || *value > max)
        return false;
    parser->at = p;
    return true;
}

static bool value(struct parser *parser, int *value)
{
    const struct field *field = parser->field;
    for (int i = 0; field->names && field->names[i]; i++)
        if (parser->end - parser->at >= 3 && strncasecmp(parser->at, field->names[i], 3) == 0) {
            parser->at += 3;
            *value = i + field->first_name;
            return true;
        }
    return number(parser, field->min, field->max, value);
}

/* The values from a to b, around the end of the field where b is before a. */
static uint64_t span(const struct field *field, int a, int b, int step)
{
    uint64_t bits = 0;
    int size = field->last - field->min + 1;
    if (a > field->last) {
        a -= size;
        b -= b > field->last ? size : 0;
    }
    if (b < a)
        b += size;
    for (int i = a; i <= b; i += step)
        bits |= UINT64_C(1) << (i > field->last ? i - size : i);
    return bits;
}

/* "*", "a", "a-b", each with "/n". */
static bool common_item(struct parser *parser, uint64_t *bits)
{
    const struct field *field = parser->field;
    const char *from = parser->at;
    int a = field->min, b = field->last, step = 1;
    bool all = skip(parser, '*'), range = false;
    if (!all) {
        if (!value(parser, &a))
            return refuse(parser, from);
        range = skip(parser, '-');
        const char *second = parser->at;
        if (range && !value(parser, &b))
            return refuse(parser, second);
    }
    if (skip(parser, '/')) {
        const char *at = parser->at;
        int most = field->last - field->min + 1; /* a longer one would be a mistake: every 90 minutes, say */
        if (!number(parser, 1, most, &step))
            return refuse_number(parser, at, "a step", 1, most);
    } else if (!all && !range) {
        b = a;
    }
    if (!at_end(parser))
        return refuse(parser, from);
    *bits |= span(field, a, b, step);
    return true;
}

/* L, L-n, LW, nW. `*done` is false, and nothing read, where it is none of these. */
static bool day_item(struct parser *parser, bool *done)
{
    const char *from = parser->at;
    struct cron *cron = parser->cron;
    int day = 0;
    *done = true;
    if (skip(parser, 'L')) {
        if (skip(parser, 'W')) {
            cron->last_workday = true;
        } else {
            const char *at = parser->at + 1;
            if (skip(parser, '-') && !number(parser, 0, 30, &day))
                return refuse_number(parser, at, "a number of days before the last one", 0, 30);
            cron->last_days |= UINT32_C(1) << day;
        }
        return at_end(parser) || refuse(parser, from);
    }
    if (number(parser, 1, 31, &day) && skip(parser, 'W')) {
        cron->workdays |= UINT32_C(1) << day;
        return at_end(parser) || refuse(parser, from);
    }
    parser->at = from;
    *done = false;
    return true;
}

/* d#n, dL. */
static bool weekday_item(struct parser *parser, bool *done)
{
    const char *from = parser->at;
    struct cron *cron = parser->cron;
    int day = 0, nth = 0;
    *done = true;
    if (value(parser, &day)) {
        uint8_t bit = (uint8_t)(1U << day % 7);
        if (skip(parser, '#')) {
            const char *at = parser->at;
            if (!number(parser, 1, 5, &nth))
                return refuse_number(parser, at, "an nth of the month", 1, 5);
            cron->nth_weekdays[nth] |= bit;
            return at_end(parser) || refuse(parser, from);
        }
        if (skip(parser, 'L')) {
            cron->last_weekdays |= bit;
            return at_end(parser) || refuse(parser, from);
        }
    }
    parser->at = from;
    *done = false;
    return true;
}

static bool read_field(struct parser *parser, int which, const struct part *part, uint64_t *bits)
{
    parser->field = &fields[which];
    parser->at = part->from;
    parser->end = part->end;
    *bits = 0;
    for (;;) {
        bool done = false;
        if ((which == DAY && !day_item(parser, &done)) || (which == WEEKDAY && !weekday_item(parser, &done)))
            return false;
        if (!done && !common_item(parser, bits))
            return false;
        if (parser->at == parser->end)
            return true;
        parser->at++; /* the comma */
    }
}

/* ---- expressions ---- */

static const struct {
    const char *name, *expression;
} macros[] = {{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
              {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"}};

static const char *expand(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof macros / sizeof macros[0]; i++)
        if (strlen(macros[i].name) == len && strncasecmp(text, macros[i].name, len) == 0)
            return macros[i].expression;
    return NULL;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Returns how many there are; the first five are in `parts`. */
static int split(const char *text, struct part *parts)
{
    int count = 0;
    for (const char *p = text;; count++) {
        while (is_space(*p))
            p++;
        if (!*p)
            return count;
        const char *from = p;
        while (*p && !is_space(*p))
            p++;
        if (count < FIELDS)
            parts[count] = (struct part){from, p};
    }
}

static bool count_is_wrong(const char *text, int count, struct err *err)
{
    const char *missing = count < FIELDS ? fields[count].name : NULL;
    if (missing)
        return err_set(err, ERR_USAGE, "\"%.100s\" has %d of the five fields minute, hour, day of month, month, day of week: "
                       "the %s field is missing at position %zu", text, count, missing, strlen(text) + 1);
    return err_set(err, ERR_USAGE, "\"%.100s\" has %d fields, not the five minute, hour, day of month, month, day of week: "
                   "neither seconds nor years nor a command belong to it", text, count);
}

static bool ever_fires(const struct cron *cron)
{
    for (int64_t year = 2000; year < 2400; year++)
        for (int month = 1; month <= 12; month++)
            if (cron_month(cron, year, month))
                return true;
    return false;
}

bool cron_parse(const char *text, struct cron *cron, struct err *err)
{
    struct part parts[FIELDS];
    const char *given = text;
    int count = split(text, parts);
    if (count > 0 && *parts[0].from == '@') {
        const char *expression = count == 1 ? expand(parts[0].from, (size_t)(parts[0].end - parts[0].from)) : NULL;
        if (!expression)
            return err_set(err, ERR_USAGE, "\"%.100s\" stands for no expression: allowed at position %d is @yearly, @annually, "
                           "@monthly, @weekly, @daily, @midnight or @hourly, alone", text, (int)(parts[0].from - text) + 1);
        text = expression;
        count = split(text, parts);
    }
    if (count != FIELDS)
        return count_is_wrong(text, count, err);
    memset(cron, 0, sizeof *cron);
    struct parser parser = {.text = text, .cron = cron, .err = err};
    uint64_t bits[FIELDS];
    for (int i = 0; i < FIELDS; i++)
        if (!read_field(&parser, i, &parts[i], &bits[i]))
            return false;
    cron->minutes = bits[MINUTE];
    cron->hours = (uint32_t)bits[HOUR];
    cron->days = (uint32_t)bits[DAY];
    cron->months = (uint16_t)bits[MONTH];
    cron->weekdays = (uint8_t)bits[WEEKDAY];
    cron->any_hour = *parts[HOUR].from == '*';
    cron->any_day = *parts[DAY].from == '*';
    cron->any_weekday = *parts[WEEKDAY].from == '*';
    if (!ever_fires(cron))
        return err_set(err, ERR_USAGE, "\"%.100s\" never fires: none of its months has such a day", given);
    return true;
}
