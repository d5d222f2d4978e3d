/* What a server answers to a call of the API and to an upload, and the parts of a URL. */
#include "core/api_reply.h"
#include "core/http.h"
#include "core/operations.h"
#include "core/upload_error.h"

#include "tests/fuzz/fuzz.h"

static void check_api(unsigned which, int status, char *type, char *body, size_t len)
{
    size_t count;
    const struct operation *op = operation_all(&count) + which % count;
    struct http_header headers[] = {
        {(char *)"x-amzn-ErrorType", type}, {(char *)"x-amzn-RequestId", type}, {(char *)"Date", type}};
    struct http_response response = {.status = status, .headers = headers, .header_count = 3};
    struct api_reply reply = {0};
    struct err err;
    err_clear(&err);
    response.body = (struct buf){.data = body, .len = len, .size = len + 1, .max = len};
    api_reply_read(&response, op->output, op->secret, "http://h", &reply, &err);
    if (err.code[0])
        require_told(&err);
    REQUIRE(!err.code[0] == (reply.output != NULL), "\"%s\" beside an output", err.code);
    REQUIRE(!reply.output || !op->secret || !cJSON_GetObjectItemCaseSensitive(reply.output, op->secret),
            "%s is in the output", op->secret);
    cJSON_Delete(reply.output);
    secret_free(reply.secret);
}

static void check_upload(int status, const char *header, const char *body, size_t len)
{
    struct redact_values secrets;
    struct upload_reply reply;
    struct err err;
    err_clear(&err);
    redact_values_init(&secrets);
    REQUIRE(redact_values_add(&secrets, "abcdefgh", 8), "the value is not taken");
    upload_reply_init(&reply, &secrets);
    if (upload_reply_header(&reply, header, strlen(header)) && upload_reply_header(&reply, "\r\n", 2) &&
        upload_reply_body(&reply, body, len / 2) &&
        upload_reply_body(&reply, body + len / 2, len - len / 2) && !upload_is_taken(&reply, status)) {
        upload_read_error(&reply, status, "h", &err);
        require_told(&err);
        REQUIRE(!strcasestr(err.message, "abcdefgh"), "a secret is told: %s", err.message);
    }
    upload_reply_free(&reply);
    redact_values_free(&secrets);
}

static void check_url(const char *text)
{
    struct http_url url = {0};
    struct err err;
    err_clear(&err);
    if (http_url_parse(text, &url, &err))
        REQUIRE(*url.scheme && *url.host && *url.authority && *url.path == '/' && url.query,
                "a part of %s is empty", text);
    else
        require_told(&err);
    http_url_free(&url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 200, 204, 301, 307, 400, 403, 404, 429, 500, 503};
    struct input input = {data, size};
    unsigned kind = take_byte(&input), which = take_byte(&input);
    int status = statuses[which % 11];
    char *header = take_text(&input), *body = copy_bytes(input.data, input.len);
    switch (kind % 3) {
    case 0:
        check_api(kind / 3, status, header, body, input.len);
        break;
    case 1:
        check_upload(status, header, body, input.len);
        break;
    default:
        check_url(header);
    }
    free(header);
    free(body);
    return 0;
}
