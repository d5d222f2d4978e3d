#include "core/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/check_private.h"

/* A slice: that much input, or that long, whichever is less: phone numbers and functions in Lua take their
 * time. */
#define SLICE_BYTES ((uint64_t)512 << 10)
#define SLICE_NS    ((uint64_t)5000000)
/* Rows after which the clock is looked at. */
#define LOOK_AFTER 16

/* ---- making and freeing ---- */

static char *copy_text(const char *text, bool *failed)
{
    char *copy = text ? strdup(text) : NULL;
    *failed = *failed || (text && !copy);
    return copy;
}

static void free_texts(const char *const *texts)
{
    for (const char *const *text = texts; text && *text; text++)
        free((char *)(uintptr_t)*text);
    free((void *)(uintptr_t)texts);
}

static const char *const *copy_texts(const char *const *texts, bool *failed)
{
    size_t count = 0;
    while (texts && texts[count])
        count++;
    char **copies = texts ? calloc(count + 1, sizeof *copies) : NULL;
    *failed = *failed || (texts && !copies);
    for (size_t i = 0; copies && i < count; i++) {
        copies[i] = copy_text(texts[i], failed);
        if (!copies[i])
            break;
    }
    return (const char *const *)copies;
}

static void free_dates(struct check_plan *plan)
{
    for (size_t i = 0; plan->dates && i < plan->date_count; i++)
        free_texts(plan->dates[i].formats);
    free((void *)(uintptr_t)plan->dates);
}

static void copy_dates(struct check_plan *plan, const struct check_plan *given, bool *failed)
{
    struct check_dates *dates = given->date_count > 0 ? calloc(given->date_count, sizeof *dates) : NULL;
    *failed = *failed || (given->date_count > 0 && !dates);
    plan->dates = dates;
    plan->date_count = dates ? given->date_count : 0;
    for (size_t i = 0; i < plan->date_count; i++)
        dates[i] = (struct check_dates){given->dates[i].field, copy_texts(given->dates[i].formats, failed)};
}

static void free_plan(struct check_plan *plan)
{
    free((char *)(uintptr_t)plan->rejects_path);
    free((char *)(uintptr_t)plan->problems_path);
    free_texts(plan->skipped);
    free_dates(plan);
    *plan = (struct check_plan){0};
}

bool check_set_plan(struct check *check, const struct check_plan *given, struct err *err)
{
    bool failed = false;
    free_plan(&check->plan);
    check->plan = *given;
    check->plan.rejects_path = copy_text(given->rejects_path, &failed);
    check->plan.problems_path = copy_text(given->problems_path, &failed);
    check->plan.skipped = copy_texts(given->skipped, &failed);
    copy_dates(&check->plan, given, &failed);
    return !failed || err_set(err, ERR_MEMORY, "no memory for a check");
}

static bool copy_options(struct check *check, const struct check_options *options, struct err *err)
{
    bool failed = false;
    check->csv = options->csv;
    check->csv.no_header = check->csv.keep_bom = false;
    check->strict = options->strict;
    check->path = copy_text(options->path, &failed);
    check->encoding = copy_text(options->encoding, &failed);
    if (failed)
        return err_set(err, ERR_MEMORY, "no memory for a check");
    check->max_problems = options->max_problems ? options->max_problems : CHECK_PROBLEMS_DEFAULT;
    return check_set_plan(check, &options->plan, err);
}

struct check *check_new(const struct check_options *options, struct err *err)
{
    if (!csv_options_check(&options->csv, err))
        return NULL;
    struct check *check = calloc(1, sizeof *check);
    if (!check) {
        err_set(err, ERR_MEMORY, "no memory for a check");
        return NULL;
    }
    check->result.outgoing_fd = -1;
    buf_init(&check->reasons, (size_t)64 << 10);
    buf_init(&check->early, CHECK_EARLY_MOST);
    if (copy_options(check, options, err))
        return check;
    check_free(check);
    return NULL;
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}

static void free_sent(struct check *check)
{
    outgoing_free(check->outgoing);
    rejects_free(check->rejects);
    check_list_free(check->list);
    check_keys_free(check->keys);
    check_dates_free(check->dates);
    check_ahead_free(check->ahead);
    free_names(check->sent_names, check->sent_count);
    free(check->places);
    free(check->sources);
    free(check->cells);
    mapping_arena_free(&check->arena);
}

