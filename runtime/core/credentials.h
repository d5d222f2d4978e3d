/* credentials: where access keys come from, in the order of the AWS SDKs.
 *
 * Each source has a file of its own (credentials_<source>.c); credentials_chain.c has their order.
 * Also: the profile's settings that other units need (region, endpoint_url, …).
 */
#ifndef UPJOB_CORE_CREDENTIALS_H
#define UPJOB_CORE_CREDENTIALS_H

#include <stdbool.h>
#include <time.h>

#include "core/err.h"
#include "core/secret.h"

struct http;
struct loop;

struct credentials {
    char *access_key_id;
    struct secret *secret_access_key;
    struct secret *session_token; /* NULL when there is none */
    time_t expires;               /* 0: never */
    char source[600];             /* "environment", "profile acme in /home/a/.aws/credentials:3" */
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
/* A setting of the profile: from the credentials file, as in the AWS CLI, then the config file. NULL when absent. */
const char *aws_config_get(const struct aws_config *config, const char *key);
/* A nested setting of another section of the config file: services_section("acme-services",
 * "customer_profiles", "endpoint_url"). NULL when absent. */
const char *aws_config_services(const struct aws_config *config, const char *services, const char *service,
                                const char *key);

/* From given strings: session_token NULL or "" for none. Half a pair is an error. */
bool credentials_explicit(const char *access_key_id, const char *secret_access_key, const char *session_token,
                          struct credentials *out, struct err *err) MUST_CHECK;

/* ---- a client's keys (credentials_store.h) ---- */

/* What fetching them takes; strings are borrowed for the time of credentials_open, the rest until the store is freed. */
struct credentials_options {
    struct loop *loop;
    struct http *http;
    time_t (*clock)(time_t *); /* NULL: time() */
    const char *region;        /* of STS; NULL: none, and no role can be assumed */
    bool use_fips, use_dual_stack; /* for its endpoint */
    const char *mfa_token;     /* the code that an MFA device shows, or NULL */
    long process_timeout_ms;   /* of a credential_process; 0: 60 s, as in the AWS SDK for Go */
};

struct credentials_store; /* owned by whoever opened it */
/* Walks the chain for the first source that is configured; one that needs the network or a program is not asked yet. When none
 * is, or it cannot work, the error tells what was looked at, or which setting is wrong. */
struct credentials_store *credentials_open(const struct aws_config *config, const struct credentials_options *options,
                                           struct err *err) MUST_CHECK;
/* Ends a fetch that is under way. May be called from `ready`. */
void credentials_store_free(struct credentials_store *store);

/* Keys that are valid now, until the next turn of the loop. NULL: they must be waited for. Has them fetched anew in time. */
const struct credentials *credentials_current(struct credentials_store *store);
struct credentials_wait;
/* Has keys fetched unless that is under way; `ready` comes in a turn of the loop, once, with keys as above, or with NULL and an
 * error of code ERR_CREDENTIALS. The wait is gone then. */
struct credentials_wait *credentials_await(struct credentials_store *store,
                                           void (*ready)(void *arg, const struct credentials *keys, const struct err *err),
                                           void *arg, struct err *err) MUST_CHECK;
void credentials_await_cancel(struct credentials_wait *wait);

/* Which source it is, with file and line or variable: never a secret. */
const char *credentials_source(const struct credentials_store *store);
/* When the keys at hand end; 0: never, or there are none yet. */
time_t credentials_expiry(const struct credentials_store *store);

#endif
