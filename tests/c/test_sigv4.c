/* The signer: published vectors of the AWS Signature Version 4 test suite, the rules between them, and verifying. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sigv4.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const struct sigv4_credentials suite_keys = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL};
static const struct sigv4_scope suite_scope = {"service", "us-east-1", 1440938160}; /* 20150830T123600Z */

static struct sigv4_result sign(const struct sigv4_request *request, const struct sigv4_scope *scope,
                                const struct sigv4_credentials *keys)
{
    struct sigv4_result result;
    struct err err;
    err_clear(&err);
    if (!sigv4_sign(request, scope, keys, NULL, &result, &err))
        fail_msg("not signed: %s", err.message);
    return result;
}

/* Signatures that AWS published with the suite (aws-sig-v4-test-suite). */
static void published_vectors_give_the_published_signature(void **state)
{
    (void)state;
    static const struct sigv4_header form[] = {{"Content-Type", "application/x-www-form-urlencoded"}};
    static const struct {
        const char *name, *method, *path, *query, *body, *signature;
        const struct sigv4_header *headers;
        size_t header_count;
    } vectors[] = {
        {"get-vanilla", "GET", "/", "", "",
         "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", NULL, 0},
        {"get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", "",
         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", NULL, 0},
        {"post-vanilla", "POST", "/", "", "",
         "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", NULL, 0},
        {"post-x-www-form-urlencoded", "POST", "/", "", "Param1=value1",
         "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a", form, 1},
    };
    for (size_t i = 0; i < COUNT(vectors); i++) {
        struct sigv4_request request = {.method = vectors[i].method, .host = "example.amazonaws.com",
                                        .path = vectors[i].path, .query = vectors[i].query,
                                        .headers = vectors[i].headers, .header_count = vectors[i].header_count,
                                        .body = vectors[i].body, .body_len = strlen(vectors[i].body)};
        struct sigv4_result result = sign(&request, &suite_scope, &suite_keys);
        if (strcmp(result.signature, vectors[i].signature) != 0)
            fail_msg("%s: signature %s of:\n%s", vectors[i].name, result.signature, result.canonical_request.data);
        sigv4_result_free(&result);
    }
}

/* "Example: GET Object" and "PUT Object" of the Amazon S3 API reference. */
static void the_examples_of_the_s3_reference_hold(void **state)
{
    (void)state;
    static const struct sigv4_header range[] = {{"Range", "bytes=0-9"}};
    static const struct sigv4_header put[] = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                              {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
    struct sigv4_credentials keys = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL};
    struct sigv4_scope scope = {"s3", "us-east-1", 1369353600};
    struct sigv4_request get = {.method = "GET", .host = "examplebucket.s3.amazonaws.com", .path = "/test.txt",
                                .headers = range, .header_count = 1};
    struct sigv4_result result = sign(&get, &scope, &keys);
    assert_string_equal(result.signature, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    sigv4_result_free(&result);
    struct sigv4_request object = {.method = "PUT", .host = "examplebucket.s3.amazonaws.com",
                                   .path = "/test%24file.text", .headers = put, .header_count = 2,
                                   .body = "Welcome to Amazon S3.", .body_len = 21};
    result = sign(&object, &scope, &keys);
    assert_string_equal(result.signature, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    sigv4_result_free(&result);
}

/* "Authenticating Requests: Using Query Parameters", the example of the Amazon S3 API reference. */
static void the_presigned_example_of_the_s3_reference_holds(void **state)
{
    (void)state;
    struct sigv4_credentials keys = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL};
    struct sigv4_scope scope = {"s3", "us-east-1", 1369353600};
    struct sigv4_request get = {.method = "GET", .host = "examplebucket.s3.amazonaws.com", .path = "/test.txt"};
    struct sigv4_result result;
    struct buf url;
    struct err err;
    buf_init(&url, 4096);
    assert_true(sigv4_presign(&get, "https", &scope, &keys, 86400, NULL, &url, &result, &err));
    assert_string_equal(url.data,
                        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
                        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
                        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
                        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    sigv4_result_free(&result);
    buf_free(&url);
}

static void queries_are_sorted_and_encoded_in_one_way(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},
        {"b=2&a=1", "a=1&b=2"},
        {"a=2&a=1&a=", "a=&a=1&a=2"},
        {"a", "a="},
        {"a=1&b", "a=1&b="},
        {"a=b+c", "a=b%2Bc"},
        {"a=b%20c", "a=b%20c"},
        {"a=%7e%41%c3%a9", "a=~A%C3%A9"},
        {"a=\xC3\xA9", "a=%C3%A9"},
        {"a=1=2", "a=1%3D2"},
        {"a=%zz%", "a=%25zz%25"},
        {"A=1&a=0&B=2", "A=1&B=2&a=0"},
        {"a-b=1&a=2", "a=2&a-b=1"}, /* by name, not by the text with its '=' */
        {"a=/:@", "a=%2F%3A%40"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct buf out;
        buf_init(&out, 4096);
        assert_true(sigv4_canonical_query(pairs[i][0], &out));
        assert_string_equal(out.data ? out.data : "", pairs[i][1]);
        buf_free(&out);
    }
}

static void paths_are_normalised_and_encoded_again_but_for_s3(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool s3;
        const char *canonical;
    } paths[] = {
        {"", false, "/"}, {"/", false, "/"}, {"//", false, "/"}, {"/./", false, "/"}, {"/a/..", false, "/"},
        {"/a/../..", false, "/"}, {"/../a", false, "/a"}, {"//a//b/", false, "/a/b/"}, {"/a/./b", false, "/a/b"},
        {"/a/b/..", false, "/a"}, {"/a/b/../", false, "/a/"}, {"/a%20b", false, "/a%2520b"},
        {"/%2E%2E/a", false, "/%252E%252E/a"}, {"/a b", false, "/a%20b"}, {"/a:b~c", false, "/a%3Ab~c"},
        {"/...", false, "/..."}, {"/\xE1\x88\xB4", false, "/%E1%88%B4"},
        {"", true, "/"}, {"//a/../b", true, "//a/../b"}, {"/a%20b", true, "/a%20b"},
    };
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct buf out;
        buf_init(&out, 4096);
        assert_true(sigv4_canonical_path(paths[i].path, paths[i].s3, &out));
        if (strcmp(out.data, paths[i].canonical) != 0)
            fail_msg("\"%s\" became \"%s\", not \"%s\"", paths[i].path, out.data, paths[i].canonical);
        buf_free(&out);
    }
}

