/* The order in which the sources of keys are asked. */
#include <stdio.h>

#include "core/credentials_providers.h"

/* What `aws login` keeps is opened by the AWS CLI alone. */
static enum credentials_found login_session(const struct credentials_search *search,
                                            struct credentials_store **out, struct err *err)
{
    const struct aws_setting *setting = aws_config_setting(search->config, search->profile, "login_session");
    (void)out;
    if (!setting)
        return CREDENTIALS_NONE;
    err_set(err, ERR_CREDENTIALS,
            "the profile \"%.80s\" gets its keys through login_session, which only the AWS CLI can open: add "
            "another profile without login_session, with credential_process = aws configure "
            "export-credentials --format process "
            "--profile %.80s",
            search->profile, search->profile);
    aws_setting_at(setting, err);
    return CREDENTIALS_FAILED;
}

/* ---- when there is nothing ---- */

static const char *path_shown(const struct aws_shared_file *file)
{
    return file->path ? file->path : "no home directory";
}

static void tell_looked_at(const struct aws_config *config, char *out, size_t size)
{
    const struct aws_shared_file *shared = &config->files[AWS_CREDENTIALS], *own = &config->files[AWS_CONFIG];
    snprintf(out, size, "%s; profile \"%.60s\" in %.150s (%s) and %.150s (%s)",
             config->explicit_profile ? "not the environment, as a profile was named"
                                      : "AWS_ACCESS_KEY_ID in the environment (not set)",
             config->profile, path_shown(shared), shared->present ? "no keys" : "no such file",
             path_shown(own), own->present ? "no keys" : "no such file");
}

void credentials_none(const char *looked_at, const char *metadata, struct err *err)
{
    err_set(err, ERR_CREDENTIALS,
            "there are no credentials. Looked at: %.450s; %.200s. Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or run aws configure; --local needs none",
            looked_at, metadata);
}

/* ---- the chain ---- */

static enum credentials_found first_of(credentials_source_find *const *sources,
                                       const struct credentials_search *search,
                                       struct credentials_store **out, struct err *err)
{
    enum credentials_found found = CREDENTIALS_NONE;
    while (*sources && found == CREDENTIALS_NONE)
        found = (*sources++)(search, out, err);
    return found;
}

enum credentials_found credentials_of_profile(const struct credentials_search *search,
                                              struct credentials_store **out, struct err *err)
{
    static credentials_source_find *const sources[] = {credentials_from_web_identity,
                                                       credentials_from_sso,
                                                       credentials_from_shared_file,
                                                       login_session,
                                                       credentials_from_process,
                                                       credentials_from_config_file,
                                                       NULL};
    enum credentials_found found = CREDENTIALS_NONE;
    if (!credentials_has_keys(search))
        found = credentials_from_role(search, out, err);
    return found == CREDENTIALS_NONE ? first_of(sources, search, out, err) : found;
}

struct credentials_store *credentials_open(const struct aws_config *config,
                                           const struct credentials_options *options, struct err *err)
{
    static credentials_source_find *const sources[] = {
        credentials_from_environment,  credentials_from_role,
        credentials_from_web_identity, credentials_from_sso,
        credentials_from_shared_file,  login_session,
        credentials_from_process,      credentials_from_config_file,
        credentials_from_container,    NULL};
    struct credentials_search search = {config, options, config->profile, !config->explicit_profile, NULL};
    struct credentials_store *store = NULL;
    char looked_at[480];
    enum credentials_found found = first_of(sources, &search, &store, err);
    if (found != CREDENTIALS_NONE)
        return found == CREDENTIALS_FOUND ? store : NULL;
    tell_looked_at(config, looked_at, sizeof looked_at);
    return credentials_from_metadata(&search, looked_at, err);
}
