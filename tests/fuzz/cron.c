/* Expressions and rules of zones: what fires next is later, what fired before is found again, and both match. */
#include "core/cron.h"

#include "tests/fuzz/fuzz.h"

static void require_times(const struct cron *cron, const struct tz *tz, int64_t at)
{
    int64_t next, back;
    for (int i = 0; i < 20 && cron_next(cron, tz, at, &next); i++, at = next) {
        REQUIRE(next > at, "%lld is not after %lld", (long long)next, (long long)at);
        REQUIRE(cron_previous(cron, tz, next + 1, &back) && back == next, "%lld is not found again", (long long)next);
        REQUIRE(!cron_previous(cron, tz, next, &back) || back <= at, "%lld was passed over", (long long)back);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    char *expression = take_text(&input), *rule = take_text(&input);
    struct cron cron;
    struct err err;
    err_clear(&err);
    bool read = cron_parse(expression, &cron, &err);
    if (!read)
        require_told(&err);
    struct tz *tz = read ? tz_from_rule(*rule ? rule : "UTC0", &err) : NULL;
    if (tz) {
        require_times(&cron, tz, 1774000000);
        require_times(&cron, tz, CRON_LEAST - 10);
        require_times(&cron, tz, CRON_MOST - 86400);
    }
    tz_free(tz);
    free(expression);
    free(rule);
    return 0;
}
