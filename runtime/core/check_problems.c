#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check_private.h"
#include "core/newfile.h"
#include "core/printable.h"

/* Characters that are shown of a value or a name, and kept of a value. */
#define SHOWN_CHARACTERS 40
#define KEPT_CHARACTERS 300

/* The first errors and the first warnings, apart: neither hides the other. */
struct check_list {
    size_t most;
    struct check_problem *errors, *warnings, *all;
    size_t error_count, warning_count;
    char *path; /* of all of them; NULL: not asked for */
    struct newfile *file;
    struct csv_writer *writer;
};

/* ---- what they are called ---- */

const char *check_class_name(enum check_class class)
{
    static const char *const names[CHECK_CLASSES] = {
        [CHECK_UNREADABLE] = "unreadable",
        [CHECK_TOO_FEW_CELLS] = "too few cells",
        [CHECK_TOO_MANY_CELLS] = "too many cells",
        [CHECK_NUL] = "NUL byte",
        [CHECK_NOT_UTF8] = "not UTF-8",
        [CHECK_CONVERTED] = "converted to UTF-8",
        [CHECK_MARK] = "byte-order mark",
        [CHECK_MIXED] = "mixed character sets",
        [CHECK_DELIMITER] = "delimiter",
        [CHECK_SEP_LINE] = "sep= line",
        [CHECK_UNMAPPED_HEADER] = "unmapped header",
        [CHECK_EMPTY_HEADER] = "empty header",
        [CHECK_DUPLICATE_HEADER] = "duplicate header",
        [CHECK_DOTTED_HEADER] = "header with a dot",
        [CHECK_CUT_OFF] = "perhaps cut off",
        [CHECK_EMPTY_ROW] = "empty row",
        [CHECK_AMBIGUOUS_DATE] = "ambiguous date",
        [CHECK_DUPLICATE_KEY] = "duplicate key",
    };
    if (class >= CHECK_OF_MAPPING && class < CHECK_CONVERTED)
        return mapping_fault_class_name((enum mapping_fault_class)(class - CHECK_OF_MAPPING));
    return class < CHECK_CLASSES ? names[class] : "";
}

bool check_is_error(enum check_class class)
{
    return class < CHECK_CONVERTED;
}

_Static_assert(CHECK_OF_MAPPING + MAPPING_FAULT_CLASSES == (int)CHECK_CONVERTED,
               "the mapping's classes are all there");

/* ---- how they read ---- */

static void shorten(char *out, size_t size, struct csv_slice value, int most)
{
    char character[PRINTABLE_SIZE];
    size_t used = 0, at = 0;
    for (int shown = 0; at < value.len && shown < most && used + PRINTABLE_SIZE < size; shown++) {
        at += printable_character(value.data + at, value.len - at, character);
        used += (size_t)snprintf(out + used, size - used, "%s", character);
    }
    snprintf(out + used, size - used, "%s", at < value.len ? "…" : "");
}

void check_shorten(char *out, size_t size, struct csv_slice value)
{
    shorten(out, size, value, SHOWN_CHARACTERS);
}

static struct csv_slice slice_of_text(const char *text)
{
    return (struct csv_slice){text, text ? strlen(text) : 0};
}

static void add_value(struct buf *text, const char *value)
{
    char shown[SHOWN_CHARACTERS * PRINTABLE_SIZE];
    check_shorten(shown, sizeof shown, slice_of_text(value));
    buf_addf(text, "\"%s\" ", shown);
}

const char *check_problem_text(const struct check_problem *problem, const char *file, bool show_value,
                               char *out, size_t size)
{
    struct buf text;
    buf_init(&text, 2048);
    if (file && problem->line > 0)
        buf_addf(&text, "%.1000s:%ld: ", file, problem->line);
    else if (file)
        buf_addf(&text, "%.1000s: ", file);
    if (problem->column > 0 && problem->name[0])
        buf_addf(&text, "column \"%s\" (%ld): ", problem->name, problem->column);
    else if (problem->column > 0)
        buf_addf(&text, "column %ld: ", problem->column);
    if (show_value && problem->value[0])
        add_value(&text, problem->value);
    buf_adds(&text, problem->reason);
    snprintf(out, size, "%s", text.data ? text.data : problem->reason);
    buf_free(&text);
    return out;
}

/* ---- the list ---- */

struct check_list *check_list_new(size_t most, const char *path, struct err *err)
{
    struct check_list *list = calloc(1, sizeof *list);
    if (list) {
        list->most = most;
        list->errors = calloc(most + 1, sizeof *list->errors);
        list->warnings = calloc(most + 1, sizeof *list->warnings);
        list->all = calloc(most + 1, sizeof *list->all);
        list->path = path ? strdup(path) : NULL;
    }
    if (list && list->errors && list->warnings && list->all && (list->path || !path))
        return list;
    check_list_free(list);
    err_set(err, ERR_MEMORY, "no memory for a check");
    return NULL;
}

void check_list_free(struct check_list *list)
{
    if (!list)
        return;
    csv_writer_free(list->writer);
    newfile_free(list->file);
    free(list->errors);
    free(list->warnings);
    free(list->all);
    free(list->path);
    free(list);
}

static int by_line(const void *a, const void *b)
{
    const struct check_problem *left = a, *right = b;
    return (left->line > right->line) - (left->line < right->line);
}

/* Both are in the order in which they were found, which is that of the lines but for duplicate keys: the sort
 * is stable. */
