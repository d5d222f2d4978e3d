/* The mapping: columns, steps one after the other, the memory of values, and what it refuses to be made of. */
#include <malloc.h>
#include <pthread.h>

#include "tests/c/mapping_values.h"

static void what_no_step_changes_is_the_cell_itself(void **state)
{
    (void)state;
    struct mapping_field field = {.key = "k",
                                  .columns = LIST("c"),
                                  STEPS({.kind = MAPPING_TRIM}, {.kind = MAPPING_LOWER}, {.kind = MAPPING_TITLE},
                                        {.kind = MAPPING_LOWER}, {.kind = MAPPING_REPLACE, .text = "x", .with = "y"},
                                        {.kind = MAPPING_DEFAULT, .text = "z"})};
    const char cell[] = "caf\xC3\xA9 noir";
    struct csv_slice cells[CELLS_MOST] = {[2] = {cell, sizeof cell - 1}}, value;
    struct csv_row row = row_of(cells, CELLS_MOST);
    struct mapping_arena arena = {0};
    struct mapping *mapping = bound(&field, 1, NULL, NULL);
    struct mapping_fault fault;
    struct err err;
    assert_int_equal(mapping_value(mapping, &arena, 0, &row, &value, &fault, &err), MAPPING_SAME);
    field.step_count = 2;
    mapping_free(mapping);
    mapping = bound(&field, 1, NULL, NULL);
    assert_int_equal(mapping_value(mapping, &arena, 0, &row, &value, &fault, &err), MAPPING_SAME);
    assert_true(mapping_changes(mapping, 0));
    field.step_count = 0;
    mapping_free(mapping);
    mapping = bound(&field, 1, NULL, NULL);
    assert_int_equal(mapping_value(mapping, &arena, 0, &row, &value, &fault, &err), MAPPING_SAME);
    assert_ptr_equal(value.data, cell);
    assert_false(mapping_changes(mapping, 0));
    assert_false(mapping_calls(mapping));
    mapping_free(mapping);
    mapping_arena_free(&arena);
}

static void a_huge_value_passes_every_step(void **state)
{
    (void)state;
    size_t len = (size_t)3 << 20;
    char *text = malloc(len);
    memset(text, 'A', len);
    text[0] = ' ';
    assert_string_equal(
        value_of_bytes(FIELD(STEPS({.kind = MAPPING_TRIM}, {.kind = MAPPING_LOWER}, {.kind = MAPPING_TITLE},
                                   {.kind = MAPPING_REPLACE, .text = "a", .with = "12"}, {.kind = MAPPING_DIGITS},
                                   {.kind = MAPPING_SPLIT, .text = "A", .number = 1})),
                       text, len),
        "!3 too long: has 6291452 characters, the service takes 255");
    free(text);
}

static void several_columns_are_joined_without_the_empty_ones(void **state)
{
    (void)state;
    struct mapping_field field = {.columns = LIST("a", "c", "b"), .separator = ", "};
    assert_string_equal(value_of(&field, "x"), "a, x, b");
    assert_string_equal(value_of(&field, ""), "a, b");
    assert_string_equal(value_of(&field, " \xC2\xA0"), "a, b");
    field.separator = NULL;
    assert_string_equal(value_of(&field, "x"), "axb");
    field.columns = LIST("c", "c");
    field.separator = "-";
    field.required = true;
    assert_string_equal(value_of(&field, "x"), "x-x");
    assert_string_equal(value_of(&field, ""), "!3 required and empty: is empty, and the mapping requires it");
    field = (struct mapping_field){.columns = LIST("a", "c"), .separator = " ", STEPS({.kind = MAPPING_UPPER})};
    assert_string_equal(value_of(&field, "x"), "A X");
}

static void a_key_of_several_columns_has_none_that_is_empty(void **state)
{
    (void)state;
    struct mapping_field field = {.columns = LIST("a", "c"), .separator = "|", .is_key = true};
    assert_string_equal(value_of(&field, "x"), "a|x");
    assert_string_equal(value_of(&field, ""), "!3 unique key is empty: is empty, and it is part of the unique key");
    assert_string_equal(value_of(&field, " "), "!3 unique key is empty: is empty, and it is part of the unique key");
}

