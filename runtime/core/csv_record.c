#include "core/csv_reader.h"

#include <stdlib.h>
#include <string.h>

/* libcsv grows its cell by this much: its default of 128 bytes is slow on long cells. */
#define CELL_BLOCK ((size_t)64 << 10)

/* What strict reading refused. */
enum refusal { QUOTE_IN_CELL, TEXT_AFTER_QUOTE };

/* Cells keep every byte: nothing is space to libcsv, so nothing is trimmed. */
static int never_space(unsigned char c)
{
    (void)c;
    return 0;
}

static int is_space(unsigned char c)
{
    return csv_is_space((char)c);
}

void csv_record_init(struct csv_reader *reader)
{
    const struct csv_options *options = &reader->options;
    buf_init(&reader->text, options->max_record);
    csv_init(&reader->parser, 0);
    csv_set_blk_size(&reader->parser, CELL_BLOCK);
    csv_set_delim(&reader->parser, options->delimiter);
    csv_set_quote(&reader->parser, options->quote);
    csv_set_space_func(&reader->parser, options->trim ? is_space : never_space);
}

void csv_record_free(struct csv_reader *reader)
{
    csv_free(&reader->parser);
    buf_free(&reader->text);
    free(reader->cells);
}

enum csv_status csv_reader_fail(struct csv_reader *reader, struct err *err)
{
    if (reader->lines.waits)
        return CSV_FAILED;
    if (!err->file[0])
        err_at(err, reader->name, err->line, err->column, NULL);
    reader->failure = *err;
    reader->state = READER_FAILED;
    return CSV_FAILED;
}

enum csv_status csv_reader_no_memory(struct csv_reader *reader, struct err *err)
{
    err_set(err, ERR_MEMORY, "no memory for the record on line %ld", reader->line + 1);
    err_at(err, reader->name, reader->line + 1, 0, NULL);
    return csv_reader_fail(reader, err);
}

static enum csv_status too_long(struct csv_reader *reader, struct err *err)
{
    err_set(err, ERR_CSV,
            "line %ld is longer than %zu bytes, the most that a record may have: a line end or a quote may be missing",
            reader->line + 1, reader->options.max_record);
    err_at(err, reader->name, reader->line + 1, 0, NULL);
    return csv_reader_fail(reader, err);
}

static enum csv_status no_line(struct csv_reader *reader, enum line_status status, struct err *err)
{
    if (status == LINE_NONE)
        return CSV_END;
    return status == LINE_TOO_LONG ? too_long(reader, err) : csv_reader_fail(reader, err);
}

static bool add_cell(struct csv_reader *reader, const char *data, size_t len)
{
    if (reader->count == reader->room) {
        size_t room = reader->room ? reader->room * 2 : 64;
        struct csv_slice *grown = realloc(reader->cells, room * sizeof *grown);
        if (!grown)
            return false;
        reader->cells = grown;
        reader->room = room;
    }
    reader->cells[reader->count++] = (struct csv_slice){data, len};
    return true;
}

/* libcsv gives a cell. Where it lies is known when the text no longer grows. */
static void on_cell(void *cell, size_t len, void *arg)
{
    struct csv_reader *reader = arg;
    if (!buf_add(&reader->text, cell, len) || !add_cell(reader, NULL, len))
        reader->no_memory = true;
}

static void on_record(int terminator, void *arg)
{
    (void)terminator;
    ((struct csv_reader *)arg)->ended = true;
}

static void begin_record(struct csv_reader *reader, unsigned char parser_options)
{
    /* csv_fini is what takes the parser back to its start and keeps its memory. */
    csv_set_opts(&reader->parser, 0);
    csv_fini(&reader->parser, NULL, NULL, NULL);
    csv_set_opts(&reader->parser, parser_options);
    buf_reset(&reader->text);
    reader->count = 0;
    reader->ended = reader->no_memory = false;
}

/* Ends the record after `line`: it is *row, and the reader stands behind it. */
static void take_record(struct csv_reader *reader, const struct line *line, long lines)
{
    struct csv_row *row = &reader->row;
    row->cells = reader->cells;
    row->count = reader->count;
    row->line = reader->line + 1;
    row->offset = lines_offset(&reader->lines);
    row->end = row->offset + line->next;
    row->raw = (struct csv_slice){lines_data(&reader->lines), line->end};
    lines_take(&reader->lines, line->next);
    reader->line += lines;
}

static enum csv_status take_unescaped(struct csv_reader *reader, const struct line *line, long lines)
{
    const char *at = reader->text.data;
    for (size_t i = 0; i < reader->count; i++) {
        reader->cells[i].data = at;
        at += reader->cells[i].len;
    }
    take_record(reader, line, lines);
    return CSV_ROW;
}

