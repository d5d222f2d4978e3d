/* The pass over the rows: each is looked at, and kept, rejected, left out or replaced. */
#include <inttypes.h>
#include <string.h>

#include "core/check_private.h"

#define SLICE_BYTES ((uint64_t)512 << 10)
/* Rows after which the clock is looked at. */
#define LOOK_AFTER 16

static bool begin_outgoing(struct check *check, struct err *err)
{
    uint64_t start;
    bool anew = !check->as_it_stands || check_header_changes(check);
    const struct outgoing_options options = {
        .input = anew ? -1 : input_descriptor(check->input, &start),
        .raw = check->csv.delimiter == ',' && !check_header_changes(check),
        .max_bytes = CHECK_MAX_BYTES,
        .no_digest = check->plan.no_digest,
    };
    if (!anew && check->result.total >= CHECK_MAX_BYTES)
        return err_set(err, ERR_INVALID_FILE,
                       "has %" PRIu64 " bytes; the service takes less than %u: split the file",
                       check->result.total, CHECK_MAX_BYTES);
    check->outgoing = outgoing_new(&options, err);
    if (!check->outgoing)
        return false;
    check->result.mended = anew;
    if (!check_header_changes(check))
        return outgoing_keep(check->outgoing, check->header, err);
    for (size_t i = 0; i < check->sent_count; i++)
        check->cells[i] = (struct csv_slice){check->sent_names[i], strlen(check->sent_names[i])};
    return outgoing_replace(check->outgoing, check->header, check->cells, check->sent_count, err);
}

bool check_begin_rows(struct check *check, struct err *err)
{
    const struct check_plan *plan = &check->plan;
    check->list = check_list_new(check->max_problems, plan->problems_path, err);
    if (!check->list || !check_tell_encoding(check, err) || !check_tell_shape(check, err) ||
        !check_header(check, err) || !check_dates_new(check, err) || !begin_outgoing(check, err) ||
        !check_ahead_new(check, err))
        return false;
    if (plan->mapping && !plan->no_check && !(check->keys = check_keys_new(err)))
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
        return outgoing_keep(check->outgoing, row, err);
    const char *reason = check->reasons.len > 0 ? check->reasons.data : "";
    if (check->rejects && !rejects_add(check->rejects, check->header, row, reason, err))
        return false;
    return outgoing_drop(check->outgoing, row, err);
}

static bool settle_row(struct check *check, const struct csv_row *row, struct err *err)
{
    check->result.rows++;
    if (check->shown && !check_show_row(check, row, err))
        return false;
    if (check->row_errors > 0)
        return reject_row(check, row, err);
    if (check->keys && !check_keys_add(check, row, err))
        return false;
    if (!check->cells_made)
        return outgoing_keep(check->outgoing, row, err);
    check->result.changed_rows++;
    check->result.mended = true;
    return outgoing_replace(check->outgoing, row, check->cells, check->sent_count, err);
}

static bool leave_out_empty(struct check *check, const struct csv_row *row, struct err *err)
{
    const struct check_finding finding = {.class = CHECK_EMPTY_ROW,
                                          .line = row->line,
                                          .reason = "the row has nothing in any cell: it is left out"};
    return check_add(check, &finding, err) && outgoing_drop(check->outgoing, row, err);
}

static bool look_at(struct check *check, const struct csv_row *row, struct err *err)
{
    bool wanted = true;
    if (!check->plan.no_check && check_is_empty(row))
        return leave_out_empty(check, row, err);
    if (check->plan.wants && row->count == check->header->count &&
        !check->plan.wants(check->plan.arg, row, &wanted, err)) {
        if (err->line == 0)
            err->line = row->line;
        return false;
    }
    if (wanted)
        return check_row(check, row, err) && settle_row(check, row, err);
    check->result.unwanted++;
    return outgoing_drop(check->outgoing, row, err);
}

static bool look_at_unreadable(struct check *check, const struct csv_row *row, const struct err *why,
                               struct err *err)
{
    const struct check_finding finding = {
        .class = CHECK_UNREADABLE, .line = row->line, .column = why->column, .reason = why->message};
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
    if (check->result.rows + check->result.unwanted == 0)
        return err_set(err, ERR_INVALID_FILE, "has a header and no rows");
    outgoing_end(check->outgoing, csv_reader_offset(check->reader));
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
        if (outgoing_pending(check->outgoing) && !outgoing_copy(check->outgoing, err))
            return false;
        if (outgoing_pending(check->outgoing) || (n % LOOK_AFTER == 0 && check_now_ns() >= until_ns))
            break;
    }
    check->result.bytes = csv_reader_offset(check->reader);
    return more || end_rows(check, err);
}
