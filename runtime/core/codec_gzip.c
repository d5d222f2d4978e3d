#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/codec.h"

#define GZIP_ONLY (15 + 16) /* inflateInit2: the largest window, and no other format */

enum place { BETWEEN, WITHIN, PADDING };

struct gzip {
    z_stream stream;
    uint64_t used; /* compressed bytes */
    unsigned members;
    enum place place; /* between members, within one, in the NULs that may follow the last */
};

static void *gzip_make(const void *options, struct err *err)
{
    (void)options;
    struct gzip *gzip = calloc(1, sizeof *gzip);
    if (gzip && inflateInit2(&gzip->stream, GZIP_ONLY) == Z_OK)
        return gzip;
    free(gzip);
    err_set(err, ERR_MEMORY, "no memory for gzip");
    return NULL;
}

static void gzip_free(void *state)
{
    struct gzip *gzip = state;
    inflateEnd(&gzip->stream);
    free(gzip);
}

/* The next member, or what may stand behind the last: some programs fill their last block with NULs. */
static bool begin_member(struct gzip *gzip, struct codec_io *io, struct err *err)
{
    if (gzip->members > 0 && *io->in == '\0')
        gzip->place = PADDING;
    if (gzip->place == PADDING) {
        while (io->in_len > 0 && *io->in == '\0') {
            io->in++;
            io->in_len--;
            gzip->used++;
        }
        return io->in_len == 0 ||
               err_set(err, ERR_FILE, "has something that is not gzip behind its compressed data, at byte %" PRIu64, gzip->used);
    }
    gzip->place = WITHIN;
    return inflateReset(&gzip->stream) == Z_OK || err_set(err, ERR_INTERNAL, "gzip cannot be begun anew");
}

static unsigned at_most(size_t n)
{
    return n < UINT_MAX ? (unsigned)n : UINT_MAX;
}

static bool fail(const struct gzip *gzip, int result, struct err *err)
{
    const char *why = gzip->stream.msg ? gzip->stream.msg : "no reason given";
    if (result == Z_MEM_ERROR)
        return err_set(err, ERR_MEMORY, "no memory for gzip");
    return err_set(err, ERR_FILE, "is damaged: its gzip data cannot be read at byte %" PRIu64 " (%s)", gzip->used, why);
}

static bool gzip_run(void *state, struct codec_io *io, struct err *err)
{
    struct gzip *gzip = state;
    while (io->out_len > 0) {
        if (gzip->place != WITHIN && io->in_len == 0)
            return true;
        if (gzip->place != WITHIN && !begin_member(gzip, io, err))
            return false;
        if (gzip->place == PADDING)
            return true;
        unsigned in = at_most(io->in_len), out = at_most(io->out_len);
        gzip->stream.next_in = (z_const Bytef *)io->in;
        gzip->stream.avail_in = in;
        gzip->stream.next_out = (Bytef *)io->out;
        gzip->stream.avail_out = out;
        int result = inflate(&gzip->stream, Z_NO_FLUSH);
        size_t used = in - gzip->stream.avail_in, made = out - gzip->stream.avail_out;
        io->in += used;
        io->in_len -= used;
        io->out += made;
        io->out_len -= made;
        gzip->used += used;
        if (result == Z_STREAM_END) {
            gzip->members++;
            gzip->place = BETWEEN;
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return fail(gzip, result, err);
        } else if (used == 0 && made == 0) {
            return !io->last || err_set(err, ERR_FILE, "is cut off: its gzip data ends too early, at byte %" PRIu64, gzip->used);
        }
    }
    return true;
}

const struct codec codec_gzip = {gzip_make, gzip_run, gzip_free};
