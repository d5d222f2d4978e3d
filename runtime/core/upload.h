/* upload: sends one file to a pre-signed URL under a customer-provided key (SSE-C).
 *
 * The file is read twice: once for Content-MD5 (an option; not when the caller knows it), then by the PUT. Memory is constant. Rules: Amazon S3,
 * "Using server-side encryption with customer-provided keys": exact Content-Length, the three headers, no header that
 * the URL does not allow; never over plain HTTP except to loopback.
 */
#ifndef UPJOB_CORE_UPLOAD_H
#define UPJOB_CORE_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/file_identity.h"
#include "core/http.h"
#include "core/secret.h"

/* Borrowed for the time of upload_start. */
struct upload_options {
    const char *url;
    const struct secret *key; /* ClientToken: base64 of the 32-byte data key */
    const char *path;         /* the file; names it in errors when `fd` is given */
    int fd;                   /* an open file to send instead (duplicated, sent from its beginning), or -1 */
    bool no_content_md5;      /* send no Content-MD5 */
    bool allow_empty;         /* an empty file is sent, and not refused */
    const char *content_md5;  /* the file's MD5 as digest.h makes it, when it is known; NULL: a pass over the file makes it */
    const struct file_identity *identity; /* the file must be this one still; NULL: as it is when the upload starts */
    long timeout_ms;          /* of the whole upload, the pass for the MD5 included; 0: none */
    long connect_timeout_ms;  /* 0: 10 s */
    long stall_timeout_ms;    /* no byte either way for that long; 0: 60 s */
    /* Called about ten times a second with bytes sent and the size; may be NULL. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
};

struct upload_result {
    uint64_t bytes;
    double seconds; /* of the PUT */
    int attempts;   /* 2 when the file was sent again without Content-MD5 */
    char etag[128];
    char request_id[128];
    char host_id[128]; /* x-amz-id-2 */
};

struct upload;
/* Refused at once: a URL that is not https (nor loopback), a key that is not base64 of 32 bytes, no such file, a
 * directory, an empty file (unless allowed). Then `done` comes in a turn of the loop, once; e->code is "" on success. */
struct upload *upload_start(struct http *http, struct loop *loop, const struct upload_options *options,
                            void (*done)(void *arg, const struct upload_result *result, const struct err *e),
                            void *arg, struct err *e) MUST_CHECK;
/* Ends it at once, closing its socket; `done` is not called. */
void upload_cancel(struct upload *upload);

#endif