void check_free(struct check *check)
{
    if (!check)
        return;
    free_sent(check);
    free_names(check->names, check->names ? check->header->count : 0);
    csv_reader_free(check->reader);
    digest_free(check->digest);
    input_examine_free(check->examination);
    check_shown_free(check->shown);
    input_close(check->input);
    if (check->result.outgoing_fd >= 0)
        close(check->result.outgoing_fd);
    free_plan(&check->plan);
    free(check->path);
    free(check->encoding);
    buf_free(&check->reasons);
    buf_free(&check->early);
    free(check);
}

const struct check_result *check_result(const struct check *check)
{
    return &check->result;
}

struct csv_reader *check_reader(struct check *check)
{
    return check->reader;
}

int check_take_outgoing(struct check *check)
{
    int fd = check->result.outgoing_fd;
    check->result.outgoing_fd = -1;
    return fd;
}

const char *const *check_header_names(const struct check *check, long *line)
{
    *line = check->header->line;
    return (const char *const *)check->names;
}

int check_waits_for(const struct check *check)
{
    int fd = -1;
    return check->waiting && input_waits(check->input, &fd) ? fd : -1;
}

/* ---- what can be said of the file alone ---- */

static bool tell_file(struct check *check, enum check_class class, const char *reason, const char *hint,
                      struct err *err)
{
    const struct check_finding finding = {.class = class, .reason = reason, .hint = hint};
    return check_add(check, &finding, err);
}

static bool tell_encoding(struct check *check, struct err *err)
{
    const struct input_facts *facts = &check->facts;
    char reason[256];
    if (facts->converted) {
        snprintf(reason, sizeof reason, "is %s%s, not UTF-8: it is converted",
                 facts->guessed ? "probably " : "", facts->encoding);
        return tell_file(check, CHECK_CONVERTED, reason,
                         facts->guessed ? "say which set it is with the option encoding" : "", err);
    }
    if (facts->had_mark &&
        !tell_file(check, CHECK_MARK,
                   "begins with a byte-order mark, with which the service does not find the "
                   "first column: it is dropped",
                   "", err))
        return false;
    if (!facts->mixed)
        return true;
    snprintf(reason, sizeof reason,
             "is UTF-8 in most places and something else in %" PRIu64
             ", the first in line %ld: it seems to be "
             "made of files in different character sets",
             facts->invalid, facts->first_invalid);
    return tell_file(check, CHECK_MIXED, reason, "save all of it as UTF-8", err);
}

static bool tell_shape(struct check *check, struct err *err)
{
    char reason[128];
    unsigned char delimiter = check->csv.delimiter;
    if (check->facts.shape.sep_line > 0 &&
        !tell_file(check, CHECK_SEP_LINE,
                   "begins with a line \"sep=\", which the service takes for the header: it is dropped", "",
                   err))
        return false;
    if (delimiter == ',')
        return true;
    if (delimiter == '\t')
        snprintf(reason, sizeof reason, "has cells that are separated by tabs: they are sent with commas");
    else
        snprintf(reason, sizeof reason, "has cells that are separated by \"%c\": they are sent with commas",
                 delimiter);
    return tell_file(check, CHECK_DELIMITER, reason, "", err);
}

static bool tell_cut_off(struct check *check, struct err *err)
{
    uint64_t records = check->result.rows + check->result.unwanted + 1;
    if (check->facts.lines != CHECK_SPREADSHEET_LINES && records != CHECK_SPREADSHEET_LINES)
        return true;
    return tell_file(check, CHECK_CUT_OFF,
                     "has exactly as many lines as a spreadsheet has room for (1,048,576)",
                     "see whether its last rows are missing", err);
}

/* ---- the rows ---- */

