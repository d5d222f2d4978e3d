#include "core/tzif.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tzif_private.h"

#define HEADER 44
#define OFFSET_LEAST (-89999) /* as RFC 9636 limits them */
#define OFFSET_MOST 93599
#define TIME_MOST (INT64_C(1) << 60) /* far enough from what overflows */

/* ---- reading ---- */

struct reading {
    const unsigned char *at, *end;
    const char *name;
    struct err *err;
};

static bool broken(const struct reading *reading, const char *what)
{
    err_set(reading->err, ERR_FILE, "this is no whole TZif file: %s; reinstall tzdata", what);
    return err_at(reading->err, reading->name, 0, 0, NULL);
}

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be_time(const unsigned char *p, size_t size)
{
    if (size == 4)
        return (int32_t)be32(p);
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

struct header {
    unsigned char version;
    uint32_t ut_count, standard_count, leap_count, time_count, type_count, char_count;
};

static bool read_header(struct reading *reading, struct header *header)
{
    const unsigned char *p = reading->at;
    if (reading->end - p < HEADER || memcmp(p, "TZif", 4) != 0)
        return broken(reading, "it does not begin as one");
    *header = (struct header){p[4], be32(p + 20), be32(p + 24), be32(p + 28), be32(p + 32), be32(p + 36), be32(p + 40)};
    reading->at += HEADER;
    return true;
}

static uint64_t block_size(const struct header *header, size_t time_size)
{
    return (uint64_t)header->time_count * (time_size + 1) + (uint64_t)header->type_count * 6 + header->char_count +
           (uint64_t)header->leap_count * (time_size + 4) + header->standard_count + header->ut_count;
}

static bool read_types(const struct reading *reading, const unsigned char *p, const char *names, size_t names_len, struct tz *tz)
{
    for (size_t i = 0; i < tz->type_count; i++, p += 6) {
        struct tz_type *type = &tz->types[i];
        int64_t offset = be_time(p, 4);
        if (offset < OFFSET_LEAST || offset > OFFSET_MOST || p[4] > 1)
            return broken(reading, "a local time type has an offset that there is not");
        if (p[5] >= names_len || !memchr(names + p[5], '\0', names_len - p[5]))
            return broken(reading, "a local time type has no name");
        type->offset = (int32_t)offset;
        type->dst = p[4] == 1;
        snprintf(type->abbreviation, sizeof type->abbreviation, "%s", names + p[5]);
    }
    return true;
}

static bool read_transitions(const struct reading *reading, const unsigned char *p, size_t time_size, struct tz *tz)
{
    const unsigned char *index = p + tz->time_count * time_size;
    for (size_t i = 0; i < tz->time_count; i++) {
        tz->times[i] = (struct tz_transition){be_time(p + i * time_size, time_size), index[i]};
        if (index[i] >= tz->type_count)
            return broken(reading, "a transition leads to no local time type");
        if (tz->times[i].at < -TIME_MOST || tz->times[i].at > TIME_MOST)
            return broken(reading, "a transition is at no time that there is");
        if (i > 0 && tz->times[i].at <= tz->times[i - 1].at)
            return broken(reading, "its transitions are not in order");
    }
    return true;
}

static bool read_block(struct reading *reading, const struct header *header, size_t time_size, struct tz *tz)
{
    if (block_size(header, time_size) > (uint64_t)(reading->end - reading->at))
        return broken(reading, "it ends early");
    if (header->type_count == 0 || header->type_count > 256 || header->char_count == 0)
        return broken(reading, "it has no local time types");
    if ((header->ut_count && header->ut_count != header->type_count) ||
        (header->standard_count && header->standard_count != header->type_count))
        return broken(reading, "its counts do not fit together");
    if (header->leap_count > 0) {
        err_set(reading->err, ERR_FILE, "this zone counts leap seconds, which the system's clock does not: "
                "take the zone of the same name without \"right/\"");
        return err_at(reading->err, reading->name, 0, 0, NULL);
    }
    tz->time_count = header->time_count;
    tz->type_count = header->type_count;
    tz->times = calloc(tz->time_count + 1, sizeof *tz->times);
    tz->types = calloc(tz->type_count, sizeof *tz->types);
    if (!tz->times || !tz->types)
        return err_set(reading->err, ERR_MEMORY, "no memory for a time zone");
    const unsigned char *types = reading->at + tz->time_count * (time_size + 1);
    const char *names = (const char *)types + tz->type_count * 6;
    if (!read_transitions(reading, reading->at, time_size, tz) || !read_types(reading, types, names, header->char_count, tz))
        return false;
    reading->at += block_size(header, time_size);
    return true;
}

/* "\n", a rule or nothing, "\n". */
static bool read_footer(struct reading *reading, struct tz *tz)
{
    char text[128];
    const unsigned char *p = reading->at;
    const unsigned char *end = p < reading->end ? memchr(p + 1, '\n', (size_t)(reading->end - p - 1)) : NULL;
    if (!end || *p != '\n' || (size_t)(end - p) > sizeof text)
        return broken(reading, "its footer is not there");
    size_t len = (size_t)(end - p - 1);
    memcpy(text, p + 1, len);
    text[len] = '\0';
    tz->has_rule = len > 0;
    if (strlen(text) != len || (tz->has_rule && !tz_rule_parse(text, &tz->rule)))
        return broken(reading, "the rule in its footer cannot be read");
    return true;
}

static bool read_all(struct reading *reading, struct tz *tz)
{
    struct header header;
    if (!read_header(reading, &header))
        return false;
    if (header.version == 0)
        return read_block(reading, &header, 4, tz);
    if (header.version < '2')
        return broken(reading, "its version is not known");
    if (block_size(&header, 4) > (uint64_t)(reading->end - reading->at))
        return broken(reading, "it ends early");
    reading->at += block_size(&header, 4);
    return read_header(reading, &header) && read_block(reading, &header, 8, tz) && read_footer(reading, tz);
}

struct tz *tz_new(const char *name, struct err *err)
{
    struct tz *tz = calloc(1, sizeof *tz);
    if (tz && !(tz->name = strdup(name))) {
        free(tz);
        tz = NULL;
    }
    if (!tz)
        err_set(err, ERR_MEMORY, "no memory for a time zone");
    return tz;
}

struct tz *tz_parse(const void *bytes, size_t len, const char *name, struct err *err)
{
    struct tz *tz = tz_new(name, err);
    if (!tz)
        return NULL;
    struct reading reading = {bytes, (const unsigned char *)bytes + len, name, err};
    if (read_all(&reading, tz))
        return tz;
    tz_free(tz);
    return NULL;
}

struct tz *tz_from_rule(const char *text, struct err *err)
{
    struct tz *tz = tz_new(text, err);
    if (!tz)
        return NULL;
    tz->has_rule = true;
    if (tz_rule_parse(text, &tz->rule))
        return tz;
    tz_free(tz);
    err_set(err, ERR_USAGE, "\"%s\" is no rule of a time zone, as CET-1CEST,M3.5.0,M10.5.0/3 is one", text);
    return NULL;
}

void tz_free(struct tz *tz)
{
    if (!tz)
        return;
    free(tz->name);
    free(tz->times);
    free(tz->types);
    free(tz);
}

/* ---- using ---- */

const char *tz_name(const struct tz *tz)
{
    return tz->name;
}

/* How many transitions are not after `utc`. */
static size_t count_until(const struct tz *tz, int64_t utc)
{
    size_t low = 0, high = tz->time_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tz->times[middle].at <= utc)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct tz_period tz_period_at(const struct tz *tz, int64_t utc)
{
    size_t passed = count_until(tz, utc);
    if (passed == tz->time_count && tz->has_rule) {
        struct tz_period period = tz_rule_period(&tz->rule, utc);
        if (passed > 0 && period.from < tz->times[passed - 1].at)
            period.from = tz->times[passed - 1].at;
        return period;
    }
    const struct tz_type *type = &tz->types[passed == 0 ? 0 : tz->times[passed - 1].type];
    struct tz_period period = {passed == 0 ? INT64_MIN : tz->times[passed - 1].at,
                               passed == tz->time_count ? INT64_MAX : tz->times[passed].at, type->offset, type->dst, ""};
    memcpy(period.abbreviation, type->abbreviation, sizeof period.abbreviation);
    return period;
}

struct tz_instant tz_from_local(const struct tz *tz, int64_t local)
{
    struct tz_instant found = {TZ_GAP, 0, 0};
    bool any = false, jumped = false;
    int64_t jump = local;
    for (struct tz_period period = tz_period_at(tz, local - OFFSET_MOST - 1);; period = tz_period_at(tz, period.until)) {
        int64_t utc = local - period.offset;
        if (utc < period.from && !jumped) { /* the clock is past it now; it counts where it had not come to it */
            jump = period.from;
            jumped = true;
        }
        if (utc >= period.from && utc < period.until) {
            found.kind = any ? TZ_FOLD : TZ_ONCE;
            found.first = any ? found.first : utc;
            found.last = utc;
            any = true;
        }
        if (period.until == INT64_MAX || period.until > local - OFFSET_LEAST)
            break;
    }
    if (!any)
        found.first = found.last = jump;
    return found;
}
