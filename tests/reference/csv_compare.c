#include "tests/reference/csv_compare.h"

#include <stdlib.h>
#include <string.h>

#include "core/csv_scan.h"
#include "tests/reference/csv_sizes.h"
#include "tests/reference/dice.h"

/* What the reader reads from, and what it has given so far. */
struct comparison {
    const struct csv_reference *reference;
    struct csv_reader *reader;
    struct dice dice;
    size_t at;   /* of the text, how much has been given */
    size_t most; /* of it at a time */
    bool waits;  /* it has nothing yet, now and then */
    bool failed; /* the reader is done for */
    size_t held; /* of what has been given, the most that was of one record and what follows when more was asked for */
    size_t next; /* index of the record that is to come */
    struct csv_slice *cells;
    size_t room;
    struct buf *why;
};

static bool differs(struct comparison *c, const char *what, long long got, long long expected)
{
    buf_addf(c->why, "record %zu: %s is %lld, not %lld", c->next, what, got, expected);
    return false;
}

#define SAME(what, got, expected)                                                                            \
    do {                                                                                                     \
        if ((got) != (expected))                                                                             \
            return differs(c, what, (long long)(got), (long long)(expected));                                \
    } while (0)

static bool same_bytes(struct comparison *c, const char *what, struct csv_slice got, struct csv_slice expected)
{
    if (got.len == expected.len && (got.len == 0 || memcmp(got.data, expected.data, got.len) == 0))
        return true;
    buf_addf(c->why, "record %zu: %s is \"", c->next, what);
    buf_add(c->why, got.data, got.len < 200 ? got.len : 200);
    buf_adds(c->why, "\", not \"");
    buf_add(c->why, expected.data, expected.len < 200 ? expected.len : 200);
    buf_adds(c->why, "\"");
    return false;
}

static bool same_text(struct comparison *c, const char *what, const char *got, const char *expected)
{
    return same_bytes(c, what, (struct csv_slice){got, strlen(got)}, (struct csv_slice){expected, strlen(expected)});
}

static bool same_error(struct comparison *c, const struct err *got, const struct err *expected)
{
    SAME("the error's line", got->line, expected->line);
    SAME("the error's column", got->column, expected->column);
    return same_text(c, "the error's code", got->code, expected->code) &&
           same_text(c, "the error", got->message, expected->message) &&
           same_text(c, "the error's file", got->file, expected->file);
}

/* A cell may be asked for in any order, more than once or never, and stays until the next record. */
static bool same_cells(struct comparison *c, const struct csv_row *row, const struct reference_record *expected)
{
    size_t count = row->count;
    unsigned order = (unsigned)dice_below(&c->dice, 8);
    SAME("the number of cells", count, expected->count);
    if (order == 0)
        return true;
    if (count > c->room) {
        c->room = count * 2;
        free(c->cells);
        if (!(c->cells = malloc(c->room * sizeof *c->cells)))
            abort();
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = order == 1 ? count - 1 - i : i;
        c->cells[at] = csv_cell(row, at);
        if (order == 2)
            c->cells[at / 2] = csv_cell(row, at / 2);
    }
    for (size_t i = 0; i < count; i++)
        if (!same_bytes(c, "a cell", c->cells[i], csv_reference_cell(c->reference, expected, i)))
            return false;
    return true;
}

static bool same_row(struct comparison *c, const struct csv_row *row, const struct reference_record *expected)
{
    SAME("its line", row->line, expected->line);
    SAME("its offset", row->offset, expected->offset);
    SAME("its end", row->end, expected->end);
    return same_cells(c, row, expected) && same_bytes(c, "its text", row->raw, expected->raw);
}

/* Where the reader stands behind a record. */
static bool same_place(struct comparison *c, const struct reference_record *expected)
{
    SAME("the reader's line", csv_reader_line(c->reader), expected->lines);
    SAME("the reader's offset", csv_reader_offset(c->reader), expected->end);
    return true;
}

static const struct reference_record *record_to_come(const struct comparison *c)
{
    return &c->reference->records[c->next];
}

/* What csv_reader_next gave is the record that was to come. */
static bool same_record(struct comparison *c, enum csv_status status, const struct csv_row *row, const struct err *err)
{
    const struct reference_record *expected = record_to_come(c);
    SAME("the status", status, expected->status);
    if ((status == CSV_ROW || status == CSV_BAD) && !same_row(c, row, expected))
        return false;
    if ((status == CSV_BAD || status == CSV_FAILED) && !same_error(c, err, expected->err))
        return false;
    return same_place(c, expected);
}

static bool is_last(const struct comparison *c)
{
    return c->next == c->reference->count - 1;
}

