/* Keys that stand in the shared credentials file, and in the shared config file. */
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

static enum credentials_found keys_in_file(const struct credentials_search *search, enum aws_file file,
                                           struct credentials_store **out, struct err *err)
{
    const struct aws_setting *id = aws_config_find(search->config, search->profile, file, "aws_access_key_id");
    const struct aws_setting *secret = aws_config_find(search->config, search->profile, file, "aws_secret_access_key");
    const struct aws_setting *token = aws_config_find(search->config, search->profile, file, "aws_session_token");
    struct credentials_given given = {
        .id_name = "aws_access_key_id",
        .secret_name = "aws_secret_access_key",
        .token_name = "aws_session_token",
        .id = value_of(id),
        .secret = value_of(secret),
        .token = value_of(token),
        .file = search->config->files[file].path,
        .id_line = line_of(id),
        .secret_line = line_of(secret),
        .token_line = line_of(token),
        .remedy = "write both under the profile (aws configure does it)",
    };
    struct credentials keys;
    enum credentials_found found = credentials_take(&given, &keys, err);
    if (found != CREDENTIALS_FOUND)
        return found;
    snprintf(keys.source, sizeof keys.source, "profile %.80s in %.480s:%ld", search->profile, given.file, id->line);
    *out = credentials_store_fixed(&keys, err);
    return *out ? CREDENTIALS_FOUND : CREDENTIALS_FAILED;
}

bool credentials_has_keys(const struct credentials_search *search)
{
    return aws_config_setting(search->config, search->profile, "aws_access_key_id") ||
           aws_config_setting(search->config, search->profile, "aws_secret_access_key");
}

enum credentials_found credentials_from_shared_file(const struct credentials_search *search, struct credentials_store **out,
                                                    struct err *err)
{
    return keys_in_file(search, AWS_CREDENTIALS, out, err);
}

enum credentials_found credentials_from_config_file(const struct credentials_search *search, struct credentials_store **out,
                                                    struct err *err)
{
    return keys_in_file(search, AWS_CONFIG, out, err);
}
