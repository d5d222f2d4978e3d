/* webhook: what tells the receiver of a webhook who sent it, as https://www.standardwebhooks.com has it: HMAC-SHA256 over
 * "id.timestamp.body".
 */
#ifndef UPJOB_CORE_WEBHOOK_H
#define UPJOB_CORE_WEBHOOK_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define WEBHOOK_SIGNATURE 48 /* "v1,", 32 bytes in base64, and a NUL */
#define WEBHOOK_FINGERPRINT 9

/* The value of the header webhook-signature. A secret that begins with "whsec_" is base64 behind that, any other is taken as its
 * bytes; `timestamp` is in epoch seconds. ERR_USAGE for a secret that is no base64 or empty. */
bool webhook_sign(const char *secret, const char *id, int64_t timestamp, const void *body, size_t len,
                  char out[WEBHOOK_SIGNATURE], struct err *err) MUST_CHECK;

/* A few hex digits that tell one secret text (a URL) from another and nothing else of it. */
void webhook_fingerprint(const char *text, char out[WEBHOOK_FINGERPRINT]);

#endif
