/* input_stage: a codec (codec.h) as a source of bytes over another source. Below input.c only. */
#ifndef UPJOB_CORE_INPUT_STAGE_H
#define UPJOB_CORE_INPUT_STAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/codec.h"
#include "core/csv.h"
#include "core/err.h"

/* Bytes that were looked at before it was known what to do with them, or that a codec has not used yet. All zero: empty. */
struct stage_bytes {
    char *data; /* STAGE_BYTES; NULL until something is read */
    size_t at, len;
    bool ended; /* the source has said so: it is not asked again */
};
#define STAGE_BYTES ((size_t)64 << 10)

struct stage {
    csv_source source; /* what it reads; may return INPUT_WAITS */
    void *arg;
    const struct codec *codec; /* NULL: the bytes go through as they are */
    void *state;
    struct stage_bytes bytes;
};

void stage_init(struct stage *stage, csv_source source, void *arg);
void stage_free(struct stage *stage);
/* Has `want` bytes (STAGE_BYTES at most) in stage->bytes, fewer when the source ends: to look at before a codec is set. 1, or
 * what the source returned: -1 with *err, INPUT_WAITS. */
long stage_peek(struct stage *stage, size_t want, struct err *err);
/* What is read from now on goes through the codec. */
bool stage_set_codec(struct stage *stage, const struct codec *codec, const void *options, struct err *err) MUST_CHECK;
/* Drops the first `n` bytes that were looked at. */
void stage_skip(struct stage *stage, size_t n);
/* A csv_source over a stage. */
long stage_read(void *stage, char *into, size_t size, struct err *err);

#endif
