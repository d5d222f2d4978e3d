/* Keys from the environment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/credentials_providers.h"

/* "2026-01-02T03:04:05Z" or "…+00:00", as `aws configure export-credentials` writes it; 0 for anything else. */
static time_t read_expiration(const char *text)
{
    struct tm parts = {0};
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) : NULL;
    return rest && (strcmp(rest, "Z") == 0 || strcmp(rest, "+00:00") == 0) ? timegm(&parts) : 0;
}

enum credentials_found credentials_from_environment(struct credentials *out, struct err *err)
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
    enum credentials_found found = credentials_take(&given, out, err);
    if (found != CREDENTIALS_FOUND)
        return found;
    out->expires = read_expiration(expiration);
    snprintf(out->source, sizeof out->source, "environment");
    if (out->expires == 0 || out->expires > time(NULL))
        return CREDENTIALS_FOUND;
    credentials_free(out);
    err_set(err, ERR_CREDENTIALS,
            "the keys in the environment expired at %.40s (AWS_CREDENTIAL_EXPIRATION): fetch new ones, for instance "
            "with: eval \"$(aws configure export-credentials --format env)\"", expiration);
    return CREDENTIALS_FAILED;
}
