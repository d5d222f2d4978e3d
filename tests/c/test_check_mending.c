/* The check before an import: what is sent instead of a file that is not as the service takes it, and what is
 * said of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "core/module.h"
#include "tests/c/checking.h"
#include "tests/c/program.h"

static const char *const name_column[] = {"Name", NULL}, *const dotted_column[] = {"Home.City", NULL};
static const char *const both_columns[] = {"Name", "Id", NULL};
static const struct mapping_step trim[] = {{.kind = MAPPING_TRIM}};
static const struct mapping_step first[] = {{.kind = MAPPING_SPLIT, .text = " ", .number = 1}};
static const struct mapping_step last[] = {{.kind = MAPPING_SPLIT, .text = " ", .number = -1}};

#define ID_FIELD                                                                                             \
    {                                                                                                        \
        .key = "id", .target = "Attributes.id", .columns = id_column, .is_key = true                         \
    }

static struct check_options with(const struct mapping_field *fields, size_t count)
{
    struct check_options options = {.path = input,
                                    .plan = {.mapping = mapping_of(fields, count), .reject = true}};
    return options;
}

/* Runs it, expects what is sent, NULL for the file itself, and gives the check. */
static struct check *expect_sent(const struct check_options *options, const char *sent)
{
    struct check *check = run(options);
    const struct check_result *result = check_result(check);
    char text[1024];
    if (result->fatal)
        fail_msg("%s", err_text(&result->err, text, sizeof text));
    if (!sent) {
        assert_int_equal(result->outgoing_fd, -1);
        assert_false(result->mended);
        return check;
    }
    assert_true(result->outgoing_fd >= 0);
    char *got = read_fd(result->outgoing_fd);
    assert_string_equal(got, sent);
    assert_int_equal(result->outgoing_bytes, strlen(sent));
    free(got);
    return check;
}

static void expect_counted(struct check *check, enum check_class class, uint64_t count)
{
    uint64_t got = check_result(check)->counts[class];
    if (got != count)
        fail_msg("%s: %zu, not %zu", check_class_name(class), (size_t)got, (size_t)count);
}

static void expect_problem(struct check *check, const char *text)
{
    const struct check_result *result = check_result(check);
    char got[1024];
    for (size_t i = 0; i < result->problem_count; i++)
        if (strcmp(check_problem_text(&result->problems[i], "f", true, got, sizeof got), text) == 0)
            return;
    for (size_t i = 0; i < result->problem_count; i++)
        print_message("%s\n", check_problem_text(&result->problems[i], "f", true, got, sizeof got));
    fail_msg("no problem is \"%s\"", text);
}

static void changed_cells_alone_are_written_and_the_rest_is_as_it_was(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {
        ID_FIELD, {.key = "name", .columns = name_column, .steps = trim, .step_count = 1}};
    struct check_options options = with(fields, 2);
    write_input(DATA("Id,Name,X\r\n1,a,\"x\"\r\n\r\n2, b ,\"y,\"\"\"\r\n3,c, z \r\n"));
    struct check *check = expect_sent(&options, "Id,Name,X\r\n1,a,\"x\"\r\n\r\n2,b,\"y,\"\"\"\n3,c, z \r\n");
    assert_int_equal(check_result(check)->changed_rows, 1);
    assert_true(check_result(check)->mended);
    assert_string_equal(check_result(check)->sources[1], "Name");
    check_free(check);
}

static void nothing_changed_sends_the_file_itself(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {
        ID_FIELD, {.key = "name", .columns = name_column, .steps = trim, .step_count = 1}};
    struct check_options options = with(fields, 2);
    write_input(DATA("Id,Name\n1,a\n2,b"));
    check_free(expect_sent(&options, NULL));
}

