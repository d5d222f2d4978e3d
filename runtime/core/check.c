#include "core/check_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Input per slice: a few milliseconds of reading and looking. */
#define SLICE_BYTES ((uint64_t)512 << 10)

/* ---- making and freeing ---- */

static struct rule *rule_for(struct check *check, const char *column)
{
    for (size_t i = 0; i < check->rule_count; i++)
        if (strcmp(check->rules[i].column, column) == 0)
            return &check->rules[i];
    struct rule *rule = &check->rules[check->rule_count];
    rule->column = strdup(column);
    rule->max_length = SIZE_MAX;
    if (!rule->column)
        return NULL;
    check->rule_count++;
    return rule;
}

static bool copy_rules(struct check *check, const struct check_options *options)
{
    size_t keys = 0;
    while (options->keys && options->keys[keys])
        keys++;
    check->key_count = keys;
    check->rules = calloc(options->field_count + keys + 1, sizeof *check->rules);
    if (!check->rules)
        return false;
    for (size_t i = 0; i < options->field_count; i++) {
        const struct check_field *field = &options->fields[i];
        struct rule *rule = rule_for(check, field->column);
        if (!rule)
            return false;
        size_t max = field->max_length ? field->max_length : CHECK_MAX_LENGTH;
        rule->required = rule->required || field->required;
        rule->max_length = max < rule->max_length ? max : rule->max_length;
    }
    for (size_t i = 0; i < keys; i++) {
        struct rule *rule = rule_for(check, options->keys[i]);
        if (!rule)
            return false;
        rule->key = true;
        rule->max_length = rule->max_length < CHECK_MAX_LENGTH ? rule->max_length : CHECK_MAX_LENGTH;
    }
    return true;
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
    check->csv = options->csv;
    check->csv.no_header = check->csv.keep_bom = false;
    check->csv.start_offset = 0;
    check->csv.start_line = 0;
    check->reject = options->reject;
    check->max_problems = options->max_problems ? options->max_problems : CHECK_PROBLEMS_DEFAULT;
    buf_init(&check->reasons, (size_t)64 << 10);
    check->path = strdup(options->path);
    check->rejects_path = options->rejects_path ? strdup(options->rejects_path) : NULL;
    check->problems = calloc(check->max_problems, sizeof *check->problems);
    check->result.problems = check->problems;
    check->digest = digest_new(err);
    if (!check->path || (options->rejects_path && !check->rejects_path) || !check->problems ||
        !check->digest || !copy_rules(check, options)) {
        err_set(err, ERR_MEMORY, "no memory for a check");
        check_free(check);
        return NULL;
    }
    return check;
}

void check_free(struct check *check)
{
    if (!check)
        return;
    rejects_free(check->rejects);
    csv_reader_free(check->reader);
    digest_free(check->digest);
    if (check->fd >= 0)
        close(check->fd);
    if (check->result.outgoing_fd >= 0)
        close(check->result.outgoing_fd);
    for (char **name = check->names; name && *name; name++)
        free(*name);
    free(check->names);
    for (size_t i = 0; i < check->rule_count; i++)
        free(check->rules[i].column);
    free(check->rules);
    free(check->problems);
    free(check->path);
    free(check->rejects_path);
    buf_free(&check->reasons);
    free(check);
}

const struct check_result *check_result(const struct check *check)
{
    return &check->result;
}

int check_take_outgoing(struct check *check)
{
    int fd = check->result.outgoing_fd;
    check->result.outgoing_fd = -1;
    return fd;
}

/* ---- the start: what would be wrong with every row ---- */

