/* civil: dates of the Gregorian calendar, also before it was in use, as numbers of days. Nothing here fails. */
#ifndef UPJOB_CORE_CIVIL_H
#define UPJOB_CORE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define DAY_SECONDS 86400

struct civil {
    int64_t year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
};

/* Days since 1970-01-01; `month` from 1 to 12, `day` as it is, so that 0 is the day before the first. */
int64_t civil_days(int64_t year, int month, int day);
struct civil civil_date(int64_t days);
/* 0 = Sunday to 6. */
int civil_weekday(int64_t days);
int civil_month_days(int64_t year, int month);
bool civil_is_leap(int64_t year);
/* a / b, rounded down; b > 0. */
int64_t civil_floor_div(int64_t a, int64_t b);

#endif
