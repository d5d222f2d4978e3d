#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/csv.h"

#define WRITER_BUFFER ((size_t)64 << 10)
/* Bytes that are quoted at a time, so that the longest cell needs no memory of its own. */
#define WRITER_PIECE ((size_t)4 << 10)

struct csv_writer {
    csv_sink sink; /* NULL: the descriptor */
    void *arg;
    int fd;
    bool owns_fd;
    bool closed;
    bool failed;
    struct err failure; /* why: given again by every later call */
    char *name;         /* "" for a sink */
    unsigned char delimiter, quote;
    size_t len;
    char buffer[WRITER_BUFFER];
};

struct csv_writer *csv_writer_new(csv_sink sink, void *arg, const struct csv_options *options,
                                  struct err *err)
{
    if (!csv_options_check(options, err))
        return NULL;
    struct csv_writer *writer = malloc(sizeof *writer);
    char *name = strdup("");
    if (!writer || !name) {
        free(writer);
        free(name);
        err_set(err, ERR_MEMORY, "no memory for a CSV writer");
        return NULL;
    }
    memset(writer, 0, offsetof(struct csv_writer, buffer));
    writer->sink = sink;
    writer->arg = arg;
    writer->fd = -1;
    writer->name = name;
    writer->delimiter = options->delimiter ? options->delimiter : ',';
    writer->quote = options->quote ? options->quote : '"';
    return writer;
}

static int open_output(const char *path, struct err *err)
{
    struct stat st;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        err_errno(err, ERR_FILE, errno, "cannot be written");
    /* A file that was there before keeps its mode otherwise, and this one holds personal data. */
    else if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) && fchmod(fd, 0600) < 0) {
        err_errno(err, ERR_FILE, errno, "cannot be made private");
        close(fd);
        return -1;
    }
    return fd;
}

struct csv_writer *csv_writer_open(const char *path, const struct csv_options *options, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard output" : path;
    struct csv_writer *writer = csv_writer_new(NULL, NULL, options, err);
    if (!writer)
        return NULL;
    char *copy = strdup(name);
    if (!copy) {
        err_set(err, ERR_MEMORY, "no memory for a CSV writer");
        csv_writer_free(writer);
        return NULL;
    }
    free(writer->name);
    writer->name = copy;
    writer->owns_fd = !standard;
    writer->fd = standard ? STDOUT_FILENO : open_output(path, err);
    if (writer->fd < 0) {
        err_at(err, name, 0, 0, NULL);
        csv_writer_free(writer);
        return NULL;
    }
    return writer;
}

static bool write_out(struct csv_writer *writer, const char *bytes, size_t len, struct err *err)
{
    if (writer->sink)
        return writer->sink(writer->arg, bytes, len, err);
    while (len > 0) {
        ssize_t n = write(writer->fd, bytes, len);
        if (n >= 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd ready = {.fd = writer->fd, .events = POLLOUT};
            poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            err_errno(err, ERR_FILE, errno, "cannot be written");
            return err_at(err, writer->name, 0, 0, NULL);
        }
    }
    return true;
}

static bool usable(const struct csv_writer *writer, struct err *err)
{
    if (writer->failed) {
        *err = writer->failure;
        return false;
    }
    if (writer->closed)
        return err_set(err, ERR_USAGE, "the CSV writer is closed");
    return true;
}

bool csv_writer_flush(struct csv_writer *writer, struct err *err)
{
    if (!usable(writer, err))
        return false;
    size_t len = writer->len;
    writer->len = 0;
    if (len > 0 && !write_out(writer, writer->buffer, len, err)) {
        writer->failure = *err;
        writer->failed = true;
    }
    return !writer->failed;
}

static bool put(struct csv_writer *writer, const char *bytes, size_t len, struct err *err)
{
    while (len > 0) {
        size_t room = WRITER_BUFFER - writer->len;
        size_t n = len < room ? len : room;
        memcpy(writer->buffer + writer->len, bytes, n);
        writer->len += n;
        bytes += n;
        len -= n;
        if (writer->len == WRITER_BUFFER && !csv_writer_flush(writer, err))
            return false;
    }
    return true;
}

static bool put_byte(struct csv_writer *writer, unsigned char c, struct err *err)
{
    char byte = (char)c;
    return put(writer, &byte, 1, err);
}

/* libcsv puts quotes around each piece; only those around the whole cell are wanted. */
static bool put_quoted(struct csv_writer *writer, struct csv_slice cell, struct err *err)
{
    char quoted[WRITER_PIECE * 2 + 2];
    bool done = put_byte(writer, writer->quote, err);
    while (done && cell.len > 0) {
        size_t n = cell.len < WRITER_PIECE ? cell.len : WRITER_PIECE;
        size_t len = csv_quote(quoted, cell.data, n, writer->quote);
        done = put(writer, quoted + 1, len - 2, err);
        cell.data += n;
        cell.len -= n;
    }
    return done && put_byte(writer, writer->quote, err);
}

static bool needs_quotes(const struct csv_writer *writer, struct csv_slice cell)
{
    for (size_t i = 0; i < cell.len; i++) {
        unsigned char c = (unsigned char)cell.data[i];
        if (c == writer->delimiter || c == writer->quote || c == '\n' || c == '\r')
            return true;
    }
    return false;
}

bool csv_writer_row(struct csv_writer *writer, const struct csv_slice *cells, size_t count, struct err *err)
{
    if (!usable(writer, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && !put_byte(writer, writer->delimiter, err))
            return false;
        /* A lone empty cell without quotes would be a blank line, which readers drop. */
        bool quoted = needs_quotes(writer, cells[i]) || (count == 1 && cells[i].len == 0);
        if (!(quoted ? put_quoted(writer, cells[i], err) : put(writer, cells[i].data, cells[i].len, err)))
            return false;
    }
    return put_byte(writer, '\n', err);
}

bool csv_writer_record(struct csv_writer *writer, const struct csv_row *row, struct err *err)
{
    return csv_writer_row(writer, row->cells, row->count, err);
}

bool csv_writer_raw(struct csv_writer *writer, const char *bytes, size_t len, struct err *err)
{
    return usable(writer, err) && put(writer, bytes, len, err);
}

bool csv_writer_close(struct csv_writer *writer, struct err *err)
{
    if (writer->closed)
        return true;
    bool done = csv_writer_flush(writer, err);
    writer->closed = true;
    /* Some file systems tell only here that the disk is full. */
    if (writer->owns_fd && close(writer->fd) < 0 && done) {
        err_errno(err, ERR_FILE, errno, "cannot be written");
        done = err_at(err, writer->name, 0, 0, NULL);
    }
    writer->fd = -1;
    return done;
}

void csv_writer_free(struct csv_writer *writer)
{
    if (!writer)
        return;
    if (writer->owns_fd && writer->fd >= 0)
        close(writer->fd);
    free(writer->name);
    free(writer);
}
