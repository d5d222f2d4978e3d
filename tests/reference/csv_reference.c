#include "tests/reference/csv_reference.h"

#include <csv.h> /* libcsv */

#include <stdlib.h>
#include <string.h>

/* libcsv's state before the first byte of a record that is no blank. */
#define ROW_NOT_BEGUN 0
/* libcsv grows its cell by this much: long cells would take long with its own 128 bytes. */
#define CELL_BLOCK ((size_t)64 << 10)

/* A text being read. Cells lie end to end in `text`; where that is, is known when it no longer grows. */
struct reading {
    struct csv_reference *into;
    struct csv_parser parser;
    size_t at;  /* where the next record begins */
    long lines; /* that end before it */
    size_t max;
    size_t record_room, cell_count, cell_room;
    char *text;
    size_t text_len, text_room;
    size_t count; /* cells of the record */
    bool ended;   /* libcsv has given the end of the record */
};

struct line {
    size_t begin, end, next; /* its text, and what is behind its line end */
};

enum line_kind { LINE, NO_LINE, TOO_LONG };

/* Room for `n` more elements behind `count`. */
static void *grow(void *array, size_t count, size_t n, size_t *room, size_t size)
{
    if (count + n <= *room)
        return array;
    *room = (count + n) * 2;
    array = realloc(array, *room * size);
    if (!array)
        abort();
    return array;
}

static void on_cell(void *cell, size_t len, void *arg)
{
    struct reading *r = arg;
    r->text = grow(r->text, r->text_len, len + 1, &r->text_room, 1);
    if (len > 0)
        memcpy(r->text + r->text_len, cell, len);
    r->text_len += len;
    r->into->cells = grow(r->into->cells, r->cell_count, 1, &r->cell_room, sizeof *r->into->cells);
    r->into->cells[r->cell_count++] = (struct csv_slice){NULL, len};
    r->count++;
}

static void on_record(int terminator, void *arg)
{
    (void)terminator;
    ((struct reading *)arg)->ended = true;
}

static int nothing_is_space(unsigned char c)
{
    (void)c;
    return 0;
}

/* ---- libcsv, a line at a time ---- */

/* Takes back the cells of a record that was refused. */
static void drop_cells(struct reading *r)
{
    while (r->count > 0) {
        r->count--;
        r->cell_count--;
        r->text_len -= r->into->cells[r->cell_count].len;
    }
}

static void begin_record(struct reading *r, unsigned char parser_options)
{
    csv_set_opts(&r->parser, 0);
    csv_fini(&r->parser, NULL, NULL, NULL);
    csv_set_opts(&r->parser, parser_options);
    drop_cells(r);
    r->ended = false;
}

/* False when libcsv refuses the line. */
static bool feed(struct reading *r, const struct line *line)
{
    size_t len = line->next - line->begin;
    size_t fed = csv_parse(&r->parser, r->into->data + line->begin, len, on_cell, on_record, r);
    if (fed < len && csv_error(&r->parser) != CSV_EPARSE)
        abort();
    return fed == len;
}

/* The input ends: true when the record does too. */
static bool finish(struct reading *r)
{
    csv_set_opts(&r->parser, CSV_STRICT | CSV_STRICT_FINI);
    return csv_fini(&r->parser, on_cell, on_record, r) == 0 && r->ended;
}

/* The line that begins at `from`, which may be too long for the record that begins at r->at. */
static enum line_kind find_line(const struct reading *r, size_t from, struct line *line)
{
    const char *data = r->into->data;
    size_t end = from, len = r->into->len;
    if (from == len)
        return NO_LINE;
    while (end < len && data[end] != '\n' && data[end] != '\r')
        end++;
    *line = (struct line){from, end, end};
    if (end < len)
        line->next = end + 1 + (data[end] == '\r' && end + 1 < len && data[end + 1] == '\n');
    return end - r->at > r->max ? TOO_LONG : LINE;
}

/* ---- what a record is ---- */

