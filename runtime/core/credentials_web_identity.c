/* Keys of a role for a token of an identity provider, as EKS and CI services leave it in a file. Rule: AWS
 * SDKs and Tools Reference Guide, "Assume role credential provider", web identity. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credentials_sts.h"

#define TOKEN_VARIABLE "AWS_WEB_IDENTITY_TOKEN_FILE"

struct identity_provider {
    struct credentials_provider provider;
    struct sts sts;
    char *arn, *session_name;
    char *token_file, *token_from; /* where its name stands */
};

static void identity_answered(void *arg, struct credentials *keys, const struct err *failure)
{
    struct identity_provider *self = arg;
    struct err err = *failure;
    if (keys)
        memcpy(keys->source, self->provider.source, sizeof keys->source);
    else
        err_set(&err, ERR_CREDENTIALS, "the role %.120s cannot be assumed with the token in %.200s: %.400s",
                self->arn, self->token_file, failure->message);
    credentials_fetched(&self->provider, keys, &err);
}

/* The token is renewed by others: it is read each time. */
static bool identity_start(struct credentials_provider *provider, struct err *err)
{
    struct identity_provider *self = (struct identity_provider *)provider;
    struct buf form;
    char *token = credentials_token_file(self->token_file, self->token_from, err);
    if (!token)
        return false;
    buf_init(&form, 256 << 10);
    sts_form(&form, "AssumeRoleWithWebIdentity", self->arn, self->session_name);
    sts_field(&form, "WebIdentityToken", token);
    bool ok = sts_send(&self->sts, &form, NULL, identity_answered, self, err);
    buf_cleanse(&form);
    secret_release(token);
    return ok;
}

static void identity_stop(struct credentials_provider *provider)
{
    sts_stop(&((struct identity_provider *)provider)->sts);
}

static void identity_free(struct credentials_provider *provider)
{
    struct identity_provider *self = (struct identity_provider *)provider;
    free(self->arn);
    free(self->session_name);
    free(self->token_file);
    free(self->token_from);
    free(self);
}

/* The variable, unless a profile was named, then the profile's setting. */
static const char *look_up(const struct credentials_search *search, const char *variable, const char *key,
                           char *from, size_t size)
{
    const struct aws_setting *setting = aws_config_setting(search->config, search->profile, key);
    if (search->environment)
        return credentials_configured(search, variable, key, from, size);
    if (from && setting)
        snprintf(from, size, "%s in %.300s:%ld", key, setting->file, setting->line);
    return setting ? setting->value : NULL;
}

static bool configure(const struct credentials_search *search, struct identity_provider *self,
                      const char *file, const char *from, struct err *err)
{
    const char *arn = look_up(search, "AWS_ROLE_ARN", "role_arn", NULL, 0);
    const char *session = look_up(search, "AWS_ROLE_SESSION_NAME", "role_session_name", NULL, 0);
    if (!arn)
        return err_set(
            err, ERR_CONFIG,
            "%.350s is given, but no role to assume with it: set AWS_ROLE_ARN, or role_arn in the profile",
            from);
    if (strncmp(arn, "arn:", 4) != 0)
        return err_set(err, ERR_CONFIG,
                       "the role for the token (%.350s) is \"%.120s\", which is not an ARN such as "
                       "arn:aws:iam::123456789012:role/name",
                       from, arn);
    snprintf(self->provider.source, sizeof self->provider.source, "web identity for the role %.120s (%.400s)",
             arn, from);
    self->arn = strdup(arn);
    self->session_name = session ? strdup(session) : NULL;
    self->token_file = strdup(file);
    self->token_from = strdup(from);
    if (!self->arn || (session && !self->session_name) || !self->token_file || !self->token_from)
        return err_set(err, ERR_MEMORY, "out of memory");
    return sts_init(&self->sts, search, err);
}

enum credentials_found credentials_from_web_identity(const struct credentials_search *search,
                                                     struct credentials_store **out, struct err *err)
{
    char from[400];
    const char *file = look_up(search, TOKEN_VARIABLE, "web_identity_token_file", from, sizeof from);
    if (!file)
        return CREDENTIALS_NONE;
    struct identity_provider *self = calloc(1, sizeof *self);
    if (!self) {
        err_set(err, ERR_MEMORY, "out of memory");
        return CREDENTIALS_FAILED;
    }
    self->provider.start = identity_start;
    self->provider.stop = identity_stop;
    self->provider.free = identity_free;
    if (!configure(search, self, file, from, err)) {
        identity_free(&self->provider);
        return CREDENTIALS_FAILED;
    }
    *out = credentials_store_new(search->options, &self->provider, NULL, err);
    return *out ? CREDENTIALS_FOUND : CREDENTIALS_FAILED;
}
