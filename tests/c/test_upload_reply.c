/* What a server, or something on the way to it, may answer to an upload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/log.h"
#include "tests/c/uploading.h"

#define LARGE (3 << 20) /* asks before it is sent */

static void answers(struct fixture *f, const char *const *replies, const char *url_format)
{
    struct upload_options options = {0};
    char url[2048];
    server_start(&f->server, replies);
    snprintf(url, sizeof url, url_format ? url_format : "http://127.0.0.1:%d/b/f?X-Amz-SignedHeaders=host", f->server.port);
    run_at(f, url, &options);
    server_stop(&f->server);
}

static void answer(struct fixture *f, const char *reply)
{
    const char *replies[] = {reply, NULL};
    answers(f, replies, NULL);
}

static void assert_failed(const struct fixture *f, const char *code, const char *part, bool retryable)
{
    char host[64];
    assert_string_equal(f->outcome.err.code, code);
    assert_has(f->outcome.err.message, part);
    snprintf(host, sizeof host, "127.0.0.1:%d", f->server.port);
    assert_has(f->outcome.err.message, host);
    assert_int_equal(f->outcome.err.retryable, retryable);
}

/* ---- a refused 100-continue ---- */

static void a_refused_expectation_is_left_out_and_the_file_sent(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[][3] = {
        {"^HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", OK_REPLY, NULL},
        {"^HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n", OK_REPLY, NULL},
    };
    make_file(f->path, LARGE);
    for (int i = 0; i < 2; i++) {
        answers(f, replies[i], NULL);
        assert_string_equal(f->outcome.err.message, "");
        assert_has(f->server.head[0], "\r\nExpect: 100-continue\r\n");
        assert_lacks(f->server.head[1], "Expect");
        assert_has(f->server.head[1], "\r\nContent-MD5: ");
        assert_int_equal(f->server.body[0], 0);
        assert_int_equal(f->server.body[1], LARGE);
        assert_int_equal(f->server.count, 2);
        assert_int_equal(f->outcome.result.attempts, 1);
    }
}

static void an_expectation_that_was_not_there_and_is_refused_is_an_error(void **state)
{
    struct fixture *f = *state;
    static const char closed[] = "^HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    static const char kept[] = "^HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
    static const char *const replies[][4] = {{closed, closed, OK_REPLY, NULL}, {kept, closed, OK_REPLY, NULL}};
    answer(f, closed); /* a small file does not ask */
    assert_failed(f, "HTTP417", "no reason was given", false);
    assert_int_equal(f->server.count, 1);
    make_file(f->path, LARGE);
    for (int i = 0; i < 2; i++) {
        answers(f, replies[i], NULL);
        assert_failed(f, "HTTP417", "no reason was given", false);
        assert_int_equal(f->server.count, 2);
    }
}

/* ---- secrets that come back ---- */

#define SIGNED "http://127.0.0.1:%d/b/f?X-Amz-Credential=ASIAEXAMPLEKEYID%%2F20260101%%2Fus-east-1%%2Fs3%%2Faws4_request"        \
               "&X-Amz-Security-Token=IQoJb3JpZ2luX2VjEJr%%2F%%2B%%2Ftoken%%3D%%3D&X-Amz-SignedHeaders=host"                       \
               "&X-Amz-Signature=0123456789abcdef0123456789ABCDEF"

