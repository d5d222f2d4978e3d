/* Rows that a check keeps to be shown: which, with what, and that those of a long file end it early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checking.h"

static const struct mapping_step lower[] = {{.kind = MAPPING_LOWER}};
static const char *const both_columns[] = {"Id", "Email", NULL};
static const struct mapping_field fields[] = {
    {.key = "id", .target = "Attributes.id", .columns = id_column, .is_key = true},
    {.key = "email",
     .target = "EmailAddress",
     .type = MAPPING_EMAIL,
     .columns = email_column,
     .steps = lower,
     .step_count = 1},
    {.key = "note", .target = "Attributes.note", .columns = note_column, .max_length = 3},
};

static struct check_options shows(size_t count)
{
    static struct mapping *mapping;
    if (!mapping)
        mapping = mapping_of(fields, 3);
    return (struct check_options){.path = input, .plan = {.mapping = mapping, .shown = count}};
}

static struct check *run_shown(struct check_options options, const char *data)
{
    write_input(data, strlen(data));
    struct check *check = run(&options);
    assert_false(check_result(check)->fatal);
    return check;
}

static const struct check_shown_row *row_at(struct check *check, enum check_fate fate, size_t i)
{
    const struct check_shown_row *rows;
    assert_true(check_shown_rows(check, fate, &rows) > i);
    return &rows[i];
}

#define ROWS "Id,Email,Note\n1,a@b.cc,x\n2,A@B.CC,x\n3,nothing,x\n4,x\n5,B@B.CC,x\n"

static void rows_are_kept_by_what_becomes_of_them(void **state)
{
    (void)state;
    struct check *check = run_shown(shows(5), ROWS);
    assert_int_equal(row_at(check, CHECK_SENT, 0)->line, 2);
    assert_int_equal(row_at(check, CHECK_CHANGED, 0)->line, 3);
    assert_int_equal(row_at(check, CHECK_CHANGED, 1)->line, 6);
    assert_int_equal(row_at(check, CHECK_REJECTED, 0)->line, 4);
    assert_int_equal(row_at(check, CHECK_REJECTED, 1)->line, 5);
    check_free(check);
}

static void a_row_has_its_values_before_and_after(void **state)
{
    (void)state;
    struct check *check = run_shown(shows(5), ROWS);
    const struct check_shown_row *row = row_at(check, CHECK_CHANGED, 0);
    assert_int_equal(row->value_count, 3);
    assert_int_equal(row->values[0].kind, MAPPING_SAME);
    assert_string_equal(row->values[0].value, "2");
    assert_int_equal(row->values[1].kind, MAPPING_CHANGED);
    assert_int_equal(row->values[1].cell_count, 1);
    assert_string_equal(row->values[1].cells[0], "A@B.CC");
    assert_string_equal(row->values[1].value, "a@b.cc");
    assert_string_equal(row->reasons, "");
    check_free(check);
}

static void a_row_in_error_says_why_and_has_no_value_for_it(void **state)
{
    (void)state;
    struct check *check = run_shown(shows(5), ROWS);
    const struct check_shown_row *row = row_at(check, CHECK_REJECTED, 0);
    assert_int_equal(row->values[1].kind, MAPPING_INVALID);
    assert_false(row->values[1].blanked);
    assert_string_equal(row->values[1].cells[0], "nothing");
    assert_string_equal(row->values[1].value, "");
    assert_string_equal(row->values[1].reason, "is not an e-mail address: it has no @");
    assert_string_equal(row->reasons, "column \"Email\" (2): is not an e-mail address: it has no @");
    check_free(check);
}

static void of_a_ragged_row_no_values_are_kept(void **state)
{
    (void)state;
    struct check *check = run_shown(shows(5), ROWS);
    const struct check_shown_row *row = row_at(check, CHECK_REJECTED, 1);
    assert_int_equal(row->value_count, 0);
    assert_string_equal(row->reasons, "the row has 2 cells, the header has 3");
    check_free(check);
}

static void a_value_that_is_blanked_makes_its_row_a_changed_one(void **state)
{
    (void)state;
    struct check_options options = shows(5);
    options.plan.on_invalid = MAPPING_BLANK;
    struct check *check = run_shown(options, "Id,Email,Note\n1,a@b.cc,four\n");
    const struct check_shown_row *row = row_at(check, CHECK_CHANGED, 0);
    assert_true(row->values[2].blanked);
    assert_string_equal(row->values[2].value, "");
    check_free(check);
}

static void only_so_many_of_each_are_kept(void **state)
{
    (void)state;
    const struct check_shown_row *rows;
    struct check *check = run_shown(shows(1), ROWS);
    assert_int_equal(check_shown_rows(check, CHECK_CHANGED, &rows), 1);
    assert_int_equal(rows[0].line, 3);
    assert_int_equal(check_result(check)->rows, 5);
    check_free(check);
    check = run_shown(shows(0), ROWS);
    assert_int_equal(check_shown_rows(check, CHECK_CHANGED, &rows), 0);
    check_free(check);
}

static void values_of_columns_that_are_joined_are_kept_one_by_one(void **state)
{
    (void)state;
    const struct mapping_field joined[] = {
        fields[0], {.key = "both", .target = "Attributes.both", .columns = both_columns, .separator = "-"}};
    struct check_options options = shows(1);
    options.plan.mapping = mapping_of(joined, 2);
    struct check *check = run_shown(options, "Id,Email\n1,x\n");
    const struct check_shown_row *row = row_at(check, CHECK_CHANGED, 0);
    assert_int_equal(row->values[1].cell_count, 2);
    assert_string_equal(row->values[1].cells[1], "x");
    assert_string_equal(row->values[1].value, "1-x");
    check_free(check);
}

static void a_value_that_is_very_long_is_cut(void **state)
{
    (void)state;
    char data[8192] = "Id,Email,Note\n1,a@b.cc,";
    memset(data + strlen(data), 'x', 5000);
    strcat(data, "\n");
    struct check *check = run_shown(shows(1), data);
    size_t len = strlen(row_at(check, CHECK_REJECTED, 0)->values[2].cells[0]);
    assert_true(len >= 255 && len < 5000);
    check_free(check);
}

static void the_first_rows_are_enough_when_only_they_are_asked_for(void **state)
{
    (void)state;
    struct check_options options = shows(5);
    options.plan.max_rows = 2;
    struct check *check = run_shown(options, ROWS);
    const struct check_result *result = check_result(check);
    assert_true(result->in_part);
    assert_int_equal(result->rows, 2);
    assert_int_equal(result->outgoing_fd, -1);
    assert_string_equal(result->md5, "");
    check_free(check);
    options.plan.max_rows = 100;
    check = run_shown(options, ROWS);
    assert_false(check_result(check)->in_part);
    assert_int_equal(check_result(check)->rows, 5);
    check_free(check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_kept_by_what_becomes_of_them),
        cmocka_unit_test(a_row_has_its_values_before_and_after),
        cmocka_unit_test(a_row_in_error_says_why_and_has_no_value_for_it),
        cmocka_unit_test(of_a_ragged_row_no_values_are_kept),
        cmocka_unit_test(a_value_that_is_blanked_makes_its_row_a_changed_one),
        cmocka_unit_test(only_so_many_of_each_are_kept),
        cmocka_unit_test(values_of_columns_that_are_joined_are_kept_one_by_one),
        cmocka_unit_test(a_value_that_is_very_long_is_cut),
        cmocka_unit_test(the_first_rows_are_enough_when_only_they_are_asked_for),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
