/* What S3 answers, in pieces as it comes, and what is told of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/s3_reply.h"

static const struct s3_object object = {"acme-crm", "a.csv"};

/* Takes the lines of a head, each with its line end. */
static bool take_head(struct s3_reply *reply, const char *head)
{
    bool ok = true;
    while (*head && ok) {
        size_t len = strcspn(head, "\n") + 1;
        ok = s3_reply_header(reply, head, len);
        head += len;
    }
    return ok;
}

static void error_in(const char *region, const char *head, const char *body, struct err *err)
{
    struct s3_reply reply;
    s3_reply_init(&reply);
    assert_true(take_head(&reply, head));
    for (size_t i = 0; i < strlen(body); i += 7)
        s3_reply_body(&reply, body + i, strnlen(body + i, 7));
    err_clear(err);
    s3_reply_error(&reply, &object, "s3.example.com", region, err);
    s3_reply_free(&reply);
}

static void error_of(const char *head, const char *body, struct err *err)
{
    error_in("us-east-1", head, body, err);
}

static void the_last_head_counts(void **state)
{
    struct s3_reply reply;
    (void)state;
    s3_reply_init(&reply);
    assert_true(take_head(&reply, "HTTP/1.1 100 Continue\r\nETag: \"old\"\r\n\r\n"));
    assert_false(reply.head_ended);
    assert_true(take_head(&reply, "HTTP/1.1 206 Partial Content\r\nETAG:  \"new\" \r\ncontent-range: bytes 100-199/5000000000\r\n"
                                  "Content-Length: 100\r\nx-amz-request-id: R1\r\n\r\n"));
    assert_true(reply.head_ended);
    assert_int_equal(reply.status, 206);
    assert_string_equal(reply.etag, "\"new\"");
    assert_int_equal(reply.first, 100);
    assert_int_equal(reply.total, 5000000000);
    assert_int_equal(reply.length, 100);
    assert_string_equal(reply.request_id, "R1");
    s3_reply_free(&reply);
}

static void a_range_that_is_none_is_not_taken(void **state)
{
    static const char *const bad[] = {"bytes 0-9/*", "bytes */100", "bytes 9-0/100", "bytes 0-100/100", "bytes -5-9/100",
                                      "items 0-9/100", "bytes 0-9/100 and more", "bytes 0-9/99999999999999999999999"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char head[200];
        struct s3_reply reply;
        s3_reply_init(&reply);
        snprintf(head, sizeof head, "HTTP/1.1 206 OK\r\nContent-Range: %s\r\n\r\n", bad[i]);
        assert_true(take_head(&reply, head));
        if (reply.total >= 0 && reply.total < INT64_MAX / 2)
            fail_msg("%s was taken", bad[i]);
        s3_reply_free(&reply);
    }
}

static void a_head_without_end_is_given_up(void **state)
{
    struct s3_reply reply;
    bool ok = true;
    (void)state;
    s3_reply_init(&reply);
    for (int i = 0; i < 10000 && ok; i++)
        ok = take_head(&reply, "X-Filler: of some length, again and again\r\n");
    assert_false(ok);
    s3_reply_free(&reply);
}

static void a_refusal_is_told_with_code_and_words_and_advice(void **state)
{
    struct err err;
    (void)state;
    error_of("HTTP/1.1 403 Forbidden\r\nx-amz-request-id: R7\r\n\r\n",
             "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access &lt;Denied&gt;\x1B[2J</Message></Error>", &err);
    assert_string_equal(err.code, "AccessDenied");
    assert_string_equal(err.request_id, "R7");
    assert_int_equal(err.status, 403);
    assert_false(err.retryable);
    assert_non_null(strstr(err.message, "Access <Denied>"));
    assert_null(strchr(err.message, '\x1B'));
    assert_non_null(strstr(err.message, "s3:GetObject on arn:aws:s3:::acme-crm/*"));
    error_of("HTTP/1.1 503 Slow Down\r\n\r\n", "<Error><Code>SlowDown</Code><RequestId>R8</RequestId></Error>", &err);
    assert_true(err.retryable);
    assert_string_equal(err.request_id, "R8");
    error_of("HTTP/1.1 502 Bad Gateway\r\n\r\n", "<html>a proxy</html>", &err);
    assert_true(err.retryable);
    assert_string_equal(err.code, "HTTP502");
}

