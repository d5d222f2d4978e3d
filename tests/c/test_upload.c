/* The uploader against a server that records what it is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/c/uploading.h"

static void sends_the_three_headers_and_nothing_unsigned(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {OK_REPLY, NULL};
    struct upload_options options = {0};
    server_start(&f->server, replies);
    run(f, &options);
    server_stop(&f->server);
    const char *head = f->server.head[0];
    assert_string_equal(f->outcome.err.message, "");
    assert_has(head, "PUT /bucket/file?X-Amz-SignedHeaders=host&X-Amz-Signature=abc HTTP/1.1\r\n");
    assert_has(head, "\r\nx-amz-server-side-encryption-customer-algorithm: AES256\r\n");
    assert_has(head, "\r\nx-amz-server-side-encryption-customer-key: " KEY "\r\n");
    assert_has(head, "\r\nx-amz-server-side-encryption-customer-key-MD5: " KEY_MD5 "\r\n");
    assert_has(head, "\r\nContent-Length: 1000\r\n");
    assert_has(head, "\r\nContent-MD5: ");
    assert_lacks(head, "Content-Type");
    assert_lacks(head, "Transfer-Encoding");
    assert_lacks(head, "Expect");
    assert_lacks(head, "Accept");
    assert_lacks(head, "x-amz-checksum");
    assert_int_equal(f->server.body[0], 1000);
    assert_int_equal(f->outcome.result.bytes, 1000);
    assert_string_equal(f->outcome.result.etag, "\"tag\"");
    assert_string_equal(f->outcome.result.request_id, "REQ1");
    assert_string_equal(f->outcome.result.host_id, "HOST1");
    assert_int_equal(f->outcome.result.attempts, 1);
    assert_int_equal(f->outcome.last_total, 1000);
}

static void a_key_that_is_freed_while_the_file_is_digested_is_sent(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {OK_REPLY, NULL};
    struct upload_options options = {0};
    struct err e;
    server_start(&f->server, replies);
    assert_non_null(start(f, NULL, &options, &e));
    secret_free(f->key);
    f->key = NULL;
    while (!f->outcome.done)
        loop_turn(f->loop, true);
    server_stop(&f->server);
    assert_string_equal(f->outcome.err.message, "");
    assert_has(f->server.head[0], "\r\nx-amz-server-side-encryption-customer-key: " KEY "\r\n");
}

static void content_md5_is_that_of_the_file(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {OK_REPLY, NULL};
    struct upload_options options = {0};
    FILE *file = fopen(f->path, "wb");
    fputs("hello", file);
    fclose(file);
    server_start(&f->server, replies);
    run(f, &options);
    server_stop(&f->server);
    assert_has(f->server.head[0], "\r\nContent-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\n");
}

static void content_md5_is_an_option(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {OK_REPLY, NULL};
    struct upload_options options = {.no_content_md5 = true};
    server_start(&f->server, replies);
    run(f, &options);
    server_stop(&f->server);
    assert_lacks(f->server.head[0], "Content-MD5");
}

static void a_refused_content_md5_is_left_out_and_the_body_sent_again_from_its_beginning(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 130\r\nConnection: close\r\n\r\n"
        "<Error><Code>AccessDenied</Code><Message>There were headers present in the request which were not signed"
        "</Message></Error>        ",
        OK_REPLY, NULL};
    struct upload_options options = {0};
    server_start(&f->server, replies);
    run(f, &options);
    server_stop(&f->server);
    assert_string_equal(f->outcome.err.message, "");
    assert_has(f->server.head[0], "Content-MD5");
    assert_lacks(f->server.head[1], "Content-MD5");
    assert_int_equal(f->server.body[1], 1000);
    assert_int_equal(f->server.sum[0], f->server.sum[1]);
    assert_int_equal(f->outcome.result.attempts, 2);
}

static void a_large_file_asks_before_it_sends(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {OK_REPLY, NULL};
    struct upload_options options = {0};
    make_file(f->path, 3 << 20);
    server_start(&f->server, replies);
    run(f, &options);
    server_stop(&f->server);
    assert_has(f->server.head[0], "\r\nExpect: 100-continue\r\n");
    assert_int_equal(f->server.body[0], 3 << 20);
    assert_int_equal(f->outcome.last_done, 3 << 20);
}

/* The proxy would refuse the connection: loopback does not go through it. */
static void an_upload_to_the_ipv6_loopback_goes_there_and_through_no_proxy(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {OK_REPLY, NULL};
    struct upload_options options = {0};
    struct err e;
    char url[128];
    if (!server_listen(&f->server, AF_INET6, replies))
        skip();
    snprintf(url, sizeof url, "http://[::1]:%d/bucket/file?X-Amz-SignedHeaders=host", f->server.port);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    struct upload *upload = start(f, url, &options, &e);
    assert_string_equal(e.message, "");
    assert_non_null(upload);
    while (!f->outcome.done)
        loop_turn(f->loop, true);
    unsetenv("http_proxy");
    server_stop(&f->server);
    assert_string_equal(f->outcome.err.message, "");
    snprintf(url, sizeof url, "\r\nHost: [::1]:%d\r\n", f->server.port);
    assert_has(f->server.head[0], url);
}