static bool begin_outgoing(struct check *check, struct err *err)
{
    uint64_t start;
    bool anew = !check->as_it_stands || check_header_changes(check);
    const struct outgoing_options options = {
        .input = anew ? -1 : input_descriptor(check->input, &start),
        .raw = check->csv.delimiter == ',' && !check_header_changes(check),
        .max_bytes = CHECK_MAX_BYTES,
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

static bool begin_rows(struct check *check, struct err *err)
{
    const struct check_plan *plan = &check->plan;
    check->list = check_list_new(check->max_problems, plan->problems_path, err);
    if (!check->list || !tell_encoding(check, err) || !tell_shape(check, err) || !check_header(check, err) ||
        !check_dates_new(check, err) || !begin_outgoing(check, err) || !check_ahead_new(check, err))
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
    err_clear(&why);
    check->row_errors = 0;
    buf_reset(&check->reasons);
    switch (csv_reader_next(check->reader, &row, &why)) {
    case CSV_ROW:
        return look_at(check, row, err);
    case CSV_BAD:
        return look_at_unreadable(check, row, &why, err);
    case CSV_END:
        *more = false;
        return true;
    default:
        *err = why;
        return false;
    }
}

static bool end_rows(struct check *check, struct err *err)
{
    check->phase = COPYING;
    if (check->result.rows + check->result.unwanted == 0)
        return err_set(err, ERR_INVALID_FILE, "has a header and no rows");
    outgoing_end(check->outgoing, csv_reader_offset(check->reader));
    return tell_cut_off(check, err);
}

/* Of what was looked at in part nothing is sent. */
static bool is_enough(const struct check *check)
{
    return check->plan.max_rows > 0 && check->result.rows + check->result.unwanted >= check->plan.max_rows;
}

static bool read_rows(struct check *check, uint64_t until_ns, struct err *err)
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

/* ---- the end ---- */

static bool finish_files(struct check *check, struct err *err)
{
    struct check_result *result = &check->result;
    if (!outgoing_finish(check->outgoing, err) || !check_list_finish(check, err))
        return false;
    if (check->rejects && !rejects_finish(check->rejects, &result->rejects_written, err))
        return false;
    result->outgoing_fd = outgoing_take(check->outgoing, &result->outgoing_bytes, result->md5);
    return true;
}

/* The spooled input itself is sent when nothing of it was changed: it has no name to be opened by. */
static bool hand_spool_over(struct check *check, struct err *err)
{
    uint64_t start;
    int fd = input_descriptor(check->input, &start);
    if (check->named)
        return true;
    check->result.outgoing_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    check->result.outgoing_bytes = check->result.total;
    return (check->result.outgoing_fd >= 0 && lseek(check->result.outgoing_fd, 0, SEEK_SET) == 0) ||
           err_errno(err, ERR_SYSTEM, errno, "the input cannot be read again");
}

static bool finish(struct check *check, struct err *err)
{
    if (!check_input_end(check, err))
        return false;
    bool untouched = !outgoing_begun(check->outgoing);
    if (untouched && !digest_text(check->digest, check->result.md5, err))
        return false;
    if (!finish_files(check, err))
        return false;
    check->phase = FINISHED;
    return !untouched || hand_spool_over(check, err);
}

static bool copy_rest(struct check *check, struct err *err)
{
    if (outgoing_pending(check->outgoing))
        return outgoing_copy(check->outgoing, err);
    check->phase = KEYS;
    if (check->keys)
        check_keys_end(check->keys);
    return true;
}

static bool tell_keys(struct check *check, uint64_t until_ns, struct err *err)
{
    bool more = check->keys;
    while (more && check_now_ns() < until_ns)
        if (!check_keys_step(check, &more, err))
            return false;
    return more || finish(check, err);
}

static bool step(struct check *check, struct err *err)
{
    uint64_t until_ns = check_now_ns() + SLICE_NS;
    switch (check->phase) {
    case SPOOLING:
    case EXAMINING:
        return check_input_step(check, until_ns, err);
    case OPENED:
        return begin_rows(check, err);
    case ROWS:
        return outgoing_pending(check->outgoing) ? outgoing_copy(check->outgoing, err)
                                                 : read_rows(check, until_ns, err);
    case COPYING:
        return copy_rest(check, err);
    case KEYS:
        return tell_keys(check, until_ns, err);
    default:
        return true;
    }
}

/* Nothing may be sent, so nothing is rejected either; but what was found is told. */
static void end_fatally(struct check *check, struct err *err)
{
    struct err ignored;
    err_clear(&ignored);
    if (!err->file[0])
        err_at(err, check->input ? input_name(check->input) : check->path, err->line, err->column, NULL);
    check->result.err = *err;
    check->result.fatal = true;
    rejects_free(check->rejects);
    check->rejects = NULL;
    if (check->list && check->phase != FINISHED && !check_list_finish(check, &ignored))
        check->result.problems_written = false;
    check->phase = FINISHED;
}

static bool take_step(struct check *check)
{
    struct err err;
    err_clear(&err);
    if (step(check, &err))
        return true;
    end_fatally(check, &err);
    return false;
}

bool check_open_slice(struct check *check)
{
    return check->phase < OPENED && take_step(check) && check->phase < OPENED;
}

bool check_open(struct check *check, struct err *err)
{
    while (check_open_slice(check))
        ;
    if (check->result.fatal)
        *err = check->result.err;
    return !check->result.fatal;
}

bool check_slice(struct check *check)
{
    if (check->result.finished)
        return false;
    if (check->phase != FINISHED)
        (void)!take_step(check);
    if (check->phase == FINISHED && check->list)
        check_list_end(check);
    check->result.finished = check->phase == FINISHED;
    return !check->result.finished;
}
