/* The mapping: fields of every type with steps as they come, over rows as they come. */
#include "core/mapping.h"

#include "core/mapping_email.h"
#include "core/utf8.h"
#include "tests/fuzz/fuzz.h"

enum { FIELDS = 3, STEPS = 5, COLUMNS = 4, ROWS = 3 };

/* Whatever is allocated for a field, to be freed behind it. */
struct texts {
    char *list[128];
    size_t count;
};

static const char *text(struct input *input, struct texts *texts)
{
    REQUIRE(texts->count < sizeof texts->list / sizeof *texts->list, "too many texts");
    return texts->list[texts->count++] = take_text(input);
}

struct made {
    struct mapping_field field;
    struct mapping_step steps[STEPS];
    struct mapping_pair pairs[STEPS][2];
    const char *formats[STEPS][3];
    const char *columns[3];
};

static void make_step(struct made *made, size_t i, struct input *input, struct texts *texts)
{
    static const char *const usual[] = {"DD.MM.YYYY", "M/D/YY", "YYYY-MM-DD HH:mm:ss", "D MMM YYYY"};
    struct mapping_step *step = &made->steps[i];
    unsigned flags;
    step->kind = (enum mapping_step_kind)(take_byte(input) % MAPPING_STEPS);
    if (step->kind == MAPPING_E164)
        step->kind = MAPPING_DIGITS;
    flags = take_byte(input);
    step->number = (long)(flags & 15) - 6;
    step->missing = (enum mapping_missing)(flags >> 4 & 1 ? MAPPING_MISSING_WITH : (flags >> 5 & 1));
    step->text = step->kind == MAPPING_TRIM ? NULL : text(input, texts);
    step->with = flags & 64 ? text(input, texts) : NULL;
    for (size_t j = 0; step->kind == MAPPING_LOOKUP && j < 2; j++)
        made->pairs[i][j] = (struct mapping_pair){text(input, texts), text(input, texts)};
    step->pairs = made->pairs[i];
    step->pair_count = step->kind == MAPPING_LOOKUP ? 2 : 0;
    if (step->kind != MAPPING_DATE)
        return;
    step->number = flags;
    made->formats[i][0] = usual[flags & 3];
    made->formats[i][1] = flags & 128 ? text(input, texts) : NULL;
    step->list = made->formats[i];
}

static void make_field(struct made *made, struct input *input, struct texts *texts)
{
    static const char *const names[COLUMNS] = {"a", "b", "c", "d"};
    unsigned flags = take_byte(input), steps = take_byte(input) % (STEPS + 1);
    memset(made, 0, sizeof *made);
    made->field = (struct mapping_field){.key = "k",
                                         .type = (enum mapping_type)(flags % MAPPING_TYPES),
                                         .columns = made->columns,
                                         .required = flags & 8,
                                         .is_key = flags & 16,
                                         .is_id = flags & 32,
                                         .max_length = flags & 64 ? 10 : 0,
                                         .steps = made->steps,
                                         .step_count = steps};
    made->columns[0] = flags & 128 ? names[take_byte(input) % COLUMNS] : names[0];
    made->columns[1] = flags & 128 ? names[take_byte(input) % COLUMNS] : NULL;
    made->field.separator = flags & 128 ? text(input, texts) : NULL;
    for (unsigned i = 0; i < steps; i++)
        make_step(made, i, input, texts);
}

/* Keeps, refuses, skips, or gives a part of the value or of another cell. */
static enum mapping_called call(void *arg, long function, const struct csv_row *row, struct csv_slice value,
                                struct mapping_arena *arena, struct csv_slice *result, struct err *err)
{
    (void)arg;
    *result = (struct csv_slice){mapping_arena_keep(arena, value.data, value.len), value.len};
    if (function == 3)
        *result = csv_cell(row, 0);
    if (function == 4)
        err_set(err, "ScriptError", "raised");
    return function < 0    ? MAPPING_CALL_SAME
           : function == 0 ? MAPPING_CALL_REFUSES
           : function == 4 ? MAPPING_CALL_FAILED
           : function == 5 ? MAPPING_CALL_SKIPS
                           : MAPPING_CALL_VALUE;
}

