/* The records of a CSV text as the scan finds them. */
#include <stdlib.h>
#include <string.h>

#include "core/csv_reader.h"

/* Blank lines that are passed over without a pause: about 10 ms of them, when each is one. */
#define PAUSE_BYTES ((uint64_t)1 << 20)

void csv_rows_restart(struct csv_reader *reader)
{
    struct csv_scan *scan = &reader->scan;
    csv_scan_restart(scan);
    scan->end_count = scan->record_count = scan->inner_count = 0;
    reader->next_end = reader->next_record = reader->next_inner = 0;
    reader->scanned = reader->lines.start;
    reader->suspect = false;
}

void csv_rows_free(struct csv_reader *reader)
{
    free(reader->scan.ends);
    free(reader->scan.records);
    free(reader->scan.inner);
    free(reader->unescaped);
}

/* ---- scanning on ---- */

static bool reserve(uint32_t **list, size_t *room, size_t wanted)
{
    if (wanted <= *room)
        return true;
    size_t size = wanted > *room * 2 ? wanted : *room * 2;
    uint32_t *grown = realloc(*list, size * sizeof *grown);
    if (!grown)
        return false;
    *list = grown;
    *room = size;
    return true;
}

/* Room for what `bytes` more of text can have. */
static bool reserve_lists(struct csv_reader *reader, size_t bytes)
{
    struct csv_scan *scan = &reader->scan;
    size_t more = bytes + CSV_SCAN_SPARE;
    return reserve(&scan->ends, &reader->ends_room, scan->end_count + more) &&
           reserve(&scan->records, &reader->records_room, scan->record_count + more) &&
           reserve(&scan->inner, &reader->inner_room, scan->inner_count + more);
}

/* Scans what the window has, or some of it. */
static bool scan_on(struct csv_reader *reader)
{
    size_t to = reader->lines.len;
    if (to - reader->scanned > CSV_SCAN_MOST)
        to = reader->scanned + CSV_SCAN_MOST;
    if (!reserve_lists(reader, to - reader->scanned))
        return false;
    reader->scanned = csv_scan_index(&reader->scan, reader->lines.data, reader->scanned, to);
    reader->suspect = reader->scanned < to;
    return true;
}

/* The list without its first `used` entries, each less by `by`. */
static size_t shorten(uint32_t *list, size_t count, size_t used, size_t by)
{
    for (size_t i = used; i < count; i++)
        list[i - used] = list[i] - (uint32_t)by;
    return count - used;
}

/* Reads on. The lists lose what is used up, and stay right when the window moves. */
static bool read_on(struct csv_reader *reader, struct err *err)
{
    struct csv_scan *scan = &reader->scan;
    uint64_t base = reader->lines.base;
    bool read = lines_fill(&reader->lines, err);
    size_t by = (size_t)(reader->lines.base - base);
    if (by > 0 || reader->next_end > 0) {
        scan->end_count = shorten(scan->ends, scan->end_count, reader->next_end, by);
        scan->record_count = shorten(scan->records, scan->record_count, reader->next_record, reader->next_end);
        scan->inner_count = shorten(scan->inner, scan->inner_count, reader->next_inner, by);
        reader->next_end = reader->next_record = reader->next_inner = 0;
        reader->scanned -= by;
    }
    return read;
}

/* ---- a record ---- */

static enum csv_status leave_to_libcsv(struct csv_reader *reader, struct err *err)
{
    reader->scan.record_count = reader->next_record;
    reader->suspect = true; /* when the rest of the record has to be waited for, it is read again then */
    enum csv_status status = csv_record_read(reader, err);
    if (!reader->lines.waits)
        csv_rows_restart(reader);
    return status;
}

/* Where the line behind a record begins whose text ends at index `end`, and how many line ends of the list stand between: false
 * when the byte behind a CR is not known yet. */
static bool find_next(const struct csv_reader *reader, size_t end, size_t *next, size_t *used)
{
    const struct lines *lines = &reader->lines;
    *used = 1;
    *next = end + (end < lines->len);
    if (end == lines->len || lines->data[end] != '\r')
        return true;
    if (*next == lines->len)
        return lines->at_end;
    if (lines->data[*next] != '\n')
        return true;
    ++*next;
    ++*used;
    return *next <= reader->scanned;
}

