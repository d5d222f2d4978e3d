#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check_private.h"
#include "core/operations.h"

/* ---- the mapping's columns ---- */

/* A column that is not there: because the cells are separated by something else, or which one was meant. */
static bool refuse_column(const struct check *check, const char *what, const char *column, struct err *err)
{
    const char *separator = check->header->count == 1 ? strpbrk(check->names[0], ",;\t|") : NULL;
    if (separator)
        return err_set(err, ERR_INVALID_FILE,
                       "the header is a single column: its cells seem to be separated by %s%.*s%s, and the "
                       "service takes "
                       "commas only: save the file with commas",
                       *separator == '\t' ? "tabs" : "\"", *separator != '\t', separator,
                       *separator == '\t' ? "" : "\"");
    const char *nearest = nearest_name(column, (const char *const *)check->names);
    if (nearest)
        return err_set(err, ERR_INVALID_FILE, "%s \"%s\" is not in the header (did you mean \"%s\"?)", what,
                       column, nearest);
    char first[128];
    check_shorten(first, sizeof first, csv_cell(check->header, 0));
    return err_set(err, ERR_INVALID_FILE, "%s \"%s\" is not in the header, which begins with \"%s\"", what,
                   column, first);
}

static long find_name(const struct check *check, const char *name, size_t from)
{
    for (size_t i = from; i < check->header->count; i++)
        if (strcmp(check->names[i], name) == 0)
            return (long)i;
    return -1;
}

static bool find_column(const struct check *check, const char *column, bool is_key, struct err *err)
{
    const char *what = is_key ? "the key column" : "the column";
    long index = find_name(check, column, 0);
    if (index < 0)
        return refuse_column(check, what, column, err);
    if (check->strict && strchr(column, '.'))
        return err_set(
            err, ERR_INVALID_FILE,
            "%s \"%s\" has a dot in its name: the service does not find such columns; rename it in the file",
            what, column);
    long again = find_name(check, column, (size_t)index + 1);
    return again < 0 ||
           err_set(err, ERR_INVALID_FILE,
                   "%s \"%s\" occurs twice in the header (cells %ld and %ld): rename or remove one", what,
                   column, index + 1, again + 1);
}

static bool find_columns(struct check *check, struct err *err)
{
    struct mapping *mapping = check->plan.mapping;
    err->line = check->header->line;
    for (size_t i = 0; i < check->field_count; i++) {
        const struct mapping_field *field = mapping_field_at(mapping, i);
        for (size_t j = 0; field->columns && field->columns[j]; j++)
            if (!find_column(check, field->columns[j], field->is_key, err))
                return false;
    }
    if (mapping && !mapping_bind(mapping, check->header, err))
        return false;
    err->line = 0;
    return true;
}

/* ---- the others ---- */

static bool is_skipped(const struct check *check, const char *name)
{
    for (const char *const *skipped = check->plan.skipped; skipped && *skipped; skipped++)
        if (strcmp(*skipped, name) == 0)
            return true;
    return false;
}

/* Which columns the mapping reads: for the caller to free. */
static bool *mark_read(const struct check *check, struct err *err)
{
    bool *read = calloc(check->header->count + 1, sizeof *read);
    if (!read)
        err_set(err, ERR_MEMORY, "no memory for the header");
    for (size_t i = 0; read && i < check->field_count; i++) {
        size_t count;
        const size_t *columns = mapping_columns(check->plan.mapping, i, &count);
        for (size_t j = 0; j < count; j++)
            read[columns[j]] = true;
    }
    return read;
}

static bool tell_header(struct check *check, enum check_class class, size_t column, const char *reason,
                        const char *hint, struct err *err)
{
    const struct check_finding finding = {.class = class,
                                          .line = check->header->line,
                                          .column = (long)column + 1,
                                          .reason = reason,
                                          .hint = hint};
    return check_add(check, &finding, err);
}

static bool tell_column(struct check *check, size_t i, bool read, struct err *err)
{
    const char *name = check->names[i];
    if (read && strchr(name, '.'))
        return tell_header(
            check, CHECK_DOTTED_HEADER, i,
            "has a dot in its name, which the service does not find: it is renamed in what is sent", "", err);
    if (read || strcmp(name, REJECTS_REASON_COLUMN) == 0 || is_skipped(check, name))
        return true;
    if (!*name)
        return tell_header(check, CHECK_EMPTY_HEADER, i, "has no name, so nothing can be mapped to it", "",
                           err);
    if (find_name(check, name, 0) < (long)i)
        return tell_header(check, CHECK_DUPLICATE_HEADER, i, "has the name of an earlier column",
                           "rename one of them", err);
    return !check->plan.mapping ||
           tell_header(check, CHECK_UNMAPPED_HEADER, i, "is not in the mapping, so it is not imported",
                       "map it, or say mapping.skip", err);
}

