/* Phone numbers, looked at ahead: every piece of text that is read goes through a second reader first, which
 * picks the cells that are to be numbers, so that the mapping looks at all of them at once, on several
 * threads, and the first reader's rows find them known. What the second one makes of a piece decides nothing,
 * so it may stop where it cannot go on. */
#include <stdlib.h>
#include <string.h>

#include "core/check_private.h"

#define MOST_CELLS 2048 /* looked at at once: some milliseconds on two processors */

struct ahead_field {
    size_t field, column;
    size_t count;
    struct csv_slice cells[MOST_CELLS];
};

struct check_ahead {
    struct csv_reader *reader;
    const char *text; /* what it has not had yet of the piece */
    size_t len;
    struct mapping_arena memory; /* of the cells */
    size_t field_count;
    struct ahead_field *fields;
};

static long give_piece(void *arg, char *into, size_t size, struct err *err)
{
    struct check_ahead *ahead = arg;
    size_t n = ahead->len < size ? ahead->len : size;
    (void)err;
    if (n == 0)
        return CSV_SOURCE_WAITS;
    memcpy(into, ahead->text, n);
    ahead->text += n;
    ahead->len -= n;
    return (long)n;
}

static size_t find_fields(const struct check *check, struct ahead_field *fields)
{
    size_t found = 0;
    for (size_t i = 0; i < check->field_count; i++) {
        size_t count;
        const size_t *columns = mapping_columns(check->plan.mapping, i, &count);
        if (!mapping_looks_ahead(check->plan.mapping, i))
            continue;
        if (fields) {
            fields[found].field = i;
            fields[found].column = columns[0];
            fields[found].count = 0;
        }
        found++;
    }
    return found;
}

void check_ahead_free(struct check_ahead *ahead)
{
    if (!ahead)
        return;
    csv_reader_free(ahead->reader);
    mapping_arena_free(&ahead->memory);
    free(ahead->fields);
    free(ahead);
}

static bool look(struct check *check, struct ahead_field *field, struct err *err)
{
    size_t count = field->count;
    field->count = 0;
    return count == 0 || mapping_look_ahead(check->plan.mapping, field->field, field->cells, count, err);
}

static bool look_at_all(struct check *check, struct err *err)
{
    struct check_ahead *ahead = check->ahead;
    for (size_t i = 0; i < ahead->field_count; i++)
        if (!look(check, &ahead->fields[i], err))
            return false;
    mapping_arena_reset(&ahead->memory);
    return true;
}

/* The cells of a row; *full when there is no room for those of another. */
/* Of other parts nothing is looked up. What cannot be told is told when the row comes. */
static bool is_sent(struct check *check, const struct csv_row *row)
{
    struct err ignored;
    bool elsewhere = false;
    err_clear(&ignored);
    return !check_sent_elsewhere(check, row, &elsewhere, &ignored) || !elsewhere;
}

static bool pick(struct check_ahead *ahead, const struct csv_row *row, bool *full, struct err *err)
{
    for (size_t i = 0; i < ahead->field_count; i++) {
        struct ahead_field *field = &ahead->fields[i];
        struct csv_slice cell =
            field->column < row->count ? csv_cell(row, field->column) : (struct csv_slice){"", 0};
        if (cell.len == 0)
            continue;
        char *kept = mapping_arena_keep(&ahead->memory, cell.data, cell.len);
        if (!kept)
            return err_set(err, ERR_MEMORY, "no memory for phone numbers");
        field->cells[field->count++] = (struct csv_slice){kept, cell.len};
        *full = *full || field->count == MOST_CELLS;
    }
    return true;
}

bool check_ahead_feed(struct check *check, const char *text, size_t len, struct err *err)
{
    struct check_ahead *ahead = check->ahead;
    const struct csv_row *row;
    struct err ignored;
    ahead->text = text;
    ahead->len = len;
    err_clear(&ignored);
    for (;;) {
        bool full = false;
        enum csv_status status = csv_reader_next(ahead->reader, &row, &ignored);
        if (status == CSV_ROW && is_sent(check, row) && !pick(ahead, row, &full, err))
            return false;
        bool stop = status != CSV_ROW && status != CSV_BAD;
        if ((stop || full) && !look_at_all(check, err))
            return false;
        if (!stop)
            continue;
        if (!csv_reader_waits(ahead->reader)) {
            check_ahead_free(ahead);
            check->ahead = NULL;
        }
        return true;
    }
}

bool check_ahead_new(struct check *check, struct err *err)
{
    size_t count = check->plan.mapping ? find_fields(check, NULL) : 0;
    if (count == 0 || check->early.failed)
        return true;
    struct check_ahead *ahead = calloc(1, sizeof *ahead);
    check->ahead = ahead;
    if (!ahead || !(ahead->fields = calloc(count, sizeof *ahead->fields)))
        return err_set(err, ERR_MEMORY, "no memory for phone numbers");
    ahead->field_count = find_fields(check, ahead->fields);
    ahead->reader = csv_reader_new(give_piece, ahead, check->path, &check->csv, err);
    return ahead->reader && check_ahead_feed(check, check->early.data, check->early.len, err);
}
