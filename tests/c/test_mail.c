/* What a mail consists of, whatever it is to tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mail.h"

static const char *const ops[] = {"ops@example.com"};

static struct mail plain(void)
{
    return (struct mail){.from = "upjob@example.com", .to = ops, .to_count = 1, .subject = "job FAILED",
                         .text = "It failed.\nSee the log.", .id = "a1", .time = 1795910400};
}

/* The message, to be freed; NULL with the error. */
static char *written(const struct mail *mail, struct err *e)
{
    struct buf out;
    err_clear(e);
    buf_init(&out, 1 << 20);
    if (mail_write(mail, &out, e))
        return buf_take(&out);
    buf_free(&out);
    return NULL;
}

static void a_mail_is_a_message_of_plain_text(void **state)
{
    struct mail mail = plain();
    struct err e;
    (void)state;
    char *text = written(&mail, &e);
    assert_string_equal(text, "From: upjob@example.com\r\nTo: ops@example.com\r\nSubject: job FAILED\r\n"
                              "Date: Sun, 29 Nov 2026 00:00:00 +0000\r\nMessage-ID: <a1@example.com>\r\n"
                              "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                              "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
                              "It failed.\r\nSee the log.\r\n");
    free(text);
}

static void nothing_put_into_a_header_begins_another(void **state)
{
    static const char *const bad[] = {"a\r\nBcc: x@evil.example", "a\nb", "a\rb", "a\x01" "b", "a\x7f" "b"};
    struct err e;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char address[128], out[MAIL_ADDRESS];
        struct mail mail = plain();
        mail.subject = bad[i];
        assert_null(written(&mail, &e));
        assert_string_equal(e.code, ERR_USAGE);
        snprintf(address, sizeof address, "%s <ops@example.com>", bad[i]);
        const char *const to[] = {address};
        mail = plain();
        mail.to = to;
        assert_null(written(&mail, &e));
        mail = plain();
        mail.from = address;
        assert_null(written(&mail, &e));
        assert_false(mail_address(address, out, &e));
        assert_null(strstr(e.message, "Bcc"));
        mail = plain();
        mail.id = bad[i];
        assert_null(written(&mail, &e));
    }
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const bad[] = {"", "ops", "@example.com", "ops@", "a b@example.com", "ops@example.com>",
                                      "<ops@example.com", "a@b@c", "a@b,c@d", "Ops <>", "\xC3\xBC@example.com"};
    char out[MAIL_ADDRESS], longest[400];
    struct err e;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(mail_address(bad[i], out, &e));
    memset(longest, 'a', sizeof longest);
    memcpy(longest + 390, "@b.example", 10);
    longest[399] = '\0';
    assert_false(mail_address(longest, out, &e));
    assert_true(mail_address("Ops Team <ops+x@example.com>", out, &e));
    assert_string_equal(out, "ops+x@example.com");
    assert_true(mail_address("root@localhost", out, &e));
}

static void other_letters_are_encoded_in_headers_and_text(void **state)
{
    static const char *const to[] = {"J\xC3\xBCrgen <j@example.com>", "\"Smith, A.\" <a@example.com>",
                                     "Ops (night) <n@example.com>"};
    struct mail mail = plain();
    struct err e;
    (void)state;
    mail.to = to;
    mail.to_count = 3;
    mail.subject = "Import f\xC3\xBCr K\xC3\xB6ln";
    mail.text = "Gr\xC3\xBC\xC3\x9F" "e = ok \n.\n";
    char *text = written(&mail, &e);
    assert_non_null(strstr(text, "To: =?UTF-8?Q?J=C3=BCrgen?= <j@example.com>, \"Smith, A.\""));
    assert_non_null(strstr(text, "\"Ops (night)\" <n@example.com>\r\n"));
    assert_non_null(strstr(text, "Subject: =?UTF-8?Q?Import=20f=C3=BCr=20K=C3=B6ln?=\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nGr=C3=BC=C3=9Fe =3D ok=20\r\n.\r\n"));
    for (const char *c = text; *c; c++)
        assert_in_range(*c, 1, 126);
    free(text);
}

static void no_line_is_longer_than_a_server_takes(void **state)
{
    static char subject[4001], body[4001];
    struct err e;
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct mail mail = plain();
        for (size_t i = 0; i + 1 < sizeof subject; i += 2)
            memcpy(subject + i, kind == 0 ? "\xC3\xBC" : kind == 1 ? "aa" : "a ", 2);
        memcpy(body, subject, sizeof body);
        mail.subject = subject;
        mail.text = body;
        char *text = written(&mail, &e);
        assert_non_null(text);
        for (const char *line = text; *line;) {
            size_t len = strcspn(line, "\r");
            assert_in_range(len, 0, 78);
            assert_int_equal(line[len + 1], '\n');
            line += len + 2;
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_is_a_message_of_plain_text),
        cmocka_unit_test(nothing_put_into_a_header_begins_another),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(other_letters_are_encoded_in_headers_and_text),
        cmocka_unit_test(no_line_is_longer_than_a_server_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
