/* What the steps of a mapping do. */
#include <stdint.h>
#include <stdio.h>

#include "core/characters.h"
#include "core/mapping_case.h"
#include "core/mapping_date.h"
#include "core/mapping_lookup.h"
#include "core/mapping_private.h"
#include "core/utf8.h"

/* Bytes of a reason that a function gives: more are never kept. */
#define REASON_MOST 1024
/* A replacement makes no value longer than that, whatever is in the file. */
#define REPLACED_MOST ((size_t)64 << 20)

static struct csv_slice between(const char *from, const char *to)
{
    return (struct csv_slice){from, (size_t)(to - from)};
}

/* Texts that are looked for are short, and values mostly too. */
static const char *find(const char *from, const char *end, struct csv_slice what)
{
    while ((size_t)(end - from) >= what.len) {
        const char *at = memchr(from, what.data[0], (size_t)(end - from) - what.len + 1);
        if (!at || memcmp(at, what.data, what.len) == 0)
            return at;
        from = at + 1;
    }
    return NULL;
}

void mapping_trim(struct csv_slice *value)
{
    /* Mostly there is nothing to be done: what stands at both ends is seen. */
    unsigned char first = (unsigned char)value->data[0], last = (unsigned char)value->data[value->len - 1];
    if (first > ' ' && first < 0x7F && last > ' ' && last < 0x7F)
        return;
    size_t blank = characters_blank_start(value->data, value->len);
    value->data += blank;
    value->len -= blank;
    value->len -= characters_blank_end(value->data, value->len);
}

static bool all_digits(struct csv_slice value)
{
    size_t at = 0;
    while (at < value.len && value.data[at] >= '0' && value.data[at] <= '9')
        at++;
    return at == value.len;
}

static enum outcome digits(struct work *work)
{
    struct csv_slice in = work->value;
    size_t used = 0;
    if (all_digits(in))
        return OUTCOME_GOOD;
    char *room = mapping_arena_room(work->arena, in.len);
    if (!room)
        return mapping_no_memory(work);
    for (size_t at = 0; at < in.len;) {
        uint32_t c;
        at += utf8_decode(in.data + at, in.len - at, &c);
        int digit = character_digit(c);
        if (digit >= 0)
            room[used++] = (char)('0' + digit);
    }
    work->value = (struct csv_slice){room, used};
    return OUTCOME_GOOD;
}

static size_t count_of(struct csv_slice value, struct csv_slice what)
{
    const char *end = value.data + value.len;
    size_t count = 0;
    for (const char *at = value.data; (at = find(at, end, what)); at += what.len)
        count++;
    return count;
}

static enum outcome replace(struct work *work, const struct step *step)
{
    struct csv_slice in = work->value;
    const char *end = in.data + in.len, *at = in.data, *found = find(at, end, step->text);
    if (!found)
        return OUTCOME_GOOD;
    size_t count = count_of(in, step->text), rest = in.len - count * step->text.len;
    if (rest > REPLACED_MOST || count > (REPLACED_MOST - rest) / (step->with.len + 1))
        return mapping_invalid(work, MAPPING_TOO_LONG, "", "is too long when replace has been at it");
    char *room = mapping_arena_room(work->arena, rest + count * step->with.len + 1), *to = room;
    if (!room)
        return mapping_no_memory(work);
    for (; found; found = find(at, end, step->text)) {
        to = mempcpy(to, at, (size_t)(found - at));
        to = mempcpy(to, step->with.data, step->with.len);
        at = found + step->text.len;
    }
    to = mempcpy(to, at, (size_t)(end - at));
    work->value = between(room, to);
    return OUTCOME_GOOD;
}

static void split(struct csv_slice *value, const struct step *step)
{
    const char *end = value->data + value->len, *from = value->data, *found;
    long part = step->number - 1;
    if (step->number < 0)
        part = (long)count_of(*value, step->text) + 1 + step->number;
    if (part < 0) {
        value->len = 0;
        return;
    }
    for (; (found = find(from, end, step->text)) && part > 0; part--)
        from = found + step->text.len;
    *value = part > 0 ? between(end, end) : between(from, found ? found : end);
}

