/* mapping_values: what the tests of the mapping share: the value of one field in one row, as a line of text. */
#ifndef UPJOB_TESTS_MAPPING_VALUES_H
#define UPJOB_TESTS_MAPPING_VALUES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/mapping.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define STEPS(...)                                                                                                             \
    .steps = (const struct mapping_step[]){__VA_ARGS__},                                                                       \
    .step_count = sizeof((const struct mapping_step[]){__VA_ARGS__}) / sizeof(struct mapping_step)
#define FIELD(...) (&(struct mapping_field){__VA_ARGS__})
#define CELLS_MOST 8

static const char *const header_names[CELLS_MOST] = {"a", "b", "c", "d", "e", "f", "g", "h"};

static inline struct csv_row row_of(struct csv_slice *cells, size_t count)
{
    return (struct csv_row){.count = count, .line = 7, .cells = cells};
}

static inline struct csv_row header_row(struct csv_slice cells[CELLS_MOST])
{
    for (size_t i = 0; i < CELLS_MOST; i++)
        cells[i] = (struct csv_slice){header_names[i], 1};
    struct csv_row row = row_of(cells, CELLS_MOST);
    row.line = 1;
    return row;
}

static inline struct mapping *bound(const struct mapping_field *fields, size_t count, mapping_call call, void *arg)
{
    struct csv_slice cells[CELLS_MOST];
    struct csv_row header = header_row(cells);
    struct err err;
    err_clear(&err);
    struct mapping *mapping = mapping_new(fields, count, call, arg, &err);
    if (!mapping || !mapping_bind(mapping, &header, &err))
        fail_msg("%s: %s", err.code, err.message);
    return mapping;
}

/* "=VALUE" for the cell itself, "VALUE" for another, "!COLUMN CLASS: REASON" for an invalid one, "FAILED: …". */
static inline const char *told(const struct mapping *mapping, struct mapping_arena *arena, const struct csv_row *row)
{
    static char out[1024];
    struct mapping_fault fault;
    struct csv_slice value;
    struct err err;
    err_clear(&err);
    switch (mapping_value(mapping, arena, 0, row, &value, &fault, &err)) {
    case MAPPING_SAME:
        snprintf(out, sizeof out, "=%.*s", (int)value.len, value.data);
        break;
    case MAPPING_CHANGED:
        snprintf(out, sizeof out, "%.*s", (int)value.len, value.data);
        break;
    case MAPPING_INVALID:
        assert_non_null(fault.hint);
        snprintf(out, sizeof out, "!%ld %s: %s", fault.column, mapping_fault_class_name(fault.class), fault.reason);
        break;
    default:
        snprintf(out, sizeof out, "FAILED: %s", err.message);
    }
    return out;
}

/* The value of a field of column "c" (unless it has others) where that cell is `text`; the other cells are their header's name.
 * The cell is not followed by a NUL, and not by any other byte that may be read. */
static inline const char *value_of_bytes(const struct mapping_field *given, const char *bytes, size_t len)
{
    static const char *const column_c[] = {"c", NULL};
    struct mapping_field field = *given;
    struct csv_slice cells[CELLS_MOST];
    struct mapping_arena arena = {0};
    char *copy = malloc(len + (len == 0));
    if (!field.columns && !field.constant)
        field.columns = column_c;
    if (!field.key)
        field.key = "key";
    memcpy(copy, bytes, len);
    struct csv_row row = header_row(cells);
    row.line = 7;
    cells[2] = (struct csv_slice){copy, len};
    struct mapping *mapping = bound(&field, 1, NULL, NULL);
    const char *out = told(mapping, &arena, &row);
    mapping_free(mapping);
    mapping_arena_free(&arena);
    free(copy);
    return out;
}

static inline const char *value_of(const struct mapping_field *field, const char *text)
{
    return value_of_bytes(field, text, strlen(text));
}

struct sample {
    const char *text, *expected;
};

#define check_samples(field, samples) check_table((field), (samples), sizeof(samples) / sizeof *(samples))
static inline void check_table(const struct mapping_field *field, const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *seen = value_of(field, samples[i].text);
        if (strcmp(seen, samples[i].expected) != 0)
            fail_msg("\"%s\" gives\n  %s\nand not\n  %s", samples[i].text, seen, samples[i].expected);
    }
}

#endif
