#include "core/credentials_sts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credentials_answer.h"
#include "core/credentials_xml.h"
#include "core/endpoint.h"
#include "core/retry.h"
#include "core/sigv4.h"

#define API_VERSION        "2011-06-15"
#define CONTENT_TYPE       "application/x-www-form-urlencoded; charset=utf-8"
#define CONNECT_TIMEOUT_MS 10000
#define TIMEOUT_MS         30000

bool sts_init(struct sts *sts, const struct credentials_search *search, struct err *err)
{
    struct endpoint_options where = {.service = &endpoint_sts,
                                     .region = search->options->region,
                                     .use_fips = search->options->use_fips,
                                     .use_dual_stack = search->options->use_dual_stack};
    memset(sts, 0, sizeof *sts);
    if (!where.region)
        return err_set(err, ERR_CONFIG,
                       "there is no region in which STS can be asked for the role: set AWS_REGION, or write "
                       "\"region = us-east-1\" for the profile \"%.100s\" (aws configure set region)",
                       search->profile);
    if (!endpoint_resolve(&where, search->config, sts->endpoint, sizeof sts->endpoint, err))
        return false;
    sts->options = credentials_options_kept(search->options);
    snprintf(sts->region, sizeof sts->region, "%s", where.region);
    snprintf(sts->name, sizeof sts->name, "STS at %s", sts->endpoint);
    return true;
}

void sts_field(struct buf *form, const char *name, const char *value)
{
    buf_addf(form, "%s%s=", form->len > 0 ? "&" : "", name);
    sigv4_uri_encode(value, strlen(value), false, form);
}

void sts_form(struct buf *form, const char *action, const char *role_arn, const char *session_name)
{
    char own[40];
    snprintf(own, sizeof own, "upjob-%lld", (long long)time(NULL));
    sts_field(form, "Action", action);
    sts_field(form, "Version", API_VERSION);
    sts_field(form, "RoleArn", role_arn);
    sts_field(form, "RoleSessionName", session_name ? session_name : own);
}

/* ---- the answer ---- */

/* The members of Credentials, and the code and message of an error, as an object. */
static void take_text(void *arg, const char *path, const char *text)
{
    const char *name = strrchr(path, '/');
    const char *parent = strstr(path, "Result/Credentials/");
    if (!name)
        return;
    if ((parent && strchr(parent + strlen("Result/Credentials/"), '/') == NULL) ||
        strcmp(path, "ErrorResponse/Error/Code") == 0 || strcmp(path, "ErrorResponse/Error/Message") == 0)
        cJSON_AddStringToObject(arg, name + 1, text);
}

/* NULL when it is no XML that STS could have sent. */
static cJSON *read_answer(const struct http_response *response)
{
    cJSON *answer = cJSON_CreateObject();
    if (answer && credentials_xml(response->body.data, response->body.len, take_text, answer))
        return answer;
    credentials_answer_free(answer);
    return NULL;
}

/* Throttling comes with status 400, as does an identity provider that STS could not reach. */
static bool is_for_now(const struct http_response *response)
{
    cJSON *answer = response->status == 400 ? read_answer(response) : NULL;
    const char *code = credentials_answer_text(answer, "Code");
    bool again =
        code && (retry_classify(400, code) != RETRY_NEVER || strcmp(code, "IDPCommunicationError") == 0);
    credentials_answer_free(answer);
    return again;
}

static bool refused(const struct sts *sts, const struct http_response *response, const cJSON *answer,
                    struct err *err)
{
    const char *code = credentials_answer_text(answer, "Code"),
               *message = credentials_answer_text(answer, "Message");
    char said[300], named[60];
    err->retryable = response->status == 429 || response->status >= 500 || is_for_now(response);
    if (!code)
        return err_set(err, ERR_CREDENTIALS,
                       "%.300s answered with status %d, and with no error that could be read: is it STS that "
                       "answers there?",
                       sts->name, response->status);
    credentials_quote(code, strlen(code), named, sizeof named);
    credentials_quote(message ? message : "", message ? strlen(message) : 0, said, sizeof said);
    return err_set(err, ERR_CREDENTIALS, "%.300s refused it: %s%s%s", sts->name, named, *said ? ": " : "",
                   said);
}