static enum outcome date(struct work *work, const struct step *step)
{
    char text[DATES_SIZE], formats[128];
    switch (dates_read(step->dates, work->value, text)) {
    case DATES_GOOD:
        break;
    case DATES_NO_MONTH:
        return mapping_invalid(work, MAPPING_NOT_A_DATE, "are day and month the other way round?",
                               "is not a date: there is no such month");
    case DATES_NO_DAY:
        return mapping_invalid(work, MAPPING_NOT_A_DATE, "", "is not a date: the month has no such day");
    case DATES_NO_TIME:
        return mapping_invalid(work, MAPPING_NOT_A_DATE, "", "is not a date: there is no such time of day");
    default:
        dates_told(step->dates, formats, sizeof formats);
        if (work->value.len == 5 && all_digits(work->value))
            return mapping_invalid(work, MAPPING_NOT_A_DATE, "export the column as text, or with a format of dates",
                                   "is not a date as %s: it is a spreadsheet's count of days", formats);
        return mapping_invalid(work, MAPPING_NOT_A_DATE, "", "is not a date as %s", formats);
    }
    struct csv_slice made = slice_of(text);
    if (slices_equal(made, work->value))
        return OUTCOME_GOOD;
    const char *kept = mapping_arena_keep(work->arena, made.data, made.len);
    if (!kept)
        return mapping_no_memory(work);
    work->value = (struct csv_slice){kept, made.len};
    return OUTCOME_GOOD;
}

static enum outcome lookup(struct work *work, const struct step *step)
{
    const struct csv_slice *found = lookup_find(step->lookup, work->value);
    if (found)
        work->value = *found;
    else if (work->value.len > 0 && step->missing == MAPPING_MISSING_WITH)
        work->value = step->with;
    else if (work->value.len > 0 && step->missing == MAPPING_MISSING_INVALID) {
        enum outcome outcome = mapping_damage_look(work, false);
        return outcome != OUTCOME_GOOD ? outcome
                                       : mapping_invalid(work, MAPPING_NOT_IN_LOOKUP, "", "is none of the lookup's values");
    }
    return OUTCOME_GOOD;
}

static enum outcome call(struct work *work, const struct step *step)
{
    struct csv_slice result = {"", 0};
    const struct mapping *mapping = work->mapping;
    switch (mapping->call(mapping->arg, step->number, work->row, work->value, work->arena, &result, work->err)) {
    case MAPPING_CALL_SAME:
        return OUTCOME_GOOD;
    case MAPPING_CALL_VALUE:
        work->value = result;
        return OUTCOME_GOOD;
    case MAPPING_CALL_SKIPS:
        work->value = (struct csv_slice){"", 0};
        return OUTCOME_SKIPPED;
    case MAPPING_CALL_REFUSES:
        if (result.len == 0)
            return mapping_invalid(work, MAPPING_CALL_INVALID, "", "is refused by the mapping");
        return mapping_invalid(work, MAPPING_CALL_INVALID, "", "%.*s", result.len < REASON_MOST ? (int)result.len : REASON_MOST,
                               result.data);
    default:
        return OUTCOME_FAILED;
    }
}

static enum outcome change_case(struct work *work, enum mapping_step_kind how)
{
    return case_change(how, work->value, work->arena, &work->value) ? OUTCOME_GOOD : mapping_no_memory(work);
}

/* Of a value that is not empty. What takes it apart looks for damage first, which could not be seen any more. */
static enum outcome change(struct work *work, const struct step *step)
{
    bool digits_count = step->kind == MAPPING_DIGITS || step->kind == MAPPING_E164;
    enum outcome outcome = mapping_damage_look(work, digits_count);
    if (outcome != OUTCOME_GOOD)
        return outcome;
    switch (step->kind) {
    case MAPPING_DIGITS:
        return digits(work);
    case MAPPING_E164:
        return mapping_phone_do(work, step->phone);
    case MAPPING_DATE:
        return date(work, step);
    case MAPPING_SPLIT:
        split(&work->value, step);
        return OUTCOME_GOOD;
    default:
        return change_case(work, step->kind);
    }
}

enum outcome mapping_step_do(struct work *work, const struct step *step)
{
    if (step->kind == MAPPING_CALL)
        return call(work, step);
    if (step->kind == MAPPING_LOOKUP)
        return lookup(work, step);
    if (work->value.len == 0) {
        if (step->kind == MAPPING_DEFAULT)
            work->value = step->text;
        return OUTCOME_GOOD;
    }
    switch (step->kind) {
    case MAPPING_DEFAULT:
        return OUTCOME_GOOD;
    case MAPPING_TRIM:
        mapping_trim(&work->value);
        return OUTCOME_GOOD;
    case MAPPING_REPLACE:
        return replace(work, step);
    default:
        return change(work, step);
    }
}
