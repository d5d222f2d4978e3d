#include <stdio.h>
#include <string.h>

#include "core/check_private.h"
#include "core/utf8.h"

bool check_is_empty(const struct csv_row *row)
{
    for (size_t i = 0; i < row->count; i++)
        if (csv_cell(row, i).len > 0)
            return false;
    return row->count > 1;
}

static bool check_shape(struct check *check, const struct csv_row *row, struct err *err)
{
    size_t wanted = check->header->count;
    char reason[128];
    snprintf(reason, sizeof reason, "the row has %zu cell%s, the header has %zu", row->count,
             row->count == 1 ? "" : "s", wanted);
    const struct check_finding finding = {.class = row->count < wanted ? CHECK_TOO_FEW_CELLS
                                                                       : CHECK_TOO_MANY_CELLS,
                                          .line = row->line,
                                          .reason = reason};
    return check_add(check, &finding, err);
}

static bool check_cell_bytes(struct check *check, const struct csv_row *row, size_t column, struct err *err)
{
    struct csv_slice cell = csv_cell(row, column);
    struct check_finding finding = {.class = CHECK_NUL,
                                    .line = row->line,
                                    .column = (long)column + 1,
                                    .value = &cell,
                                    .reason = "holds a NUL byte"};
    size_t at;
    char reason[128];
    if (cell.len > 0 && memchr(cell.data, '\0', cell.len) && !check_add(check, &finding, err))
        return false;
    if (utf8_valid(cell.data, cell.len, &at))
        return true;
    if (check->facts.converted)
        snprintf(reason, sizeof reason, "holds bytes that are no character of %s", check->facts.encoding);
    else
        snprintf(reason, sizeof reason, "is not UTF-8 (byte %zu of the cell is 0x%02X)", at + 1,
                 (unsigned char)cell.data[at]);
    finding.class = CHECK_NOT_UTF8;
    finding.reason = reason;
    return check_add(check, &finding, err);
}

/* Only for rows in which something is known to be wrong. */
static bool check_bytes(struct check *check, const struct csv_row *row, struct err *err)
{
    for (size_t i = 0; i < row->count; i++)
        if (!check_cell_bytes(check, row, i, err))
            return false;
    return true;
}

/* ---- the row that is sent ---- */

static void make_cells(struct check *check, const struct csv_row *row)
{
    if (check->cells_made)
        return;
    for (size_t i = 0; i < check->sent_count; i++)
        check->cells[i] = i < row->count ? csv_cell(row, i) : (struct csv_slice){"", 0};
    check->cells_made = true;
}

static void set_cell(struct check *check, const struct csv_row *row, size_t field, struct csv_slice value)
{
    make_cells(check, row);
    check->cells[check->places[field].cell] = value;
}

/* ---- its values ---- */

bool check_may_blank(const struct check *check, const struct mapping_field *field,
                     enum mapping_fault_class class)
{
    return check->plan.on_invalid == MAPPING_BLANK && !field->is_key && !field->required &&
           class != MAPPING_REQUIRED_EMPTY && class != MAPPING_KEY_EMPTY;
}

/* A value that is as it stands is shown as it stands: that is what is looked for in the file. */
static bool tell_fault(struct check *check, const struct csv_row *row, size_t field,
                       struct csv_slice looked_at, const struct mapping_fault *fault, struct err *err)
{
    const struct mapping_field *given = mapping_field_at(check->plan.mapping, field);
    bool blanked = check_may_blank(check, given, fault->class);
    bool one_column = given->columns && given->columns[0] && !given->columns[1];
    struct csv_slice value = looked_at;
    if (one_column || fault->class == MAPPING_KEY_EMPTY)
        value = fault->column > 0 && (size_t)fault->column <= row->count
                    ? csv_cell(row, (size_t)fault->column - 1)
                    : value;
    const struct check_finding finding = {.class = (enum check_class)(CHECK_OF_MAPPING + (int)fault->class),
                                          .line = row->line,
                                          .column = fault->column,
                                          .value = &value,
                                          .reason = fault->reason,
                                          .hint = fault->hint,
                                          .blanked = blanked};
    if (blanked) {
        set_cell(check, row, field, (struct csv_slice){"", 0});
        check->result.blanked++;
    }
    return check_add(check, &finding, err);
}

static bool check_field(struct check *check, const struct csv_row *row, size_t field, struct err *err)
{
    struct mapping *mapping = check->plan.mapping;
    struct csv_slice value;
    struct mapping_fault fault;
    bool appended = check->places[field].cell >= (long)check->header->count;
    enum mapping_value_kind kind = mapping_value(mapping, &check->arena, field, row, &value, &fault, err);
    if (kind == MAPPING_FAILED) {
        if (err->line == 0)
            err->line = row->line;
        return false;
    }
    if (kind == MAPPING_INVALID && !check->plan.no_check)
        return tell_fault(check, row, field, value, &fault, err);
    /* What cannot be made of a value is sent as it stands. */
    if (appended || kind == MAPPING_CHANGED)
        set_cell(check, row, field, value);
    if (mapping_field_at(mapping, field)->is_key)
        check->key = value;
    return true;
}

static bool check_fields(struct check *check, const struct csv_row *row, struct err *err)
{
    mapping_arena_reset(&check->arena);
    for (size_t i = 0; i < check->field_count; i++)
        if (!check_field(check, row, i, err))
            return false;
    return !check->dates || check_dates_row(check, row, err);
}

bool check_row(struct check *check, const struct csv_row *row, struct err *err)
{
    check->cells_made = false;
    check->key = (struct csv_slice){NULL, 0};
    check->row_is_whole = row->count == check->header->count;
    if (check->plan.no_check)
        return row->count != check->header->count || check_fields(check, row, err);
    /* In a ragged row the cells may stand under the wrong headers: more said of it would mislead. */
    if (row->count != check->header->count)
        return check_shape(check, row, err);
    if ((memchr(row->raw.data, '\0', row->raw.len) || !utf8_valid(row->raw.data, row->raw.len, NULL)) &&
        !check_bytes(check, row, err))
        return false;
    return check_fields(check, row, err);
}
