#include "core/sigv4_stages.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/secret.h"

#define HASH 32 /* bytes of a SHA-256 */
#define DATE_LENGTH 16
#define DAY_LENGTH 8

bool sigv4_is_s3(const char *service)
{
    return strcmp(service, "s3") == 0;
}

/* ---- hashes and times ---- */

static void to_hex(const unsigned char *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

static bool sha256(const void *bytes, size_t len, unsigned char out[HASH])
{
    return EVP_Digest(len ? bytes : "", len, out, NULL, EVP_sha256(), NULL) == 1;
}

/* Empty when OpenSSL fails, which makes a signature that no one takes. */
void sigv4_sha256_hex(const void *bytes, size_t len, char out[65])
{
    unsigned char hash[HASH];
    out[0] = '\0';
    if (sha256(bytes, len, hash))
        to_hex(hash, sizeof hash, out);
}

static bool hmac(const void *key, size_t key_len, const char *text, size_t len, unsigned char out[HASH])
{
    unsigned int size = HASH;
    return HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, len, out, &size) != NULL;
}

void sigv4_format_time(time_t when, char out[17])
{
    struct tm parts;
    if (!gmtime_r(&when, &parts) || strftime(out, DATE_LENGTH + 1, "%Y%m%dT%H%M%SZ", &parts) != DATE_LENGTH)
        out[0] = '\0';
}

bool sigv4_parse_time(const char *text, time_t *when)
{
    struct tm parts = {0};
    char again[17];
    if (strlen(text) != DATE_LENGTH ||
        sscanf(text, "%4d%2d%2dT%2d%2d%2dZ", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &parts.tm_hour,
               &parts.tm_min, &parts.tm_sec) != 6)
        return false;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    time_t seconds = timegm(&parts);
    /* timegm takes the 31st of February: only what reads the same when written again is a time. */
    sigv4_format_time(seconds, again);
    if (strcmp(again, text) != 0)
        return false;
    *when = seconds;
    return true;
}

/* ---- signing keys ---- */

#define CACHED_KEYS 8

struct cached_key {
    unsigned char identity[HASH]; /* hash of secret, day, region and service */
    unsigned char key[HASH];
    bool used;
};

struct sigv4_cache {
    struct cached_key keys[CACHED_KEYS];
    size_t next; /* to be replaced */
};

struct sigv4_cache *sigv4_cache_new(void)
{
    return calloc(1, sizeof(struct sigv4_cache));
}

void sigv4_cache_free(struct sigv4_cache *cache)
{
    if (!cache)
        return;
    secret_cleanse(cache, sizeof *cache);
    free(cache);
}

static bool derive_key(const char *secret, const char *day, const struct sigv4_scope *scope, unsigned char key[HASH])
{
    struct buf first;
    unsigned char a[HASH], b[HASH];
    buf_init(&first, SIGV4_MAX_TEXT);
    bool ok = buf_adds(&first, "AWS4") && buf_adds(&first, secret) &&
              hmac(first.data, first.len, day, DAY_LENGTH, a) &&
              hmac(a, HASH, scope->region, strlen(scope->region), b) &&
              hmac(b, HASH, scope->service, strlen(scope->service), a) &&
              hmac(a, HASH, "aws4_request", strlen("aws4_request"), key);
    secret_cleanse(a, sizeof a);
    secret_cleanse(b, sizeof b);
    buf_cleanse(&first);
    return ok;
}

/* A newline stands in none of the parts, so no two sets of parts give the same identity. */
static bool key_identity(const char *secret, const char *day, const struct sigv4_scope *scope,
                         unsigned char identity[HASH])
{
    struct buf text;
    buf_init(&text, SIGV4_MAX_TEXT);
    bool ok = buf_addf(&text, "%.*s\n%s\n%s\n%s", DAY_LENGTH, day, scope->region, scope->service, secret) &&
              sha256(text.data, text.len, identity);
    buf_cleanse(&text);
    return ok;
}

