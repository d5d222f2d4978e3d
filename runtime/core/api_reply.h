/* api_reply: what a reply of the API says: its output, or its error; rule: AWS restJson1 protocol. */
#ifndef UPJOB_CORE_API_REPLY_H
#define UPJOB_CORE_API_REPLY_H

#include "core/api.h"

/* Fills *reply, whose output has the members of `output` (may be NULL: any) that are not in the body, and whose secret is the
 * member of that name (may be NULL). A reply that is an error, or cannot be read, fills *e. `endpoint` is named when it is no reply
 * of the service at all. */
void api_reply_read(const struct http_response *response, const struct shape *output, const char *secret,
                    const char *endpoint, struct api_reply *reply, struct err *e);

#endif
