/* credentials_providers: what the providers of the chain share. Private to credentials*.c. */
#ifndef UPJOB_CORE_CREDENTIALS_PROVIDERS_H
#define UPJOB_CORE_CREDENTIALS_PROVIDERS_H

#include <stddef.h>

#include "core/credentials.h"

enum aws_file { AWS_CONFIG, AWS_CREDENTIALS, AWS_FILES };

enum aws_section { SECTION_PROFILE, SECTION_SERVICES, SECTION_OTHER };

/* A line of one of the files. All strings are owned by the config. */
struct aws_setting {
    enum aws_section kind;
    char *section;       /* without the word before it: "acme" of [profile acme] */
    char *parent;        /* of a nested setting, or NULL */
    char *key;           /* NULL: the section's head */
    char *value;         /* may be a secret: cleansed when freed */
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

/* The last setting of the profile with that key in one of the files; NULL when there is none. */
const struct aws_setting *aws_config_find(const struct aws_config *config, enum aws_file file, const char *key);

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

/* The providers, one file each. */
enum credentials_found credentials_from_environment(struct credentials *out, struct err *err) MUST_CHECK;
enum credentials_found credentials_from_shared(const struct aws_config *config, enum aws_file file,
                                               struct credentials *out, struct err *err) MUST_CHECK;
/* False with *err filled when the profile takes its keys from somewhere that is not supported yet. With `before_keys`
 * only sources that go before keys of the same profile are looked at. */
bool credentials_shared_supported(const struct aws_config *config, bool before_keys, struct err *err) MUST_CHECK;

#endif
