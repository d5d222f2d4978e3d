/* Patterns of file names: which names match, and which patterns are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/glob.h"

static void matches_what_shells_match(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } cases[] = {{"*.csv", "a.csv", true},       {"*.csv", ".csv", true},       {"*.csv", "a.csv.gz", false},
                 {"a?.csv", "a\xC3\xA4.csv", true}, {"a?.csv", "a\xC3.csv", true}, {"a?.csv", "a.csv", false},
                 {"[a-c]*", "bee", true},        {"[a-c]*", "dee", false},      {"[!a-c]*", "dee", true},
                 {"[^a-c]*", "bee", false},      {"[]]", "]", true},            {"[!]]", "]", false},
                 {"[a-]", "-", true},            {"[\\]a]", "]", true},         {"[\xC3\xA4-\xC3\xBC]", "\xC3\xB6", true},
                 {"\\*", "*", true},             {"\\*", "a", false},           {"a*b*c", "aXbYbZc", true},
                 {"a*b*c", "aXbYbZ", false},     {"", "", true},                {"*", "", true},
                 {"A.csv", "a.csv", false},      {"a\\", "a\\", true}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (glob_matches(cases[i].pattern, cases[i].name) != cases[i].matches)
            fail_msg("\"%s\" and \"%s\"", cases[i].pattern, cases[i].name);
}

/* Beside the C library's, in which a "/" and a leading dot are nothing special either. */
static void agrees_with_fnmatch(void **state)
{
    static const char of_patterns[] = "ab*?[]!-\\", of_names[] = "ab]-!";
    (void)state;
    srand(7);
    for (int n = 0; n < 300000; n++) {
        char pattern[9], name[9];
        int len = rand() % 8, i;
        for (i = 0; i < len; i++)
            pattern[i] = of_patterns[rand() % (int)(sizeof of_patterns - 1)];
        pattern[i] = '\0';
        char *directory = NULL, *split = NULL;
        struct err err;
        err_clear(&err);
        bool sound = glob_split(pattern, &directory, &split, &err);
        free(directory);
        free(split);
        /* A backslash at the end, and a class whose range ends before it begins, are each library's own. */
        if (!sound || strchr(pattern, '\\') || strchr(pattern, '-'))
            continue;
        for (i = 0, len = rand() % 8; i < len; i++)
            name[i] = of_names[rand() % (int)(sizeof of_names - 1)];
        name[i] = '\0';
        if (glob_matches(pattern, name) != (fnmatch(pattern, name, 0) == 0))
            fail_msg("\"%s\" and \"%s\"", pattern, name);
    }
}

static void many_stars_take_no_time(void **state)
{
    char pattern[201], name[20001];
    (void)state;
    for (int i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[199] = 'b';
    pattern[200] = '\0';
    memset(name, 'a', 20000);
    name[20000] = '\0';
    assert_false(glob_matches(pattern, name));
}

static void parts_a_path(void **state)
{
    static const struct {
        const char *path, *directory, *name;
    } cases[] = {{"/srv/drop/*.csv", "/srv/drop", "*.csv"}, {"*.csv", ".", "*.csv"},      {"/*.csv", "/", "*.csv"},
                 {"/srv//*", "/srv", "*"},                  {"/a\\*b/c", "/a*b", "c"}, {"in/[a]", "in", "[a]"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *directory, *name;
        struct err err;
        err_clear(&err);
        assert_true(glob_split(cases[i].path, &directory, &name, &err));
        assert_string_equal(directory, cases[i].directory);
        assert_string_equal(name, cases[i].name);
        free(directory);
        free(name);
    }
}

static void refuses_what_it_would_not_do(void **state)
{
    static const char *const refused[] = {"/srv/*/a.csv", "/srv/d[0-9]/a", "/srv/", "/srv/**", "**/a", "", "[", "a[b", "[!]", "[]", NULL};
    (void)state;
    for (const char *const *path = refused; *path; path++) {
        char *directory, *name;
        struct err err;
        err_clear(&err);
        if (glob_split(*path, &directory, &name, &err))
            fail_msg("\"%s\" was taken", *path);
        assert_true(err_is(&err, ERR_USAGE));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_what_shells_match), cmocka_unit_test(agrees_with_fnmatch),
        cmocka_unit_test(many_stars_take_no_time), cmocka_unit_test(parts_a_path),
        cmocka_unit_test(refuses_what_it_would_not_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
