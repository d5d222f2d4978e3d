#include "core/csv.h"

#include <stdlib.h>
#include <string.h>

#include "core/csv_reader.h"

#define UTF8_BOM   "\xEF\xBB\xBF"

static unsigned char delimiter_of(const struct csv_options *options)
{
    return options->delimiter ? options->delimiter : ',';
}

static unsigned char quote_of(const struct csv_options *options)
{
    return options->quote ? options->quote : '"';
}

bool csv_options_check(const struct csv_options *options, struct err *err)
{
    unsigned char delimiter = delimiter_of(options), quote = quote_of(options);
    if (delimiter == '\n' || delimiter == '\r' || quote == '\n' || quote == '\r')
        return err_set(err, ERR_USAGE, "a line end cannot be the delimiter or the quote of a CSV file");
    if (delimiter == quote)
        return err_set(err, ERR_USAGE, "the delimiter and the quote of a CSV file must differ");
    if (options->trim && csv_is_space((char)quote))
        return err_set(err, ERR_USAGE, "a space or a tab cannot be the quote of a CSV file whose cells are trimmed");
    if (options->max_record > CSV_MAX_RECORD_MOST)
        return err_set(err, ERR_USAGE, "a record of a CSV file can have at most %zu bytes, not %zu", CSV_MAX_RECORD_MOST,
                       options->max_record);
    return true;
}

/* ---- making and freeing ---- */

struct csv_reader *csv_reader_new(csv_source source, void *arg, const char *name,
                                  const struct csv_options *options, struct err *err)
{
    if (!csv_options_check(options, err))
        return NULL;
    struct csv_reader *reader = calloc(1, sizeof *reader);
    char *copy = strdup(name);
    if (!reader || !copy) {
        free(reader);
        free(copy);
        err_set(err, ERR_MEMORY, "no memory for a CSV reader");
        return NULL;
    }
    size_t max = options->max_record ? options->max_record : CSV_MAX_RECORD_DEFAULT;
    reader->options = *options;
    reader->options.max_record = max;
    reader->options.delimiter = reader->scan.delimiter = reader->row.delimiter = delimiter_of(options);
    reader->options.quote = reader->scan.quote = reader->row.quote = quote_of(options);
    reader->row.trim = options->trim;
    reader->name = copy;
    reader->line = options->start_line > 0 ? options->start_line - 1 : 0;
    lines_init(&reader->lines, source, arg, max, options->start_offset);
    csv_record_init(reader);
    return reader;
}

bool csv_reader_waits(const struct csv_reader *reader)
{
    return reader->lines.waits;
}

void csv_reader_free(struct csv_reader *reader)
{
    if (!reader)
        return;
    csv_rows_free(reader);
    csv_record_free(reader);
    lines_free(&reader->lines);
    free(reader->header_cells);
    free(reader->header_text);
    free(reader->name);
    free(reader);
}

/* ---- the start of the input ---- */

static bool starts_with(const struct lines *lines, const char *bytes, size_t len)
{
    return lines_len(lines) >= len && memcmp(lines_data(lines), bytes, len) == 0;
}

static bool read_mark(struct csv_reader *reader, struct err *err)
{
    struct lines *lines = &reader->lines;
    if (!lines_peek(lines, 3, err))
        return false;
    if (starts_with(lines, "\xFF\xFE", 2) || starts_with(lines, "\xFE\xFF", 2))
        return err_set(err, ERR_INVALID_FILE, "the file is UTF-16: save it as UTF-8 and try again");
    reader->had_bom = starts_with(lines, UTF8_BOM, 3);
    if (reader->had_bom && !reader->options.keep_bom)
        lines_take(lines, 3);
    return true;
}

/* Once. */
static bool start(struct csv_reader *reader, struct err *err)
{
    if (reader->began) /* and the header had to be waited for */
        return true;
    if (reader->options.start_offset == 0 && !read_mark(reader, err))
        return false;
    reader->began = true;
    csv_rows_restart(reader);
    return true;
}

/* The header outlives the window and the next record, so it gets memory of its own. */
static bool keep_header(struct csv_reader *reader, struct err *err)
{
    struct csv_row *header = &reader->header;
    *header = reader->row;
    size_t len = header->raw.len;
    for (size_t i = 0; i < header->count; i++)
        len += csv_cell(&reader->row, i).len;
    char *at = reader->header_text = malloc(len + 1);
    reader->header_cells = calloc(header->count + 1, sizeof *reader->header_cells);
    if (!at || !reader->header_cells)
        return err_set(err, ERR_MEMORY, "no memory for the header");
    memcpy(at, header->raw.data, header->raw.len);
    header->raw.data = at;
    at += header->raw.len;
    for (size_t i = 0; i < header->count; i++) {
        struct csv_slice cell = csv_cell(&reader->row, i);
        if (cell.len > 0)
            memcpy(at, cell.data, cell.len);
        reader->header_cells[i] = (struct csv_slice){at, cell.len};
        at += cell.len;
    }
    header->cells = reader->header_cells;
    return true;
}