static void fields_without_a_column_of_their_own_get_one_behind_the_others(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {
        ID_FIELD,
        {.key = "first", .columns = name_column, .steps = first, .step_count = 1},
        {.key = "last", .columns = name_column, .steps = last, .step_count = 1},
        {.key = "full", .columns = name_column},
        {.key = "both.of", .columns = both_columns, .separator = "-"},
        {.key = "last", .constant = "spring, 24"},
    };
    struct check_options options = with(fields, 6);
    write_input(DATA("Id,Name,last\n1,\"Ann \"\"B\"\" Cy\",x\n2,,\n"));
    struct check *check =
        expect_sent(&options, "Id,Name,last,first,last_2,both_of,last_3\n"
                              "1,\"Ann \"\"B\"\" Cy\",x,Ann,Cy,\"Ann \"\"B\"\" Cy-1\",\"spring, 24\"\n"
                              "2,,,,,2,\"spring, 24\"\n");
    static const char *const sources[] = {"Id", "first", "last_2", "Name", "both_of", "last_3"};
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(check_result(check)->sources[i], sources[i]);
    check_free(check);
}

static void a_dot_in_a_mapped_header_is_renamed(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {ID_FIELD, {.key = "city", .columns = dotted_column}};
    struct check_options options = with(fields, 2);
    write_input(DATA("Id,Home.City,Home_City,a.b\n1,x,y,z\n"));
    struct check *check = expect_sent(&options, "Id,Home_City_2,Home_City,a.b\n1,x,y,z\n");
    assert_string_equal(check_result(check)->sources[1], "Home_City_2");
    expect_counted(check, CHECK_DOTTED_HEADER, 1);
    check_free(check);
}

static void rejected_and_changed_rows_in_one_file(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {
        ID_FIELD, {.key = "name", .columns = name_column, .steps = trim, .step_count = 1}};
    struct check_options options = with(fields, 2);
    options.plan.rejects_path = rejects;
    write_input(DATA("Id,Name\n1,a\n2\n3, c\n,d\n5,e\n"));
    struct check *check = expect_sent(&options, "Id,Name\n1,a\n3,c\n5,e\n");
    assert_int_equal(check_result(check)->bad_rows, 2);
    check_free(check);
    char *text = read_path(rejects);
    assert_string_equal(text, "Id,Name,upjob_reason\n2,,\"the row has 1 cell, the header has 2\"\n"
                              ",d,\"column \"\"Id\"\" (1): is empty, and it is the unique key\"\n");
    free(text);
    unlink(rejects);
}

static void invalid_values_are_blanked_when_the_mapping_says_so(void **state)
{
    (void)state;
    static const char *const mail[] = {"Mail", NULL}, *const must[] = {"Must", NULL};
    static const struct mapping_field fields[] = {
        ID_FIELD,
        {.key = "mail", .columns = mail, .type = MAPPING_EMAIL},
        {.key = "again", .columns = mail},
        {.key = "must", .columns = must, .type = MAPPING_NUMBER, .required = true},
    };
    struct check_options options = with(fields, 4);
    options.plan.on_invalid = MAPPING_BLANK;
    write_input(
        DATA("Id,Mail,Must\n1,a@example.com,5\n2,nobody,6\n3,b@example.com,none\n,c@example.com,7\n5\n"));
    struct check *check =
        expect_sent(&options, "Id,Mail,Must,again\n1,a@example.com,5,a@example.com\n2,,6,nobody\n");
    assert_int_equal(check_result(check)->bad_rows, 3);
    assert_int_equal(check_result(check)->blanked, 1);
    expect_counted(check, CHECK_NOT_AN_EMAIL, 1);
    expect_counted(check, CHECK_NOT_A_NUMBER, 1);
    expect_counted(check, CHECK_KEY_EMPTY, 1);
    expect_problem(check, "f:3: column \"Mail\" (2): \"nobody\" is not an e-mail address: it has no @");
    check_free(check);
}

/* Every row that is not what it should be is sent when nothing is to be checked, but the mapping's changes
 * are made. */
