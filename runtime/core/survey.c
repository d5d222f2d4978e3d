#include "core/survey.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/keyhash.h"
#include "core/survey_column.h"

#define SLICE_NS      ((uint64_t)8 * 1000 * 1000)
#define STEP_BYTES    ((uint64_t)512 << 10)
#define WAIT_MS       10
#define ROWS_A_LOOK   64 /* at the clock */
#define MARK_BYTES    ((size_t)3)
#define TABLES_MEMORY ((size_t)12 << 20)
#define TABLE_LEAST   ((size_t)256)
#define TABLE_MOST    ((size_t)1 << 15)
#define SORTS         12u
#define SORT_MEMORY   ((size_t)2 << 20)
#define COLUMNS_MOST  10000u

enum phase { SPOOLING, EXAMINING, READING, SORTING, PAIRING, SORTING_PAIRS, DONE };

struct survey {
    enum phase phase;
    char *path, *encoding, *temporary;
    int fd; /* given instead of a path; -1: none */
    struct input *input;
    struct input_examination *examination;
    struct input_facts facts;
    struct csv_reader *reader;
    struct survey_look *look;
    struct keyhash hash;
    struct unique_budget budget;
    struct survey_column *columns;
    struct survey_gathered *gathered;
    size_t sorting; /* the column or pair whose uniqueness is worked on */
    struct survey_pair pairs[SURVEY_PAIRS];
    struct unique *pair_unique[SURVEY_PAIRS];
    struct survey_result result;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct survey *survey_new(const struct survey_options *options, struct err *err)
{
    struct survey *survey = calloc(1, sizeof *survey);
    if (!survey) {
        err_set(err, ERR_MEMORY, "no memory for looking at the file");
        return NULL;
    }
    survey->fd = -1;
    survey->path = strdup(options->path);
    survey->encoding = options->encoding ? strdup(options->encoding) : NULL;
    survey->temporary = options->temporary ? strdup(options->temporary) : NULL;
    if (!survey->path || (options->encoding && !survey->encoding) || (options->temporary && !survey->temporary))
        err_set(err, ERR_MEMORY, "no memory for looking at the file");
    else if (options->fd > 0 && (survey->fd = fcntl(options->fd, F_DUPFD_CLOEXEC, 3)) < 0)
        err_errno(err, ERR_SYSTEM, errno, "the file cannot be read");
    else if (keyhash_init(&survey->hash, err) && (survey->look = survey_look_new(err)))
        return survey;
    survey_free(survey);
    return NULL;
}

void survey_free(struct survey *survey)
{
    if (!survey)
        return;
    csv_reader_free(survey->reader);
    input_examine_free(survey->examination);
    input_close(survey->input);
    survey_look_free(survey->look);
    for (size_t i = 0; i < survey->result.column_count; i++) {
        survey_gathered_free(&survey->gathered[i]);
        free((void *)(uintptr_t)survey->columns[i].name);
    }
    for (size_t i = 0; i < SURVEY_PAIRS; i++)
        unique_free(survey->pair_unique[i]);
    free(survey->columns);
    free(survey->gathered);
    if (survey->fd >= 0)
        close(survey->fd);
    free(survey->path);
    free(survey->encoding);
    free(survey->temporary);
    free(survey);
}

const struct survey_result *survey_result(const struct survey *survey)
{
    return &survey->result;
}

/* ---- what the file is ---- */

/* From the beginning, behind a line that names the delimiter. */
static bool open_reader(struct survey *survey, struct err *err)
{
    const struct input_facts *facts = &survey->facts;
    struct csv_options options = {0};
    csv_reader_free(survey->reader);
    survey->reader = NULL;
    if (!input_read_as(survey->input, facts, 0, &options, err))
        return false;
    options.delimiter = (unsigned char)survey->result.delimiter;
    survey->reader = csv_reader_new(input_read, survey->input, input_name(survey->input), &options, err);
    return survey->reader;
}

static bool begin_columns(struct survey *survey, struct err *err)
{
    const struct csv_row *header;
    if (!csv_reader_header(survey->reader, &header, err))
        return false;
    if (header->count > COLUMNS_MOST)
        return err_set(err, ERR_INVALID_FILE, "its first line has %zu cells: is it a header?", header->count);
    survey->columns = calloc(header->count + 1, sizeof *survey->columns);
    survey->gathered = calloc(header->count + 1, sizeof *survey->gathered);
    if (!survey->columns || !survey->gathered)
        return err_set(err, ERR_MEMORY, "no memory for %zu columns", header->count);
    survey->budget = (struct unique_budget){.table_limit = TABLE_MOST, .sorts = SORTS, .sort_memory = SORT_MEMORY,
                                            .directory = survey->temporary};
    while (survey->budget.table_limit > TABLE_LEAST && survey->budget.table_limit * 24 * header->count > TABLES_MEMORY)
        survey->budget.table_limit /= 2;
    for (size_t i = 0; i < header->count; i++) {
        struct csv_slice cell = csv_cell(header, i);
        struct survey_column *column = &survey->columns[i];
        column->name = strndup(cell.data ? cell.data : "", cell.len);
        column->name_len = column->name ? strlen(column->name) : 0;
        survey->result.column_count = i + 1;
        if (!column->name)
            return err_set(err, ERR_MEMORY, "no memory for the header");
        if (!survey_gathered_init(&survey->gathered[i], column, &survey->budget, err))
            return false;
    }
    survey->result.columns = survey->columns;
    survey->phase = READING;
    return true;
}

static bool examined(struct survey *survey, struct err *err)
{
    survey->facts = *input_examine_facts(survey->examination);
    input_examine_free(survey->examination);
    survey->examination = NULL;
    survey->result.facts = &survey->facts;
    survey->result.delimiter = survey->facts.shape.known ? (char)survey->facts.shape.delimiter : ',';
    return open_reader(survey, err) && begin_columns(survey, err);
}

static void wait_for_input(const struct survey *survey)
{
    struct pollfd wanted = {.fd = -1, .events = POLLIN};
    if (input_waits(survey->input, &wanted.fd) && wanted.fd >= 0)
        poll(&wanted, 1, WAIT_MS);
}

static bool input_step(struct survey *survey, struct err *err)
{
    if (!survey->input) {
        const struct input_options options = {.temporary = survey->temporary};
        survey->input = survey->fd >= 0 ? input_open_file(survey->fd, survey->path, &options, err)
                                        : input_open(survey->path, &options, err);
        if (!survey->input)
            return false;
    }
    bool spooling = survey->phase == SPOOLING;
    switch (spooling ? input_spool(survey->input, STEP_BYTES, err) : input_examine_step(survey->examination, STEP_BYTES, err)) {
    case INPUT_FAILED:
        return false;
    case INPUT_WAITING:
        wait_for_input(survey);
        return true;
    case INPUT_DONE:
        if (!spooling)
            return examined(survey, err);
        survey->examination = input_examine_new(survey->input, survey->encoding, 0, err);
        survey->phase = EXAMINING;
        return survey->examination;
    default:
        return true;
    }
}

/* ---- rows ---- */

static bool is_blank(const struct csv_row *row)
{
    for (size_t i = 0; i < row->count; i++)
        if (survey_inner(csv_cell(row, i)).len > 0)
            return false;
    return true;
}

static bool read_row(struct survey *survey, const struct csv_row *row, struct err *err)
{
    struct survey_result *result = &survey->result;
    struct survey_value value;
    uint64_t hash[2];
    if (is_blank(row)) {
        result->blank++;
        return true;
    }
    result->rows++;
    result->ragged += row->count != result->column_count;
    for (size_t i = 0; i < result->column_count; i++) {
        struct csv_slice cell = i < row->count ? csv_cell(row, i) : (struct csv_slice){"", 0};
        if (cell.len > 0 && survey_look_at(survey->look, cell, &value)) {
            keyhash_of(&survey->hash, value.inner.data, value.inner.len, hash);
            if (!survey_gather(&survey->gathered[i], &value, hash, row->line, err))
                return false;
        } else if (survey->columns[i].first_empty == 0)
            survey->columns[i].first_empty = row->line;
    }
    return true;
}

static bool pair_row(struct survey *survey, const struct csv_row *row, struct err *err)
{
    uint64_t both[4], hash[2];
    if (is_blank(row))
        return true;
    for (size_t i = 0; i < survey->result.pair_count; i++) {
        for (size_t k = 0; k < 2; k++) {
            size_t at = survey->pairs[i].columns[k];
            struct csv_slice cell = at < row->count ? csv_cell(row, at) : (struct csv_slice){"", 0};
            struct csv_slice inner = survey_inner(cell);
            keyhash_of(&survey->hash, inner.data, inner.len, both + 2 * k);
        }
        keyhash_of(&survey->hash, both, sizeof both, hash);
        if (!unique_add(survey->pair_unique[i], hash, row->line, err))
            return false;
    }
    return true;
}

static bool read_rows(struct survey *survey, struct err *err)
{
    const struct csv_row *row;
    bool pairing = survey->phase == PAIRING;
    for (int n = 0; n < ROWS_A_LOOK; n++) {
        switch (csv_reader_next(survey->reader, &row, err)) {
        case CSV_ROW:
            if (!(pairing ? pair_row(survey, row, err) : read_row(survey, row, err)))
                return false;
            break;
        case CSV_BAD:
            survey->result.unreadable += !pairing;
            err_clear(err);
            break;
        case CSV_END:
            survey->phase = pairing ? SORTING_PAIRS : SORTING;
            survey->sorting = 0;
            return input_unchanged(survey->input, err);
        default:
            return false;
        }
    }
    return true;
}

/* ---- what is unique ---- */

static bool is_whole(const struct survey *survey, size_t column)
{
    return survey->columns[column].filled == survey->result.rows;
}

static bool any_unique(const struct survey *survey)
{
    for (size_t i = 0; i < survey->result.column_count; i++) {
        const struct unique_counts *unique = &survey->columns[i].unique;
        if (is_whole(survey, i) && unique->state == UNIQUE_MEASURED && unique->repeated == 0)
            return true;
    }
    return false;
}

/* The columns without empty cells that have the most different values; those of one value tell nothing apart. */
static size_t choose_columns(const struct survey *survey, size_t chosen[SURVEY_PAIR_COLUMNS])
{
    size_t count = 0;
    for (size_t i = 0; i < survey->result.column_count; i++) {
        if (!is_whole(survey, i) || survey->columns[i].distinct < 2)
            continue;
        size_t at = count < SURVEY_PAIR_COLUMNS ? count++ : SURVEY_PAIR_COLUMNS;
        while (at > 0 && survey->columns[chosen[at - 1]].distinct < survey->columns[i].distinct) {
            if (at < SURVEY_PAIR_COLUMNS)
                chosen[at] = chosen[at - 1];
            at--;
        }
        if (at < SURVEY_PAIR_COLUMNS)
            chosen[at] = i;
    }
    return count;
}

/* A second pass for pairs that could tell the rows apart. */
static bool begin_pairs(struct survey *survey, struct err *err)
{
    size_t chosen[SURVEY_PAIR_COLUMNS], count = choose_columns(survey, chosen);
    size_t *pairs = &survey->result.pair_count;
    survey->phase = DONE;
    if (survey->result.rows < 2 || any_unique(survey))
        return true;
    survey->budget.table_limit = TABLE_MOST;
    for (size_t i = 0; i < count; i++)
        for (size_t k = i + 1; k < count; k++) {
            /* Fewer combinations than rows: some must come twice. */
            if ((double)survey->columns[chosen[i]].distinct * (double)survey->columns[chosen[k]].distinct * 1.1 <
                (double)survey->result.rows)
                continue;
            bool in_order = chosen[i] < chosen[k];
            survey->pairs[*pairs].columns[0] = in_order ? chosen[i] : chosen[k];
            survey->pairs[*pairs].columns[1] = in_order ? chosen[k] : chosen[i];
            survey->pair_unique[*pairs] = unique_new(&survey->budget, err);
            if (!survey->pair_unique[(*pairs)++])
                return false;
        }
    survey->result.pairs = survey->pairs;
    if (*pairs == 0)
        return true;
    survey->phase = PAIRING;
    const struct csv_row *header;
    return open_reader(survey, err) && csv_reader_header(survey->reader, &header, err);
}

static bool sort_step(struct survey *survey, struct err *err)
{
    bool pairs = survey->phase == SORTING_PAIRS, more;
    size_t count = pairs ? survey->result.pair_count : survey->result.column_count;
    if (survey->sorting == count) {
        survey->phase = DONE;
        return pairs || begin_pairs(survey, err);
    }
    size_t i = survey->sorting;
    if (!unique_step(pairs ? survey->pair_unique[i] : survey->gathered[i].unique, &more, err))
        return false;
    if (more)
        return true;
    if (pairs)
        survey->pairs[i].unique = *unique_counts(survey->pair_unique[i]);
    else
        survey_gathered_finish(&survey->gathered[i]);
    survey->sorting++;
    return true;
}

static bool step(struct survey *survey, struct err *err)
{
    switch (survey->phase) {
    case SPOOLING:
    case EXAMINING:
        return input_step(survey, err);
    case READING:
    case PAIRING:
        return read_rows(survey, err);
    default:
        return sort_step(survey, err);
    }
}

bool survey_slice(struct survey *survey)
{
    struct survey_result *result = &survey->result;
    uint64_t until = now_ns() + SLICE_NS;
    do {
        if (!step(survey, &result->err)) {
            if (result->err.file[0] == '\0')
                err_at(&result->err, survey->path, result->err.line, result->err.column, NULL);
            result->failed = true;
        }
        result->finished = result->failed || survey->phase == DONE;
    } while (!result->finished && now_ns() < until);
    return !result->finished;
}
