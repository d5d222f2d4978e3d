/* csv_reading: what a CSV reader gives of a text, as one that a test can compare. */
#ifndef UPJOB_TESTS_CSV_READING_H
#define UPJOB_TESTS_CSV_READING_H

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/csv.h"

/* A source that gives `step` bytes at a time. */
struct text {
    const char *data;
    size_t len, at, step;
};

static inline long read_text(void *arg, char *into, size_t size, struct err *err)
{
    struct text *text = arg;
    size_t n = text->len - text->at;
    (void)err;
    if (n > size)
        n = size;
    if (text->step && n > text->step)
        n = text->step;
    memcpy(into, text->data + text->at, n);
    text->at += n;
    return (long)n;
}

static inline struct csv_reader *open_text(struct text *text, const struct csv_options *options)
{
    struct err err;
    err_clear(&err);
    struct csv_reader *reader = csv_reader_new(read_text, text, "t.csv", options, &err);
    assert_non_null(reader);
    return reader;
}

/* Writes bytes so that a person can read them in a failed test. */
static inline void show(struct buf *out, struct csv_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c == '\n')
            buf_adds(out, "\\n");
        else if (c == '\r')
            buf_adds(out, "\\r");
        else if (c < ' ' || c > 126)
            buf_addf(out, "\\x%02x", c);
        else
            buf_addc(out, (char)c);
    }
}

static inline void show_row(struct buf *out, const struct csv_row *row)
{
    buf_addf(out, "%ld:", row->line);
    for (size_t i = 0; i < row->count; i++) {
        buf_addc(out, '[');
        show(out, csv_cell(row, i));
        buf_addc(out, ']');
    }
    buf_addc(out, ' ');
}

/* Everything that the reader gives, as one text: "1:[a][b] 2!message 3F!message". */
static inline char *read_all(const char *data, size_t len, size_t step, struct csv_options options, bool places)
{
    struct text text = {data, len, 0, step};
    struct csv_reader *reader = open_text(&text, &options);
    struct buf out;
    buf_init(&out, (size_t)1 << 30);
    const struct csv_row *row;
    struct err err;
    err_clear(&err);
    if (!options.no_header) {
        if (!csv_reader_header(reader, &row, &err)) {
            buf_addf(&out, "header!%s", err.message);
            csv_reader_free(reader);
            return buf_take(&out);
        }
        buf_adds(&out, "h");
        show_row(&out, row);
    }
    enum csv_status status;
    while ((status = csv_reader_next(reader, &row, &err)) != CSV_END) {
        if (status == CSV_FAILED) {
            buf_addf(&out, "%ldF!%s ", err.line, err.message);
            break;
        }
        if (status == CSV_BAD)
            buf_addf(&out, "%ld!%ld!%s ", row->line, err.column, err.message);
        else
            show_row(&out, row);
        if (places) {
            buf_addf(&out, "@%llu-%llu<", (unsigned long long)row->offset, (unsigned long long)row->end);
            show(&out, row->raw);
            buf_addf(&out, ">%ld,%llu ", csv_reader_line(reader),
                     (unsigned long long)csv_reader_offset(reader));
        }
    }
    buf_addf(&out, "=%ld", csv_reader_line(reader));
    csv_reader_free(reader);
    return buf_take(&out);
}

static inline void expect_with(const char *input, size_t len, struct csv_options options, const char *expected)
{
    for (size_t step = 0; step < 4; step++) {
        char *got = read_all(input, len, step, options, false);
        assert_string_equal(got, expected);
        free(got);
    }
}

#define DATA(text) (text), sizeof(text) - 1
static const struct csv_options plain = {.no_header = true};
static const struct csv_options headed = {0};
static const struct csv_options strict = {.no_header = true, .strict = true};

#endif