static void unchecked_rows_are_sent_as_they_are(void **state)
{
    (void)state;
    static const char *const mail[] = {"Mail", NULL};
    static const struct mapping_field fields[] = {
        ID_FIELD, {.key = "mail", .columns = mail, .type = MAPPING_EMAIL, .steps = trim, .step_count = 1}};
    struct check_options options = with(fields, 2);
    options.plan.no_check = true;
    options.plan.rejects_path = rejects;
    write_input(DATA("Id,Mail\n1, a@example.com\n2,nobody\n3\n1,x,y\n4,\"z\n5, w@x.org \n"));
    struct check *check =
        expect_sent(&options, "Id,Mail\n1,a@example.com\n2,nobody\n3\n1,x,y\n4,\"z\n5,w@x.org\n");
    assert_int_equal(check_result(check)->problem_count, 0);
    assert_int_equal(check_result(check)->bad_rows, 0);
    assert_false(check_result(check)->rejects_written);
    check_free(check);
}

static void other_layouts_and_character_sets_are_sent_as_the_service_takes_them(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t len;
        const char *sent;
        enum check_class class;
    } files[] = {
        {DATA("\xEF\xBB\xBFId,Name\r\n1,a\r\n"), "Id,Name\n1,a\n", CHECK_MARK},
        {DATA("Id;Name\n1;\"a;b\"\n2;c,d\n"), "Id,Name\n1,a;b\n2,\"c,d\"\n", CHECK_DELIMITER},
        {DATA("Id\tName\n1\t1,5\n"), "Id,Name\n1,\"1,5\"\n", CHECK_DELIMITER},
        {DATA("sep=;\r\nId;Name\r\n1;a\r\n"), "Id,Name\n1,a\n", CHECK_SEP_LINE},
        {DATA("Id,Name\r1,a\r2,b\r"), NULL, CHECK_CUT_OFF},
        {DATA("\xFF\xFEI\0d\0,\0N\0a\0m\0e\0\r\0\n\0"
              "1\0,\0\xFC\0\r\0\n\0"),
         "Id,Name\n1,\xC3\xBC\n", CHECK_CONVERTED},
        {DATA("Id,Name\n1,M\xFCller\n2,Stra\xDF"
              "e\n"),
         "Id,Name\n1,M\xC3\xBCller\n2,Stra\xC3\x9F"
         "e\n",
         CHECK_CONVERTED},
    };
    static const struct mapping_field fields[] = {ID_FIELD, {.key = "name", .columns = name_column}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct check_options options = with(fields, 2);
        write_input(files[i].data, files[i].len);
        struct check *check = expect_sent(&options, files[i].sent);
        assert_int_equal(check_result(check)->bad_rows, 0);
        expect_counted(check, files[i].class, files[i].class != CHECK_CUT_OFF);
        check_free(check);
    }
}

static void lines_and_rejected_rows_are_those_of_the_file(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {ID_FIELD, {.key = "name", .columns = name_column}};
    struct check_options options = with(fields, 2);
    options.plan.rejects_path = rejects;
    write_input(DATA("sep=;\nId;Name\n1;a\n;\"b;\"\"\"\n3\n"));
    struct check *check = expect_sent(&options, "Id,Name\n1,a\n");
    expect_problem(check, "f:4: column \"Id\" (1): is empty, and it is the unique key");
    expect_problem(check, "f:5: the row has 1 cell, the header has 2");
    check_free(check);
    char *text = read_path(rejects);
    assert_string_equal(
        text,
        "Id;Name;upjob_reason\n;\"b;\"\"\";\"column \"\"Id\"\" (1): is empty, and it is the unique key\"\n"
        "3;;\"the row has 1 cell, the header has 2\"\n");
    free(text);
    /* The corrected file comes back: the column of reasons is nothing to tell of, and the delimiter is found
     * again. */
    write_input(DATA("Id;Name;upjob_reason\n2;\"b;\"\"\";\"is empty\"\n"));
    check = expect_sent(&options, "Id,Name,upjob_reason\n2,\"b;\"\"\",is empty\n");
    assert_int_equal(check_result(check)->problem_count, 1);
    expect_counted(check, CHECK_DELIMITER, 1);
    check_free(check);
    unlink(rejects);
}

