/* Intervals and single times of schedules in zones of any rule: what fires next is later, what fired before is found again. */
#include "core/schedule.h"

#include "tests/fuzz/fuzz.h"

static void require_times(const struct schedule *schedule, int64_t at)
{
    int64_t next, back;
    for (int i = 0; i < 20 && schedule_next(schedule, at, &next); i++, at = next) {
        REQUIRE(next > at, "%lld is not after %lld", (long long)next, (long long)at);
        REQUIRE(schedule_previous(schedule, next + 1, &back) && back == next, "%lld is not found again", (long long)next);
        REQUIRE(!schedule_previous(schedule, next, &back) || back <= at, "%lld was passed over", (long long)back);
    }
}

static void require_kind(enum schedule_kind kind, const char *text, const struct tz *tz, int64_t anchor)
{
    static const int64_t begins[] = {1774000000, CRON_LEAST - 10, CRON_MOST - 86400};
    struct schedule schedule;
    struct err err;
    err_clear(&err);
    if (!schedule_parse(kind, text, tz, anchor, &schedule, &err)) {
        require_told(&err);
        return;
    }
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        require_times(&schedule, begins[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    int64_t anchor = 0;
    for (int i = 0; i < 4; i++)
        anchor = anchor << 8 | take_byte(&input);
    char *text = take_text(&input), *rule = take_text(&input);
    struct err err;
    err_clear(&err);
    struct tz *tz = tz_from_rule(*rule ? rule : "UTC0", &err);
    if (tz) {
        require_kind(SCHEDULE_EVERY, text, tz, anchor);
        require_kind(SCHEDULE_AT, text, tz, anchor);
    }
    tz_free(tz);
    free(text);
    free(rule);
    return 0;
}
