/* The first stage: a request in the one form that both sides agree on. */
#include "core/sigv4_stages.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

static bool encode_byte(unsigned char c, bool keep_slash, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    if (unreserved(c) || (c == '/' && keep_slash))
        return buf_addc(out, (char)c);
    char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
    return buf_add(out, escaped, sizeof escaped);
}

bool sigv4_uri_encode(const char *bytes, size_t len, bool keep_slash, struct buf *out)
{
    for (size_t i = 0; i < len; i++)
        if (!encode_byte((unsigned char)bytes[i], keep_slash, out))
            return false;
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool sigv4_uri_recode(const char *text, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '%' && i + 2 < len && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            c = (unsigned char)(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        }
        if (!encode_byte(c, false, out))
            return false;
    }
    return true;
}

/* ---- query ---- */

struct parameter {
    size_t name, name_len, value, value_len; /* offsets into the text of all parameters */
    const char *text;
};

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t shorter = a_len < b_len ? a_len : b_len;
    int order = memcmp(a, b, shorter);
    return order ? order : (a_len > b_len) - (a_len < b_len);
}

static int by_name_then_value(const void *left, const void *right)
{
    const struct parameter *a = left, *b = right;
    int order = compare_bytes(a->text + a->name, a->name_len, b->text + b->name, b->name_len);
    return order ? order : compare_bytes(a->text + a->value, a->value_len, b->text + b->value, b->value_len);
}

/* A parameter without '=' is one with an empty value. */
static bool recode_parameter(const char *pair, size_t len, struct parameter *parameter, struct buf *text)
{
    const char *equals = memchr(pair, '=', len);
    size_t name_len = equals ? (size_t)(equals - pair) : len;
    parameter->name = text->len;
    if (!sigv4_uri_recode(pair, name_len, text))
        return false;
    parameter->name_len = text->len - parameter->name;
    parameter->value = text->len;
    if (equals && !sigv4_uri_recode(equals + 1, len - name_len - 1, text))
        return false;
    parameter->value_len = text->len - parameter->value;
    return true;
}

static bool write_sorted(struct parameter *parameters, size_t count, const struct buf *text, struct buf *out)
{
    for (size_t i = 0; i < count; i++)
        parameters[i].text = text->data ? text->data : "";
    qsort(parameters, count, sizeof *parameters, by_name_then_value);
    for (size_t i = 0; i < count; i++) {
        const struct parameter *p = &parameters[i];
        if ((i > 0 && !buf_addc(out, '&')) || !buf_add(out, p->text + p->name, p->name_len) ||
            !buf_addc(out, '=') || !buf_add(out, p->text + p->value, p->value_len))
            return false;
    }
    return true;
}

bool sigv4_canonical_query(const char *query, struct buf *out)
{
    struct parameter *parameters = NULL;
    struct buf text;
    size_t count = 1, at = 0;
    bool ok = false;
    if (!query || !*query)
        return true;
    buf_init(&text, SIGV4_MAX_TEXT);
    for (const char *c = query; *c; c++)
        count += *c == '&';
    parameters = calloc(count, sizeof *parameters);
    if (!parameters)
        goto cleanup;
    for (const char *pair = query; at < count; at++) {
        size_t len = strcspn(pair, "&");
        if (!recode_parameter(pair, len, &parameters[at], &text))
            goto cleanup;
        pair += len + 1;
    }
    ok = write_sorted(parameters, count, &text, out);
cleanup:
    if (!ok)
        out->failed = true;
    free(parameters);
    buf_cleanse(&text); /* a presigned URL's session token passes through here */
    return ok;
}

/* ---- path ---- */

/* Takes the last segment of `out` back, but nothing before `start`. */
static void drop_segment(struct buf *out, size_t start)
{
    while (out->len > start && out->data[out->len - 1] != '/')
        out->len--;
    if (out->len > start)
        out->len--;
    out->data[out->len] = '\0';
}

/* RFC 3986 section 5.2.4, and empty segments are dropped too; what is left is encoded once more. */
static bool normalized_path(const char *path, struct buf *out)
{
    size_t start = out->len;
    while (*path) {
        size_t len = strcspn(path, "/");
        bool here = len == 0 || (len == 1 && path[0] == '.');
        bool up = len == 2 && path[0] == '.' && path[1] == '.';
        if (up && out->len > start)
            drop_segment(out, start);
        else if (!here && !up && (!buf_addc(out, '/') || !sigv4_uri_encode(path, len, false, out)))
            return false;
        path += len + (path[len] == '/');
    }
    return out->len == start || path[-1] == '/' ? buf_addc(out, '/') : true;
}

