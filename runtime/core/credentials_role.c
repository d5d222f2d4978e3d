/* Keys of a role that a profile names with role_arn, assumed with the keys of another profile
 * (source_profile) or of another source (credential_source). Rule: AWS SDKs and Tools Reference Guide,
 * "Assume role credential provider". */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credentials_sts.h"

#define MFA_VARIABLE "UPJOB_MFA_TOKEN"

struct role_provider {
    struct credentials_provider provider;
    struct sts sts;
    struct credentials_store *signer;     /* the keys that it is assumed with */
    struct credentials_wait *signer_wait; /* for them, or NULL */
    char *arn, *session_name, *external_id, *mfa_serial;
    char *mfa_token; /* NULL once it was taken: it is good for one session */
    long duration;   /* seconds; 0: as STS has it */
    char *file;      /* and line of role_arn */
    long line;
};

/* ---- the provider ---- */

static void end_session(struct role_provider *self)
{
    secret_release(self->mfa_token);
    self->mfa_token = NULL;
}

static void role_answered(void *arg, struct credentials *keys, const struct err *failure)
{
    struct role_provider *self = arg;
    struct err err = *failure;
    if (keys) {
        memcpy(keys->source, self->provider.source, sizeof keys->source);
        if (self->mfa_serial)
            end_session(self);
    } else {
        err_set(&err, ERR_CREDENTIALS, "the role %.120s cannot be assumed: %.600s", self->arn,
                failure->message);
        err_at(&err, self->file, self->line, 0, NULL);
    }
    credentials_fetched(&self->provider, keys, &err);
}

static bool assume(struct role_provider *self, const struct credentials *signer, struct err *err)
{
    struct buf form;
    char seconds[24];
    buf_init(&form, 64 << 10);
    sts_form(&form, "AssumeRole", self->arn, self->session_name);
    snprintf(seconds, sizeof seconds, "%ld", self->duration);
    if (self->duration)
        sts_field(&form, "DurationSeconds", seconds);
    if (self->external_id)
        sts_field(&form, "ExternalId", self->external_id);
    if (self->mfa_serial) {
        sts_field(&form, "SerialNumber", self->mfa_serial);
        sts_field(&form, "TokenCode", self->mfa_token);
    }
    bool ok = sts_send(&self->sts, &form, signer, role_answered, self, err);
    buf_cleanse(&form);
    return ok;
}

static void signer_ready(void *arg, const struct credentials *keys, const struct err *failure)
{
    struct role_provider *self = arg;
    struct err err = *failure;
    self->signer_wait = NULL;
    if (keys)
        err_clear(&err);
    if (!keys || !assume(self, keys, &err))
        credentials_fetched(&self->provider, NULL, &err);
}

static bool role_start(struct credentials_provider *provider, struct err *err)
{
    struct role_provider *self = (struct role_provider *)provider;
    if (self->mfa_serial && !self->mfa_token) {
        err_set(
            err, ERR_CREDENTIALS,
            "the session of the role %.200s that the MFA token opened is over: start again with a new token "
            "(duration_seconds, at most 43200, makes it longer)",
            self->arn);
        return err_at(err, self->file, self->line, 0, NULL);
    }
    const struct credentials *keys = credentials_current(self->signer);
    if (keys)
        return assume(self, keys, err);
    self->signer_wait = credentials_await(self->signer, signer_ready, self, err);
    return self->signer_wait != NULL;
}

static void role_stop(struct credentials_provider *provider)
{
    struct role_provider *self = (struct role_provider *)provider;
    if (self->signer_wait)
        credentials_await_cancel(self->signer_wait);
    self->signer_wait = NULL;
    sts_stop(&self->sts);
}

static void role_free(struct credentials_provider *provider)
{
    struct role_provider *self = (struct role_provider *)provider;
    credentials_store_free(self->signer);
    end_session(self);
    free(self->arn);
    free(self->session_name);
    free(self->external_id);
    free(self->mfa_serial);
    free(self->file);
    free(self);
}

/* ---- with whose keys ---- */