static void a_constant_needs_no_column(void **state)
{
    (void)state;
    assert_string_equal(value_of(FIELD(.constant = "spring"), "x"), "spring");
    assert_string_equal(value_of(FIELD(.constant = "spring", STEPS({.kind = MAPPING_UPPER})), "x"), "SPRING");
    assert_string_equal(value_of(FIELD(.constant = "x", .type = MAPPING_NUMBER), ""),
                        "!0 not a number: is not a number: it has the character \"x\"");
}

static void a_cell_that_the_row_does_not_have_is_empty(void **state)
{
    (void)state;
    struct mapping_field field = {.key = "k", .columns = LIST("c"), .required = true};
    struct csv_slice cells[1] = {{"a", 1}};
    struct csv_row row = row_of(cells, 1);
    struct mapping_arena arena = {0};
    struct mapping *mapping = bound(&field, 1, NULL, NULL);
    assert_string_equal(told(mapping, &arena, &row), "!3 required and empty: is empty, and the mapping requires it");
    mapping_free(mapping);
    mapping_arena_free(&arena);
}

static void steps_follow_one_another(void **state)
{
    (void)state;
    static const struct mapping_pair pairs[] = {{"gb", "United Kingdom"}};
    struct mapping_field field = {.type = MAPPING_NAME,
                                  STEPS({.kind = MAPPING_SPLIT, .text = "/", .number = 2}, {.kind = MAPPING_TRIM},
                                        {.kind = MAPPING_LOWER}, {.kind = MAPPING_DEFAULT, .text = "gb"},
                                        {.kind = MAPPING_LOOKUP, .pairs = pairs, .pair_count = 1},
                                        {.kind = MAPPING_REPLACE, .text = " ", .with = "_"}, {.kind = MAPPING_UPPER})};
    assert_string_equal(value_of(&field, "x / GB /y"), "UNITED_KINGDOM");
    assert_string_equal(value_of(&field, "x"), "UNITED_KINGDOM");
    assert_string_equal(value_of(&field, "x/fr"), "!3 not in the lookup: is none of the lookup's values");
    assert_string_equal(
        value_of(FIELD(.type = MAPPING_NUMBER, STEPS({.kind = MAPPING_REPLACE, .text = ",", .with = "."})), "3,5"), "3.5");
    assert_string_equal(
        value_of(FIELD(.type = MAPPING_EMAIL, STEPS({.kind = MAPPING_TRIM}, {.kind = MAPPING_LOWER})), " A@B.DE "), "a@b.de");
}

/* ---- the embedding's functions ---- */

static enum mapping_called embedding(void *arg, long function, const struct csv_row *row, struct csv_slice value,
                                     struct mapping_arena *arena, struct csv_slice *result, struct err *err)
{
    const char *kept;
    int *calls = arg;
    (*calls)++;
    assert_int_equal(row->line, 7);
    switch (function) {
    case 1:
        return MAPPING_CALL_SAME;
    case 2: /* the value between brackets */
        kept = mapping_arena_keep(arena, "[", 1);
        char *room = mapping_arena_room(arena, value.len + 2);
        assert_true(kept && room);
        snprintf(room, value.len + 2, "%s%.*s", kept, (int)value.len, value.data);
        *result = (struct csv_slice){room, value.len + 1};
        return MAPPING_CALL_VALUE;
    case 3:
        return MAPPING_CALL_SKIPS;
    case 4:
        return MAPPING_CALL_REFUSES;
    case 5:
        *result = (struct csv_slice){"is not of this world", 20};
        return MAPPING_CALL_REFUSES;
    case 6:
        kept = "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4";
        room = mapping_arena_room(arena, 400);
        for (size_t i = 0; i < 400; i += 20)
            memcpy(room + i, kept, 20);
        *result = (struct csv_slice){room, 400};
        return MAPPING_CALL_REFUSES;
    default:
        err_set(err, "ScriptError", "raised");
        return MAPPING_CALL_FAILED;
    }
}

