/* upload_error: what the answer to an upload means. Private to upload. */
#ifndef UPJOB_CORE_UPLOAD_ERROR_H
#define UPJOB_CORE_UPLOAD_ERROR_H

#include <stdbool.h>

#include "core/err.h"
#include "core/upload_reply.h"

/* True for the answer with which S3 takes an object: a 2xx with an ETag and no error in its body, which is
 * how S3 tells what goes wrong after it has begun to answer. */
bool upload_is_taken(const struct upload_reply *reply, int status);
/* Fills `e` from any other answer: an XML document in S3's rules (Amazon S3, "Error responses"), a redirect,
 * or the words of something on the way. `host` (borrowed) is where the upload went. Only code and message are
 * taken from a body: the rest quotes the request. The reply's request id is filled from the body when it came
 * with no header. */
void upload_read_error(struct upload_reply *reply, int status, const char *host, struct err *e);

#endif
