/* s3_reply: what S3 answers to a GET of a range, as it comes in, and what it means. Private to s3. */
#ifndef UPJOB_CORE_S3_REPLY_H
#define UPJOB_CORE_S3_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/s3_url.h"

#define S3_ETAG 256

struct s3_reply {
    int status; /* 0: none has come */
    bool head_ended;
    size_t head_bytes;
    char etag[S3_ETAG];
    char modified[64]; /* Last-Modified */
    char request_id[128], host_id[128];
    char region[64]; /* x-amz-bucket-region */
    char location[512];
    char date[64];
    bool aged; /* it has an Age */
    int64_t length; /* Content-Length; -1: none */
    int64_t first, total; /* Content-Range: of "bytes 0-99/1000" 0 and 1000; -1: none */
    struct buf body; /* the beginning of what is not the object */
};

void s3_reply_init(struct s3_reply *reply);
void s3_reply_reset(struct s3_reply *reply);
void s3_reply_free(struct s3_reply *reply);
/* A header line or a status line. False when the head has no end. */
bool s3_reply_header(struct s3_reply *reply, const char *line, size_t len) MUST_CHECK;
/* A piece of a body that is not the object. */
void s3_reply_body(struct s3_reply *reply, const char *bytes, size_t len);

/* The region in which the bucket is, where a refusal is for asking in another one than that; else "". */
void s3_reply_moved(const struct s3_reply *reply, const char *region, char *out, size_t size);
/* What an answer that is not the object means, and what to do: into *e. `host` (borrowed) is who answered, as of `region`. */
void s3_reply_error(struct s3_reply *reply, const struct s3_object *object, const char *host, const char *region,
                    struct err *e);

#endif