static const char *with_function(long function, bool required, const char *cell)
{
    struct mapping_field field = {
        .key = "k",
        .columns = LIST("c"),
        .required = required,
        STEPS({.kind = MAPPING_CALL, .number = function}, {.kind = MAPPING_DEFAULT, .text = "later"})};
    struct csv_slice cells[CELLS_MOST] = {[2] = {cell, strlen(cell)}};
    struct csv_row row = row_of(cells, CELLS_MOST);
    struct mapping_arena arena = {0};
    int calls = 0;
    struct mapping *mapping = bound(&field, 1, embedding, &calls);
    assert_true(mapping_calls(mapping));
    const char *seen = told(mapping, &arena, &row);
    assert_int_equal(calls, 1);
    mapping_free(mapping);
    mapping_arena_free(&arena);
    return seen;
}

static void a_function_of_the_embedding_is_a_step(void **state)
{
    (void)state;
    assert_string_equal(with_function(1, false, "x"), "=x");
    assert_string_equal(with_function(1, false, ""), "later");
    assert_string_equal(with_function(2, false, "x"), "[x");
    assert_string_equal(with_function(2, false, ""), "[");
    assert_string_equal(with_function(3, false, "x"), "");
    assert_string_equal(with_function(3, true, "x"), "");
    assert_string_equal(with_function(3, true, ""), "=");
    assert_string_equal(with_function(4, false, "x"), "!3 refused by a function: is refused by the mapping");
    assert_string_equal(with_function(5, false, "x"), "!3 refused by a function: is not of this world");
    assert_string_equal(with_function(7, false, "x"), "FAILED: raised");
    const char *cut = with_function(6, false, "x");
    assert_string_equal(cut + strlen(cut) - 2, "\xC3\xA4");
}

/* ---- memory ---- */

static void values_of_several_fields_stay_until_the_arena_is_reset(void **state)
{
    (void)state;
    enum { FIELDS = 40 };
    struct mapping_field fields[FIELDS];
    struct csv_slice cells[CELLS_MOST], values[FIELDS];
    struct mapping_arena arena = {0};
    struct mapping_fault fault;
    struct err err;
    char cell[301];
    memset(cell, 'a', 300);
    cell[300] = '\0';
    struct mapping_field field = {
        .key = "k", .columns = LIST("c", "a"), .separator = "-", .max_length = 1000, STEPS({.kind = MAPPING_UPPER})};
    for (size_t i = 0; i < FIELDS; i++)
        fields[i] = field;
    struct mapping *mapping = bound(fields, FIELDS, NULL, NULL);
    assert_int_equal(mapping_count(mapping), FIELDS);
    struct csv_row row = header_row(cells);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < FIELDS; i++) {
            cells[2] = (struct csv_slice){cell, 300 - i};
            assert_int_equal(mapping_value(mapping, &arena, i, &row, &values[i], &fault, &err), MAPPING_CHANGED);
        }
        for (size_t i = 0; i < FIELDS; i++) {
            assert_int_equal(values[i].len, 302 - i);
            assert_memory_equal(values[i].data + values[i].len - 4, "AA-A", 4);
        }
        mapping_arena_reset(&arena);
    }
    mapping_free(mapping);
    mapping_arena_free(&arena);
}

/* Bytes; 0 under a sanitizer. */
static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.hblkhd + info.uordblks;
}

static void an_arena_keeps_what_it_was_given_and_no_huge_block(void **state)
{
    (void)state;
    struct mapping_arena arena = {0};
    char *huge = mapping_arena_room(&arena, (size_t)5 << 20), *small = mapping_arena_keep(&arena, "abc", 3);
    assert_true(huge && small);
    memset(huge, 1, (size_t)5 << 20);
    assert_string_equal(small, "abc");
    assert_int_equal((uintptr_t)small % _Alignof(max_align_t), 0);
    size_t during = allocated();
    mapping_arena_reset(&arena);
    assert_true(during == 0 || allocated() < during - ((size_t)5 << 20) + 1);
    assert_non_null(mapping_arena_room(&arena, (size_t)5 << 20));
    mapping_arena_free(&arena);
    assert_non_null(mapping_arena_room(&arena, (size_t)5 << 20));
    during = allocated();
    mapping_arena_reset(&arena);
    assert_true(during == 0 || allocated() < during);
    char *again = mapping_arena_room(&arena, 100), *behind = mapping_arena_room(&arena, 100);
    mapping_arena_trim(&arena, behind, 10);
    char *after = mapping_arena_room(&arena, 10);
    assert_true(after > behind && after <= behind + 32 && again);
    assert_null(mapping_arena_room(&arena, SIZE_MAX));
    assert_null(mapping_arena_keep(&arena, "", SIZE_MAX));
    mapping_arena_free(&arena);
    assert_non_null(mapping_arena_room(&arena, 1));
    mapping_arena_free(&arena);
}

