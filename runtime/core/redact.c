#include "core/redact.h"

#include <ctype.h>
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

static bool secret_header(const char *name, size_t len)
{
    static const char *const names[] = {
        "authorization", "proxy-authorization", "cookie", "set-cookie", "x-amz-security-token", "x-api-key",
        "x-amz-server-side-encryption-customer-key", "x-amz-server-side-encryption-customer-key-md5",
        "x-aws-ec2-metadata-token", "x-amz-sso_bearer_token", NULL};
    return listed(names, name, len);
}

bool redact_is_secret_parameter(const char *name, size_t len)
{
    static const char *const names[] = {"x-amz-signature", "x-amz-credential", "x-amz-security-token",
                                        "signature", "awsaccesskeyid", "token", "access_token", "key",
                                        "sig", "password", NULL};
    return listed(names, name, len);
}

static bool in_name(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

/* The colon behind the name of a secret header, wherever in the line it stands; `end` when there is none. curl words the
 * headers of HTTP/2 as "h2h3 [name: value]" or "[HTTP/2] [1] [name: value]", by its version. */
static const char *secret_from(const char *line, const char *end)
{
    for (const char *colon = line; (colon = memchr(colon, ':', (size_t)(end - colon))); colon++) {
        const char *name = colon;
        while (name > line && in_name(name[-1]))
            name--;
        if (secret_header(name, (size_t)(colon - name)))
            return colon;
    }
    return end;
}

/* "name=value" pairs up to the end of the word. */
static void add_query(const char *p, const char *end, struct buf *out)
{
    while (p < end) {
        const char *stop = memchr(p, '&', (size_t)(end - p));
        if (!stop)
            stop = end;
        const char *equals = memchr(p, '=', (size_t)(stop - p));
        if (equals && redact_is_secret_parameter(p, (size_t)(equals - p)))
            buf_add(out, p, (size_t)(equals + 1 - p)), buf_adds(out, SECRET_SHOWN);
        else
            buf_add(out, p, (size_t)(stop - p));
        p = stop;
        if (p < end)
            buf_addc(out, *p++);
    }
}

/* Where a word has a host and perhaps user information before it: behind "://", or behind a quote, as curl tells a proxy of
 * the environment, which needs no scheme. NULL when it has none. */
static const char *authority_of(const char *word, const char *end)
{
    const char *scheme = memmem(word, (size_t)(end - word), "://", 3);
    if (scheme)
        return scheme + 3;
    return word < end && *word == '\'' ? word + 1 : NULL;
}

/* A run without spaces, which may be a URL or its path. */
static void add_word(const char *word, const char *end, struct buf *out)
{
    const char *authority = authority_of(word, end), *p = word;
    if (authority) {
        const char *stop = authority;
        while (stop < end && !strchr("/?#", *stop))
            stop++;
        const char *at = memrchr(authority, '@', (size_t)(stop - authority));
        buf_add(out, word, (size_t)(authority - word));
        if (at)
            buf_adds(out, SECRET_SHOWN);
        p = at ? at : authority;
    }
    const char *query = memchr(p, '?', (size_t)(end - p));
    const char *path_end = query ? query + 1 : end;
    buf_add(out, p, (size_t)(path_end - p));
    add_query(path_end, end, out);
}

bool redact_line(const char *line, size_t len, struct buf *out)
{
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
        len--;
    const char *end = line + len, *shown = secret_from(line, end);
    for (const char *p = line; p < shown;) {
        const char *space = memchr(p, ' ', (size_t)(shown - p));
        const char *stop = space ? space : shown;
        add_word(p, stop, out);
        if (space)
            buf_addc(out, ' ');
        p = space ? space + 1 : shown;
    }
    if (shown < end) {
        buf_adds(out, ": " SECRET_SHOWN);
        if (end[-1] == ']')
            buf_addc(out, ']');
    }
    return !out->failed;
}
