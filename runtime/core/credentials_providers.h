/* credentials_providers: what the providers of the chain share. Private to credentials*.c. */
#ifndef UPJOB_CORE_CREDENTIALS_PROVIDERS_H
#define UPJOB_CORE_CREDENTIALS_PROVIDERS_H

#include <stddef.h>

#include "core/credentials.h"
#include "core/credentials_store.h"

enum aws_file { AWS_CONFIG, AWS_CREDENTIALS, AWS_FILES };

enum aws_section { SECTION_PROFILE, SECTION_SERVICES, SECTION_SSO_SESSION, SECTION_OTHER };

/* A line of one of the files. All strings are owned by the config. */
struct aws_setting {
    enum aws_section kind;
    char *section;       /* without the word before it: "acme" of [profile acme] */
    char *parent;        /* of a nested setting, or NULL */
    char *key;           /* NULL: the section's head */
    char *value;         /* may be a secret: cleansed when freed */
    const char *file;    /* its path */
    long line;
};

struct aws_shared_file {
    char *path; /* NULL when there is no home directory to look in */
    bool present;
    struct aws_setting *settings;
    size_t count, size;
};

struct aws_config {
    char *profile;
    bool explicit_profile;
    struct aws_shared_file files[AWS_FILES];
};

/* The last setting of a profile with that key in one of the files; NULL when there is none, or it is empty. */
const struct aws_setting *aws_config_find(const struct aws_config *config, const char *profile, enum aws_file file,
                                          const char *key);
/* As aws_config_get, with its place. */
const struct aws_setting *aws_config_setting(const struct aws_config *config, const char *profile, const char *key);
/* A setting of a section [sso-session …] of the config file. */
const struct aws_setting *aws_config_session(const struct aws_config *config, const char *session, const char *key);
/* Says that the error is about a setting. Returns false. */
static inline bool aws_setting_at(const struct aws_setting *setting, struct err *err)
{
    return err_at(err, setting->file, setting->line, 0, NULL);
}
/* A path in the home directory, owned by the caller; NULL without a home. */
char *aws_home_path(const char *in_home);
/* False with *err filled when neither file has the profile. `referrer` names it, or is NULL: the caller or AWS_PROFILE did. */
bool aws_config_require(const struct aws_config *config, const char *profile, const struct aws_setting *referrer,
                        struct err *err) MUST_CHECK;

enum credentials_found { CREDENTIALS_NONE, CREDENTIALS_FOUND, CREDENTIALS_FAILED };

/* Keys as a provider found them, and what to call them in an error. Borrowed; a value NULL or "" is absent. */
struct credentials_given {
    const char *id_name, *secret_name, *token_name;
    const char *id, *secret, *token;
    const char *file; /* NULL: not from a file */
    long id_line, secret_line, token_line;
    const char *remedy; /* for half a pair: "set both" in the provider's words */
};
/* Copies the keys; a half pair or a value that cannot be a key is an error. `source` is left to the caller. */
enum credentials_found credentials_take(const struct credentials_given *given, struct credentials *out,
                                        struct err *err) MUST_CHECK;

/* What is looked for: the keys of a profile. */
struct credentials_search {
    const struct aws_config *config;
    const struct credentials_options *options;
    const char *profile;
    bool environment; /* its variables count: no profile was named */
    const struct credentials_search *referrer; /* whose role is assumed with this one's keys, or NULL */
};

static inline time_t credentials_now(const struct credentials_options *options)
{
    return options->clock ? options->clock(NULL) : time(NULL);
}

/* The variable's value, or NULL when it is not set or empty. */
const char *credentials_variable(const char *name);
/* The variable's, else the profile's setting; `from` (may be NULL) is told where it stands. NULL when it is nowhere. */
const char *credentials_configured(const struct credentials_search *search, const char *variable, const char *key, char *from,
                                   size_t size);
/* As before, a whole number from 1 to `most`, or `fallback`. */
bool credentials_number(const struct credentials_search *search, const char *variable, const char *key, long most,
                        long fallback, long *out, struct err *err) MUST_CHECK;
/* All of a file that holds a token, without the white space around it. NULL with *err filled: it is not there, or holds more
 * than one line. To be freed with secret_release. */
char *credentials_token_file(const char *path, const char *from, struct err *err) MUST_CHECK;

/* What a provider may keep of them: all but the strings. */
static inline struct credentials_options credentials_options_kept(const struct credentials_options *options)
{
    struct credentials_options kept = *options;
    kept.region = kept.mfa_token = NULL;
    return kept;
}

/* The sources, one file each: whether one is configured, and a store that asks it. */
typedef enum credentials_found credentials_source_find(const struct credentials_search *search,
                                                       struct credentials_store **out, struct err *err);
credentials_source_find credentials_from_environment, credentials_from_role, credentials_from_web_identity,
    credentials_from_sso, credentials_from_shared_file, credentials_from_process, credentials_from_config_file,
    credentials_from_container;
/* The keys of a profile that a source_profile names: its own, else those of its role; no variable counts. */
credentials_source_find credentials_of_profile;
/* True when the profile has a key in one of the files. */
bool credentials_has_keys(const struct credentials_search *search);

/* Instance metadata. `looked_at` is what was looked at before, for the error when there is nothing there either; NULL for a
 * profile that says that its keys are there. NULL with *err filled when they are switched off. */
struct credentials_store *credentials_from_metadata(const struct credentials_search *search, const char *looked_at,
                                                    struct err *err) MUST_CHECK;
/* Fills *err: there are no keys, with all that was looked at. */
void credentials_none(const char *looked_at, const char *metadata, struct err *err);

#endif