/* "a → b → a", from the profile that was asked for. */
static void tell_loop(const struct credentials_search *search, char *out, size_t size)
{
    if (search->referrer)
        tell_loop(search->referrer, out, size);
    size_t used = strlen(out);
    snprintf(out + used, size - used, "%.60s → ", search->profile);
}

static bool is_loop(const struct credentials_search *search, const struct aws_setting *source)
{
    for (; search; search = search->referrer)
        if (strcmp(search->profile, source->value) == 0)
            return true;
    return false;
}

static struct credentials_store *from_profile(const struct credentials_search *search,
                                              const struct aws_setting *source, struct err *err)
{
    struct credentials_search next = {search->config, search->options, source->value, false, search};
    struct credentials_store *store = NULL;
    char path[300] = "";
    if (!aws_config_require(search->config, source->value, source, err))
        return NULL;
    /* A profile may name itself, for keys that stand beside its role. */
    bool itself = strcmp(source->value, search->profile) == 0 && credentials_has_keys(&next);
    if (!itself && is_loop(search, source)) {
        tell_loop(search, path, sizeof path);
        err_set(err, ERR_CONFIG, "source_profile leads in a circle: %s%.60s: name a profile that has keys",
                path, source->value);
        aws_setting_at(source, err);
        return NULL;
    }
    enum credentials_found found = credentials_of_profile(&next, &store, err);
    if (found == CREDENTIALS_NONE) {
        err_set(err, ERR_CONFIG,
                "the source_profile \"%.100s\" has no keys: give it some (aws configure --profile %.100s), "
                "or name "
                "another",
                source->value, source->value);
        aws_setting_at(source, err);
    }
    return store;
}

static struct credentials_store *from_source(const struct credentials_search *search,
                                             const struct aws_setting *source, struct err *err)
{
    struct credentials_search next = {search->config, search->options, search->profile, true, search};
    struct credentials_store *store = NULL;
    enum credentials_found found = CREDENTIALS_FAILED;
    if (strcmp(source->value, "Environment") == 0)
        found = credentials_from_environment(&next, &store, err);
    else if (strcmp(source->value, "EcsContainer") == 0)
        found = credentials_from_container(&next, &store, err);
    else if (strcmp(source->value, "Ec2InstanceMetadata") == 0)
        store = credentials_from_metadata(&next, NULL, err);
    else {
        err_set(err, ERR_CONFIG,
                "credential_source is \"%.60s\": it must be Environment, Ec2InstanceMetadata or EcsContainer",
                source->value);
        aws_setting_at(source, err);
    }
    if (found == CREDENTIALS_NONE) {
        err_set(err, ERR_CREDENTIALS, "credential_source is %s, but %s is not set", source->value,
                source->value[1] == 'n' ? "AWS_ACCESS_KEY_ID"
                                        : "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor "
                                          "AWS_CONTAINER_CREDENTIALS_FULL_URI");
        aws_setting_at(source, err);
    }
    return store;
}

static struct credentials_store *find_signer(const struct credentials_search *search,
                                             const struct aws_setting *role, struct err *err)
{
    const struct aws_setting *profile = aws_config_setting(search->config, search->profile, "source_profile");
    const struct aws_setting *source =
        aws_config_setting(search->config, search->profile, "credential_source");
    if (profile && source) {
        err_set(err, ERR_CONFIG,
                "the profile \"%.100s\" has both source_profile and credential_source: remove one",
                search->profile);
        aws_setting_at(source, err);
        return NULL;
    }
    if (!profile && !source) {
        err_set(err, ERR_CONFIG,
                "the profile \"%.100s\" has role_arn, but says not with whose keys it is assumed: add "
                "source_profile "
                "or credential_source (or web_identity_token_file)",
                search->profile);
        aws_setting_at(role, err);
        return NULL;
    }
    return profile ? from_profile(search, profile, err) : from_source(search, source, err);
}

/* ---- what is configured ---- */

