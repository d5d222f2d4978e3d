/* Keys from the metadata of an EC2 instance, version 2 only: a session token comes first. Rule: AWS SDKs and Tools Reference Guide,
 * "IMDS credential provider". */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/credentials_answer.h"
#include "core/credentials_providers.h"
#include "core/credentials_request.h"
#include "core/credentials_time.h"
#include "core/endpoint.h"
#include "core/log.h"

#define DISABLED "AWS_EC2_METADATA_DISABLED"
#define ROLES "/latest/meta-data/iam/security-credentials/"
#define TOKEN_SECONDS "21600"
#define MAX_ROLE 128
#define MAX_TOKEN 1024
#define EXTENSION (CREDENTIALS_ADVISORY + 10 * 60) /* seconds that keys are used which the service has not renewed in time */

struct metadata_provider {
    struct credentials_provider provider;
    struct credentials_options options;
    char endpoint[300];
    char name[340]; /* for errors */
    long timeout_ms;
    struct credentials_attempts attempts;
    char *looked_at; /* before; NULL for a profile that names this source */
    char token[MAX_TOKEN + 1];
    char role[MAX_ROLE + 1];
    struct credentials_request *request; /* under way, or NULL */
};

static bool ask(struct metadata_provider *self, const char *method, const char *path, const struct http_header *header,
                void (*done)(void *arg, struct http_response *response, const struct err *failure), struct err *err)
{
    char url[600];
    snprintf(url, sizeof url, "%s%s", self->endpoint, path);
    struct http_request request = {.method = method, .url = url, .headers = header, .header_count = 1,
                                   .has_body = strcmp(method, "PUT") == 0, .direct = true,
                                   .connect_timeout_ms = self->timeout_ms, .timeout_ms = self->timeout_ms,
                                   .max_response = CREDENTIALS_ANSWER_MAX};
    self->request = credentials_request_start(&self->options, &request, &self->attempts, done, self, err);
    return self->request != NULL;
}

static void fail(struct metadata_provider *self, struct err *err)
{
    struct err why = *err;
    if (self->looked_at) {
        credentials_none(self->looked_at, why.message, err);
        err->retryable = why.retryable;
    }
    secret_cleanse(self->token, sizeof self->token);
    credentials_fetched(&self->provider, NULL, err);
}

/* Asks with the session's token. */
static bool ask_on(struct metadata_provider *self, const char *path,
                   void (*done)(void *arg, struct http_response *response, const struct err *failure), struct err *err)
{
    struct http_header header = {(char *)"x-aws-ec2-metadata-token", self->token};
    return ask(self, "GET", path, &header, done, err);
}

/* ---- the keys ---- */

/* The service gives old keys when it cannot renew them: they are used on, and asked for again in ten minutes. */
static void extend(struct metadata_provider *self, struct credentials *keys)
{
    time_t now = credentials_now(&self->options);
    if (keys->expires - now >= CREDENTIALS_ADVISORY)
        return;
    log_write(LOG_INFO, "the instance metadata has not renewed the keys that end now: they are used on");
    keys->expires = now + EXTENSION;
}

static bool is_success(const struct metadata_provider *self, const cJSON *answer, struct err *err)
{
    const char *code = credentials_answer_text(answer, "Code"), *message = credentials_answer_text(answer, "Message");
    char said[200];
    if (!code || strcmp(code, "Success") == 0)
        return true;
    credentials_quote(message ? message : code, strlen(message ? message : code), said, sizeof said);
    return err_set(err, ERR_CREDENTIALS, "%s has no keys for the role %s: %s", self->name, self->role, said);
}

static void keys_answered(void *arg, struct http_response *response, const struct err *failure)
{
    static const struct credentials_answer_names names = {"AccessKeyId", "SecretAccessKey", "Token", "Expiration", false};
    struct metadata_provider *self = arg;
    struct credentials keys = {0};
    struct err err;
    err_clear(&err);
    self->request = NULL;
    cJSON *answer = NULL;
    bool ok = credentials_answered(response, failure, self->name, &err) &&
              (answer = credentials_answer_parse(response->body.data, response->body.len, self->name, &err)) &&
              is_success(self, answer, &err) && credentials_answer_keys(answer, &names, self->name, &keys, &err);
    credentials_answer_free(answer);
    if (!ok) {
        fail(self, &err);
        return;
    }
    extend(self, &keys);
    snprintf(keys.source, sizeof keys.source, "%s, role %s", self->name, self->role);
    secret_cleanse(self->token, sizeof self->token);
    credentials_fetched(&self->provider, &keys, &err);
}

/* ---- the role, the session ---- */

/* The first line, of the characters that IAM has in names. */
static bool take_role(struct metadata_provider *self, const struct http_response *response, struct err *err)
{
    size_t len = 0;
    const char *text = response->body.len > 0 ? response->body.data : "";
    while (text[len] && (isalnum((unsigned char)text[len]) || strchr("+=,.@_-", text[len])))
        len++;
    if (len == 0 || len > MAX_ROLE || !strchr("\r\n", text[len]))
        return err_set(err, ERR_CREDENTIALS, "%s gave something that is not the name of a role: does another program answer there?",
                       self->name);
    memcpy(self->role, text, len);
    self->role[len] = '\0';
    return true;
}