static void the_arn_in_an_advice_is_of_the_regions_partition(void **state)
{
    static const char *const rows[][2] = {{"cn-north-1", "on arn:aws-cn:s3:::acme-crm/*"},
                                          {"us-gov-west-1", "on arn:aws-us-gov:s3:::acme-crm/*"},
                                          {"eusc-de-east-1", "on arn:aws-eusc:s3:::acme-crm/*"},
                                          {"mx-central-1", "on arn:aws:s3:::acme-crm/*"}};
    struct err err;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        error_in(rows[i][0], "HTTP/1.1 403 Forbidden\r\n\r\n", "<Error><Code>AccessDenied</Code></Error>", &err);
        if (!strstr(err.message, rows[i][1]))
            fail_msg("%s: %s", rows[i][0], err.message);
    }
}

static void a_version_is_told_to_be_taken_for_a_part_of_the_key(void **state)
{
    static const struct s3_object versioned = {"acme-crm", "a.csv?versionId=3sL4kqtJlcpXroDTDmJ"};
    static const char body[] = "<Error><Code>NoSuchKey</Code></Error>";
    struct s3_reply reply;
    struct err err;
    (void)state;
    s3_reply_init(&reply);
    assert_true(take_head(&reply, "HTTP/1.1 404 Not Found\r\n\r\n"));
    s3_reply_body(&reply, body, strlen(body));
    err_clear(&err);
    s3_reply_error(&reply, &versioned, "s3.example.com", "us-east-1", &err);
    assert_non_null(strstr(err.message, "a version cannot be asked for"));
    s3_reply_free(&reply);
}

static void a_signature_in_what_is_quoted_is_not_shown(void **state)
{
    struct err err;
    (void)state;
    error_of("HTTP/1.1 403 Forbidden\r\n\r\n",
             "<Error><Code>AccessDenied</Code><Message>no: https://h/k?X-Amz-Signature=0123456789abcdef&amp;X-Amz-Security-Token=tok"
             "</Message></Error>", &err);
    assert_null(strstr(err.message, "0123456789abcdef"));
    assert_null(strstr(err.message, "=tok"));
}

static void another_region_is_taken_from_where_it_stands(void **state)
{
    static const struct {
        const char *head, *body, *region;
    } rows[] = {
        {"HTTP/1.1 301 Moved\r\nx-amz-bucket-region: eu-west-1\r\n\r\n", "", "eu-west-1"},
        {"HTTP/1.1 400 Bad\r\n\r\n", "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>", "eu-west-3"},
        {"HTTP/1.1 400 Bad\r\nx-amz-bucket-region: us-east-1\r\n\r\n", "", ""},
        {"HTTP/1.1 403 Forbidden\r\nx-amz-bucket-region: eu-west-1\r\n\r\n", "", ""},
        {"HTTP/1.1 400 Bad\r\n\r\n", "<Error><Code>ExpiredToken</Code></Error>", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char region[64];
        struct s3_reply reply;
        s3_reply_init(&reply);
        assert_true(take_head(&reply, rows[i].head));
        s3_reply_body(&reply, rows[i].body, strlen(rows[i].body));
        s3_reply_moved(&reply, "us-east-1", region, sizeof region);
        assert_string_equal(region, rows[i].region);
        s3_reply_free(&reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_head_counts),
        cmocka_unit_test(a_range_that_is_none_is_not_taken),
        cmocka_unit_test(a_head_without_end_is_given_up),
        cmocka_unit_test(a_refusal_is_told_with_code_and_words_and_advice),
        cmocka_unit_test(the_arn_in_an_advice_is_of_the_regions_partition),
        cmocka_unit_test(a_version_is_told_to_be_taken_for_a_part_of_the_key),
        cmocka_unit_test(a_signature_in_what_is_quoted_is_not_shown),
        cmocka_unit_test(another_region_is_taken_from_where_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