static bool take_mfa(const struct credentials_search *search, struct role_provider *self, struct err *err)
{
    const struct aws_setting *serial = aws_config_setting(search->config, search->profile, "mfa_serial");
    const char *token =
        search->options->mfa_token ? search->options->mfa_token : credentials_variable(MFA_VARIABLE);
    if (!serial)
        return true;
    if (!token) {
        err_set(err, ERR_CREDENTIALS,
                "the profile \"%.80s\" asks for a code of the MFA device %.120s: give it with " MFA_VARIABLE
                " in the environment, or mfa_token in profiles.client; nothing that runs unattended can use "
                "this profile",
                search->profile, serial->value);
        return aws_setting_at(serial, err);
    }
    size_t len = strlen(token);
    if (len != 6 || strspn(token, "0123456789") != len)
        return err_set(err, ERR_CREDENTIALS,
                       "the MFA token is not six digits: give the code that the device %.120s shows",
                       serial->value);
    self->mfa_serial = strdup(serial->value);
    self->mfa_token = strdup(token);
    return (self->mfa_serial && self->mfa_token) || err_set(err, ERR_MEMORY, "out of memory");
}

static bool take_duration(const struct credentials_search *search, struct role_provider *self,
                          struct err *err)
{
    const struct aws_setting *setting =
        aws_config_setting(search->config, search->profile, "duration_seconds");
    char *end = NULL;
    self->duration = setting ? strtol(setting->value, &end, 10) : 0;
    if (!setting || (*end == '\0' && self->duration >= 900 && self->duration <= 43200))
        return true;
    err_set(err, ERR_CONFIG, "duration_seconds is \"%.40s\": it must be a whole number from 900 to 43200",
            setting->value);
    return aws_setting_at(setting, err);
}

/* A copy of a setting of the profile; true also when there is none. */
static bool copy(const struct credentials_search *search, const char *key, char **out, struct err *err)
{
    const struct aws_setting *setting = aws_config_setting(search->config, search->profile, key);
    *out = setting ? strdup(setting->value) : NULL;
    return !setting || *out || err_set(err, ERR_MEMORY, "out of memory");
}

static bool configure(const struct credentials_search *search, const struct aws_setting *role,
                      struct role_provider *self, struct err *err)
{
    self->line = role->line;
    snprintf(self->provider.source, sizeof self->provider.source,
             "role %.120s of the profile %.60s in %.350s:%ld", role->value, search->profile, role->file,
             role->line);
    if (!(self->file = strdup(role->file)))
        return err_set(err, ERR_MEMORY, "out of memory");
    if (strncmp(role->value, "arn:", 4) != 0) {
        err_set(err, ERR_CONFIG,
                "role_arn is \"%.120s\", which is not an ARN such as arn:aws:iam::123456789012:role/name",
                role->value);
        return aws_setting_at(role, err);
    }
    return copy(search, "role_arn", &self->arn, err) &&
           copy(search, "role_session_name", &self->session_name, err) &&
           copy(search, "external_id", &self->external_id, err) && take_duration(search, self, err) &&
           take_mfa(search, self, err) && sts_init(&self->sts, search, err) &&
           (self->signer = find_signer(search, role, err)) != NULL;
}

enum credentials_found credentials_from_role(const struct credentials_search *search,
                                             struct credentials_store **out, struct err *err)
{
    const struct aws_setting *role = aws_config_setting(search->config, search->profile, "role_arn");
    if (!role || aws_config_setting(search->config, search->profile, "web_identity_token_file"))
        return CREDENTIALS_NONE;
    struct role_provider *self = calloc(1, sizeof *self);
    if (!self) {
        err_set(err, ERR_MEMORY, "out of memory");
        return CREDENTIALS_FAILED;
    }
    self->provider.start = role_start;
    self->provider.stop = role_stop;
    self->provider.free = role_free;
    if (!configure(search, role, self, err)) {
        role_free(&self->provider);
        return CREDENTIALS_FAILED;
    }
    *out = credentials_store_new(search->options, &self->provider, NULL, err);
    return *out ? CREDENTIALS_FOUND : CREDENTIALS_FAILED;
}