/* As spreadsheets have them behind their last row. */
static void rows_with_nothing_in_them_are_left_out(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {ID_FIELD, {.key = "name", .columns = name_column}};
    struct check_options options = with(fields, 2);
    write_input(DATA("Id,Name,\n1,a,\n,,\n\"\",,\n2,b,\n,\n,,\n"));
    struct check *check = expect_sent(&options, "Id,Name,\n1,a,\n2,b,\n");
    assert_int_equal(check_result(check)->rows, 2);
    assert_int_equal(check_result(check)->bad_rows, 0);
    expect_counted(check, CHECK_EMPTY_ROW, 4);
    expect_problem(check, "f:3: the row has nothing in any cell: it is left out");
    check_free(check);
    /* Of nothing else there is nothing to import. */
    write_input(DATA("Id,Name\n,\n,\n"));
    check = run(&options);
    assert_true(check_result(check)->fatal);
    assert_string_equal(check_result(check)->err.message, "has a header and no rows");
    check_free(check);
}

static void headers_that_nobody_reads_are_told(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {ID_FIELD};
    static const char *const skipped[] = {"Left", NULL};
    struct check_options options = with(fields, 1);
    options.plan.skipped = skipped;
    write_input(DATA("Id,Name,Left,,Name,upjob_reason\n1,,,,,\n"));
    struct check *check = expect_sent(&options, NULL);
    expect_problem(check, "f:1: column \"Name\" (2): is not in the mapping, so it is not imported");
    expect_problem(check, "f:1: column 4: has no name, so nothing can be mapped to it");
    expect_problem(check, "f:1: column \"Name\" (5): has the name of an earlier column");
    assert_int_equal(check_result(check)->problem_count, 3);
    check_free(check);
}

static void keys_that_occur_again_are_told_by_their_lines(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {{.key = "id",
                                                   .columns = both_columns,
                                                   .separator = "/",
                                                   .is_key = true,
                                                   .steps = trim,
                                                   .step_count = 1}};
    struct check_options options = with(fields, 1);
    write_input(DATA("Id,Name\n1,a\n2,a\n1,a\n1,b\n2,a\n\n1,a\n2,a\n2,a\n ,c\n1/a,\n"));
    struct check *check = run(&options);
    assert_false(check_result(check)->fatal);
    expect_counted(check, CHECK_DUPLICATE_KEY, 2);
    expect_problem(check,
                   "f:8: column \"Name\" (2): the key of line 8 stands in lines 2, 4 too: the last one wins");
    expect_problem(
        check,
        "f:10: column \"Name\" (2): the key of line 10 stands in 3 lines from 3 to 9 too: the last one wins");
    check_free(check);
}

static void keys_of_rejected_rows_are_not_compared(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {ID_FIELD,
                                                  {.key = "name", .columns = name_column, .required = true}};
    struct check_options options = with(fields, 2);
    write_input(DATA("Id,Name\n1,a\n1,\n2,b\n"));
    struct check *check = run(&options);
    expect_counted(check, CHECK_DUPLICATE_KEY, 0);
    check_free(check);
}

static void dates_that_can_be_read_in_two_ways_are_told(void **state)
{
    (void)state;
    static const char *const formats[] = {"D.M.YYYY", "M.D.YYYY", NULL};
    static const struct mapping_step date[] = {{.kind = MAPPING_DATE, .list = formats}};
    static const struct mapping_field fields[] = {
        ID_FIELD, {.key = "name", .columns = name_column, .steps = date, .step_count = 1}};
    static const struct check_dates dates[] = {{1, formats}};
    struct check_options options = with(fields, 2);
    options.plan.dates = dates;
    options.plan.date_count = 1;
    write_input(DATA("Id,Name\n1,13.2.2024\n2,2.13.2024\n3,4.4.2024\n4, 3.4.2024\n5,\n"));
    struct check *check = run(&options);
    expect_counted(check, CHECK_AMBIGUOUS_DATE, 1);
    check_free(check);
}

