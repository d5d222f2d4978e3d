/* digest: the MD5 of a stream, for Content-MD5 (RFC 1864), in base64 as the header carries it; and names that are SHA-1 sums.
 *
 * MD5 protects against faults on the way, not against forgery: S3 compares it with what arrived.
 */
#ifndef UPJOB_CORE_DIGEST_H
#define UPJOB_CORE_DIGEST_H

#include <stddef.h>

#include "core/err.h"

#define DIGEST_TEXT 25 /* 16 bytes in base64, and a NUL */

struct digest; /* owned by whoever made it */

/* Before digests are made on other threads: the one that makes the first keeps memory, which is given back at the program's end
 * only when it is the thread that ends it. */
void digest_prepare(void);
struct digest *digest_new(struct err *err) MUST_CHECK;
bool digest_add(struct digest *digest, const void *bytes, size_t len, struct err *err) MUST_CHECK;
/* Ends it. */
bool digest_text(struct digest *digest, char out[DIGEST_TEXT], struct err *err) MUST_CHECK;
void digest_free(struct digest *digest); /* NULL is allowed */
/* True when the text can be a digest. */
bool digest_is_text(const char *text);
/* The SHA-1 of a text in lower-case hex: how the AWS CLI names the files of its caches. */
void digest_sha1_hex(const char *text, char out[41]);

#endif