/* Whether a call is to be made again. */
static bool has_nothing_yet(struct comparison *c, enum csv_status status)
{
    return (status == CSV_FAILED && csv_reader_waits(c->reader)) ||
           (status == CSV_NOTHING_YET && c->reference->options.pauses);
}

/* The header, at the beginning and again at the end. */
static bool same_header(struct comparison *c)
{
    const struct reference_record *expected = &c->reference->records[0];
    const struct csv_row *header;
    struct err err;
    bool read;
    do {
        err_clear(&err);
        read = csv_reader_header(c->reader, &header, &err);
    } while (!read && has_nothing_yet(c, CSV_FAILED));
    bool none = c->reference->options.no_header;
    bool fails = none ? c->failed : expected->status != CSV_ROW;
    SAME("the header's being read", read, !fails);
    if (!read)
        return same_error(c, &err, none ? c->reference->records[c->reference->count - 1].err : expected->err);
    if (none)
        SAME("the cells of no header", header->count, 0);
    return none || same_row(c, header, expected);
}

/* ---- what is read from ---- */

static long give(void *arg, char *into, size_t size, struct err *err)
{
    struct comparison *c = arg;
    size_t left = c->reference->len - c->at;
    size_t n = c->most ? 1 + dice_below(&c->dice, c->most) : size;
    size_t held = c->at - (size_t)(csv_reader_offset(c->reader) - c->reference->options.start_offset);
    c->held = held > c->held ? held : c->held;
    if (c->waits && dice_below(&c->dice, 3) == 0) {
        err_set(err, ERR_FILE, "has nothing yet");
        return CSV_SOURCE_WAITS;
    }
    n = n < size ? n : size;
    n = n < left ? n : left;
    if (n > 0)
        memcpy(into, c->reference->data + c->at, n);
    c->at += n;
    return (long)n;
}

/* ---- ways of reading ---- */

static bool read_one(struct comparison *c)
{
    const struct csv_row *row = NULL;
    struct err err;
    enum csv_status status;
    do {
        err_clear(&err);
        status = csv_reader_next(c->reader, &row, &err);
    } while (has_nothing_yet(c, status));
    return same_record(c, status, row, &err);
}

/* Records counted are passed over, and none of them is bad. */
static bool pass_over(struct comparison *c, uint64_t counted)
{
    for (; counted > 0; counted--, c->next++)
        SAME("a record that was counted", record_to_come(c)->status, CSV_ROW);
    return true;
}

/* The lines that end in the text from offset `from` to `to`; a CR ends one, whether or not an LF is yet to come. */
static long lines_between(const struct csv_reference *reference, uint64_t from, uint64_t to)
{
    long lines = 0;
    const char *data = reference->data;
    size_t at = (size_t)(from - reference->options.start_offset);
    for (size_t n = (size_t)(to - from); n > 0; n--, at++)
        lines += data[at] == '\r' || (data[at] == '\n' && (at == 0 || data[at - 1] != '\r'));
    return lines;
}

/* Between two records: behind the one, not behind the beginning of the other, and the lines between are counted. A reader
 * that waits may not know yet that an LF follows, nor have read the header. */
static bool stands_between(struct comparison *c, bool waits)
{
    const struct csv_reference *reference = c->reference;
    const struct reference_record *before = c->next > 0 ? record_to_come(c) - 1 : NULL;
    uint64_t offset = csv_reader_offset(c->reader), from = before ? before->end : offset;
    long lines = before ? before->lines : csv_reader_line(c->reader);
    if (waits && offset < from && c->next == 1 && !reference->options.no_header)
        return true;
    if (waits && before && offset == from - 1 && reference->data[offset - reference->options.start_offset] == '\n')
        offset = from;
    if (offset < from || offset > record_to_come(c)->offset)
        return differs(c, "the offset after counting", (long long)offset, (long long)from);
    SAME("the line after counting", csv_reader_line(c->reader), lines + lines_between(reference, from, offset));
    return true;
}

/* What ends counting before the slice is at its end. */
static bool same_stop(struct comparison *c, enum csv_status status, const struct err *err)
{
    const struct reference_record *expected = record_to_come(c);
    SAME("the status of counting", status, expected->status);
    if (expected->err && !same_error(c, err, expected->err))
        return false;
    if (!same_place(c, expected))
        return false;
    c->next += is_last(c) ? 0 : 1;
    return true;
}

