/* The verifying half of the signer, for the embedded service. */
#include "core/sigv4_stages.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/secret.h"

#define MISSING "MissingAuthenticationTokenException"
#define INCOMPLETE "IncompleteSignatureException"

static bool copy(char *out, size_t size, const char *text, size_t len)
{
    if (len == 0 || len >= size)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

/* "KEY/20260102/region/service/aws4_request", read from its end because a key may hold a slash. */
static bool read_credential(const char *text, struct sigv4_claim *claim, struct err *err)
{
    const char *parts[4]; /* the slashes, the last first */
    size_t end = strlen(text), found = 0;
    for (size_t i = end; i > 0 && found < 4; i--)
        if (text[i - 1] == '/')
            parts[found++] = text + i - 1;
    if (found < 4 || strcmp(parts[0], "/aws4_request") != 0 ||
        !copy(claim->service, sizeof claim->service, parts[1] + 1, (size_t)(parts[0] - parts[1] - 1)) ||
        !copy(claim->region, sizeof claim->region, parts[2] + 1, (size_t)(parts[1] - parts[2] - 1)) ||
        !copy(claim->access_key_id, sizeof claim->access_key_id, text, (size_t)(parts[3] - text)))
        return err_set(err, INCOMPLETE,
                       "Credential must have the form access-key/date/region/service/aws4_request");
    size_t day = (size_t)(parts[2] - parts[3] - 1);
    if (day != 8 || strncmp(parts[3] + 1, claim->date, 8) != 0)
        return err_set(err, INCOMPLETE, "the date in Credential is not the day of the request's X-Amz-Date");
    return true;
}

static bool has_signed_host(const char *names)
{
    while (*names) {
        size_t len = strcspn(names, ";");
        if (len == 4 && strncmp(names, "host", 4) == 0)
            return true;
        names += len + (names[len] == ';');
    }
    return false;
}

/* Checks and copies what both ways of signing have. Any of the texts may be NULL. */
static bool read_claim(const char *credential, const char *signed_headers, const char *signature, const char *date,
                       struct sigv4_claim *claim, struct err *err)
{
    time_t ignored;
    if (!credential || !signed_headers || !signature)
        return err_set(err, INCOMPLETE, "the signature is not complete: %s is missing",
                       !credential ? "Credential" : !signed_headers ? "SignedHeaders" : "Signature");
    if (!date || !sigv4_parse_time(date, &ignored))
        return err_set(err, INCOMPLETE, "the request has no X-Amz-Date that is a time such as 20260102T030405Z");
    strcpy(claim->date, date);
    if (!copy(claim->signed_headers, sizeof claim->signed_headers, signed_headers, strlen(signed_headers)) ||
        !has_signed_host(claim->signed_headers))
        return err_set(err, INCOMPLETE, "SignedHeaders must name host");
    if (strlen(signature) != 64 || strspn(signature, "0123456789abcdef") != 64)
        return err_set(err, INCOMPLETE, "the signature must be 64 lower-case hexadecimal digits");
    strcpy(claim->signature, signature);
    return read_credential(credential, claim, err);
}

/* "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…", parts in any order. `text` is changed. */
static bool read_authorization(char *text, const char *date, struct sigv4_claim *claim, struct err *err)
{
    const char *credential = NULL, *signed_headers = NULL, *signature = NULL;
    char *rest = text + strlen(SIGV4_ALGORITHM), *part;
    while ((part = strsep(&rest, ", \t"))) {
        if (strncmp(part, "Credential=", 11) == 0)
            credential = part + 11;
        else if (strncmp(part, "SignedHeaders=", 14) == 0)
            signed_headers = part + 14;
        else if (strncmp(part, "Signature=", 10) == 0)
            signature = part + 10;
    }
    return read_claim(credential, signed_headers, signature, date, claim, err);
}

/* ---- presigned ---- */

static bool is_parameter(const char *pair, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    return len >= name_len && strncmp(pair, name, name_len) == 0 && (len == name_len || pair[name_len] == '=');
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* A parameter's value, decoded; owned by the caller. NULL when it is absent or memory is out. */
static char *parameter_value(const char *query, const char *name)
{
    for (const char *pair = query; *pair;) {
        size_t len = strcspn(pair, "&"), name_len = strlen(name);
        if (is_parameter(pair, len, name)) {
            char *value = len > name_len ? strndup(pair + name_len + 1, len - name_len - 1) : strdup("");
            char *to = value;
            for (const char *from = value; from && *from; from++) {
                bool escaped = *from == '%' && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0;
                *to++ = escaped ? (char)(hex_digit(from[1]) * 16 + hex_digit(from[2])) : *from;
                from += escaped ? 2 : 0;
            }
            if (to)
                *to = '\0';
            return value;
        }
        pair += len + (pair[len] == '&');
    }
    return NULL;
}

static bool read_presigned(const char *query, struct sigv4_claim *claim, struct err *err)
{
    char *credential = parameter_value(query, "X-Amz-Credential");
    char *signed_headers = parameter_value(query, "X-Amz-SignedHeaders");
    char *signature = parameter_value(query, "X-Amz-Signature");
    char *algorithm = parameter_value(query, "X-Amz-Algorithm");
    char *expires = parameter_value(query, "X-Amz-Expires");
    char *date = parameter_value(query, "X-Amz-Date");
    char *end = NULL;
    bool ok = false;
    claim->presigned = true;
    claim->expires = expires && isdigit((unsigned char)*expires) ? strtol(expires, &end, 10) : 0;
    if (!algorithm || strcmp(algorithm, SIGV4_ALGORITHM) != 0)
        err_set(err, INCOMPLETE, "X-Amz-Algorithm must be " SIGV4_ALGORITHM);
    else if (claim->expires < 1 || claim->expires > 604800 || *end)
        err_set(err, INCOMPLETE, "X-Amz-Expires must be a number of seconds from 1 to 604800");
    else
        ok = read_claim(credential, signed_headers, signature, date, claim, err);
    free(credential);
    free(signed_headers);
    free(signature);
    free(algorithm);
    free(expires);
    free(date);
    return ok;
}

static bool has_parameter(const char *query, const char *name)
{
    for (const char *pair = query; *pair;) {
        size_t len = strcspn(pair, "&");
        if (is_parameter(pair, len, name))
            return true;
        pair += len + (pair[len] == '&');
    }
    return false;
}

bool sigv4_claim_parse(const char *authorization, const char *date_header, const char *query,
                       struct sigv4_claim *claim, struct err *err)
{
    size_t len = strlen(SIGV4_ALGORITHM);
    memset(claim, 0, sizeof *claim);
    if (authorization && *authorization) {
        if (strncmp(authorization, SIGV4_ALGORITHM, len) != 0 || !strchr(" \t", authorization[len]) ||
            !authorization[len])
            return err_set(err, INCOMPLETE, "the Authorization header must begin with " SIGV4_ALGORITHM);
        char *text = strdup(authorization);
        bool ok = text ? read_authorization(text, date_header, claim, err)
                       : err_set(err, ERR_MEMORY, "out of memory");
        free(text);
        return ok;
    }
    if (query && (has_parameter(query, "X-Amz-Signature") || has_parameter(query, "X-Amz-Algorithm")))
        return read_presigned(query, claim, err);
    return err_set(err, MISSING, "Missing Authentication Token");
}

/* ---- verifying ---- */

/* The query as it was before the signature joined it. */
static bool without_signature(const char *query, struct buf *out)
{
    for (const char *pair = query; *pair;) {
        size_t len = strcspn(pair, "&");
        if (!is_parameter(pair, len, "X-Amz-Signature") &&
            ((out->len > 0 && !buf_addc(out, '&')) || !buf_add(out, pair, len)))
            return false;
        pair += len + (pair[len] == '&');
    }
    return true;
}

/* Only S3 believes the header: it checks the body while it stores it. */
static bool claimed_payload_hash(const struct sigv4_claim *claim, const struct sigv4_request *request, char out[65])
{
    const char *header = sigv4_header_value(request->headers, request->header_count, "x-amz-content-sha256");
    const char *given = request->payload_hash;
    if (!given && header && sigv4_is_s3(claim->service))
        given = header;
    if (!given && claim->presigned && sigv4_is_s3(claim->service))
        given = SIGV4_UNSIGNED_PAYLOAD;
    if (!given)
        sigv4_sha256_hex(request->body, request->body_len, out);
    else if (strlen(given) <= 64)
        strcpy(out, given);
    else
        return false;
    return true;
}

/* A copy of the request's headers with the host among them, in lower case: SDKs sign it so and send it as given. */
static struct sigv4_header *headers_with_host(const struct sigv4_request *request, char **host, size_t *count)
{
    struct sigv4_header *headers = calloc(request->header_count + 1, sizeof *headers);
    const char *given = sigv4_header_value(request->headers, request->header_count, "host");
    *host = strdup(given ? given : request->host ? request->host : "");
    *count = 0;
    if (!headers || !*host) {
        free(headers);
        return NULL;
    }
    for (char *c = *host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    headers[(*count)++] = (struct sigv4_header){"host", *host};
    for (size_t i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, "host") != 0)
            headers[(*count)++] = request->headers[i];
    return headers;
}

static bool sign_again(const struct sigv4_claim *claim, const struct sigv4_request *request,
                       const struct sigv4_credentials *credentials, struct sigv4_cache *cache,
                       struct sigv4_result *result, struct err *err)
{
    const char *code = sigv4_is_s3(claim->service) ? "SignatureDoesNotMatch" : "InvalidSignatureException";
    char *host = NULL;
    size_t count = 0;
    struct sigv4_header *headers = headers_with_host(request, &host, &count);
    struct buf query;
    char missing[64] = "";
    bool ok = false;
    buf_init(&query, SIGV4_MAX_TEXT);
    if (!headers || (claim->presigned && !without_signature(request->query ? request->query : "", &query))) {
        err_set(err, ERR_MEMORY, "out of memory");
        goto cleanup;
    }
    struct sigv4_parts parts = {.method = request->method, .path = request->path,
                                .query = claim->presigned ? query.data : request->query,
                                .headers = headers, .header_count = count,
                                .signed_headers = claim->signed_headers, .payload_hash = result->payload_hash,
                                .s3 = sigv4_is_s3(claim->service)};
    struct sigv4_scope scope = {.service = claim->service, .region = claim->region};
    if (!claimed_payload_hash(claim, request, result->payload_hash))
        err_set(err, code, "x-amz-content-sha256 is longer than 64 characters");
    else if (!sigv4_canonical_request(&parts, &result->canonical_request, missing, sizeof missing))
        err_set(err, code, missing[0] ? "the signed header \"%s\" is not in the request"
                                      : "the request is too large%s", missing);
    else
        ok = sigv4_finish(&scope, credentials, cache, result, err);
cleanup:
    free(headers);
    free(host);
    buf_cleanse(&query);
    return ok;
}

bool sigv4_claim_verify(const struct sigv4_claim *claim, const struct sigv4_request *request,
                        const struct sigv4_credentials *credentials, struct sigv4_cache *cache, struct err *err)
{
    struct sigv4_result *result = calloc(1, sizeof *result);
    if (!result)
        return err_set(err, ERR_MEMORY, "out of memory");
    buf_init(&result->canonical_request, SIGV4_MAX_TEXT);
    buf_init(&result->string_to_sign, SIGV4_MAX_TEXT);
    strcpy(result->date, claim->date);
    bool ok = sign_again(claim, request, credentials, cache, result, err);
    if (ok && !secret_equal(result->signature, claim->signature, 64)) {
        ok = false;
        err_set(err, sigv4_is_s3(claim->service) ? "SignatureDoesNotMatch" : "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. Check your AWS "
                "Secret Access Key and signing method. Consult the service documentation for details.");
    }
    sigv4_result_free(result);
    free(result);
    return ok;
}
