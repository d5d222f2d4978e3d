/* The pass over the rows: each is looked at, and kept, rejected, left out or replaced. */
#include <inttypes.h>
#include <string.h>

#include "core/check_private.h"

#define SLICE_BYTES ((uint64_t)512 << 10)
/* Rows after which the clock is looked at. */
#define LOOK_AFTER 16

/* Not for a pass over a few of the rows. */
static bool looks_ahead(const struct check *check)
{
    const struct rowset *select = check->plan.select;
    return !select || select->rows > select->lines / 4;
}

/* Not where another pass has done so. */
static bool tells_keys(const struct check *check)
{
    const struct check_plan *plan = &check->plan;
    return plan->mapping && !plan->no_check && !plan->select && !check_sent_is_later_pass(check);
}

/* Beside the sort of all files there is room for a smaller one. */
static size_t memory_for_keys(const struct check *check)
{
    return check->changes ? (size_t)8 << 20 : 0;
}

bool check_begin_rows(struct check *check, struct err *err)
{
    const struct check_plan *plan = &check->plan;
    check->list = check_list_new(check->max_problems, plan->problems_path, err);
    if (!check->list || !check_tell_encoding(check, err) || !check_tell_shape(check, err) ||
        !check_header(check, err) || !check_changes_new(check, err) || !check_dates_new(check, err) ||
        !check_sent_begin(check, err) || (looks_ahead(check) && !check_ahead_new(check, err)))
        return false;
    if (tells_keys(check) && !(check->keys = check_keys_new(check->temporary, memory_for_keys(check), err)))
        return false;
    if (plan->reject && plan->rejects_path && !plan->no_check &&
        !(check->rejects = rejects_new(plan->rejects_path, &check->csv, err)))
        return false;
    if (plan->shown > 0 && !(check->shown = check_shown_new(plan->shown, err)))
        return false;
    buf_free(&check->early);
    check->phase = ROWS;
    return true;
}

static bool reject_row(struct check *check, const struct csv_row *row, struct err *err)
{
    check->result.bad_rows++;
    if (!check->plan.reject)
        return check_sent_keep(check, row, err);
    const char *reason = check->reasons.len > 0 ? check->reasons.data : "";
    if (check->rejects && !rejects_add(check->rejects, check->header, row, reason, err))
        return false;
    return check_sent_drop(check, row, err);
}

static bool settle_row(struct check *check, const struct csv_row *row, struct err *err)
{
    check->result.rows++;
    if (check->shown && !check_show_row(check, row, err))
        return false;
    if (check->changes && !check_changes_row(check, row, err))
        return false;
    if (check->row_errors > 0)
        return reject_row(check, row, err);
    if (check->keys && !check_changes_tell_keys(check) && !check_keys_add(check, row, err))
        return false;
    if (!check->cells_made)
        return check_sent_keep(check, row, err);
    check->result.changed_rows++;
    check->result.mended = true;
    return check_sent_replace(check, row, check->cells, check->sent_count, err);
}

static bool leave_out_empty(struct check *check, const struct csv_row *row, struct err *err)
{
    const struct check_finding finding = {.class = CHECK_EMPTY_ROW,
                                          .line = row->line,
                                          .reason = "the row has nothing in any cell: it is left out"};
    return check_add(check, &finding, err) && check_sent_drop(check, row, err);
}

static bool pass_over(struct check *check, const struct csv_row *row, struct err *err)
{
    check->result.passed_over++;
    return check_sent_drop(check, row, err);
}

static bool look_at(struct check *check, const struct csv_row *row, struct err *err)
{
    bool wanted = true, elsewhere = false;
    if (check_is_passed_over(check, row))
        return pass_over(check, row, err);
    if (!check->plan.no_check && check_is_empty(row))
        return leave_out_empty(check, row, err);
    if (check->plan.wants && row->count == check->header->count &&
        !check->plan.wants(check->plan.arg, row, &wanted, err)) {
        if (err->line == 0)
            err->line = row->line;
        return false;
    }
    if (wanted && !check_sent_elsewhere(check, row, &elsewhere, err))
        return false;
    if (elsewhere)
        return pass_over(check, row, err);
    if (wanted)
        return check_row(check, row, err) && settle_row(check, row, err);
    check->result.unwanted++;
    return check_sent_drop(check, row, err);
}

static bool look_at_unreadable(struct check *check, const struct csv_row *row, const struct err *why,
                               struct err *err)
{
    const struct check_finding finding = {
        .class = CHECK_UNREADABLE, .line = row->line, .column = why->column, .reason = why->message};
    bool elsewhere = false;
    if (!check_sent_elsewhere(check, NULL, &elsewhere, err))
        return false;
    if (check_is_passed_over(check, row) || elsewhere)
        return pass_over(check, row, err);
    check->cells_made = false;
    check->row_is_whole = false;
    check->key = (struct csv_slice){NULL, 0};
    return (check->plan.no_check || check_add(check, &finding, err)) && settle_row(check, row, err);
}

/* One record; *more is false behind the last. */
static bool next_row(struct check *check, bool *more, struct err *err)
{
    const struct csv_row *row;
    struct err why;
    check->row_errors = 0;
    buf_reset(&check->reasons);
    switch (csv_reader_next(check->reader, &row, err)) {
    case CSV_ROW:
        return look_at(check, row, err);
    case CSV_BAD:
        why = *err;
        err_clear(err);
        return look_at_unreadable(check, row, &why, err);
    case CSV_END:
        *more = false;
        return true;
    default:
        return false;
    }
}

static bool end_rows(struct check *check, struct err *err)
{
    check->phase = COPYING;
    if (check->result.rows + check->result.unwanted + check->result.passed_over == 0)
        return err_set(err, ERR_INVALID_FILE, "has a header and no rows");
    check_sent_end(check, csv_reader_offset(check->reader));
    return check_tell_cut_off(check, err);
}

/* Of what was looked at in part nothing is sent. */
static bool is_enough(const struct check *check)
{
    return check->plan.max_rows > 0 && check->result.rows + check->result.unwanted >= check->plan.max_rows;
}

bool check_read_rows(struct check *check, uint64_t until_ns, struct err *err)
{
    uint64_t stop = csv_reader_offset(check->reader) + SLICE_BYTES;
    bool more = true;
    for (int n = 1; more && csv_reader_offset(check->reader) < stop; n++) {
        if (!next_row(check, &more, err))
            return false;
        if (more && is_enough(check)) {
            check->result.in_part = true;
            check->phase = FINISHED;
            return true;
        }
        /* What stands before the first change may be long: a slice of its own. */
        if (check_sent_pending(check) && !check_sent_copy(check, err))
            return false;
        if (check_sent_pending(check) || (n % LOOK_AFTER == 0 && check_now_ns() >= until_ns))
            break;
    }
    check->result.bytes = csv_reader_offset(check->reader);
    return more || end_rows(check, err);
}