/* Errors are never hidden by warnings, nor the other way round as long as there is room. */
static void errors_are_kept_before_warnings(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {ID_FIELD};
    struct check_options options = with(fields, 1);
    options.max_problems = 3;
    write_input(DATA("Id,a,b,c\n1,,,\n2\n3\n"));
    struct check *check = run(&options);
    const struct check_result *result = check_result(check);
    assert_int_equal(result->problem_count, 3);
    assert_int_equal(result->problems[0].class, CHECK_UNMAPPED_HEADER);
    assert_int_equal(result->problems[1].line, 3);
    assert_int_equal(result->problems[2].line, 4);
    check_free(check);
}

static void all_problems_are_written_with_whole_values(void **state)
{
    (void)state;
    static const char *const mail[] = {"Mail", NULL};
    static const struct mapping_field fields[] = {ID_FIELD,
                                                  {.key = "mail", .columns = mail, .type = MAPPING_EMAIL}};
    struct check_options options = with(fields, 2);
    struct stat st;
    char path[128];
    snprintf(path, sizeof path, "%s/problems.csv", dir);
    options.plan.problems_path = path;
    options.max_problems = 1;
    write_input(DATA("Id,Mail,X\n1,\"a long value, of more than forty characters\",\n2\n1,a@b.org,\n1,,\n"));
    check_free(run(&options));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    char *text = read_path(path);
    assert_string_equal(
        text,
        "line,column,name,value,class,severity,reason,hint\n"
        "1,3,X,,unmapped header,warning,\"is not in the mapping, so it is not imported\",\"map it, or say "
        "mapping.skip\"\n"
        "2,2,Mail,\"a long value, of more than forty characters\",not an e-mail address,error,is not an "
        "e-mail address: it has no @,\n"
        "3,,,,too few cells,error,\"the row has 1 cell, the header has 3\",\n"
        "5,1,Id,,duplicate key,warning,the key of line 5 stands in line 4 too: the last one wins,\n");
    free(text);
    /* What is fatal leaves the problems that were found before it. */
    write_input(DATA("Id,Mail,X\n"));
    struct check *check = run(&options);
    assert_true(check_result(check)->fatal);
    assert_true(check_result(check)->problems_written);
    check_free(check);
    unlink(path);
}

static bool wants_odd(void *arg, const struct csv_row *row, bool *wanted, struct err *err)
{
    (void)arg;
    (void)err;
    struct csv_slice id = csv_cell(row, 0);
    *wanted = id.len > 0 && (id.data[id.len - 1] & 1);
    return true;
}

static void rows_that_are_not_wanted_are_neither_sent_nor_rejected(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {ID_FIELD, {.key = "name", .columns = name_column}};
    struct check_options options = with(fields, 2);
    options.plan.wants = wants_odd;
    options.plan.rejects_path = rejects;
    write_input(DATA("Id,Name\n1,a\n2,b\n3,c\n4,\"d\"\n"));
    struct check *check = expect_sent(&options, "Id,Name\n1,a\n3,c\n");
    assert_int_equal(check_result(check)->rows, 2);
    assert_int_equal(check_result(check)->unwanted, 2);
    assert_int_equal(check_result(check)->bad_rows, 0);
    assert_false(check_result(check)->rejects_written);
    check_free(check);
}

/* Changes far apart in a file that is longer than what is copied at a time, against what a few lines here
 * make of it. */
static void a_large_file_is_mended_as_a_small_one(void **state)
{
    (void)state;
    static const struct mapping_field fields[] = {
        ID_FIELD, {.key = "name", .columns = name_column, .steps = trim, .step_count = 1}};
    struct check_options options = with(fields, 2);
    struct buf data, sent;
    unsigned seed = 3;
    buf_init(&data, (size_t)1 << 27);
    buf_init(&sent, (size_t)1 << 27);
    buf_adds(&data, "Id,Name\n");
    buf_adds(&sent, "Id,Name\n");
    for (int i = 0; i < 200000; i++) {
        int what = i < 100000 ? 2 : rand_r(&seed) % 3; /* 0: changed, 1: rejected, 2: as it is */
        buf_addf(&data, "%d,%sname of %d\n", i, what == 0 ? "  " : what == 1 ? "x,x" : "", i);
        if (what != 1)
            buf_addf(&sent, "%d,name of %d\n", i, i);
    }
    write_input(data.data, data.len);
    struct check *check = expect_sent(&options, sent.data);
    check_free(check);
    buf_free(&data);
    buf_free(&sent);
}