static bool read_header(struct csv_reader *reader, struct err *err)
{
    char why[sizeof err->message];
    switch (csv_rows_next(reader, err)) {
    case CSV_ROW:
        return keep_header(reader, err);
    case CSV_END:
        return err_set(err, ERR_INVALID_FILE, "the file is empty: it needs a header row");
    case CSV_BAD:
        memcpy(why, err->message, sizeof why);
        return err_set(err, ERR_CSV, "the header cannot be read: %s", why);
    default:
        return false;
    }
}

/* Reads what comes before the first row of data, once. */
static bool begin(struct csv_reader *reader, struct err *err)
{
    reader->lines.waits = false;
    if (reader->state == READER_FAILED)
        *err = reader->failure;
    if (reader->state != READER_NEW)
        return reader->state == READER_READY;
    if (!start(reader, err) || (!reader->options.no_header && !read_header(reader, err))) {
        csv_reader_fail(reader, err);
        return false;
    }
    reader->state = READER_READY;
    return true;
}

bool csv_reader_header(struct csv_reader *reader, const struct csv_row **header, struct err *err)
{
    /* A header once read is there, whatever came of reading on. */
    if (!reader->header_text && !begin(reader, err))
        return false;
    *header = &reader->header;
    return true;
}

long csv_reader_column(struct csv_reader *reader, const char *name, size_t len)
{
    struct err ignored;
    err_clear(&ignored);
    if (reader->state == READER_NEW && !begin(reader, &ignored))
        return -1;
    for (size_t i = 0; i < reader->header.count; i++) {
        struct csv_slice cell = csv_cell(&reader->header, i);
        if (cell.len == len && (len == 0 || memcmp(cell.data, name, len) == 0))
            return (long)i;
    }
    return -1;
}

enum csv_status csv_reader_next(struct csv_reader *reader, const struct csv_row **row, struct err *err)
{
    if (!begin(reader, err))
        return CSV_FAILED;
    *row = &reader->row;
    return csv_rows_next(reader, err);
}

enum csv_status csv_reader_count(struct csv_reader *reader, uint64_t bytes, uint64_t *rows, struct err *err)
{
    return begin(reader, err) ? csv_rows_count(reader, bytes, rows, err) : CSV_FAILED;
}

long csv_reader_line(const struct csv_reader *reader)
{
    return reader->line;
}

uint64_t csv_reader_offset(const struct csv_reader *reader)
{
    return lines_offset(&reader->lines);
}

bool csv_reader_had_bom(const struct csv_reader *reader)
{
    return reader->had_bom;
}

/* ---- cells ---- */

/* Every second quote of two that follow each other is left out. */
static struct csv_slice unescape(const struct csv_row *row, const char *data, size_t len, const char *quote)
{
    char *into = row->unescaped + ((size_t)(data - row->text) - row->start), *at = into;
    const char *end = data + len;
    for (; quote; quote = memchr(data, row->quote, (size_t)(end - data))) {
        size_t n = (size_t)(quote - data) + 1;
        memcpy(at, data, n);
        at += n;
        data += n + 1;
    }
    memcpy(at, data, (size_t)(end - data));
    return (struct csv_slice){into, (size_t)(at - into) + (size_t)(end - data)};
}

struct csv_slice csv_cell_meant(const struct csv_row *row, size_t from, size_t len)
{
    const char *data = row->text + from;
    if (len > 0 && (unsigned char)*data == row->quote) {
        const char *quote = memchr(data + 1, row->quote, len - 2);
        return quote ? unescape(row, data + 1, len - 2, quote) : (struct csv_slice){data + 1, len - 2};
    }
    for (; len > 0 && csv_is_space(*data); len--)
        data++;
    while (len > 0 && csv_is_space(data[len - 1]))
        len--;
    return (struct csv_slice){data, len};
}

/* ---- quoting, for the writer ---- */

size_t csv_quote(char *into, const char *bytes, size_t len, unsigned char quote)
{
    /* libcsv writes nothing at all for NULL, which an empty cell may be. */
    return csv_write2(into, len * 2 + 2, bytes ? bytes : "", len, quote);
}
