/* sigv4: AWS Signature Version 4, in stages that can be tested one by one.
 *
 * canonical request → string to sign → signing key → signature. The clock is an
 * argument. Source of the rules: "AWS Signature Version 4 for API requests", AWS
 * General Reference. Also verifies, for the embedded service, by signing again.
 */
#ifndef UPJOB_CORE_SIGV4_H
#define UPJOB_CORE_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "core/buf.h"
#include "core/err.h"

#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"
#define SIGV4_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* A name may repeat; order of repeats is kept. Names in any case. Borrowed. */
struct sigv4_header {
    const char *name;
    const char *value;
};

/* Everything is borrowed for the time of the call. */
struct sigv4_request {
    const char *method;
    const char *host;   /* with the port when it is not the scheme's own */
    const char *path;   /* as it goes on the wire, escaped; "" means "/" */
    const char *query;  /* as it goes on the wire, without '?'; NULL or "" when none */
    const struct sigv4_header *headers; /* "host" is added when it is not among them */
    size_t header_count;
    const void *body;
    size_t body_len;
    const char *payload_hash; /* lower-case hex or SIGV4_UNSIGNED_PAYLOAD; NULL: the SHA-256 of body */
};

struct sigv4_scope {
    const char *service;  /* "profile", "s3", … */
    const char *region;
    time_t time;          /* seconds since the epoch */
};

/* Borrowed. session_token NULL or "" when there is none. */
struct sigv4_credentials {
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token;
};

/* What signing gives; owned by the caller, freed by sigv4_result_free. */
struct sigv4_result {
    struct buf canonical_request;
    struct buf string_to_sign;
    char signed_headers[1024];      /* "host;x-amz-date" */
    char signature[65];             /* lower-case hex; a secret in a presigned URL */
    char date[17];                  /* "20260102T030405Z", the value for x-amz-date */
    char authorization[2048];       /* value of the Authorization header */
    char payload_hash[65];
};

/* Keys derived for a day, region and service are kept, the last few of them; one cache per client
 * or per service, used by one thread at a time. NULL as argument means derive each time. */
struct sigv4_cache;
struct sigv4_cache *sigv4_cache_new(void) MUST_CHECK;
void sigv4_cache_free(struct sigv4_cache *cache); /* cleanses */

/* Signs with headers. The caller sends: its own headers, x-amz-date (unless it gave one, which is then
 * used as the time stamp), x-amz-security-token with a session token, x-amz-content-sha256 for S3
 * (all three are signed here whether or not the caller listed them), and Authorization. Headers that proxies and HTTP
 * clients change (User-Agent, Expect, Connection, …) are not signed. A header x-amz-content-sha256 of the caller's is
 * taken for the payload's hash when payload_hash is NULL. */
bool sigv4_sign(const struct sigv4_request *request, const struct sigv4_scope *scope,
                const struct sigv4_credentials *credentials, struct sigv4_cache *cache,
                struct sigv4_result *result, struct err *err) MUST_CHECK;

/* Makes the URL's query carry the signature (X-Amz-Algorithm … X-Amz-Signature), valid for `expires` seconds.
 * `url` receives scheme://host/path?query. The payload is UNSIGNED-PAYLOAD for S3 unless one is given,
 * and the hash of the body (or of nothing) elsewhere. */
bool sigv4_presign(const struct sigv4_request *request, const char *scheme, const struct sigv4_scope *scope,
                   const struct sigv4_credentials *credentials, long expires, struct sigv4_cache *cache,
                   struct buf *url, struct sigv4_result *result, struct err *err) MUST_CHECK;

void sigv4_result_free(struct sigv4_result *result);

/* The stages, for tests. */
/* Each name and value is percent-decoded and encoded again, so that every spelling on the wire gives the same text; '+'
 * stands for itself (%2B), a name without '=' has an empty value. Sorted by name, then value. */
bool sigv4_canonical_query(const char *query, struct buf *out);
/* For S3 the path as it is; else without dot segments and empty segments, and encoded once more. */
bool sigv4_canonical_path(const char *path, bool s3, struct buf *out);
/* Percent-encodes all but the unreserved characters; '/' stays when `keep_slash`. */
bool sigv4_uri_encode(const char *bytes, size_t len, bool keep_slash, struct buf *out);
void sigv4_sha256_hex(const void *bytes, size_t len, char out[65]);
/* Writes "20260102T030405Z". */
void sigv4_format_time(time_t time, char out[17]);
/* Reads the same; false when it is not one. */
bool sigv4_parse_time(const char *text, time_t *time);

/* What a signed request says of itself, for whoever verifies it. */
struct sigv4_claim {
    char access_key_id[129];
    char region[65];
    char service[65];
    char signed_headers[1024];
    char signature[65];
    char date[17];
    long expires;        /* presigned: seconds; 0 with a header signature */
    bool presigned;
};
/* Takes the claim from the Authorization header value (or NULL) or the query (or NULL).
 * False with code MissingAuthenticationTokenException when there is neither, IncompleteSignatureException
 * when it is malformed. `date_header` is x-amz-date's value or NULL. */
bool sigv4_claim_parse(const char *authorization, const char *date_header, const char *query,
                       struct sigv4_claim *claim, struct err *err) MUST_CHECK;
/* Signs `request` again as the claim says, over the claim's signed headers, and compares. Time and key
 * look-up are the caller's. With payload_hash NULL the hash is that of the body; S3 goes by the header
 * x-amz-content-sha256 instead (UNSIGNED-PAYLOAD when presigned without it), and the caller checks the body. False with code
 * InvalidSignatureException (SignatureDoesNotMatch for s3). */
bool sigv4_claim_verify(const struct sigv4_claim *claim, const struct sigv4_request *request,
                        const struct sigv4_credentials *credentials, struct sigv4_cache *cache,
                        struct err *err) MUST_CHECK;

#endif