static void headers_are_trimmed_folded_joined_and_sorted(void **state)
{
    (void)state;
    static const struct sigv4_header headers[] = {
        {"My-Header2", "  \"a   b  c\"  "}, {"X-Empty", ""}, {"my-header1", " value2\t\t end "},
        {"User-Agent", "curl"}, {"Expect", "100-continue"}, {"MY-HEADER1", "value1"}, {"Authorization", "Basic x"},
    };
    struct sigv4_request request = {.method = "get", .host = "Example.amazonaws.com:8443", .path = "/",
                                    .headers = headers, .header_count = COUNT(headers)};
    struct sigv4_credentials keys = suite_keys;
    keys.session_token = "token";
    struct sigv4_result result = sign(&request, &suite_scope, &keys);
    assert_string_equal(result.canonical_request.data,
                        "GET\n/\n\nhost:example.amazonaws.com:8443\nmy-header1:value2 end,value1\n"
                        "my-header2:\"a b c\"\nx-amz-date:20150830T123600Z\nx-amz-security-token:token\nx-empty:\n\n"
                        "host;my-header1;my-header2;x-amz-date;x-amz-security-token;x-empty\n" SIGV4_EMPTY_SHA256);
    sigv4_result_free(&result);
}

static void a_given_date_is_the_time_stamp(void **state)
{
    (void)state;
    static const struct sigv4_header date[] = {{"X-Amz-Date", "20200229T010203Z"}};
    static const struct sigv4_header bad[] = {{"X-Amz-Date", "20200230T010203Z"}};
    struct sigv4_request request = {.method = "GET", .host = "h", .path = "/", .headers = date, .header_count = 1};
    struct sigv4_result result = sign(&request, &suite_scope, &suite_keys);
    assert_string_equal(result.date, "20200229T010203Z");
    assert_non_null(strstr(result.authorization, "Credential=AKIDEXAMPLE/20200229/us-east-1/service/aws4_request, "));
    sigv4_result_free(&result);
    request.headers = bad;
    struct err err;
    assert_false(sigv4_sign(&request, &suite_scope, &suite_keys, NULL, &result, &err));
    assert_non_null(strstr(err.message, "20200230T010203Z"));
}