static bool is_blank(const struct csv_reader *reader, size_t from, size_t to)
{
    if (!reader->options.trim)
        return from == to;
    while (from < to && csv_is_space(reader->lines.data[from]) && reader->lines.data[from] != (char)reader->options.delimiter)
        from++;
    return from == to;
}

/* Cells whose quotes are doubled need room, at most the record's. */
static bool reserve_unescaped(struct csv_reader *reader, size_t len)
{
    if (len <= reader->unescaped_room)
        return true;
    size_t size = len > reader->unescaped_room * 2 ? len : reader->unescaped_room * 2;
    free(reader->unescaped);
    reader->unescaped = malloc(size);
    reader->unescaped_room = reader->unescaped ? size : 0;
    return reader->unescaped != NULL;
}

static void describe(struct csv_reader *reader, size_t end, size_t next)
{
    const struct lines *lines = &reader->lines;
    struct csv_row *row = &reader->row;
    row->cells = NULL;
    row->text = lines->data;
    row->ends = reader->scan.ends + reader->next_end;
    row->start = lines->start;
    row->unescaped = reader->unescaped;
    row->count = reader->scan.records[reader->next_record] - reader->next_end + 1;
    row->line = reader->line + 1;
    row->offset = lines->base + lines->start;
    row->end = lines->base + next;
    row->raw = (struct csv_slice){lines->data + lines->start, end - lines->start};
}

/* Goes behind the record, or the blank line, that ends at index `end`. */
static void pass(struct csv_reader *reader, size_t end, size_t next, size_t used)
{
    const struct csv_scan *scan = &reader->scan;
    reader->line++;
    for (; reader->next_inner < scan->inner_count && scan->inner[reader->next_inner] < end; reader->next_inner++)
        reader->line++;
    reader->next_end = scan->records[reader->next_record] + used;
    reader->next_record += used;
    lines_take(&reader->lines, next - reader->lines.start);
}

/* The input ends behind a record without a line end. */
static bool end_last(struct csv_reader *reader)
{
    struct csv_scan *scan = &reader->scan;
    if (!reserve_lists(reader, 1))
        return false;
    scan->records[scan->record_count++] = (uint32_t)scan->end_count;
    scan->ends[scan->end_count++] = (uint32_t)reader->lines.len;
    return true;
}

/* No whole record is listed: CSV_ROW when there is more to look at now. */
static enum csv_status look_further(struct csv_reader *reader, bool listed, struct err *err)
{
    struct lines *lines = &reader->lines;
    if (reader->suspect && !listed)
        return leave_to_libcsv(reader, err);
    if (reader->scanned < lines->len)
        return scan_on(reader) ? CSV_NOTHING_YET : csv_reader_no_memory(reader, err);
    if (lines->at_end) {
        if (lines->start == lines->len)
            return CSV_END;
        if (reader->scan.state.inside)
            return leave_to_libcsv(reader, err);
        return end_last(reader) ? CSV_NOTHING_YET : csv_reader_no_memory(reader, err);
    }
    /* Two more than the record may have: its line end. */
    if (!listed && lines->len - lines->start > reader->options.max_record + 2)
        return leave_to_libcsv(reader, err);
    return read_on(reader, err) ? CSV_NOTHING_YET : csv_reader_fail(reader, err);
}

/* What a count has left: of a CR LF that it came to the CR of, the LF. */
static bool skip_lf(struct csv_reader *reader, struct err *err)
{
    struct lines *lines = &reader->lines;
    while (reader->after_cr && lines->start == lines->len && !lines->at_end)
        if (!read_on(reader, err))
            return false;
    if (reader->after_cr && lines->start < lines->len && lines->data[lines->start] == '\n')
        lines_take(lines, 1);
    if (reader->after_cr)
        csv_rows_restart(reader);
    reader->after_cr = false;
    return true;
}

