/* sigv4_stages: what signing, presigning and verifying share. Private to the signer. */
#ifndef UPJOB_CORE_SIGV4_STAGES_H
#define UPJOB_CORE_SIGV4_STAGES_H

#include "core/sigv4.h"

#define SIGV4_ALGORITHM "AWS4-HMAC-SHA256"
#define SIGV4_MAX_TEXT ((size_t)1 << 20) /* of a canonical request */

/* What a canonical request is made of. Borrowed. */
struct sigv4_parts {
    const char *method;
    const char *path;
    const char *query; /* as on the wire */
    const struct sigv4_header *headers; /* all that the request has; only the signed ones are written */
    size_t header_count;
    const char *signed_headers; /* "host;x-amz-date" */
    const char *payload_hash;
    bool s3;
};

/* False when memory or a maximum is out, or when a signed header is not in the request: then its name is copied
 * into `missing`, which is "" otherwise. */
bool sigv4_canonical_request(const struct sigv4_parts *parts, struct buf *out, char *missing,
                             size_t missing_size) MUST_CHECK;

/* The names of `headers` that are to be signed, in lower case, sorted, each once, separated by ';'. */
bool sigv4_names_to_sign(const struct sigv4_header *headers, size_t count, char *out, size_t size) MUST_CHECK;

/* Decodes what is percent-encoded and encodes it again, so that every spelling of a value gives the same text.
 * '+' stands for itself. */
bool sigv4_uri_recode(const char *text, size_t len, struct buf *out);

/* The value of the first header of that name; NULL when there is none. */
const char *sigv4_header_value(const struct sigv4_header *headers, size_t count, const char *name);

/* From a canonical request to the signature: fills string_to_sign and signature of `result`, whose canonical_request
 * and date are filled. The scope's day is that of result->date. */
bool sigv4_finish(const struct sigv4_scope *scope, const struct sigv4_credentials *credentials,
                  struct sigv4_cache *cache, struct sigv4_result *result, struct err *err) MUST_CHECK;

bool sigv4_is_s3(const char *service);

#endif