static bool tell_columns(struct check *check, struct err *err)
{
    bool *read = mark_read(check, err), told = read;
    for (size_t i = 0; told && i < check->header->count; i++)
        told = tell_column(check, i, read[i], err);
    free(read);
    return told;
}

/* ---- what is sent ---- */

static bool is_taken(const struct check *check, const char *name)
{
    if (find_name(check, name, 0) >= 0)
        return true;
    for (size_t i = 0; i < check->sent_count; i++)
        if (check->sent_names[i] && strcmp(check->sent_names[i], name) == 0)
            return true;
    return false;
}

/* A name that no column has, without dots. */
static char *make_name(const struct check *check, const char *wanted, struct err *err)
{
    size_t len = strlen(wanted);
    char *name = malloc(len + sizeof "_4294967295");
    if (!name) {
        err_set(err, ERR_MEMORY, "no memory for the header");
        return NULL;
    }
    memcpy(name, wanted, len + 1);
    for (char *dot = name; (dot = strchr(dot, '.'));)
        *dot = '_';
    for (unsigned n = 2; is_taken(check, name); n++)
        snprintf(name + len, sizeof "_4294967295", "_%u", n);
    return name;
}

static bool append_column(struct check *check, size_t field, struct err *err)
{
    struct place *place = &check->places[field];
    char *name = make_name(check, mapping_field_at(check->plan.mapping, field)->key, err);
    if (!name)
        return false;
    place->cell = (long)check->sent_count;
    check->sent_names[check->sent_count++] = name;
    return true;
}

/* The field's one column, or -1. */
static long column_of(const struct check *check, size_t field)
{
    size_t count;
    const size_t *columns = mapping_columns(check->plan.mapping, field, &count);
    return count == 1 ? (long)columns[0] : -1;
}

/* A column is the place of the first field that reads it as it is, or else of the first that changes it; of
 * others that read it as it is, too, as long as none of them may blank it for itself alone. */
static void share_columns(struct check *check, bool changed, bool *taken)
{
    bool blanks = check->plan.on_invalid == MAPPING_BLANK && !check->plan.no_check;
    for (size_t i = 0; i < check->field_count; i++) {
        long column = column_of(check, i);
        if (column < 0 || mapping_changes(check->plan.mapping, i) != changed ||
            (taken[column] && (changed || blanks)))
            continue;
        taken[column] = true;
        check->places[i].cell = column;
    }
}

static bool place_fields(struct check *check, struct err *err)
{
    bool *taken = calloc(check->header->count + 1, sizeof *taken), placed = taken;
    if (!taken)
        return err_set(err, ERR_MEMORY, "no memory for the header");
    for (size_t i = 0; i < check->field_count; i++)
        check->places[i].cell = -1;
    share_columns(check, false, taken);
    share_columns(check, true, taken);
    for (size_t i = 0; placed && i < check->field_count; i++)
        placed = check->places[i].cell >= 0 || append_column(check, i, err);
    free(taken);
    return placed;
}

static bool name_columns(struct check *check, struct err *err)
{
    bool *read = mark_read(check, err), named = read;
    for (size_t i = 0; named && i < check->header->count; i++) {
        bool dotted = read[i] && strchr(check->names[i], '.');
        check->sent_names[i] = dotted ? make_name(check, check->names[i], err) : strdup(check->names[i]);
        named = check->sent_names[i] || err_set(err, ERR_MEMORY, "no memory for the header");
    }
    free(read);
    return named;
}

static bool plan_columns(struct check *check, struct err *err)
{
    size_t count = check->header->count, most = count + check->field_count + 1;
    check->places = calloc(check->field_count + 1, sizeof *check->places);
    check->sources = calloc(check->field_count + 1, sizeof *check->sources);
    check->sent_names = calloc(most, sizeof *check->sent_names);
    check->cells = calloc(most, sizeof *check->cells);
    if (!check->places || !check->sources || !check->sent_names || !check->cells)
        return err_set(err, ERR_MEMORY, "no memory for the header");
    check->sent_count = count;
    if (!name_columns(check, err) || !place_fields(check, err))
        return false;
    for (size_t i = 0; i < check->field_count; i++)
        check->sources[i] = check->sent_names[check->places[i].cell];
    check->result.sources = check->sources;
    return true;
}

bool check_header_changes(const struct check *check)
{
    for (size_t i = 0; i < check->header->count; i++)
        if (strcmp(check->names[i], check->sent_names[i]) != 0)
            return true;
    return check->sent_count > check->header->count;
}

bool check_header(struct check *check, struct err *err)
{
    check->field_count = check->plan.mapping ? mapping_count(check->plan.mapping) : 0;
    return find_columns(check, err) && plan_columns(check, err) && tell_columns(check, err);
}
