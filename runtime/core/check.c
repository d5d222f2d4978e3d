#include "core/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/check_private.h"

/* How long a slice is: phone numbers and functions in Lua take their time. */
#define SLICE_NS ((uint64_t)5000000)

/* ---- making and freeing ---- */

static bool copy_options(struct check *check, const struct check_options *options, struct err *err)
{
    bool failed = false;
    check->csv = options->csv;
    check->csv.no_header = check->csv.keep_bom = false;
    check->strict = options->strict;
    check->path = check_copy_text(options->path, &failed);
    check->encoding = check_copy_text(options->encoding, &failed);
    check->temporary = check_copy_text(options->temporary, &failed);
    if (failed)
        return err_set(err, ERR_MEMORY, "no memory for a check");
    if (options->fd > 0 && (check->fd = fcntl(options->fd, F_DUPFD_CLOEXEC, 3)) < 0)
        return err_errno(err, ERR_SYSTEM, errno, "the file cannot be read");
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
    check->fd = check->result.outgoing_fd = -1;
    digest_prepare();
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
    check_sent_free(check);
    rejects_free(check->rejects);
    check_list_free(check->list);
    check_keys_free(check->keys);
    check_changes_free(check);
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
    digest_thread_free(check->digest);
    input_examine_free(check->examination);
    check_shown_free(check->shown);
    input_close(check->input);
    if (check->fd >= 0)
        close(check->fd);
    if (check->result.outgoing_fd >= 0)
        close(check->result.outgoing_fd);
    check_free_plan(&check->plan);
    free(check->path);
    free(check->encoding);
    free(check->temporary);
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

int check_input_again(const struct check *check, struct err *err)
{
    uint64_t start;
    int fd = fcntl(input_descriptor(check->input, &start), F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        err_errno(err, ERR_SYSTEM, errno, "the temporary file of what cannot be read twice cannot be kept");
    return fd;
}

bool check_is_settled(const struct check *check)
{
    return check->plan.settles && check->phase == KEYS && check->result.parts && check->keys;
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

/* ---- the end ---- */

static bool finish_rejects(struct check *check, struct err *err)
{
    bool done = !check->rejects || rejects_finish(check->rejects, &check->result.rejects_written, err);
    rejects_free(check->rejects);
    check->rejects = NULL;
    return done;
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
    bool untouched = check_sent_may_be_input(check);
    if (untouched && !check->plan.no_digest && !digest_thread_text(check->digest, check->result.md5, err))
        return false;
    if (!check_list_finish(check, err) || !finish_rejects(check, err))
        return false;
    /* The result is looked at for as long as a script holds it. */
    check_keys_free(check->keys);
    check->keys = NULL;
    check->phase = FINISHED;
    return (!untouched || hand_spool_over(check, err)) && check_changes_finish(check, err);
}

static bool copy_rest(struct check *check, struct err *err)
{
    if (check_sent_pending(check))
        return check_sent_copy(check, err);
    /* What it takes to write is not held while keys are sorted. */
    if (!check_sent_finish(check, err))
        return false;
    check->phase = KEYS;
    /* What is settled is sent, whatever becomes of this program: it is of one file, not of what that was before and after. */
    if (check_is_settled(check) && (!check_input_end(check, err) || !finish_rejects(check, err)))
        return false;
    if (check->keys)
        check_keys_end(check->keys);
    return check_changes_end(check, err);
}

static bool tell_keys(struct check *check, uint64_t until_ns, struct err *err)
{
    bool more = true;
    while (more && check_now_ns() < until_ns) {
        if (check_changes_busy(check)) {
            if (!check_changes_step(check, err))
                return false;
            continue;
        }
        more = check->keys;
        if (more && !check_keys_step(check, &more, err))
            return false;
    }
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
        return check_begin_rows(check, err);
    case ROWS:
        return check_sent_pending(check) ? check_sent_copy(check, err) : check_read_rows(check, until_ns, err);
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
    check->result.parts = NULL;
    check->result.part_count = 0;
    if (check->result.outgoing_fd >= 0)
        close(check->result.outgoing_fd);
    check->result.outgoing_fd = -1;
    rejects_free(check->rejects);
    check->rejects = NULL;
    check_changes_free(check);
    if (check->plan.changes)
        changes_give_up(check->plan.changes);
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
