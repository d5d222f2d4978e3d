#include "core/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/operations.h"
#include "core/printable.h"
#include "core/rejects.h"
#include "core/utf8.h"

/* Input per slice: a few milliseconds of reading and looking. */
#define SLICE_BYTES ((uint64_t)512 << 10)
/* Characters that are shown of a value or a name. */
#define SHOWN_CHARACTERS 40

/* What is asked of one column: fields and keys that name the same column are one rule. */
struct rule {
    char *column;
    long index; /* in the header */
    bool required, key;
    size_t max_length;
};

enum phase { OPENING, ROWS, COPYING, FINISHED };

struct check {
    char *path;
    struct csv_options csv;
    struct rule *rules;
    size_t rule_count;
    size_t key_count;
    bool reject;
    char *rejects_path;
    size_t max_problems;
    enum phase phase;
    int fd;
    struct digest *digest; /* of the input */
    struct csv_reader *reader;
    const struct csv_row *header;
    char **names; /* of the header's cells, NULL-terminated */
    struct rejects *rejects;
    struct buf reasons; /* of the row at hand, for the rejects file */
    uint64_t row_problems;
    struct check_problem *problems;
    struct check_result result;
};

const char *check_class_name(enum check_class class)
{
    static const char *const names[CHECK_CLASSES] = {
        [CHECK_UNREADABLE] = "unreadable",
        [CHECK_TOO_FEW_CELLS] = "too few cells",
        [CHECK_TOO_MANY_CELLS] = "too many cells",
        [CHECK_NUL] = "NUL byte",
        [CHECK_NOT_UTF8] = "not UTF-8",
        [CHECK_REQUIRED_EMPTY] = "required and empty",
        [CHECK_KEY_EMPTY] = "unique key is empty",
        [CHECK_TOO_LONG] = "too long",
    };
    return class < CHECK_CLASSES ? names[class] : "";
}

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

/* ---- problems of a row ---- */

/* A value as it can be shown, shortened. */
static void shorten(char *out, size_t size, struct csv_slice value)
{
    char character[PRINTABLE_SIZE];
    size_t used = 0, at = 0;
    for (int shown = 0; at < value.len && shown < SHOWN_CHARACTERS && used + PRINTABLE_SIZE < size; shown++) {
        at += printable_character(value.data + at, value.len - at, character);
        used += (size_t)snprintf(out + used, size - used, "%s", character);
    }
    snprintf(out + used, size - used, "%s", at < value.len ? "…" : "");
}

const char *check_problem_text(const struct check_problem *problem, const char *file, bool show_value,
                               char *out, size_t size)
{
    struct buf text;
    buf_init(&text, 2048);
    if (file)
        buf_addf(&text, "%.1000s:%ld: ", file, problem->line);
    if (problem->column > 0 && problem->name[0])
        buf_addf(&text, "column \"%s\" (%ld): ", problem->name, problem->column);
    else if (problem->column > 0)
        buf_addf(&text, "column %ld: ", problem->column);
    buf_adds(&text, problem->reason);
    if (show_value && problem->value[0])
        buf_addf(&text, ": \"%s\"", problem->value);
    snprintf(out, size, "%s", text.data ? text.data : problem->reason);
    buf_free(&text);
    return out;
}

/* Counts a problem, keeps it when it is among the first, and notes it for the rejects file. */
static void add_problem(struct check *check, enum check_class class, const struct csv_row *row, long column,
                        const char *reason)
{
    struct check_problem spare, *problem = &spare;
    struct check_result *result = &check->result;
    bool keep = result->problem_count < check->max_problems;
    result->counts[class]++;
    check->row_problems++;
    if (!keep && !check->reject)
        return;
    if (keep)
        problem = &check->problems[result->problem_count++];
    memset(problem, 0, sizeof *problem);
    problem->class = class;
    problem->line = row->line;
    problem->column = column;
    snprintf(problem->reason, sizeof problem->reason, "%s", reason);
    if (column > 0 && (size_t)column <= check->header->count)
        shorten(problem->name, sizeof problem->name, check->header->cells[column - 1]);
    if (column > 0 && (size_t)column <= row->count)
        shorten(problem->value, sizeof problem->value, row->cells[column - 1]);
    if (check->reject) {
        char text[512];
        check_problem_text(problem, NULL, false, text, sizeof text);
        buf_addf(&check->reasons, "%s%s", check->reasons.len > 0 ? "; " : "", text);
    }
}