static void a_secret_that_was_sent_is_not_shown_however_it_comes_back(void **state)
{
    struct fixture *f = *state;
    static const char *const echoes[] = {
        "key " KEY,
        "key aaecawqfbgcicqolda0odxareHMUFRYXGBkaGxwdHh8=",
        "key AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8%3d",
        "digest " KEY_MD5,
        "digest tP%2FLI3N87DFaSk0aoqYgzg%3D%3D",
        "digest tP%252FLI3N87DFaSk0aoqYgzg%253D%253D",
        "digest tP\\/LI3N87DFaSk0aoqYgzg\\u003d\\u003d",
        "digest tP&amp;#x2F;LI3N87DFaSk0aoqYgzg&#61;&#61;",
        "signature 0123456789ABCDEF0123456789abcdef",
        "token IQoJb3JpZ2luX2VjEJr/+/token==",
        "token IQoJb3JpZ2luX2VjEJr/ /token==",
        "token IQoJb3JpZ2luX2VjEJr%2f%2b%2ftoken%3d%3d",
        "credential ASIAEXAMPLEKEYID/20260101/us-east-1/s3/aws4_request",
        "credential ASIAEXAMPLEKEYID%2F20260101%2Fus-east-1%2Fs3%2Faws4_request",
        "id asiaexamplekeyid",
    };
    for (size_t i = 0; i < sizeof echoes / sizeof *echoes; i++) {
        char reply[1024], expected[200];
        const char *replies[] = {reply, NULL};
        int word = (int)strcspn(echoes[i], " ");
        snprintf(reply, sizeof reply, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nx-amz-request-id: %s\r\n\r\n<Error><Code>X</Code>"
                 "<Message>the %s is bad</Message></Error>", echoes[i], echoes[i]);
        answers(f, replies, SIGNED);
        snprintf(expected, sizeof expected, "the %.*s <secret> is bad", word, echoes[i]);
        assert_has(f->outcome.err.message, expected);
        if (!strchr(echoes[i], '&')) { /* a header has no references */
            snprintf(expected, sizeof expected, "%.*s <secret>", word, echoes[i]);
            assert_string_equal(f->outcome.err.request_id, expected);
        }
    }
}

static void a_url_in_a_refusal_loses_its_signature_even_if_it_is_another_or_the_text_is_cut(void **state)
{
    struct fixture *f = *state;
    char reply[2048], padding[281];
    const char *replies[] = {reply, NULL};
    memset(padding, 'x', sizeof padding - 1);
    padding[sizeof padding - 1] = '\0';
    snprintf(reply, sizeof reply, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<Error><Code>X</Code><Message>see "
             "https://h/x?X-Amz-Signature=other&amp;a=b</Message></Error>");
    answers(f, replies, SIGNED);
    assert_has(f->outcome.err.message, "see https://h/x?X-Amz-Signature=<secret>&a=b");
    snprintf(reply, sizeof reply, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<Error><Code>X</Code><Message>%s "
             "0123456789abcdef0123456789ABCDEF</Message></Error>", padding);
    answers(f, replies, SIGNED);
    assert_lacks(f->outcome.err.message, "0123");
}

/* What an upload writes to standard error, from the trace on. */
static void trace_of(struct fixture *f, const char *reply, char *out, size_t size)
{
    const char *replies[] = {reply, NULL};
    FILE *file = tmpfile();
    int standard_error = dup(STDERR_FILENO);
    assert_non_null(file);
    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    log_set_level(LOG_TRACE);
    answers(f, replies, SIGNED);
    log_set_level(LOG_ERROR);
    fflush(stderr);
    dup2(standard_error, STDERR_FILENO);
    close(standard_error);
    rewind(file);
    out[fread(out, 1, size - 1, file)] = '\0';
    fclose(file);
}

static void a_trace_shows_no_secret_that_comes_back(void **state)
{
    struct fixture *f = *state;
    char trace[16384];
    trace_of(f, "HTTP/1.1 302 Found\r\nConnection: close\r\nX-Echo: " KEY "\r\n"
                "Location: https://proxy/login?to=https%3A%2F%2Fs3%3FX-Amz-Signature%3D0123456789abcdef0123456789abcdef%26a=b\r\n\r\n",
             trace, sizeof trace);
    assert_has(trace, "X-Echo: <secret>");
    assert_has(trace, "Location: https://proxy/login?to=https%3A%2F%2Fs3%3FX-Amz-Signature%3D<secret>%26a=b");
    assert_lacks(trace, KEY);
    assert_lacks(trace, "0123456789abcdef");
    assert_lacks(trace, "IQoJ");
    assert_lacks(trace, "ASIAEXAMPLE");
}

/* ---- refusals, and what may have caused them ---- */

