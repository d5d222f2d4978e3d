/* Keys from the environment. With AWS_CREDENTIAL_EXPIRATION they end, and no one can fetch others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credentials_providers.h"
#include "core/credentials_time.h"

static bool has_ended(const char *expiration, struct err *err)
{
    return err_set(err, ERR_CREDENTIALS,
                   "the keys in the environment expired at %.40s (AWS_CREDENTIAL_EXPIRATION): fetch new ones, for instance "
                   "with: eval \"$(aws configure export-credentials --format env)\"", expiration);
}

static bool take(const struct credentials_search *search, struct credentials *keys, enum credentials_found *found,
                 struct err *err)
{
    struct credentials_given given = {
        .id_name = "AWS_ACCESS_KEY_ID",
        .secret_name = "AWS_SECRET_ACCESS_KEY",
        .token_name = "AWS_SESSION_TOKEN",
        .id = getenv("AWS_ACCESS_KEY_ID"),
        .secret = getenv("AWS_SECRET_ACCESS_KEY"),
        .token = getenv("AWS_SESSION_TOKEN"),
        .remedy = "set both in the environment, or neither to use a profile",
    };
    const char *expiration = getenv("AWS_CREDENTIAL_EXPIRATION");
    *found = credentials_take(&given, keys, err);
    if (*found != CREDENTIALS_FOUND)
        return *found == CREDENTIALS_NONE;
    snprintf(keys->source, sizeof keys->source, "environment (AWS_ACCESS_KEY_ID)");
    if (!expiration || !*expiration)
        return true;
    if (!credentials_time_parse(expiration, &keys->expires))
        return err_set(err, ERR_CREDENTIALS, "AWS_CREDENTIAL_EXPIRATION is \"%.40s\", which is not a time such as "
                       "2026-01-02T03:04:05Z: correct it, or unset it when the keys do not end", expiration);
    return keys->expires > credentials_now(search->options) || has_ended(expiration, err);
}

/* Keys that end: while they last they are served; then "fetching" tells that they have ended. */
struct environment_provider {
    struct credentials_provider provider;
    char ended[24];
};

static bool environment_start(struct credentials_provider *provider, struct err *err)
{
    return has_ended(((struct environment_provider *)provider)->ended, err);
}

static void environment_stop(struct credentials_provider *provider)
{
    (void)provider;
}

static void environment_free(struct credentials_provider *provider)
{
    free(provider);
}

static struct credentials_store *lasting_store(const struct credentials_search *search, struct credentials *keys,
                                               struct err *err)
{
    struct environment_provider *self = calloc(1, sizeof *self);
    if (!self) {
        credentials_free(keys);
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    self->provider.start = environment_start;
    self->provider.stop = environment_stop;
    self->provider.free = environment_free;
    self->provider.once = true;
    credentials_time_format(keys->expires, self->ended);
    return credentials_store_new(search->options, &self->provider, keys, err);
}

enum credentials_found credentials_from_environment(const struct credentials_search *search, struct credentials_store **out,
                                                    struct err *err)
{
    struct credentials keys;
    enum credentials_found found = CREDENTIALS_NONE;
    if (!search->environment)
        return CREDENTIALS_NONE;
    if (!take(search, &keys, &found, err)) {
        credentials_free(&keys);
        return CREDENTIALS_FAILED;
    }
    if (found != CREDENTIALS_FOUND)
        return found;
    *out = keys.expires ? lasting_store(search, &keys, err) : credentials_store_fixed(&keys, err);
    return *out ? CREDENTIALS_FOUND : CREDENTIALS_FAILED;
}
