#include "core/input_stage.h"

#include <stdlib.h>
#include <string.h>

void stage_init(struct stage *stage, csv_source source, void *arg)
{
    memset(stage, 0, sizeof *stage);
    stage->source = source;
    stage->arg = arg;
}

void stage_free(struct stage *stage)
{
    if (stage->codec)
        stage->codec->free(stage->state);
    free(stage->bytes.data);
    stage->codec = NULL;
    stage->state = NULL;
    stage->bytes = (struct stage_bytes){0};
}

/* Reads once behind what is there. */
static long fill(struct stage *stage, struct err *err)
{
    struct stage_bytes *bytes = &stage->bytes;
    if (!bytes->data)
        bytes->data = malloc(STAGE_BYTES);
    if (!bytes->data) {
        err_set(err, ERR_MEMORY, "no memory for reading");
        return -1;
    }
    if (bytes->at > 0) {
        memmove(bytes->data, bytes->data + bytes->at, bytes->len - bytes->at);
        bytes->len -= bytes->at;
        bytes->at = 0;
    }
    long n = stage->source(stage->arg, bytes->data + bytes->len, STAGE_BYTES - bytes->len, err);
    if (n < 0)
        return n;
    bytes->ended = n == 0;
    bytes->len += (size_t)n;
    return 1;
}

long stage_peek(struct stage *stage, size_t want, struct err *err)
{
    while (stage->bytes.len - stage->bytes.at < want && !stage->bytes.ended) {
        long n = fill(stage, err);
        if (n < 0)
            return n;
    }
    return 1;
}

bool stage_set_codec(struct stage *stage, const struct codec *codec, const void *options, struct err *err)
{
    stage->state = codec->make(options, err);
    if (stage->state)
        stage->codec = codec;
    return stage->state != NULL;
}

void stage_skip(struct stage *stage, size_t n)
{
    stage->bytes.at += n;
}

static long read_plain(struct stage *stage, char *into, size_t size, struct err *err)
{
    struct stage_bytes *bytes = &stage->bytes;
    size_t left = bytes->len - bytes->at;
    if (left == 0)
        return bytes->ended ? 0 : stage->source(stage->arg, into, size, err);
    size_t n = left < size ? left : size;
    memcpy(into, bytes->data + bytes->at, n);
    bytes->at += n;
    return (long)n;
}

long stage_read(void *arg, char *into, size_t size, struct err *err)
{
    struct stage *stage = arg;
    struct stage_bytes *bytes = &stage->bytes;
    if (!stage->codec)
        return read_plain(stage, into, size, err);
    for (;;) {
        struct codec_io io = {bytes->data ? bytes->data + bytes->at : "", bytes->len - bytes->at, into, size, bytes->ended};
        size_t before = io.in_len;
        if (!stage->codec->run(stage->state, &io, err))
            return -1;
        bytes->at = bytes->len - io.in_len;
        if (io.out_len < size)
            return (long)(size - io.out_len);
        if (bytes->ended && io.in_len == before)
            return 0;
        if (bytes->ended)
            continue;
        long n = fill(stage, err);
        if (n < 0)
            return n;
    }
}
