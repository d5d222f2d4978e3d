#include "core/s3_url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/http.h"
#include "core/sigv4.h"
#include "core/utf8.h"

#define SCHEME_LEN (sizeof S3_SCHEME - 1)
#define FORM "such as s3://bucket/folder/customers.csv"

bool s3_is_url(const char *text)
{
    return strncasecmp(text, S3_SCHEME, SCHEME_LEN) == 0;
}

/* Letters and such as they stand in the names of buckets, those of before 2018 and those of other servers too. */
static bool is_bucket(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr(".-_", text[i]))
            return false;
    return len >= 3 && len <= S3_MOST_BUCKET;
}

bool s3_url_parse(const char *text, struct s3_object *out, struct err *err)
{
    if (!s3_is_url(text))
        return err_set(err, ERR_USAGE, "is not an address of S3: it is written s3://bucket/key");
    const char *bucket = text + SCHEME_LEN;
    if (strncasecmp(bucket, "arn:", 4) == 0)
        return err_set(err, ERR_USAGE, "names its bucket by an ARN, which is not supported: give the bucket's name, " FORM);
    size_t len = strcspn(bucket, "/");
    const char *key = bucket[len] == '/' ? bucket + len + 1 : "";
    if (!is_bucket(bucket, len))
        return err_set(err, ERR_USAGE, "has no name of a bucket (3 characters or more of a-z 0-9 . -) behind s3://, " FORM);
    if (!*key)
        return err_set(err, ERR_USAGE, "has no key behind the bucket: name one object, " FORM);
    size_t key_len = strlen(key);
    if (key_len > S3_MOST_KEY)
        return err_set(err, ERR_USAGE, "has a key of %zu bytes: S3 knows %d at most", key_len, S3_MOST_KEY);
    if (key[key_len - 1] == '/')
        return err_set(err, ERR_USAGE, "ends with a slash, as folders do: name one object, " FORM);
    if (!utf8_valid(key, key_len, NULL))
        return err_set(err, ERR_USAGE, "has a key that is not UTF-8");
    memcpy(out->bucket, bucket, len);
    out->bucket[len] = '\0';
    memcpy(out->key, key, key_len + 1);
    return true;
}

const char *s3_url_name(const struct s3_object *object)
{
    const char *slash = strrchr(object->key, '/');
    return slash ? slash + 1 : object->key;
}

/* A label of a host's name, under the one asterisk of the certificate. */
static bool is_label(const char *bucket)
{
    size_t len = strlen(bucket);
    for (size_t i = 0; i < len; i++)
        if (!islower((unsigned char)bucket[i]) && !isdigit((unsigned char)bucket[i]) && bucket[i] != '-')
            return false;
    return len <= 63 && bucket[0] != '-' && bucket[len - 1] != '-';
}

static bool put(char *out, size_t size, const char *a, const char *b, const char *c, const char *d)
{
    int len = snprintf(out, size, "%s%s%s%s", a, b, c, d);
    return len >= 0 && (size_t)len < size;
}

bool s3_place_of(const struct s3_object *object, const char *endpoint, bool custom, struct s3_place *out, struct err *err)
{
    struct http_url url;
    struct buf key;
    bool in_host = !custom && is_label(object->bucket);
    if (!http_url_parse(endpoint, &url, err))
        return false;
    buf_init(&key, sizeof out->path);
    const char *base = strcmp(url.path, "/") == 0 ? "" : url.path;
    char first[S3_MOST_BUCKET + 3] = "";
    if (!in_host)
        snprintf(first, sizeof first, "/%s", object->bucket);
    bool fits = sigv4_uri_encode(object->key, strlen(object->key), true, &key) &&
                put(out->host, sizeof out->host, in_host ? object->bucket : "", in_host ? "." : "", url.authority, "") &&
                put(out->path, sizeof out->path, base, first, "/", key.data) &&
                put(out->url, sizeof out->url, url.scheme, "://", out->host, out->path);
    buf_free(&key);
    http_url_free(&url);
    return fits || err_set(err, ERR_CONFIG, "the address of the object is too long");
}
