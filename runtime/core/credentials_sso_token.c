#include "core/credentials_sso_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/credentials_answer.h"
#include "core/credentials_time.h"
#include "core/digest.h"
#include "core/endpoint.h"
#include "core/log.h"
#include "core/retry.h"

#define MAX_CACHE_FILE     ((size_t)64 << 10)
#define PRINTED            (2 * (int)MAX_CACHE_FILE) /* at once: what grows leaves secrets behind */
#define CONNECT_TIMEOUT_MS 10000
#define TIMEOUT_MS         30000

/* What a person types: a name with a space or the like is quoted. */
static void set_login(struct sso_token *token, const char *profile)
{
    const char *quote = profile[strcspn(profile, " \t\"$`\\&;|<>()*?~#!")] ? "'" : "";
    snprintf(token->profile, sizeof token->profile, "%s", profile);
    snprintf(token->login, sizeof token->login, "aws sso login --profile %s%.100s%s", quote, profile, quote);
}

bool sso_token_init(struct sso_token *token, const struct credentials_search *search, const char *name,
                    bool renewable, const char *start_url, const char *region, struct err *err)
{
    struct endpoint_options where = {.service = &endpoint_sso_oidc,
                                     .region = region,
                                     .use_fips = search->options->use_fips,
                                     .use_dual_stack = search->options->use_dual_stack};
    char sum[41], in_home[80];
    memset(token, 0, sizeof *token);
    token->options = credentials_options_kept(search->options);
    token->renewable = renewable;
    set_login(token, search->profile);
    digest_sha1_hex(name, sum);
    snprintf(in_home, sizeof in_home, ".aws/sso/cache/%s.json", sum);
    token->path = aws_home_path(in_home);
    token->start_url = strdup(start_url);
    token->region = strdup(region);
    if (!token->start_url || !token->region)
        return err_set(err, ERR_MEMORY, "out of memory");
    return endpoint_resolve(&where, search->config, token->endpoint, sizeof token->endpoint, err);
}

static void forget(struct sso_token *token)
{
    credentials_answer_free(token->cached);
    token->cached = NULL;
}

void sso_token_free(struct sso_token *token)
{
    sso_token_stop(token);
    forget(token);
    free(token->path);
    free(token->start_url);
    free(token->region);
}

void sso_token_stop(struct sso_token *token)
{
    credentials_request_cancel(token->request);
    token->request = NULL;
}

/* ---- the cache ---- */

static bool no_session(const struct sso_token *token, const char *why, struct err *err)
{
    return err_set(err, ERR_CREDENTIALS, "the profile \"%s\" has no SSO session %.300s: run: %s",
                   token->profile, why, token->login);
}

static bool read_cache(struct sso_token *token, struct err *err)
{
    struct err ignored;
    char why[340];
    forget(token);
    err_clear(&ignored);
    FILE *file = token->path ? fopen(token->path, "re") : NULL;
    snprintf(why, sizeof why, "(%.250s: %s)", token->path ? token->path : "no home directory",
             strerror(errno));
    if (!file)
        return no_session(token, why, err);
    char *text = calloc(1, MAX_CACHE_FILE);
    size_t len = text ? fread(text, 1, MAX_CACHE_FILE, file) : 0;
    fclose(file);
    token->cached = credentials_answer_parse(text, len, token->path, &ignored);
    secret_release(text);
    if (credentials_answer_text(token->cached, "accessToken") &&
        credentials_answer_text(token->cached, "expiresAt"))
        return true;
    snprintf(why, sizeof why, "that can be read (%.250s)", token->path);
    return no_session(token, why, err);
}

