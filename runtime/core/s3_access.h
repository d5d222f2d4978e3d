/* s3_access: what requests to S3 share: the region, the endpoint, the keys, the retry bucket, the service's clock. Private to s3.
 */
#ifndef UPJOB_CORE_S3_ACCESS_H
#define UPJOB_CORE_S3_ACCESS_H

#include "core/credentials.h"
#include "core/retry.h"
#include "core/s3.h"
#include "core/sigv4.h"

struct s3_access {
    struct http *http;
    struct loop *loop;
    struct aws_config *config;             /* NULL: nothing configured is looked at */
    struct credentials_store *credentials; /* from the options, or its own */
    bool own_credentials;
    bool use_fips, use_dual_stack;
    char region[64];
    char endpoint[512];
    bool custom; /* somebody configured it */
    struct sigv4_cache *keys;
    struct retry_bucket bucket;
    int max_attempts;
    double skew; /* seconds that the service's clock is ahead of this machine's */
    bool correct_skew;
};

/* Without a region one is assumed, which the service corrects. ERR_CONFIG or ERR_CREDENTIALS. What it holds is freed by
 * s3_access_free, also after a failure. */
bool s3_access_init(struct s3_access *access, struct http *http, struct loop *loop, const struct s3_options *options,
                    struct err *e) MUST_CHECK;
void s3_access_free(struct s3_access *access);
/* The bucket is in that region. */
bool s3_access_move(struct s3_access *access, const char *region, struct err *e) MUST_CHECK;

#endif