static bool take_keys(const struct sts *sts, const struct http_response *response, const struct err *failure,
                      struct credentials *keys, struct err *err)
{
    static const struct credentials_answer_names names = {"AccessKeyId", "SecretAccessKey", "SessionToken",
                                                          "Expiration", false};
    if (failure->code[0])
        return credentials_answered(response, failure, sts->name, err);
    cJSON *answer = read_answer(response);
    bool ok = response->status == 200 || refused(sts, response, answer, err);
    if (ok && !answer)
        ok = err_set(err, ERR_CREDENTIALS, "%.300s gave something that is not the XML of STS", sts->name);
    ok = ok && credentials_answer_keys(answer, &names, sts->name, keys, err);
    credentials_answer_free(answer);
    return ok;
}

static void answered(void *arg, struct http_response *response, const struct err *failure)
{
    struct sts *sts = arg;
    struct credentials keys = {0};
    struct err err;
    err_clear(&err);
    sts->request = NULL;
    bool ok = take_keys(sts, response, failure, &keys, &err);
    sts->done(sts->arg, ok ? &keys : NULL, &err);
}

/* ---- the request ---- */

static bool sign(const struct sts *sts, const struct http_url *url, const struct buf *form,
                 const struct credentials *signer, struct sigv4_result *signature, struct err *err)
{
    struct sigv4_header type = {"content-type", CONTENT_TYPE};
    struct sigv4_request request = {.method = "POST",
                                    .host = url->authority,
                                    .path = url->path,
                                    .query = "",
                                    .headers = &type,
                                    .header_count = 1,
                                    .body = form->data,
                                    .body_len = form->len};
    struct sigv4_scope scope = {"sts", sts->region, credentials_now(&sts->options)};
    struct sigv4_credentials keys = {signer->access_key_id, secret_bytes(signer->secret_access_key),
                                     signer->session_token ? secret_bytes(signer->session_token) : NULL};
    return sigv4_sign(&request, &scope, &keys, NULL, signature, err);
}

static bool send_form(struct sts *sts, const struct buf *form, const struct credentials *signer,
                      const struct sigv4_result *signature, struct err *err)
{
    static const struct credentials_attempts attempts = {
        .most = RETRY_ATTEMPTS, .pause_ms = 500, .again = is_for_now};
    struct http_header headers[4];
    size_t count = 0;
    headers[count++] = (struct http_header){(char *)"Content-Type", (char *)CONTENT_TYPE};
    if (signer) {
        headers[count++] = (struct http_header){(char *)"X-Amz-Date", (char *)signature->date};
        headers[count++] = (struct http_header){(char *)"Authorization", (char *)signature->authorization};
        if (signer->session_token)
            headers[count++] = (struct http_header){(char *)"X-Amz-Security-Token",
                                                    (char *)secret_bytes(signer->session_token)};
    }
    struct http_request request = {.method = "POST",
                                   .url = sts->endpoint,
                                   .headers = headers,
                                   .header_count = count,
                                   .body = form->data,
                                   .body_len = form->len,
                                   .has_body = true,
                                   .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                   .timeout_ms = TIMEOUT_MS,
                                   .max_response = CREDENTIALS_ANSWER_MAX};
    sts->request = credentials_request_start(&sts->options, &request, &attempts, answered, sts, err);
    return sts->request != NULL;
}

bool sts_send(struct sts *sts, const struct buf *form, const struct credentials *signer,
              void (*done)(void *arg, struct credentials *keys, const struct err *err), void *arg,
              struct err *err)
{
    struct http_url url = {0};
    struct sigv4_result *signature = calloc(1, sizeof *signature);
    bool ok = signature && !form->failed;
    if (!ok)
        err_set(err, ERR_MEMORY, "out of memory");
    sts->done = done;
    sts->arg = arg;
    ok = ok && http_url_parse(sts->endpoint, &url, err) &&
         (!signer || sign(sts, &url, form, signer, signature, err)) &&
         send_form(sts, form, signer, signature, err);
    if (signature)
        sigv4_result_free(signature);
    free(signature);
    http_url_free(&url);
    return ok;
}

void sts_stop(struct sts *sts)
{
    credentials_request_cancel(sts->request);
    sts->request = NULL;
}
