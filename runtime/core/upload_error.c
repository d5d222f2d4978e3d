#include "core/upload_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/http.h"
#include "core/retry.h"
#include "core/s3_xml.h"

static void xml_text(const struct upload_reply *reply, const char *name, char *out, size_t size)
{
    s3_xml_text(reply->body.data, name, reply->secrets, out, size);
}

static bool is_xml_error(const struct upload_reply *reply)
{
    return reply->body.data && strstr(reply->body.data, "<Error>");
}

bool upload_is_taken(const struct upload_reply *reply, int status)
{
    return status >= 200 && status < 300 && reply->etag[0] && !is_xml_error(reply);
}

/* The host of a Location, which may have anything else in it. */
static void redirected_to(const char *location, char *out, size_t size)
{
    struct http_url url;
    struct err ignored;
    err_clear(&ignored);
    snprintf(out, size, "%s", "elsewhere");
    if (http_url_parse(location, &url, &ignored)) {
        snprintf(out, size, "to %s", url.authority);
        http_url_free(&url);
    }
}

static bool is_expired(const char *code, const char *message)
{
    return strstr(message, "expired") || strcmp(code, "ExpiredToken") == 0;
}

/* What a person can do about a refusal; "" when its words say it. */
static const char *advice(const struct upload_reply *reply, int status, const char *code, const char *message)
{
    if (is_expired(code, message))
        return "; ask for a new path with GetUploadJobPath";
    if (strcmp(code, "SignatureDoesNotMatch") == 0)
        return "; likely causes: the data key is not the one that came with this URL, the URL is not whole, or a proxy changed "
               "the request";
    if (strstr(message, "secret key was invalid") || strstr(message, "MD5 hash of the key"))
        return "; the data key must be the ClientToken that came with this URL";
    if (status == 403 && is_xml_error(reply))
        return "; likely causes: the URL has expired, or an endpoint policy, a bucket policy or a proxy does not allow it";
    if (status == 403)
        return "; it is not S3 that answered so: likely a proxy, a firewall or an endpoint policy does not allow this host, or "
               "else the URL has expired";
    return "";
}

static void read_redirect(const struct upload_reply *reply, int status, const char *host, struct err *e)
{
    char to[300], code[64];
    redirected_to(reply->location, to, sizeof to);
    xml_text(reply, "Code", code, sizeof code);
    if (!code[0])
        snprintf(code, sizeof code, "HTTP%d", status);
    err_set(e, code, "%s redirected the upload %s (%d): it is not followed, as the URL is signed for one host and the data key "
            "goes to no other; check the region, the endpoint and the proxy", host, to, status);
}

void upload_read_error(struct upload_reply *reply, int status, const char *host, struct err *e)
{
    char code[64], message[300];
    e->status = status;
    if (!reply->request_id[0])
        xml_text(reply, "RequestId", reply->request_id, sizeof reply->request_id);
    if (status >= 300 && status < 400) {
        read_redirect(reply, status, host, e);
        return;
    }
    xml_text(reply, "Code", code, sizeof code);
    xml_text(reply, "Message", message, sizeof message);
    if (status < 300 && !is_xml_error(reply)) {
        err_set(e, ERR_RESPONSE, "%s answered the upload with %d, but not as S3 does (no ETag): likely a proxy answered, and the "
                "file did not arrive", host, status);
        return;
    }
    if (!code[0])
        snprintf(code, sizeof code, "HTTP%d", status);
    err_set(e, code, "%s refused the upload (%d): %s%s", host, status, message[0] ? message : "no reason was given",
            advice(reply, status, code, message));
    /* An error behind a 200 came while S3 was at work on it. */
    e->retryable = is_expired(code, message) || status < 300 || retry_classify(status, code) != RETRY_NEVER;
}
