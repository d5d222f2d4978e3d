/* What is found out of the columns of a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/keyhash.h"
#include "core/survey.h"

#define KIND(name)  (1u << SURVEY_##name)

/* ---- one value ---- */

static struct survey_look *look;

static int make_look(void **state)
{
    struct err err;
    (void)state;
    err_clear(&err);
    look = survey_look_new(&err);
    return look ? 0 : -1;
}

static int free_look(void **state)
{
    (void)state;
    survey_look_free(look);
    return 0;
}

static struct survey_value look_at(const char *text)
{
    struct survey_value value;
    if (!survey_look_at(look, (struct csv_slice){text, strlen(text)}, &value))
        value.kinds = UINT32_MAX;
    return value;
}

static void a_value_is_of_the_kinds_that_it_looks_like(void **state)
{
    static const struct {
        const char *text;
        uint32_t kinds;
    } cases[] = {
        {"ann@example.com", KIND(EMAIL)},
        {"ann@", 0},
        {"@ann", 0},
        {"1958-10-13", KIND(DATE)},
        {"13.10.1958", KIND(DATE)},
        {"3/4/58", KIND(DATE)},
        {"31 Dec 2024", KIND(DATE)},
        {"1. Mai 2024", KIND(DATE)},
        {"12 de mar\xC3\xA7o de 2024", KIND(DATE)},
        {"Jan 5, 2024", KIND(DATE)},
        {"5-Jan-24", KIND(DATE)},
        {"2024/1/5", KIND(DATE)},
        {"2024-01-31T10:00:00Z", KIND(DATE)},
        {"1.2.2024 9:05", KIND(DATE)},
        {"12/31/2024 23:59", KIND(DATE)},
        {"120 High St", 0},
        {"20240131", KIND(DATE) | KIND(NUMBER)},
        {"32.10.1958", KIND(PHONE)},
        {"202-224-3441", KIND(PHONE)},
        {"(202) 224-3441", KIND(PHONE)},
        {"+49 0711 2842222", KIND(PHONE)},
        {"0171/1234567", KIND(PHONE)},
        {"01711234567", KIND(PHONE) | KIND(NUMBER)},
        {"1711234567", KIND(NUMBER)},
        {"12345", KIND(NUMBER)},
        {"-86.840631", KIND(NUMBER)},
        {"34.", 0},
        {"1,50", 0},
        {"O'Hara-Smith", KIND(NAME)},
        {"\xC3\x96lsen", KIND(NAME)},
        {"ann", 0},
        {"A. Smith 3rd", 0},
        {"4.4E+11", 0},
        {"#N/A", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct survey_value value = look_at(cases[i].text);
        if (value.kinds != cases[i].kinds)
            fail_msg("%s: kinds %x, expected %x", cases[i].text, value.kinds, cases[i].kinds);
    }
}

/* Every format reads a date that is written by it, and is counted for it. */
static void no_format_is_left_out(void **state)
{
    static const char *const written[] = {
        "1958-10-13", "1958-10-13T01:02:03", "1958-10-13T01:02:03Z", "1958-10-13 01:02:03", "1958-10-13 01:02", "1958/3/4",
        "1958.3.4", "19581013", "3.4.1958", "3.4.58", "3.4.1958 1:02", "3/4/1958", "3/4/1958", "3/4/58", "3/4/58",
        "3/4/1958 1:02", "3/4/1958 1:02", "3-4-1958", "3-4-1958", "3-4-58", "3-4-58", "3 Mar 1958", "3. Mar 1958",
        "3-Mar-1958", "3-Mar-58", "March 3, 1958", "March 3 1958", "3 de marzo de 1958",
    };
    (void)state;
    for (size_t i = 0; survey_date_formats[i]; i++) {
        assert_true(i < sizeof written / sizeof written[0]);
        if (!(look_at(written[i]).dates & 1u << i))
            fail_msg("%s is not read as %s", written[i], survey_date_formats[i]);
    }
}

static void a_value_has_what_is_about_it(void **state)
{
    static const struct {
        const char *text;
        uint32_t with, without; /* traits */
    } cases[] = {
        {"07001", KIND(LEADING_ZERO) | KIND(INTEGER), KIND(DIGITS)},
        {"0", KIND(INTEGER), KIND(LEADING_ZERO)},
        {"0.5", KIND(DECIMAL), KIND(LEADING_ZERO)},
        {"1.234,50", KIND(DECIMAL_COMMA), KIND(DECIMAL)},
        {"1,234.50", 0, KIND(DECIMAL_COMMA) | KIND(DECIMAL)},
        {" x", KIND(SPACES), 0},
        {"x\xC2\xA0", KIND(SPACES), 0},
        {"x y", 0, KIND(SPACES)},
        {"4.4E+11", KIND(DAMAGE), 0},
        {"#REF!", KIND(DAMAGE), 0},
        {"#1", 0, KIND(DAMAGE)},
        {"+442071838750", KIND(INTERNATIONAL), KIND(DIGITS) | KIND(NORTH_AMERICAN)},
        {"202.224.3441", KIND(NORTH_AMERICAN), KIND(INTERNATIONAL)},
        {"2022243441", KIND(DIGITS), KIND(NORTH_AMERICAN)},
        {"https://example.com/a", KIND(URL), 0},
        {"\xE9t\xE9", KIND(NOT_UTF8), 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t traits = look_at(cases[i].text).traits;
        if ((traits & cases[i].with) != cases[i].with || (traits & cases[i].without) != 0)
            fail_msg("%s: traits %x", cases[i].text, traits);
    }
}

static void a_blank_cell_is_no_value(void **state)
{
    (void)state;
    assert_int_equal(look_at(" \t\xC2\xA0").kinds, UINT32_MAX);
}

static void length_is_counted_in_characters(void **state)
{
    char text[2 * 256 + 1] = "";
    (void)state;
    for (int i = 0; i < 255; i++)
        memcpy(text + 2 * i, "\xC3\xA9", 3);
    assert_int_equal(look_at(text).chars, 255);
    assert_false(look_at(text).traits & KIND(LONG));
    memcpy(text + 2 * 255, "\xC3\xA9", 3);
    assert_true(look_at(text).traits & KIND(LONG));
}

/* ---- what is unique ---- */

/* `count` values, of which number `repeats` (from 0) is the same as number `first`. */
static struct unique_counts measure(struct unique_budget budget, long count, long first, long repeats)
{
    struct err err;
    struct keyhash hash = {{1, 2}};
    bool more = true;
    err_clear(&err);
    struct unique *unique = unique_new(&budget, &err);
    assert_non_null(unique);
    for (long i = 0; i < count; i++) {
        long number = i == repeats ? first : i;
        uint64_t key[2];
        keyhash_of(&hash, &number, sizeof number, key);
        assert_true(unique_add(unique, key, i + 2, &err));
    }
    while (more)
        assert_true(unique_step(unique, &more, &err));
    struct unique_counts counts = *unique_counts(unique);
    unique_free(unique);
    return counts;
}

static const struct unique_budget small = {.table_limit = 256, .sorts = 1, .sort_memory = 4096};

static void a_repetition_is_found_wherever_it_stands(void **state)
{
    static const struct {
        long first, repeats;
    } cases[] = {{0, 1}, {0, 150}, {0, 9999}, {5000, 9999}, {191, 192}, {9998, 9999}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct unique_counts counts = measure(small, 10000, cases[i].first, cases[i].repeats);
        assert_int_equal(counts.state, UNIQUE_MEASURED);
        assert_int_equal(counts.repeated, 1);
        assert_int_equal(counts.first, cases[i].first + 2);
        assert_int_equal(counts.repeats, cases[i].repeats + 2);
    }
}

static void unique_values_are_said_to_be_unique(void **state)
{
    (void)state;
    struct unique_counts counts = measure(small, 10000, -1, -1);
    assert_int_equal(counts.state, UNIQUE_MEASURED);
    assert_int_equal(counts.values, 10000);
    assert_int_equal(counts.repeated, 0);
}

static void what_could_not_be_sorted_is_not_said_to_be_unique(void **state)
{
    struct unique_budget none = small;
    (void)state;
    none.sorts = 0;
    assert_int_equal(measure(none, 10000, -1, -1).state, UNIQUE_UNMEASURED);
}

/* ---- a file ---- */

static char path[64];

static const struct survey_result *survey_text(struct survey **survey, const char *text, size_t len)
{
    struct err err;
    err_clear(&err);
    strcpy(path, "/tmp/upjob-survey-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, len) == (ssize_t)len);
    close(fd);
    *survey = survey_new(&(struct survey_options){.path = path}, &err);
    assert_non_null(*survey);
    while (survey_slice(*survey))
        ;
    unlink(path);
    return survey_result(*survey);
}

static void counts_and_misfits_are_of_the_right_column_and_line(void **state)
{
    static const char text[] = "id,mail\r\n1,a@b.co\r\n2,\"n/a\r\nnone\"\r\n3,\r\n4, c@d.co \r\n5,nobody\r\n";
    struct survey *survey;
    (void)state;
    const struct survey_result *result = survey_text(&survey, text, sizeof text - 1);
    assert_false(result->failed);
    assert_int_equal(result->rows, 5);
    assert_int_equal(result->column_count, 2);
    const struct survey_column *mail = &result->columns[1];
    assert_string_equal(mail->name, "mail");
    assert_int_equal(mail->filled, 4);
    assert_int_equal(mail->first_empty, 5);
    assert_int_equal(mail->kinds[SURVEY_EMAIL], 2);
    assert_int_equal(mail->traits[SURVEY_SPACES], 1);
    assert_int_equal(mail->trait_lines[SURVEY_SPACES], 6);
    assert_int_equal(mail->misfits[SURVEY_EMAIL][0].line, 3);
    assert_int_equal(mail->misfits[SURVEY_EMAIL][1].line, 7);
    assert_memory_equal(mail->misfits[SURVEY_EMAIL][1].bytes, "nobody", 6);
    assert_int_equal(mail->misfits[SURVEY_EMAIL][2].line, 0);
    assert_int_equal(result->columns[0].unique.repeated, 0);
    assert_int_equal(result->pair_count, 0);
    survey_free(survey);
}

static void two_columns_that_are_unique_together_are_found(void **state)
{
    char text[4096] = "shop,receipt,same\n";
    struct survey *survey;
    (void)state;
    for (int i = 0; i < 100; i++)
        sprintf(text + strlen(text), "%d,%d,x\n", i / 10, i % 10);
    const struct survey_result *result = survey_text(&survey, text, strlen(text));
    assert_false(result->failed);
    assert_int_equal(result->pair_count, 1);
    assert_int_equal(result->pairs[0].columns[0], 0);
    assert_int_equal(result->pairs[0].columns[1], 1);
    assert_int_equal(result->pairs[0].unique.state, UNIQUE_MEASURED);
    assert_int_equal(result->pairs[0].unique.repeated, 0);
    survey_free(survey);
}

static void a_line_that_names_the_delimiter_is_no_header(void **state)
{
    static const char text[] = "\xEF\xBB\xBFsep=;\na;b\n1;2\n";
    struct survey *survey;
    (void)state;
    const struct survey_result *result = survey_text(&survey, text, sizeof text - 1);
    assert_false(result->failed);
    assert_int_equal(result->delimiter, ';');
    assert_int_equal(result->column_count, 2);
    assert_string_equal(result->columns[0].name, "a");
    assert_int_equal(result->columns[0].misfits[SURVEY_EMAIL][0].line, 3);
    survey_free(survey);
}

static void rows_that_cannot_be_read_or_are_ragged_are_counted(void **state)
{
    static const char text[] = "a,b\n1,2\n3\n\"4\" x\",5\n6,7,8\n";
    struct survey *survey;
    (void)state;
    const struct survey_result *result = survey_text(&survey, text, sizeof text - 1);
    assert_false(result->failed);
    assert_int_equal(result->rows + result->unreadable, 4);
    assert_int_equal(result->ragged, 2);
    assert_int_equal(result->columns[1].filled, 2 + (result->unreadable == 0));
    survey_free(survey);
}

static void what_a_spreadsheet_leaves_empty_is_no_row(void **state)
{
    static const char text[] = "a,b,\n1,2,\n3,4,\n,,\n, ,\n";
    struct survey *survey;
    (void)state;
    const struct survey_result *result = survey_text(&survey, text, sizeof text - 1);
    assert_false(result->failed);
    assert_int_equal(result->rows, 2);
    assert_int_equal(result->blank, 2);
    assert_int_equal(result->columns[0].first_empty, 0);
    survey_free(survey);
}

static void a_file_that_is_not_there_fails_with_its_name(void **state)
{
    struct err err;
    (void)state;
    err_clear(&err);
    struct survey *survey = survey_new(&(struct survey_options){.path = "/nowhere/x.csv"}, &err);
    assert_non_null(survey);
    while (survey_slice(survey))
        ;
    const struct survey_result *result = survey_result(survey);
    assert_true(result->failed);
    assert_string_equal(result->err.code, ERR_FILE);
    assert_string_equal(result->err.file, "/nowhere/x.csv");
    survey_free(survey);
}

static void distinct_values_are_estimated_well_enough(void **state)
{
    size_t size = 1 << 20, len = 0;
    char *text = malloc(size);
    struct survey *survey;
    (void)state;
    assert_non_null(text);
    len += (size_t)sprintf(text, "n\n");
    for (int i = 0; i < 40000; i++)
        len += (size_t)sprintf(text + len, "%d\n", i % 5000);
    const struct survey_result *result = survey_text(&survey, text, len);
    assert_false(result->failed);
    assert_in_range(result->columns[0].distinct, 4400, 5600);
    survey_free(survey);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_of_the_kinds_that_it_looks_like),
        cmocka_unit_test(no_format_is_left_out),
        cmocka_unit_test(a_value_has_what_is_about_it),
        cmocka_unit_test(a_blank_cell_is_no_value),
        cmocka_unit_test(length_is_counted_in_characters),
        cmocka_unit_test(a_repetition_is_found_wherever_it_stands),
        cmocka_unit_test(unique_values_are_said_to_be_unique),
        cmocka_unit_test(what_could_not_be_sorted_is_not_said_to_be_unique),
        cmocka_unit_test(counts_and_misfits_are_of_the_right_column_and_line),
        cmocka_unit_test(two_columns_that_are_unique_together_are_found),
        cmocka_unit_test(a_line_that_names_the_delimiter_is_no_header),
        cmocka_unit_test(rows_that_cannot_be_read_or_are_ragged_are_counted),
        cmocka_unit_test(what_a_spreadsheet_leaves_empty_is_no_row),
        cmocka_unit_test(a_file_that_is_not_there_fails_with_its_name),
        cmocka_unit_test(distinct_values_are_estimated_well_enough),
    };
    return cmocka_run_group_tests(tests, make_look, free_look);
}
