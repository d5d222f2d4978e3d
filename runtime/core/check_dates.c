#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check_private.h"
#include "core/mapping_date.h"

#define FORMATS_MOST 16

/* A field's formats, each alone. */
struct date_field {
    size_t column;
    size_t count;
    const char *names[FORMATS_MOST];
    struct dates *formats[FORMATS_MOST];
};

struct check_dates_look {
    struct mapping_arena memory;
    size_t count;
    struct date_field fields[];
};

static bool add_field(struct check_dates_look *look, const struct check *check,
                      const struct check_dates *given, struct err *err)
{
    struct date_field *field = &look->fields[look->count];
    size_t columns;
    const size_t *column = mapping_columns(check->plan.mapping, given->field, &columns);
    if (columns != 1)
        return true;
    field->column = column[0];
    for (size_t i = 0; given->formats[i] && i < FORMATS_MOST; i++) {
        const char *const one[] = {given->formats[i], NULL};
        field->names[i] = mapping_arena_keep(&look->memory, given->formats[i], strlen(given->formats[i]));
        field->formats[i] = dates_new(one, 0, &look->memory, err);
        if (!field->names[i] || !field->formats[i])
            return field->names[i] ? false : err_set(err, ERR_MEMORY, "no memory for dates");
        field->count++;
    }
    look->count++;
    return true;
}

bool check_dates_new(struct check *check, struct err *err)
{
    const struct check_plan *plan = &check->plan;
    if (!plan->mapping || plan->date_count == 0 || plan->no_check)
        return true;
    struct check_dates_look *look = calloc(1, sizeof *look + plan->date_count * sizeof look->fields[0]);
    if (!look)
        return err_set(err, ERR_MEMORY, "no memory for dates");
    check->dates = look;
    for (size_t i = 0; i < plan->date_count; i++)
        if (!add_field(look, check, &plan->dates[i], err))
            return false;
    return true;
}

void check_dates_free(struct check_dates_look *look)
{
    if (!look)
        return;
    mapping_arena_free(&look->memory);
    free(look);
}

static struct csv_slice trimmed(struct csv_slice text)
{
    while (text.len > 0 && (*text.data == ' ' || *text.data == '\t'))
        text = (struct csv_slice){text.data + 1, text.len - 1};
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Another format than the first that fits gives another date. */
static bool check_date(struct check *check, const struct date_field *field, const struct csv_row *row,
                       struct err *err)
{
    struct csv_slice cell = csv_cell(row, field->column), text = trimmed(cell);
    char first[DATES_SIZE], other[DATES_SIZE], reason[256];
    size_t taken = field->count;
    for (size_t i = 0; i < field->count && text.len > 0; i++) {
        bool is_first = taken == field->count;
        if (dates_read(field->formats[i], text, is_first ? first : other) != DATES_GOOD)
            continue;
        if (is_first)
            taken = i;
        else if (strcmp(first, other) != 0) {
            snprintf(
                reason, sizeof reason,
                "is a date whose day and month cannot be told apart: it is read as %.64s, %.64s fits too",
                field->names[taken], field->names[i]);
            const struct check_finding finding = {
                .class = CHECK_AMBIGUOUS_DATE,
                .line = row->line,
                .column = (long)field->column + 1,
                .value = &cell,
                .reason = reason,
                .hint = "say in the mapping how the dates of this file are written"};
            return check_add(check, &finding, err);
        }
    }
    return true;
}

bool check_dates_row(struct check *check, const struct csv_row *row, struct err *err)
{
    for (size_t i = 0; i < check->dates->count; i++)
        if (!check_date(check, &check->dates->fields[i], row, err))
            return false;
    return true;
}
