/* Credentials: the order of the places, and errors that name the place and the remedy but no secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/credentials.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define SECRET "hunter2hunter2hunter2"

static char directory[] = "/tmp/upjob-credentials-XXXXXX";
static char config_path[100], credentials_path[100];

static const char *const variables[] = {
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CREDENTIAL_EXPIRATION",
    "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "UPJOB_MFA_TOKEN",
    "AWS_METADATA_SERVICE_TIMEOUT", "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
};

/* No keys anywhere, and a home of its own. */
static int clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(variables); i++)
        unsetenv(variables[i]);
    setenv("HOME", directory, 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    unlink(config_path);
    unlink(credentials_path);
    rmdir(credentials_path);
    return 0;
}

static int make_directory(void **state)
{
    char path[100];
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/.aws", directory);
    snprintf(config_path, sizeof config_path, "%s/.aws/config", directory);
    snprintf(credentials_path, sizeof credentials_path, "%s/.aws/credentials", directory);
    return mkdir(path, 0700) == 0 ? clean(state) : -1;
}

static int remove_directory(void **state)
{
    char path[100];
    clean(state);
    snprintf(path, sizeof path, "%s/.aws", directory);
    return rmdir(path) || rmdir(directory);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct credentials_store *resolve(const char *profile, struct err *err)
{
    struct credentials_options options = {.region = "us-east-1"};
    err_clear(err);
    struct aws_config *config = aws_config_load(profile, err);
    struct credentials_store *store = config ? credentials_open(config, &options, err) : NULL;
    aws_config_free(config);
    return store;
}

/* The keys, which are there at once. */
static struct credentials_store *found(const char *profile, const struct credentials **keys)
{
    struct err err;
    struct credentials_store *store = resolve(profile, &err);
    if (!store)
        fail_msg("%s: %s", err.code, err.message);
    *keys = credentials_current(store);
    assert_non_null(*keys);
    return store;
}

/* Fails unless resolving fails with that code, and says each of the texts. */
static void refused(const char *profile, const char *code, const char *const *says)
{
    struct err err;
    char text[2048];
    struct credentials_store *store = resolve(profile, &err);
    if (store)
        fail_msg("keys from %s", credentials_source(store));
    err_text(&err, text, sizeof text);
    if (!err_is(&err, code))
        fail_msg("%s: %s", err.code, text);
    for (; *says; says++)
        if (!strstr(text, *says))
            fail_msg("\"%s\" is not in: %s", *says, text);
    if (strstr(text, "hunter") || strstr(text, "AKIAPRIVATE"))
        fail_msg("a secret is in: %s", text);
}

#define REFUSED(profile, code, ...) refused(profile, code, (const char *const[]){__VA_ARGS__, NULL})

static void keys_come_from(const char *profile, const char *id, const char *source)
{
    const struct credentials *keys;
    struct credentials_store *store = found(profile, &keys);
    assert_string_equal(keys->access_key_id, id);
    assert_string_equal(keys->source, credentials_source(store));
    if (!strstr(keys->source, source))
        fail_msg("from %s, not %s", keys->source, source);
    credentials_store_free(store);
}

static const char both_files_config[] = "[default]\naws_access_key_id=CONFIG\naws_secret_access_key=x\n"
                                        "[profile only-config]\naws_access_key_id=ONLY\naws_secret_access_key=x\n";
static const char both_files_credentials[] = "[default]\naws_access_key_id=SHARED\naws_secret_access_key=x\n"
                                             "[acme]\naws_access_key_id=ACME\naws_secret_access_key=x\n";

static void the_chain_is_walked_in_order(void **state)
{
    (void)state;
    write_file(config_path, both_files_config);
    keys_come_from(NULL, "CONFIG", config_path);
    keys_come_from(NULL, "CONFIG", "config:2");
    write_file(credentials_path, both_files_credentials);
    keys_come_from(NULL, "SHARED", "profile default in ");
    keys_come_from("acme", "ACME", credentials_path);
    keys_come_from("only-config", "ONLY", "profile only-config in ");
    setenv("AWS_PROFILE", "acme", 1);
    keys_come_from(NULL, "ACME", credentials_path);
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
    keys_come_from(NULL, "ENV", "environment");
    keys_come_from("acme", "ACME", credentials_path); /* named by the caller: the environment is passed over */
}

static void a_session_token_of_any_length_is_read(void **state)
{
    (void)state;
    char text[4200] = "[default]\r\naws_access_key_id = A\r\naws_secret_access_key = B\r\naws_session_token = ";
    size_t at = strlen(text);
    memset(text + at, 'T', 4000);
    strcpy(text + at + 4000, "\r\n");
    write_file(credentials_path, text);
    const struct credentials *keys;
    struct credentials_store *store = found(NULL, &keys);
    assert_int_equal(secret_len(keys->session_token), 4000);
    assert_string_equal(secret_bytes(keys->secret_access_key), "B");
    credentials_store_free(store);
}

static void half_a_pair_names_the_other_half(void **state)
{
    (void)state;
    setenv("AWS_ACCESS_KEY_ID", "AKIAPRIVATE", 1);
    REFUSED(NULL, ERR_CREDENTIALS, "AWS_ACCESS_KEY_ID is given without AWS_SECRET_ACCESS_KEY", "set both");
    unsetenv("AWS_ACCESS_KEY_ID");
    setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
    REFUSED(NULL, ERR_CREDENTIALS, "AWS_SECRET_ACCESS_KEY is given without AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    write_file(credentials_path, "[default]\n\naws_secret_access_key = " SECRET "\n");
    REFUSED(NULL, ERR_CREDENTIALS, credentials_path, "credentials:3: ", "without aws_access_key_id", "aws configure");
    struct credentials found;
    struct err err;
    assert_false(credentials_explicit("AKIAPRIVATE", NULL, NULL, &found, &err));
    assert_string_equal(err.message, "access_key_id is given without secret_access_key: give both, or neither to use "
                                     "the environment or a profile");
    assert_false(credentials_explicit("", "", "", &found, &err));
    assert_string_equal(err.code, ERR_CREDENTIALS);
}

static void explicit_keys_are_taken(void **state)
{
    (void)state;
    struct credentials found;
    struct err err;
    assert_true(credentials_explicit("A", SECRET, "", &found, &err));
    assert_string_equal(found.source, "explicit");
    assert_null(found.session_token);
    assert_string_equal(secret_bytes(found.secret_access_key), SECRET);
    credentials_free(&found);
    assert_true(credentials_explicit("A", SECRET, "token", &found, &err));
    assert_string_equal(secret_bytes(found.session_token), "token");
    credentials_free(&found);
}

static void what_cannot_be_a_key_is_named_but_not_shown(void **state)
{
    (void)state;
    setenv("AWS_ACCESS_KEY_ID", "AKIAPRIVATE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", SECRET "\n", 1);
    REFUSED(NULL, ERR_CREDENTIALS, "AWS_SECRET_ACCESS_KEY holds a space, a line end");
    setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
    setenv("AWS_SESSION_TOKEN", "hunter 2", 1);
    REFUSED(NULL, ERR_CREDENTIALS, "AWS_SESSION_TOKEN holds");
    clean(NULL);
    write_file(credentials_path, "[default]\naws_access_key_id = A\n  aws_secret_access_key = " SECRET "\n");
    REFUSED(NULL, ERR_CREDENTIALS, "credentials:2: ", "aws_access_key_id");
}

/* As botocore, and @aws-sdk for region and keys, have it. */
static void a_setting_in_both_files_is_that_of_the_credentials_file(void **state)
{
    struct err err;
    (void)state;
    write_file(config_path, "[profile acme]\nregion = config-1\nmax_attempts = 7\n");
    write_file(credentials_path, "[acme]\nregion = credentials-1\n");
    struct aws_config *config = aws_config_load("acme", &err);
    assert_non_null(config);
    assert_string_equal(aws_config_get(config, "region"), "credentials-1");
    assert_string_equal(aws_config_get(config, "max_attempts"), "7");
    aws_config_free(config);
}

static void a_key_id_that_cannot_be_signed_with_is_refused(void **state)
{
    char id[140] = "";
    (void)state;
    memset(id, 'A', 128);
    setenv("AWS_ACCESS_KEY_ID", id, 1);
    setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
    keys_come_from(NULL, id, "environment");
    id[128] = 'A';
    setenv("AWS_ACCESS_KEY_ID", id, 1);
    REFUSED(NULL, ERR_CREDENTIALS, "AWS_ACCESS_KEY_ID has more than 128 characters");
}

static void no_keys_says_where_they_were_looked_for(void **state)
{
    (void)state;
    REFUSED(NULL, ERR_CREDENTIALS, "AWS_ACCESS_KEY_ID in the environment (not set)", config_path, credentials_path,
            "(no such file)", "the instance metadata (switched off by AWS_EC2_METADATA_DISABLED)", "aws configure", "--local");
    write_file(config_path, "[default]\nregion=x\n");
    REFUSED(NULL, ERR_CREDENTIALS, "(no keys)");
}

/* Asked last, and not before the first call. */
static void the_instance_metadata_comes_last(void **state)
{
    struct err err;
    (void)state;
    setenv("AWS_EC2_METADATA_DISABLED", "false", 1);
    struct credentials_store *store = resolve(NULL, &err);
    assert_string_equal(credentials_source(store), "the instance metadata at http://169.254.169.254");
    credentials_store_free(store);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6", 1);
    store = resolve(NULL, &err);
    assert_string_equal(credentials_source(store), "the instance metadata at http://[fd00:ec2::254]");
    credentials_store_free(store);
    write_file(config_path, "[default]\nec2_metadata_service_endpoint = http://h:1/\n[profile x]\n"
                            "metadata_service_timeout = 1.5\n");
    store = resolve(NULL, &err);
    assert_string_equal(credentials_source(store), "the instance metadata at http://h:1");
    credentials_store_free(store);
    REFUSED("x", ERR_CONFIG, "metadata_service_timeout in ", "config:4 is \"1.5\"", "whole number");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv5", 1);
    REFUSED("x", ERR_CONFIG, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is \"IPv5\"", "IPv4 or IPv6");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "localhost:1", 1);
    REFUSED(NULL, ERR_CONFIG, "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a usable URL", "https:// or http://");
}

/* The token that goes along is for no one else. */
static void a_container_endpoint_is_one_that_may_be_asked(void **state)
{
    static const char *const allowed[] = {"http://127.0.0.1:8/x", "http://127.9.9.9", "http://localhost/", "http://[::1]:80/a?b=c",
                                          "http://169.254.170.2/", "http://169.254.170.23/v1", "http://[fd00:ec2::23]/",
                                          "http://[fd00:0ec2:0::0023]/", "https://keys.example.com/", "HTTPS://10.0.0.1"};
    static const char *const others[] = {"http://10.0.0.1/", "http://169.254.170.3/", "http://169.254.169.254/",
                                          "http://127.0.0.1.evil.example/", "http://localhost.evil.example/",
                                          "http://[fd00:ec2::24]/", "http://[::ffff:10.0.0.1]/", "http://127.0.0.1@evil.example/",
                                          "http://evil.example#@127.0.0.1/"};
    struct err err;
    (void)state;
    for (size_t i = 0; i < COUNT(allowed); i++) {
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", allowed[i], 1);
        struct credentials_store *store = resolve(NULL, &err);
        if (!store)
            fail_msg("%s: %s", allowed[i], err.message);
        assert_string_equal(credentials_source(store),
                            "the container's credentials endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI)");
        credentials_store_free(store);
    }
    for (size_t i = 0; i < COUNT(others); i++) {
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", others[i], 1);
        REFUSED(NULL, ERR_CONFIG, "AWS_CONTAINER_CREDENTIALS_FULL_URI names the host ", "169.254.170.23", "use https");
    }
    static const char *const broken[] = {"localhost/x", "ftp://localhost/", "http://", "http://[::1"};
    for (size_t i = 0; i < COUNT(broken); i++) {
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", broken[i], 1);
        REFUSED(NULL, ERR_CONFIG, "AWS_CONTAINER_CREDENTIALS_FULL_URI is not a usable URL");
    }
    setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ".evil.example/", 1);
    REFUSED(NULL, ERR_CONFIG, "RELATIVE_URI is \".evil.example/\"", "begins with /");
    setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/keys", 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hunter2\r\nX-Evil: 1", 1);
    REFUSED(NULL, ERR_CONFIG, "AWS_CONTAINER_AUTHORIZATION_TOKEN holds a line end");
}

