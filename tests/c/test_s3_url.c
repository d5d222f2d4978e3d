/* Addresses of objects, and where they are asked for: the URLs are those of botocore 1.29. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/endpoint.h"
#include "core/s3_url.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void all_behind_the_bucket_is_the_key(void **state)
{
    static const struct {
        const char *url, *bucket, *key, *name;
    } rows[] = {
        {"s3://acme-crm/a.csv", "acme-crm", "a.csv", "a.csv"},
        {"S3://acme-crm/x/y/a.csv.gz", "acme-crm", "x/y/a.csv.gz", "a.csv.gz"},
        {"s3://acme.crm/a key?x#y%20", "acme.crm", "a key?x#y%20", "a key?x#y%20"},
        {"s3://123//x", "123", "/x", "x"},
        {"s3://Old_Bucket/a//../b", "Old_Bucket", "a//../b", "b"},
    };
    struct s3_object object;
    struct err err;
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(s3_is_url(rows[i].url));
        assert_true(s3_url_parse(rows[i].url, &object, &err));
        assert_string_equal(object.bucket, rows[i].bucket);
        assert_string_equal(object.key, rows[i].key);
        assert_string_equal(s3_url_name(&object), rows[i].name);
    }
    assert_false(s3_is_url("s3:/a/b"));
    assert_false(s3_is_url("./s3://a/b"));
}

static void what_names_no_object_is_refused(void **state)
{
    static const struct {
        const char *url, *says;
    } rows[] = {
        {"s3://", "bucket"},
        {"s3:///key", "bucket"},
        {"s3://ab/key", "bucket"},
        {"s3://a b c/key", "bucket"},
        {"s3://user@host/key", "bucket"},
        {"s3://bucket", "no key"},
        {"s3://bucket/", "no key"},
        {"s3://bucket/folder/", "slash"},
        {"s3://bucket/\xFF", "UTF-8"},
        {"s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/a/key", "ARN"},
        {"https://bucket/key", "s3://bucket/key"},
    };
    struct s3_object object;
    struct err err;
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        err_clear(&err);
        assert_false(s3_url_parse(rows[i].url, &object, &err));
        assert_string_equal(err.code, ERR_USAGE);
        if (!strstr(err.message, rows[i].says))
            fail_msg("%s: %s", rows[i].url, err.message);
    }
}

static void a_key_has_1024_bytes_at_most(void **state)
{
    char url[1100] = "s3://bucket/";
    struct s3_object object;
    struct err err;
    (void)state;
    size_t head = strlen(url);
    memset(url + head, 'k', 1024);
    url[head + 1024] = '\0';
    err_clear(&err);
    assert_true(s3_url_parse(url, &object, &err));
    assert_int_equal(strlen(object.key), 1024);
    strcat(url, "k");
    assert_false(s3_url_parse(url, &object, &err));
    assert_non_null(strstr(err.message, "1025 bytes"));
}

/* As `text` asks for an object: its URL, or the message. */
static const char *place_of(const char *text, const char *endpoint, bool custom, struct s3_place *place, struct err *err)
{
    struct s3_object object;
    err_clear(err);
    if (!s3_url_parse(text, &object, err) || !s3_place_of(&object, endpoint, custom, place, err))
        return err->message;
    return place->url;
}

static void a_bucket_is_in_the_host_when_it_can_be(void **state)
{
    static const struct {
        const char *text, *endpoint;
        bool custom;
        const char *url, *host, *path;
    } rows[] = {
        {"s3://acme-crm/a b/\xC3\xA4?+%.csv", "https://s3.eu-central-1.amazonaws.com", false,
         "https://acme-crm.s3.eu-central-1.amazonaws.com/a%20b/%C3%A4%3F%2B%25.csv", "acme-crm.s3.eu-central-1.amazonaws.com",
         "/a%20b/%C3%A4%3F%2B%25.csv"},
        {"s3://acme.crm/a", "https://s3.eu-central-1.amazonaws.com", false, "https://s3.eu-central-1.amazonaws.com/acme.crm/a",
         "s3.eu-central-1.amazonaws.com", "/acme.crm/a"},
        {"s3://Acme_Old/a", "https://s3.eu-central-1.amazonaws.com", false, "https://s3.eu-central-1.amazonaws.com/Acme_Old/a",
         "s3.eu-central-1.amazonaws.com", "/Acme_Old/a"},
        {"s3://acme-crm/a//b/../c", "https://s3.eu-central-1.amazonaws.com", false,
         "https://acme-crm.s3.eu-central-1.amazonaws.com/a//b/../c", "acme-crm.s3.eu-central-1.amazonaws.com", "/a//b/../c"},
        {"s3://acme-crm/~-_.!*'()&=;:@,$", "https://s3.eu-central-1.amazonaws.com", false,
         "https://acme-crm.s3.eu-central-1.amazonaws.com/~-_.%21%2A%27%28%29%26%3D%3B%3A%40%2C%24",
         "acme-crm.s3.eu-central-1.amazonaws.com", "/~-_.%21%2A%27%28%29%26%3D%3B%3A%40%2C%24"},
        {"s3://acme-crm/a", "http://127.0.0.1:9000", true, "http://127.0.0.1:9000/acme-crm/a", "127.0.0.1:9000", "/acme-crm/a"},
        {"s3://acme-crm/a", "https://store:443/base", true, "https://store/base/acme-crm/a", "store", "/base/acme-crm/a"},
    };
    struct s3_place place;
    struct err err;
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(place_of(rows[i].text, rows[i].endpoint, rows[i].custom, &place, &err), rows[i].url);
        assert_string_equal(place.host, rows[i].host);
        assert_string_equal(place.path, rows[i].path);
    }
}

static void each_partition_has_its_endpoint(void **state)
{
    static const struct {
        const char *region;
        bool fips, dual_stack;
        const char *url;
    } rows[] = {
        {"eu-central-1", false, false, "https://s3.eu-central-1.amazonaws.com"},
        {"us-east-1", false, false, "https://s3.us-east-1.amazonaws.com"},
        {"eu-central-1", false, true, "https://s3.dualstack.eu-central-1.amazonaws.com"},
        {"eu-central-1", true, false, "https://s3-fips.eu-central-1.amazonaws.com"},
        {"eu-central-1", true, true, "https://s3-fips.dualstack.eu-central-1.amazonaws.com"},
        {"cn-north-1", false, true, "https://s3.dualstack.cn-north-1.amazonaws.com.cn"},
        {"us-gov-west-1", false, false, "https://s3.us-gov-west-1.amazonaws.com"},
        {"us-gov-west-1", true, false, "https://s3-fips.us-gov-west-1.amazonaws.com"},
        {"us-iso-east-1", false, false, "https://s3.us-iso-east-1.c2s.ic.gov"},
    };
    char url[512];
    struct err err;
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct endpoint_options options = {.service = &endpoint_s3, .region = rows[i].region, .use_fips = rows[i].fips,
                                           .use_dual_stack = rows[i].dual_stack};
        assert_true(endpoint_resolve(&options, NULL, url, sizeof url, &err));
        assert_string_equal(url, rows[i].url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_behind_the_bucket_is_the_key),
        cmocka_unit_test(what_names_no_object_is_refused),
        cmocka_unit_test(a_key_has_1024_bytes_at_most),
        cmocka_unit_test(a_bucket_is_in_the_host_when_it_can_be),
        cmocka_unit_test(each_partition_has_its_endpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