static void sort_by_line(struct check_problem *problems, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct check_problem problem = problems[i];
        size_t at = i;
        for (; at > 0 && by_line(&problems[at - 1], &problem) > 0; at--)
            problems[at] = problems[at - 1];
        problems[at] = problem;
    }
}

void check_list_end(struct check *check)
{
    struct check_list *list = check->list;
    size_t room = list->most - list->error_count,
           warnings = list->warning_count < room ? list->warning_count : room;
    memcpy(list->all, list->warnings, warnings * sizeof *list->all);
    memcpy(list->all + warnings, list->errors, list->error_count * sizeof *list->all);
    sort_by_line(list->all, warnings + list->error_count);
    check->result.problems = list->all;
    check->result.problem_count = warnings + list->error_count;
}

/* ---- the file of all of them ---- */

static bool write_texts(struct check_list *list, const char *const *texts, size_t count, struct err *err)
{
    struct csv_slice cells[8];
    for (size_t i = 0; i < count; i++)
        cells[i] = (struct csv_slice){texts[i], strlen(texts[i])};
    return csv_writer_row(list->writer, cells, count, err);
}

static bool open_list(struct check_list *list, struct err *err)
{
    static const struct csv_options plain;
    static const char *const titles[] = {"line",  "column",   "name",   "value",
                                         "class", "severity", "reason", "hint"};
    if (list->writer)
        return true;
    list->file = newfile_open(list->path, "the problems", err);
    if (!list->file)
        return false;
    list->writer = csv_writer_new(newfile_write, list->file, &plain, err);
    return list->writer && write_texts(list, titles, sizeof titles / sizeof *titles, err);
}

static const char *number_text(long number, char out[24])
{
    snprintf(out, 24, "%.0ld", number);
    return out;
}

static bool write_finding(struct check *check, const struct check_finding *finding, struct err *err)
{
    struct check_list *list = check->list;
    char line[24], column[24];
    if (!open_list(list, err))
        return false;
    bool named = check->header && finding->column > 0 && (size_t)finding->column <= check->header->count;
    const struct csv_slice cells[] = {
        slice_of_text(number_text(finding->line, line)),
        slice_of_text(number_text(finding->column, column)),
        named ? csv_cell(check->header, (size_t)finding->column - 1) : slice_of_text(""),
        finding->value ? *finding->value : slice_of_text(""),
        slice_of_text(check_class_name(finding->class)),
        slice_of_text(check_is_error(finding->class) ? "error" : "warning"),
        slice_of_text(finding->reason),
        slice_of_text(finding->hint ? finding->hint : ""),
    };
    return csv_writer_row(list->writer, cells, sizeof cells / sizeof *cells, err);
}

bool check_list_finish(struct check *check, struct err *err)
{
    struct check_list *list = check->list;
    if (!list->path)
        return true;
    /* Without a problem it has its header alone: what an earlier run left does not stand for this one. */
    if (!open_list(list, err) || !csv_writer_close(list->writer, err) || !newfile_finish(list->file, false, err))
        return false;
    check->result.problems_written = true;
    return true;
}

/* ---- adding ---- */

/* Warnings about keys come last and in the order of their lines; the list has room for the first of all. */
static struct check_problem *keep(struct check_list *list, const struct check_finding *finding)
{
    bool error = check_is_error(finding->class);
    size_t *count = error ? &list->error_count : &list->warning_count;
    if (*count == list->most)
        return NULL;
    return (error ? list->errors : list->warnings) + (*count)++;
}

static void describe(const struct check *check, const struct check_finding *finding,
                     struct check_problem *problem)
{
    memset(problem, 0, sizeof *problem);
    problem->class = finding->class;
    problem->line = finding->line;
    problem->column = finding->column;
    snprintf(problem->reason, sizeof problem->reason, "%s", finding->reason);
    snprintf(problem->hint, sizeof problem->hint, "%s", finding->hint ? finding->hint : "");
    if (check->header && finding->column > 0 && (size_t)finding->column <= check->header->count)
        check_shorten(problem->name, sizeof problem->name,
                      csv_cell(check->header, (size_t)finding->column - 1));
    if (finding->value)
        shorten(problem->value, sizeof problem->value, *finding->value, KEPT_CHARACTERS);
}

/* For the rejects file: whoever corrects the row there sees its values. */
static void note_reason(struct check *check, const struct check_problem *problem)
{
    char text[512];
    check_problem_text(problem, NULL, false, text, sizeof text);
    buf_addf(&check->reasons, "%s%s", check->reasons.len > 0 ? "; " : "", text);
}

bool check_is_told(const struct check *check, enum check_class class)
{
    const struct check_list *list = check->list;
    size_t kept = check_is_error(class) ? list->error_count : list->warning_count;
    return kept < list->most || list->path || (check_is_error(class) && check->rejects);
}

bool check_add(struct check *check, const struct check_finding *finding, struct err *err)
{
    struct check_list *list = check->list;
    bool bad = check_is_error(finding->class) && !finding->blanked;
    check->result.counts[finding->class]++;
    check->row_errors += bad;
    struct check_problem *kept = keep(list, finding), spare;
    bool noted = bad && (check->rejects || check->shown);
    if (kept || noted) {
        describe(check, finding, kept ? kept : &spare);
        if (noted)
            note_reason(check, kept ? kept : &spare);
    }
    return !list->path || write_finding(check, finding, err);
}
