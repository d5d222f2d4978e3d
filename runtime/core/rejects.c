#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE, mkostemp */
#endif

#include "core/rejects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/check.h"

#define COPY_BUFFER ((size_t)256 << 10)
#define COPY_STEP   ((uint64_t)1 << 20)

struct rejects {
    int input;
    struct csv_options csv;
    char *path;
    char *temporary;           /* path.XXXXXX; NULL when there is none */
    int fd;                    /* of it */
    struct csv_writer *writer; /* to it */
    int outgoing;
    uint64_t outgoing_bytes;
    struct digest *digest; /* of the outgoing file */
    char md5[DIGEST_TEXT];
    uint64_t settled; /* the input up to here has been copied or rejected */
    uint64_t until;   /* what is to be copied ends here, */
    uint64_t skip_to; /* and goes on here */
    size_t len;
    char *buffer;
};

struct rejects *rejects_new(int input, const char *path, const struct csv_options *csv, struct err *err)
{
    struct rejects *rejects = calloc(1, sizeof *rejects);
    char *copy = path ? strdup(path) : NULL;
    if (!rejects || (path && !copy)) {
        free(rejects);
        free(copy);
        err_set(err, ERR_MEMORY, "no memory for rejected rows");
        return NULL;
    }
    rejects->input = input;
    rejects->path = copy;
    rejects->csv = *csv;
    rejects->fd = rejects->outgoing = -1;
    return rejects;
}

void rejects_free(struct rejects *rejects)
{
    if (!rejects)
        return;
    csv_writer_free(rejects->writer);
    if (rejects->fd >= 0)
        close(rejects->fd);
    if (rejects->temporary)
        unlink(rejects->temporary);
    if (rejects->outgoing >= 0)
        close(rejects->outgoing);
    digest_free(rejects->digest);
    free(rejects->temporary);
    free(rejects->path);
    free(rejects->buffer);
    free(rejects);
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR)
            return false;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_reject(void *arg, const char *bytes, size_t len, struct err *err)
{
    struct rejects *rejects = arg;
    if (write_all(rejects->fd, bytes, len))
        return true;
    err_errno(err, ERR_SYSTEM, errno, "the rejected rows cannot be written");
    return err_at(err, rejects->path, 0, 0, NULL);
}

static const char *temporary_directory(void)
{
    const char *dir = getenv("TMPDIR");
    return dir && *dir ? dir : "/tmp";
}

/* A file that nobody else can open and that is gone when it is closed: it holds personal data. */
static int open_nameless(struct err *err)
{
    const char *dir = temporary_directory();
    char path[4096];
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && snprintf(path, sizeof path, "%s/upjob-XXXXXX", dir) < (int)sizeof path) {
        /* Not every file system has nameless files. */
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0)
            unlink(path);
    }
    if (fd < 0) {
        err_errno(err, ERR_SYSTEM, errno, "a temporary file for the good rows cannot be made (TMPDIR says where)");
        err_at(err, dir, 0, 0, NULL);
    }
    return fd;
}

static char delimiter_of(const struct rejects *rejects)
{
    return rejects->csv.delimiter ? (char)rejects->csv.delimiter : ',';
}

/* True when the input is itself a rejects file: its last column is the reason, which gives way to the new one. */
static bool has_reason(const struct csv_row *header)
{
    struct csv_slice last = {"", 0};
    if (header->count > 0)
        last = csv_cell(header, header->count - 1);
    return last.len == sizeof CHECK_REASON_COLUMN - 1 && memcmp(last.data, CHECK_REASON_COLUMN, last.len) == 0;
}

static bool write_header(struct rejects *rejects, const struct csv_row *header, struct err *err)
{
    const char end[] = {delimiter_of(rejects), '\0'};
    return csv_writer_raw(rejects->writer, header->raw.data, header->raw.len, err) &&
           (has_reason(header) || (csv_writer_raw(rejects->writer, end, 1, err) &&
                                   csv_writer_raw(rejects->writer, CHECK_REASON_COLUMN, sizeof CHECK_REASON_COLUMN - 1, err))) &&
           csv_writer_raw(rejects->writer, "\n", 1, err);
}

static bool open_rejects(struct rejects *rejects, const struct csv_row *header, struct err *err)
{
    size_t size = strlen(rejects->path) + sizeof ".XXXXXX";
    char *name = malloc(size);
    if (!name)
        return err_set(err, ERR_MEMORY, "no memory for rejected rows");
    snprintf(name, size, "%s.XXXXXX", rejects->path);
    rejects->fd = mkostemp(name, O_CLOEXEC); /* mode 0600 */
    if (rejects->fd < 0) {
        free(name);
        err_errno(err, ERR_FILE, errno, "a file for the rejected rows cannot be made here");
        return err_at(err, rejects->path, 0, 0, NULL);
    }
    rejects->temporary = name;
    rejects->writer = csv_writer_new(write_reject, rejects, &rejects->csv, err);
    return rejects->writer && write_header(rejects, header, err);
}

