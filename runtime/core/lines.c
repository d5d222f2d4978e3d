#include "core/lines.h"

#include <stdlib.h>
#include <string.h>

/* One read: small enough to keep a slice short, large enough that calls do not count. Tests may have it
 * smaller, so that a short input has many. */
#ifndef READ_SIZE
#define READ_SIZE ((size_t)128 << 10)
#endif

void lines_init(struct lines *lines, csv_source source, void *arg, size_t max, uint64_t base)
{
    memset(lines, 0, sizeof *lines);
    lines->source = source;
    lines->arg = arg;
    lines->max = max;
    lines->base = base;
}

void lines_free(struct lines *lines)
{
    free(lines->data);
    lines->data = NULL;
    lines->len = lines->size = lines->start = 0;
}

const char *lines_data(const struct lines *lines)
{
    return lines->data + lines->start;
}

size_t lines_len(const struct lines *lines)
{
    return lines->len - lines->start;
}

uint64_t lines_offset(const struct lines *lines)
{
    return lines->base + lines->start;
}

void lines_take(struct lines *lines, size_t n)
{
    lines->start += n;
}

static void move_mark(struct mark *mark, size_t by)
{
    mark->from = mark->from > by ? mark->from - by : 0;
    mark->at = mark->at > by ? mark->at - by : 0;
}

/* Drops what is before the record. */
static void slide(struct lines *lines)
{
    size_t by = lines->start;
    memmove(lines->data, lines->data + by, lines->len - by);
    lines->len -= by;
    lines->base += by;
    lines->start = 0;
    move_mark(&lines->lf, by);
    move_mark(&lines->cr, by);
}

/* Makes room for at least one byte. Sliding only when half of the window is free keeps the
 * bytes moved in proportion to the bytes read, whatever the record lengths. */
static bool make_room(struct lines *lines, struct err *err)
{
    if (lines->len < lines->size)
        return true;
    if (lines->start > 0 && lines->start >= lines->len - lines->start) {
        slide(lines);
        return true;
    }
    size_t size = lines->size ? lines->size * 2 : READ_SIZE * 2;
    char *grown = realloc(lines->data, size);
    if (!grown)
        return err_set(err, ERR_MEMORY, "no memory for a record of %zu bytes", size / 2);
    lines->data = grown;
    lines->size = size;
    return true;
}

bool lines_fill(struct lines *lines, struct err *err)
{
    err_clear(err); /* what an earlier record left in it is not about this failure */
    if (!make_room(lines, err))
        return false;
    size_t room = lines->size - lines->len;
    long n = lines->source(lines->arg, lines->data + lines->len, room < READ_SIZE ? room : READ_SIZE, err);
    lines->waits = n == CSV_SOURCE_WAITS;
    if (n < 0)
        return false;
    lines->at_end = n == 0;
    lines->len += (size_t)n;
    return true;
}

bool lines_peek(struct lines *lines, size_t n, struct err *err)
{
    while (lines_len(lines) < n && !lines->at_end)
        if (!lines_fill(lines, err))
            return false;
    return true;
}

/* Index of `byte` in data[from] to data[to - 1]; `to` when there is none. */
static size_t find_byte(const struct lines *lines, size_t from, size_t to, int byte)
{
    const char *at = from < to ? memchr(lines->data + from, byte, to - from) : NULL;
    return at ? (size_t)(at - lines->data) : to;
}

/* Index of the next `byte` at or after `from`; the window's length when there is none. */
static size_t next_byte(const struct lines *lines, struct mark *mark, size_t from, int byte)
{
    if (from > mark->at)
        *mark = (struct mark){from, from};
    if (from < mark->from) {
        /* Going back, after a record was refused. */
        size_t at = find_byte(lines, from, mark->from, byte);
        if (at < mark->from)
            mark->at = at;
        mark->from = from;
    }
    if (mark->at < lines->len && (unsigned char)lines->data[mark->at] != byte)
        mark->at = find_byte(lines, mark->at, lines->len, byte);
    return mark->at;
}

/* Length of the line end at index `end`; 0 when more input is needed to tell. */
static size_t line_end_length(const struct lines *lines, size_t end)
{
    if (lines->data[end] == '\n')
        return 1;
    if (end + 1 < lines->len)
        return lines->data[end + 1] == '\n' ? 2 : 1;
    return lines->at_end ? 1 : 0;
}

/* True when the line at index `from` is known whole: *end and *next are indexes. */
static bool find_in_window(struct lines *lines, size_t from, size_t *end, size_t *next)
{
    size_t lf = next_byte(lines, &lines->lf, from, '\n');
    size_t cr = next_byte(lines, &lines->cr, from, '\r');
    *end = lf < cr ? lf : cr;
    if (*end == lines->len) {
        *next = *end;
        return lines->at_end;
    }
    size_t length = line_end_length(lines, *end);
    *next = *end + length;
    return length > 0;
}

enum line_status lines_find(struct lines *lines, size_t from, struct line *line, struct err *err)
{
    size_t end, next;
    while (!find_in_window(lines, lines->start + from, &end, &next)) {
        /* Two more than the record may have: its line end. */
        if (lines_len(lines) > lines->max + 2)
            return LINE_TOO_LONG;
        if (!lines_fill(lines, err))
            return LINE_FAILED;
    }
    if (next == lines->start + from)
        return LINE_NONE;
    line->begin = from;
    line->end = end - lines->start;
    line->next = next - lines->start;
    if (line->end > lines->max)
        return LINE_TOO_LONG;
    return LINE_FOUND;
}
