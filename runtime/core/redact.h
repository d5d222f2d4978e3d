/* redact: takes secrets out of what is shown: header values, and signatures and passwords in URLs. */
#ifndef UPJOB_CORE_REDACT_H
#define UPJOB_CORE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

/* Adds a line of a trace to `out`, whatever it is: a header, a request line, or a sentence of curl's that quotes one.
 * Replaced are: all that follows the name of a header that is secret (Authorization, Proxy-Authorization, Cookie, Set-Cookie,
 * x-amz-security-token, the SSE-C key and its MD5, x-aws-ec2-metadata-token, and the like) and a colon; in URLs, user
 * information and the values of X-Amz-Signature, X-Amz-Credential, X-Amz-Security-Token, Signature, AWSAccessKeyId, token,
 * key, sig and password parameters. A line end at the end is left out. */
bool redact_line(const char *line, size_t len, struct buf *out);
/* True for the name of such a parameter, in any case. */
bool redact_is_secret_parameter(const char *name, size_t len);

#endif
