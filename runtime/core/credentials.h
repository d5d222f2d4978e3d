/* credentials: where access keys come from, in the order of the AWS SDKs.
 *
 * Present: explicit, environment, shared credentials file, shared config file. The other
 * providers of the chain join as files of their own (credentials_<provider>.c).
 * Also: the profile's settings that other units need (region, endpoint_url, …).
 */
#ifndef UPJOB_CORE_CREDENTIALS_H
#define UPJOB_CORE_CREDENTIALS_H

#include <stdbool.h>
#include <time.h>

#include "core/err.h"
#include "core/secret.h"

struct credentials {
    char *access_key_id;
    struct secret *secret_access_key;
    struct secret *session_token; /* NULL when there is none */
    time_t expires;               /* 0: never */
    char source[600];             /* "environment", "profile acme in /home/a/.aws/credentials" */
};
void credentials_free(struct credentials *c); /* of the members; zeroes the struct */

/* The shared files, read once. Owned by the caller. */
struct aws_config;
/* Reads AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE or their defaults under $HOME/.aws; a file that
 * is not there is empty, one that cannot be read or parsed is an error naming file and line.
 * `profile` NULL: AWS_PROFILE, else "default". A profile named explicitly or by AWS_PROFILE that is in
 * neither file is an error that names the nearest. */
struct aws_config *aws_config_load(const char *profile, struct err *err) MUST_CHECK;
void aws_config_free(struct aws_config *config);
const char *aws_config_profile(const struct aws_config *config);
/* True when the profile was named by the caller (not by AWS_PROFILE): then the environment's keys are passed over. */
bool aws_config_explicit(const struct aws_config *config);
/* A setting of the profile: from the config file, then the credentials file. NULL when absent. */
const char *aws_config_get(const struct aws_config *config, const char *key);
/* A nested setting of another section of the config file: services_section("acme-services",
 * "customer_profiles", "endpoint_url"). NULL when absent. */
const char *aws_config_services(const struct aws_config *config, const char *services, const char *service,
                                const char *key);

/* Walks the chain. When none has keys the error is ERR_CREDENTIALS and lists what was looked at. */
bool credentials_resolve(const struct aws_config *config, struct credentials *out, struct err *err) MUST_CHECK;
/* From given strings: session_token NULL or "" for none. Half a pair is an error. */
bool credentials_explicit(const char *access_key_id, const char *secret_access_key, const char *session_token,
                          struct credentials *out, struct err *err) MUST_CHECK;

#endif
