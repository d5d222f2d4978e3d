#include "core/outgoing.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/digest_thread.h"
#include "core/tempfile.h"

#define BUFFER    ((size_t)256 << 10)
#define COPY_STEP ((uint64_t)1 << 20)

struct outgoing {
    struct outgoing_options options;
    int fd; /* -1: not begun */
    char directory[PATH_MAX];
    struct csv_writer *writer; /* of rows that are written: into `held`, or anew into the buffer */
    struct digest_thread *digest;
    char md5[DIGEST_TEXT];
    uint64_t bytes; /* written to the file */
    size_t len;
    char *buffer;
    /* Of an input that is copied from: */
    uint64_t settled; /* up to here it was copied, dropped or replaced */
    uint64_t until;   /* what is to be copied ends here, `held` comes, */
    uint64_t skip_to; /* and it goes on here */
    struct buf held;
    char *window; /* a piece of the input: short runs between changes are not read one by one */
    uint64_t window_from;
    size_t window_len;
};

struct outgoing *outgoing_new(const struct outgoing_options *options, struct err *err)
{
    struct outgoing *outgoing = calloc(1, sizeof *outgoing);
    if (!outgoing) {
        err_set(err, ERR_MEMORY, "no memory for an outgoing file");
        return NULL;
    }
    outgoing->options = *options;
    outgoing->fd = -1;
    buf_init(&outgoing->held, CSV_MAX_RECORD_MOST);
    return outgoing;
}

void outgoing_free(struct outgoing *outgoing)
{
    if (!outgoing)
        return;
    csv_writer_free(outgoing->writer);
    digest_thread_free(outgoing->digest);
    if (outgoing->fd >= 0)
        close(outgoing->fd);
    buf_free(&outgoing->held);
    free(outgoing->buffer);
    free(outgoing->window);
    free(outgoing);
}

bool outgoing_begun(const struct outgoing *outgoing)
{
    return outgoing->fd >= 0;
}

uint64_t outgoing_bytes(const struct outgoing *outgoing)
{
    if (outgoing->fd < 0)
        return 0;
    return outgoing->options.input < 0 ? csv_writer_bytes(outgoing->writer) : outgoing->bytes + outgoing->len;
}

/* ---- writing ---- */

static bool flush(struct outgoing *outgoing, struct err *err)
{
    if (!tempfile_write(outgoing->fd, outgoing->buffer, outgoing->len, outgoing->directory,
                        "what is to be sent", err))
        return false;
    outgoing->bytes += outgoing->len;
    if (outgoing->bytes >= outgoing->options.max_bytes)
        return err_set(err, ERR_INVALID_FILE,
                       "%" PRIu64 " bytes or more of it would be sent; the service takes less than %" PRIu64
                       ": split the file",
                       outgoing->bytes, outgoing->options.max_bytes);
    bool done = !outgoing->digest || digest_thread_add(outgoing->digest, outgoing->buffer, outgoing->len, err);
    outgoing->len = 0;
    return done;
}

static bool put(struct outgoing *outgoing, const char *bytes, size_t len, struct err *err)
{
    while (len > 0) {
        size_t room = BUFFER - outgoing->len, n = len < room ? len : room;
        memcpy(outgoing->buffer + outgoing->len, bytes, n);
        outgoing->len += n;
        bytes += n;
        len -= n;
        if (outgoing->len == BUFFER && !flush(outgoing, err))
            return false;
    }
    return true;
}

static bool put_row(void *arg, const char *bytes, size_t len, struct err *err)
{
    struct outgoing *outgoing = arg;
    if (outgoing->options.input < 0)
        return put(outgoing, bytes, len, err);
    return buf_add(&outgoing->held, bytes, len) || err_set(err, ERR_MEMORY, "no memory for a row");
}

static bool begin(struct outgoing *outgoing, struct err *err)
{
    static const struct csv_options as_the_service_reads;
    if (outgoing->fd >= 0)
        return true;
    outgoing->buffer = malloc(BUFFER);
    outgoing->window = outgoing->options.input >= 0 ? malloc(BUFFER) : NULL;
    if (!outgoing->buffer || (outgoing->options.input >= 0 && !outgoing->window))
        return err_set(err, ERR_MEMORY, "no memory for an outgoing file");
    if (!outgoing->options.no_digest && !(outgoing->digest = digest_thread_new(err)))
        return false;
    outgoing->writer = csv_writer_new(put_row, outgoing, &as_the_service_reads, err);
    if (!outgoing->writer)
        return false;
    outgoing->fd = tempfile_open(outgoing->options.temporary, 0, outgoing->directory, err);
    return outgoing->fd >= 0;
}