static void role_answered(void *arg, struct http_response *response, const struct err *failure)
{
    struct metadata_provider *self = arg;
    char path[sizeof ROLES + MAX_ROLE];
    struct err err;
    err_clear(&err);
    self->request = NULL;
    bool ok = response->status == 404
                  ? err_set(&err, ERR_CREDENTIALS, "%s has no role: attach one to the instance", self->name)
                  : credentials_answered(response, failure, self->name, &err) && take_role(self, response, &err);
    snprintf(path, sizeof path, ROLES "%s", self->role);
    if (!ok || !ask_on(self, path, keys_answered, &err))
        fail(self, &err);
}

/* It goes into a header. */
static bool take_token(struct metadata_provider *self, const struct http_response *response, struct err *err)
{
    size_t len = response->body.len;
    const char *text = len > 0 ? response->body.data : "";
    bool printable = len > 0 && len <= MAX_TOKEN && text[0] != '<';
    for (size_t i = 0; printable && i < len; i++)
        printable = text[i] > ' ' && text[i] <= '~';
    if (!printable)
        return err_set(err, ERR_CREDENTIALS, "%s gave something that is not a token: does another program answer there?",
                       self->name);
    memcpy(self->token, text, len);
    self->token[len] = '\0';
    return true;
}

static void token_answered(void *arg, struct http_response *response, const struct err *failure)
{
    struct metadata_provider *self = arg;
    struct err err;
    err_clear(&err);
    self->request = NULL;
    if (!credentials_answered(response, failure, self->name, &err) || !take_token(self, response, &err) ||
        !ask_on(self, ROLES, role_answered, &err))
        fail(self, &err);
}

/* ---- the provider ---- */

static bool metadata_start(struct credentials_provider *provider, struct err *err)
{
    struct http_header header = {(char *)"x-aws-ec2-metadata-token-ttl-seconds", (char *)TOKEN_SECONDS};
    return ask((struct metadata_provider *)provider, "PUT", "/latest/api/token", &header, token_answered, err);
}

static void metadata_stop(struct credentials_provider *provider)
{
    struct metadata_provider *self = (struct metadata_provider *)provider;
    credentials_request_cancel(self->request);
    self->request = NULL;
}

static void metadata_free(struct credentials_provider *provider)
{
    struct metadata_provider *self = (struct metadata_provider *)provider;
    secret_cleanse(self->token, sizeof self->token);
    free(self->looked_at);
    free(self);
}

static bool find_endpoint(const struct credentials_search *search, struct metadata_provider *self, struct err *err)
{
    char from[400];
    const char *url = credentials_configured(search, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint", from,
                                             sizeof from);
    if (url)
        return endpoint_custom(url, from, self->endpoint, sizeof self->endpoint, err);
    const char *mode = credentials_configured(search, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                                              "ec2_metadata_service_endpoint_mode", from, sizeof from);
    if (mode && strcasecmp(mode, "IPv4") != 0 && strcasecmp(mode, "IPv6") != 0)
        return err_set(err, ERR_CONFIG, "%s is \"%.40s\": it must be IPv4 or IPv6", from, mode);
    snprintf(self->endpoint, sizeof self->endpoint, "%s",
             mode && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]" : "http://169.254.169.254");
    return true;
}

static bool configure(const struct credentials_search *search, struct metadata_provider *self, struct err *err)
{
    long seconds, attempts;
    if (!find_endpoint(search, self, err) ||
        !credentials_number(search, "AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout", 3600, 1, &seconds, err) ||
        !credentials_number(search, "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts", 1000, 1, &attempts, err))
        return false;
    self->timeout_ms = seconds * 1000;
    self->attempts.most = (int)attempts;
    snprintf(self->name, sizeof self->name, "the instance metadata at %s", self->endpoint);
    snprintf(self->provider.source, sizeof self->provider.source, "%s", self->name);
    return true;
}

struct credentials_store *credentials_from_metadata(const struct credentials_search *search, const char *looked_at,
                                                    struct err *err)
{
    const char *disabled = credentials_variable(DISABLED);
    if (disabled && strcasecmp(disabled, "true") == 0) {
        static const char switched_off[] = "the instance metadata (switched off by " DISABLED ")";
        if (looked_at)
            credentials_none(looked_at, switched_off, err);
        else
            err_set(err, ERR_CREDENTIALS, "the keys are to come from %s: unset the variable", switched_off);
        return NULL;
    }
    struct metadata_provider *self = calloc(1, sizeof *self);
    if (!self || (looked_at && !(self->looked_at = strdup(looked_at)))) {
        free(self);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    self->provider.start = metadata_start;
    self->provider.stop = metadata_stop;
    self->provider.free = metadata_free;
    self->options = *search->options;
    if (configure(search, self, err))
        return credentials_store_new(search->options, &self->provider, NULL, err);
    metadata_free(&self->provider);
    return NULL;
}
