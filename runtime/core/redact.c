#include "core/redact.h"

#include <string.h>
#include <strings.h>

#include "core/secret.h"

static bool listed(const char *const *names, const char *name, size_t len)
{
    for (; *names; names++)
        if (strlen(*names) == len && strncasecmp(*names, name, len) == 0)
            return true;
    return false;
}

bool redact_is_secret_header(const char *name, size_t len)
{
    static const char *const names[] = {
        "authorization", "proxy-authorization", "cookie", "set-cookie", "x-amz-security-token", "x-api-key",
        "x-amz-server-side-encryption-customer-key", "x-amz-server-side-encryption-customer-key-md5",
        "x-aws-ec2-metadata-token", "x-amz-sso_bearer_token", NULL};
    return listed(names, name, len);
}

bool redact_header(const char *line, size_t len, struct buf *out)
{
    const char *colon = memchr(line, ':', len);
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
        len--;
    if (colon && redact_is_secret_header(line, (size_t)(colon - line)))
        return buf_add(out, line, (size_t)(colon - line)) && buf_adds(out, ": " SECRET_SHOWN);
    if (colon && strncasecmp(line, "location:", 9) == 0)
        return redact_url(line, len, out);
    return buf_add(out, line, len);
}

static bool secret_parameter(const char *name, size_t len)
{
    static const char *const names[] = {"x-amz-signature", "x-amz-credential", "x-amz-security-token",
                                        "signature", "awsaccesskeyid", "token", "access_token", "key",
                                        "sig", "password", NULL};
    return listed(names, name, len);
}

/* Adds "name=value" pairs up to the query's end. */
static bool redact_query(const char *p, const char *end, struct buf *out)
{
    while (p < end) {
        const char *stop = p + strcspn(p, "& \r\n");
        if (stop > end)
            stop = end;
        const char *equals = memchr(p, '=', (size_t)(stop - p));
        if (equals && secret_parameter(p, (size_t)(equals - p)))
            buf_add(out, p, (size_t)(equals + 1 - p)), buf_adds(out, SECRET_SHOWN);
        else
            buf_add(out, p, (size_t)(stop - p));
        p = stop;
        if (p < end && *p == '&')
            buf_addc(out, *p++);
        else
            break;
    }
    return buf_add(out, p, (size_t)(end - p));
}

bool redact_url(const char *url, size_t len, struct buf *out)
{
    /* A copy with a NUL: strcspn needs an end. */
    struct buf copy;
    buf_init(&copy, len);
    if (!buf_add(&copy, url, len)) {
        buf_free(&copy);
        return false;
    }
    const char *p = copy.data, *end = copy.data + len;
    const char *authority = strstr(p, "://");
    if (authority) {
        authority += 3;
        const char *stop = authority + strcspn(authority, "/?# ");
        const char *at = NULL;
        for (const char *q = authority; q < stop; q++)
            if (*q == '@')
                at = q;
        buf_add(out, p, (size_t)(authority - p));
        if (at)
            buf_adds(out, SECRET_SHOWN);
        p = at ? at : authority;
    }
    const char *query = memchr(p, '?', (size_t)(end - p));
    if (!query) {
        buf_add(out, p, (size_t)(end - p));
    } else {
        buf_add(out, p, (size_t)(query + 1 - p));
        redact_query(query + 1, end, out);
    }
    buf_cleanse(&copy);
    return !out->failed;
}
