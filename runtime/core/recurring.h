/* recurring: local times that recur, in a zone whose clock is set forwards and backwards.
 *
 * A rule says which local times (seconds of a clock that shows the same date and time in UTC) match. With `both_passes` it fires
 * whenever the clock shows one, twice where it is shown twice, and not where it is skipped. Without, each local time fires once:
 * at its first pass where it is repeated, and where it is skipped, once at the jump, however many of them are skipped there.
 */
#ifndef UPJOB_CORE_RECURRING_H
#define UPJOB_CORE_RECURRING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/tzif.h"

/* Times that are looked at: those of the years 1 to 9999. */
#define RECURRING_LEAST INT64_C(-62135596800)
#define RECURRING_MOST INT64_C(253402300799)

struct recurring {
    const void *rule;
    /* The first and the last local time that matches, from `from` on and before `until`. False: there is none. */
    bool (*first)(const void *rule, int64_t from, int64_t until, int64_t *local);
    bool (*last)(const void *rule, int64_t from, int64_t until, int64_t *local);
    bool both_passes;
};

/* The first time after `after`, the last before `before`: seconds since 1970. False when there is none from year 1 to 9999. */
bool recurring_next(const struct recurring *times, const struct tz *tz, int64_t after, int64_t *fires) MUST_CHECK;
bool recurring_previous(const struct recurring *times, const struct tz *tz, int64_t before, int64_t *fired) MUST_CHECK;

#endif
