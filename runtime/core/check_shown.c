#include <stdlib.h>
#include <string.h>

#include "core/check_private.h"

/* Bytes of a value that are kept: more than a terminal has room for. */
#define SHOWN_BYTES 1024

/* Some rows of each fate, in memory that is given back all at once. */
struct check_shown {
    size_t most;
    struct check_shown_row *rows[CHECK_FATES];
    size_t counts[CHECK_FATES];
    struct mapping_arena memory, values;
};

struct check_shown *check_shown_new(size_t most, struct err *err)
{
    struct check_shown *shown = calloc(1, sizeof *shown);
    bool good = shown;
    if (shown)
        shown->most = most;
    for (int fate = 0; good && fate < CHECK_FATES; fate++)
        good = (shown->rows[fate] = calloc(most + 1, sizeof *shown->rows[fate]));
    if (good)
        return shown;
    check_shown_free(shown);
    err_set(err, ERR_MEMORY, "no memory for rows to show");
    return NULL;
}

void check_shown_free(struct check_shown *shown)
{
    if (!shown)
        return;
    for (int fate = 0; fate < CHECK_FATES; fate++)
        free(shown->rows[fate]);
    mapping_arena_free(&shown->memory);
    mapping_arena_free(&shown->values);
    free(shown);
}

size_t check_shown_rows(const struct check *check, enum check_fate fate, const struct check_shown_row **rows)
{
    *rows = check->shown ? check->shown->rows[fate] : NULL;
    return check->shown ? check->shown->counts[fate] : 0;
}

static const char *keep_text(struct check_shown *shown, struct csv_slice text)
{
    return mapping_arena_keep(&shown->memory, text.data ? text.data : "", text.len < SHOWN_BYTES ? text.len : SHOWN_BYTES);
}

static bool keep_cells(struct check *check, const struct csv_row *row, size_t field, struct check_shown_value *out)
{
    const size_t *columns = mapping_columns(check->plan.mapping, field, &out->cell_count);
    const char **cells = mapping_arena_room(&check->shown->memory, (out->cell_count + 1) * sizeof *cells);
    out->cells = cells;
    for (size_t i = 0; cells && i < out->cell_count; i++)
        if (!(cells[i] = keep_text(check->shown, csv_cell(row, columns[i]))))
            return false;
    return cells;
}

/* The values are made once more: of the few rows that are shown. */
static bool keep_value(struct check *check, const struct csv_row *row, size_t field, struct check_shown_value *out,
                       struct err *err)
{
    struct check_shown *shown = check->shown;
    struct csv_slice value;
    struct mapping_fault fault;
    *out = (struct check_shown_value){.reason = ""};
    out->kind = mapping_value(check->plan.mapping, &shown->values, field, row, &value, &fault, err);
    if (out->kind == MAPPING_FAILED)
        return false;
    if (out->kind == MAPPING_INVALID) {
        out->blanked = check_may_blank(check, mapping_field_at(check->plan.mapping, field), fault.class);
        out->reason = keep_text(shown, (struct csv_slice){fault.reason, strlen(fault.reason)});
        value = (struct csv_slice){"", 0};
    }
    out->value = keep_text(shown, value);
    return (out->value && out->reason && keep_cells(check, row, field, out)) ||
           err_set(err, ERR_MEMORY, "no memory for rows to show");
}

static bool keep_values(struct check *check, const struct csv_row *row, struct check_shown_row *out, struct err *err)
{
    struct check_shown_value *values = mapping_arena_room(&check->shown->memory, (check->field_count + 1) * sizeof *values);
    if (!values)
        return err_set(err, ERR_MEMORY, "no memory for rows to show");
    mapping_arena_reset(&check->shown->values);
    for (size_t i = 0; i < check->field_count; i++)
        if (!keep_value(check, row, i, &values[i], err))
            return false;
    out->values = values;
    out->value_count = check->field_count;
    return true;
}

bool check_show_row(struct check *check, const struct csv_row *row, struct err *err)
{
    struct check_shown *shown = check->shown;
    enum check_fate fate = check->row_errors > 0 ? CHECK_REJECTED : check->cells_made ? CHECK_CHANGED : CHECK_SENT;
    if (shown->counts[fate] == shown->most)
        return true;
    struct check_shown_row *out = &shown->rows[fate][shown->counts[fate]];
    struct csv_slice reasons = {check->reasons.data, check->reasons.len};
    *out = (struct check_shown_row){.line = row->line, .reasons = keep_text(shown, reasons)};
    if (!out->reasons)
        return err_set(err, ERR_MEMORY, "no memory for rows to show");
    /* In a ragged row the cells may stand under the wrong headers. */
    if (check->plan.mapping && check->row_is_whole && !keep_values(check, row, out, err))
        return false;
    shown->counts[fate]++;
    return true;
}
