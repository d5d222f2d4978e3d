/* redact: takes secrets out of what is shown: header values, and signatures and passwords in URLs. */
#ifndef UPJOB_CORE_REDACT_H
#define UPJOB_CORE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

/* True for headers whose value is a secret: Authorization, Proxy-Authorization, Cookie, Set-Cookie,
 * x-amz-security-token, the SSE-C key and its MD5, x-aws-ec2-metadata-token, and the like. */
bool redact_is_secret_header(const char *name, size_t len);
/* Adds a "Name: value" line to `out`, its value replaced when it is secret. */
bool redact_header(const char *line, size_t len, struct buf *out);
/* Adds a URL or a request line to `out`, with user information and the values of X-Amz-Signature,
 * X-Amz-Credential, X-Amz-Security-Token, Signature, AWSAccessKeyId, token, key and sig parameters replaced. */
bool redact_url(const char *url, size_t len, struct buf *out);

#endif
