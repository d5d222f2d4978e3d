/* Keys of a role in IAM Identity Center (SSO), for the token of `aws sso login`. Rule: AWS SDKs and Tools
 * Reference Guide, "IAM Identity Center credential provider". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credentials_answer.h"
#include "core/credentials_sso_token.h"
#include "core/endpoint.h"
#include "core/retry.h"
#include "core/sigv4.h"

#define CONNECT_TIMEOUT_MS 10000
#define TIMEOUT_MS         30000

struct sso_provider {
    struct credentials_provider provider;
    struct credentials_options options; /* without its strings */
    struct sso_token token;
    struct buf url; /* of GetRoleCredentials */
    char name[560]; /* for errors */
    char role[260]; /* "Loader in account 123456789012" */
    char *file;     /* and line of the profile's setting */
    long line;
    struct credentials_request *request; /* under way, or NULL */
};

/* ---- the keys ---- */

static bool refused(const struct sso_provider *self, const struct http_response *response, struct err *err)
{
    if (response->status == 401)
        return err_set(err, ERR_CREDENTIALS, "%.300s takes the token of the profile \"%s\" no more: run: %s",
                       self->name, self->token.profile, self->token.login);
    struct err why = *err;
    return err_set(err, ERR_CREDENTIALS, "there are no keys for the role %s: %.500s", self->role,
                   why.message);
}

static bool take_keys(const struct sso_provider *self, const struct http_response *response,
                      const struct err *failure, struct credentials *keys, struct err *err)
{
    static const struct credentials_answer_names names = {"accessKeyId", "secretAccessKey", "sessionToken",
                                                          "expiration", false};
    if (!credentials_answered(response, failure, self->name, err))
        return refused(self, response, err);
    cJSON *answer = credentials_answer_parse(response->body.data, response->body.len, self->name, err);
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(answer, "roleCredentials");
    bool ok = answer && credentials_answer_keys(found, &names, self->name, keys, err);
    credentials_answer_free(answer);
    return ok;
}

static void keys_answered(void *arg, struct http_response *response, const struct err *failure)
{
    struct sso_provider *self = arg;
    struct credentials keys = {0};
    struct err err;
    err_clear(&err);
    self->request = NULL;
    bool ok = take_keys(self, response, failure, &keys, &err);
    if (ok)
        memcpy(keys.source, self->provider.source, sizeof keys.source);
    else
        err_at(&err, self->file, self->line, 0, NULL);
    credentials_fetched(&self->provider, ok ? &keys : NULL, &err);
}

static bool ask(struct sso_provider *self, const char *token, struct err *err)
{
    static const struct credentials_attempts attempts = {.most = RETRY_ATTEMPTS, .pause_ms = 500};
    struct http_header headers[] = {{(char *)"x-amz-sso_bearer_token", (char *)token}};
    struct http_request request = {.method = "GET",
                                   .url = self->url.data,
                                   .headers = headers,
                                   .header_count = 1,
                                   .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                   .timeout_ms = TIMEOUT_MS,
                                   .max_response = CREDENTIALS_ANSWER_MAX};
    for (const char *c = token; *c; c++)
        if (*c <= ' ' || *c > '~')
            return err_set(err, ERR_CREDENTIALS,
                           "the SSO token in %.300s holds a character that no token has: run: %s",
                           self->token.path, self->token.login);
    self->request = credentials_request_start(&self->options, &request, &attempts, keys_answered, self, err);
    return self->request != NULL;
}

static void token_ready(void *arg, const char *token, const struct err *failure)
{
    struct sso_provider *self = arg;
    struct err err = *failure;
    if (token)
        err_clear(&err);
    if (token && ask(self, token, &err))
        return;
    err_at(&err, self->file, self->line, 0, NULL);
    credentials_fetched(&self->provider, NULL, &err);
}

static bool sso_start(struct credentials_provider *provider, struct err *err)
{
    struct sso_provider *self = (struct sso_provider *)provider;
    const char *token;
    bool ok =
        sso_token_start(&self->token, &token, token_ready, self, err) && (!token || ask(self, token, err));
    return ok || err_at(err, self->file, self->line, 0, NULL);
}

static void sso_stop(struct credentials_provider *provider)
{
    struct sso_provider *self = (struct sso_provider *)provider;
    sso_token_stop(&self->token);
    credentials_request_cancel(self->request);
    self->request = NULL;
}

static void sso_free(struct credentials_provider *provider)
{
    struct sso_provider *self = (struct sso_provider *)provider;
    sso_token_free(&self->token);
    buf_free(&self->url);
    free(self->file);
    free(self);
}

/* ---- what is configured ---- */

enum sso_key { START_URL, REGION, ACCOUNT, ROLE, SSO_KEYS };
static const char *const key_names[SSO_KEYS] = {"sso_start_url", "sso_region", "sso_account_id",
                                                "sso_role_name"};

struct sso_settings {
    const struct aws_setting *session; /* NULL: everything stands in the profile */
    const struct aws_setting *any;     /* one of the profile's, for the place in errors */
    const struct aws_setting *values[SSO_KEYS];
};

