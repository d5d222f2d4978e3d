/* Files that upjob wrote are known again, and others are not taken for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/own_file.h"

static enum own_file head(const char *text)
{
    bool whole;
    return own_file_head(text, strlen(text), &whole);
}

static void names_tell_rejects(void **state)
{
    (void)state;
    assert_true(own_file_name("a.csv.rejects.csv"));
    assert_true(own_file_name("a.rejects.csv~"));
    assert_false(own_file_name("rejects.csv"));
    assert_false(own_file_name("a.rejects.csv.gz"));
}

static void heads_tell_the_kind(void **state)
{
    (void)state;
    assert_int_equal(head("Id,upjob_reason\n1,\"no\"\n"), OWN_FILE_REJECTS);
    assert_int_equal(head("Id\tupjob_reason\r\n"), OWN_FILE_REJECTS);
    assert_int_equal(head("\"a\nb\",upjob_reason\n"), OWN_FILE_REJECTS);
    assert_int_equal(head("line,column,name,value,class,severity,reason,hint\n"), OWN_FILE_PROBLEMS);
    assert_int_equal(head("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                          "<meta name=\"generator\" content=\"upjob import report 0.1.0\">"), OWN_FILE_REPORT);
}

static void other_heads_are_nobodys(void **state)
{
    static const char *const others[] = {"", "\n", "Id,Name\n1,upjob_reason\n", "upjob_reason\n", "my_upjob_reason,Id\n",
                                         "Id,not_upjob_reason\n", "<!DOCTYPE html>\n<html>\n", NULL};
    (void)state;
    for (const char *const *text = others; *text; text++)
        if (head(*text) != OWN_FILE_NONE)
            fail_msg("%s", *text);
}

static void more_bytes_are_asked_for_until_the_header_has_ended(void **state)
{
    bool whole;
    (void)state;
    (void)own_file_head("Id,\"a\nb", 7, &whole);
    assert_false(whole);
    (void)own_file_head("Id,\"a\nb\"\n", 9, &whole);
    assert_true(whole);
    (void)own_file_head("<!DOCTYPE html>\n<html", 21, &whole);
    assert_false(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_tell_rejects), cmocka_unit_test(heads_tell_the_kind), cmocka_unit_test(other_heads_are_nobodys),
        cmocka_unit_test(more_bytes_are_asked_for_until_the_header_has_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
