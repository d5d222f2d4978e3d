/* mapping_date: dates as people write them, in the form of ISO 8601.
 *
 * A format has YYYY or YY, MM, M or MMM (the month's name), DD or D, and perhaps HH or H, mm, ss; anything else stands for
 * itself, but letters other than T and Z do so in [brackets] only. MM and DD are two digits, M and D one or two. A name is that
 * of a month in English, German, French, Spanish, Italian, Portuguese or Dutch, or its first three letters or more; case is not
 * looked at. Whether day and month could be meant the other way round is not known here: the format says.
 */
#ifndef UPJOB_CORE_MAPPING_DATE_H
#define UPJOB_CORE_MAPPING_DATE_H

#include "core/csv.h"
#include "core/err.h"
#include "core/mapping_arena.h"

#define DATES_SIZE        sizeof "YYYY-MM-DDTHH:MM:SS"
#define DATES_PIVOT       69 /* as of POSIX strptime: 69 is 1969, 68 is 2068 */
#define DATES_FORMAT_MOST 64 /* tokens */

struct dates;

enum dates_result {
    DATES_GOOD,
    DATES_OTHER_FORM, /* it is not written as any of the formats has it */
    DATES_NO_MONTH,   /* it is, but there is no such month, */
    DATES_NO_DAY,     /* day of the month, */
    DATES_NO_TIME,    /* or time of day */
};

/* Compiles formats (NULL-terminated) into `memory`, which keeps them. `pivot` is the least two-digit year that is of the 1900s,
 * 0 means DATES_PIVOT. NULL with ERR_USAGE when one is no format. */
struct dates *dates_new(const char *const *formats, long pivot, struct mapping_arena *memory, struct err *err) MUST_CHECK;

/* Reads a date by the first format that fits; writes it, NUL-terminated. */
enum dates_result dates_read(const struct dates *dates, struct csv_slice text, char out[DATES_SIZE]);

/* The formats for a sentence: "DD.MM.YYYY or M/D/YY", shortened where there are many. Returns `out`. */
const char *dates_told(const struct dates *dates, char *out, size_t size);

/* How many bytes of `text` are the name of a month, 0 for none, and *month is that, 1 to 12. */
size_t month_name(struct csv_slice text, int *month);

#endif