/* Gives libcsv a line with its line end: false when it refuses it or memory is out. */
static bool feed(struct csv_reader *reader, const struct line *line)
{
    size_t len = line->next - line->begin;
    size_t fed =
        csv_parse(&reader->parser, lines_data(&reader->lines) + line->begin, len, on_cell, on_record, reader);
    if (fed < len && csv_error(&reader->parser) != CSV_EPARSE)
        reader->no_memory = true;
    return fed == len && !reader->no_memory;
}

/* The input ends: true when the record does too. */
static bool finish(struct csv_reader *reader)
{
    csv_set_opts(&reader->parser, CSV_STRICT | CSV_STRICT_FINI);
    return csv_fini(&reader->parser, on_cell, on_record, reader) == 0 && reader->ended && !reader->no_memory;
}

/* The record cannot be read: its first line is an error record, and reading goes on behind it. */
static enum csv_status bad_record(struct csv_reader *reader, const struct line *first, size_t cell,
                                  struct err *err)
{
    reader->count = 0;
    err_at(err, reader->name, reader->line + 1, (long)cell, NULL);
    take_record(reader, first, 1);
    return CSV_BAD;
}

static enum csv_status refused(struct csv_reader *reader, const struct line *line, enum refusal why,
                               size_t cell, struct err *err)
{
    if (why == QUOTE_IN_CELL)
        err_set(err, ERR_CSV, "a quote stands inside cell %zu, which does not begin with one", cell);
    else
        err_set(err, ERR_CSV, "text follows the closing quote of cell %zu", cell);
    return bad_record(reader, line, cell, err);
}

/* Strict reading has refused this line: it is read leniently, but not past its end, because
 * lenient reading may take everything up to the end of the file for one cell. */
static enum csv_status read_leniently(struct csv_reader *reader, const struct line *line, struct err *err)
{
    enum refusal why = reader->parser.quoted ? TEXT_AFTER_QUOTE : QUOTE_IN_CELL;
    size_t refused_cell = reader->count + 1;
    if (reader->options.strict)
        return refused(reader, line, why, refused_cell, err);
    begin_record(reader, 0);
    bool whole = feed(reader, line) && (reader->ended || (line->next == line->end && finish(reader)));
    if (whole)
        return take_unescaped(reader, line, 1);
    if (reader->no_memory)
        return csv_reader_no_memory(reader, err);
    size_t open = reader->count + 1;
    if (why == TEXT_AFTER_QUOTE && open == refused_cell)
        return refused(reader, line, why, open, err);
    err_set(err, ERR_CSV, "the quote that opens cell %zu is not closed on this line", open);
    return bad_record(reader, line, open, err);
}

/* The quote is not closed where the input ends, or where the record would be too long. */
static enum csv_status never_closed(struct csv_reader *reader, const struct line *first, enum line_status status,
                                    size_t cell, struct err *err)
{
    if (status == LINE_NONE)
        err_set(err, ERR_CSV, "the quote that opens cell %zu is never closed", cell);
    else
        err_set(err, ERR_CSV, "the quote that opens cell %zu is not closed within %zu bytes, the most that a record may have",
                cell, reader->options.max_record);
    return bad_record(reader, first, cell, err);
}

/* A record with a quote in its first line: strictly, as many lines as it takes. A record that
 * strict reading follows over a line's end is in quotes there, so it would not end leniently either.
 * A quote that is never closed costs a look at up to max_record bytes behind it, and no byte is looked at
 * so more than once: a line that begins and ends in quotes has an even number of them, one that opens a
 * quote and leaves it open an odd number, so no line that was passed over in vain opens another. */
static enum csv_status read_quoted(struct csv_reader *reader, const struct line *first, struct err *err)
{
    struct line line = *first;
    long lines = 1;
    begin_record(reader, CSV_STRICT);
    bool taken = feed(reader, &line);
    size_t open = reader->count + 1;
    while (taken && !reader->ended) {
        enum line_status status = lines_find(&reader->lines, line.next, &line, err);
        if (status == LINE_NONE && finish(reader))
            break;
        if (status == LINE_FAILED)
            return no_line(reader, status, err);
        if (status != LINE_FOUND && !reader->no_memory)
            return never_closed(reader, first, status, open, err);
        taken = !reader->no_memory && feed(reader, &line);
        lines++;
    }
    if (taken && reader->ended)
        return take_unescaped(reader, &line, lines);
    if (reader->no_memory)
        return csv_reader_no_memory(reader, err);
    if (lines == 1)
        return read_leniently(reader, first, err);
    err_set(err, ERR_CSV,
            "the quote that opens cell %zu is not closed on this line, nor properly up to line %ld", open,
            reader->line + lines);
    return bad_record(reader, first, open, err);
}

enum csv_status csv_record_read(struct csv_reader *reader, struct err *err)
{
    struct line line;
    enum line_status status = lines_find(&reader->lines, 0, &line, err);
    return status == LINE_FOUND ? read_quoted(reader, &line, err) : no_line(reader, status, err);
}
