/* One HTTP exchange of service.h: what came with its head, and its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "local/service.h"

const char *exchange_header(const struct exchange *ex, const char *name)
{
    for (size_t i = 0; i < ex->header_count; i++)
        if (strcasecmp(ex->headers[i].name, name) == 0)
            return ex->headers[i].value;
    return NULL;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *exchange_query(const struct exchange *ex, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *p = ex->query; *p;) {
        size_t len = strcspn(p, "&");
        if (len > name_len && strncmp(p, name, name_len) == 0 && p[name_len] == '=') {
            char *value = strndup(p + name_len + 1, len - name_len - 1), *out = value;
            for (char *in = value; value && *in; in++) {
                bool escaped = *in == '%' && hex_digit(in[1]) >= 0 && hex_digit(in[2]) >= 0;
                *out++ = escaped ? (char)(hex_digit(in[1]) * 16 + hex_digit(in[2])) : *in == '+' ? ' ' : *in;
                in += escaped ? 2 : 0;
            }
            if (out)
                *out = '\0';
            return value;
        }
        p += len + (p[len] == '&');
    }
    return NULL;
}

bool exchange_refuse(struct exchange *ex, int status, const char *code, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    err_set(&ex->err, code, "%s", message);
    ex->err.status = status;
    return false;
}

void exchange_free(struct exchange *ex)
{
    for (size_t i = 0; i < ex->header_count; i++) {
        free((char *)ex->headers[i].name);
        free((char *)ex->headers[i].value);
    }
    free(ex->headers);
    free(ex->path);
    free(ex->query);
    cJSON_Delete(ex->params);
    cJSON_Delete(ex->reply);
    cJSON_Delete(ex->objects);
    segment_plan_free(ex->plan);
    intake_free(ex->intake);
    buf_cleanse(&ex->body);
    buf_cleanse(&ex->text);
    free(ex);
}

struct exchange *exchange_new(struct local *service, const char *uri)
{
    struct exchange *ex = calloc(1, sizeof *ex);
    unsigned char id[16];
    if (!ex)
        return NULL;
    size_t path = strcspn(uri, "?");
    ex->service = service;
    ex->path = strndup(uri, path);
    ex->query = strdup(uri[path] ? uri + path + 1 : "");
    buf_init(&ex->body, MAX_API_BODY);
    buf_init(&ex->text, (size_t)64 << 20);
    if (getrandom(id, sizeof id, 0) != (ssize_t)sizeof id)
        memset(id, 0, sizeof id);
    id[6] = (unsigned char)((id[6] & 0x0F) | 0x40);
    id[8] = (unsigned char)((id[8] & 0x3F) | 0x80);
    for (size_t i = 0, at = 0; i < sizeof id; i++)
        at += (size_t)snprintf(ex->request_id + at, sizeof ex->request_id - at, "%s%02x",
                               i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
    if (!ex->path || !ex->query) {
        exchange_free(ex);
        return NULL;
    }
    return ex;
}

bool exchange_add_header(struct exchange *ex, const char *name, const char *value)
{
    struct sigv4_header *grown = realloc(ex->headers, (ex->header_count + 1) * sizeof *grown);
    if (!grown)
        return false;
    ex->headers = grown;
    struct sigv4_header *header = &grown[ex->header_count];
    header->name = strdup(name);
    header->value = strdup(value ? value : "");
    if (header->name && header->value) {
        ex->header_count++;
        return true;
    }
    free((char *)header->name);
    free((char *)header->value);
    return false;
}
