/* auth: signatures of calls and of upload URLs, verified as AWS does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/secret.h"
#include "local/facts.h"
#include "local/service.h"

#define SSE_PREFIX "x-amz-server-side-encryption-customer-"

static const struct sigv4_credentials credentials = {LOCAL_ACCESS_KEY, LOCAL_SECRET_KEY, NULL};

static void fill_request(const struct exchange *ex, struct sigv4_request *request)
{
    const char *host = exchange_header(ex, "host");
    *request = (struct sigv4_request){.method = ex->method, .host = host ? host : "", .path = ex->path,
                                      .query = ex->query, .headers = ex->headers, .header_count = ex->header_count,
                                      .body = ex->body.data, .body_len = ex->body.len};
}

/* The signature's own time against ours, in AWS's words. */
static bool check_skew(struct exchange *ex, const struct sigv4_claim *claim)
{
    char now_text[17];
    time_t signed_at, now = (time_t)clock_now(&ex->service->clock);
    sigv4_format_time(now, now_text);
    if (!sigv4_parse_time(claim->date, &signed_at))
        return exchange_refuse(ex, 403, "IncompleteSignatureException", "Date must be in ISO-8601 basic format.");
    if (now - signed_at > FACT_MAX_SKEW)
        return exchange_refuse(ex, 403, "InvalidSignatureException", "Signature expired: %s is now earlier than %s - 5 min.",
                               claim->date, now_text);
    if (signed_at - now > FACT_MAX_SKEW)
        return exchange_refuse(ex, 403, "InvalidSignatureException",
                               "Signature not yet current: %s is still later than %s + 5 min.", claim->date, now_text);
    return true;
}

static bool read_claim(struct exchange *ex, struct sigv4_claim *claim)
{
    if (!sigv4_claim_parse(exchange_header(ex, "authorization"), exchange_header(ex, "x-amz-date"), ex->query, claim,
                           &ex->err)) {
        ex->err.status = 403;
        return false;
    }
    return strcmp(claim->access_key_id, LOCAL_ACCESS_KEY) == 0 ||
           exchange_refuse(ex, 403, "UnrecognizedClientException", "The security token included in the request is invalid.");
}

bool auth_check_caller(struct exchange *ex)
{
    struct sigv4_claim claim;
    return read_claim(ex, &claim);
}

bool auth_check_call(struct exchange *ex)
{
    struct sigv4_claim claim;
    struct sigv4_request request;
    fill_request(ex, &request);
    if (!read_claim(ex, &claim))
        return false;
    if (strcmp(claim.service, "profile") != 0)
        return exchange_refuse(ex, 403, "InvalidSignatureException",
                               "Credential should be scoped to correct service: 'profile'.");
    if (!check_skew(ex, &claim))
        return false;
    if (sigv4_claim_verify(&claim, &request, &credentials, ex->service->keys, &ex->err)) {
        err_clear(&ex->err);
        memcpy(ex->region, claim.region, sizeof ex->region);
        return true;
    }
    ex->err.status = 403;
    return false;
}

static bool is_signed(const char *list, const char *name)
{
    size_t name_len = strlen(name);
    while (*list) {
        size_t len = strcspn(list, ";");
        if (len == name_len && strncasecmp(list, name, len) == 0)
            return true;
        list += len + (list[len] == ';');
    }
    return false;
}

/* S3 takes no x-amz-* header that the URL did not sign. */
static bool check_unsigned_headers(struct exchange *ex, const struct sigv4_claim *claim)
{
    for (size_t i = 0; i < ex->header_count; i++) {
        const char *name = ex->headers[i].name;
        if (strncasecmp(name, "x-amz-", 6) != 0 || is_signed(claim->signed_headers, name))
            continue;
        snprintf(ex->not_signed, sizeof ex->not_signed, "%s", name);
        return exchange_refuse(ex, 403, "AccessDenied", "There were headers present in the request which were not signed");
    }
    return true;
}

bool auth_check_upload(struct exchange *ex)
{
    struct sigv4_claim claim;
    struct sigv4_request request;
    time_t signed_at;
    fill_request(ex, &request);
    request.payload_hash = SIGV4_UNSIGNED_PAYLOAD;
    if (!sigv4_claim_parse(NULL, NULL, ex->query, &claim, &ex->err) || !claim.presigned ||
        strcmp(claim.access_key_id, LOCAL_ACCESS_KEY) != 0)
        return exchange_refuse(ex, 403, "AccessDenied", "Access Denied");
    double now = clock_now(&ex->service->clock);
    if (!sigv4_parse_time(claim.date, &signed_at) || now > (double)signed_at + (double)claim.expires)
        return exchange_refuse(ex, 403, "AccessDenied", "Request has expired");
    if ((double)signed_at - now > FACT_MAX_SKEW)
        return exchange_refuse(ex, 403, "AccessDenied", "Request is not valid yet");
    if (!check_unsigned_headers(ex, &claim))
        return false;
    if (sigv4_claim_verify(&claim, &request, &credentials, ex->service->keys, &ex->err)) {
        err_clear(&ex->err);
        return true;
    }
    return exchange_refuse(ex, 403, "SignatureDoesNotMatch",
                           "The request signature we calculated does not match the signature you provided.");
}

bool auth_presign_upload(struct exchange *ex, const unsigned char key[DATA_KEY_SIZE], double signed_at, struct buf *url)
{
    struct sigv4_result result;
    char path[256], text[64], md5[40];
    const char *host = exchange_header(ex, "host");
    object_key_texts(key, text, md5);
    struct sigv4_header headers[] = {
        {SSE_PREFIX "algorithm", "AES256"}, {SSE_PREFIX "key", text}, {SSE_PREFIX "key-md5", md5}};
    snprintf(path, sizeof path, UPLOAD_PREFIX "%s/%s/%s", ex->upload_path.domain, ex->upload_path.job_id,
             ex->upload_path.id);
    struct sigv4_request request = {.method = "PUT", .host = host ? host : "127.0.0.1", .path = path, .headers = headers,
                                    .header_count = 3, .payload_hash = SIGV4_UNSIGNED_PAYLOAD};
    struct sigv4_scope scope = {"s3", "us-east-1", (time_t)signed_at};
    bool ok = sigv4_presign(&request, "http", &scope, &credentials, (long)ex->service->facts.path_lifetime, ex->service->keys,
                            url, &result, &ex->err);
    if (ok)
        sigv4_result_free(&result);
    secret_cleanse(text, sizeof text);
    secret_cleanse(md5, sizeof md5);
    return ok;
}
