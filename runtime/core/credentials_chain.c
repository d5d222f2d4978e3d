/* The order in which the sources of keys are asked. */
#include <stdio.h>
#include <stdlib.h>

#include "core/credentials_providers.h"

/* Sources that other SDKs know and this one does not yet. */
static enum credentials_found unsupported(const struct credentials_search *search, const char *const *keys, struct err *err)
{
    for (; *keys; keys++) {
        const struct aws_setting *setting = aws_config_setting(search->config, search->profile, *keys);
        if (!setting)
            continue;
        err_set(err, ERR_CREDENTIALS,
                "the profile \"%.80s\" gets its keys through %s, which is not supported yet: export them with "
                "eval \"$(aws configure export-credentials --profile %.80s --format env)\" and leave the profile "
                "out, or use a profile with aws_access_key_id and aws_secret_access_key",
                search->profile, *keys, search->profile);
        err_at(err, setting->file, setting->line, 0, NULL);
        return CREDENTIALS_FAILED;
    }
    return CREDENTIALS_NONE;
}

static enum credentials_found before_shared_file(const struct credentials_search *search, struct credentials_store **out,
                                                 struct err *err)
{
    static const char *const keys[] = {"role_arn", "web_identity_token_file", "sso_session", "sso_start_url", NULL};
    (void)out;
    return unsupported(search, keys, err);
}

static enum credentials_found before_config_file(const struct credentials_search *search, struct credentials_store **out,
                                                 struct err *err)
{
    static const char *const keys[] = {"login_session", NULL};
    (void)out;
    return unsupported(search, keys, err);
}

/* Variables that other SDKs follow: set, they explain why those find keys and this does not. */
static const char *unsupported_variable(void)
{
    static const char *const names[] = {"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return names[i];
    }
    return NULL;
}

static const char *path_shown(const struct aws_shared_file *file)
{
    return file->path ? file->path : "no home directory";
}

static void none_found(const struct aws_config *config, struct err *err)
{
    const struct aws_shared_file *shared = &config->files[AWS_CREDENTIALS], *own = &config->files[AWS_CONFIG];
    const char *variable = unsupported_variable();
    err_set(err, ERR_CREDENTIALS,
            "there are no credentials. Looked at: %s; profile \"%.60s\" in %.150s (%s) and %.150s (%s)%s%s. Set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws configure; --local needs none",
            config->explicit_profile ? "not the environment, as a profile was named"
                                     : "AWS_ACCESS_KEY_ID in the environment (not set)",
            config->profile, path_shown(shared), shared->present ? "no keys" : "no such file", path_shown(own),
            own->present ? "no keys" : "no such file", variable ? "; not at what is not supported yet: " : "",
            variable ? variable : "");
}

struct credentials_store *credentials_open(const struct aws_config *config, const struct credentials_options *options,
                                           struct err *err)
{
    static credentials_source_find *const sources[] = {credentials_from_environment, before_shared_file,
                                                       credentials_from_shared_file, before_config_file,
                                                       credentials_from_process, credentials_from_config_file};
    struct credentials_search search = {config, options, config->profile, !config->explicit_profile};
    struct credentials_store *store = NULL;
    enum credentials_found found = CREDENTIALS_NONE;
    for (size_t i = 0; i < sizeof sources / sizeof *sources && found == CREDENTIALS_NONE; i++)
        found = sources[i](&search, &store, err);
    if (found == CREDENTIALS_NONE)
        none_found(config, err);
    return found == CREDENTIALS_FOUND ? store : NULL;
}
