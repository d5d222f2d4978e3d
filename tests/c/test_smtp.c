/* What is refused before a mail server is asked; the rest is tested with a server: tests/service/test_notify.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/smtp.h"

static bool takes(const char *server, bool starttls, const char *password)
{
    struct err e;
    err_clear(&e);
    struct smtp_request request = {.server = server, .starttls = starttls, .from = "a@b", .password = password};
    bool ok = smtp_check(&request, &e);
    if (!ok) {
        assert_string_equal(e.code, ERR_USAGE);
        assert_null(strstr(e.message, "hunter2"));
    }
    return ok;
}

static void a_server_is_a_scheme_and_a_host(void **state)
{
    (void)state;
    assert_true(takes("smtps://mail.example.com", false, NULL));
    assert_true(takes("smtp://mail.example.com:587/", true, NULL));
    assert_true(takes("smtp://[::1]:25", false, NULL));
    static const char *const bad[] = {"mail.example.com", "http://mail.example.com", "smtp://", "smtp:///", "smtp://a b",
                                      "smtps://me:hunter2@mail.example.com", "smtp://mail.example.com/?x=1",
                                      "smtp://mail.example.com/ehlo-name", "smtp://mail\r\n.example.com", "smtp://mail:port"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(takes(bad[i], true, NULL));
}

static void a_password_goes_over_tls_or_to_this_machine(void **state)
{
    (void)state;
    assert_true(takes("smtps://mail.example.com", false, "hunter2"));
    assert_true(takes("smtp://mail.example.com:587", true, "hunter2"));
    assert_false(takes("smtp://mail.example.com:25", false, "hunter2"));
    assert_true(takes("smtp://127.0.0.1:2525", false, "hunter2"));
    assert_true(takes("smtp://mail.example.com:25", false, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_a_scheme_and_a_host),
        cmocka_unit_test(a_password_goes_over_tls_or_to_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