static bool signing_key(struct sigv4_cache *cache, const char *secret, const char *day,
                        const struct sigv4_scope *scope, unsigned char key[HASH])
{
    unsigned char identity[HASH];
    if (!cache)
        return derive_key(secret, day, scope, key);
    if (!key_identity(secret, day, scope, identity))
        return false;
    for (size_t i = 0; i < CACHED_KEYS; i++) {
        if (cache->keys[i].used && secret_equal(cache->keys[i].identity, identity, HASH)) {
            memcpy(key, cache->keys[i].key, HASH);
            return true;
        }
    }
    if (!derive_key(secret, day, scope, key))
        return false;
    struct cached_key *slot = &cache->keys[cache->next];
    cache->next = (cache->next + 1) % CACHED_KEYS;
    memcpy(slot->identity, identity, HASH);
    memcpy(slot->key, key, HASH);
    slot->used = true;
    return true;
}

/* ---- the later stages ---- */

bool sigv4_finish(const struct sigv4_scope *scope, const struct sigv4_credentials *credentials,
                  struct sigv4_cache *cache, struct sigv4_result *result, struct err *err)
{
    unsigned char key[HASH], signature[HASH];
    char hash[65];
    sigv4_sha256_hex(result->canonical_request.data, result->canonical_request.len, hash);
    bool ok = buf_addf(&result->string_to_sign, SIGV4_ALGORITHM "\n%s\n%.*s/%s/%s/aws4_request\n%s", result->date,
                       DAY_LENGTH, result->date, scope->region, scope->service, hash) &&
              signing_key(cache, credentials->secret_access_key, result->date, scope, key) &&
              hmac(key, HASH, result->string_to_sign.data, result->string_to_sign.len, signature);
    if (ok)
        to_hex(signature, HASH, result->signature);
    secret_cleanse(key, sizeof key);
    return ok ? true : err_set(err, ERR_INTERNAL, "cannot sign the request: out of memory, or OpenSSL failed");
}

/* ---- what is signed ---- */

/* The request's headers and those that signing adds: `list` is owned, what it points to is borrowed. */
struct to_sign {
    struct sigv4_header *list;
    size_t count;
    char *host; /* lower case, as every SDK signs it; owned */
};

static void to_sign_free(struct to_sign *headers)
{
    free(headers->list);
    free(headers->host);
}

static void add_header(struct to_sign *headers, const char *name, const char *value)
{
    headers->list[headers->count++] = (struct sigv4_header){name, value};
}

/* Copies the request's headers but those that signing sets itself, and adds the host. */
static bool collect(const struct sigv4_request *request, bool drop_date, bool drop_token, struct to_sign *headers)
{
    *headers = (struct to_sign){0};
    headers->list = calloc(request->header_count + 4, sizeof *headers->list);
    headers->host = strdup(request->host ? request->host : "");
    if (!headers->list || !headers->host)
        return false;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct sigv4_header *header = &request->headers[i];
        if ((drop_date && strcasecmp(header->name, "x-amz-date") == 0) ||
            (drop_token && strcasecmp(header->name, "x-amz-security-token") == 0))
            continue;
        headers->list[headers->count++] = *header;
    }
    for (char *c = headers->host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!sigv4_header_value(headers->list, headers->count, "host"))
        add_header(headers, "host", headers->host);
    return true;
}

/* Given by the caller, then by the caller's header, then what it is by default. */
static bool choose_payload_hash(const struct sigv4_request *request, bool unsigned_by_default, char out[65],
                                struct err *err)
{
    const char *given = request->payload_hash;
    if (!given)
        given = sigv4_header_value(request->headers, request->header_count, "x-amz-content-sha256");
    if (!given && unsigned_by_default)
        given = SIGV4_UNSIGNED_PAYLOAD;
    else if (!given && request->body_len == 0)
        given = SIGV4_EMPTY_SHA256;
    if (given && strlen(given) > 64)
        return err_set(err, ERR_USAGE, "the payload hash has %zu characters, at most 64 allowed", strlen(given));
    if (given)
        strcpy(out, given);
    else
        sigv4_sha256_hex(request->body, request->body_len, out);
    return true;
}

