/* operations: the API of Customer Profiles as a table, one row per operation.
 *
 * A row gives method, path template, input and output shape; a shape gives for each
 * member its wire name, where it travels, whether it is required, its limits, pattern
 * and enum. All of it is from the public service model (API version 2020-08-15).
 * Adding an operation is adding a row (and the shapes that it is the first to use).
 */
#ifndef UPJOB_CORE_OPERATIONS_H
#define UPJOB_CORE_OPERATIONS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/err.h"

enum shape_kind {
    SHAPE_STRUCTURE,
    SHAPE_LIST,
    SHAPE_MAP,
    SHAPE_STRING,
    SHAPE_INTEGER, /* integer and long */
    SHAPE_DOUBLE,
    SHAPE_BOOLEAN,
    SHAPE_TIMESTAMP, /* JSON number, epoch seconds, may have a fraction */
    SHAPE_BLOB,      /* base64 in JSON */
};

enum location { IN_BODY, IN_PATH, IN_QUERY, IN_STATUS /* of a reply: the HTTP status */ };

struct shape;

struct member {
    const char *name; /* the API's name, also the wire name in a body */
    const struct shape *shape;
    enum location location;
    const char *wire_name; /* in path or query; NULL: same as name */
    bool required;
};

/* Limits are inclusive; has_min and has_max say which are given. For strings they count
 * characters (code points), for lists and maps entries, for numbers the value. */
struct shape {
    const char *name;
    enum shape_kind kind;
    bool has_min, has_max;
    double min, max;
    const char *pattern;             /* as the model has it, see pattern.h; NULL: any */
    const char *const *values;       /* enum, NULL-terminated; NULL: none */
    const struct member *members;    /* structure; ends with a NULL name */
    const struct shape *key, *value; /* map: key and value; list: value */
    bool sensitive;                  /* never logged */
    bool is_union;                   /* structure: just one of its members is given */
};

struct operation {
    const char *name;          /* "CreateUploadJob" */
    const char *lua_name;      /* "create_upload_job" */
    const char *method;
    const char *path;          /* "/domains/{DomainName}/upload-jobs" */
    const struct shape *input;
    const struct shape *output;
    bool idempotent;           /* may be sent again after a reply was lost */
    const char *secret;        /* the member of the output that is a key: kept out of the JSON; NULL: there is none */
    const char *items;         /* paginated: the member of the output that holds the page's items; NULL: not */
};

/* By API name or Lua name; NULL when there is none. */
const struct operation *operation_find(const char *name);
/* The operation whose name is nearest to `name`, for "did you mean"; NULL when none is near. */
const struct operation *operation_nearest(const char *name);
/* All of them, in the order of the model; the count in *count. */
const struct operation *operation_all(size_t *count);
/* The operation that an HTTP request addresses, for the embedded service: matches method and path template,
 * and copies the path members, decoded, into `params` (an object). NULL when none matches. */
const struct operation *operation_route(const char *method, const char *path, cJSON *params);

/* Checks `params` (an object) against the input shape: unknown member (with the nearest name), missing
 * member, wrong type, length, pattern, enum. The error is ERR_USAGE for the first three (mistakes of
 * the program), ERR_VALIDATION for values; it names the member by its path ("Fields.email.ContentType", "Values[2]": entries are counted from 1, as in Lua) and the rule. A null is as good
 * as an absent member. */
bool operation_validate(const struct operation *op, const cJSON *params, struct err *err) MUST_CHECK;
/* The same for any shape; `where` names it in errors. */
bool shape_validate(const struct shape *shape, const cJSON *value, const char *where, struct err *err) MUST_CHECK;

/* What goes on the wire. Freed by operation_request_free. */
struct operation_request {
    struct buf path;  /* escaped */
    struct buf query; /* escaped, without '?' */
    struct buf body;  /* JSON; empty when the input has no body members */
    bool has_body;
};
/* `params` must have been validated. */
bool operation_build(const struct operation *op, const cJSON *params, struct operation_request *out,
                     struct err *err) MUST_CHECK;
void operation_request_free(struct operation_request *request);

/* Nearest of `names` (NULL-terminated) to `name` by edit distance, NULL when none is near enough.
 * Used for every "did you mean" of the program. */
const char *nearest_name(const char *name, const char *const *names);

#endif
