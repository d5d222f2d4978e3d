#include "core/api_reply.h"

#include <stdio.h>
#include <string.h>

/* The text of the first string member of that name in any of the spellings. */
static const char *json_text(const cJSON *object, const char *const *names)
{
    for (; object && *names; names++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, *names);
        if (cJSON_IsString(item) && item->valuestring[0])
            return item->valuestring;
    }
    return NULL;
}

/* "aws.x#ThrottlingException:http://…" → "ThrottlingException" */
static void plain_code(const char *raw, char *out, size_t size)
{
    const char *hash = strchr(raw, '#');
    const char *start = hash ? hash + 1 : raw;
    size_t len = strcspn(start, ":");
    snprintf(out, size, "%.*s", (int)(len < size ? len : size - 1), start);
}

/* Reads an error reply; rule: AWS restJson1 protocol, "operation error serialization". */
static void read_error(const struct http_response *response, struct err *e)
{
    static const char *const codes[] = {"code", "Code", "__type", NULL};
    static const char *const messages[] = {"message", "Message", "errorMessage", NULL};
    char code[64] = "";
    cJSON *body = response->body.len ? cJSON_ParseWithLength(response->body.data, response->body.len) : NULL;
    const char *header = http_response_header(response, "x-amzn-ErrorType");
    const char *raw = header ? header : json_text(body, codes);
    const char *message = json_text(body, messages);
    plain_code(raw ? raw : "", code, sizeof code);
    if (!code[0])
        snprintf(code, sizeof code, "HTTP%d", response->status);
    err_set(e, code, "%s", message ? message : "the service gave no message");
    if (!message)
        err_set(e, code, "the server answered with status %d and no message that could be read", response->status);
    cJSON_Delete(body);
}

/* Moves a member out of the JSON into memory of its own and overwrites where it was. */
static bool take_secret(cJSON *output, const char *name, struct secret **out, struct err *e)
{
    cJSON *item = cJSON_GetObjectItemCaseSensitive(output, name);
    if (!cJSON_IsString(item))
        return true;
    size_t len = strlen(item->valuestring);
    *out = secret_new(item->valuestring, len);
    secret_cleanse(item->valuestring, len);
    cJSON_DeleteItemFromObjectCaseSensitive(output, name);
    return *out || err_set(e, ERR_MEMORY, "out of memory");
}

void api_reply_read(const struct http_response *response, const struct shape *output, const char *secret,
                    const char *endpoint, struct api_reply *reply, struct err *e)
{
    const char *id = http_response_header(response, "x-amzn-RequestId");
    if (!id)
        id = http_response_header(response, "x-amz-request-id");
    snprintf(reply->request_id, sizeof reply->request_id, "%s", id ? id : "");
    reply->status = response->status;
    if (response->status < 200 || response->status > 299) {
        read_error(response, e);
        return;
    }
    reply->output = response->body.len ? cJSON_ParseWithLength(response->body.data, response->body.len)
                                       : cJSON_CreateObject();
    if (secret && !take_secret(reply->output, secret, &reply->secret, e))
        return;
    if (!cJSON_IsObject(reply->output)) {
        cJSON_Delete(reply->output);
        reply->output = NULL;
        err_set(e, ERR_RESPONSE, "the reply is not a JSON object (is %s the service's endpoint?)", endpoint);
        return;
    }
    for (const struct member *m = output ? output->members : NULL; m && m->name; m++)
        if (m->location == IN_STATUS)
            cJSON_AddNumberToObject(reply->output, m->name, response->status);
}