/* Counts a slice: the rows before what ends it, which is checked, too. */
static bool count_slice(struct comparison *c)
{
    uint64_t begun = dice_below(&c->dice, 1000), rows = begun;
    uint64_t bytes = 1 + dice_below(&c->dice, c->most ? c->most * 4 : 100000);
    uint64_t before = csv_reader_offset(c->reader);
    struct err err;
    err_clear(&err);
    enum csv_status status = csv_reader_count(c->reader, bytes, &rows, &err);
    if (rows < begun || rows - begun > c->reference->count - c->next)
        return differs(c, "the count", (long long)rows, (long long)begun);
    if (!pass_over(c, rows - begun))
        return false;
    bool waits = status == CSV_FAILED && has_nothing_yet(c, status);
    if (status != CSV_NOTHING_YET && !waits)
        return same_stop(c, status, &err);
    if (!waits && csv_reader_offset(c->reader) <= before)
        return differs(c, "what counting a slice passes over", 0, (long long)bytes);
    return stands_between(c, waits);
}

/* Counts where only blank lines may be left to read. */
static bool count_nothing(struct comparison *c)
{
    const struct reference_record *last = record_to_come(c);
    uint64_t rows = 7;
    struct err err;
    enum csv_status status;
    do {
        err_clear(&err);
        status = csv_reader_count(c->reader, 1, &rows, &err);
    } while (status == CSV_NOTHING_YET || has_nothing_yet(c, status));
    SAME("the count behind the end", rows, 7);
    return same_stop(c, status, &err) && last == record_to_come(c);
}

static bool read_records(struct comparison *c)
{
    for (; !is_last(c); c->next++)
        if (!read_one(c))
            return false;
    /* What is at its end stays there. */
    return read_one(c) && read_one(c);
}

static bool count_records(struct comparison *c)
{
    while (!is_last(c)) {
        bool counts = dice_below(&c->dice, 4) != 0;
        if (!(counts ? count_slice(c) : read_one(c)))
            return false;
        c->next += !counts;
    }
    return count_nothing(c) && read_one(c) && count_nothing(c);
}

/* A record that is too long is not read to its end, which may never come: to tell that, a line end and a read more are enough. */
static bool asked_for_enough(struct comparison *c)
{
    size_t max = c->reference->options.max_record ? c->reference->options.max_record : CSV_MAX_RECORD_DEFAULT;
    if (c->held > max + 2 + csv_sizes.read)
        return differs(c, "what is held when more is read", (long long)c->held, (long long)(max + 2 + csv_sizes.read));
    return true;
}

static bool read_in_way(struct comparison *c, enum csv_way way)
{
    bool headed = !c->reference->options.no_header;
    /* The header is read when it is asked for, or on the way to the first record. */
    c->failed = c->reference->had_wrong_mark;
    if (dice_below(&c->dice, 2) && !same_header(c))
        return false;
    if (headed && c->reference->records[0].status == CSV_ROW)
        c->next = 1;
    if (!(way == CSV_BY_COUNT ? count_records(c) : read_records(c)))
        return false;
    if (!asked_for_enough(c))
        return false;
    SAME("the byte-order mark", csv_reader_had_bom(c->reader), c->reference->had_bom);
    c->failed = record_to_come(c)->status == CSV_FAILED;
    c->next = 0;
    return same_header(c);
}

bool csv_reads_the_same(const struct csv_reference *reference, enum csv_way way, uint64_t seed, struct buf *why)
{
    static const size_t most[] = {0, 1, 3, 16, 64, 65, 200, 5000};
    struct comparison comparison = {.reference = reference, .dice = {seed}, .why = why};
    struct comparison *c = &comparison;
    struct err err;
    err_clear(&err);
    c->most = most[dice_below(&c->dice, sizeof most / sizeof *most)];
    c->waits = dice_below(&c->dice, 4) == 0;
    c->reader = csv_reader_new(give, c, CSV_REFERENCE_NAME, &reference->options, &err);
    bool same = c->reader && read_in_way(c, way);
    if (!c->reader)
        buf_addf(why, "no reader: %s", err.message);
    csv_reader_free(c->reader);
    free(c->cells);
    return same;
}

/* ---- the paths of the scan ---- */

static bool same_in_every_way(const struct csv_reference *reference, uint64_t seed, struct buf *why)
{
    static const char *const names[] = {"record by record", "counting"};
    for (int way = 0; way < CSV_WAYS; way++)
        if (!csv_reads_the_same(reference, (enum csv_way)way, seed, why)) {
            buf_addf(why, " (%s)", names[way]);
            return false;
        }
    return true;
}

bool csv_paths_read_the_same(const struct csv_reference *reference, uint64_t seed, struct buf *why)
{
    bool same = true;
    for (const char *const *path = csv_scan_paths; *path && same; path++) {
        if (!csv_scan_select(*path))
            continue;
        same = same_in_every_way(reference, seed, why);
        if (!same)
            buf_addf(why, " (path %s)", *path);
    }
    if (!csv_scan_select(NULL))
        abort();
    return same;
}