bool sigv4_canonical_path(const char *path, bool s3, struct buf *out)
{
    if (!path || !*path)
        return buf_addc(out, '/');
    return s3 ? buf_adds(out, path) : normalized_path(path, out);
}

/* ---- headers ---- */

/* Changed on the way by proxies, by the HTTP client or by tracing, so no SDK signs them. */
static const char *const never_signed[] = {
    "authorization", "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "te",
    "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id",
};

static bool is_never_signed(const char *name)
{
    for (size_t i = 0; i < sizeof never_signed / sizeof *never_signed; i++)
        if (strcasecmp(name, never_signed[i]) == 0)
            return true;
    return false;
}

static int by_name(const void *left, const void *right)
{
    return strcasecmp(*(const char *const *)left, *(const char *const *)right);
}

static bool append_lower(char *out, size_t size, size_t *used, const char *name)
{
    size_t len = strlen(name);
    if (*used + len + 2 > size)
        return false;
    if (*used > 0)
        out[(*used)++] = ';';
    for (size_t i = 0; i < len; i++)
        out[(*used)++] = (char)tolower((unsigned char)name[i]);
    out[*used] = '\0';
    return true;
}

bool sigv4_names_to_sign(const struct sigv4_header *headers, size_t count, char *out, size_t size)
{
    const char **names = calloc(count + 1, sizeof *names);
    size_t used = 0, kept = 0;
    bool ok = names != NULL;
    out[0] = '\0';
    for (size_t i = 0; ok && i < count; i++)
        if (!is_never_signed(headers[i].name))
            names[kept++] = headers[i].name;
    if (kept > 0)
        qsort(names, kept, sizeof *names, by_name);
    for (size_t i = 0; ok && i < kept; i++)
        if (i == 0 || strcasecmp(names[i], names[i - 1]) != 0)
            ok = append_lower(out, size, &used, names[i]);
    free(names);
    return ok;
}

const char *sigv4_header_value(const struct sigv4_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(headers[i].name, name) == 0)
            return headers[i].value;
    return NULL;
}

/* Trimmed, inner runs of white space folded into one space. */
static bool write_value(const char *value, struct buf *out)
{
    static const char space[] = " \t\n\v\f\r";
    value += strspn(value, space);
    while (*value) {
        size_t len = strcspn(value, space);
        if (!buf_add(out, value, len))
            return false;
        value += len;
        value += strspn(value, space);
        if (*value && !buf_addc(out, ' '))
            return false;
    }
    return true;
}

/* The line of one signed header: the values of all headers of that name, in their order. */
static bool write_header(const struct sigv4_parts *parts, const char *name, size_t len, struct buf *out, bool *found)
{
    *found = false;
    if (!buf_add(out, name, len) || !buf_addc(out, ':'))
        return false;
    for (size_t i = 0; i < parts->header_count; i++) {
        const struct sigv4_header *header = &parts->headers[i];
        if (strlen(header->name) != len || strncasecmp(header->name, name, len) != 0)
            continue;
        if ((*found && !buf_addc(out, ',')) || !write_value(header->value, out))
            return false;
        *found = true;
    }
    return buf_addc(out, '\n');
}

static bool write_headers(const struct sigv4_parts *parts, struct buf *out, char *missing, size_t missing_size)
{
    bool found;
    for (const char *name = parts->signed_headers; *name;) {
        size_t len = strcspn(name, ";");
        if (!write_header(parts, name, len, out, &found))
            return false;
        if (!found) {
            size_t shown = len < missing_size ? len : missing_size - 1;
            memcpy(missing, name, shown);
            missing[shown] = '\0';
            return false;
        }
        name += len + (name[len] == ';');
    }
    return true;
}

bool sigv4_canonical_request(const struct sigv4_parts *parts, struct buf *out, char *missing, size_t missing_size)
{
    missing[0] = '\0';
    for (const char *c = parts->method; *c; c++)
        buf_addc(out, (char)toupper((unsigned char)*c));
    return buf_addc(out, '\n') && sigv4_canonical_path(parts->path, parts->s3, out) && buf_addc(out, '\n') &&
           sigv4_canonical_query(parts->query, out) && buf_addc(out, '\n') &&
           write_headers(parts, out, missing, missing_size) && buf_addc(out, '\n') &&
           buf_adds(out, parts->signed_headers) && buf_addc(out, '\n') && buf_adds(out, parts->payload_hash);
}