static void keys_that_expired_are_refused(void **state)
{
    (void)state;
    const struct credentials *keys;
    setenv("AWS_ACCESS_KEY_ID", "A", 1);
    setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
    setenv("AWS_CREDENTIAL_EXPIRATION", "2001-09-09T01:46:40+00:00", 1);
    REFUSED(NULL, ERR_CREDENTIALS, "expired at 2001-09-09T01:46:40+00:00", "export-credentials");
    setenv("AWS_CREDENTIAL_EXPIRATION", "2001-09-09T02:46:40.123+01:00", 1);
    REFUSED(NULL, ERR_CREDENTIALS, "expired at 2001-09-09T02:46:40.123+01:00");
    setenv("AWS_CREDENTIAL_EXPIRATION", "tomorrow", 1);
    REFUSED(NULL, ERR_CREDENTIALS, "AWS_CREDENTIAL_EXPIRATION is \"tomorrow\"", "unset it");
    setenv("AWS_CREDENTIAL_EXPIRATION", "2100-01-01T00:00:00Z", 1);
    struct credentials_store *store = found(NULL, &keys);
    assert_int_equal(keys->expires, 4102444800);
    assert_int_equal(credentials_expiry(store), 4102444800);
    credentials_store_free(store);
}

/* ---- profiles ---- */