/* ---- rows ---- */

/* Writes what is held as soon as all before it was copied. */
static bool settle(struct outgoing *outgoing, struct err *err)
{
    if (outgoing->settled < outgoing->until)
        return true;
    bool done = put(outgoing, outgoing->held.data, outgoing->held.len, err);
    buf_reset(&outgoing->held);
    outgoing->settled = outgoing->until = outgoing->skip_to;
    return done;
}

static bool change(struct outgoing *outgoing, const struct csv_row *row, struct err *err)
{
    outgoing->until = row->offset;
    outgoing->skip_to = row->end;
    return settle(outgoing, err);
}

bool outgoing_keep(struct outgoing *outgoing, const struct csv_row *row, struct err *err)
{
    if (outgoing->options.input >= 0 || outgoing->options.nothing)
        return true;
    if (!begin(outgoing, err))
        return false;
    if (outgoing->options.raw || row->count == 0)
        return csv_writer_raw(outgoing->writer, row->raw.data, row->raw.len, err) &&
               csv_writer_raw(outgoing->writer, "\n", 1, err);
    return csv_writer_record(outgoing->writer, row, err);
}

bool outgoing_drop(struct outgoing *outgoing, const struct csv_row *row, struct err *err)
{
    if (outgoing->options.nothing)
        return true;
    if (!begin(outgoing, err))
        return false;
    return outgoing->options.input < 0 || change(outgoing, row, err);
}

bool outgoing_replace(struct outgoing *outgoing, const struct csv_row *row, const struct csv_slice *cells,
                      size_t count, struct err *err)
{
    if (outgoing->options.nothing)
        return true;
    if (!begin(outgoing, err) || !csv_writer_row(outgoing->writer, cells, count, err))
        return false;
    return outgoing->options.input < 0 ||
           (csv_writer_flush(outgoing->writer, err) && change(outgoing, row, err));
}

/* ---- copying ---- */

bool outgoing_pending(const struct outgoing *outgoing)
{
    return outgoing->settled < outgoing->until;
}

static bool fill_window(struct outgoing *outgoing, struct err *err)
{
    ssize_t n;
    do
        n = pread(outgoing->options.input, outgoing->window, BUFFER, (off_t)outgoing->settled);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_errno(err, ERR_FILE, errno, "cannot be read");
    if (n == 0)
        return err_set(err, ERR_FILE, "the file has become shorter while it was read");
    outgoing->window_from = outgoing->settled;
    outgoing->window_len = (size_t)n;
    return true;
}

bool outgoing_copy(struct outgoing *outgoing, struct err *err)
{
    uint64_t left = outgoing->until - outgoing->settled;
    uint64_t stop = outgoing->settled + (left < COPY_STEP ? left : COPY_STEP);
    while (outgoing->settled < stop) {
        uint64_t at = outgoing->settled - outgoing->window_from;
        if ((outgoing->settled < outgoing->window_from || at >= outgoing->window_len) &&
            !fill_window(outgoing, err))
            return false;
        at = outgoing->settled - outgoing->window_from;
        uint64_t there = outgoing->window_len - at;
        size_t n = (size_t)(there < stop - outgoing->settled ? there : stop - outgoing->settled);
        if (!put(outgoing, outgoing->window + at, n, err))
            return false;
        outgoing->settled += n;
    }
    return settle(outgoing, err);
}

/* ---- the end ---- */

void outgoing_end(struct outgoing *outgoing, uint64_t size)
{
    if (outgoing->fd >= 0 && outgoing->options.input >= 0)
        outgoing->until = outgoing->skip_to = size;
}

bool outgoing_finish(struct outgoing *outgoing, struct err *err)
{
    if (outgoing->fd < 0)
        return true;
    if (!csv_writer_flush(outgoing->writer, err) || !flush(outgoing, err) ||
        (outgoing->digest && !digest_thread_text(outgoing->digest, outgoing->md5, err)))
        return false;
    return lseek(outgoing->fd, 0, SEEK_SET) == 0 ||
           err_errno(err, ERR_SYSTEM, errno, "a temporary file cannot be rewound");
}

int outgoing_take(struct outgoing *outgoing, uint64_t *bytes, char md5[DIGEST_TEXT])
{
    int fd = outgoing->fd;
    if (fd < 0)
        return -1;
    *bytes = outgoing->bytes;
    memcpy(md5, outgoing->md5, DIGEST_TEXT);
    outgoing->fd = -1;
    return fd;
}