static bool session_is_there(const struct credentials_search *search, const struct aws_setting *session,
                             struct err *err)
{
    const struct aws_shared_file *file = &search->config->files[AWS_CONFIG];
    for (size_t i = 0; i < file->count; i++)
        if (file->settings[i].kind == SECTION_SSO_SESSION &&
            strcmp(file->settings[i].section, session->value) == 0)
            return true;
    err_set(err, ERR_CONFIG,
            "there is no section [sso-session %.100s] in %.250s: add it, or run: aws configure sso",
            session->value, file->path);
    return aws_setting_at(session, err);
}

/* What stands in both the session and the profile must be the same. */
static bool look_up(const struct credentials_search *search, struct sso_settings *settings, struct err *err)
{
    for (int i = 0; i < SSO_KEYS; i++) {
        const struct aws_setting *own = aws_config_setting(search->config, search->profile, key_names[i]);
        const struct aws_setting *shared =
            settings->session ? aws_config_session(search->config, settings->session->value, key_names[i])
                              : NULL;
        if (own && shared && strcmp(own->value, shared->value) != 0) {
            err_set(err, ERR_CONFIG,
                    "%s is another than that of [sso-session %.100s] (line %ld): remove one of them",
                    key_names[i], settings->session->value, shared->line);
            return aws_setting_at(own, err);
        }
        settings->values[i] = own ? own : shared;
        settings->any = settings->any ? settings->any : own;
    }
    settings->any = settings->any ? settings->any : settings->session;
    return true;
}

static bool is_complete(const struct credentials_search *search, const struct sso_settings *settings,
                        struct err *err)
{
    for (int i = 0; i < SSO_KEYS; i++) {
        if (settings->values[i])
            continue;
        err_set(err, ERR_CONFIG,
                "the profile \"%.80s\" uses SSO, but has no %s%s%.80s%s: add it, or run: aws configure sso",
                search->profile, key_names[i], settings->session ? " (nor has [sso-session " : "",
                settings->session ? settings->session->value : "", settings->session ? "])" : "");
        return aws_setting_at(settings->any, err);
    }
    return true;
}

/* A profile that has only a session may be for other things than keys, which it then takes from elsewhere. */
static bool is_meant(const struct credentials_search *search, const struct sso_settings *settings)
{
    const struct aws_config *config = search->config;
    if (settings->values[ACCOUNT] || settings->values[ROLE])
        return true;
    return (settings->session || settings->values[START_URL]) && !credentials_has_keys(search) &&
           !aws_config_setting(config, search->profile, "credential_process") &&
           !aws_config_setting(config, search->profile, "login_session");
}

static bool configure(const struct credentials_search *search, const struct sso_settings *settings,
                      struct sso_provider *self, struct err *err)
{
    const char *account = settings->values[ACCOUNT]->value, *role = settings->values[ROLE]->value;
    const char *region = settings->values[REGION]->value, *start_url = settings->values[START_URL]->value;
    struct endpoint_options where = {.service = &endpoint_sso,
                                     .region = region,
                                     .use_fips = search->options->use_fips,
                                     .use_dual_stack = search->options->use_dual_stack};
    char endpoint[512];
    self->options = credentials_options_kept(search->options);
    self->line = settings->any->line;
    buf_init(&self->url, 8 << 10);
    if (!sso_token_init(&self->token, search, settings->session ? settings->session->value : start_url,
                        settings->session != NULL, start_url, region, err) ||
        !endpoint_resolve(&where, search->config, endpoint, sizeof endpoint, err))
        return aws_setting_at(settings->values[REGION], err);
    snprintf(self->name, sizeof self->name, "SSO at %s", endpoint);
    snprintf(self->role, sizeof self->role, "%.150s in account %.80s", role, account);
    snprintf(self->provider.source, sizeof self->provider.source,
             "SSO role %.150s of the profile %.60s in %.300s:%ld", self->role, search->profile,
             settings->any->file, settings->any->line);
    buf_addf(&self->url, "%s/federation/credentials?role_name=", endpoint);
    sigv4_uri_encode(role, strlen(role), false, &self->url);
    buf_adds(&self->url, "&account_id=");
    sigv4_uri_encode(account, strlen(account), false, &self->url);
    self->file = strdup(settings->any->file);
    return (self->file && !self->url.failed) || err_set(err, ERR_MEMORY, "out of memory");
}

enum credentials_found credentials_from_sso(const struct credentials_search *search,
                                            struct credentials_store **out, struct err *err)
{
    struct sso_settings settings = {.session =
                                        aws_config_setting(search->config, search->profile, "sso_session")};
    if (!look_up(search, &settings, err))
        return CREDENTIALS_FAILED;
    if (!is_meant(search, &settings))
        return CREDENTIALS_NONE;
    if ((settings.session && !session_is_there(search, settings.session, err)) ||
        !is_complete(search, &settings, err))
        return CREDENTIALS_FAILED;
    struct sso_provider *self = calloc(1, sizeof *self);
    if (!self) {
        err_set(err, ERR_MEMORY, "out of memory");
        return CREDENTIALS_FAILED;
    }
    self->provider.start = sso_start;
    self->provider.stop = sso_stop;
    self->provider.free = sso_free;
    if (!configure(search, &settings, self, err)) {
        sso_free(&self->provider);
        return CREDENTIALS_FAILED;
    }
    *out = credentials_store_new(search->options, &self->provider, NULL, err);
    return *out ? CREDENTIALS_FOUND : CREDENTIALS_FAILED;
}
