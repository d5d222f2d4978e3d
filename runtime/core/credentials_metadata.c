/* Keys of the role of the EC2 instance that this runs on. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credentials_answer.h"
#include "core/credentials_imds.h"
#include "core/log.h"

#define ROLES    "/latest/meta-data/iam/security-credentials/"
#define MAX_ROLE 128
#define EXTENSION                                                                                            \
    (CREDENTIALS_ADVISORY +                                                                                  \
     10 * 60) /* seconds that keys are used which the service has not renewed in time */

struct metadata_provider {
    struct credentials_provider provider;
    struct imds imds;
    char *looked_at; /* before; NULL for a profile that names this source */
    char role[MAX_ROLE + 1];
};

static void fail(struct metadata_provider *self, const struct err *why)
{
    struct err err = *why;
    if (self->looked_at)
        credentials_none(self->looked_at, why->message, &err);
    imds_close(&self->imds);
    credentials_fetched(&self->provider, NULL, &err);
}

/* The service gives old keys when it cannot renew them: they are used on, and asked for again in ten minutes.
 */
static void extend(struct metadata_provider *self, struct credentials *keys)
{
    time_t now = credentials_now(&self->imds.options);
    if (keys->expires - now >= CREDENTIALS_ADVISORY)
        return;
    log_write(LOG_INFO, "the instance metadata has not renewed the keys that end now: they are used on");
    keys->expires = now + EXTENSION;
}

static bool is_success(const struct metadata_provider *self, const cJSON *answer, struct err *err)
{
    const char *code = credentials_answer_text(answer, "Code"),
               *message = credentials_answer_text(answer, "Message");
    char said[200];
    if (!code || strcmp(code, "Success") == 0)
        return true;
    credentials_quote(message ? message : code, strlen(message ? message : code), said, sizeof said);
    return err_set(err, ERR_CREDENTIALS, "%s has no keys for the role %s: %s", self->imds.name, self->role,
                   said);
}

static void keys_answered(void *arg, const char *text, const struct err *failure)
{
    static const struct credentials_answer_names names = {"AccessKeyId", "SecretAccessKey", "Token",
                                                          "Expiration", false};
    struct metadata_provider *self = arg;
    struct credentials keys = {0};
    struct err err = *failure;
    cJSON *answer = text ? credentials_answer_parse(text, strlen(text), self->imds.name, &err) : NULL;
    bool ok = answer && is_success(self, answer, &err) &&
              credentials_answer_keys(answer, &names, self->imds.name, &keys, &err);
    credentials_answer_free(answer);
    if (!ok) {
        fail(self, &err);
        return;
    }
    extend(self, &keys);
    snprintf(keys.source, sizeof keys.source, "%s, role %s", self->imds.name, self->role);
    imds_close(&self->imds);
    credentials_fetched(&self->provider, &keys, &err);
}

/* The first line, of the characters that IAM has in names. */
static bool take_role(struct metadata_provider *self, const char *text, struct err *err)
{
    size_t len = 0;
    while (text[len] && (isalnum((unsigned char)text[len]) || strchr("+=,.@_-", text[len])))
        len++;
    if (len == 0 || len > MAX_ROLE || !strchr("\r\n", text[len]))
        return err_set(err, ERR_CREDENTIALS,
                       "%s gave something that is not the name of a role: does another program answer there?",
                       self->imds.name);
    memcpy(self->role, text, len);
    self->role[len] = '\0';
    return true;
}

static void role_answered(void *arg, const char *text, const struct err *failure)
{
    struct metadata_provider *self = arg;
    char path[sizeof ROLES + MAX_ROLE];
    struct err err = *failure;
    bool ok = text && take_role(self, text, &err);
    if (!text && failure->status == 404)
        err_set(&err, ERR_CREDENTIALS, "%s has no role: attach one to the instance", self->imds.name);
    snprintf(path, sizeof path, ROLES "%s", self->role);
    if (!ok || !imds_get(&self->imds, path, keys_answered, self, &err))
        fail(self, &err);
}

static bool metadata_start(struct credentials_provider *provider, struct err *err)
{
    struct metadata_provider *self = (struct metadata_provider *)provider;
    return imds_get(&self->imds, ROLES, role_answered, self, err);
}

static void metadata_stop(struct credentials_provider *provider)
{
    imds_close(&((struct metadata_provider *)provider)->imds);
}

static void metadata_free(struct credentials_provider *provider)
{
    struct metadata_provider *self = (struct metadata_provider *)provider;
    imds_close(&self->imds);
    free(self->looked_at);
    free(self);
}

static struct credentials_store *switched_off(const char *looked_at, struct err *err)
{
    static const char what[] = "the instance metadata (switched off by " IMDS_DISABLED ")";
    if (looked_at)
        credentials_none(looked_at, what, err);
    else
        err_set(err, ERR_CREDENTIALS, "the keys are to come from %s: unset the variable", what);
    return NULL;
}

struct credentials_store *credentials_from_metadata(const struct credentials_search *search,
                                                    const char *looked_at, struct err *err)
{
    if (imds_is_disabled())
        return switched_off(looked_at, err);
    struct metadata_provider *self = calloc(1, sizeof *self);
    if (!self || (looked_at && !(self->looked_at = strdup(looked_at)))) {
        free(self);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    self->provider.start = metadata_start;
    self->provider.stop = metadata_stop;
    self->provider.free = metadata_free;
    if (!imds_init(&self->imds, search, err)) {
        metadata_free(&self->provider);
        return NULL;
    }
    snprintf(self->provider.source, sizeof self->provider.source, "%s", self->imds.name);
    return credentials_store_new(search->options, &self->provider, NULL, err);
}