static bool choose_date(const struct sigv4_request *request, const struct sigv4_scope *scope, char out[17],
                        struct err *err)
{
    time_t ignored;
    const char *given = sigv4_header_value(request->headers, request->header_count, "x-amz-date");
    if (given && !sigv4_parse_time(given, &ignored))
        return err_set(err, ERR_USAGE, "the header x-amz-date is \"%.40s\", not a time such as 20260102T030405Z",
                       given);
    if (given)
        strcpy(out, given);
    else
        sigv4_format_time(scope->time, out);
    return out[0] ? true : err_set(err, ERR_USAGE, "the time to sign for is outside of the years 0 to 9999");
}

static void result_init(struct sigv4_result *result)
{
    memset(result, 0, sizeof *result);
    buf_init(&result->canonical_request, SIGV4_MAX_TEXT);
    buf_init(&result->string_to_sign, SIGV4_MAX_TEXT);
}

void sigv4_result_free(struct sigv4_result *result)
{
    /* The canonical request holds the session token, the rest a signature that lets its holder in. */
    buf_cleanse(&result->canonical_request);
    buf_cleanse(&result->string_to_sign);
    secret_cleanse(result->authorization, sizeof result->authorization);
    secret_cleanse(result->signature, sizeof result->signature);
}

/* All stages over headers and query that are complete. */
static bool run_stages(const struct sigv4_request *request, const char *query, const struct to_sign *headers,
                       const struct sigv4_scope *scope, const struct sigv4_credentials *credentials,
                       struct sigv4_cache *cache, struct sigv4_result *result, struct err *err)
{
    char missing[64];
    struct sigv4_parts parts = {.method = request->method,
                                .path = request->path,
                                .query = query,
                                .headers = headers->list,
                                .header_count = headers->count,
                                .signed_headers = result->signed_headers,
                                .payload_hash = result->payload_hash,
                                .s3 = sigv4_is_s3(scope->service)};
    if (!sigv4_canonical_request(&parts, &result->canonical_request, missing, sizeof missing))
        return err_set(err, ERR_USAGE, "the request is too large to be signed: more than %zu bytes", SIGV4_MAX_TEXT);
    return sigv4_finish(scope, credentials, cache, result, err);
}

static bool name_headers(const struct to_sign *headers, struct sigv4_result *result, struct err *err)
{
    if (sigv4_names_to_sign(headers->list, headers->count, result->signed_headers, sizeof result->signed_headers))
        return true;
    return err_set(err, ERR_USAGE, "too many headers to sign: their names may have %zu characters together",
                   sizeof result->signed_headers - 1);
}

static bool has_token(const struct sigv4_credentials *credentials)
{
    return credentials->session_token && credentials->session_token[0];
}

bool sigv4_sign(const struct sigv4_request *request, const struct sigv4_scope *scope,
                const struct sigv4_credentials *credentials, struct sigv4_cache *cache, struct sigv4_result *result,
                struct err *err)
{
    struct to_sign headers = {0};
    bool token = has_token(credentials), ok = false;
    result_init(result);
    if (!choose_date(request, scope, result->date, err) ||
        !choose_payload_hash(request, false, result->payload_hash, err))
        goto cleanup;
    if (!collect(request, true, token, &headers)) {
        err_set(err, ERR_MEMORY, "out of memory");
        goto cleanup;
    }
    add_header(&headers, "x-amz-date", result->date);
    if (token)
        add_header(&headers, "x-amz-security-token", credentials->session_token);
    if (sigv4_is_s3(scope->service) && !sigv4_header_value(headers.list, headers.count, "x-amz-content-sha256"))
        add_header(&headers, "x-amz-content-sha256", result->payload_hash);
    if (!name_headers(&headers, result, err) ||
        !run_stages(request, request->query, &headers, scope, credentials, cache, result, err))
        goto cleanup;
    int len = snprintf(result->authorization, sizeof result->authorization,
                       SIGV4_ALGORITHM " Credential=%s/%.*s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
                       credentials->access_key_id, DAY_LENGTH, result->date, scope->region, scope->service,
                       result->signed_headers, result->signature);
    ok = len >= 0 && (size_t)len < sizeof result->authorization;
    if (!ok)
        err_set(err, ERR_USAGE, "the access key id, region or service name is too long to be signed with");
cleanup:
    if (!ok)
        sigv4_result_free(result);
    to_sign_free(&headers);
    return ok;
}

