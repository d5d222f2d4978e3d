#include <stdlib.h>
#include <string.h>

#include "core/check_private.h"
#include "core/operations.h"
#include "core/utf8.h"

/* The header's cells as strings; they are UTF-8 without NULs. */
static bool copy_names(struct check *check, struct err *err)
{
    const struct csv_row *header = check->header;
    check->names = calloc(header->count + 1, sizeof *check->names);
    for (size_t i = 0; check->names && i < header->count; i++) {
        struct csv_slice cell = csv_cell(header, i);
        if (memchr(cell.data, '\0', cell.len))
            return err_set(err, ERR_INVALID_FILE,
                           "cell %zu of the header holds a NUL byte: if the file is UTF-16, save it as UTF-8",
                           i + 1);
        if (!utf8_valid(cell.data, cell.len, NULL))
            return err_set(err, ERR_INVALID_FILE,
                           "cell %zu of the header is not UTF-8: save the file as UTF-8", i + 1);
        check->names[i] = strndup(cell.data, cell.len);
        if (!check->names[i])
            break;
    }
    if (!check->names || (header->count > 0 && !check->names[header->count - 1]))
        return err_set(err, ERR_MEMORY, "no memory for the header");
    return true;
}

/* A column that is not there: because the cells are separated by something else, or which one was meant. */
static bool refuse_column(const struct check *check, const char *what, const char *column, struct err *err)
{
    const char *separator = check->header->count == 1 ? strpbrk(check->names[0], ";\t|") : NULL;
    if (separator)
        return err_set(err, ERR_INVALID_FILE,
                       "the header is a single column: its cells seem to be separated by %s%.*s%s, and the service takes "
                       "commas only: save the file with commas",
                       *separator == '\t' ? "tabs" : "\"", *separator != '\t', separator, *separator == '\t' ? "" : "\"");
    const char *nearest = nearest_name(column, (const char *const *)check->names);
    if (nearest)
        return err_set(err, ERR_INVALID_FILE, "%s \"%s\" is not in the header (did you mean \"%s\"?)", what, column, nearest);
    char first[128];
    check_shorten(first, sizeof first, csv_cell(check->header, 0));
    return err_set(err, ERR_INVALID_FILE, "%s \"%s\" is not in the header, which begins with \"%s\"", what, column, first);
}

static bool find_column(struct check *check, struct rule *rule, struct err *err)
{
    const char *what = rule->key ? "the key column" : "the column";
    rule->index = csv_reader_column(check->reader, rule->column, strlen(rule->column));
    if (rule->index < 0)
        return refuse_column(check, what, rule->column, err);
    if (strchr(rule->column, '.'))
        return err_set(err, ERR_INVALID_FILE,
                       "%s \"%s\" has a dot in its name: the service does not find such columns; rename it in the file",
                       what, rule->column);
    for (size_t i = (size_t)rule->index + 1; i < check->header->count; i++)
        if (strcmp(check->names[i], rule->column) == 0)
            return err_set(err, ERR_INVALID_FILE,
                           "%s \"%s\" occurs twice in the header (cells %ld and %zu): rename or remove one",
                           what, rule->column, rule->index + 1, i + 1);
    return true;
}

bool check_header(struct check *check, struct err *err)
{
    if (!csv_reader_header(check->reader, &check->header, err))
        return false;
    if (csv_reader_had_bom(check->reader)) {
        char first[128];
        check_shorten(first, sizeof first, csv_cell(check->header, 0));
        return err_set(err, ERR_INVALID_FILE,
                       "begins with a byte-order mark, with which the service does not find the first column "
                       "\"%s\": save "
                       "it as UTF-8 without one, or remove it with: tail -c +4 FILE > NEWFILE",
                       first);
    }
    err->line = check->header->line;
    if (!copy_names(check, err))
        return false;
    for (size_t i = 0; i < check->rule_count; i++)
        if (!find_column(check, &check->rules[i], err))
            return false;
    err->line = 0;
    return true;
}