static void check_shape(struct check *check, const struct csv_row *row)
{
    size_t wanted = check->header->count;
    char reason[128];
    snprintf(reason, sizeof reason, "the row has %zu cell%s, the header has %zu", row->count,
             row->count == 1 ? "" : "s", wanted);
    add_problem(check, row->count < wanted ? CHECK_TOO_FEW_CELLS : CHECK_TOO_MANY_CELLS, row, 0, reason);
}

/* Only for rows in which something is known to be wrong. */
static void check_bytes(struct check *check, const struct csv_row *row)
{
    for (size_t i = 0; i < row->count; i++) {
        const struct csv_slice *cell = &row->cells[i];
        size_t at;
        char reason[128];
        if (cell->len > 0 && memchr(cell->data, '\0', cell->len))
            add_problem(check, CHECK_NUL, row, (long)i + 1, "holds a NUL byte");
        if (!utf8_valid(cell->data, cell->len, &at)) {
            snprintf(reason, sizeof reason, "is not UTF-8 (byte %zu of the cell is 0x%02X)", at + 1,
                     (unsigned char)cell->data[at]);
            add_problem(check, CHECK_NOT_UTF8, row, (long)i + 1, reason);
        }
    }
}

static void check_rule(struct check *check, const struct rule *rule, const struct csv_row *row)
{
    const struct csv_slice *cell = &row->cells[rule->index];
    char reason[128];
    if (cell->len == 0 && rule->key)
        add_problem(check, CHECK_KEY_EMPTY, row, rule->index + 1,
                    check->key_count > 1 ? "is empty, and it is part of the unique key"
                                         : "is empty, and it is the unique key");
    else if (cell->len == 0 && rule->required)
        add_problem(check, CHECK_REQUIRED_EMPTY, row, rule->index + 1,
                    "is empty, and the mapping requires it");
    if (cell->len <= rule->max_length)
        return;
    size_t length = utf8_length(cell->data, cell->len);
    if (length > rule->max_length) {
        snprintf(reason, sizeof reason, "has %zu characters, the service takes %zu", length,
                 rule->max_length);
        add_problem(check, CHECK_TOO_LONG, row, rule->index + 1, reason);
    }
}

static void check_row(struct check *check, const struct csv_row *row)
{
    /* In a ragged row the cells may stand under the wrong headers: more said of it would mislead. */
    if (row->count != check->header->count) {
        check_shape(check, row);
        return;
    }
    if (memchr(row->raw.data, '\0', row->raw.len) || !utf8_valid(row->raw.data, row->raw.len, NULL))
        check_bytes(check, row);
    for (size_t i = 0; i < check->rule_count; i++)
        check_rule(check, &check->rules[i], row);
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
    check->fd = open(check->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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

/* The header's cells as strings; they are UTF-8 without NULs. */
static bool copy_names(struct check *check, struct err *err)
{
    const struct csv_row *header = check->header;
    check->names = calloc(header->count + 1, sizeof *check->names);
    for (size_t i = 0; check->names && i < header->count; i++) {
        const struct csv_slice *cell = &header->cells[i];
        if (memchr(cell->data, '\0', cell->len))
            return err_set(err, ERR_INVALID_FILE,
                           "cell %zu of the header holds a NUL byte: if the file is UTF-16, save it as UTF-8",
                           i + 1);
        if (!utf8_valid(cell->data, cell->len, NULL))
            return err_set(err, ERR_INVALID_FILE,
                           "cell %zu of the header is not UTF-8: save the file as UTF-8", i + 1);
        check->names[i] = strndup(cell->data, cell->len);
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
    shorten(first, sizeof first, check->header->cells[0]);
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

static bool check_header(struct check *check, struct err *err)
{
    if (!csv_reader_header(check->reader, &check->header, err))
        return false;
    if (csv_reader_had_bom(check->reader)) {
        char first[128];
        shorten(first, sizeof first, check->header->cells[0]);
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
        add_problem(check, CHECK_UNREADABLE, row, why.column, why.message);
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
