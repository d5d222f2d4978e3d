/* What a trace shows: lines as libcurl gives them, secrets taken out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/redact.h"
#include "core/redact_values.h"

static void expect(const char *line, const char *shown)
{
    struct buf out;
    buf_init(&out, 64 * 1024);
    assert_true(redact_line(line, strlen(line), &out));
    assert_string_equal(out.data ? out.data : "", shown);
    buf_free(&out);
}

static void a_secret_header_is_hidden_in_any_case(void **state)
{
    (void)state;
    expect("Authorization: AWS4-HMAC-SHA256 Credential=AKID/x, Signature=abc\r\n", "Authorization: <secret>");
    expect("x-amz-server-side-encryption-customer-key: AAEC=\r", "x-amz-server-side-encryption-customer-key: <secret>");
    expect("X-Amz-Server-Side-Encryption-Customer-Key-MD5:tP/L", "X-Amz-Server-Side-Encryption-Customer-Key-MD5: <secret>");
    expect("SET-COOKIE: a=b", "SET-COOKIE: <secret>");
    expect("x-amz-server-side-encryption-customer-algorithm: AES256", "x-amz-server-side-encryption-customer-algorithm: AES256");
    expect("Host: example.com:443", "Host: example.com:443");
    expect("", "");
}

static void a_header_of_http_2_is_hidden_in_the_words_of_every_libcurl(void **state)
{
    (void)state;
    expect("h2h3 [x-amz-server-side-encryption-customer-key: AAECAwQ=]",
           "h2h3 [x-amz-server-side-encryption-customer-key: <secret>]");
    expect("h2h3 [authorization: AWS4-HMAC-SHA256 Credential=AKID/x, SignedHeaders=host;x, Signature=3e42]",
           "h2h3 [authorization: <secret>]");
    expect("h2h3 [x-amz-security-token: IQoJ", "h2h3 [x-amz-security-token: <secret>");
    expect("[HTTP/2] [1] [authorization: AWS4-HMAC-SHA256 Credential=AKID/x]", "[HTTP/2] [1] [authorization: <secret>]");
    expect("[HTTP/2] [3] [x-amz-security-token: IQoJ]", "[HTTP/2] [3] [x-amz-security-token: <secret>]");
    expect("h2h3 [:path: /x?X-Amz-Expires=900&X-Amz-Signature=abc]", "h2h3 [:path: /x?X-Amz-Expires=900&X-Amz-Signature=<secret>");
    expect("[HTTP/2] [1] OPENED stream for https://h/x?X-Amz-Signature=abc",
           "[HTTP/2] [1] OPENED stream for https://h/x?X-Amz-Signature=<secret>");
    expect("h2h3 [:method: PUT]", "h2h3 [:method: PUT]");
}

static void a_pre_signed_url_loses_its_signature_wherever_it_stands(void **state)
{
    (void)state;
    expect("PUT /b/f?X-Amz-Credential=AK%2Fx&X-Amz-Date=2026&X-Amz-Signature=abc HTTP/1.1",
           "PUT /b/f?X-Amz-Credential=<secret>&X-Amz-Date=2026&X-Amz-Signature=<secret> HTTP/1.1");
    expect("location: https://h/x?x-amz-security-token=abc&y=1", "location: https://h/x?x-amz-security-token=<secret>&y=1");
    expect("Link: </a?n=1>, <https://h/x?sig=abc>", "Link: </a?n=1>, <https://h/x?sig=<secret>");
    expect("Issue another request to this URL: 'https://h/x?X-Amz-Signature=abc'",
           "Issue another request to this URL: 'https://h/x?X-Amz-Signature=<secret>");
}

static void a_password_in_a_url_is_hidden(void **state)
{
    (void)state;
    expect("Uses proxy env variable HTTPS_PROXY == 'http://user:pass@proxy:3128'",
           "Uses proxy env variable HTTPS_PROXY == 'http://<secret>@proxy:3128'");
    expect("Uses proxy env variable https_proxy == 'user:p@ss@proxy:3128'",
           "Uses proxy env variable https_proxy == '<secret>@proxy:3128'");
    expect("Uses proxy env variable no_proxy == 'localhost,127.0.0.1'", "Uses proxy env variable no_proxy == 'localhost,127.0.0.1'");
    expect("see https://h/a@b", "see https://h/a@b");
}

static void without_secrets_a_text_stays_as_it_is(void **state)
{
    (void)state;
    struct redact_values values;
    char text[] = "<Error><Code>AccessDenied</Code></Error>";
    redact_values_init(&values);
    redact_values_hide(&values, text);
    assert_string_equal(text, "<Error><Code>AccessDenied</Code></Error>");
    redact_values_free(&values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_header_is_hidden_in_any_case),
        cmocka_unit_test(a_header_of_http_2_is_hidden_in_the_words_of_every_libcurl),
        cmocka_unit_test(a_pre_signed_url_loses_its_signature_wherever_it_stands),
        cmocka_unit_test(a_password_in_a_url_is_hidden),
        cmocka_unit_test(without_secrets_a_text_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
