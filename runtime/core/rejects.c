#include "core/rejects.h"

#include <stdlib.h>
#include <string.h>

#include "core/newfile.h"

struct rejects {
    struct csv_options csv;
    char *path;
    struct newfile *file; /* NULL: no row was rejected yet */
    struct csv_writer *writer;
};

struct rejects *rejects_new(const char *path, const struct csv_options *csv, struct err *err)
{
    struct rejects *rejects = calloc(1, sizeof *rejects);
    char *copy = strdup(path);
    if (!rejects || !copy) {
        free(rejects);
        free(copy);
        err_set(err, ERR_MEMORY, "no memory for rejected rows");
        return NULL;
    }
    rejects->path = copy;
    rejects->csv = *csv;
    return rejects;
}

void rejects_free(struct rejects *rejects)
{
    if (!rejects)
        return;
    csv_writer_free(rejects->writer);
    newfile_free(rejects->file);
    free(rejects->path);
    free(rejects);
}

static char delimiter_of(const struct rejects *rejects)
{
    return rejects->csv.delimiter ? (char)rejects->csv.delimiter : ',';
}

/* True when the input is itself a rejects file: its last column is the reason, which gives way to the new
 * one. */
static bool has_reason(const struct csv_row *header)
{
    struct csv_slice last = {"", 0};
    if (header->count > 0)
        last = csv_cell(header, header->count - 1);
    return last.len == sizeof REJECTS_REASON_COLUMN - 1 &&
           memcmp(last.data, REJECTS_REASON_COLUMN, last.len) == 0;
}

static bool write_header(struct rejects *rejects, const struct csv_row *header, struct err *err)
{
    const char end[] = {delimiter_of(rejects), '\0'};
    return csv_writer_raw(rejects->writer, header->raw.data, header->raw.len, err) &&
           (has_reason(header) || (csv_writer_raw(rejects->writer, end, 1, err) &&
                                   csv_writer_raw(rejects->writer, REJECTS_REASON_COLUMN,
                                                  sizeof REJECTS_REASON_COLUMN - 1, err))) &&
           csv_writer_raw(rejects->writer, "\n", 1, err);
}

static bool open_rejects(struct rejects *rejects, const struct csv_row *header, struct err *err)
{
    rejects->file = newfile_open(rejects->path, "the rejected rows", err);
    if (!rejects->file)
        return false;
    rejects->writer = csv_writer_new(newfile_write, rejects->file, &rejects->csv, err);
    return rejects->writer && write_header(rejects, header, err);
}

/* The row as it stood, cells for those that it lacks, and the reason in quotes, so that a quote left open
 * before it at least ends on its own line. */
static bool write_row(struct rejects *rejects, struct csv_slice raw, size_t lacking, const char *reason,
                      struct err *err)
{
    size_t len = strlen(reason), n = lacking + 1;
    char *cell = malloc(n + len * 2 + 3);
    if (!cell)
        return err_set(err, ERR_MEMORY, "no memory for rejected rows");
    memset(cell, delimiter_of(rejects), n);
    n += csv_quote(cell + n, reason, len, rejects->csv.quote ? rejects->csv.quote : '"');
    cell[n++] = '\n';
    bool done = csv_writer_raw(rejects->writer, raw.data, raw.len, err) &&
                csv_writer_raw(rejects->writer, cell, n, err);
    free(cell);
    return done;
}

/* The row of a rejects file: the new reason in the place of the old. */
static bool write_again(struct rejects *rejects, const struct csv_row *row, const char *reason,
                        struct err *err)
{
    struct csv_slice *cells = calloc(row->count, sizeof *cells);
    if (!cells)
        return err_set(err, ERR_MEMORY, "no memory for rejected rows");
    for (size_t i = 0; i + 1 < row->count; i++)
        cells[i] = csv_cell(row, i);
    cells[row->count - 1] = (struct csv_slice){reason, strlen(reason)};
    bool done = csv_writer_row(rejects->writer, cells, row->count, err);
    free(cells);
    return done;
}

static bool write_reject_row(struct rejects *rejects, const struct csv_row *header, const struct csv_row *row,
                             const char *reason, struct err *err)
{
    size_t data = header->count - has_reason(header);
    if (row->count > 0 && row->count == header->count && data < header->count)
        return write_again(rejects, row, reason, err);
    /* A row that could not be read has no cells to be counted. */
    size_t lacking = row->count > 0 && row->count < data ? data - row->count : 0;
    return write_row(rejects, row->raw, lacking, reason, err);
}

bool rejects_add(struct rejects *rejects, const struct csv_row *header, const struct csv_row *row,
                 const char *reason, struct err *err)
{
    return (rejects->writer || open_rejects(rejects, header, err)) &&
           write_reject_row(rejects, header, row, reason, err);
}

bool rejects_finish(struct rejects *rejects, bool *written, struct err *err)
{
    *written = rejects->writer;
    return !rejects->writer || (csv_writer_close(rejects->writer, err) && newfile_finish(rejects->file, true, err));
}
