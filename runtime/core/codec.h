/* codec: what turns one stream of bytes into another, piece by piece: decompressors, converters of character sets.
 *
 * A codec takes any pieces, a byte at a time too, and keeps what it needs of them, so that memory stays flat. Below input.c.
 */
#ifndef UPJOB_CORE_CODEC_H
#define UPJOB_CORE_CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

/* One step. The codec moves `in` past what it has used, and `out` past what it has written. */
struct codec_io {
    const char *in;
    size_t in_len;
    char *out;
    size_t out_len;
    bool last; /* nothing follows `in` */
};

struct codec {
    /* The state of one stream; NULL with *err. `options` is what the codec says. */
    void *(*make)(const void *options, struct err *err);
    /* False with *err when the stream is damaged, or, with `last`, cut. A step that neither uses nor writes anything needs more
     * of `in`, or, with `last`, is the end. */
    bool (*run)(void *state, struct codec_io *io, struct err *err);
    void (*free)(void *state);
};

/* Modules and the codecs in them, which take no options (module_find). */
#define CODEC_COMPRESSION_MODULE "compression.so"
#define CODEC_GZIP_SYMBOL        "codec_gzip" /* one or several members */
#define CODEC_ZSTD_SYMBOL        "codec_zstd" /* one or several frames, skippable ones too; windows up to 32 MiB */

extern const struct codec codec_gzip, codec_zstd;

#endif