static bool open_files(struct rejects *rejects, const struct csv_row *header, struct err *err)
{
    rejects->buffer = malloc(COPY_BUFFER);
    if (!rejects->buffer)
        return err_set(err, ERR_MEMORY, "no memory for rejected rows");
    rejects->digest = digest_new(err);
    if (!rejects->digest)
        return false;
    rejects->outgoing = open_nameless(err);
    return rejects->outgoing >= 0 && (!rejects->path || open_rejects(rejects, header, err));
}

/* The row as it stood, cells for those that it lacks, and the reason in quotes, so that a quote left open before it at least
 * ends on its own line. */
static bool write_row(struct rejects *rejects, struct csv_slice raw, size_t lacking, const char *reason, struct err *err)
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
static bool write_again(struct rejects *rejects, const struct csv_row *row, const char *reason, struct err *err)
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
    if (rejects->outgoing < 0 && !open_files(rejects, header, err))
        return false;
    if (rejects->path && !write_reject_row(rejects, header, row, reason, err))
        return false;
    rejects->until = row->offset;
    rejects->skip_to = row->end;
    if (rejects->settled == rejects->until) /* the row before was rejected too */
        rejects->settled = rejects->skip_to;
    return true;
}

bool rejects_pending(const struct rejects *rejects)
{
    return rejects->settled < rejects->until;
}

static bool flush_outgoing(struct rejects *rejects, struct err *err)
{
    if (!write_all(rejects->outgoing, rejects->buffer, rejects->len)) {
        err_errno(err, ERR_SYSTEM, errno, "the good rows cannot be written to a temporary file (TMPDIR says where)");
        return err_at(err, temporary_directory(), 0, 0, NULL);
    }
    rejects->outgoing_bytes += rejects->len;
    bool done = digest_add(rejects->digest, rejects->buffer, rejects->len, err);
    rejects->len = 0;
    return done;
}

bool rejects_copy(struct rejects *rejects, struct err *err)
{
    uint64_t stop =
        rejects->until - rejects->settled > COPY_STEP ? rejects->settled + COPY_STEP : rejects->until;
    while (rejects->settled < stop) {
        uint64_t left = stop - rejects->settled;
        size_t room = COPY_BUFFER - rejects->len;
        ssize_t n = pread(rejects->input, rejects->buffer + rejects->len, left < room ? (size_t)left : room,
                          (off_t)rejects->settled);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, ERR_FILE, errno, "cannot be read");
        if (n == 0)
            return err_set(err, ERR_FILE, "the file has become shorter while it was read");
        rejects->len += (size_t)n;
        rejects->settled += (uint64_t)n;
        if (rejects->len == COPY_BUFFER && !flush_outgoing(rejects, err))
            return false;
    }
    if (rejects->settled == rejects->until)
        rejects->settled = rejects->skip_to;
    return true;
}

void rejects_end(struct rejects *rejects, uint64_t size)
{
    if (rejects->outgoing < 0)
        return;
    rejects->until = rejects->skip_to = size;
}

bool rejects_finish(struct rejects *rejects, struct err *err)
{
    if (rejects->outgoing < 0)
        return true;
    if (!flush_outgoing(rejects, err) || !digest_text(rejects->digest, rejects->md5, err))
        return false;
    if (lseek(rejects->outgoing, 0, SEEK_SET) < 0)
        return err_errno(err, ERR_SYSTEM, errno, "a temporary file cannot be rewound");
    if (!rejects->path)
        return true;
    if (!csv_writer_close(rejects->writer, err))
        return false;
    int fd = rejects->fd;
    rejects->fd = -1;
    /* close(2) may be the first to tell that the disk is full. */
    if (close(fd) < 0 || rename(rejects->temporary, rejects->path) < 0) {
        err_errno(err, ERR_SYSTEM, errno, "the rejected rows cannot be written");
        return err_at(err, rejects->path, 0, 0, NULL);
    }
    free(rejects->temporary);
    rejects->temporary = NULL;
    return true;
}

int rejects_take(struct rejects *rejects, uint64_t *bytes, char md5[DIGEST_TEXT])
{
    int fd = rejects->outgoing;
    if (fd < 0)
        return -1;
    *bytes = rejects->outgoing_bytes;
    memcpy(md5, rejects->md5, DIGEST_TEXT);
    rejects->outgoing = -1;
    return fd;
}
