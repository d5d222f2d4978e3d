#include "core/upload_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/http.h"
#include "core/redact.h"
#include "core/retry.h"
#include "core/secret.h"

/* Copies without the values that stand behind the names of secret parameters: those of a URL that was not ours. */
static void hide_parameters(const char *text, char *out, size_t size)
{
    struct buf shown;
    buf_init(&shown, UPLOAD_REPLY_KEPT * 2);
    out[0] = '\0';
    if (redact_line(text, strlen(text), &shown) && shown.data) {
        size_t len = shown.len < size ? shown.len : size - 1;
        while (len < shown.len && len > 0 && ((unsigned char)shown.data[len] & 0xC0) == 0x80) /* not within a character */
            len--;
        snprintf(out, size, "%.*s", (int)len, shown.data);
    }
    buf_cleanse(&shown);
}

/* Adds a character as UTF-8. Those that steer a terminal, and those that there are not, become a space. */
static char *put_character(char *to, unsigned long c)
{
    if (c < 0x20 || c == 0x7F || c > 0x10FFFF || (c >= 0x80 && c < 0xA0) || (c >= 0xD800 && c < 0xE000))
        c = ' ';
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3F));
    } else {
        if (c < 0x10000) {
            *to++ = (char)(0xE0 | c >> 12);
        } else {
            *to++ = (char)(0xF0 | c >> 18);
            *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        }
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    }
    return to;
}

/* The reference that begins at `text` ("&lt;", "&#39;", "&#x2014;"): its character, and in *len its length; 0 when it is none. */
static unsigned long reference(const char *text, size_t *len)
{
    static const struct {
        const char *text;
        char c;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        *len = strlen(named[i].text);
        if (strncmp(text, named[i].text, *len) == 0)
            return (unsigned char)named[i].c;
    }
    bool hexadecimal = text[1] == '#' && (text[2] == 'x' || text[2] == 'X');
    const char *digits = text + (hexadecimal ? 3 : 2);
    size_t count = text[1] == '#' ? strspn(digits, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789") : 0;
    if (count == 0 || digits[count] != ';')
        return 0;
    *len = (size_t)(digits - text) + count + 1;
    unsigned long c = strtoul(digits, NULL, hexadecimal ? 16 : 10);
    return c ? c : ' ';
}

/* Resolves references in place: a character is never longer than what stands for it. */
static void resolve(char *text)
{
    char *to = text;
    size_t len;
    while (*text) {
        unsigned long c = *text == '&' ? reference(text, &len) : 0;
        if (c) {
            to = put_character(to, c);
            text += len;
        } else {
            *to++ = (unsigned char)*text < ' ' ? ' ' : *text;
            text++;
        }
    }
    *to = '\0';
}

/* The text between <name> and </name>, references resolved and secrets taken out before it is cut to `size`. */
static void xml_text(const struct upload_reply *reply, const char *name, char *out, size_t size)
{
    char open[40], shut[40];
    const char *xml = reply->body.data ? reply->body.data : "";
    snprintf(open, sizeof open, "<%s>", name);
    snprintf(shut, sizeof shut, "</%s>", name);
    const char *start = strstr(xml, open);
    const char *end = start ? strstr(start, shut) : NULL;
    char *text = end ? strndup(start + strlen(open), (size_t)(end - start) - strlen(open)) : NULL;
    out[0] = '\0';
    if (!text)
        return;
    resolve(text);
    redact_values_hide(reply->secrets, text);
    hide_parameters(text, out, size);
    secret_cleanse(text, strlen(text));
    free(text);
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
