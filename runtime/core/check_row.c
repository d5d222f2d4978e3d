#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check_private.h"
#include "core/printable.h"
#include "core/utf8.h"

/* Characters that are shown of a value or a name. */
#define SHOWN_CHARACTERS 40

const char *check_class_name(enum check_class class)
{
    static const char *const names[CHECK_CLASSES] = {
        [CHECK_UNREADABLE] = "unreadable",
        [CHECK_TOO_FEW_CELLS] = "too few cells",
        [CHECK_TOO_MANY_CELLS] = "too many cells",
        [CHECK_NUL] = "NUL byte",
        [CHECK_NOT_UTF8] = "not UTF-8",
        [CHECK_REQUIRED_EMPTY] = "required and empty",
        [CHECK_KEY_EMPTY] = "unique key is empty",
        [CHECK_TOO_LONG] = "too long",
    };
    return class < CHECK_CLASSES ? names[class] : "";
}

void check_shorten(char *out, size_t size, struct csv_slice value)
{
    char character[PRINTABLE_SIZE];
    size_t used = 0, at = 0;
    for (int shown = 0; at < value.len && shown < SHOWN_CHARACTERS && used + PRINTABLE_SIZE < size; shown++) {
        at += printable_character(value.data + at, value.len - at, character);
        used += (size_t)snprintf(out + used, size - used, "%s", character);
    }
    snprintf(out + used, size - used, "%s", at < value.len ? "…" : "");
}

const char *check_problem_text(const struct check_problem *problem, const char *file, bool show_value,
                               char *out, size_t size)
{
    struct buf text;
    buf_init(&text, 2048);
    if (file)
        buf_addf(&text, "%.1000s:%ld: ", file, problem->line);
    if (problem->column > 0 && problem->name[0])
        buf_addf(&text, "column \"%s\" (%ld): ", problem->name, problem->column);
    else if (problem->column > 0)
        buf_addf(&text, "column %ld: ", problem->column);
    buf_adds(&text, problem->reason);
    if (show_value && problem->value[0])
        buf_addf(&text, ": \"%s\"", problem->value);
    snprintf(out, size, "%s", text.data ? text.data : problem->reason);
    buf_free(&text);
    return out;
}

void check_add_problem(struct check *check, enum check_class class, const struct csv_row *row, long column,
                        const char *reason)
{
    struct check_problem spare, *problem = &spare;
    struct check_result *result = &check->result;
    bool keep = result->problem_count < check->max_problems;
    result->counts[class]++;
    check->row_problems++;
    if (!keep && !check->reject)
        return;
    if (keep)
        problem = &check->problems[result->problem_count++];
    memset(problem, 0, sizeof *problem);
    problem->class = class;
    problem->line = row->line;
    problem->column = column;
    snprintf(problem->reason, sizeof problem->reason, "%s", reason);
    if (column > 0 && (size_t)column <= check->header->count)
        check_shorten(problem->name, sizeof problem->name, csv_cell(check->header, (size_t)column - 1));
    if (column > 0 && (size_t)column <= row->count)
        check_shorten(problem->value, sizeof problem->value, csv_cell(row, (size_t)column - 1));
    if (check->reject) {
        char text[512];
        check_problem_text(problem, NULL, false, text, sizeof text);
        buf_addf(&check->reasons, "%s%s", check->reasons.len > 0 ? "; " : "", text);
    }
}

static void check_shape(struct check *check, const struct csv_row *row)
{
    size_t wanted = check->header->count;
    char reason[128];
    snprintf(reason, sizeof reason, "the row has %zu cell%s, the header has %zu", row->count,
             row->count == 1 ? "" : "s", wanted);
    check_add_problem(check, row->count < wanted ? CHECK_TOO_FEW_CELLS : CHECK_TOO_MANY_CELLS, row, 0, reason);
}

/* Only for rows in which something is known to be wrong. */
static void check_bytes(struct check *check, const struct csv_row *row)
{
    for (size_t i = 0; i < row->count; i++) {
        struct csv_slice cell = csv_cell(row, i);
        size_t at;
        char reason[128];
        if (cell.len > 0 && memchr(cell.data, '\0', cell.len))
            check_add_problem(check, CHECK_NUL, row, (long)i + 1, "holds a NUL byte");
        if (!utf8_valid(cell.data, cell.len, &at)) {
            snprintf(reason, sizeof reason, "is not UTF-8 (byte %zu of the cell is 0x%02X)", at + 1,
                     (unsigned char)cell.data[at]);
            check_add_problem(check, CHECK_NOT_UTF8, row, (long)i + 1, reason);
        }
    }
}

static void check_rule(struct check *check, const struct rule *rule, const struct csv_row *row)
{
    struct csv_slice cell = csv_cell(row, (size_t)rule->index);
    char reason[128];
    if (cell.len == 0 && rule->key)
        check_add_problem(check, CHECK_KEY_EMPTY, row, rule->index + 1,
                    check->key_count > 1 ? "is empty, and it is part of the unique key"
                                         : "is empty, and it is the unique key");
    else if (cell.len == 0 && rule->required)
        check_add_problem(check, CHECK_REQUIRED_EMPTY, row, rule->index + 1,
                    "is empty, and the mapping requires it");
    if (cell.len <= rule->max_length)
        return;
    size_t length = utf8_length(cell.data, cell.len);
    if (length > rule->max_length) {
        snprintf(reason, sizeof reason, "has %zu characters, the service takes %zu", length,
                 rule->max_length);
        check_add_problem(check, CHECK_TOO_LONG, row, rule->index + 1, reason);
    }
}

void check_row(struct check *check, const struct csv_row *row)
{
    /* In a ragged row the cells may stand under the wrong headers: more said of it would mislead. */
    if (row->count != check->header->count) {
        check_shape(check, row);
        return;
    }
    if (memchr(row->raw.data, '\0', row->raw.len) || !utf8_valid(row->raw.data, row->raw.len, NULL))
        check_bytes(check, row);
    for (size_t i = 0; i < check->rule_count; i++)
        check_rule(check, &check->rules[i], row);
}
