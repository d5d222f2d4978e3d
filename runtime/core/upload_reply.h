/* upload_reply: what a server answers to an upload, as it comes in: its headers that matter and the body of a
 * refusal, without the secrets that were sent to it. Private to upload.
 */
#ifndef UPJOB_CORE_UPLOAD_REPLY_H
#define UPJOB_CORE_UPLOAD_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/redact_values.h"

/* Bytes of headers and body: one that goes on has no end. */
#define UPLOAD_REPLY_MAX ((size_t)256 << 10)
/* A refusal of S3's is some 500 bytes; what is behind is not kept. */
#define UPLOAD_REPLY_KEPT ((size_t)64 << 10)

struct upload_reply {
    const struct redact_values *secrets; /* the caller's */
    size_t received;
    bool head_ended;
    struct buf body;
    char etag[128];
    char request_id[128];
    char host_id[128];   /* x-amz-id-2 */
    char location[1024]; /* of a redirect */
};

void upload_reply_init(struct upload_reply *reply, const struct redact_values *secrets);
/* Forgets what an earlier request was answered. */
void upload_reply_reset(struct upload_reply *reply);
void upload_reply_free(struct upload_reply *reply);
/* A header line or a status line, and a piece of the body. False when the reply is longer than
 * UPLOAD_REPLY_MAX. */
bool upload_reply_header(struct upload_reply *reply, const char *line, size_t len) MUST_CHECK;
bool upload_reply_body(struct upload_reply *reply, const char *bytes, size_t len) MUST_CHECK;

#endif