static void a_cached_key_signs_as_a_derived_one(void **state)
{
    (void)state;
    static const char *const regions[] = {"us-east-1", "eu-west-1", "r3", "r4", "r5", "r6", "r7", "r8", "r9"};
    struct sigv4_cache *cache = sigv4_cache_new();
    struct sigv4_request request = {.method = "GET", .host = "h", .path = "/"};
    for (size_t i = 0; i < 4 * COUNT(regions); i++) {
        struct sigv4_scope scope = {"service", regions[i % COUNT(regions)], 1440938160 + (time_t)(i / 18) * 86400};
        struct sigv4_credentials keys = {"AKID", i % 2 ? "one" : "two", NULL};
        struct sigv4_result derived = sign(&request, &scope, &keys), cached;
        struct err err;
        assert_true(sigv4_sign(&request, &scope, &keys, cache, &cached, &err));
        assert_string_equal(cached.signature, derived.signature);
        sigv4_result_free(&derived);
        sigv4_result_free(&cached);
    }
    sigv4_cache_free(cache);
}

static void times_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "20150830", "20150830T123600", "2015083 T123600Z", "20150830T123600Zx",
                                        "20151330T123600Z", "20150830T250000Z", "20150830t123600z"};
    char text[17];
    time_t when = 0;
    sigv4_format_time(1440938160, text);
    assert_string_equal(text, "20150830T123600Z");
    assert_true(sigv4_parse_time(text, &when));
    assert_int_equal(when, 1440938160);
    for (size_t i = 0; i < COUNT(wrong); i++)
        if (sigv4_parse_time(wrong[i], &when))
            fail_msg("\"%s\" was taken for a time", wrong[i]);
}

/* ---- verifying ---- */

static bool verify(const struct sigv4_request *request, const char *authorization, const char *date,
                   const struct sigv4_credentials *keys, struct err *err)
{
    struct sigv4_claim claim;
    err_clear(err);
    return sigv4_claim_parse(authorization, date, request->query, &claim, err) &&
           sigv4_claim_verify(&claim, request, keys, NULL, err);
}

static void what_was_signed_verifies_and_what_was_changed_does_not(void **state)
{
    (void)state;
    struct sigv4_header headers[] = {{"host", "h:80"}, {"x-amz-date", "20150830T123600Z"}, {"a", "1"}};
    struct sigv4_request request = {.method = "POST", .host = "h:80", .path = "/a%20b", .query = "b=2&a&c=%2f",
                                    .headers = headers, .header_count = 3, .body = "{}", .body_len = 2};
    struct sigv4_result result = sign(&request, &suite_scope, &suite_keys);
    struct sigv4_credentials other = {"AKIDEXAMPLE", "wrong", NULL};
    struct err err;
    assert_true(verify(&request, result.authorization, "20150830T123600Z", &suite_keys, &err));
    assert_false(verify(&request, result.authorization, "20150830T123600Z", &other, &err));
    assert_string_equal(err.code, "InvalidSignatureException");
    request.body = "[]";
    assert_false(verify(&request, result.authorization, "20150830T123600Z", &suite_keys, &err));
    request.body = "{}";
    request.path = "/a%20c";
    assert_false(verify(&request, result.authorization, "20150830T123600Z", &suite_keys, &err));
    request.path = "/a%20b";
    headers[2].value = "2";
    assert_false(verify(&request, result.authorization, "20150830T123600Z", &suite_keys, &err));
    headers[2].name = "b";
    assert_false(verify(&request, result.authorization, "20150830T123600Z", &suite_keys, &err));
    assert_string_equal(err.message, "the signed header \"a\" is not in the request");
    sigv4_result_free(&result);
}