static void content_type_goes_only_when_it_is_signed(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {OK_REPLY, NULL};
    struct upload_options options = {0};
    struct err e;
    char url[128];
    server_start(&f->server, replies);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/b?X-Amz-SignedHeaders=content-type%%3Bhost", f->server.port);
    assert_non_null(start(f, url, &options, &e));
    while (!f->outcome.done)
        loop_turn(f->loop, true);
    server_stop(&f->server);
    assert_has(f->server.head[0], "\r\nContent-Type: text/csv\r\n");
}

static void an_xml_error_becomes_an_error_without_the_signature(void **state)
{
    struct fixture *f = *state;
    static const char body[] =
        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nx-amz-request-id: REQ2\r\n\r\n"
        "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message>"
        "<StringToSign>AWS4-HMAC-SHA256 topsecret</StringToSign><RequestId>REQ2</RequestId></Error>";
    static const char *const replies[] = {body, NULL};
    struct upload_options options = {0};
    char text[2048];
    server_start(&f->server, replies);
    run(f, &options);
    server_stop(&f->server);
    assert_string_equal(f->outcome.err.code, "AccessDenied");
    assert_int_equal(f->outcome.err.status, 403);
    assert_string_equal(f->outcome.err.request_id, "REQ2");
    assert_true(f->outcome.err.retryable);
    err_text(&f->outcome.err, text, sizeof text);
    assert_has(text, "Request has expired");
    assert_has(text, "GetUploadJobPath");
    assert_lacks(text, "topsecret");
    assert_lacks(text, KEY);
}

static void references_in_an_xml_error_are_resolved(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<Error><Code>InvalidArgument</Code><Message>"
        "&quot;a&quot; &amp;lt; &lt;b&gt; isn&#39;t &#x41;&#xe9;&#8212;&#x1F600; &apos;c&apos; &#x1b;[1m &nbsp; &#; &"
        "</Message></Error>", NULL};
    struct upload_options options = {0};
    server_start(&f->server, replies);
    run(f, &options);
    server_stop(&f->server);
    assert_has(f->outcome.err.message, " refused the upload (400): \"a\" &lt; <b> isn't Aé—😀 'c'  [1m &nbsp; &#; &");
}

static void an_upload_ends_with_its_timeout_whatever_it_is_at(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {"", NULL};
    struct upload_options options = {.no_content_md5 = true, .timeout_ms = 1000};
    server_start(&f->server, replies);
    run(f, &options);
    server_stop(&f->server);
    assert_string_equal(f->outcome.err.code, ERR_TIMEOUT);
    assert_has(f->outcome.err.message, "within the given timeout");
    assert_true(f->outcome.err.retryable);
    assert_string_equal(f->outcome.err.operation, "Upload");
    assert_true(f->server.closed_early);
    /* No pass over a file of this size is done in a millisecond. */
    assert_int_equal(truncate(f->path, (off_t)1 << 30), 0);
    options = (struct upload_options){.timeout_ms = 1};
    run(f, &options);
    assert_string_equal(f->outcome.err.code, ERR_TIMEOUT);
}

static void a_reset_connection_is_an_error_that_may_be_tried_again(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {"!", NULL};
    struct upload_options options = {.no_content_md5 = true};
    server_start(&f->server, replies);
    run(f, &options);
    server_stop(&f->server);
    assert_string_equal(f->outcome.err.code, ERR_CONNECTION);
    assert_true(f->outcome.err.retryable);
}