/* ---- what it is made of ---- */

static void a_column_that_is_not_there_is_named_with_the_nearest(void **state)
{
    (void)state;
    struct mapping_field field = {.key = "k", .columns = LIST("E-mial")};
    struct csv_slice cells[] = {{"Name", 4}, {"E-mail", 6}, {"Name", 4}};
    struct csv_row header = row_of(cells, 3);
    struct err err;
    err_clear(&err);
    struct mapping *mapping = mapping_new(&field, 1, NULL, NULL, &err);
    assert_false(mapping_bind(mapping, &header, &err));
    assert_true(err_is(&err, ERR_INVALID_FILE));
    assert_string_equal(err.message, "the column \"E-mial\" is not in the header (did you mean \"E-mail\"?)");
    assert_int_equal(err.line, 7);
    mapping_free(mapping);
    field.columns = LIST("Surname of the person");
    mapping = mapping_new(&field, 1, NULL, NULL, &err);
    assert_false(mapping_bind(mapping, &header, &err));
    assert_string_equal(err.message, "the column \"Surname of the person\" is not in the header");
    mapping_free(mapping);
    field.columns = LIST("Name");
    mapping = mapping_new(&field, 1, NULL, NULL, &err);
    assert_false(mapping_bind(mapping, &header, &err));
    assert_string_equal(err.message, "the column \"Name\" occurs twice in the header (cells 1 and 3): rename or remove one");
    mapping_free(mapping);
}

static void a_mapping_is_bound_to_one_file_after_the_other(void **state)
{
    (void)state;
    struct mapping_field field = {.key = "k", .target = "Attributes.x", .columns = LIST("c", "a"), .separator = "-"};
    struct mapping *mapping = bound(&field, 1, NULL, NULL);
    struct csv_slice cells[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    struct csv_row header = row_of(cells, 3);
    struct mapping_arena arena = {0};
    struct err err;
    size_t count;
    assert_true(mapping_bind(mapping, &header, &err));
    cells[0] = (struct csv_slice){"c", 1};
    cells[2] = (struct csv_slice){"a", 1};
    assert_true(mapping_bind(mapping, &header, &err));
    const size_t *columns = mapping_columns(mapping, 0, &count);
    assert_true(count == 2 && columns[0] == 0 && columns[1] == 2);
    cells[0].data = "1";
    cells[2].data = "3";
    assert_string_equal(told(mapping, &arena, &header), "1-3");
    assert_string_equal(mapping_field_at(mapping, 0)->target, "Attributes.x");
    assert_int_equal(mapping_field_at(mapping, 0)->max_length, MAPPING_MAX_LENGTH_DEFAULT);
    mapping_free(mapping);
    mapping_arena_free(&arena);
}

static void a_step_that_cannot_be_done_is_refused(void **state)
{
    (void)state;
    static const struct mapping_pair twice[] = {{"a", "1"}, {"b", "2"}, {"a", "3"}}, same[] = {{"a", "1"}, {"a", "1"}};
    static const struct {
        struct mapping_step step;
        const char *message;
    } samples[] = {
        {{.kind = MAPPING_REPLACE, .with = "x"}, "replace: what is to be replaced is empty"},
        {{.kind = MAPPING_SPLIT, .number = 1}, "split: the separator is empty"},
        {{.kind = MAPPING_SPLIT, .text = ","}, "split: parts are counted from 1, or from -1 at the end: there is no part 0"},
        {{.kind = MAPPING_LOOKUP, .pairs = twice, .pair_count = 3}, "in the lookup, \"a\" stands for both \"1\" and \"3\""},
        {{.kind = MAPPING_DATE}, "a date needs a format, such as \"DD.MM.YYYY\""},
        {{.kind = MAPPING_STEPS}, "a step of a mapping is of no kind"},
    };
    struct err err;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        err_clear(&err);
        assert_false(mapping_step_check(&samples[i].step, &err));
        assert_string_equal(err.message, samples[i].message);
        struct mapping_field field = {.key = "k", .columns = LIST("c"), .steps = &samples[i].step, .step_count = 1};
        assert_null(mapping_new(&field, 1, embedding, NULL, &err));
    }
    assert_true(mapping_step_check(&(struct mapping_step){.kind = MAPPING_LOOKUP, .pairs = same, .pair_count = 2}, &err));
    assert_true(mapping_step_check(&(struct mapping_step){.kind = MAPPING_TITLE}, &err));
    struct mapping_field call = {.key = "k", .columns = LIST("c"), STEPS({.kind = MAPPING_CALL})};
    assert_null(mapping_new(&call, 1, NULL, NULL, &err));
    assert_true(err_is(&err, ERR_USAGE));
}