static void a_profile_that_is_not_there_suggests_the_nearest(void **state)
{
    (void)state;
    write_file(config_path, both_files_config);
    write_file(credentials_path, both_files_credentials);
    REFUSED("acmee", ERR_CONFIG, "no profile \"acmee\"", "did you mean \"acme\"", config_path, credentials_path);
    setenv("AWS_PROFILE", "only-confg", 1);
    REFUSED(NULL, ERR_CONFIG, "(from AWS_PROFILE)", "did you mean \"only-config\"");
    clean(NULL);
    REFUSED("acme", ERR_CONFIG, "no profile \"acme\"", "aws configure");
}

static void a_profile_without_the_word_profile_is_pointed_at(void **state)
{
    (void)state;
    write_file(config_path, "[default]\n[acme]\nregion=x\n");
    REFUSED("acme", ERR_CONFIG, "config:2: ", "[profile acme]");
}

static void a_login_session_says_how_its_keys_are_had(void **state)
{
    (void)state;
    write_file(config_path, "[profile acme]\nlogin_session = arn:aws:iam::1:user/x\naws_access_key_id=A\n"
                            "aws_secret_access_key=x\n");
    REFUSED("acme", ERR_CREDENTIALS, "config:2: ", "login_session", "credential_process = aws configure "
            "export-credentials --format process --profile acme", "without login_session");
    write_file(credentials_path, "[acme]\naws_access_key_id=ACME\naws_secret_access_key=x\n");
    keys_come_from("acme", "ACME", credentials_path);
}

