/* ingest_plan: the mapping of a job, compiled: which cells of a record make which values of a profile. */
#ifndef UPJOB_LOCAL_INGEST_PLAN_H
#define UPJOB_LOCAL_INGEST_PLAN_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "core/buf.h"
#include "core/csv.h"
#include "core/err.h"
#include "local/facts.h"
#include "local/profiles.h"

#define PLAN_MAX_PARTS 16

enum content_type { CONTENT_STRING, CONTENT_NUMBER, CONTENT_PHONE, CONTENT_EMAIL, CONTENT_NAME };

/* A piece of a Source: text, or a column. */
struct plan_part {
    char *text;   /* literal text, or the column's name */
    bool is_column;
    long column;  /* index in the header, from 0 */
};

struct plan_field {
    char *key;
    char *target_name; /* without "_profile." */
    int target;        /* in the domain's store */
    enum content_type type;
    size_t max_length; /* characters */
    struct plan_part parts[PLAN_MAX_PARTS];
    size_t part_count;
};

struct ingest_plan {
    struct plan_field *fields; /* in the order of their targets once bound */
    size_t field_count;
    size_t key;                /* index of the unique key's field */
    struct buf scratch;        /* values made of several parts */
    struct profile_value *values;
    const struct facts *inferred;
};

/* Source: "_source.Column" or "{{_source.a}} {{_source.b}}" with text between; Target: "_profile.X". NULL with *err when the
 * service would fail the job for it. Freed by ingest_plan_free. `inferred` must outlive it. */
struct ingest_plan *ingest_plan_new(const cJSON *fields, const char *unique_key, const struct facts *inferred,
                                    struct err *err) MUST_CHECK;
void ingest_plan_free(struct ingest_plan *plan);
#define ERR_MISSING_COLUMN "MissingColumn"
#define ERR_MISSING_KEY "MissingKeyColumn"
/* Finds the columns in the header and the targets in the store. False with *err naming the column that is not there. */
bool ingest_plan_bind(struct ingest_plan *plan, const struct csv_row *header, struct profiles *profiles,
                      struct err *err) MUST_CHECK;

/* What is wrong with a record: column from 1, 0 for the whole. */
struct plan_fault {
    long column;
    const char *column_name;
    struct csv_slice value;
    bool no_key;  /* nothing else is */
    char reason[200];
};
/* The values of a record, empty ones left out, and its key. False with *fault. The slices live until the next call. */
bool ingest_plan_apply(struct ingest_plan *plan, const struct csv_row *row, size_t header_count, size_t *count,
                       struct csv_slice *key, struct plan_fault *fault) MUST_CHECK;

#endif
