/* upload_error: what S3 answers when it refuses an upload. Private to upload. */
#ifndef UPJOB_CORE_UPLOAD_ERROR_H
#define UPJOB_CORE_UPLOAD_ERROR_H

#include <stddef.h>

#include "core/err.h"

/* Fills `e` from a reply's status and body, an XML document in its rules (Amazon S3, "Error responses") or anything else.
 * Only code, message and request id are taken: the rest of such a body quotes the request, signature included.
 * `request_id` of `size` bytes is filled when it is empty. */
void upload_read_error(const char *body, int status, char *request_id, size_t size, struct err *e);

#endif