/* One profile, to which the sources are added from the last to the first. */
static void the_sources_of_a_profile_come_in_order(void **state)
{
    static const struct {
        const char *settings, *source;
    } sources[] = {
        {"aws_access_key_id=A\naws_secret_access_key=x\n", "profile acme in "},
        {"credential_process = true\n", "credential_process of "},
        {"sso_account_id=1\nsso_role_name=r\nsso_region=eu-west-1\nsso_start_url=u\n", "SSO role r in account 1"},
        {"web_identity_token_file=/t\nrole_arn=arn:aws:iam::1:role/web\n", "web identity for the role arn"},
    };
    char text[1000] = "[profile acme]\n";
    (void)state;
    struct err err;
    for (size_t i = 0; i < COUNT(sources); i++) {
        strcat(text, sources[i].settings);
        write_file(config_path, text);
        struct credentials_store *store = resolve("acme", &err);
        if (!store || strncmp(credentials_source(store), sources[i].source, strlen(sources[i].source)) != 0)
            fail_msg("not %s: %s", sources[i].source, store ? credentials_source(store) : err.message);
        credentials_store_free(store);
    }
    setenv("AWS_PROFILE", "acme", 1);
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
    keys_come_from(NULL, "ENV", "environment");
}

static void settings_are_found(void **state)
{
    (void)state;
    struct err err;
    write_file(config_path, "\xEF\xBB\xBF[profile \"my team\"]\nRegion = eu-west-1\nregion = eu-west-2\nservices = s\n"
                            "s3 =\n  region = nested\n"
                            "[services s]\ncustomer_profiles =\n  endpoint_url = http://h\n");
    write_file(credentials_path, "[my team]\nmax_attempts = 5\n");
    struct aws_config *config = aws_config_load("my team", &err);
    assert_non_null(config);
    assert_string_equal(aws_config_profile(config), "my team");
    assert_true(aws_config_explicit(config));
    assert_string_equal(aws_config_get(config, "region"), "eu-west-2");
    assert_string_equal(aws_config_get(config, "max_attempts"), "5");
    assert_null(aws_config_get(config, "output"));
    assert_string_equal(aws_config_services(config, "s", "customer_profiles", "endpoint_url"), "http://h");
    assert_null(aws_config_services(config, "t", "customer_profiles", "endpoint_url"));
    assert_null(aws_config_services(config, "s", "s3", "endpoint_url"));
    aws_config_free(config);
}

