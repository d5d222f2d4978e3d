/* credentials_sso_token: the token that `aws sso login` leaves in ~/.aws/sso/cache, renewed while its session
 * allows it. Private to credentials_sso*.c. Rule: AWS SDKs and Tools Reference Guide, "SSO token provider".
 */
#ifndef UPJOB_CORE_CREDENTIALS_SSO_TOKEN_H
#define UPJOB_CORE_CREDENTIALS_SSO_TOKEN_H

#include <cjson/cJSON.h>

#include "core/credentials_providers.h"
#include "core/credentials_request.h"

#define SSO_REFRESH (15 * 60) /* seconds before its end at which a token is renewed */

struct sso_token {
    struct credentials_options options;  /* without its strings */
    bool renewable;                      /* it belongs to an [sso-session]: others cannot be renewed */
    char *path;                          /* of its file in the cache; NULL: there is no home directory */
    char profile[100], login[140];       /* for errors: its name, and the command that makes a new token */
    char *start_url, *region;            /* as configured: written to the cache beside a new token */
    char endpoint[512];                  /* of SSO OIDC */
    cJSON *cached;                       /* what the file holds, or NULL */
    struct credentials_request *request; /* under way, or NULL */
    void (*done)(void *arg, const char *token, const struct err *err);
    void *arg;
};

/* In place. `name` is what the file is named after: the session, or the start URL. */
bool sso_token_init(struct sso_token *token, const struct credentials_search *search, const char *name,
                    bool renewable, const char *start_url, const char *region, struct err *err) MUST_CHECK;
void sso_token_free(struct sso_token *token);
/* Reads the file. A token that is good is in *now, valid until the next start; else *now is NULL, and `done`
 * comes in a turn of the loop, once, with one that is valid likewise, or with NULL and an error. False with
 * *err filled: it is not called. */
bool sso_token_start(struct sso_token *token, const char **now,
                     void (*done)(void *arg, const char *token, const struct err *err), void *arg,
                     struct err *err) MUST_CHECK;
void sso_token_stop(struct sso_token *token);

#endif
