#include "core/upload_reply.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void upload_reply_init(struct upload_reply *reply, const struct redact_values *secrets)
{
    memset(reply, 0, sizeof *reply);
    reply->secrets = secrets;
    buf_init(&reply->body, UPLOAD_REPLY_KEPT);
}

static void forget_headers(struct upload_reply *reply)
{
    reply->head_ended = false;
    reply->etag[0] = reply->request_id[0] = reply->host_id[0] = reply->location[0] = '\0';
}

void upload_reply_reset(struct upload_reply *reply)
{
    forget_headers(reply);
    reply->received = 0;
    buf_reset(&reply->body);
}

void upload_reply_free(struct upload_reply *reply)
{
    buf_cleanse(&reply->body);
}

/* A cut value could end within a secret that is then not known as one: the whole is looked at first. */
static void take_value(const struct upload_reply *reply, const char *value, size_t len, char *out,
                       size_t size)
{
    struct buf whole;
    while (len > 0 && strchr(" \t\r\n", value[len - 1]))
        len--;
    while (len > 0 && (*value == ' ' || *value == '\t'))
        value++, len--;
    buf_init(&whole, UPLOAD_REPLY_MAX);
    if (buf_add(&whole, value, len) && whole.data) {
        redact_values_hide(reply->secrets, whole.data);
        snprintf(out, size, "%s", whole.data);
    }
    buf_cleanse(&whole);
}

static bool room_for(struct upload_reply *reply, size_t len)
{
    reply->received += len;
    return reply->received <= UPLOAD_REPLY_MAX;
}

bool upload_reply_header(struct upload_reply *reply, const char *line, size_t len)
{
    const struct {
        const char *name;
        char *out;
        size_t size;
    } kept[] = {{"etag:", reply->etag, sizeof reply->etag},
                {"x-amz-request-id:", reply->request_id, sizeof reply->request_id},
                {"x-amz-id-2:", reply->host_id, sizeof reply->host_id},
                {"location:", reply->location, sizeof reply->location}};
    if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
        forget_headers(reply); /* those of a 100, of a proxy, or of an answer after which curl asked again */
        buf_reset(&reply->body);
    }
    if (len > 0 && (*line == '\r' || *line == '\n'))
        reply->head_ended = true;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        size_t name = strlen(kept[i].name);
        if (len > name && strncasecmp(line, kept[i].name, name) == 0)
            take_value(reply, line + name, len - name, kept[i].out, kept[i].size);
    }
    return room_for(reply, len);
}

bool upload_reply_body(struct upload_reply *reply, const char *bytes, size_t len)
{
    size_t room = reply->body.max - reply->body.len;
    buf_add(&reply->body, bytes, len < room ? len : room);
    return room_for(reply, len);
}
