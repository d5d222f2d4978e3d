/* libcsv's writer is not used here: it looks at one byte at a time. Quoted cells are what it would write, as
 * tests/c/test_csv_writer.c holds, and csv_quote, for where speed does not matter, is still libcsv. */
#include <stdlib.h>
#include <string.h>

#include "core/csv.h"
#include "core/csv_blocks.h"
#include "core/csv_output.h"

/* The buffer is given out when it holds this much. */
#define FULL ((size_t)64 << 10)
/* Longer cells are looked at first and written in pieces of this size, so that the room behind FULL always suffices. */
#define PIECE ((size_t)4 << 10)

struct csv_writer {
    struct csv_special special;
    char delimiter, quote;
    bool begun; /* something has been written */
    size_t len;
    uint64_t given; /* out, before what the buffer has */
    struct csv_output output;
    /* A piece that is all quotes, those around it and a delimiter. */
    char buffer[FULL + 2 * PIECE + 3];
};

static struct csv_writer *make(const struct csv_options *options, struct err *err)
{
    if (!csv_options_check(options, err))
        return NULL;
    struct csv_writer *writer = malloc(sizeof *writer);
    if (!writer) {
        err_set(err, ERR_MEMORY, "no memory for a CSV writer");
        return NULL;
    }
    writer->delimiter = options->delimiter ? (char)options->delimiter : ',';
    writer->quote = options->quote ? (char)options->quote : '"';
    writer->special.delimiter = csv_block_of((unsigned char)writer->delimiter);
    writer->special.quote = csv_block_of((unsigned char)writer->quote);
    writer->begun = false;
    writer->len = 0;
    writer->given = 0;
    return writer;
}

struct csv_writer *csv_writer_new(csv_sink sink, void *arg, const struct csv_options *options, struct err *err)
{
    struct csv_writer *writer = make(options, err);
    if (writer)
        csv_output_to_sink(&writer->output, sink, arg);
    return writer;
}

struct csv_writer *csv_writer_open(const char *path, const struct csv_options *options, struct err *err)
{
    struct csv_writer *writer = make(options, err);
    if (writer && !csv_output_open(&writer->output, path, err)) {
        free(writer);
        return NULL;
    }
    return writer;
}

bool csv_writer_flush(struct csv_writer *writer, struct err *err)
{
    size_t len = writer->len;
    writer->len = 0;
    writer->given += len;
    if (len == 0)
        return csv_output_usable(&writer->output, err);
    return csv_output_write(&writer->output, writer->buffer, len, err);
}

uint64_t csv_writer_bytes(const struct csv_writer *writer)
{
    return writer->given + writer->len;
}

static bool make_room(struct csv_writer *writer, struct err *err)
{
    return writer->len < FULL || csv_writer_flush(writer, err);
}

static bool put(struct csv_writer *writer, const char *bytes, size_t len, struct err *err)
{
    while (len > 0) {
        if (!make_room(writer, err))
            return false;
        size_t n = len < PIECE ? len : PIECE;
        memcpy(writer->buffer + writer->len, bytes, n);
        writer->len += n;
        bytes += n;
        len -= n;
    }
    return true;
}

static bool put_doubled(struct csv_writer *writer, const char *bytes, size_t len, struct err *err)
{
    while (len > 0) {
        if (!make_room(writer, err))
            return false;
        size_t n = len < PIECE ? len : PIECE;
        char *end = csv_copy_doubled(writer->buffer + writer->len, bytes, n, &writer->special);
        writer->len = (size_t)(end - writer->buffer);
        bytes += n;
        len -= n;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool has_blank_end(struct csv_slice cell)
{
    return cell.len > 0 && (is_blank(cell.data[0]) || is_blank(cell.data[cell.len - 1]));
}

/* What a reader takes at the very start of a file for a byte-order mark, and not for a part of the cell. */
static bool begins_with_mark(struct csv_slice cell)
{
    return (cell.len >= 3 && memcmp(cell.data, "\xEF\xBB\xBF", 3) == 0) ||
           (cell.len >= 2 && (memcmp(cell.data, "\xFF\xFE", 2) == 0 || memcmp(cell.data, "\xFE\xFF", 2) == 0));
}

static __attribute__((noinline)) bool put_long(struct csv_writer *writer, struct csv_slice cell, bool quoted, struct err *err)
{
    if (!quoted && !has_blank_end(cell) && !csv_has_special(cell.data, cell.len, &writer->special))
        return put(writer, cell.data, cell.len, err);
    return put(writer, &writer->quote, 1, err) && put_doubled(writer, cell.data, cell.len, err) &&
           put(writer, &writer->quote, 1, err);
}

static __attribute__((noinline)) char *copy_quoted(const struct csv_writer *writer, char *at, struct csv_slice cell)
{
    *at++ = writer->quote;
    at = csv_copy_doubled(at, cell.data, cell.len, &writer->special);
    *at++ = writer->quote;
    return at;
}

/* Writes a cell and what ends it. Most cells want no quotes: they are copied without, and again where they were needed. */
static inline bool put_cell(struct csv_writer *writer, struct csv_slice cell, bool quoted, char end, struct err *err)
{
    if (!make_room(writer, err))
        return false;
    if (cell.len > PIECE)
        return put_long(writer, cell, quoted, err) && put(writer, &end, 1, err);
    char *at = writer->buffer + writer->len;
    bool special = csv_copy_plain(at, cell.data, cell.len, &writer->special);
    if (special || quoted || has_blank_end(cell))
        at = copy_quoted(writer, at, cell);
    else
        at += cell.len;
    *at++ = end;
    writer->len = (size_t)(at - writer->buffer);
    return true;
}

/* The first cell needs quotes as well where a lone empty one would make a blank line, which readers drop, and where the
 * file would begin with a byte-order mark. */
static bool first_needs_quotes(const struct csv_writer *writer, struct csv_slice cell, size_t count)
{
    return (count == 1 && cell.len == 0) || (!writer->begun && begins_with_mark(cell));
}

/* The cells are those of `row`, or `cells` where it is NULL. */
static inline __attribute__((always_inline)) bool put_cells(struct csv_writer *writer, const struct csv_row *row,
                                                            const struct csv_slice *cells, size_t count, struct err *err)
{
    if (!csv_output_usable(&writer->output, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct csv_slice cell = row ? csv_cell(row, i) : cells[i];
        bool quoted = i == 0 && first_needs_quotes(writer, cell, count);
        if (!put_cell(writer, cell, quoted, i + 1 < count ? writer->delimiter : '\n', err))
            return false;
    }
    writer->begun = true;
    return count > 0 || put(writer, "\n", 1, err);
}

bool csv_writer_row(struct csv_writer *writer, const struct csv_slice *cells, size_t count, struct err *err)
{
    return put_cells(writer, NULL, cells, count, err);
}

bool csv_writer_record(struct csv_writer *writer, const struct csv_row *row, struct err *err)
{
    return put_cells(writer, row, NULL, row->count, err);
}

bool csv_writer_raw(struct csv_writer *writer, const char *bytes, size_t len, struct err *err)
{
    writer->begun |= len > 0;
    return csv_output_usable(&writer->output, err) && put(writer, bytes, len, err);
}

bool csv_writer_close(struct csv_writer *writer, struct err *err)
{
    bool flushed = writer->output.closed || csv_writer_flush(writer, err);
    return csv_output_close(&writer->output, err) && flushed;
}

void csv_writer_free(struct csv_writer *writer)
{
    if (!writer)
        return;
    csv_output_free(&writer->output);
    free(writer);
}