/* ---- files ---- */

static void files_that_cannot_be_read_are_named(void **state)
{
    (void)state;
    mkdir(credentials_path, 0700);
    REFUSED(NULL, ERR_CONFIG, credentials_path, "is a directory");
    rmdir(credentials_path);
    write_file(credentials_path, "[default]\naws_access_key_id = A\n" SECRET "\n");
    REFUSED(NULL, ERR_CONFIG, "credentials:3: ", "not \"key = value\"");
    write_file(credentials_path, "[default]\naws_access_key_id = A\naws_secret_access_key = B\n");
    if (geteuid() != 0) {
        chmod(credentials_path, 0);
        REFUSED(NULL, ERR_CONFIG, credentials_path, "cannot be read", "Permission denied");
    }
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/proc/self/mem", 1); /* opens, and cannot be read */
    REFUSED(NULL, ERR_CONFIG, "/proc/self/mem", "cannot be read");
}

static void the_variables_name_other_files(void **state)
{
    (void)state;
    write_file(config_path, both_files_config);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/config", 1);
    setenv("AWS_CONFIG_FILE", "/nonexistent/x", 1);
    keys_come_from(NULL, "CONFIG", config_path);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null/x", 1);
    REFUSED(NULL, ERR_CREDENTIALS, "/dev/null/x (no such file)");
}

static void without_home_the_user_database_is_asked(void **state)
{
    (void)state;
    struct err err;
    unsetenv("HOME");
    err_clear(&err);
    struct aws_config *config = aws_config_load(NULL, &err);
    if (!config && !err_is(&err, ERR_CONFIG))
        fail_msg("%s: %s", err.code, err.message);
    aws_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_chain_is_walked_in_order, clean),
        cmocka_unit_test_setup(a_session_token_of_any_length_is_read, clean),
        cmocka_unit_test_setup(half_a_pair_names_the_other_half, clean),
        cmocka_unit_test_setup(a_setting_in_both_files_is_that_of_the_credentials_file, clean),
        cmocka_unit_test_setup(a_key_id_that_cannot_be_signed_with_is_refused, clean),
        cmocka_unit_test_setup(explicit_keys_are_taken, clean),
        cmocka_unit_test_setup(what_cannot_be_a_key_is_named_but_not_shown, clean),
        cmocka_unit_test_setup(no_keys_says_where_they_were_looked_for, clean),
        cmocka_unit_test_setup(the_instance_metadata_comes_last, clean),
        cmocka_unit_test_setup(a_container_endpoint_is_one_that_may_be_asked, clean),
        cmocka_unit_test_setup(keys_that_expired_are_refused, clean),
        cmocka_unit_test_setup(a_profile_that_is_not_there_suggests_the_nearest, clean),
        cmocka_unit_test_setup(a_profile_without_the_word_profile_is_pointed_at, clean),
        cmocka_unit_test_setup(a_login_session_says_how_its_keys_are_had, clean),
        cmocka_unit_test_setup(the_sources_of_a_profile_come_in_order, clean),
        cmocka_unit_test_setup(settings_are_found, clean),
        cmocka_unit_test_setup(files_that_cannot_be_read_are_named, clean),
        cmocka_unit_test_setup(the_variables_name_other_files, clean),
        cmocka_unit_test_setup(without_home_the_user_database_is_asked, clean),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
