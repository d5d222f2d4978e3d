/* when: durations and points in time as people write them. */
#ifndef UPJOB_CORE_WHEN_H
#define UPJOB_CORE_WHEN_H

#include <stdint.h>

#include "core/err.h"
#include "core/tzif.h"

/* "15m", "1h30m", "2w": whole numbers of s, m, h, d (24 hours) and w, each at most once and the longer first; from 1 second to
 * 36,500 days, in seconds. ERR_USAGE says what is allowed. */
bool when_duration(const char *text, int64_t *seconds, struct err *err) MUST_CHECK;

/* ISO 8601: "2026-11-29", "2026-11-29T06:00", "2026-11-29 06:00:30", with Z, +01, +01:00 or +0100 behind a time, years 1 to 9999.
 * Without one of these it is a local time of `tz`: the first pass of one that is repeated, the jump for one that is skipped.
 * Seconds since 1970. ERR_USAGE says what is wrong. */
bool when_time(const char *text, const struct tz *tz, int64_t *utc, struct err *err) MUST_CHECK;

#endif