static void a_presigned_url_verifies(void **state)
{
    (void)state;
    struct sigv4_credentials keys = suite_keys;
    keys.session_token = "a+/=";
    struct sigv4_scope scope = {"s3", "us-east-1", 1440938160};
    struct sigv4_request request = {.method = "PUT", .host = "127.0.0.1:9", .path = "/k", .query = "x=1"};
    struct sigv4_result result;
    struct sigv4_claim claim;
    struct buf url;
    struct err err;
    buf_init(&url, 4096);
    assert_true(sigv4_presign(&request, "http", &scope, &keys, 60, NULL, &url, &result, &err));
    request.query = strchr(url.data, '?') + 1;
    assert_true(sigv4_claim_parse(NULL, NULL, request.query, &claim, &err));
    assert_true(claim.presigned);
    assert_int_equal(claim.expires, 60);
    assert_string_equal(claim.access_key_id, "AKIDEXAMPLE");
    assert_string_equal(claim.service, "s3");
    assert_true(sigv4_claim_verify(&claim, &request, &keys, NULL, &err));
    claim.signature[0] = claim.signature[0] == '0' ? '1' : '0';
    assert_false(sigv4_claim_verify(&claim, &request, &keys, NULL, &err));
    assert_string_equal(err.code, "SignatureDoesNotMatch");
    sigv4_result_free(&result);
    buf_free(&url);
}

#define SIXTYFOUR "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void a_malformed_claim_says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *authorization, *date, *query, *code, *says;
    } claims[] = {
        {NULL, NULL, NULL, "MissingAuthenticationTokenException", "Missing"},
        {"", NULL, "a=1", "MissingAuthenticationTokenException", "Missing"},
        {"Basic abc", NULL, NULL, "IncompleteSignatureException", "must begin with"},
        {"AWS4-HMAC-SHA256", NULL, NULL, "IncompleteSignatureException", "must begin with"},
        {"AWS4-HMAC-SHA256 x", "20150830T123600Z", NULL, "IncompleteSignatureException", "Credential is missing"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request,SignedHeaders=host,Signature=" SIXTYFOUR, NULL, NULL,
         "IncompleteSignatureException", "X-Amz-Date"},
        {"AWS4-HMAC-SHA256 Credential=a/20150831/r/s/aws4_request,SignedHeaders=host,Signature=" SIXTYFOUR,
         "20150830T123600Z", NULL, "IncompleteSignatureException", "not the day"},
        {"AWS4-HMAC-SHA256 Credential=a/r/s/aws4_request,SignedHeaders=host,Signature=" SIXTYFOUR, "20150830T123600Z",
         NULL, "IncompleteSignatureException", "must have the form"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request,SignedHeaders=date,Signature=" SIXTYFOUR,
         "20150830T123600Z", NULL, "IncompleteSignatureException", "must name host"},
        {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request,SignedHeaders=host,Signature=12", "20150830T123600Z",
         NULL, "IncompleteSignatureException", "64"},
        {NULL, NULL, "X-Amz-Signature=12", "IncompleteSignatureException", "X-Amz-Algorithm"},
        {NULL, NULL, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=0", "IncompleteSignatureException", "604800"},
        {NULL, NULL, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=1x", "IncompleteSignatureException", "604800"},
    };
    for (size_t i = 0; i < COUNT(claims); i++) {
        struct sigv4_claim claim;
        struct err err;
        err_clear(&err);
        bool ok = sigv4_claim_parse(claims[i].authorization, claims[i].date, claims[i].query, &claim, &err);
        if (ok || strcmp(err.code, claims[i].code) != 0 || !strstr(err.message, claims[i].says))
            fail_msg("claim %zu: %d %s: %s", i, ok, err.code, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_give_the_published_signature),
        cmocka_unit_test(the_examples_of_the_s3_reference_hold),
        cmocka_unit_test(the_presigned_example_of_the_s3_reference_holds),
        cmocka_unit_test(queries_are_sorted_and_encoded_in_one_way),
        cmocka_unit_test(paths_are_normalised_and_encoded_again_but_for_s3),
        cmocka_unit_test(headers_are_trimmed_folded_joined_and_sorted),
        cmocka_unit_test(a_given_date_is_the_time_stamp),
        cmocka_unit_test(a_cached_key_signs_as_a_derived_one),
        cmocka_unit_test(times_are_read_as_they_are_written),
        cmocka_unit_test(what_was_signed_verifies_and_what_was_changed_does_not),
        cmocka_unit_test(a_presigned_url_verifies),
        cmocka_unit_test(a_malformed_claim_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
