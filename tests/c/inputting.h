/* inputting: what tests of the input share: bytes as a source in pieces, files made on the spot, packed bytes. */
#ifndef UPJOB_TESTS_INPUTTING_H
#define UPJOB_TESTS_INPUTTING_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "core/buf.h"
#include "core/input.h"

/* A source that gives `step` bytes at a time, and waits before each when told so. */
struct pieces {
    const char *data;
    size_t len, at, step;
    bool waits, waited;
};

static inline long read_pieces(void *arg, char *into, size_t size, struct err *err)
{
    struct pieces *pieces = arg;
    size_t n = pieces->len - pieces->at;
    (void)err;
    pieces->waited = pieces->waits && !pieces->waited;
    if (pieces->waited)
        return INPUT_WAITS;
    n = n < size ? n : size;
    if (pieces->step && n > pieces->step)
        n = pieces->step;
    memcpy(into, pieces->data + pieces->at, n);
    pieces->at += n;
    return (long)n;
}

/* Everything that an input gives, `step` bytes at a time; false with *err when it fails. */
static inline bool read_all(struct input *input, size_t step, struct buf *text, struct err *err)
{
    char piece[70000];
    long n;
    err_clear(err);
    while ((n = input_read(input, piece, step ? step : sizeof piece, err)) != 0) {
        if (n == INPUT_WAITS)
            continue;
        if (n < 0)
            return false;
        buf_add(text, piece, (size_t)n);
    }
    return true;
}

/* The same of bytes that come `in` at a time and are taken `out` at a time. */
static inline bool read_bytes_as(const char *bytes, size_t len, size_t in, size_t out, const struct input_options *options,
                                 struct buf *text, struct err *err)
{
    struct pieces pieces = {.data = bytes, .len = len, .step = in};
    struct input *input = input_open_source(read_pieces, &pieces, "t.csv", options, err);
    bool done = input && read_all(input, out, text, err);
    input_close(input);
    return done;
}

/* A file without a name that holds these bytes, at its beginning. */
static inline int file_with(const char *bytes, size_t len)
{
    char path[] = "/tmp/upjob-test-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    return fd;
}

/* One gzip member, appended. */
static inline void add_gzip(struct buf *to, const char *bytes, size_t len)
{
    z_stream stream = {0};
    if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    size_t room = deflateBound(&stream, len) + 64;
    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (unsigned)len;
    stream.next_out = (Bytef *)buf_reserve(to, room);
    stream.avail_out = (unsigned)room;
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
        abort();
    to->len += stream.total_out;
    deflateEnd(&stream);
}

/* One zstd frame with a checksum, appended. */
static inline void add_zstd(struct buf *to, const char *bytes, size_t len)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t room = ZSTD_compressBound(len);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t n = ZSTD_compress2(context, buf_reserve(to, room), room, bytes, len);
    if (ZSTD_isError(n))
        abort();
    to->len += n;
    ZSTD_freeCCtx(context);
}

#endif
