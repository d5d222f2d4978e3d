/* Keys from the shared credentials file and the shared config file. */
#include <stdio.h>
#include <string.h>

#include "core/credentials_providers.h"

static const char *value_of(const struct aws_setting *setting)
{
    return setting ? setting->value : NULL;
}

static long line_of(const struct aws_setting *setting)
{
    return setting ? setting->line : 0;
}

enum credentials_found credentials_from_shared(const struct aws_config *config, enum aws_file file,
                                               struct credentials *out, struct err *err)
{
    const struct aws_setting *id = aws_config_find(config, file, "aws_access_key_id");
    const struct aws_setting *secret = aws_config_find(config, file, "aws_secret_access_key");
    const struct aws_setting *token = aws_config_find(config, file, "aws_session_token");
    struct credentials_given given = {
        .id_name = "aws_access_key_id",
        .secret_name = "aws_secret_access_key",
        .token_name = "aws_session_token",
        .id = value_of(id),
        .secret = value_of(secret),
        .token = value_of(token),
        .file = config->files[file].path,
        .id_line = line_of(id),
        .secret_line = line_of(secret),
        .token_line = line_of(token),
        .remedy = "write both under the profile (aws configure does it)",
    };
    enum credentials_found found = credentials_take(&given, out, err);
    if (found == CREDENTIALS_FOUND)
        snprintf(out->source, sizeof out->source, "profile %.80s in %.500s", config->profile, given.file);
    return found;
}

/* Sources of keys that other SDKs know and this one does not yet. A role is asked for before keys that stand beside
 * it: those are of another identity, which must not be used in its place. */
static const struct {
    const char *key;
    bool before_keys;
} unsupported[] = {
    {"role_arn", true},           {"web_identity_token_file", false}, {"sso_session", false},
    {"sso_start_url", false},     {"login_session", false},           {"credential_process", false},
};

bool credentials_shared_supported(const struct aws_config *config, bool before_keys, struct err *err)
{
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++) {
        if (before_keys && !unsupported[i].before_keys)
            continue;
        for (int file = AWS_CONFIG; file < AWS_FILES; file++) {
            const struct aws_setting *setting = aws_config_find(config, (enum aws_file)file, unsupported[i].key);
            if (!setting || !*setting->value)
                continue;
            err_set(err, ERR_CREDENTIALS,
                    "the profile \"%.80s\" gets its keys through %s, which is not supported yet: export them with "
                    "eval \"$(aws configure export-credentials --profile %.80s --format env)\" and leave the profile "
                    "out, or use a profile with aws_access_key_id and aws_secret_access_key",
                    config->profile, unsupported[i].key, config->profile);
            return err_at(err, config->files[file].path, setting->line, 0, NULL);
        }
    }
    return true;
}
