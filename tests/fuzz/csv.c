/* The CSV reader, with every option and in pieces of every size, and the writer with what it read. */
#include "core/csv.h"

#include "core/buf.h"
#include "tests/fuzz/fuzz.h"

#define MOST ((size_t)64 << 20)

/* A source that gives `step` bytes at a time; 0: as many as there is room for. */
struct text {
    const char *data;
    size_t len, at, step;
};

static long read_text(void *arg, char *into, size_t size, struct err *err)
{
    struct text *text = arg;
    size_t n = text->len - text->at;
    (void)err;
    n = n > size ? size : n;
    n = text->step && n > text->step ? text->step : n;
    memcpy(into, text->data + text->at, n);
    text->at += n;
    return (long)n;
}

static bool keep(void *arg, const char *bytes, size_t len, struct err *err)
{
    (void)err;
    return buf_add(arg, bytes, len);
}

/* The places of a record are those of its bytes in the input, behind the one before. */
static void check_places(const struct csv_row *row, const struct text *text,
                         const struct csv_options *options, uint64_t *before)
{
    uint64_t from = row->offset - options->start_offset, to = row->end - options->start_offset;
    REQUIRE(row->offset >= *before && row->end > row->offset && to <= text->len,
            "%llu-%llu behind %llu of %zu", (unsigned long long)row->offset, (unsigned long long)row->end,
            (unsigned long long)*before, text->len);
    REQUIRE(row->raw.len <= to - from, "%zu raw bytes in %llu", row->raw.len,
            (unsigned long long)(to - from));
    REQUIRE(memmem(text->data + from, to - from, row->raw.data, row->raw.len), "the raw bytes are others");
    *before = row->end;
}

static void tell(struct buf *out, const struct csv_row *row, const struct err *err)
{
    buf_addf(out, "%ld@%llu-%llu(%zu)%s", row->line, (unsigned long long)row->offset,
             (unsigned long long)row->end, row->raw.len, err->message);
    for (size_t i = 0; i < row->count; i++) {
        buf_addf(out, "[%zu:", csv_cell(row, i).len);
        buf_add(out, csv_cell(row, i).data, csv_cell(row, i).len);
    }
}

/* Everything that the reader gives goes to `told`, and every record to `writer` unless that is NULL. */
static void read_all(const char *data, size_t len, size_t step, const struct csv_options *options,
                     struct buf *told, struct csv_writer *writer)
{
    struct text text = {data, len, 0, step};
    uint64_t before = options->start_offset;
    const struct csv_row *row;
    enum csv_status status;
    struct err err;
    err_clear(&err);
    struct csv_reader *reader = csv_reader_new(read_text, &text, "t.csv", options, &err);
    REQUIRE(reader, "%s", err.message);
    while ((status = csv_reader_next(reader, &row, &err)) != CSV_END && status != CSV_FAILED) {
        REQUIRE(status != CSV_NOTHING_YET || options->pauses, "a pause without being asked");
        if (status == CSV_NOTHING_YET)
            continue;
        check_places(row, &text, options, &before);
        tell(told, row, &err);
        if (writer && status == CSV_ROW)
            REQUIRE(csv_writer_record(writer, row, &err), "%s", err.message);
        err_clear(&err);
    }
    if (status == CSV_FAILED)
        require_told(&err);
    else
        REQUIRE(csv_reader_offset(reader) == options->start_offset + len, "%llu of %zu bytes were read",
                (unsigned long long)csv_reader_offset(reader), len);
    buf_addf(told, "=%d %ld %s", status == CSV_FAILED, csv_reader_line(reader), err.message);
    REQUIRE(csv_reader_next(reader, &row, &err) == status, "what was at its end goes on");
    csv_reader_free(reader);
}

/* Cells alone, of a reader of what the writer wrote, which must be those that it was given. */
static void read_again(const struct buf *written, const struct csv_options *options)
{
    struct buf once, again;
    struct err err;
    struct csv_options plain = {.delimiter = options->delimiter,
                                .quote = options->quote,
                                .no_header = true,
                                .strict = true,
                                .keep_bom = true,
                                .start_offset = 1}; /* not at the beginning, where UTF-16 is refused */
    buf_init(&once, MOST);
    buf_init(&again, MOST);
    err_clear(&err);
    struct csv_writer *writer = csv_writer_new(keep, &again, &plain, &err);
    REQUIRE(writer, "%s", err.message);
    read_all(written->data ? written->data : "", written->len, 0, &plain, &once, writer);
    REQUIRE(csv_writer_flush(writer, &err), "%s", err.message);
    REQUIRE(again.len == written->len &&
                (again.len == 0 || memcmp(again.data, written->data, again.len) == 0),
            "what was written reads as something else:\n%s\nand\n%s", written->data, again.data);
    csv_writer_free(writer);
    buf_free(&once);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned flags = take_byte(&input), step = take_byte(&input);
    struct csv_options options = {.no_header = flags & 1,
                                  .strict = flags & 2,
                                  .pauses = flags & 4,
                                  .keep_bom = flags & 8,
                                  .delimiter = flags & 16 ? (unsigned char)take_byte(&input) : 0,
                                  .quote = flags & 32 ? (unsigned char)take_byte(&input) : 0,
                                  .max_record = flags & 64 ? take_byte(&input) : 0,
                                  .start_offset = flags & 128 ? take_byte(&input) : 0};
    struct buf whole, pieces, written;
    struct err err;
    err_clear(&err);
    if (!csv_options_check(&options, &err)) {
        require_told(&err);
        return 0;
    }
    buf_init(&whole, MOST);
    buf_init(&pieces, MOST);
    buf_init(&written, MOST);
    struct csv_writer *writer = csv_writer_new(keep, &written, &options, &err);
    REQUIRE(writer, "%s", err.message);
    char *text = copy_bytes(input.data, input.len);
    read_all(text, input.len, 0, &options, &whole, writer);
    read_all(text, input.len, step, &options, &pieces, NULL);
    REQUIRE(whole.len == pieces.len && memcmp(whole.data, pieces.data, whole.len) == 0,
            "in pieces of %u bytes it reads as something else:\n%s\nand\n%s", step, whole.data, pieces.data);
    REQUIRE(csv_writer_flush(writer, &err), "%s", err.message);
    read_again(&written, &options);
    csv_writer_free(writer);
    free(text);
    buf_free(&whole);
    buf_free(&pieces);
    buf_free(&written);
    return 0;
}