static void a_field_of_nothing_is_refused(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    assert_null(mapping_new(FIELD(.key = "k"), 1, NULL, NULL, &err));
    assert_string_equal(err.message, "the field \"k\" has neither a column nor a constant");
    assert_null(mapping_new(FIELD(.key = "k", .columns = LIST("a"), .constant = "x"), 1, NULL, NULL, &err));
    assert_string_equal(err.message, "the field \"k\" has both columns and a constant: which is it?");
}

struct reading {
    const struct mapping *mapping;
    size_t good;
};

static void *read_rows(void *arg)
{
    struct reading *reading = arg;
    struct mapping_arena arena = {0};
    for (int i = 0; i < 5000; i++) {
        char cell[32], expected[32];
        snprintf(cell, sizeof cell, "%d.%d.%d \xC3\x84", 1 + i % 28, 1 + i % 12, 1900 + i % 100);
        snprintf(expected, sizeof expected, "%04d-%02d-%02d|\xC3\xA4", 1900 + i % 100, 1 + i % 12, 1 + i % 28);
        struct csv_slice cells[] = {{"a", 1}, {"b", 1}, {cell, strlen(cell)}}, value;
        struct csv_row row = row_of(cells, 3);
        struct mapping_fault fault;
        struct err err;
        char seen[32] = "";
        for (size_t j = 0; j < 2; j++)
            if (mapping_value(reading->mapping, &arena, j, &row, &value, &fault, &err) == MAPPING_CHANGED)
                snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s%.*s", j ? "|" : "", (int)value.len, value.data);
        reading->good += strcmp(seen, expected) == 0;
        mapping_arena_reset(&arena);
    }
    mapping_arena_free(&arena);
    return NULL;
}

static void threads_share_a_mapping(void **state)
{
    (void)state;
    struct mapping_field fields[] = {
        {.key = "k",
         .columns = LIST("c"),
         STEPS({.kind = MAPPING_SPLIT, .text = " ", .number = 1},
               {.kind = MAPPING_DATE, .list = LIST("YYYY-MM-DD", "D.M.YYYY")})},
        {.key = "l", .columns = LIST("c"), STEPS({.kind = MAPPING_SPLIT, .text = " ", .number = -1}, {.kind = MAPPING_LOWER})}};
    struct mapping *mapping = bound(fields, 2, NULL, NULL);
    struct reading readings[4];
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        readings[i] = (struct reading){mapping, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, read_rows, &readings[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readings[i].good, 5000);
    }
    mapping_free(mapping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_step_changes_is_the_cell_itself),
        cmocka_unit_test(a_huge_value_passes_every_step),
        cmocka_unit_test(several_columns_are_joined_without_the_empty_ones),
        cmocka_unit_test(a_key_of_several_columns_has_none_that_is_empty),
        cmocka_unit_test(a_constant_needs_no_column),
        cmocka_unit_test(a_cell_that_the_row_does_not_have_is_empty),
        cmocka_unit_test(steps_follow_one_another),
        cmocka_unit_test(a_function_of_the_embedding_is_a_step),
        cmocka_unit_test(values_of_several_fields_stay_until_the_arena_is_reset),
        cmocka_unit_test(an_arena_keeps_what_it_was_given_and_no_huge_block),
        cmocka_unit_test(a_column_that_is_not_there_is_named_with_the_nearest),
        cmocka_unit_test(a_mapping_is_bound_to_one_file_after_the_other),
        cmocka_unit_test(a_step_that_cannot_be_done_is_refused),
        cmocka_unit_test(a_field_of_nothing_is_refused),
        cmocka_unit_test(threads_share_a_mapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
