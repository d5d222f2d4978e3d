#include "core/csv.h"

#include <csv.h> /* libcsv */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/lines.h"

/* libcsv grows its cell by this much: its default of 128 bytes is slow on long cells. */
#define CELL_BLOCK ((size_t)64 << 10)
#define UTF8_BOM   "\xEF\xBB\xBF"

enum reader_state { READER_NEW, READER_READY, READER_FAILED };

struct csv_reader {
    struct lines lines;
    struct csv_parser parser;
    struct csv_options options;
    enum reader_state state;
    struct err failure; /* why READER_FAILED */
    char *name;
    int fd;    /* -1 when there is none to close */
    long line; /* of the last byte taken */
    bool had_bom;
    struct csv_row row;
    struct csv_slice *cells; /* of the record; only `len` counts while libcsv gives them */
    size_t count, room;
    struct buf text; /* the cells that libcsv has unescaped, end to end */
    bool ended;      /* libcsv has given the end of the record */
    bool no_memory;
    struct csv_row header;
    struct csv_slice *header_cells;
    char *header_text;
};

/* What strict reading refused. */
enum refusal { QUOTE_IN_CELL, TEXT_AFTER_QUOTE };

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
    return true;
}

/* Cells keep every byte: nothing is space to libcsv, so nothing is trimmed. */
static int never_space(unsigned char c)
{
    (void)c;
    return 0;
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
    if (max > SIZE_MAX / 8)
        max = SIZE_MAX / 8;
    reader->options = *options;
    reader->options.delimiter = delimiter_of(options);
    reader->options.max_record = max;
    reader->name = copy;
    reader->fd = -1;
    reader->line = options->start_line > 0 ? options->start_line - 1 : 0;
    lines_init(&reader->lines, source, arg, max, quote_of(options), options->start_offset);
    buf_init(&reader->text, max);
    csv_init(&reader->parser, 0);
    csv_set_blk_size(&reader->parser, CELL_BLOCK);
    csv_set_delim(&reader->parser, reader->options.delimiter);
    csv_set_quote(&reader->parser, quote_of(options));
    csv_set_space_func(&reader->parser, never_space);
    return reader;
}

static long read_file(void *arg, char *into, size_t size, struct err *err)
{
    struct csv_reader *reader = arg;
    ssize_t n;
    while ((n = read(reader->fd, into, size)) < 0) {
        /* Standard input may have been made not to block by who shares it. */
        struct pollfd ready = {.fd = reader->fd, .events = POLLIN};
        if (errno == EAGAIN)
            poll(&ready, 1, -1);
        else if (errno != EINTR)
            break;
    }
    if (n < 0)
        err_errno(err, ERR_FILE, errno, "cannot be read");
    return (long)n;
}

/* An open descriptor of the input, at its start offset. */
static int open_input(const char *path, const struct csv_options *options, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0) {
        err_errno(err, ERR_FILE, errno, "cannot be opened");
        return -1;
    }
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        err_set(err, ERR_FILE, "is a directory, not a CSV file");
        close(fd);
        return -1;
    }
    if (options->start_offset > 0 && lseek(fd, (off_t)options->start_offset, SEEK_SET) < 0) {
        err_errno(err, ERR_FILE, errno, "cannot be read from the middle");
        close(fd);
        return -1;
    }
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint: a pipe refuses it */
    return fd;
}

struct csv_reader *csv_reader_open(const char *path, const struct csv_options *options, struct err *err)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    struct csv_reader *reader = csv_reader_new(read_file, NULL, name, options, err);
    if (!reader)
        return NULL;
    reader->lines.arg = reader;
    reader->fd = open_input(path, options, err);
    if (reader->fd < 0) {
        err_at(err, name, 0, 0, NULL);
        csv_reader_free(reader);
        return NULL;
    }
    return reader;
}

void csv_reader_free(struct csv_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    csv_free(&reader->parser);
    lines_free(&reader->lines);
    buf_free(&reader->text);
    free(reader->cells);
    free(reader->header_cells);
    free(reader->header_text);
    free(reader->name);
    free(reader);
}

/* ---- one record ---- */

/* Ends the reader: every later call gives the same error. */
static enum csv_status fail(struct csv_reader *reader, struct err *err)
{
    if (!err->file[0])
        err_at(err, reader->name, err->line, err->column, NULL);
    reader->failure = *err;
    reader->state = READER_FAILED;
    return CSV_FAILED;
}

static enum csv_status out_of_memory(struct csv_reader *reader, struct err *err)
{
    err_set(err, ERR_MEMORY, "no memory for the record on line %ld", reader->line + 1);
    err_at(err, reader->name, reader->line + 1, 0, NULL);
    return fail(reader, err);
}

static enum csv_status too_long(struct csv_reader *reader, struct err *err)
{
    err_set(err, ERR_CSV,
            "line %ld is longer than %zu bytes, the most that a record may have: a line end or a quote may be missing",
            reader->line + 1, reader->options.max_record);
    err_at(err, reader->name, reader->line + 1, 0, NULL);
    return fail(reader, err);
}

