/* tzif: time zones, read from the system's tzdata (RFC 9636, versions 1 to 4).
 *
 * A zone is a row of periods in which local time is UTC and a fixed number of seconds. Behind the last transition of its table
 * the rule of its footer goes on for ever. Times are seconds since 1970-01-01T00:00:00Z without leap seconds; local times are
 * such seconds too, of a clock that shows the same date and time in UTC. Times that are given lie within ±2^60.
 *
 * A zone is read-only once it is made and may be used by several threads.
 */
#ifndef UPJOB_CORE_TZIF_H
#define UPJOB_CORE_TZIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct tz;

/* From `from` on and before `until`, local time is UTC + offset. INT64_MIN and INT64_MAX: no end on that side. */
struct tz_period {
    int64_t from, until;
    int32_t offset; /* seconds east of UTC, between -25 and +26 hours */
    bool dst;
    char abbreviation[16]; /* "CET"; cut when it is longer */
};

/* What a local time is in UTC. In a fold the clock shows it twice, in a gap never. */
enum tz_kind { TZ_ONCE, TZ_FOLD, TZ_GAP };
struct tz_instant {
    enum tz_kind kind;
    int64_t first; /* ONCE: the time; FOLD: the first pass; GAP: the jump that skipped it */
    int64_t last;  /* FOLD: the last pass; else as `first` */
};

/* Reads a zone by its IANA name ("Europe/Berlin") from $TZDIR or /usr/share/zoneinfo. NULL or "": the system's own zone, of TZ
 * (a name, a file, or a rule as "CET-1CEST,M3.5.0,M10.5.0/3"), else of /etc/localtime, else UTC.
 * NULL with `err` set: ERR_USAGE for no such zone, which names the nearest; ERR_FILE for a file that cannot be read or is no
 * TZif file; ERR_CONFIG where there is no tzdata, or TZ names no zone; ERR_MEMORY. */
struct tz *tz_load(const char *name, struct err *err) MUST_CHECK;
/* The same from the bytes of a TZif file; `name` is what the zone is called, and the file in errors. */
struct tz *tz_parse(const void *bytes, size_t len, const char *name, struct err *err) MUST_CHECK;
/* The same from a POSIX rule alone. ERR_USAGE: it is none. */
struct tz *tz_from_rule(const char *rule, struct err *err) MUST_CHECK;
void tz_free(struct tz *tz);

/* Its name; "localtime" when the system's own has none. Lives as long as the zone. */
const char *tz_name(const struct tz *tz);
struct tz_period tz_period_at(const struct tz *tz, int64_t utc);
struct tz_instant tz_from_local(const struct tz *tz, int64_t local);

#endif
