/* credentials_time: when keys and tokens end, as the sources write it. */
#ifndef UPJOB_CORE_CREDENTIALS_TIME_H
#define UPJOB_CORE_CREDENTIALS_TIME_H

#include <stdbool.h>
#include <time.h>

/* ISO 8601 with a date and a time of day: "2026-01-02T03:04:05", then a fraction of a second (left out of the
 * result), then "Z", an offset ("+01:00", "-0530", "+01"), or "UTC" (older caches of `aws sso login`); none
 * of them means UTC. Never 0, which stands for keys without an end. */
bool credentials_time_parse(const char *text, time_t *out);
/* Writes "2026-01-02T03:04:05Z". */
void credentials_time_format(time_t time, char out[24]);

#endif