static struct reference_record *add_record(struct reading *r, enum csv_status status, size_t end, size_t next, long lines)
{
    struct csv_reference *into = r->into;
    uint64_t base = into->options.start_offset;
    into->records = grow(into->records, into->count, 1, &r->record_room, sizeof *into->records);
    struct reference_record *record = &into->records[into->count++];
    memset(record, 0, sizeof *record);
    record->status = status;
    record->count = r->count;
    record->first = r->cell_count - r->count;
    record->line = r->lines + 1;
    record->lines = r->lines += lines;
    record->offset = base + r->at;
    record->end = base + next;
    record->raw = (struct csv_slice){into->data + r->at, end - r->at};
    r->at = next;
    r->count = 0;
    return record;
}

static void take(struct reading *r, const struct line *last, long lines)
{
    add_record(r, CSV_ROW, last->end, last->next, lines);
}

/* An error record: one line, and no cells. */
static struct err *bad(struct reading *r, const struct line *first, size_t cell)
{
    drop_cells(r);
    struct reference_record *record = add_record(r, CSV_BAD, first->end, first->next, 1);
    if (!(record->err = calloc(1, sizeof *record->err)))
        abort();
    err_at(record->err, CSV_REFERENCE_NAME, record->line, (long)cell, NULL);
    return record->err;
}

/* The end of all reading: where it stands, with an error that is about no place yet. */
static struct err *failed(struct reading *r)
{
    drop_cells(r);
    struct reference_record *record = add_record(r, CSV_FAILED, r->at, r->at, 0);
    if (!(record->err = calloc(1, sizeof *record->err)))
        abort();
    err_at(record->err, CSV_REFERENCE_NAME, 0, 0, NULL);
    return record->err;
}

static void refused(struct reading *r, const struct line *line, bool after_quote, size_t cell)
{
    struct err *err = bad(r, line, cell);
    if (after_quote)
        err_set(err, ERR_CSV, "text follows the closing quote of cell %zu", cell);
    else
        err_set(err, ERR_CSV, "a quote stands inside cell %zu, which does not begin with one", cell);
}

/* Strict reading has refused this line: leniently, but not past its end. */
static void read_leniently(struct reading *r, const struct line *line)
{
    bool after_quote = r->parser.quoted;
    size_t cell = r->count + 1;
    if (r->into->options.strict) {
        refused(r, line, after_quote, cell);
        return;
    }
    begin_record(r, 0);
    if (feed(r, line) && (r->ended || (line->next == line->end && finish(r)))) {
        take(r, line, 1);
        return;
    }
    size_t open = r->count + 1;
    if (after_quote && open == cell)
        refused(r, line, true, cell);
    else
        err_set(bad(r, line, open), ERR_CSV, "the quote that opens cell %zu is not closed on this line", open);
}

static void never_closed(struct reading *r, const struct line *first, enum line_kind kind, size_t cell)
{
    struct err *err = bad(r, first, cell);
    if (kind == NO_LINE)
        err_set(err, ERR_CSV, "the quote that opens cell %zu is never closed", cell);
    else
        err_set(err, ERR_CSV, "the quote that opens cell %zu is not closed within %zu bytes, the most that a record may have",
                cell, r->max);
}

/* The lines behind `first`, which leaves a quote open or is the input's last. */
static void read_on(struct reading *r, const struct line *first)
{
    struct line line = *first;
    long lines = 1;
    size_t open = r->count + 1;
    while (!r->ended) {
        enum line_kind kind = find_line(r, line.next, &line);
        if (kind == NO_LINE && finish(r))
            break;
        if (kind != LINE) {
            never_closed(r, first, kind, open);
            return;
        }
        lines++;
        if (!feed(r, &line)) {
            long last = r->lines + lines;
            err_set(bad(r, first, open), ERR_CSV,
                    "the quote that opens cell %zu is not closed on this line, nor properly up to line %ld", open, last);
            return;
        }
    }
    take(r, &line, lines);
}

static void fail_too_long(struct reading *r)
{
    struct err *err = failed(r);
    err_set(err, ERR_CSV,
            "line %ld is longer than %zu bytes, the most that a record may have: a line end or a quote may be missing",
            r->lines + 1, r->max);
    err->line = r->lines + 1;
}