/* The reply would come after 20 seconds: a stall that is told late would be none. */
static void a_stalled_transfer_times_out_when_its_time_is_over_not_seconds_later(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {"~" OK_REPLY, NULL};
    struct upload_options options = {.no_content_md5 = true, .stall_timeout_ms = 200};
    server_start(&f->server, replies);
    run(f, &options);
    server_stop(&f->server);
    assert_string_equal(f->outcome.err.code, ERR_TIMEOUT);
    assert_true(f->outcome.err.retryable);
}

/* The reply takes longer than the stall timeout, and no pause in it comes near. */
static void a_transfer_that_goes_on_slowly_is_not_stalled(void **state)
{
    struct fixture *f = *state;
#define FIVE_LINES "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n"
    static const char *const replies[] = {".HTTP/1.1 200 OK\r\n" FIVE_LINES FIVE_LINES FIVE_LINES "ETag: \"x\"\r\nContent-Length: 0\r\n"
                                          "Connection: close\r\n\r\n", NULL};
    struct upload_options options = {.no_content_md5 = true, .stall_timeout_ms = 4000};
    server_start(&f->server, replies);
    run(f, &options);
    server_stop(&f->server);
    assert_string_equal(f->outcome.err.message, "");
}

static void a_cancelled_transfer_closes_its_socket_at_once(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {"", NULL};
    struct upload_options options = {.no_content_md5 = true};
    struct err e;
    server_start(&f->server, replies);
    struct upload *upload = start(f, NULL, &options, &e);
    assert_non_null(upload);
    while (f->outcome.last_done < 1000)
        loop_turn(f->loop, true);
    upload_cancel(upload);
    pthread_join(f->server.thread, NULL); /* ends because the client's end was closed */
    close(f->server.listener);
    assert_true(f->server.closed_early);
    assert_false(f->outcome.done);
}

static void a_cancelled_digest_pass_ends_quietly(void **state)
{
    struct fixture *f = *state;
    struct upload_options options = {0};
    struct err e;
    make_file(f->path, 20 << 20);
    struct upload *upload = start(f, NULL, &options, &e);
    assert_non_null(upload);
    upload_cancel(upload);
    loop_finish_work(f->loop);
    assert_false(f->outcome.done);
}

static void a_file_that_changed_while_it_was_sent_is_an_error(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {OK_REPLY, NULL};
    struct upload_options options = {0};
    struct err e;
    server_start(&f->server, replies);
    assert_non_null(start(f, NULL, &options, &e));
    FILE *file = fopen(f->path, "ab"); /* after it was opened and measured */
    fputs("more", file);
    fclose(file);
    while (!f->outcome.done)
        loop_turn(f->loop, true);
    server_stop(&f->server);
    assert_string_equal(f->outcome.err.code, ERR_FILE);
    assert_has(f->outcome.err.message, "has grown while it was read");
    assert_string_equal(f->outcome.err.file, f->path);
}

#define BAD_DIGEST                                                                                                    \
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nx-amz-request-id: REQ3\r\n\r\n<Error><Code>BadDigest</Code>"           \
    "<Message>The Content-MD5 you specified did not match what we received.</Message></Error>"

static void a_bad_digest_of_an_unchanged_file_may_be_tried_again(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {BAD_DIGEST, NULL};
    struct upload_options options = {0};
    server_start(&f->server, replies);
    run(f, &options);
    server_stop(&f->server);
    assert_string_equal(f->outcome.err.code, "BadDigest");
    assert_string_equal(f->outcome.err.operation, "Upload");
    assert_string_equal(f->outcome.err.request_id, "REQ3");
    assert_int_equal(f->outcome.err.status, 400);
    assert_true(f->outcome.err.retryable);
}

static void a_bad_digest_of_a_file_that_changed_before_it_was_sent_names_the_file(void **state)
{
    struct fixture *f = *state;
    static const char *const replies[] = {BAD_DIGEST, NULL};
    struct upload_options options = {.content_md5 = "XUFAKrxLKna5cZ2REBfFkg=="};
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1700000000}};
    struct err e;
    server_start(&f->server, replies);
    assert_non_null(start(f, NULL, &options, &e));
    FILE *file = fopen(f->path, "r+b"); /* of the same size: only the time tells */
    fputs("other", file);
    fclose(file);
    assert_int_equal(utimensat(AT_FDCWD, f->path, times, 0), 0);
    while (!f->outcome.done)
        loop_turn(f->loop, true);
    server_stop(&f->server);
    assert_string_equal(f->outcome.err.code, ERR_FILE);
    assert_has(f->outcome.err.message, "has changed while it was read");
    assert_string_equal(f->outcome.err.file, f->path);
    assert_false(f->outcome.err.retryable);
}

