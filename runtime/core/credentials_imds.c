#include "core/credentials_imds.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/credentials_answer.h"
#include "core/endpoint.h"

#define TOKEN_SECONDS "21600"

bool imds_is_disabled(void)
{
    const char *disabled = credentials_variable(IMDS_DISABLED);
    return disabled && strcasecmp(disabled, "true") == 0;
}

static bool find_endpoint(const struct credentials_search *search, struct imds *imds, struct err *err)
{
    char from[400];
    const char *url = credentials_configured(search, "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                             "ec2_metadata_service_endpoint", from, sizeof from);
    if (url)
        return endpoint_custom(url, from, imds->endpoint, sizeof imds->endpoint, err);
    const char *mode = credentials_configured(search, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                                              "ec2_metadata_service_endpoint_mode", from, sizeof from);
    if (mode && strcasecmp(mode, "IPv4") != 0 && strcasecmp(mode, "IPv6") != 0)
        return err_set(err, ERR_CONFIG, "%s is \"%.40s\": it must be IPv4 or IPv6", from, mode);
    snprintf(imds->endpoint, sizeof imds->endpoint, "%s",
             mode && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]" : "http://169.254.169.254");
    return true;
}

bool imds_init(struct imds *imds, const struct credentials_search *search, struct err *err)
{
    long seconds, attempts;
    memset(imds, 0, sizeof *imds);
    if (!find_endpoint(search, imds, err) ||
        !credentials_number(search, "AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout", 3600, 1,
                            &seconds, err) ||
        !credentials_number(search, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts",
                            1000, 1, &attempts, err))
        return false;
    imds->options = credentials_options_kept(search->options);
    imds->timeout_ms = seconds * 1000;
    imds->attempts.most = (int)attempts;
    snprintf(imds->name, sizeof imds->name, "the instance metadata at %s", imds->endpoint);
    return true;
}

static bool ask(struct imds *imds, const char *method, const char *path, const struct http_header *header,
                void (*done)(void *arg, struct http_response *response, const struct err *failure),
                struct err *err)
{
    char url[600];
    snprintf(url, sizeof url, "%s%s", imds->endpoint, path);
    struct http_request request = {.method = method,
                                   .url = url,
                                   .headers = header,
                                   .header_count = 1,
                                   .has_body = strcmp(method, "PUT") == 0,
                                   .direct = true,
                                   .connect_timeout_ms = imds->timeout_ms,
                                   .timeout_ms = imds->timeout_ms,
                                   .max_response = CREDENTIALS_ANSWER_MAX};
    imds->request = credentials_request_start(&imds->options, &request, &imds->attempts, done, imds, err);
    return imds->request != NULL;
}

static void answered(void *arg, struct http_response *response, const struct err *failure)
{
    struct imds *imds = arg;
    struct err err;
    err_clear(&err);
    imds->request = NULL;
    bool ok = credentials_answered(response, failure, imds->name, &err);
    err.status = response->status;
    if (ok && response->body.len == 0)
        ok = err_set(&err, ERR_CREDENTIALS, "%s gave nothing", imds->name);
    imds->done(imds->arg, ok ? response->body.data : NULL, &err);
}

static bool ask_in_session(struct imds *imds, struct err *err)
{
    struct http_header header = {(char *)"x-aws-ec2-metadata-token", imds->token};
    return ask(imds, "GET", imds->path, &header, answered, err);
}

/* It goes into a header. */
static bool take_token(struct imds *imds, const struct http_response *response, struct err *err)
{
    size_t len = response->body.len;
    const char *text = len > 0 ? response->body.data : "";
    bool printable = len > 0 && len <= IMDS_MAX_TOKEN && text[0] != '<';
    for (size_t i = 0; printable && i < len; i++)
        printable = text[i] > ' ' && text[i] <= '~';
    if (!printable)
        return err_set(err, ERR_CREDENTIALS,
                       "%s gave something that is not a token: does another program answer there?",
                       imds->name);
    memcpy(imds->token, text, len);
    imds->token[len] = '\0';
    return true;
}

static void token_answered(void *arg, struct http_response *response, const struct err *failure)
{
    struct imds *imds = arg;
    struct err err;
    err_clear(&err);
    imds->request = NULL;
    if (!credentials_answered(response, failure, imds->name, &err) || !take_token(imds, response, &err) ||
        !ask_in_session(imds, &err))
        imds->done(imds->arg, NULL, &err);
}

bool imds_get(struct imds *imds, const char *path,
              void (*done)(void *arg, const char *text, const struct err *err), void *arg, struct err *err)
{
    struct http_header header = {(char *)"x-aws-ec2-metadata-token-ttl-seconds", (char *)TOKEN_SECONDS};
    snprintf(imds->path, sizeof imds->path, "%s", path);
    imds->done = done;
    imds->arg = arg;
    if (imds->token[0])
        return ask_in_session(imds, err);
    return ask(imds, "PUT", "/latest/api/token", &header, token_answered, err);
}

void imds_close(struct imds *imds)
{
    credentials_request_cancel(imds->request);
    imds->request = NULL;
    secret_cleanse(imds->token, sizeof imds->token);
}