/* Reads one record, or passes over a blank line. False at the end of all reading. */
static bool read_record(struct reading *r)
{
    struct line line;
    switch (find_line(r, r->at, &line)) {
    case NO_LINE:
        add_record(r, CSV_END, r->at, r->at, 0);
        return false;
    case TOO_LONG:
        fail_too_long(r);
        return false;
    default:
        break;
    }
    begin_record(r, CSV_STRICT);
    if (!feed(r, &line)) {
        read_leniently(r, &line);
    } else if (!r->ended && r->parser.pstate == ROW_NOT_BEGUN) {
        r->at = line.next;
        r->lines++;
    } else {
        read_on(r, &line);
    }
    return true;
}

/* ---- the whole text ---- */

static bool starts_with(const struct csv_reference *reference, const char *bytes, size_t len)
{
    return reference->len >= len && memcmp(reference->data, bytes, len) == 0;
}

/* Passes over the byte-order mark; false when it is one of UTF-16. */
static bool read_mark(struct reading *r)
{
    struct csv_reference *into = r->into;
    if (into->options.start_offset > 0)
        return true;
    if (starts_with(into, "\xFF\xFE", 2) || starts_with(into, "\xFE\xFF", 2)) {
        into->had_wrong_mark = true;
        err_set(failed(r), ERR_INVALID_FILE, "the file is UTF-16: save it as UTF-8 and try again");
        return false;
    }
    into->had_bom = starts_with(into, "\xEF\xBB\xBF", 3);
    if (into->had_bom && !into->options.keep_bom)
        r->at = 3;
    return true;
}

/* A header that is none ends the reading: its error takes the place of what was read. */
static bool read_header(struct reading *r)
{
    struct csv_reference *into = r->into;
    bool more = true;
    while (into->count == 0 && more)
        more = read_record(r);
    struct reference_record *header = &into->records[0];
    if (header->status == CSV_END) {
        into->count = 0;
        err_set(failed(r), ERR_INVALID_FILE, "the file is empty: it needs a header row");
    } else if (header->status == CSV_BAD) {
        char why[sizeof header->err->message];
        memcpy(why, header->err->message, sizeof why);
        err_set(header->err, ERR_CSV, "the header cannot be read: %s", why);
        header->status = CSV_FAILED;
        header->offset = header->end;
    }
    return header->status == CSV_ROW;
}

static void begin_reading(struct reading *r, struct csv_reference *into)
{
    memset(r, 0, sizeof *r);
    r->into = into;
    r->max = into->options.max_record ? into->options.max_record : CSV_MAX_RECORD_DEFAULT;
    r->lines = into->options.start_line > 0 ? into->options.start_line - 1 : 0;
    csv_init(&r->parser, 0);
    csv_set_blk_size(&r->parser, CELL_BLOCK);
    csv_set_delim(&r->parser, into->options.delimiter ? into->options.delimiter : ',');
    csv_set_quote(&r->parser, into->options.quote ? into->options.quote : '"');
    if (!into->options.trim)
        csv_set_space_func(&r->parser, nothing_is_space);
}

struct csv_reference *csv_reference_read(const char *data, size_t len, const struct csv_options *options)
{
    struct reading reading;
    struct csv_reference *reference = calloc(1, sizeof *reference);
    if (!reference)
        abort();
    reference->data = data;
    reference->len = len;
    reference->options = *options;
    begin_reading(&reading, reference);
    if (read_mark(&reading) && (options->no_header || read_header(&reading)))
        while (read_record(&reading))
            ;
    csv_free(&reading.parser);
    const char *at = reference->text = reading.text;
    for (size_t i = 0; i < reading.cell_count; i++) {
        reference->cells[i].data = at;
        at += reference->cells[i].len;
    }
    return reference;
}

struct csv_slice csv_reference_cell(const struct csv_reference *reference, const struct reference_record *record, size_t i)
{
    return reference->cells[record->first + i];
}

void csv_reference_free(struct csv_reference *reference)
{
    if (!reference)
        return;
    for (size_t i = 0; i < reference->count; i++)
        free(reference->records[i].err);
    free(reference->records);
    free(reference->cells);
    free(reference->text);
    free(reference);
}
