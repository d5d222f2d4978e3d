#include "core/schedule.h"

#include "core/civil.h"
#include "core/recurring.h"
#include "core/when.h"

#define HOUR_SECONDS 3600

/* ---- every ---- */

/* The first time from `from` on of those that are whole periods from the anchor. */
static int64_t first_from(const struct schedule *every, int64_t from)
{
    return every->anchor - civil_floor_div(every->anchor - from, every->period) * every->period;
}

static bool first_match(const void *rule, int64_t from, int64_t until, int64_t *local)
{
    *local = first_from(rule, from);
    return *local < until;
}

static bool last_match(const void *rule, int64_t from, int64_t until, int64_t *local)
{
    const struct schedule *every = rule;
    *local = first_from(every, until) - every->period;
    return *local >= from;
}

static void parse_anchor(struct schedule *every, int64_t anchor)
{
    bool divides = DAY_SECONDS % every->period == 0, days = every->period % DAY_SECONDS == 0;
    every->by_clock = divides || days;
    every->anchor = anchor;
    if (every->by_clock) {
        int64_t local = anchor + tz_period_at(every->tz, anchor).offset;
        every->anchor = divides ? 0 : civil_floor_div(local, DAY_SECONDS) * DAY_SECONDS;
    }
}

static struct recurring recurring_of(const struct schedule *every)
{
    return (struct recurring){.rule = every, .first = first_match, .last = last_match,
                              .both_passes = schedule_passes_both(every)};
}

static bool every_next(const struct schedule *every, int64_t after, int64_t *fires)
{
    struct recurring recurring = recurring_of(every);
    if (every->by_clock)
        return recurring_next(&recurring, every->tz, after, fires);
    after = after < CRON_LEAST ? CRON_LEAST - 1 : after;
    return after < CRON_MOST && first_match(every, after + 1, CRON_MOST + 1, fires);
}

static bool every_previous(const struct schedule *every, int64_t before, int64_t *fired)
{
    struct recurring recurring = recurring_of(every);
    if (every->by_clock)
        return recurring_previous(&recurring, every->tz, before, fired);
    before = before > CRON_MOST ? CRON_MOST + 1 : before;
    return before > CRON_LEAST && last_match(every, CRON_LEAST, before, fired);
}

/* ---- all kinds ---- */

bool schedule_parse(enum schedule_kind kind, const char *expression, const struct tz *tz, int64_t anchor,
                    struct schedule *schedule, struct err *err)
{
    *schedule = (struct schedule){.kind = kind, .tz = tz};
    if (kind == SCHEDULE_CRON)
        return cron_parse(expression, &schedule->cron, err);
    if (kind == SCHEDULE_AT)
        return when_time(expression, tz, &schedule->at, err);
    if (!when_duration(expression, &schedule->period, err))
        return false;
    parse_anchor(schedule, anchor);
    return true;
}

bool schedule_next(const struct schedule *schedule, int64_t after, int64_t *fires)
{
    if (schedule->kind == SCHEDULE_CRON)
        return cron_next(&schedule->cron, schedule->tz, after, fires);
    if (schedule->kind == SCHEDULE_EVERY)
        return every_next(schedule, after, fires);
    *fires = schedule->at;
    return schedule->at > after;
}

bool schedule_previous(const struct schedule *schedule, int64_t before, int64_t *fired)
{
    if (schedule->kind == SCHEDULE_CRON)
        return cron_previous(&schedule->cron, schedule->tz, before, fired);
    if (schedule->kind == SCHEDULE_EVERY)
        return every_previous(schedule, before, fired);
    *fired = schedule->at;
    return schedule->at < before;
}

bool schedule_passes_both(const struct schedule *schedule)
{
    if (schedule->kind == SCHEDULE_EVERY)
        return !schedule->by_clock || schedule->period <= HOUR_SECONDS;
    return schedule->kind == SCHEDULE_CRON && schedule->cron.any_hour;
}
