/* s3: an object of S3 as a file: fetched into a temporary file without a name (tempfile.h), by signed GETs of ranges.
 *
 * Several ranges travel at once, each written where it belongs as it comes: memory is some MiB whatever the size. A range that
 * breaks off goes on from the byte that was reached, by the rules of retry.h. The first answer tells size and ETag; all others
 * are asked for under that ETag, so that what comes of it is one object and not two halves. Rules: Amazon S3, "GetObject",
 * "Error responses", and the SDKs' rules for regions and endpoints. On the loop's thread.
 */
#ifndef UPJOB_CORE_S3_H
#define UPJOB_CORE_S3_H

#include <stdbool.h>
#include <stdint.h>

#include "core/http.h"
#include "core/s3_url.h"

struct credentials_store;

#define S3_RANGE_BYTES ((uint64_t)8 << 20)
#define S3_RANGES 4 /* that travel at once */
#define S3_LOOK 384

/* Borrowed for the time of s3_start, but `credentials`, until it has ended. NULL or 0 means "not given". */
struct s3_options {
    const char *url; /* s3://bucket/key */
    bool look;       /* only size and ETag are asked for: no file is made */
    const char *profile, *region;
    bool use_fips, use_dual_stack;
    const char *mfa_token;
    struct credentials_store *credentials; /* of somebody who has them already; NULL: the chain's, for the profile */
    const char *directory;                 /* of the file; NULL: where there is room */
    int max_attempts;
    long connect_timeout_ms; /* 0: 10 s */
    long stall_timeout_ms;   /* no byte for that long, and the range is asked for anew; 0: 60 s */
    uint64_t range_bytes;    /* 0: S3_RANGE_BYTES */
    int ranges;              /* 0: S3_RANGES; at most that */
    /* Called about ten times a second with bytes fetched and the size; may be NULL. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
};

struct s3_result {
    int fd; /* at 0; the caller closes it. -1 after an error, and of a look */
    uint64_t bytes;
    char look[S3_LOOK]; /* "s3 ETAG SIZE": another one, and it is another object */
    char region[64];
    int requests;
};

struct s3_fetch;
/* Refused at once: a URL that is none, a configuration without endpoint or credentials. Then `done` comes in a turn of the
 * loop, once; e->code is "" on success, otherwise S3's, or one of ours: ERR_FILE when the object has changed meanwhile,
 * ERR_SYSTEM when there is no room for it, ERR_INVALID_FILE when it is empty. */
struct s3_fetch *s3_start(struct http *http, struct loop *loop, const struct s3_options *options,
                          void (*done)(void *arg, const struct s3_result *result, const struct err *e), void *arg,
                          struct err *e) MUST_CHECK;
/* Ends it at once, closing sockets and file; `done` is not called. */
void s3_cancel(struct s3_fetch *fetch);

#endif