static long read_input(void *arg, char *into, size_t size, struct err *err)
{
    struct check *check = arg;
    ssize_t n;
    do
        n = read(check->fd, into, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        err_errno(err, ERR_FILE, errno, "cannot be read");
    return n > 0 && !digest_add(check->digest, into, (size_t)n, err) ? -1 : (long)n;
}

static bool open_file(struct check *check, struct err *err)
{
    /* A pipe without a writer would block here; it is refused below. */
    struct stat opened;
    check->fd = open(check->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (check->fd < 0 || fstat(check->fd, &opened) < 0)
        return err_errno(err, ERR_FILE, errno, "cannot be opened");
    if (S_ISDIR(opened.st_mode))
        return err_set(err, ERR_FILE, "is a directory, not a CSV file");
    if (!S_ISREG(opened.st_mode))
        return err_set(err, ERR_FILE, "is not a regular file: save the data in one first");
    file_identity_of(&opened, &check->result.identity);
    check->result.total = check->result.identity.size;
    if (check->result.total >= CHECK_MAX_BYTES)
        return err_set(err, ERR_INVALID_FILE,
                       "has %" PRIu64 " bytes; the service takes less than %u: split the file",
                       check->result.total, CHECK_MAX_BYTES);
    posix_fadvise(check->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return true;
}

static bool begin(struct check *check, struct err *err)
{
    if (!open_file(check, err))
        return false;
    check->reader = csv_reader_new(read_input, check, check->path, &check->csv, err);
    if (!check->reader || !check_header(check, err))
        return false;
    if (check->reject) {
        check->rejects = rejects_new(check->fd, check->rejects_path, &check->csv, err);
        if (!check->rejects)
            return false;
    }
    check->phase = ROWS;
    return true;
}

/* ---- slices ---- */

static bool reject_row(struct check *check, const struct csv_row *row, struct err *err)
{
    check->result.bad_rows++;
    if (!check->rejects)
        return true;
    const char *reason = check->reasons.len > 0 ? check->reasons.data : "";
    return rejects_add(check->rejects, check->header, row, reason, err);
}

/* One record; *more is false behind the last. */
static bool next_row(struct check *check, bool *more, struct err *err)
{
    const struct csv_row *row;
    struct err why;
    err_clear(&why);
    check->row_problems = 0;
    buf_reset(&check->reasons);
    switch (csv_reader_next(check->reader, &row, &why)) {
    case CSV_ROW:
        check_row(check, row);
        break;
    case CSV_BAD:
        check_add_problem(check, CHECK_UNREADABLE, row, why.column, why.message);
        break;
    case CSV_END:
        *more = false;
        return true;
    default:
        *err = why;
        return false;
    }
    check->result.rows++;
    return check->row_problems == 0 || reject_row(check, row, err);
}

/* A file that changes while it is read would be sent as nobody has checked it. */
static bool unchanged(const struct check *check, struct err *err)
{
    if (!file_identity_check(&check->result.identity, check->fd, check->path, err))
        return false;
    return csv_reader_offset(check->reader) == check->result.total ||
           err_set(err, ERR_FILE, "has changed while it was read: start again when nothing writes to it any more");
}

static bool end_rows(struct check *check, struct err *err)
{
    check->phase = COPYING;
    if (check->result.rows == 0)
        return err_set(err, ERR_INVALID_FILE, "has a header and no rows");
    if (check->rejects)
        rejects_end(check->rejects, csv_reader_offset(check->reader));
    return true;
}

static bool read_rows(struct check *check, struct err *err)
{
    uint64_t stop = csv_reader_offset(check->reader) + SLICE_BYTES;
    bool more = true;
    while (more && csv_reader_offset(check->reader) < stop) {
        if (!next_row(check, &more, err))
            return false;
        /* What stands before the first rejected row may be long: a slice of its own. */
        if (check->rejects && rejects_pending(check->rejects) && !rejects_copy(check->rejects, err))
            return false;
        if (check->rejects && rejects_pending(check->rejects))
            break;
    }
    check->result.bytes = csv_reader_offset(check->reader);
    return more || end_rows(check, err);
}

static bool finish(struct check *check, struct err *err)
{
    check->phase = FINISHED;
    if (!unchanged(check, err))
        return false;
    if (!digest_text(check->digest, check->result.md5, err))
        return false;
    if (!check->rejects)
        return true;
    if (!rejects_finish(check->rejects, err))
        return false;
    check->result.outgoing_fd = rejects_take(check->rejects, &check->result.outgoing_bytes, check->result.md5);
    check->result.rejects_written = check->result.outgoing_fd >= 0 && check->rejects_path;
    return true;
}

static bool step(struct check *check, struct err *err)
{
    if (check->phase == OPENING)
        return begin(check, err);
    if (check->rejects && rejects_pending(check->rejects))
        return rejects_copy(check->rejects, err);
    return check->phase == ROWS ? read_rows(check, err) : finish(check, err);
}

bool check_open(struct check *check, struct err *err)
{
    if (begin(check, err))
        return true;
    if (!err->file[0])
        err_at(err, check->path, err->line, err->column, NULL);
    return false;
}

const char *const *check_header_names(const struct check *check, long *line)
{
    *line = check->header->line;
    return (const char *const *)check->names;
}

bool check_slice(struct check *check)
{
    struct check_result *result = &check->result;
    struct err err;
    if (result->finished)
        return false;
    err_clear(&err);
    if (!step(check, &err)) {
        if (!err.file[0])
            err_at(&err, check->path, err.line, err.column, NULL);
        result->err = err;
        result->fatal = true;
        check->phase = FINISHED;
        rejects_free(check->rejects); /* nothing may be sent, so nothing is rejected either */
        check->rejects = NULL;
    }
    result->finished = check->phase == FINISHED;
    return !result->finished;
}