static enum csv_status no_line(struct csv_reader *reader, enum line_status status, struct err *err)
{
    if (status == LINE_NONE)
        return CSV_END;
    return status == LINE_TOO_LONG ? too_long(reader, err) : fail(reader, err);
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

/* Most lines have no quote: libcsv would give what stands between the delimiters. */
static enum csv_status split_line(struct csv_reader *reader, const struct line *line, struct err *err)
{
    const char *at = lines_data(&reader->lines);
    const char *end = at + line->end;
    const char *delimiter;
    reader->count = 0;
    while ((delimiter = memchr(at, reader->options.delimiter, (size_t)(end - at)))) {
        if (!add_cell(reader, at, (size_t)(delimiter - at)))
            return out_of_memory(reader, err);
        at = delimiter + 1;
    }
    if (!add_cell(reader, at, (size_t)(end - at)))
        return out_of_memory(reader, err);
    take_record(reader, line, 1);
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
        return out_of_memory(reader, err);
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
        return out_of_memory(reader, err);
    if (lines == 1)
        return read_leniently(reader, first, err);
    err_set(err, ERR_CSV,
            "the quote that opens cell %zu is not closed on this line, nor properly up to line %ld", open,
            reader->line + lines);
    return bad_record(reader, first, open, err);
}

static enum csv_status read_record(struct csv_reader *reader, struct err *err)
{
    struct line line;
    enum line_status status;
    while ((status = lines_find(&reader->lines, 0, &line, err)) == LINE_FOUND && line.end == 0) {
        lines_take(&reader->lines, line.next);
        reader->line++;
    }
    if (status != LINE_FOUND)
        return no_line(reader, status, err);
    if (!line.has_quote)
        return split_line(reader, &line, err);
    return read_quoted(reader, &line, err);
}

/* ---- the start of the input ---- */

static bool starts_with(const struct lines *lines, const char *bytes, size_t len)
{
    return lines_len(lines) >= len && memcmp(lines_data(lines), bytes, len) == 0;
}

static bool read_bom(struct csv_reader *reader, struct err *err)
{
    struct lines *lines = &reader->lines;
    if (reader->options.start_offset > 0)
        return true;
    if (!lines_peek(lines, 3, err))
        return false;
    if (starts_with(lines, "\xFF\xFE", 2) || starts_with(lines, "\xFE\xFF", 2))
        return err_set(err, ERR_INVALID_FILE, "the file is UTF-16: save it as UTF-8 and try again");
    reader->had_bom = starts_with(lines, UTF8_BOM, 3);
    if (reader->had_bom && !reader->options.keep_bom)
        lines_take(lines, 3);
    return true;
}

/* The header outlives the window and the next record, so it gets memory of its own. */
static bool keep_header(struct csv_reader *reader, struct err *err)
{
    struct csv_row *header = &reader->header;
    *header = reader->row;
    size_t len = header->raw.len;
    for (size_t i = 0; i < header->count; i++)
        len += header->cells[i].len;
    char *at = reader->header_text = malloc(len + 1);
    reader->header_cells = calloc(header->count + 1, sizeof *reader->header_cells);
    if (!at || !reader->header_cells)
        return err_set(err, ERR_MEMORY, "no memory for the header");
    memcpy(at, header->raw.data, header->raw.len);
    header->raw.data = at;
    at += header->raw.len;
    for (size_t i = 0; i < header->count; i++) {
        size_t n = header->cells[i].len;
        if (n > 0)
            memcpy(at, header->cells[i].data, n);
        reader->header_cells[i] = (struct csv_slice){at, n};
        at += n;
    }
    header->cells = reader->header_cells;
    return true;
}

static bool read_header(struct csv_reader *reader, struct err *err)
{
    char why[sizeof err->message];
    switch (read_record(reader, err)) {
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
    if (reader->state == READER_FAILED)
        *err = reader->failure;
    if (reader->state != READER_NEW)
        return reader->state == READER_READY;
    if (!read_bom(reader, err) || (!reader->options.no_header && !read_header(reader, err))) {
        fail(reader, err);
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
        const struct csv_slice *cell = &reader->header.cells[i];
        if (cell->len == len && (len == 0 || memcmp(cell->data, name, len) == 0))
            return (long)i;
    }
    return -1;
}

enum csv_status csv_reader_next(struct csv_reader *reader, const struct csv_row **row, struct err *err)
{
    if (!begin(reader, err))
        return CSV_FAILED;
    *row = &reader->row;
    return read_record(reader, err);
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

/* ---- quoting, for the writer ---- */

size_t csv_quote(char *into, const char *bytes, size_t len, unsigned char quote)
{
    /* libcsv writes nothing at all for NULL, which an empty cell may be. */
    return csv_write2(into, len * 2 + 2, bytes ? bytes : "", len, quote);
}
