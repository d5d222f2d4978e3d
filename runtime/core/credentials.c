#include "core/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/credentials_providers.h"

#define MAX_KEY_ID 128 /* STS API Reference, Credentials: AccessKeyId */

void credentials_free(struct credentials *c)
{
    free(c->access_key_id);
    secret_free(c->secret_access_key);
    secret_free(c->session_token);
    memset(c, 0, sizeof *c);
}

/* ---- what a provider found ---- */

static bool is_given(const char *value)
{
    return value && *value;
}

static enum credentials_found refuse(const struct credentials_given *given, long line, struct err *err)
{
    if (given->file)
        err_at(err, given->file, line, 0, NULL);
    return CREDENTIALS_FAILED;
}

/* Keys are printable ASCII without spaces: what else is there came along when they were copied, and would break the
 * headers that they go into. */
static bool is_key(const char *value)
{
    for (; *value; value++)
        if (*value <= ' ' || *value > '~')
            return false;
    return true;
}

static enum credentials_found not_a_key(const struct credentials_given *given, const char *name, long line,
                                        struct err *err)
{
    err_set(err, ERR_CREDENTIALS, "%s holds a space, a line end or another character that no key has: copy it again",
            name);
    return refuse(given, line, err);
}

static enum credentials_found too_long(const struct credentials_given *given, struct err *err)
{
    err_set(err, ERR_CREDENTIALS, "%s has more than %d characters, which no key has (a session token?): copy it again",
            given->id_name, MAX_KEY_ID);
    return refuse(given, given->id_line, err);
}

static enum credentials_found half_a_pair(const struct credentials_given *given, struct err *err)
{
    bool has_id = is_given(given->id);
    err_set(err, ERR_CREDENTIALS, "%s is given without %s: %s", has_id ? given->id_name : given->secret_name,
            has_id ? given->secret_name : given->id_name, given->remedy);
    return refuse(given, has_id ? given->id_line : given->secret_line, err);
}

enum credentials_found credentials_take(const struct credentials_given *given, struct credentials *out,
                                        struct err *err)
{
    memset(out, 0, sizeof *out);
    if (!is_given(given->id) && !is_given(given->secret))
        return CREDENTIALS_NONE;
    if (!is_given(given->id) || !is_given(given->secret))
        return half_a_pair(given, err);
    if (!is_key(given->id))
        return not_a_key(given, given->id_name, given->id_line, err);
    if (strlen(given->id) > MAX_KEY_ID)
        return too_long(given, err);
    if (!is_key(given->secret))
        return not_a_key(given, given->secret_name, given->secret_line, err);
    if (is_given(given->token) && !is_key(given->token))
        return not_a_key(given, given->token_name, given->token_line, err);
    out->access_key_id = strdup(given->id);
    out->secret_access_key = secret_new(given->secret, strlen(given->secret));
    if (is_given(given->token))
        out->session_token = secret_new(given->token, strlen(given->token));
    if (out->access_key_id && out->secret_access_key && (!is_given(given->token) || out->session_token))
        return CREDENTIALS_FOUND;
    credentials_free(out);
    err_set(err, ERR_MEMORY, "out of memory");
    return CREDENTIALS_FAILED;
}

bool credentials_explicit(const char *access_key_id, const char *secret_access_key, const char *session_token,
                          struct credentials *out, struct err *err)
{
    struct credentials_given given = {
        .id_name = "access_key_id",
        .secret_name = "secret_access_key",
        .token_name = "session_token",
        .id = access_key_id,
        .secret = secret_access_key,
        .token = session_token,
        .remedy = "give both, or neither to use the environment or a profile",
    };
    enum credentials_found found = credentials_take(&given, out, err);
    if (found == CREDENTIALS_NONE)
        return err_set(err, ERR_CREDENTIALS, "access_key_id and secret_access_key are empty: give both, or leave the "
                       "credentials out to use the environment or a profile");
    snprintf(out->source, sizeof out->source, "%s", found == CREDENTIALS_FOUND ? "explicit" : "");
    return found == CREDENTIALS_FOUND;
}
