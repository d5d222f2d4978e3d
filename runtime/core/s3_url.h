/* s3_url: "s3://bucket/key", and the request that names the same object.
 *
 * All behind the bucket is the key, of any UTF-8 text: '?' and '#' in it begin nothing, and '%' is itself. Rules: Amazon S3,
 * "Bucket naming rules", "Virtual hosting of buckets", and the service's endpoint rule set.
 */
#ifndef UPJOB_CORE_S3_URL_H
#define UPJOB_CORE_S3_URL_H

#include <stdbool.h>

#include "core/err.h"

#define S3_SCHEME "s3://"
#define S3_MOST_KEY 1024 /* bytes */
#define S3_MOST_BUCKET 255

struct s3_object {
    char bucket[S3_MOST_BUCKET + 1];
    char key[S3_MOST_KEY + 1];
};

/* True for a text that is to be taken as one, good or not. */
bool s3_is_url(const char *text);
/* The bucket and the key in it. ERR_USAGE says what is missing, or not supported (ARNs). */
bool s3_url_parse(const char *text, struct s3_object *out, struct err *err) MUST_CHECK;
/* The key's last part: what a file of it would be called. It points into the key. */
const char *s3_url_name(const struct s3_object *object);

struct s3_place {
    char host[512];      /* and the port, where it is not the scheme's own: as it is signed */
    char path[4 * S3_MOST_KEY]; /* escaped, once: as it is sent and signed */
    char url[5 * S3_MOST_KEY];
};

/* Where the object is asked for. `endpoint` is that of S3 (endpoint_s3), without a slash at the end. Of one that someone
 * configured (`custom`), and of a bucket that cannot be a host's label under one certificate, the bucket is in the path. */
bool s3_place_of(const struct s3_object *object, const char *endpoint, bool custom, struct s3_place *out,
                 struct err *err) MUST_CHECK;

#endif
