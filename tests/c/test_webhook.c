/* Signatures of webhooks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/webhook.h"

/* The example of https://github.com/standard-webhooks/standard-webhooks, section "Verifying webhook authenticity". */
static void a_webhook_is_signed_as_the_standard_has_it(void **state)
{
    static const char body[] = "{\"test\": 2432232314}";
    char out[WEBHOOK_SIGNATURE];
    struct err e;
    (void)state;
    err_clear(&e);
    assert_true(webhook_sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body,
                             sizeof body - 1, out, &e));
    assert_string_equal(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_false(webhook_sign("whsec_no base64", "a", 1, "", 0, out, &e));
    assert_false(webhook_sign("whsec_", "a", 1, "", 0, out, &e));
    assert_false(webhook_sign("", "a", 1, "", 0, out, &e));
    assert_true(webhook_sign("plain", "a", 1, "", 0, out, &e));
}

static void a_fingerprint_tells_urls_apart_and_nothing_of_them(void **state)
{
    char one[WEBHOOK_FINGERPRINT], same[WEBHOOK_FINGERPRINT], other[WEBHOOK_FINGERPRINT];
    (void)state;
    webhook_fingerprint("https://hooks.example.com/services/T0/B0/abc", one);
    webhook_fingerprint("https://hooks.example.com/services/T0/B0/abc", same);
    webhook_fingerprint("https://hooks.example.com/services/T0/B0/abd", other);
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_webhook_is_signed_as_the_standard_has_it),
        cmocka_unit_test(a_fingerprint_tells_urls_apart_and_nothing_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
