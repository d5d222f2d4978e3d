#include "core/recurring.h"

/* Two changes of the clock that are further apart than this do not meet: the largest is by less. */
#define JUMP_MOST (52 * 3600)

/* How a period lies among the local times. */
struct stretch {
    struct tz_period period;
    int64_t shown;   /* what the clock shows at its begin */
    int64_t reached; /* what it had reached before, by showing it or by jumping over it */
    int64_t until;   /* what it would show at its end */
};

static int64_t reached_before(const struct tz *tz, int64_t from)
{
    int64_t most = INT64_MIN;
    for (int64_t at = from; at > from - JUMP_MOST;) {
        struct tz_period before = tz_period_at(tz, at - 1);
        if (most < at + before.offset)
            most = at + before.offset;
        if (before.from < RECURRING_LEAST)
            break;
        at = before.from;
    }
    return most;
}

static struct stretch stretch_at(const struct tz *tz, int64_t utc)
{
    struct stretch stretch = {.period = tz_period_at(tz, utc)};
    struct tz_period *period = &stretch.period;
    bool open = period->from < RECURRING_LEAST;
    if (period->until > RECURRING_MOST)
        period->until = RECURRING_MOST + 1;
    if (open)
        period->from = RECURRING_LEAST;
    stretch.shown = period->from + period->offset;
    stretch.until = period->until + period->offset;
    stretch.reached = open ? stretch.shown : reached_before(tz, period->from);
    return stretch;
}

/* Whether the clock skips at the begin of the stretch what fires once at the jump. */
static bool skips(const struct recurring *times, const struct stretch *stretch)
{
    int64_t local;
    return !times->both_passes && stretch->reached < stretch->shown &&
           times->first(times->rule, stretch->reached, stretch->shown, &local);
}

/* The first local time of the stretch that counts. */
static int64_t counts_from(const struct recurring *times, const struct stretch *stretch)
{
    return times->both_passes || stretch->shown > stretch->reached ? stretch->shown : stretch->reached;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

bool recurring_next(const struct recurring *times, const struct tz *tz, int64_t after, int64_t *fires)
{
    after = larger(after, RECURRING_LEAST - 1);
    for (int64_t at = larger(after, RECURRING_LEAST); at <= RECURRING_MOST;) {
        struct stretch stretch = stretch_at(tz, at);
        int64_t offset = stretch.period.offset, local;
        *fires = stretch.period.from;
        if (*fires > after && skips(times, &stretch))
            return true;
        bool found = times->first(times->rule, larger(counts_from(times, &stretch), after + 1 + offset), stretch.until, &local);
        *fires = found ? local - offset : 0;
        if (found)
            return true;
        at = stretch.period.until;
    }
    return false;
}

bool recurring_previous(const struct recurring *times, const struct tz *tz, int64_t before, int64_t *fired)
{
    before = before > RECURRING_MOST ? RECURRING_MOST + 1 : before;
    for (int64_t at = larger(before, RECURRING_LEAST) - 1; at >= RECURRING_LEAST;) {
        struct stretch stretch = stretch_at(tz, at);
        int64_t offset = stretch.period.offset, local;
        int64_t until = stretch.until < before + offset ? stretch.until : before + offset;
        bool found = times->last(times->rule, counts_from(times, &stretch), until, &local);
        *fired = found ? local - offset : stretch.period.from;
        if (found || skips(times, &stretch))
            return true;
        at = stretch.period.from - 1;
    }
    return false;
}
