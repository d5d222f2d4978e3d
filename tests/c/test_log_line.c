/* What one line of the log is made of: for a person, for the journal, for a collector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <math.h>

#include "core/log_line.h"

static const struct log_fields NONE = {NULL, 0};
static const struct timespec NOON = {.tv_sec = 1795953600, .tv_nsec = 7999999}; /* 2026-11-29T12:00:00Z */

static struct log_line line_of(const char *text, size_t len)
{
    return (struct log_line){.level = LOG_INFO, .prefix = "upjob: ", .what = "", .text = text, .len = len, .shows_fields = true};
}

#define LINE(text) line_of(text, sizeof(text) - 1)
#define STRING(called, value) {.name = called, .kind = LOG_STRING, .text = value, .len = sizeof(value) - 1}

static void expect_text(const struct log_line *line, bool journal, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    log_line_text(line, journal, out);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void expect_json(const struct log_line *line, const struct log_fields *context, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    log_line_json(line, context, &NOON, out);
    fclose(out);
    assert_string_equal(text, expected);
    cJSON *parsed = cJSON_Parse(text);
    assert_non_null(parsed);
    cJSON_Delete(parsed);
    free(text);
}

static void a_line_is_an_object_with_time_level_and_message(void **state)
{
    (void)state;
    struct log_line line = LINE("started");
    expect_json(&line, &NONE, "{\"time\":\"2026-11-29T12:00:00.007Z\",\"level\":\"info\",\"message\":\"started\"}\n");
    line.level = LOG_WARN;
    line.what = "while ending: ";
    expect_json(&line, &NONE,
                "{\"time\":\"2026-11-29T12:00:00.007Z\",\"level\":\"warn\",\"message\":\"while ending: started\"}\n");
}

static void bytes_of_any_kind_are_json(void **state)
{
    (void)state;
    struct log_line line = LINE("a\"b\\c\n\t\x01\x7F\xE9 \xC3\xA9 \xE2\x80\xAE \xF0\x9F\x98\x80 \xF3\xA0\x80\x81 \0 \xED\xA0\x80");
    expect_json(&line, &NONE,
                "{\"time\":\"2026-11-29T12:00:00.007Z\",\"level\":\"info\",\"message\":\"a\\\"b\\\\c\\n\\t\\u0001\\u007f\\\\xE9 \xC3\xA9 "
                "\\u202e \xF0\x9F\x98\x80 \xF3\xA0\x80\x81 \\u0000 \\\\xED\\\\xA0\\\\x80\"}\n");
}

static void fields_keep_their_types(void **state)
{
    (void)state;
    const struct log_field list[] = {STRING("file", "a b\n.csv"),
                                     {.name = "run", .kind = LOG_INTEGER, .integer = 9007199254740993},
                                     {.name = "seconds", .kind = LOG_NUMBER, .number = 0.1},
                                     {.name = "share", .kind = LOG_NUMBER, .number = NAN},
                                     {.name = "ok", .kind = LOG_BOOLEAN, .boolean = true},
                                     STRING("level", "3"),
                                     STRING("", "")};
    struct log_line line = LINE("m");
    line.fields = (struct log_fields){list, sizeof list / sizeof list[0]};
    expect_json(&line, &NONE,
                "{\"time\":\"2026-11-29T12:00:00.007Z\",\"level\":\"info\",\"message\":\"m\",\"file\":\"a b\\n.csv\","
                "\"run\":9007199254740993,\"seconds\":0.1,\"share\":\"nan\",\"ok\":true,\"level_\":\"3\",\"\":\"\"}\n");
    expect_text(&line, false, "upjob: m: file=\"a b\\x0A.csv\" run=9007199254740993 seconds=0.1 share=nan ok=true level=3 \"\"=\"\"\n");
    line.shows_fields = false;
    expect_text(&line, false, "upjob: m\n");
}

static void what_a_line_says_itself_comes_before_what_the_process_says(void **state)
{
    (void)state;
    const struct log_field process[] = {STRING("job", "1"), STRING("file", "process")}, own[] = {STRING("file", "own")};
    const struct log_fields context = {process, 2};
    struct log_line line = LINE("m");
    line.fields = (struct log_fields){own, 1};
    expect_json(&line, &context,
                "{\"time\":\"2026-11-29T12:00:00.007Z\",\"level\":\"info\",\"message\":\"m\",\"job\":\"1\",\"file\":\"own\"}\n");
}

static void a_traceback_is_a_field(void **state)
{
    (void)state;
    struct log_line line = LINE("boom\nstack traceback:\n\t[C]: in ?");
    expect_json(&line, &NONE,
                "{\"time\":\"2026-11-29T12:00:00.007Z\",\"level\":\"info\",\"message\":\"boom\","
                "\"traceback\":\"stack traceback:\\n\\t[C]: in ?\"}\n");
    expect_text(&line, false, "upjob: boom\nstack traceback:\n\t[C]: in ?\n");
}

static void the_journal_gets_the_level_of_each_line(void **state)
{
    (void)state;
    struct log_line line = LINE("boom\nstack\n");
    line.level = LOG_ERROR;
    expect_text(&line, true, "<3>upjob: boom\n<3>stack\n\n");
    static const char *const expected[] = {"<3>upjob: m\n", "<4>upjob: m\n", "<6>upjob: m\n", "<7>upjob: m\n", "<7>upjob: m\n"};
    line = LINE("m");
    for (int level = LOG_ERROR; level <= LOG_TRACE; level++) {
        line.level = (enum log_level)level;
        expect_text(&line, true, expected[level]);
    }
}

static void a_person_sees_what_a_terminal_would_obey(void **state)
{
    (void)state;
    struct log_line line = LINE("a\x1B[2J\xFF");
    expect_text(&line, false, "upjob: a\\x1B[2J\\xFF\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_an_object_with_time_level_and_message),
        cmocka_unit_test(bytes_of_any_kind_are_json),
        cmocka_unit_test(fields_keep_their_types),
        cmocka_unit_test(what_a_line_says_itself_comes_before_what_the_process_says),
        cmocka_unit_test(a_traceback_is_a_field),
        cmocka_unit_test(the_journal_gets_the_level_of_each_line),
        cmocka_unit_test(a_person_sees_what_a_terminal_would_obey),
    };
    return cmocka_run_group_tests_name("log_line", tests, NULL, NULL);
}