static void a_refusal_names_the_host_and_what_may_have_caused_it(void **state)
{
    struct fixture *f = *state;
#define XML(status, code, text)                                                                                       \
    "HTTP/1.1 " status " X\r\nConnection: close\r\n\r\n<Error><Code>" code "</Code><Message>" text "</Message></Error>"
    answer(f, XML("403", "AccessDenied", "Access Denied"));
    assert_failed(f, "AccessDenied", "refused the upload (403): Access Denied; likely causes: the URL has expired, or an endpoint "
                  "policy, a bucket policy or a proxy does not allow it", false);
    answer(f, XML("403", "AccessDenied", "Request has expired"));
    assert_failed(f, "AccessDenied", "Request has expired; ask for a new path with GetUploadJobPath", true);
    answer(f, XML("400", "ExpiredToken", "The provided token has expired."));
    assert_failed(f, "ExpiredToken", "ask for a new path", true);
    answer(f, XML("400", "InvalidArgument", "The calculated MD5 hash of the key did not match the hash that was provided."));
    assert_failed(f, "InvalidArgument", "the data key must be the ClientToken that came with this URL", false);
    answer(f, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n<html><title>Blocked by Example Gateway</title></html>");
    assert_failed(f, "HTTP403", "it is not S3 that answered so: likely a proxy, a firewall or an endpoint policy does not allow "
                  "this host, or else the URL has expired", false);
    answer(f, XML("503", "SlowDown", "Please reduce your request rate."));
    assert_failed(f, "SlowDown", "reduce your request rate", true);
    answer(f, "HTTP/1.1 501 Not Implemented\r\nConnection: close\r\n\r\n");
    assert_failed(f, "HTTP501", "no reason was given", false);
}

static void a_signature_that_does_not_match_is_said_to_come_of_another_key_or_a_proxy(void **state)
{
    struct fixture *f = *state;
    static const char refused[] = XML("403", "SignatureDoesNotMatch", "The request signature we calculated does not match");
    const char *replies[] = {refused, refused, NULL}; /* the second is sent without Content-MD5 */
    answers(f, replies, NULL);
    assert_failed(f, "SignatureDoesNotMatch", "the data key is not the one that came with this URL", false);
    assert_int_equal(f->outcome.result.attempts, 2);
}

static void a_proxy_that_refuses_the_way_is_named_as_what_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {"^HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", NULL};
    struct upload_options options = {.no_content_md5 = true};
    char proxy[64];
    server_start(&f->server, replies);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", f->server.port);
    setenv("https_proxy", proxy, 1);
    run_at(f, "https://bucket.s3.us-east-1.amazonaws.com/f?X-Amz-Signature=abc", &options);
    unsetenv("https_proxy");
    server_stop(&f->server);
    assert_has(f->server.head[0], "CONNECT bucket.s3.us-east-1.amazonaws.com:443 ");
    assert_string_equal(f->outcome.err.code, ERR_CONNECTION);
    assert_string_equal(f->outcome.err.message, "the proxy refused the way to bucket.s3.us-east-1.amazonaws.com (403): it must allow "
                        "this host, or NO_PROXY must have it");
    assert_false(f->outcome.err.retryable);
}

/* ---- answers that are no S3's ---- */

