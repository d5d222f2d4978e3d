/* The step e164: what is made of it, and what is said where it cannot be made. */
#include "core/module.h"
#include "tests/c/mapping_values.h"
#include "tests/c/program.h"

#define E164(region_) STEPS({.kind = MAPPING_TRIM}, {.kind = MAPPING_E164, .text = region_})

static void nothing_is_made_of_e164_without_its_rules(void **state)
{
    (void)state;
    struct mapping_field field = {.key = "k", .columns = LIST("c"), E164("GB")};
    struct err err;
    err_clear(&err);
    struct mapping *mapping = mapping_new(&field, 1, NULL, NULL, &err);
    if (!mapping) {
        assert_string_equal(err.code, ERR_CONFIG);
        assert_true(err.message[0]);
    }
    mapping_free(mapping);
}

static bool has_module(void)
{
    struct err err;
    err_clear(&err);
    struct mapping *mapping = mapping_new(FIELD(.key = "k", .columns = LIST("c"), E164("GB")), 1, NULL, NULL, &err);
    if (!mapping)
        print_message("phone numbers are not tested: %s\n", err.message);
    mapping_free(mapping);
    return mapping;
}

static int find_module(void **state)
{
    (void)state;
    module_set_program(program());
    return 0;
}

static void a_number_becomes_e164_or_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"", "="},
        {"07400 123456", "+447400123456"},
        {" +44 (0)20 7946 0018 ", "+442079460018"},
        {"+447400123456", "=+447400123456"},
        {"07700 90O123", "!3 not a phone number: is not a phone number in region GB: it contains the letter O"},
    };
    if (!has_module())
        return;
    check_samples((FIELD(.type = MAPPING_PHONE, E164("GB"))), samples);
    assert_string_equal(value_of(FIELD(.type = MAPPING_PHONE, E164(NULL)), "+1 415 555 2671"), "+14155552671");
    const char *damage = "!3 damaged by a spreadsheet: was written by a spreadsheet as a power of ten, and has lost digits";
    assert_string_equal(value_of(FIELD(E164("GB")), "4.4E+11"), damage);
    const char *decimals = value_of(FIELD(E164("GB")), "447400123456.0");
    assert_memory_equal(decimals, "!3 damaged by a spreadsheet: ", 29);
}

static void a_region_that_is_none_is_refused(void **state)
{
    (void)state;
    struct err err;
    if (!has_module())
        return;
    err_clear(&err);
    assert_null(mapping_new(FIELD(.key = "k", .columns = LIST("c"), E164("UK")), 1, NULL, NULL, &err));
    assert_string_equal(err.code, ERR_USAGE);
}

static void fields_with_their_own_regions_do_not_mix(void **state)
{
    (void)state;
    if (!has_module())
        return;
    struct mapping_field fields[] = {{.key = "k", .columns = LIST("c"), E164("DE")},
                                     {.key = "l", .columns = LIST("c"), E164("FR")},
                                     {.key = "m", .columns = LIST("c"), E164("DE")}};
    struct csv_slice cells[CELLS_MOST] = {[2] = {"030 123456", 10}}, value;
    struct csv_row row = row_of(cells, CELLS_MOST);
    struct mapping *mapping = bound(fields, 3, NULL, NULL);
    struct mapping_arena arena = {0};
    struct mapping_fault fault;
    struct err err;
    for (size_t i = 0; i < 3; i += 2) {
        assert_int_equal(mapping_value(mapping, &arena, i, &row, &value, &fault, &err), MAPPING_CHANGED);
        assert_memory_equal(value.data, "+4930123456", value.len);
    }
    assert_int_equal(mapping_value(mapping, &arena, 1, &row, &value, &fault, &err), MAPPING_INVALID);
    mapping_free(mapping);
    mapping_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_made_of_e164_without_its_rules),
        cmocka_unit_test(a_number_becomes_e164_or_is_refused_with_its_reason),
        cmocka_unit_test(a_region_that_is_none_is_refused),
        cmocka_unit_test(fields_with_their_own_regions_do_not_mix),
    };
    return cmocka_run_group_tests(tests, find_module, NULL);
}
