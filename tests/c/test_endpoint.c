/* Region and endpoint: every partition, the order of the places, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/endpoint.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static char directory[] = "/tmp/upjob-endpoint-XXXXXX";

static const char *const variables[] = {
    "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CUSTOMER_PROFILES",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_PROFILE", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
};

static int clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(variables); i++)
        unsetenv(variables[i]);
    return 0;
}

static int make_directory(void **state)
{
    char path[100];
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/config", directory);
    setenv("AWS_CONFIG_FILE", path, 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials", 1);
    return clean(state);
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(getenv("AWS_CONFIG_FILE"));
    return rmdir(directory);
}

static struct aws_config *config_of(const char *text)
{
    struct err err;
    err_clear(&err);
    FILE *file = fopen(getenv("AWS_CONFIG_FILE"), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    struct aws_config *config = aws_config_load(NULL, &err);
    if (!config)
        fail_msg("%s", err.message);
    return config;
}

static void every_partition_has_its_endpoints(void **state)
{
    (void)state;
    static const struct {
        const char *region, *suffix, *dual_stack_suffix, *partition;
    } rows[] = {
        {"us-east-1", "amazonaws.com", "api.aws", "aws"},
        {"mx-central-1", "amazonaws.com", "api.aws", "aws"},
        {"ap-southeast-2", "amazonaws.com", "api.aws", "aws"},
        {"cn-north-1", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "aws-cn"},
        {"us-gov-west-1", "amazonaws.com", "api.aws", "aws-us-gov"},
        {"eusc-de-east-1", "amazonaws.eu", "api.amazonwebservices.eu", "aws-eusc"},
        {"us-iso-east-1", "c2s.ic.gov", "api.aws.ic.gov", "aws-iso"},
        {"us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud", "aws-iso-b"},
        {"eu-isoe-west-1", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "aws-iso-e"},
        {"us-isof-south-1", "csp.hci.ic.gov", "api.aws.hci.ic.gov", "aws-iso-f"},
        {"moon-base-1", "amazonaws.com", "api.aws", "aws"},
        {"us-east", "amazonaws.com", "api.aws", "aws"},
    };
    for (size_t i = 0; i < COUNT(rows) * 4; i++) {
        char wanted[200], seen[512] = "";
        struct err err;
        struct endpoint_options options = {.region = rows[i / 4].region, .use_fips = i & 1, .use_dual_stack = i & 2};
        snprintf(wanted, sizeof wanted, "https://profile%s.%s.%s", i & 1 ? "-fips" : "", rows[i / 4].region,
                 i & 2 ? rows[i / 4].dual_stack_suffix : rows[i / 4].suffix);
        assert_true(endpoint_resolve(&options, NULL, seen, sizeof seen, &err));
        assert_string_equal(seen, wanted);
        assert_string_equal(endpoint_partition(rows[i / 4].region), rows[i / 4].partition);
    }
}

static void a_given_endpoint_is_taken_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *url, *taken, *says;
    } cases[] = {
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080", ""},
        {"https://h/", "https://h", ""},
        {"https://h/a/b//", "https://h/a/b", ""},
        {"HTTPS://H", "HTTPS://H", ""},
        {"http://[::1]:80", "http://[::1]:80", ""},
        {"ftp://h", NULL, "https:// or http://"},
        {"h:8080", NULL, "https:// or http://"},
        {"http://", NULL, "no host"},
        {"http:///a", NULL, "no host"},
        {"http://:80", NULL, "no host"},
        {"https://h?x=1", NULL, "query"},
        {"https://h/#x", NULL, "fragment"},
        {"https://h /", NULL, "cannot hold"},
        {"https://h\r\nX: y", NULL, "cannot hold"},
        {"https://user:hunter2@h/", NULL, "user name or password"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[512] = "";
        struct err err;
        struct endpoint_options options = {.endpoint_url = cases[i].url};
        err_clear(&err);
        bool ok = endpoint_resolve(&options, NULL, out, sizeof out, &err);
        if (ok != (cases[i].taken != NULL) || (ok && strcmp(out, cases[i].taken) != 0) ||
            !strstr(err.message, cases[i].says) || strstr(err.message, "hunter2"))
            fail_msg("%s: %d %s %s", cases[i].url, ok, out, err.message);
    }
}

static void a_custom_endpoint_excludes_fips_and_dual_stack(void **state)
{
    (void)state;
    char out[512];
    struct err err;
    struct endpoint_options fips = {.endpoint_url = "http://h", .use_fips = true};
    struct endpoint_options dual = {.endpoint_url = "http://h", .use_dual_stack = true};
    assert_false(endpoint_resolve(&fips, NULL, out, sizeof out, &err));
    assert_string_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.message, "FIPS and a custom endpoint cannot be used together"));
    assert_false(endpoint_resolve(&dual, NULL, out, sizeof out, &err));
    assert_non_null(strstr(err.message, "dual-stack and a custom endpoint"));
}

static const char *resolved(const struct aws_config *config, const char *explicit_url)
{
    static char out[512];
    struct err err;
    struct endpoint_options options = {.region = "us-east-1", .endpoint_url = explicit_url};
    err_clear(&err);
    if (!endpoint_resolve(&options, config, out, sizeof out, &err))
        fail_msg("%s", err.message);
    return out;
}

static void configured_endpoints_come_in_order(void **state)
{
    (void)state;
    struct aws_config *config = config_of("[default]\nservices = s\nendpoint_url = http://profile\n"
                                          "[services s]\ncustomer_profiles =\n  endpoint_url = http://services\n");
    setenv("AWS_ENDPOINT_URL_CUSTOMER_PROFILES", "http://own", 1);
    setenv("AWS_ENDPOINT_URL", "http://all", 1);
    assert_string_equal(resolved(config, "http://explicit"), "http://explicit");
    assert_string_equal(resolved(config, NULL), "http://own");
    assert_string_equal(resolved(NULL, NULL), "https://profile.us-east-1.amazonaws.com");
    unsetenv("AWS_ENDPOINT_URL_CUSTOMER_PROFILES");
    assert_string_equal(resolved(config, NULL), "http://all");
    unsetenv("AWS_ENDPOINT_URL");
    assert_string_equal(resolved(config, NULL), "http://services");
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
    assert_string_equal(resolved(config, NULL), "https://profile.us-east-1.amazonaws.com");
    assert_string_equal(resolved(config, "http://explicit"), "http://explicit");
    unsetenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    aws_config_free(config);
    config = config_of("[default]\nservices = other\nendpoint_url = http://profile\n");
    assert_string_equal(resolved(config, NULL), "http://profile");
    aws_config_free(config);
}

static void fips_can_be_configured(void **state)
{
    (void)state;
    struct aws_config *config = config_of("[default]\nuse_fips_endpoint = true\n");
    assert_string_equal(resolved(config, NULL), "https://profile-fips.us-east-1.amazonaws.com");
    setenv("AWS_USE_FIPS_ENDPOINT", "false", 1);
    setenv("AWS_USE_DUALSTACK_ENDPOINT", "true", 1);
    assert_string_equal(resolved(config, NULL), "https://profile.us-east-1.api.aws");
    aws_config_free(config);
}

static void the_region_comes_from_the_first_place_that_has_one(void **state)
{
    (void)state;
    char out[64];
    struct err err;
    struct aws_config *config = config_of("[default]\nregion = eu-west-3\n");
    setenv("AWS_REGION", "eu-west-1", 1);
    setenv("AWS_DEFAULT_REGION", "eu-west-2", 1);
    assert_true(endpoint_region("eu-north-1", config, out, sizeof out, &err));
    assert_string_equal(out, "eu-north-1");
    assert_true(endpoint_region(NULL, config, out, sizeof out, &err));
    assert_string_equal(out, "eu-west-1");
    setenv("AWS_REGION", "", 1);
    assert_true(endpoint_region("", config, out, sizeof out, &err));
    assert_string_equal(out, "eu-west-2");
    unsetenv("AWS_DEFAULT_REGION");
    assert_true(endpoint_region(NULL, config, out, sizeof out, &err));
    assert_string_equal(out, "eu-west-3");
    aws_config_free(config);
}

static void no_region_is_an_error_that_names_every_place(void **state)
{
    (void)state;
    static const char *const places[] = {"--region", "AWS_REGION", "AWS_DEFAULT_REGION", "profile \"default\"",
                                         "instance metadata"};
    char out[64];
    struct err err;
    struct aws_config *config = config_of("");
    assert_false(endpoint_region(NULL, config, out, sizeof out, &err));
    assert_string_equal(err.code, ERR_CONFIG);
    for (size_t i = 0; i < COUNT(places); i++)
        if (!strstr(err.message, places[i]))
            fail_msg("%s is not named: %s", places[i], err.message);
    aws_config_free(config);
}

static void a_region_that_is_no_host_label_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"us east 1", "a.b", "-a", "a-", "123", "us-east-1/", "evil.com#"};
    char out[512];
    struct err err;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct endpoint_options options = {.region = wrong[i]};
        if (endpoint_region(wrong[i], NULL, out, sizeof out, &err) ||
            endpoint_resolve(&options, NULL, out, sizeof out, &err))
            fail_msg("\"%s\" was taken for a region", wrong[i]);
        assert_non_null(strstr(err.message, wrong[i]));
    }
    setenv("AWS_REGION", "us east", 1);
    assert_false(endpoint_region(NULL, NULL, out, sizeof out, &err));
    assert_non_null(strstr(err.message, "AWS_REGION is \"us east\""));
}

static void loopback_is_recognised(void **state)
{
    (void)state;
    static const char *const yes[] = {"127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST", "0:0:0:0:0:0:0:1"};
    static const char *const no[] = {"", "128.0.0.1", "127.0.0.1.evil.com", "localhost.evil.com", "::2", "0.0.0.0",
                                     "127.evil.com", "[::1]"};
    for (size_t i = 0; i < COUNT(yes); i++)
        if (!endpoint_is_loopback(yes[i]))
            fail_msg("%s is loopback", yes[i]);
    for (size_t i = 0; i < COUNT(no); i++)
        if (endpoint_is_loopback(no[i]))
            fail_msg("%s is not loopback", no[i]);
}

/* The services that keys are fetched from. */
static void other_services_have_hosts_and_variables_of_their_own(void **state)
{
    static const struct {
        const struct endpoint_service *service;
        const char *region;
        bool fips, dual_stack;
        const char *url;
    } rows[] = {
        {&endpoint_sts, "eu-west-1", false, false, "https://sts.eu-west-1.amazonaws.com"},
        {&endpoint_sts, "us-east-1", true, false, "https://sts-fips.us-east-1.amazonaws.com"},
        {&endpoint_sts, "us-gov-west-1", true, false, "https://sts.us-gov-west-1.amazonaws.com"},
        {&endpoint_sts, "us-gov-west-1", true, true, "https://sts-fips.us-gov-west-1.api.aws"},
        {&endpoint_sts, "cn-north-1", false, false, "https://sts.cn-north-1.amazonaws.com.cn"},
        {&endpoint_sso, "eu-west-1", false, true, "https://portal.sso.eu-west-1.api.aws"},
        {&endpoint_sso_oidc, "eu-west-1", false, false, "https://oidc.eu-west-1.amazonaws.com"},
    };
    char url[512];
    struct err err;
    (void)state;
    struct aws_config *config = config_of("[default]\nservices = s\n[services s]\nsts =\n endpoint_url = http://section\n");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct endpoint_options options = {.service = rows[i].service, .region = rows[i].region, .use_fips = rows[i].fips,
                                           .use_dual_stack = rows[i].dual_stack};
        assert_true(endpoint_resolve(&options, NULL, url, sizeof url, &err));
        assert_string_equal(url, rows[i].url);
    }
    struct endpoint_options sts = {.service = &endpoint_sts, .region = "x"}, sso = {.service = &endpoint_sso, .region = "x"};
    assert_true(endpoint_resolve(&sts, config, url, sizeof url, &err));
    assert_string_equal(url, "http://section");
    assert_true(endpoint_resolve(&sso, config, url, sizeof url, &err));
    assert_string_equal(url, "https://portal.sso.x.amazonaws.com");
    setenv("AWS_ENDPOINT_URL", "http://all", 1);
    setenv("AWS_ENDPOINT_URL_STS", "http://sts", 1);
    assert_true(endpoint_resolve(&sts, config, url, sizeof url, &err));
    assert_string_equal(url, "http://sts");
    assert_true(endpoint_resolve(&sso, config, url, sizeof url, &err));
    assert_string_equal(url, "http://all");
    unsetenv("AWS_ENDPOINT_URL_STS");
    aws_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_partition_has_its_endpoints),
        cmocka_unit_test(a_given_endpoint_is_taken_or_refused),
        cmocka_unit_test(a_custom_endpoint_excludes_fips_and_dual_stack),
        cmocka_unit_test_setup(configured_endpoints_come_in_order, clean),
        cmocka_unit_test_setup(other_services_have_hosts_and_variables_of_their_own, clean),
        cmocka_unit_test_setup(fips_can_be_configured, clean),
        cmocka_unit_test_setup(the_region_comes_from_the_first_place_that_has_one, clean),
        cmocka_unit_test_setup(no_region_is_an_error_that_names_every_place, clean),
        cmocka_unit_test_setup(a_region_that_is_no_host_label_is_refused, clean),
        cmocka_unit_test(loopback_is_recognised),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