static void refuses_at_once(struct fixture *f, const char *url, const char *path, const char *key, const char *code,
                            const char *text)
{
    struct err e;
    struct secret *other = key ? secret_new(key, strlen(key)) : NULL;
    struct upload_options options = {.path = path, .key = other};
    assert_null(start(f, url, &options, &e));
    secret_free(other);
    assert_string_equal(e.code, code);
    assert_has(e.message, text);
    if (key)
        assert_lacks(e.message, key);
}

static void refuses_what_cannot_be_sent(void **state)
{
    struct fixture *f = *state;
    refuses_at_once(f, "http://example.com/x", NULL, NULL, ERR_CONFIG, "https");
    refuses_at_once(f, "ftp://127.0.0.1/x", NULL, NULL, ERR_CONFIG, "https");
    refuses_at_once(f, "nonsense at all", NULL, NULL, ERR_CONFIG, "URL");
    refuses_at_once(f, "https://example.com/x", "/nowhere/x.csv", NULL, ERR_FILE, "No such file");
    refuses_at_once(f, "https://example.com/x", "/tmp", NULL, ERR_FILE, "directory");
    refuses_at_once(f, "https://example.com/x", "/dev/null", NULL, ERR_FILE, "regular");
    unlink(f->path);
    assert_int_equal(mkfifo(f->path, 0600), 0); /* whose opening would wait for a writer */
    refuses_at_once(f, "https://example.com/x", NULL, NULL, ERR_FILE, "regular");
    unlink(f->path);
    make_file(f->path, 0);
    refuses_at_once(f, "https://example.com/x", NULL, NULL, ERR_INVALID_FILE, "empty");
    make_file(f->path, 10);
    /* A key in hex, one of 31 bytes, one encoded twice. */
    refuses_at_once(f, "https://example.com/x", NULL, "000102030405060708090a0b0c0d0e0f101112131415", ERR_CONFIG, "32 bytes");
    refuses_at_once(f, "https://example.com/x", NULL, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", ERR_CONFIG, "32 bytes");
    refuses_at_once(f, "https://example.com/x", NULL,
                    "QUFFQ0F3UUZCZ2NJQ1FvTERBME9EeEFSRWhNVUZSWVhHQmthR3h3ZEhoOD0=", ERR_CONFIG, "32 bytes");
}

int main(void)
{
#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FILE(sends_the_three_headers_and_nothing_unsigned),
        WITH_FILE(a_key_that_is_freed_while_the_file_is_digested_is_sent),
        WITH_FILE(content_md5_is_that_of_the_file),
        WITH_FILE(content_md5_is_an_option),
        WITH_FILE(a_refused_content_md5_is_left_out_and_the_body_sent_again_from_its_beginning),
        WITH_FILE(a_large_file_asks_before_it_sends),
        WITH_FILE(an_upload_to_the_ipv6_loopback_goes_there_and_through_no_proxy),
        WITH_FILE(content_type_goes_only_when_it_is_signed),
        WITH_FILE(an_xml_error_becomes_an_error_without_the_signature),
        WITH_FILE(references_in_an_xml_error_are_resolved),
        WITH_FILE(an_upload_ends_with_its_timeout_whatever_it_is_at),
        WITH_FILE(a_reset_connection_is_an_error_that_may_be_tried_again),
        WITH_FILE(a_stalled_transfer_times_out_when_its_time_is_over_not_seconds_later),
        WITH_FILE(a_transfer_that_goes_on_slowly_is_not_stalled),
        WITH_FILE(a_cancelled_transfer_closes_its_socket_at_once),
        WITH_FILE(a_cancelled_digest_pass_ends_quietly),
        WITH_FILE(a_file_that_changed_while_it_was_sent_is_an_error),
        WITH_FILE(a_bad_digest_of_an_unchanged_file_may_be_tried_again),
        WITH_FILE(a_bad_digest_of_a_file_that_changed_before_it_was_sent_names_the_file),
        WITH_FILE(refuses_what_cannot_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
