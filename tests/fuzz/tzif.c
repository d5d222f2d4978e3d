/* Files of tzdata: whatever is in them, periods follow one another without an end, and local times are found. */
#include "core/tzif.h"

#include "tests/fuzz/fuzz.h"

static void require_period(const struct tz *tz, int64_t utc)
{
    struct tz_period period = tz_period_at(tz, utc);
    REQUIRE(period.from <= utc && utc < period.until, "the period of %lld does not hold it", (long long)utc);
    REQUIRE(period.offset >= -90000 && period.offset <= 93600, "an offset of %d", period.offset);
    REQUIRE(memchr(period.abbreviation, '\0', sizeof period.abbreviation), "the abbreviation has no end");
    struct tz_instant at = tz_from_local(tz, utc + period.offset);
    REQUIRE(at.kind != TZ_GAP, "what the clock shows at %lld is in a gap", (long long)utc);
    REQUIRE(at.first <= utc && utc <= at.last, "%lld is not between the passes of what it shows", (long long)utc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = copy_bytes(data, size);
    struct err err;
    err_clear(&err);
    struct tz *tz = tz_parse(bytes, size, "zone", &err);
    if (!tz)
        require_told(&err);
    static const int64_t times[] = {-(INT64_C(1) << 59), -62135596800, -1, 0, 1700000000,
                                    4102444800, 253402300799, INT64_C(1) << 59};
    for (size_t i = 0; tz && i < sizeof times / sizeof times[0]; i++)
        require_period(tz, times[i]);
    int64_t at = 0;
    for (int i = 0; tz && i < 20 && at > -(INT64_C(1) << 59) && at < INT64_C(1) << 59; i++) {
        struct tz_period period = tz_period_at(tz, at);
        at = period.until;
        if (at < INT64_C(1) << 59)
            require_period(tz, at);
    }
    tz_free(tz);
    free(bytes);
    return 0;
}
