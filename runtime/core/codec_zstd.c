#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "core/codec.h"

/* What a frame may ask for, as a power of two: 32 MiB, which is what `zstd --ultra -20` writes. */
#define MOST_WINDOW 25

struct zstd {
    ZSTD_DStream *stream;
    uint64_t used; /* compressed bytes */
    bool within;   /* a frame */
};

static void zstd_free(void *state)
{
    struct zstd *zstd = state;
    ZSTD_freeDStream(zstd->stream);
    free(zstd);
}

static void *zstd_make(const void *options, struct err *err)
{
    (void)options;
    struct zstd *zstd = calloc(1, sizeof *zstd);
    if (zstd)
        zstd->stream = ZSTD_createDStream();
    if (zstd && zstd->stream && !ZSTD_isError(ZSTD_DCtx_setParameter(zstd->stream, ZSTD_d_windowLogMax, MOST_WINDOW)))
        return zstd;
    if (zstd)
        zstd_free(zstd);
    err_set(err, ERR_MEMORY, "no memory for zstd");
    return NULL;
}

static bool fail(const struct zstd *zstd, size_t result, struct err *err)
{
    ZSTD_ErrorCode code = ZSTD_getErrorCode(result);
    if (code == ZSTD_error_memory_allocation)
        return err_set(err, ERR_MEMORY, "no memory for zstd");
    if (code == ZSTD_error_frameParameter_windowTooLarge)
        return err_set(err, ERR_FILE, "needs more than %u MiB to be unpacked: compress it again without --ultra and --long",
                       1u << (MOST_WINDOW - 20));
    if (code == ZSTD_error_prefix_unknown && zstd->used > 0)
        return err_set(err, ERR_FILE, "has something that is not zstd behind its compressed data, at byte %" PRIu64, zstd->used);
    return err_set(err, ERR_FILE, "is damaged: its zstd data cannot be read at byte %" PRIu64 " (%s)", zstd->used,
                   ZSTD_getErrorString(code));
}

static bool zstd_run(void *state, struct codec_io *io, struct err *err)
{
    struct zstd *zstd = state;
    while (io->out_len > 0) {
        if (!zstd->within && io->in_len == 0)
            return true;
        ZSTD_inBuffer in = {io->in, io->in_len, 0};
        ZSTD_outBuffer out = {io->out, io->out_len, 0};
        size_t result = ZSTD_decompressStream(zstd->stream, &out, &in);
        if (ZSTD_isError(result))
            return fail(zstd, result, err);
        io->in += in.pos;
        io->in_len -= in.pos;
        io->out += out.pos;
        io->out_len -= out.pos;
        zstd->used += in.pos;
        zstd->within = result != 0;
        if (zstd->within && in.pos == 0 && out.pos == 0)
            return !io->last || err_set(err, ERR_FILE, "is cut off: its zstd data ends too early, at byte %" PRIu64, zstd->used);
    }
    return true;
}

const struct codec codec_zstd = {zstd_make, zstd_run, zstd_free};
