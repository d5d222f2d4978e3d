/* The INI dialect of the shared files: what is read, and what is refused with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/ini.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* Writes each call as "line [section] parent/key=value;". */
static bool note(void *arg, const char *section, const char *parent, const char *key, const char *value, long line,
                 struct err *err)
{
    (void)err;
    struct buf *out = arg;
    if (!key)
        return buf_addf(out, "%ld [%s];", line, section);
    return buf_addf(out, "%ld %s%s%s=%s;", line, parent ? parent : "", parent ? "/" : "", key, value);
}

static bool parse(const char *text, size_t len, struct buf *out, struct err *err)
{
    char *copy = malloc(len + 1); /* exactly as large as promised, so that a sanitizer sees one byte more */
    memcpy(copy, text, len);
    err_clear(err);
    buf_init(out, 1 << 20);
    bool ok = ini_parse(copy, len, "/home/a/.aws/config", note, out, err);
    free(copy);
    return ok;
}

static void settings_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *calls;
    } cases[] = {
        {"", ""},
        {"\n\n# comment\n; comment\n  # indented comment\n", ""},
        {"[default]\nregion = us-east-1\n", "1 [default];2 region=us-east-1;"},
        {"[a]\nk=v", "1 [a];2 k=v;"},
        {"[a]\r\nk = v\r\n\r\n[b]\r\nk=w\r\n", "1 [a];2 k=v;4 [b];5 k=w;"},
        {"\xEF\xBB\xBF[a]\nk=v\n", "1 [a];2 k=v;"},
        {"[ a ] # why\n\tk\t=\tv\t\n", "1 [a];2 k=v;"},
        {"[a]\n  k = v\n  l = w\n", "1 [a];2 k=v;3 l=w;"},
        {"[a]\nk = a=b==\n", "1 [a];2 k=a=b==;"},
        {"[a]\nk = v # not a comment\n", "1 [a];2 k=v # not a comment;"},
        {"[a]\nk =\n[b]\n", "1 [a];2 k=;3 [b];"},
        {"[services s]\ncustomer_profiles =\n  endpoint_url = http://h\n  x = y\nz = 1\n",
         "1 [services s];2 customer_profiles=;3 customer_profiles/endpoint_url=http://h;"
         "4 customer_profiles/x=y;5 z=1;"},
        {"[a]\ns3 =\n\n # in between\n\tk = v\n[b]\nk=w\n", "1 [a];2 s3=;5 s3/k=v;6 [b];7 k=w;"},
        {"[a]\nk = v\n  more\n  and more\nl = w\n", "1 [a];2 k=v\nmore\nand more;5 l=w;"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out;
        struct err err;
        bool ok = parse(cases[i].text, strlen(cases[i].text), &out, &err);
        if (!ok || strcmp(out.data ? out.data : "", cases[i].calls) != 0)
            fail_msg("%s\n gave %d %s %s\n", cases[i].text, ok, out.data ? out.data : "", err.message);
        buf_free(&out);
    }
}

static void what_cannot_be_read_is_an_error_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        long line;
        const char *says;
    } cases[] = {
        {"[a]\nk=v\nsecretsecret\n", 3, "not \"key = value\""},
        {"k=v\n", 1, "before the first section"},
        {"[a]\n\n= v\n", 3, "no key"},
        {"[a\nk=v\n", 1, "closing bracket"},
        {"[]\n", 1, "no name"},
        {"[a] b\n", 1, "after the section"},
        {"[[a]]\n", 1, "cannot stand in another"},
        {"[a]\ns3 =\n  secretsecret\n", 3, "indented line"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out;
        struct err err;
        bool ok = parse(cases[i].text, strlen(cases[i].text), &out, &err);
        if (ok || err.line != cases[i].line || !strstr(err.message, cases[i].says) ||
            !err_is(&err, ERR_CONFIG) || strcmp(err.file, "/home/a/.aws/config") != 0)
            fail_msg("%s\n gave %d %s:%ld: %s\n", cases[i].text, ok, err.file, err.line, err.message);
        if (strstr(err.message, "secretsecret"))
            fail_msg("the line is quoted: %s", err.message);
        buf_free(&out);
    }
}

static void a_nul_byte_is_refused(void **state)
{
    (void)state;
    struct buf out;
    struct err err;
    assert_false(parse("[a]\nk=v\0w\n", 10, &out, &err));
    assert_int_equal(err.line, 2);
    assert_non_null(strstr(err.message, "NUL"));
    buf_free(&out);
    assert_false(parse("\xFF\xFE[\0a\0]\0", 8, &out, &err));
    buf_free(&out);
}

static void a_token_of_4000_characters_is_whole(void **state)
{
    (void)state;
    char text[4200] = "[a]\naws_session_token = ";
    size_t at = strlen(text);
    memset(text + at, 'T', 4000);
    strcpy(text + at + 4000, "\nk=v\n");
    struct buf out;
    struct err err;
    assert_true(parse(text, strlen(text), &out, &err));
    assert_int_equal(out.len, strlen("1 [a];2 aws_session_token=;3 k=v;") + 4000);
    buf_free(&out);
}

static bool refuse(void *arg, const char *section, const char *parent, const char *key, const char *value, long line,
                   struct err *err)
{
    (void)arg, (void)section, (void)parent, (void)value;
    return key ? err_set(err, ERR_INTERNAL, "stopped at line %ld", line) : true;
}

static void the_callback_can_stop_it(void **state)
{
    (void)state;
    char text[] = "[a]\nk=v\nnonsense\n";
    struct err err;
    assert_false(ini_parse(text, strlen(text), "f", refuse, NULL, &err));
    assert_string_equal(err.message, "stopped at line 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_read),
        cmocka_unit_test(what_cannot_be_read_is_an_error_with_its_line),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(a_token_of_4000_characters_is_whole),
        cmocka_unit_test(the_callback_can_stop_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