static void a_redirect_is_told_and_not_followed(void **state)
{
    struct fixture *f = *state;
    answer(f, "HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\n"
              "Location: https://user:word@other.example/f?X-Amz-Signature=abc\r\n\r\n"
              "<Error><Code>TemporaryRedirect</Code><Message>go there</Message></Error>");
    assert_failed(f, "TemporaryRedirect", "redirected the upload to other.example (307): it is not followed", false);
    assert_lacks(f->outcome.err.message, "word@");
    assert_lacks(f->outcome.err.message, "abc");
    assert_int_equal(f->server.count, 1);
    answer(f, "HTTP/1.1 301 Moved Permanently\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert_failed(f, "HTTP301", "redirected the upload elsewhere (301)", false);
}

static void a_success_that_is_none_of_s3_is_no_success(void **state)
{
    struct fixture *f = *state;
    answer(f, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n<html>Please log in</html>");
    assert_failed(f, ERR_RESPONSE, "answered the upload with 200, but not as S3 does", false);
    answer(f, "HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"x\"\r\n\r\n"
              "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>");
    assert_failed(f, "InternalError", "We encountered an internal error.", true);
}

static void an_answer_before_the_whole_file_was_sent_is_no_success(void **state)
{
    struct fixture *f = *state;
    make_file(f->path, LARGE);
    answer(f, "^HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_string_equal(f->outcome.err.code, ERR_CONNECTION);
    assert_true(f->outcome.err.retryable);
}

static void an_early_refusal_of_a_large_file_is_told(void **state)
{
    struct fixture *f = *state;
    make_file(f->path, LARGE);
    answer(f, "^" XML("403", "AccessDenied", "Request has expired"));
    assert_failed(f, "AccessDenied", "Request has expired", true);
    assert_int_equal(f->server.body[0], 0);
}

static void interim_answers_are_not_the_answer(void **state)
{
    struct fixture *f = *state;
    answer(f, "HTTP/1.1 102 Processing\r\nx-amz-request-id: INTERIM\r\nETag: \"no\"\r\n\r\n"
              "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nETag: \"yes\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
              "trailing garbage");
    assert_string_equal(f->outcome.err.message, "");
    assert_string_equal(f->outcome.result.etag, "\"yes\"");
    assert_string_equal(f->outcome.result.request_id, "");
}

static void a_truncated_answer_may_be_tried_again(void **state)
{
    struct fixture *f = *state;
    answer(f, "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf");
    assert_failed(f, ERR_CONNECTION, "failed", true);
    answer(f, "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nConnection: close\r\n");
    assert_failed(f, ERR_CONNECTION, "failed", true);
    answer(f, "Connection: close\r\n\r\nno HTTP at all");
    assert_failed(f, ERR_CONNECTION, "failed", true);
}

static void an_answer_without_end_is_an_error(void **state)
{
    struct fixture *f = *state;
    size_t size = (size_t)2 << 20;
    char *reply = malloc(size);
    const char *replies[] = {reply, NULL};
    assert_non_null(reply);
    memset(reply, 'x', size);
    reply[size - 1] = '\0';
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"x\"\r\n\r\n";
    memcpy(reply, head, strlen(head));
    answers(f, replies, NULL);
    assert_failed(f, ERR_RESPONSE, "has no end", false);
    free(reply);
}

static void the_ids_of_an_earlier_answer_are_not_those_of_a_later_failure(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {
        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nx-amz-request-id: REQ1\r\n\r\n<Error><Code>SignatureDoesNotMatch</Code>"
        "<Message>no</Message></Error>",
        "!", NULL};
    answers(f, replies, NULL);
    assert_string_equal(f->outcome.err.code, ERR_CONNECTION);
    assert_string_equal(f->outcome.err.request_id, "");
}

int main(void)
{
#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FILE(a_refused_expectation_is_left_out_and_the_file_sent),
        WITH_FILE(an_expectation_that_was_not_there_and_is_refused_is_an_error),
        WITH_FILE(a_secret_that_was_sent_is_not_shown_however_it_comes_back),
        WITH_FILE(a_url_in_a_refusal_loses_its_signature_even_if_it_is_another_or_the_text_is_cut),
        WITH_FILE(a_trace_shows_no_secret_that_comes_back),
        WITH_FILE(a_refusal_names_the_host_and_what_may_have_caused_it),
        WITH_FILE(a_signature_that_does_not_match_is_said_to_come_of_another_key_or_a_proxy),
        WITH_FILE(a_proxy_that_refuses_the_way_is_named_as_what_refused),
        WITH_FILE(a_redirect_is_told_and_not_followed),
        WITH_FILE(a_success_that_is_none_of_s3_is_no_success),
        WITH_FILE(an_answer_before_the_whole_file_was_sent_is_no_success),
        WITH_FILE(an_early_refusal_of_a_large_file_is_told),
        WITH_FILE(interim_answers_are_not_the_answer),
        WITH_FILE(a_truncated_answer_may_be_tried_again),
        WITH_FILE(an_answer_without_end_is_an_error),
        WITH_FILE(the_ids_of_an_earlier_answer_are_not_those_of_a_later_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