/* Numbers are looked at ahead of their rows; what is made of each does not depend on it. Rows and quotes
 * cross what is read at a time, and some rows cannot be read. */
static void many_phone_numbers_are_each_looked_at_for_themselves(void **state)
{
    (void)state;
    static const struct mapping_step e164[] = {{.kind = MAPPING_TRIM}, {.kind = MAPPING_E164, .text = "GB"}};
    static const struct mapping_field fields[] = {
        ID_FIELD,
        {.key = "name", .columns = name_column, .type = MAPPING_PHONE, .steps = e164, .step_count = 2}};
    struct err err;
    struct buf data, sent;
    err_clear(&err);
    module_set_program(program());
    struct mapping *mapping = mapping_new(fields, 2, NULL, NULL, &err);
    if (!mapping) {
        print_message("phone numbers are not tested: %s\n", err.message);
        return;
    }
    mapping_free(mapping);
    buf_init(&data, (size_t)1 << 24);
    buf_init(&sent, (size_t)1 << 24);
    buf_adds(&data, "Id,Note,Name\n");
    buf_adds(&sent, "Id,Note,Name\n");
    for (int i = 0; i < 3000; i++) {
        bool wrong = i % 7 == 3, empty = i % 7 == 5;
        if (i % 100 == 99)
            buf_addf(&data, "%d,short\n", i);
        buf_addf(&data, "%d,\"a\nnote, %d\",%s\n", i, i,
                 wrong   ? "07400 12O456"
                 : empty ? ""
                 : i % 2 ? " 07400 123456 "
                         : "\"020 7946 0018\"");
        if (!wrong)
            buf_addf(&sent, "%d,\"a\nnote, %d\",%s\n", i, i,
                     empty   ? ""
                     : i % 2 ? "+447400123456"
                             : "+442079460018");
    }
    struct check_options options = with(fields, 2);
    options.max_problems = 1;
    write_input(data.data, data.len);
    struct check *check = run(&options);
    assert_false(check_result(check)->fatal);
    char *text = read_fd(check_result(check)->outgoing_fd);
    assert_non_null(strstr(text, "+442079460018"));
    assert_string_equal(text, sent.data);
    free(text);
    check_free(check);
    buf_free(&data);
    buf_free(&sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changed_cells_alone_are_written_and_the_rest_is_as_it_was),
        cmocka_unit_test(nothing_changed_sends_the_file_itself),
        cmocka_unit_test(fields_without_a_column_of_their_own_get_one_behind_the_others),
        cmocka_unit_test(a_dot_in_a_mapped_header_is_renamed),
        cmocka_unit_test(rejected_and_changed_rows_in_one_file),
        cmocka_unit_test(invalid_values_are_blanked_when_the_mapping_says_so),
        cmocka_unit_test(unchecked_rows_are_sent_as_they_are),
        cmocka_unit_test(other_layouts_and_character_sets_are_sent_as_the_service_takes_them),
        cmocka_unit_test(lines_and_rejected_rows_are_those_of_the_file),
        cmocka_unit_test(rows_with_nothing_in_them_are_left_out),
        cmocka_unit_test(headers_that_nobody_reads_are_told),
        cmocka_unit_test(keys_that_occur_again_are_told_by_their_lines),
        cmocka_unit_test(keys_of_rejected_rows_are_not_compared),
        cmocka_unit_test(dates_that_can_be_read_in_two_ways_are_told),
        cmocka_unit_test(errors_are_kept_before_warnings),
        cmocka_unit_test(all_problems_are_written_with_whole_values),
        cmocka_unit_test(rows_that_are_not_wanted_are_neither_sent_nor_rejected),
        cmocka_unit_test(a_large_file_is_mended_as_a_small_one),
        cmocka_unit_test(many_phone_numbers_are_each_looked_at_for_themselves),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
