/* Retries: what is tried again, after how long, and for how many tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/retry.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void failures_are_classified(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *code;
        enum retry_class class;
    } cases[] = {
        {0, "", RETRY_TRANSIENT}, {0, ERR_CONNECTION, RETRY_TRANSIENT}, {0, ERR_TIMEOUT, RETRY_TRANSIENT},
        {0, ERR_CANCELLED, RETRY_NEVER}, {0, ERR_MEMORY, RETRY_NEVER},
        {500, "", RETRY_TRANSIENT}, {502, "", RETRY_TRANSIENT}, {503, "x", RETRY_TRANSIENT}, {504, "", RETRY_TRANSIENT},
        {501, "", RETRY_NEVER}, {505, "", RETRY_NEVER}, {400, "BadRequestException", RETRY_NEVER},
        {403, "AccessDeniedException", RETRY_NEVER}, {404, "ResourceNotFoundException", RETRY_NEVER},
        {400, "RequestTimeout", RETRY_TRANSIENT}, {400, "RequestTimeoutException", RETRY_TRANSIENT},
        {429, "", RETRY_THROTTLING}, {400, "Throttling", RETRY_THROTTLING},
        {400, "ThrottlingException", RETRY_THROTTLING},
        {503, "SlowDown", RETRY_THROTTLING}, {400, "PriorRequestNotComplete", RETRY_THROTTLING},
        {400, "EC2ThrottledException", RETRY_THROTTLING}, {400, "TransactionInProgressException", RETRY_THROTTLING},
        {400, "LimitExceededException", RETRY_THROTTLING}, {400, "throttlingexception", RETRY_NEVER},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (retry_classify(cases[i].status, cases[i].code) != cases[i].class)
            fail_msg("%d %s: class %d", cases[i].status, cases[i].code, retry_classify(cases[i].status, cases[i].code));
}

static double delay_of(enum retry_class class, int retries, double random01, double server_ms)
{
    struct retry_bucket bucket;
    struct retry_state retry = {.retries = retries};
    double delay = -1;
    retry_bucket_init(&bucket);
    assert_true(retry_allowed(&bucket, &retry, class, 100, random01, server_ms, &delay));
    assert_int_equal(retry.retries, retries + 1);
    return delay;
}

static void expect(double seen, double wanted)
{
    if (seen < wanted - 1e-9 || seen > wanted + 1e-9)
        fail_msg("a delay of %g ms, not %g", seen, wanted);
}

static void delays_double_up_to_twenty_seconds(void **state)
{
    (void)state;
    expect(delay_of(RETRY_TRANSIENT, 0, 0.5, -1), 25);
    expect(delay_of(RETRY_TRANSIENT, 1, 0.5, -1), 50);
    expect(delay_of(RETRY_TRANSIENT, 8, 1.0, -1), 12800);
    expect(delay_of(RETRY_TRANSIENT, 9, 1.0, -1), 20000);
    expect(delay_of(RETRY_TRANSIENT, 90, 0.5, -1), 10000);
    expect(delay_of(RETRY_THROTTLING, 0, 0.25, -1), 250);
    expect(delay_of(RETRY_THROTTLING, 4, 1.0, -1), 16000);
    expect(delay_of(RETRY_THROTTLING, 5, 1.0, -1), 20000);
    expect(delay_of(RETRY_THROTTLING, 2, 0.0, -1), 0);
}

static void the_server_may_stretch_a_delay_by_five_seconds(void **state)
{
    (void)state;
    expect(delay_of(RETRY_TRANSIENT, 0, 0.5, 0), 25);
    expect(delay_of(RETRY_TRANSIENT, 0, 0.5, 20), 25);
    expect(delay_of(RETRY_TRANSIENT, 0, 0.5, 1500), 1500);
    expect(delay_of(RETRY_TRANSIENT, 0, 0.5, 60000), 5025);
}

static void three_attempts_are_two_retries(void **state)
{
    (void)state;
    struct retry_bucket bucket;
    struct retry_state retry = {0};
    double delay;
    retry_bucket_init(&bucket);
    assert_false(retry_allowed(&bucket, &retry, RETRY_NEVER, 3, 0, -1, &delay));
    assert_true(retry_allowed(&bucket, &retry, RETRY_TRANSIENT, 3, 0, -1, &delay));
    assert_true(retry_allowed(&bucket, &retry, RETRY_THROTTLING, 3, 0, -1, &delay));
    assert_false(retry_allowed(&bucket, &retry, RETRY_TRANSIENT, 3, 0, -1, &delay));
    assert_int_equal(bucket.tokens, 500 - 14 - 5);
    struct retry_state once = {0};
    assert_false(retry_allowed(&bucket, &once, RETRY_TRANSIENT, 1, 0, -1, &delay));
}

static void an_empty_bucket_ends_retries_and_success_fills_it(void **state)
{
    (void)state;
    struct retry_bucket bucket;
    double delay;
    int allowed = 0;
    retry_bucket_init(&bucket);
    for (struct retry_state retry = {0}; retry_allowed(&bucket, &retry, RETRY_TRANSIENT, 10, 0, -1, &delay);
         retry = (struct retry_state){0})
        allowed++;
    assert_int_equal(allowed, 500 / 14);
    assert_int_equal(bucket.tokens, 500 % 14);
    struct retry_state throttled = {0};
    assert_true(retry_allowed(&bucket, &throttled, RETRY_THROTTLING, 3, 0, -1, &delay));
    assert_int_equal(bucket.tokens, 5);
    retry_success(&bucket, &throttled);
    assert_int_equal(bucket.tokens, 10);
    retry_success(&bucket, &(struct retry_state){0});
    assert_int_equal(bucket.tokens, 11);
    for (int i = 0; i < 600; i++)
        retry_success(&bucket, &(struct retry_state){0});
    assert_int_equal(bucket.tokens, 500);
}

static void attempts_come_from_the_environment_then_the_profile(void **state)
{
    (void)state;
    static const struct {
        const char *variable, *profile;
        int attempts; /* 0: an error */
        const char *says;
    } cases[] = {
        {NULL, NULL, 3, ""}, {"", "", 3, ""}, {NULL, "7", 7, ""}, {"2", "7", 2, ""}, {"1", NULL, 1, ""},
        {"0", NULL, 0, "AWS_MAX_ATTEMPTS is \"0\""}, {"many", "7", 0, "AWS_MAX_ATTEMPTS is \"many\""},
        {"3x", NULL, 0, "\"3x\""}, {NULL, "-1", 0, "max_attempts of the profile"},
        {"99999999999999999999", NULL, 0, "1000"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err;
        int attempts = 0;
        err_clear(&err);
        if (cases[i].variable)
            setenv("AWS_MAX_ATTEMPTS", cases[i].variable, 1);
        else
            unsetenv("AWS_MAX_ATTEMPTS");
        bool ok = retry_max_attempts(cases[i].profile, &attempts, &err);
        if (ok != (cases[i].attempts > 0) || (ok && attempts != cases[i].attempts) ||
            !strstr(err.message, cases[i].says) || (!ok && !err_is(&err, ERR_CONFIG)))
            fail_msg("case %zu: %d, %d attempts, %s", i, ok, attempts, err.message);
    }
    unsetenv("AWS_MAX_ATTEMPTS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_are_classified),
        cmocka_unit_test(delays_double_up_to_twenty_seconds),
        cmocka_unit_test(the_server_may_stretch_a_delay_by_five_seconds),
        cmocka_unit_test(three_attempts_are_two_retries),
        cmocka_unit_test(an_empty_bucket_ends_retries_and_success_fills_it),
        cmocka_unit_test(attempts_come_from_the_environment_then_the_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
