/* Paces of operations: how long a call waits, what throttling does to it, and that it recovers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/api_rate.h"

static void expect(double seen, double wanted)
{
    if (seen < wanted - 1e-6 || seen > wanted + 1e-6)
        fail_msg("%g, not %g", seen, wanted);
}

/* What a call does: it goes when it may. Seconds to wait when it may not. */
static double take(struct api_rate *pace, double now)
{
    double wait = api_rate_wait(pace, now);
    if (wait == 0)
        api_rate_take(pace, now);
    return wait;
}

static void one_a_second_is_evenly_spaced(void **state)
{
    (void)state;
    struct api_rate pace;
    api_rate_init(&pace, 1);
    expect(take(&pace, 100), 0);
    expect(take(&pace, 100), 1);
    expect(take(&pace, 100.5), 0.5);
    expect(take(&pace, 101), 0);
    expect(take(&pace, 101), 1);
    expect(take(&pace, 200), 0);
    expect(take(&pace, 200.25), 0.75);
}

static void five_a_second_go_at_once_after_a_pause(void **state)
{
    (void)state;
    struct api_rate pace;
    api_rate_init(&pace, 5);
    for (int i = 0; i < 5; i++)
        expect(take(&pace, 100), 0);
    expect(take(&pace, 100), 0.2);
    expect(take(&pace, 100.2), 0);
    expect(take(&pace, 100.3), 0.1);
    for (int i = 0; i < 5; i++)
        expect(take(&pace, 500), 0);
    expect(take(&pace, 500), 0.2);
}

static void without_a_limit_nothing_waits(void **state)
{
    (void)state;
    struct api_rate pace;
    api_rate_init(&pace, 0);
    for (int i = 0; i < 10000; i++)
        expect(take(&pace, 100), 0);
    api_rate_answered(&pace, 101);
    expect(take(&pace, 101), 0);
}

static void throttling_cuts_the_rate_once_for_all_that_were_under_way(void **state)
{
    (void)state;
    struct api_rate pace;
    api_rate_init(&pace, 0);
    for (int i = 0; i < 100; i++)
        api_rate_take(&pace, 100 + i * 0.01);
    for (int i = 0; i < 50; i++)
        api_rate_throttled(&pace, 100.5, 101);
    assert_true(pace.rate > 50 && pace.rate < 75);
    double once = pace.rate;
    api_rate_throttled(&pace, 101.1, 101.2);
    assert_true(pace.rate < once);
}

static void a_throttled_rate_never_falls_below_one_call_in_two_seconds(void **state)
{
    (void)state;
    struct api_rate pace;
    api_rate_init(&pace, 5);
    for (int i = 0; i < 100; i++) {
        api_rate_take(&pace, 100 + i);
        api_rate_throttled(&pace, 100 + i, 100 + i);
    }
    expect(pace.rate, 0.5);
}

/* A service that takes ten calls a second and throttles the rest: the client settles near ten, without a limit of its own. */
static void a_client_settles_at_what_the_service_takes(void **state)
{
    (void)state;
    struct api_rate pace;
    double now = 100, tokens = 10, last = now;
    int answered = 0, throttled = 0;
    api_rate_init(&pace, 0);
    while (now < 400) {
        double wait = api_rate_wait(&pace, now);
        now += wait > 0.005 ? wait : 0.005;
        api_rate_take(&pace, now);
        tokens += (now - last) * 10;
        last = now;
        if (tokens > 10)
            tokens = 10;
        if (tokens >= 1) {
            tokens--;
            answered++;
            api_rate_answered(&pace, now);
        } else {
            throttled++;
            api_rate_throttled(&pace, now, now);
        }
    }
    if (answered < 2300 || throttled > answered / 5)
        fail_msg("%d answered of 3000 that were possible, %d throttled", answered, throttled);
}

static void a_limit_is_regained_and_not_exceeded(void **state)
{
    (void)state;
    struct api_rate pace;
    api_rate_init(&pace, 5);
    for (int i = 0; i < 5; i++)
        api_rate_take(&pace, 100);
    api_rate_throttled(&pace, 100, 100.1);
    assert_true(pace.rate < 5);
    api_rate_answered(&pace, 160);
    expect(pace.rate, 5);
}

static void only_operations_of_upload_jobs_and_segments_have_a_rate_of_their_own(void **state)
{
    (void)state;
    expect(api_rate_default("CreateUploadJob"), 1);
    expect(api_rate_default("StopUploadJob"), 1);
    expect(api_rate_default("GetUploadJobPath"), 5);
    expect(api_rate_default("ListUploadJobs"), 5);
    expect(api_rate_default("SearchProfiles"), 0);
    static const char *const written[] = {"CreateSegmentDefinition", "DeleteSegmentDefinition", "CreateSegmentEstimate"};
    static const char *const read[] = {"GetSegmentDefinition", "ListSegmentDefinitions", "GetSegmentEstimate", "GetSegmentMembership"};
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        expect(api_rate_default(written[i]), 1);
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        expect(api_rate_default(read[i]), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_a_second_is_evenly_spaced),
        cmocka_unit_test(five_a_second_go_at_once_after_a_pause),
        cmocka_unit_test(without_a_limit_nothing_waits),
        cmocka_unit_test(throttling_cuts_the_rate_once_for_all_that_were_under_way),
        cmocka_unit_test(a_throttled_rate_never_falls_below_one_call_in_two_seconds),
        cmocka_unit_test(a_client_settles_at_what_the_service_takes),
        cmocka_unit_test(a_limit_is_regained_and_not_exceeded),
        cmocka_unit_test(only_operations_of_upload_jobs_and_segments_have_a_rate_of_their_own),
    };
    return cmocka_run_group_tests_name("api_rate", tests, NULL, NULL);
}
