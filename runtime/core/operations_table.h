/* operations_table: the words in which the table of operations is written. Private to operations*.c.
 *
 * Each word makes one static shape; a shape stands before those that use it, and is called as in the model. To add an
 * operation, write its input and output with these words in the file of its subject in operations/ and add its row to
 * operations/rows.inc; operations/from_model.py writes them all anew from a service model.
 */
#ifndef UPJOB_CORE_OPERATIONS_TABLE_H
#define UPJOB_CORE_OPERATIONS_TABLE_H

#include "core/operations.h"

extern const struct operation operations_table[];
extern const size_t operations_count;

#define SHAPE(called, ...) static const struct shape shape_##called = {.name = #called, ##__VA_ARGS__}
#define FROM_TO(least, most) .has_min = true, .min = (least), .has_max = true, .max = (most)
#define AT_LEAST(least) .has_min = true, .min = (least)
#define UP_TO(most) .has_max = true, .max = (most)
#define LIKE(text) .pattern = (text)
#define SENSITIVE .sensitive = true

/* These may be followed by FROM_TO or UP_TO, LIKE and SENSITIVE. */
#define STRING(called, ...) SHAPE(called, .kind = SHAPE_STRING, ##__VA_ARGS__)
#define INTEGER(called, ...) SHAPE(called, .kind = SHAPE_INTEGER, ##__VA_ARGS__)
#define DOUBLE(called, ...) SHAPE(called, .kind = SHAPE_DOUBLE, ##__VA_ARGS__)
#define BOOLEAN(called) SHAPE(called, .kind = SHAPE_BOOLEAN)
#define TIMESTAMP(called) SHAPE(called, .kind = SHAPE_TIMESTAMP)
#define BLOB(called, ...) SHAPE(called, .kind = SHAPE_BLOB, ##__VA_ARGS__)
#define LIST(called, of, ...) SHAPE(called, .kind = SHAPE_LIST, .value = &shape_##of, ##__VA_ARGS__)
#define MAP(called, from, to, ...) \
    SHAPE(called, .kind = SHAPE_MAP, .key = &shape_##from, .value = &shape_##to, ##__VA_ARGS__)

/* A string that is one of those given. */
#define ENUM_AS(called, hidden, ...) \
    static const char *const values_##called[] = {__VA_ARGS__, NULL}; \
    SHAPE(called, .kind = SHAPE_STRING, .values = values_##called, .sensitive = (hidden))
#define ENUM(called, ...) ENUM_AS(called, false, __VA_ARGS__)
#define SENSITIVE_ENUM(called, ...) ENUM_AS(called, true, __VA_ARGS__)

/* Its members, without commas between them: MUST (required), MAY, PATH, QUERY, MUST_QUERY and STATUS. Of a UNION just one
 * is given. */
#define STRUCTURE_AS(called, hidden, one_only, ...) \
    static const struct member members_##called[] = {__VA_ARGS__ {.name = NULL}}; \
    SHAPE(called, .kind = SHAPE_STRUCTURE, .members = members_##called, .sensitive = (hidden), .is_union = (one_only))
#define STRUCTURE(called, ...) STRUCTURE_AS(called, false, false, __VA_ARGS__)
#define SENSITIVE_STRUCTURE(called, ...) STRUCTURE_AS(called, true, false, __VA_ARGS__)
#define UNION(called, ...) STRUCTURE_AS(called, false, true, __VA_ARGS__)
#define MUST(member_name, of) {.name = #member_name, .shape = &shape_##of, .required = true},
#define MAY(member_name, of) {.name = #member_name, .shape = &shape_##of},
#define PATH(member_name, of) \
    {.name = #member_name, .shape = &shape_##of, .location = IN_PATH, .required = true},
#define QUERY(member_name, of, wire) \
    {.name = #member_name, .shape = &shape_##of, .location = IN_QUERY, .wire_name = (wire)},
#define MUST_QUERY(member_name, of, wire) \
    {.name = #member_name, .shape = &shape_##of, .location = IN_QUERY, .wire_name = (wire), .required = true},
#define STATUS(member_name, of) {.name = #member_name, .shape = &shape_##of, .location = IN_STATUS},

/* One row: input and output are the shapes NameRequest and NameResponse; WITH says where they have another name. */
#define OPERATION_WITH(api_name, shapes, lua, verb, route, ...) \
    {.name = #api_name, .lua_name = (lua), .method = (verb), .path = (route), \
     .input = &shape_##shapes##Request, .output = &shape_##shapes##Response, __VA_ARGS__}
#define OPERATION(api_name, ...) OPERATION_WITH(api_name, api_name, __VA_ARGS__)

#endif