enum csv_status csv_rows_next(struct csv_reader *reader, struct err *err)
{
    struct lines *lines = &reader->lines;
    uint64_t began = lines_offset(lines);
    if (reader->after_cr && !skip_lf(reader, err))
        return csv_reader_fail(reader, err);
    for (;;) {
        size_t end, next, used;
        bool listed = reader->next_record < reader->scan.record_count;
        if (listed)
            end = reader->scan.ends[reader->scan.records[reader->next_record]];
        if (!listed || !find_next(reader, end, &next, &used)) {
            enum csv_status status = look_further(reader, listed, err);
            if (status != CSV_NOTHING_YET)
                return status;
            continue;
        }
        size_t len = end - lines->start;
        if (len > reader->options.max_record)
            return leave_to_libcsv(reader, err);
        bool blank = is_blank(reader, lines->start, end);
        if (!blank && !reserve_unescaped(reader, len))
            return csv_reader_no_memory(reader, err);
        if (!blank)
            describe(reader, end, next);
        pass(reader, end, next, used);
        if (!blank)
            return CSV_ROW;
        if (reader->state == READER_READY && reader->options.pauses && lines_offset(lines) - began >= PAUSE_BYTES)
            return CSV_NOTHING_YET;
    }
}

/* ---- counting ---- */

/* One record, whatever it is. */
static enum csv_status count_one(struct csv_reader *reader, uint64_t *rows, struct err *err)
{
    csv_rows_restart(reader);
    enum csv_status status = csv_rows_next(reader, err);
    *rows += status == CSV_ROW;
    return status;
}

/* Counts what stands in the window up to index `to`: false when the record that comes is not for the scan. */
static bool count_window(struct csv_reader *reader, size_t to, struct csv_scan_count *seen, uint64_t *rows)
{
    struct lines *lines = &reader->lines;
    seen->records = 0;
    seen->next = lines->start;
    seen->next_lines = 0;
    reader->scanned = csv_scan_count(&reader->scan, lines->data, reader->scanned, to, seen);
    *rows += seen->records;
    reader->line += seen->next_lines;
    seen->lines -= seen->next_lines;
    lines_take(lines, seen->next - lines->start);
    reader->after_cr = lines->start == to && lines->start > 0 && lines->data[lines->start - 1] == '\r';
    return reader->scanned == to;
}

/* Some of the input: CSV_ROW when it is to go on. */
static enum csv_status count_some(struct csv_reader *reader, struct csv_scan_count *seen, uint64_t *rows, struct err *err)
{
    struct lines *lines = &reader->lines;
    size_t to = lines->len - reader->scanned > CSV_SCAN_MOST ? reader->scanned + CSV_SCAN_MOST : lines->len;
    /* A record that may be too long, and the last one without a line end, are looked at by themselves. */
    bool whole = reader->scanned < to && to - lines->start <= reader->options.max_record;
    if (whole && count_window(reader, to, seen, rows))
        return CSV_ROW;
    if (reader->scanned == lines->len && !lines->at_end) {
        uint64_t base = lines->base;
        bool read = lines_fill(lines, err);
        reader->scanned -= (size_t)(lines->base - base);
        return read ? CSV_ROW : csv_reader_fail(reader, err);
    }
    enum csv_status status = count_one(reader, rows, err);
    *seen = (struct csv_scan_count){0};
    csv_rows_restart(reader);
    return status;
}

enum csv_status csv_rows_count(struct csv_reader *reader, uint64_t bytes, uint64_t *rows, struct err *err)
{
    struct lines *lines = &reader->lines;
    struct csv_scan_count seen = {0};
    uint64_t until = lines_offset(lines) + bytes;
    enum csv_status status = CSV_ROW;
    if (reader->after_cr && !skip_lf(reader, err))
        return csv_reader_fail(reader, err);
    /* Lines of blanks are none, and short records are looked at one by one. */
    bool plain = !reader->options.trim && reader->options.max_record >= CSV_SCAN_MOST;
    if (plain)
        csv_rows_restart(reader);
    while (status == CSV_ROW && (lines_offset(lines) < until || reader->after_cr)) {
        if (plain) {
            status = count_some(reader, &seen, rows, err);
        } else {
            status = csv_rows_next(reader, err);
            *rows += status == CSV_ROW;
        }
    }
    if (plain)
        csv_rows_restart(reader);
    return status == CSV_ROW ? CSV_NOTHING_YET : status;
}