static bool is_text(struct csv_slice value)
{
    return utf8_valid(value.data, value.len, NULL);
}

static void check_value(const struct mapping *mapping, struct mapping_arena *arena, size_t i, const struct csv_row *row,
                        bool all_text)
{
    struct mapping_fault fault;
    struct csv_slice value, cell;
    struct err err;
    size_t count;
    const size_t *columns = mapping_columns(mapping, i, &count);
    memset(&fault, 0xEE, sizeof fault);
    err_clear(&err);
    switch (mapping_value(mapping, arena, i, row, &value, &fault, &err)) {
    case MAPPING_SAME:
        cell = csv_cell(row, columns[0]);
        REQUIRE(count == 1 && cell.len == value.len && (cell.len == 0 || memcmp(cell.data, value.data, cell.len) == 0),
                "another value passes as the cell's");
        break;
    case MAPPING_CHANGED:
        REQUIRE(mapping_changes(mapping, i), "a plain column is changed");
        break;
    case MAPPING_INVALID:
        REQUIRE(fault.class < MAPPING_FAULT_CLASSES && fault.hint, "a fault without a class or a hint");
        REQUIRE(fault.column >= 1 && fault.column <= COLUMNS, "column %ld", fault.column);
        REQUIRE(strnlen(fault.reason, sizeof fault.reason) < sizeof fault.reason && fault.reason[0], "no reason");
        REQUIRE(!all_text || utf8_valid(fault.reason, strlen(fault.reason), NULL), "the reason is not UTF-8: %s", fault.reason);
        break;
    default:
        require_told(&err);
        return;
    }
    REQUIRE(!all_text || is_text(value), "the value is not UTF-8: %.*s", (int)value.len, value.data);
}

static void check_rows(const struct mapping *mapping, struct input *input, bool all_text)
{
    struct mapping_arena arena = {0};
    for (int i = 0; i < ROWS; i++) {
        struct csv_slice cells[COLUMNS];
        struct csv_row row = {.count = COLUMNS, .line = i, .cells = cells};
        bool text_row = all_text;
        for (size_t j = 0; j < COLUMNS; j++) {
            char *cell = take_text(input);
            cells[j] = (struct csv_slice){cell, strlen(cell)};
            text_row = text_row && is_text(cells[j]);
        }
        for (size_t j = 0; j < mapping_count(mapping); j++)
            check_value(mapping, &arena, j, &row, text_row);
        for (size_t j = 0; j < COLUMNS; j++) {
            struct csv_slice cell = cells[j];
            REQUIRE(cell.len == 0 || !email_is_plain(cell) || !email_problem(cell).what, "a bad address passes");
            free((char *)cell.data);
        }
        mapping_arena_reset(&arena);
    }
    mapping_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct csv_slice names[COLUMNS] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}};
    const struct csv_row header = {.count = COLUMNS, .line = 1, .cells = names};
    struct input input = {data, size};
    struct mapping_field fields[FIELDS];
    struct made made[FIELDS];
    struct texts texts = {{NULL}, 0};
    struct err err;
    bool all_text = true;
    err_clear(&err);
    for (size_t i = 0; i < FIELDS; i++) {
        make_field(&made[i], &input, &texts);
        fields[i] = made[i].field;
    }
    for (size_t i = 0; i < texts.count; i++)
        all_text = all_text && utf8_valid(texts.list[i], strlen(texts.list[i]), NULL);
    struct mapping *mapping = mapping_new(fields, FIELDS, call, NULL, &err);
    for (size_t i = 0; i < texts.count; i++)
        free(texts.list[i]);
    if (mapping)
        REQUIRE(mapping_bind(mapping, &header, &err), "%s", err.message);
    else
        require_told(&err);
    if (mapping)
        check_rows(mapping, &input, all_text);
    mapping_free(mapping);
    return 0;
}
