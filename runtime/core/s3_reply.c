#include "core/s3_reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/endpoint.h"
#include "core/retry.h"
#include "core/s3_xml.h"

#define MOST_HEAD ((size_t)64 << 10)
#define MOST_BODY ((size_t)64 << 10)

void s3_reply_init(struct s3_reply *reply)
{
    memset(reply, 0, sizeof *reply);
    buf_init(&reply->body, MOST_BODY);
    reply->length = reply->first = reply->total = -1;
}

void s3_reply_free(struct s3_reply *reply)
{
    buf_free(&reply->body);
}

void s3_reply_reset(struct s3_reply *reply)
{
    s3_reply_free(reply);
    s3_reply_init(reply);
}

static void copy_value(const char *value, size_t len, char *out, size_t size)
{
    while (len > 0 && strchr(" \t\r\n", value[len - 1]))
        len--;
    while (len > 0 && (*value == ' ' || *value == '\t'))
        value++, len--;
    if (len < size) /* what is too long is not half of it */
        snprintf(out, size, "%.*s", (int)len, value);
}

static void take_range(struct s3_reply *reply, const char *text)
{
    int64_t first, last, total;
    int end = 0;
    if (sscanf(text, "bytes %" SCNd64 "-%" SCNd64 "/%" SCNd64 "%n", &first, &last, &total, &end) != 3 || text[end] || first < 0 ||
        last < first || total <= last)
        return;
    reply->first = first;
    reply->total = total;
}

static void take_length(struct s3_reply *reply, const char *text)
{
    char *end;
    long long length = strtoll(text, &end, 10);
    reply->length = *text && !*end && length >= 0 ? length : -1;
}

bool s3_reply_header(struct s3_reply *reply, const char *line, size_t len)
{
    char length[32] = "", range[96] = "", age[32] = "";
    const struct {
        const char *name;
        char *out;
        size_t size;
    } kept[] = {{"etag:", reply->etag, sizeof reply->etag},
                {"last-modified:", reply->modified, sizeof reply->modified},
                {"x-amz-request-id:", reply->request_id, sizeof reply->request_id},
                {"x-amz-id-2:", reply->host_id, sizeof reply->host_id},
                {"x-amz-bucket-region:", reply->region, sizeof reply->region},
                {"location:", reply->location, sizeof reply->location},
                {"date:", reply->date, sizeof reply->date},
                {"content-length:", length, sizeof length},
                {"content-range:", range, sizeof range},
                {"age:", age, sizeof age}};
    if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
        size_t head = reply->head_bytes;
        const char *space = memchr(line, ' ', len);
        s3_reply_reset(reply);
        reply->head_bytes = head;
        reply->status = space ? atoi(space) : 0;
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        size_t name = strlen(kept[i].name);
        if (len > name && strncasecmp(line, kept[i].name, name) == 0)
            copy_value(line + name, len - name, kept[i].out, kept[i].size);
    }
    if (length[0])
        take_length(reply, length);
    if (range[0])
        take_range(reply, range);
    reply->aged = reply->aged || age[0];
    reply->head_ended = len > 0 && (*line == '\r' || *line == '\n') && reply->status >= 200;
    reply->head_bytes += len;
    return reply->head_bytes <= MOST_HEAD;
}

void s3_reply_body(struct s3_reply *reply, const char *bytes, size_t len)
{
    size_t room = reply->body.max - reply->body.len;
    buf_add(&reply->body, bytes, len < room ? len : room);
}

static void xml_text(const struct s3_reply *reply, const char *name, char *out, size_t size)
{
    struct redact_values none;
    redact_values_init(&none);
    s3_xml_text(reply->body.data, name, &none, out, size);
    redact_values_free(&none);
}

void s3_reply_moved(const struct s3_reply *reply, const char *region, char *out, size_t size)
{
    char told[64];
    out[0] = '\0';
    if (reply->status != 301 && reply->status != 307 && reply->status != 400)
        return;
    snprintf(told, sizeof told, "%s", reply->region);
    if (!told[0])
        xml_text(reply, "Region", told, sizeof told);
    if (told[0] && strcasecmp(told, region) != 0)
        snprintf(out, size, "%s", told);
}

/* What a person can do; its text may be longer than a key. */
static void advise(const struct s3_object *object, const char *region, int status, const char *code, const char *message,
                   char *out, size_t size)
{
    out[0] = '\0';
    if (strcmp(code, "NoSuchKey") == 0 && strcasestr(object->key, "?versionId="))
        snprintf(out, size, "; a version cannot be asked for: a question mark, and what is behind it, are part of the key");
    else if (strcmp(code, "NoSuchKey") == 0 && strchr(object->key, '*'))
        snprintf(out, size, "; patterns are not taken: an asterisk is part of the key");
    else if (strcmp(code, "NoSuchKey") == 0 || strcmp(code, "NoSuchBucket") == 0)
        snprintf(out, size, "; upper and lower case count, and all behind s3://%.63s/ is the key", object->bucket);
    else if (strstr(message, "KMS") || strstr(message, "kms:") || strncmp(code, "KMS.", 4) == 0)
        snprintf(out, size, "; the object is encrypted: these credentials need kms:Decrypt on its key too");
    else if (strcmp(code, "AccessDenied") == 0 || (status == 403 && !code[0]))
        snprintf(out, size,
                 "; these credentials need s3:GetObject on arn:%s:s3:::%.63s/*, and s3:ListBucket on the bucket to be told that "
                 "a key is missing", endpoint_partition(region), object->bucket);
    else if (strcmp(code, "InvalidObjectState") == 0)
        snprintf(out, size, "; it is archived: restore it first (aws s3api restore-object), which takes hours");
    else if (strcmp(code, "ExpiredToken") == 0 || strcmp(code, "InvalidToken") == 0)
        snprintf(out, size, "; get new credentials (aws sso login, or new session keys)");
    else if (strcmp(code, "InvalidAccessKeyId") == 0 || strcmp(code, "SignatureDoesNotMatch") == 0)
        snprintf(out, size, "; the server knows no such access keys: upjob doctor shows where they come from");
    else if (status >= 300 && status < 400)
        snprintf(out, size, "; it redirected elsewhere, which is not followed: check the region, the endpoint and the proxy");
}

void s3_reply_error(struct s3_reply *reply, const struct s3_object *object, const char *host, const char *region,
                    struct err *e)
{
    char code[64], message[256], advice[320];
    xml_text(reply, "Code", code, sizeof code);
    xml_text(reply, "Message", message, sizeof message);
    if (!reply->request_id[0])
        xml_text(reply, "RequestId", reply->request_id, sizeof reply->request_id);
    advise(object, region, reply->status, code, message, advice, sizeof advice);
    bool coded = code[0] != '\0';
    if (!coded)
        snprintf(code, sizeof code, "HTTP%d", reply->status);
    if (reply->status < 300)
        err_set(e, ERR_RESPONSE, "%.120s answered with %d, but not as S3 does: likely a proxy answered", host, reply->status);
    else
        err_set(e, code, "%.120s refused to give it: %s%s%s (%d)%s", host, coded ? code : "", coded ? ": " : "",
                message[0] ? message : "no reason was given", reply->status, advice);
    e->status = reply->status;
    e->retryable = reply->status >= 300 && retry_classify(reply->status, code) != RETRY_NEVER;
    snprintf(e->request_id, sizeof e->request_id, "%s", reply->request_id);
}