/* ---- presigned URLs ---- */

/* The request's own parameters, each recoded, in their order. Empty ones (&&) are dropped. */
static void add_parameters(const char *query, struct buf *out)
{
    for (const char *pair = query ? query : ""; *pair;) {
        size_t len = strcspn(pair, "&");
        const char *equals = memchr(pair, '=', len);
        size_t name_len = equals ? (size_t)(equals - pair) : len;
        if (len > 0) {
            sigv4_uri_recode(pair, name_len, out);
            buf_addc(out, '=');
            sigv4_uri_recode(pair + name_len + (equals != NULL), len - name_len - (equals != NULL), out);
            buf_addc(out, '&');
        }
        pair += len + (pair[len] == '&');
    }
}

static void add_parameter(struct buf *out, const char *name, const char *value)
{
    buf_adds(out, name);
    buf_addc(out, '=');
    sigv4_uri_encode(value, strlen(value), false, out);
}

static bool presigned_query(const struct sigv4_request *request, const struct sigv4_scope *scope,
                            const struct sigv4_credentials *credentials, long expires,
                            const struct sigv4_result *result, struct buf *out)
{
    struct buf credential;
    buf_init(&credential, SIGV4_MAX_TEXT);
    buf_addf(&credential, "%s/%.*s/%s/%s/aws4_request", credentials->access_key_id, DAY_LENGTH, result->date,
             scope->region, scope->service);
    add_parameters(request->query, out);
    add_parameter(out, "X-Amz-Algorithm", SIGV4_ALGORITHM);
    add_parameter(out, "&X-Amz-Credential", credential.data ? credential.data : "");
    add_parameter(out, "&X-Amz-Date", result->date);
    buf_addf(out, "&X-Amz-Expires=%ld", expires);
    add_parameter(out, "&X-Amz-SignedHeaders", result->signed_headers);
    if (has_token(credentials))
        add_parameter(out, "&X-Amz-Security-Token", credentials->session_token);
    bool ok = !out->failed && !credential.failed;
    buf_free(&credential);
    return ok;
}

bool sigv4_presign(const struct sigv4_request *request, const char *scheme, const struct sigv4_scope *scope,
                   const struct sigv4_credentials *credentials, long expires, struct sigv4_cache *cache,
                   struct buf *url, struct sigv4_result *result, struct err *err)
{
    struct to_sign headers = {0};
    struct buf query;
    bool ok = false;
    result_init(result);
    buf_init(&query, SIGV4_MAX_TEXT);
    if (!choose_date(request, scope, result->date, err) ||
        !choose_payload_hash(request, sigv4_is_s3(scope->service), result->payload_hash, err))
        goto cleanup;
    if (!collect(request, true, has_token(credentials), &headers)) {
        err_set(err, ERR_MEMORY, "out of memory");
        goto cleanup;
    }
    if (!name_headers(&headers, result, err))
        goto cleanup;
    if (!presigned_query(request, scope, credentials, expires, result, &query)) {
        err_set(err, ERR_USAGE, "the query is too large to be signed: it may have %zu bytes", SIGV4_MAX_TEXT);
        goto cleanup;
    }
    if (!run_stages(request, query.data, &headers, scope, credentials, cache, result, err))
        goto cleanup;
    ok = buf_addf(url, "%s://%s%s?%s&X-Amz-Signature=%s", scheme, request->host,
                  request->path && *request->path ? request->path : "/", query.data, result->signature);
    if (!ok)
        err_set(err, ERR_USAGE, "the presigned URL is longer than %zu bytes", url->max);
cleanup:
    if (!ok)
        sigv4_result_free(result);
    buf_cleanse(&query);
    to_sign_free(&headers);
    return ok;
}
