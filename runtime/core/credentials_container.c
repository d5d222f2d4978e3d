/* Keys from the container that this runs in: ECS, EKS pod identity, CloudShell. Rule: AWS SDKs and Tools
 * Reference Guide, "Container credential provider". */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/credentials_answer.h"
#include "core/credentials_providers.h"
#include "core/credentials_request.h"
#include "core/endpoint.h"

#define RELATIVE      "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL          "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN         "AWS_CONTAINER_AUTHORIZATION_TOKEN"
#define RELATIVE_HOST "http://169.254.170.2"
#define TIMEOUT_MS    5000 /* of each attempt */

struct container_provider {
    struct credentials_provider provider;
    struct credentials_options options;
    char *url;
    char *token, *token_file;            /* one of them, or none */
    struct credentials_request *request; /* under way, or NULL */
};

static const struct credentials_attempts attempts = {.most = 3, .pause_ms = 1000};
static const char from[] = "the container's credentials endpoint";

static void container_answered(void *arg, struct http_response *response, const struct err *failure)
{
    static const struct credentials_answer_names names = {"AccessKeyId", "SecretAccessKey", "Token",
                                                          "Expiration", false};
    struct container_provider *self = arg;
    struct credentials keys = {0};
    struct err err;
    err_clear(&err);
    self->request = NULL;
    cJSON *answer = NULL;
    bool ok = credentials_answered(response, failure, self->provider.source, &err) &&
              (answer = credentials_answer_parse(response->body.data, response->body.len,
                                                 self->provider.source, &err)) &&
              credentials_answer_keys(answer, &names, self->provider.source, &keys, &err);
    credentials_answer_free(answer);
    if (ok)
        memcpy(keys.source, self->provider.source, sizeof keys.source);
    credentials_fetched(&self->provider, ok ? &keys : NULL, &err);
}

/* The file's content is renewed by others: it is read each time. */
static bool container_start(struct credentials_provider *provider, struct err *err)
{
    struct container_provider *self = (struct container_provider *)provider;
    char *token = self->token;
    if (self->token_file && !(token = credentials_token_file(self->token_file, TOKEN "_FILE", err)))
        return false;
    struct http_header headers[] = {{(char *)"Accept", (char *)"application/json"},
                                    {(char *)"Authorization", token}};
    struct http_request request = {.method = "GET",
                                   .url = self->url,
                                   .headers = headers,
                                   .header_count = token ? 2 : 1,
                                   .connect_timeout_ms = TIMEOUT_MS,
                                   .timeout_ms = TIMEOUT_MS,
                                   .direct = strncasecmp(self->url, "https:", 6) != 0,
                                   .max_response = CREDENTIALS_ANSWER_MAX};
    self->request =
        credentials_request_start(&self->options, &request, &attempts, container_answered, self, err);
    if (self->token_file)
        secret_release(token);
    return self->request != NULL;
}

static void container_stop(struct credentials_provider *provider)
{
    struct container_provider *self = (struct container_provider *)provider;
    credentials_request_cancel(self->request);
    self->request = NULL;
}

static void container_free(struct credentials_provider *provider)
{
    struct container_provider *self = (struct container_provider *)provider;
    free(self->url);
    secret_release(self->token);
    free(self->token_file);
    free(self);
}

/* ---- what is configured ---- */

static bool is_address(const char *host, int family, const char *expected)
{
    unsigned char one[16] = {0}, other[16] = {0};
    return inet_pton(family, host, one) == 1 && inet_pton(family, expected, other) == 1 &&
           memcmp(one, other, 16) == 0;
}

/* The token goes to whoever answers there. */
static bool is_allowed(const struct http_url *url)
{
    return strcasecmp(url->scheme, "https") == 0 || endpoint_is_loopback(url->host) ||
           is_address(url->host, AF_INET, "169.254.170.2") ||
           is_address(url->host, AF_INET, "169.254.170.23") ||
           is_address(url->host, AF_INET6, "fd00:ec2::23");
}

static bool check_full(const char *text, struct err *err)
{
    struct http_url url;
    struct err fault;
    err_clear(&fault);
    if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0)
        return err_set(err, ERR_CONFIG, FULL " is not a usable URL: it must begin with https:// or http://");
    if (!http_url_parse(text, &url, &fault))
        return err_set(err, ERR_CONFIG, FULL " is not a usable URL: %.300s", fault.message);
    bool allowed = is_allowed(&url);
    if (!allowed)
        err_set(err, ERR_CONFIG,
                FULL " names the host %.200s: over http only this machine, 169.254.170.2, 169.254.170.23 and "
                     "fd00:ec2::23 are asked for keys; use https for another",
                url.host);
    http_url_free(&url);
    return allowed;
}

/* Where it is to be asked; NULL with *err filled. Owned by the caller. */
static char *make_url(const char *relative, const char *full, struct err *err)
{
    char *url = NULL;
    if (relative && *relative != '/') {
        err_set(err, ERR_CONFIG, RELATIVE " is \"%.80s\": it must be a path that begins with /", relative);
    } else if (relative || check_full(full, err)) {
        if (asprintf(&url, "%s%s", relative ? RELATIVE_HOST : "", relative ? relative : full) < 0)
            url = NULL;
        if (!url)
            err_set(err, ERR_MEMORY, "out of memory");
    }
    return url;
}

static bool take_token(struct container_provider *self, struct err *err)
{
    const char *file = credentials_variable(TOKEN "_FILE"), *token = credentials_variable(TOKEN);
    if (file) {
        self->token_file = strdup(file);
        return self->token_file || err_set(err, ERR_MEMORY, "out of memory");
    }
    for (const char *c = token; c && *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            return err_set(err, ERR_CONFIG,
                           TOKEN " holds a line end or another control character: copy it again");
    self->token = token ? strdup(token) : NULL;
    return !token || self->token || err_set(err, ERR_MEMORY, "out of memory");
}

enum credentials_found credentials_from_container(const struct credentials_search *search,
                                                  struct credentials_store **out, struct err *err)
{
    const char *relative = credentials_variable(RELATIVE), *full = credentials_variable(FULL);
    if (!relative && !full)
        return CREDENTIALS_NONE;
    struct container_provider *self = calloc(1, sizeof *self);
    if (!self) {
        err_set(err, ERR_MEMORY, "out of memory");
        return CREDENTIALS_FAILED;
    }
    self->provider.start = container_start;
    self->provider.stop = container_stop;
    self->provider.free = container_free;
    self->options = credentials_options_kept(search->options);
    snprintf(self->provider.source, sizeof self->provider.source, "%s (%s)", from,
             relative ? RELATIVE : FULL);
    self->url = make_url(relative, full, err);
    if (!self->url || !take_token(self, err)) {
        container_free(&self->provider);
        return CREDENTIALS_FAILED;
    }
    *out = credentials_store_new(search->options, &self->provider, NULL, err);
    return *out ? CREDENTIALS_FOUND : CREDENTIALS_FAILED;
}
