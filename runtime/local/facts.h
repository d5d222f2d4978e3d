/* facts: what is inferred of the real service, each choice in one place so that it can be changed when it proves wrong.
 * What the vendor documents stands in the service model (core/operations_table.c). */
#ifndef UPJOB_LOCAL_FACTS_H
#define UPJOB_LOCAL_FACTS_H

/* How long an upload URL is good for, in seconds. */
#define FACT_PATH_LIFETIME 900
/* DataExpiry when CreateUploadJob gives none, in days (documented). */
#define FACT_DEFAULT_EXPIRY_DAYS 14
/* Longest value of a mapped field in characters (the model's limits of Profile); longer ones are failed records. */
#define FACT_MAX_VALUE 255
#define FACT_MAX_ADDITIONAL_INFORMATION 1000
/* A file of this size or more is refused ("under 1 GB"). */
#define FACT_MAX_FILE_BYTES 1000000000.0
/* How far a request's clock may be from the service's, in seconds (documented for Signature Version 4). */
#define FACT_MAX_SKEW 300
/* Pages when MaxResults is not given. */
#define FACT_DEFAULT_PAGE 100
#define FACT_DEFAULT_SEARCH_PAGE 20
/* Calls a second of one operation, when the real service's rates are asked for: none of the six is in the public table of
 * throttling rates; comparable operations have these. */
#define FACT_WRITE_RATE 1.0
#define FACT_READ_RATE 5.0
/* A job none of whose records could be used has FAILED, with VALIDATION_FAILURE. */
#define FACT_ALL_FAILED_STATUS "FAILED"
/* A file with a header and no record fails like an empty one. */
#define FACT_NO_RECORDS_FAILS true
/* A record with more cells than the header fails; one with fewer has empty cells at its end. */
#define FACT_EXTRA_CELLS_FAIL true
/* A cell with a NUL byte fails its record. */
#define FACT_NUL_FAILS true
/* ContentType NUMBER, PHONE_NUMBER and EMAIL_ADDRESS refuse what plainly is none: no number, no digit, no '@'. */
#define FACT_CONTENT_TYPES_CHECKED true

#endif