static bool write_all(int fd, const char *text)
{
    for (size_t len = strlen(text); len > 0;) {
        ssize_t put = write(fd, text, len);
        if (put < 0 && errno != EINTR)
            return false;
        text += put > 0 ? put : 0;
        len -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

/* In one step, so that another program finds the old file or the new one; of mode 0600, as mkostemp has it.
 */
static void write_cache(const struct sso_token *token)
{
    char *name = NULL, *text = cJSON_PrintBuffered(token->cached, PRINTED, true);
    if (!text || asprintf(&name, "%s.XXXXXX", token->path) < 0)
        name = NULL;
    int fd = name ? mkostemp(name, O_CLOEXEC) : -1;
    bool ok = fd >= 0 && write_all(fd, text);
    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    if (!ok || rename(name, token->path) != 0) {
        log_write(LOG_WARN,
                  "the new SSO token cannot be kept in %s (%s): other programs go on with the old one",
                  token->path, strerror(errno));
        if (fd >= 0)
            unlink(name);
    }
    free(name);
    secret_release(text);
}

static void set_text(cJSON *object, const char *name, const char *value)
{
    cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(object, name);
    credentials_answer_free(item);
    cJSON_AddStringToObject(object, name, value);
}

/* ---- renewing ---- */

static time_t time_of(const cJSON *object, const char *name)
{
    time_t time = 0;
    const char *text = credentials_answer_text(object, name);
    return text && credentials_time_parse(text, &time) ? time : 0;
}

static bool can_renew(const struct sso_token *token, time_t now)
{
    return token->renewable && credentials_answer_text(token->cached, "refreshToken") &&
           credentials_answer_text(token->cached, "clientId") &&
           credentials_answer_text(token->cached, "clientSecret") &&
           time_of(token->cached, "registrationExpiresAt") > now;
}

/* Takes what SSO OIDC gave into the cache. */
static bool take_new(struct sso_token *token, const struct http_response *response, const char *from,
                     struct err *err)
{
    char ends[24];
    cJSON *answer = credentials_answer_parse(response->body.data, response->body.len, from, err);
    const char *access = credentials_answer_text(answer, "accessToken"),
               *refresh = credentials_answer_text(answer, "refreshToken");
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(answer, "expiresIn");
    bool ok = access && cJSON_IsNumber(seconds) && seconds->valuedouble > 0 && seconds->valuedouble < 1e9;
    if (answer && !ok)
        err_set(err, ERR_CREDENTIALS, "%.300s gave JSON without accessToken and expiresIn", from);
    if (ok) {
        credentials_time_format(credentials_now(&token->options) + (time_t)seconds->valuedouble, ends);
        set_text(token->cached, "startUrl", token->start_url);
        set_text(token->cached, "region", token->region);
        set_text(token->cached, "accessToken", access);
        set_text(token->cached, "expiresAt", ends);
        if (refresh)
            set_text(token->cached, "refreshToken", refresh);
        write_cache(token);
    }
    credentials_answer_free(answer);
    return ok;
}

static bool has_ended(const struct sso_token *token, time_t now)
{
    return time_of(token->cached, "expiresAt") <= now;
}

/* A refresh token is good once. Where another program was faster with it, the cache has the token that this one was denied. */
static bool renewed_by_another(struct sso_token *token)
{
    struct err ignored;
    cJSON *before = token->cached;
    time_t ended = time_of(before, "expiresAt");
    err_clear(&ignored);
    token->cached = NULL;
    bool newer = read_cache(token, &ignored) && time_of(token->cached, "expiresAt") > ended &&
                 !has_ended(token, credentials_now(&token->options));
    credentials_answer_free(newer ? before : token->cached);
    token->cached = newer ? token->cached : before;
    return newer;
}

static bool session_over(const struct sso_token *token, const char *why, struct err *err)
{
    const char *ended = credentials_answer_text(token->cached, "expiresAt");
    return err_set(err, ERR_CREDENTIALS,
                   "the SSO session of the profile \"%s\" ended at %.40s%.400s: run: %s", token->profile,
                   ended, why, token->login);
}

static void renewed(void *arg, struct http_response *response, const struct err *failure)
{
    struct sso_token *token = arg;
    char from[560], why[420];
    struct err err;
    err_clear(&err);
    token->request = NULL;
    snprintf(from, sizeof from, "SSO OIDC at %s", token->endpoint);
    bool ok = (credentials_answered(response, failure, from, &err) && take_new(token, response, from, &err)) ||
              renewed_by_another(token);
    if (!ok && has_ended(token, credentials_now(&token->options))) {
        snprintf(why, sizeof why, " and cannot be renewed (%.380s)", err.message);
        session_over(token, why, &err);
        token->done(token->arg, NULL, &err);
        return;
    }
    if (!ok)
        log_write(LOG_WARN, "the SSO token at hand is used on, as no new one could be had: %s", err.message);
    token->done(token->arg, credentials_answer_text(token->cached, "accessToken"), &err);
}

static bool renew(struct sso_token *token, struct err *err)
{
    static const struct credentials_attempts attempts = {.most = RETRY_ATTEMPTS, .pause_ms = 500};
    static const char *const kept[] = {"clientId", "clientSecret", "refreshToken"};
    char url[540];
    struct http_header header = {(char *)"Content-Type", (char *)"application/json"};
    cJSON *form = cJSON_CreateObject();
    cJSON_AddStringToObject(form, "grantType", "refresh_token");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        cJSON_AddStringToObject(form, kept[i], credentials_answer_text(token->cached, kept[i]));
    char *text = cJSON_PrintBuffered(form, PRINTED, false);
    credentials_answer_free(form);
    snprintf(url, sizeof url, "%s/token", token->endpoint);
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .headers = &header,
                                   .header_count = 1,
                                   .body = text,
                                   .body_len = text ? strlen(text) : 0,
                                   .has_body = true,
                                   .max_response = CREDENTIALS_ANSWER_MAX,
                                   .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                   .timeout_ms = TIMEOUT_MS};
    if (text)
        token->request = credentials_request_start(&token->options, &request, &attempts, renewed, token, err);
    else
        err_set(err, ERR_MEMORY, "out of memory");
    secret_release(text);
    return token->request != NULL;
}

bool sso_token_start(struct sso_token *token, const char **now,
                     void (*done)(void *arg, const char *token, const struct err *err), void *arg,
                     struct err *err)
{
    *now = NULL;
    token->done = done;
    token->arg = arg;
    if (!read_cache(token, err))
        return false;
    time_t clock = credentials_now(&token->options), ends = time_of(token->cached, "expiresAt");
    if (ends - clock < SSO_REFRESH && can_renew(token, clock))
        return renew(token, err);
    if (ends <= clock)
        return session_over(token, "", err);
    *now = credentials_answer_text(token->cached, "accessToken");
    return true;
}
