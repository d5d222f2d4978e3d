/* Operations: the table, validation with its messages, building requests and routing them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/operations.h"
#include "core/pattern.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const char valid_job[] =
    "\"DomainName\":\"acme\",\"UniqueKey\":\"id\",\"Fields\":{\"id\":{\"Source\":\"_source.Id\","
    "\"Target\":\"_profile.Attributes.id\"}}";

/* The error of validating `json` (in which %s is valid_job), "" when it is valid. */
static const char *message_of(const char *operation, const char *json)
{
    static struct err err;
    char text[4096];
    snprintf(text, sizeof text, json, valid_job);
    cJSON *params = cJSON_Parse(text);
    if (!params)
        fail_msg("not JSON: %s", text);
    err_clear(&err);
    bool ok = operation_validate(operation_find(operation), params, &err);
    cJSON_Delete(params);
    if (!ok && !err_is(&err, ERR_USAGE))
        assert_string_equal(err.code, ERR_VALIDATION);
    return ok ? "" : err.message;
}

static void validation_names_the_member_and_the_rule(void **state)
{
    (void)state;
    static const struct {
        const char *operation, *params, *message;
    } cases[] = {
        {"CreateUploadJob", "{\"DisplayName\":\"x\",%s}", ""},
        {"CreateUploadJob", "{\"DisplayName\":\"x\",\"DataExpiry\":1098,%s}", ""},
        {"CreateUploadJob", "{\"DisplayName\":\"x\",\"DataExpiry\":null,%s}", ""},
        {"CreateUploadJob", "{\"DisplayName\":\"x\",\"DataExpiry\":2000,%s}",
         "DataExpiry: 2000 is above the maximum 1098"},
        {"CreateUploadJob", "{\"DisplayName\":\"x\",\"DataExpiry\":0,%s}", "DataExpiry: 0 is below the minimum 1"},
        {"CreateUploadJob", "{\"DisplayName\":\"x\",\"DataExpiry\":1.5,%s}", "DataExpiry: 1.5 is not a whole number"},
        {"CreateUploadJob", "{\"DisplayName\":\"x\",\"DataExpiry\":\"30\",%s}",
         "DataExpiry: must be a whole number, not a string"},
        {"CreateUploadJob", "{%s}", "DisplayName is required"},
        {"CreateUploadJob", "{\"DisplayName\":null,%s}", "DisplayName is required"},
        {"CreateUploadJob", "{\"DisplayName\":5,%s}", "DisplayName: must be a string, not a number"},
        {"CreateUploadJob", "{\"DisplayName\":\"\",%s}", "DisplayName: 0 characters, at least 1 required"},
        {"CreateUploadJob", "{\"DomanName\":\"x\",%s}", "unknown field \"DomanName\" (did you mean \"DomainName\"?)"},
        {"CreateUploadJob", "{\"Xyzzy\":\"x\",%s}",
         "unknown field \"Xyzzy\" (there are DataExpiry, DisplayName, DomainName, Fields, UniqueKey)"},
        {"CreateUploadJob", "[]", "must be an object, not a list"},
        {"CreateUploadJob", "{\"DisplayName\":\"x\",\"DomainName\":\"acme\",\"UniqueKey\":\"id\",\"Fields\":[]}",
         "Fields: must be an object, not a list"},
        {"CreateUploadJob",
         "{\"DisplayName\":\"x\",\"DomainName\":\"acme\",\"UniqueKey\":\"id\",\"Fields\":{\"email\":"
         "{\"ContentType\":\"EMAIL\"}}}",
         "Fields.email.ContentType: \"EMAIL\" is not one of STRING, NUMBER, PHONE_NUMBER, EMAIL_ADDRESS, NAME"},
        {"CreateUploadJob",
         "{\"DisplayName\":\"x\",\"DomainName\":\"acme\",\"UniqueKey\":\"id\",\"Fields\":{\"email\":"
         "{\"Sorce\":\"EMAIL\"}}}",
         "Fields.email: unknown field \"Sorce\" (did you mean \"Source\"?)"},
        {"CreateUploadJob",
         "{\"DisplayName\":\"x\",\"DomainName\":\"acme\",\"UniqueKey\":\"id\",\"Fields\":{\"E mail\":{}}}",
         "Fields: key: \"E mail\" does not match ^[a-zA-Z0-9_.-]+$"},
        {"GetDomain", "{\"DomainName\":\"my domain\"}", "DomainName: \"my domain\" does not match ^[a-zA-Z0-9_-]+$"},
        {"GetDomain", "{\"DomainName\":\"a\\nb\"}", "DomainName: \"a?b\" does not match ^[a-zA-Z0-9_-]+$"},
        {"GetUploadJob", "{\"DomainName\":\"d\",\"JobId\":\"0123456789abcdef0123456789abcdef\"}", ""},
        {"GetUploadJob", "{\"DomainName\":\"d\",\"JobId\":\"x0123456789abcdef0123456789abcdef\"}",
         "JobId: \"x0123456789abcdef0123456789abcdef\" does not match [a-f0-9]{32}"},
        {"GetUploadJob", "{\"DomainName\":\"d\",\"JobId\":\"job-1\"}", "JobId: \"job-1\" does not match [a-f0-9]{32}"},
        {"StartUploadJob", "{\"DomainName\":\"d\",\"JobId\":\"job-1\"}", ""},
        {"SearchProfiles", "{\"DomainName\":\"d\",\"KeyName\":\"_email\",\"Values\":[\"a\",7]}",
         "Values[2]: must be a string, not a number"},
        {"SearchProfiles",
         "{\"DomainName\":\"d\",\"KeyName\":\"_email\",\"Values\":[\"a\"],\"AdditionalSearchKeys\":[{\"KeyName\":"
         "\"x\"}]}",
         "AdditionalSearchKeys[1].Values is required"},
        {"SearchProfiles",
         "{\"DomainName\":\"d\",\"KeyName\":\"_email\",\"Values\":[\"a\"],\"AdditionalSearchKeys\":[]}",
         "AdditionalSearchKeys: 0 entries, at least 1 required"},
        {"CreateDomain", "{\"DomainName\":\"d\",\"DefaultExpirationDays\":30,\"Tags\":{\"aws:x\":\"1\"}}",
         "Tags: key: \"aws:x\" does not match ^(?!aws:)[a-zA-Z+-=._:/]+$"},
        {"CreateDomain", "{\"DomainName\":\"d\",\"DefaultExpirationDays\":30,\"Matching\":{\"Enabled\":\"yes\"}}",
         "Matching.Enabled: must be true or false, not a string"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *message = message_of(cases[i].operation, cases[i].params);
        if (strcmp(message, cases[i].message) != 0)
            fail_msg("%s %s\n said   \"%s\"\n wanted \"%s\"", cases[i].operation, cases[i].params, message,
                     cases[i].message);
    }
}

static void mistakes_of_the_program_are_told_from_values(void **state)
{
    (void)state;
    static const struct {
        const char *json, *code;
    } cases[] = {
        {"{\"DomanName\":\"d\"}", ERR_USAGE},          /* unknown */
        {"{}", ERR_USAGE},                               /* missing */
        {"{\"DomainName\":7}", ERR_USAGE},               /* wrong type */
        {"{\"DomainName\":\"my domain\"}", ERR_VALIDATION}, /* a value */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err;
        err_clear(&err);
        cJSON *params = cJSON_Parse(cases[i].json);
        assert_false(operation_validate(operation_find("GetDomain"), params, &err));
        cJSON_Delete(params);
        assert_string_equal(err.code, cases[i].code);
    }
}

static void lengths_count_code_points(void **state)
{
    (void)state;
    char json[2048] = "{\"DisplayName\":\"";
    for (int i = 0; i < 255; i++)
        strcat(json, "\xC3\xA9");
    char *end = json + strlen(json);
    strcpy(end, "\",%s}");
    assert_string_equal(message_of("CreateUploadJob", json), "");
    strcpy(end, "\xC3\xA9\",%s}");
    assert_string_equal(message_of("CreateUploadJob", json), "DisplayName: 256 characters, at most 255 allowed");
    strcpy(end - 2, "\xC3\",%s}");
    assert_string_equal(message_of("CreateUploadJob", json), "DisplayName: is not UTF-8 (byte 509)");
}

static const struct shape *output_member(const char *operation, const char *name)
{
    const struct member *member = operation_find(operation)->output->members;
    while (member->name && strcmp(member->name, name) != 0)
        member++;
    return member->shape;
}

static void sensitive_values_are_not_quoted(void **state)
{
    (void)state;
    const struct shape *profile = output_member("SearchProfiles", "Items")->value;
    struct err err;
    cJSON *value = cJSON_Parse("{\"Gender\":\"Quite private\"}");
    assert_false(shape_validate(profile, value, "Profile", &err));
    assert_string_equal(err.message, "Profile.Gender: the value (not shown) is not one of MALE, FEMALE, UNSPECIFIED");
    cJSON_Delete(value);
    static const struct shape text = {.name = "text", .kind = SHAPE_STRING, .pattern = "^[a-z]+$"};
    static const struct shape map = {.name = "map", .kind = SHAPE_MAP, .key = &text, .value = &text, .sensitive = true};
    value = cJSON_Parse("{\"a\":\"Quite private\"}");
    assert_false(shape_validate(&map, value, "Attributes", &err));
    assert_string_equal(err.message, "Attributes.a: the value (not shown) does not match ^[a-z]+$");
    cJSON_Delete(value);
}

static void long_values_are_shortened(void **state)
{
    (void)state;
    char json[400];
    snprintf(json, sizeof json, "{\"DomainName\":\"%.*s\"}", 64,
             "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((");
    const char *message = message_of("GetDomain", json);
    if (!strstr(message, "((((…\" does not match"))
        fail_msg("%s", message);
}

static void a_long_name_that_is_not_utf8_is_shortened_too(void **state)
{
    (void)state;
    char text[1024], bytes[801];
    memset(bytes, 0x9E, sizeof bytes - 1);
    bytes[sizeof bytes - 1] = '\0';
    snprintf(text, sizeof text, "{\"%s\":1}", bytes);
    const char *message = message_of("CreateUploadJob", text);
    assert_non_null(strstr(message, "unknown field \""));
    assert_non_null(strstr(message, "…\" (there are DataExpiry"));
}

static void patterns_of_the_model_match_as_meant(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"^[a-zA-Z0-9_-]+$", "a_B-9", true}, {"^[a-zA-Z0-9_-]+$", "a b", false}, {"^[a-zA-Z0-9_-]+$", "", false},
        {"[a-f0-9]{32}", "0123456789abcdef0123456789abcdef", true},
        {"[a-f0-9]{32}", "0123456789abcdef0123456789abcdef0", false},
        {".*", "", true}, {".*", "a\nb", true}, {".+", "", false},
        {"^(?!aws:)[a-zA-Z+-=._:/]+$", "aws:x", false}, {"^(?!aws:)[a-zA-Z+-=._:/]+$", "aw-s:1", true},
        {"^([0-9]|0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]$", "9:30", true},
        {"^([0-9]|0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]$", "23:59", true},
        {"^([0-9]|0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]$", "24:00", false},
        {"(\\d+|\\$[a-z_]+)", "123", true}, {"(\\d+|\\$[a-z_]+)", "$a_b", true}, {"(\\d+|\\$[a-z_]+)", "a", false},
        {"[\\w!@#\\-.?,\\s]*", "a-b c?", true}, {"[\\w!@#\\-.?,\\s]*", "a/b", false},
        {"^[a-zA-Z_][a-zA-Z_0-9-\\s]*$", "a-b c", true}, {"^[a-zA-Z_][a-zA-Z_0-9-\\s]*$", "9a", false},
        {"arn:aws:kms:.*:[0-9]+:.*", "arn:aws:kms:us-east-1:123:key/1", true},
        {"arn:aws:kms:.*:[0-9]+:.*", "arn:aws:kms:us-east-1:x:key/1", false},
        {"^arn:[a-z0-9]{1,10}:profile", "arn:aws:profile:us-east-1:1:domains/d", true},
        {"^arn:[a-z0-9]{1,10}:profile", "x-arn:aws:profile", false},
        {"arn:([a-z\\d-]+):profile:.*:.*:.+", "arn:aws-us-gov:profile:r:1:domains", true},
        {"[a-zA-Z0-9_-]+/\\d{4}-\\d{2}-\\d{2}T\\d{2}-\\d{2}-\\d{2}Z", "d/2026-01-02T03-04-05Z", true},
        {"[a-zA-Z0-9][\\w!@#.-]+", "a!", true}, {"[a-zA-Z0-9][\\w!@#.-]+", "a", false},
        {"[\\w/!@#+=.-]+", "a/b=", true}, {"\\S+", "a b", false}, {"\\S+", "a\xC3\xA9", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (pattern_matches(cases[i].pattern, cases[i].text) != cases[i].matches)
            fail_msg("%s and \"%s\": %d", cases[i].pattern, cases[i].text, !cases[i].matches);
}

/* ---- building ---- */

static void requests_are_built_as_the_model_says(void **state)
{
    (void)state;
    static const struct {
        const char *operation, *params, *path, *query, *body; /* body NULL: none */
    } cases[] = {
        {"create_upload_job",
         "{\"UniqueKey\":\"id\",\"DataExpiry\":30,\"DisplayName\":\"caf\xC3\xA9\","
         "\"Fields\":{\"id\":{\"Source\":\"s\"}},\"DomainName\":\"acme\"}",
         "/domains/acme/upload-jobs", "",
         "{\"DataExpiry\":30,\"DisplayName\":\"caf\xC3\xA9\","
         "\"Fields\":{\"id\":{\"Source\":\"s\"}},\"UniqueKey\":\"id\"}"},
        {"ListUploadJobs", "{\"NextToken\":\"a b/+=&\",\"MaxResults\":500,\"DomainName\":\"acme\"}",
         "/domains/acme/upload-jobs", "max-results=500&next-token=a%20b%2F%2B%3D%26", NULL},
        {"GetUploadJobPath", "{\"DomainName\":\"acme\",\"JobId\":\"j\"}", "/domains/acme/upload-jobs/j/path", "", NULL},
        {"StartUploadJob", "{\"DomainName\":\"acme\",\"JobId\":\"j\"}", "/domains/acme/upload-jobs/j", "", NULL},
        {"StopUploadJob", "{\"DomainName\":\"acme\",\"JobId\":\"j\"}", "/domains/acme/upload-jobs/j/stop", "", NULL},
        {"ListDomains", "{}", "/domains", "", NULL},
        {"DeleteDomain", "{\"DomainName\":\"a/b c\"}", "/domains/a%2Fb%20c", "", NULL},
        {"CreateDomain", "{\"DomainName\":\"d\",\"Tags\":null}", "/domains/d", "", "{}"},
        {"SearchProfiles", "{\"DomainName\":\"d\",\"KeyName\":\"_email\",\"Values\":[\"x\"],\"MaxResults\":5}",
         "/domains/d/profiles/search", "max-results=5", "{\"KeyName\":\"_email\",\"Values\":[\"x\"]}"},
        {"UpdateDomain",
         "{\"DomainName\":\"d\",\"Matching\":{\"JobSchedule\":null,\"Enabled\":true,\"AutoMerging\":"
         "{\"ConflictResolution\":null,\"Enabled\":true}}}",
         "/domains/d", "", "{\"Matching\":{\"Enabled\":true,\"AutoMerging\":{\"Enabled\":true}}}"},
        {"UpdateDomain",
         "{\"DomainName\":\"d\",\"Matching\":{\"Enabled\":true,\"AutoMerging\":{\"Enabled\":true,"
         "\"MinAllowedConfidenceScoreForMerging\":0.30000000000000004}}}",
         "/domains/d", "",
         "{\"Matching\":{\"Enabled\":true,\"AutoMerging\":{\"Enabled\":true,"
         "\"MinAllowedConfidenceScoreForMerging\":0.30000000000000004}}}"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct operation_request request;
        struct err err;
        cJSON *params = cJSON_Parse(cases[i].params);
        assert_true(operation_build(operation_find(cases[i].operation), params, &request, &err));
        assert_string_equal(request.path.data, cases[i].path);
        assert_string_equal(request.query.len ? request.query.data : "", cases[i].query);
        assert_int_equal(request.has_body, cases[i].body != NULL);
        assert_string_equal(request.body.len ? request.body.data : "", cases[i].body ? cases[i].body : "");
        operation_request_free(&request);
        cJSON_Delete(params);
    }
}

static void an_empty_path_member_is_refused(void **state)
{
    (void)state;
    struct operation_request request;
    struct err err;
    cJSON *params = cJSON_Parse("{\"DomainName\":\"\"}");
    assert_false(operation_build(operation_find("GetDomain"), params, &request, &err));
    assert_string_equal(err.message, "DomainName is required and may not be empty");
    cJSON_Delete(params);
}

/* ---- routing and names ---- */

static void requests_are_routed_to_their_operation(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *operation, *domain, *job;
    } cases[] = {
        {"POST", "/domains/acme/upload-jobs", "CreateUploadJob", "acme", NULL},
        {"GET", "/domains/acme/upload-jobs", "ListUploadJobs", "acme", NULL},
        {"GET", "/domains/acme/upload-jobs/j1", "GetUploadJob", "acme", "j1"},
        {"PUT", "/domains/acme/upload-jobs/j1", "StartUploadJob", "acme", "j1"},
        {"PUT", "/domains/acme/upload-jobs/j1/stop", "StopUploadJob", "acme", "j1"},
        {"GET", "/domains/acme/upload-jobs/j1/path", "GetUploadJobPath", "acme", "j1"},
        {"GET", "/domains", "ListDomains", NULL, NULL},
        {"DELETE", "/domains/a%20b%2Fc", "DeleteDomain", "a b/c", NULL},
        {"POST", "/domains/acme/profiles/search", "SearchProfiles", "acme", NULL},
        {"GET", "/domains/", NULL, NULL, NULL},
        {"GET", "/", NULL, NULL, NULL},
        {"GET", "", NULL, NULL, NULL},
        {"PATCH", "/domains/acme", NULL, NULL, NULL},
        {"GET", "/domains/a%00b", NULL, NULL, NULL},
        {"GET", "/domains/a%2", NULL, NULL, NULL},
        {"GET", "/domains/acme/upload-jobs/j1/path/x", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        cJSON *params = cJSON_CreateObject();
        const struct operation *op = operation_route(cases[i].method, cases[i].path, params);
        const char *domain = cJSON_GetStringValue(cJSON_GetObjectItem(params, "DomainName"));
        const char *job = cJSON_GetStringValue(cJSON_GetObjectItem(params, "JobId"));
        if (strcmp(op ? op->name : "-", cases[i].operation ? cases[i].operation : "-") != 0 ||
            strcmp(domain ? domain : "-", cases[i].domain ? cases[i].domain : "-") != 0 ||
            strcmp(job ? job : "-", cases[i].job ? cases[i].job : "-") != 0)
            fail_msg("%s %s: %s, %s, %s", cases[i].method, cases[i].path, op ? op->name : "none",
                     domain ? domain : "-", job ? job : "-");
        cJSON_Delete(params);
    }
}

static const struct member *member_of(const struct shape *shape, const char *name, size_t len)
{
    for (const struct member *member = shape->members; member->name; member++)
        if (strlen(member->name) == len && memcmp(member->name, name, len) == 0)
            return member;
    return NULL;
}

static void every_row_is_whole(void **state)
{
    (void)state;
    size_t count;
    const struct operation *all = operation_all(&count);
    assert_int_equal(count, 107);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(operation_find(all[i].name), &all[i]);
        assert_ptr_equal(operation_find(all[i].lua_name), &all[i]);
        assert_int_equal(all[i].input->kind, SHAPE_STRUCTURE);
        assert_int_equal(all[i].output->kind, SHAPE_STRUCTURE);
        if (all[i].secret)
            assert_non_null(member_of(all[i].output, all[i].secret, strlen(all[i].secret)));
    }
}

static void every_path_label_is_a_required_member(void **state)
{
    (void)state;
    size_t count;
    const struct operation *all = operation_all(&count);
    for (size_t i = 0; i < count; i++) {
        size_t labels = 0, members = 0;
        for (const char *at = all[i].path; (at = strchr(at, '{')); labels++) {
            size_t len = strcspn(++at, "}");
            const struct member *member = member_of(all[i].input, at, len);
            if (!member || member->location != IN_PATH || !member->required)
                fail_msg("%s: {%.*s} is no required member of the path", all[i].name, (int)len, at);
        }
        for (const struct member *member = all[i].input->members; member->name; member++)
            members += member->location == IN_PATH;
        if (labels != members)
            fail_msg("%s: %zu labels, %zu members in the path", all[i].name, labels, members);
    }
}

static void every_paginated_operation_has_its_tokens_and_items(void **state)
{
    (void)state;
    size_t count, paginated = 0;
    const struct operation *all = operation_all(&count);
    for (size_t i = 0; i < count; i++) {
        bool in = member_of(all[i].input, "NextToken", 9), out = member_of(all[i].output, "NextToken", 9);
        const struct member *items = all[i].items ? member_of(all[i].output, all[i].items, strlen(all[i].items)) : NULL;
        paginated += items != NULL;
        if (in != out || in != (items && items->shape->kind == SHAPE_LIST))
            fail_msg("%s: token in %d, token out %d, items %s", all[i].name, in, out, all[i].items ? all[i].items : "none");
    }
    assert_int_equal(paginated, 28);
}

static void the_nearest_name_is_suggested(void **state)
{
    (void)state;
    static const char *const names[] = {"DomainName", "DisplayName", "Fields", "UniqueKey", NULL};
    assert_string_equal(nearest_name("domainname", names), "DomainName");
    assert_string_equal(nearest_name("DislpayName", names), "DisplayName");
    assert_string_equal(nearest_name("Field", names), "Fields");
    assert_null(nearest_name("x", names));
    assert_null(nearest_name("", names));
    assert_null(nearest_name("Completely different, and longer than any name that there is in the table", names));
    assert_string_equal(operation_nearest("create_uplod_job")->name, "CreateUploadJob");
    assert_string_equal(operation_nearest("ListDomain")->name, "ListDomains");
    assert_null(operation_nearest("frobnicate"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(validation_names_the_member_and_the_rule),
        cmocka_unit_test(mistakes_of_the_program_are_told_from_values),
        cmocka_unit_test(lengths_count_code_points),
        cmocka_unit_test(sensitive_values_are_not_quoted),
        cmocka_unit_test(long_values_are_shortened),
        cmocka_unit_test(a_long_name_that_is_not_utf8_is_shortened_too),
        cmocka_unit_test(patterns_of_the_model_match_as_meant),
        cmocka_unit_test(requests_are_built_as_the_model_says),
        cmocka_unit_test(an_empty_path_member_is_refused),
        cmocka_unit_test(requests_are_routed_to_their_operation),
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(every_path_label_is_a_required_member),
        cmocka_unit_test(every_paginated_operation_has_its_tokens_and_items),
        cmocka_unit_test(the_nearest_name_is_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
