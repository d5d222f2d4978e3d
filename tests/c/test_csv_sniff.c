/* Which delimiter a text has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/csv_sniff.h"

struct sample {
    const char *text;
    char delimiter;
    bool known;
    size_t sep_line;
    unsigned columns;
};

static const struct sample samples[] = {
    {"", ',', false, 0, 0},
    {"\n\n", ',', false, 0, 0},
    {"Email\na@example.com\n", ',', false, 0, 1},
    {"Id,Name\n1,Ann\n", ',', true, 0, 2},
    {"Id;Name;Balance\n1;Ann;1,50\n2;Bob;2,75\n", ';', true, 0, 3},
    {"Id\tName\r\n1\tSmith, John\r\n", '\t', true, 0, 2},
    {"Id|Name\r1|Smith; John\r", '|', true, 0, 2},
    {"Id;\"Name, first; last\nand so on\"\n1;\"a, b, c\"\n", ';', true, 0, 2},
    {"\"a;b\",c\n\"d;e\",f\n", ',', true, 0, 2},
    {"Id,\"said \"\"a;b;c\"\"\"\n1,\"x;y\"\n", ',', true, 0, 2},
    {"Name, first;Id\nAnn;1\nBob;2\nEve;3\n", ';', true, 0, 2},      /* a comma in the header alone */
    {"Id;Note\n1;a,b\n2;c,d\n", ';', true, 0, 2},
    {"a,b\n1,2\n3,4,5\n6,7\n", ',', true, 0, 2},                     /* a ragged row */
    {"\nId;Name\n\n1;Ann\n", ';', true, 0, 2},                       /* blank lines */
    {"sep=;\r\nId;Name\r\n1;Ann\r\n", ';', true, 7, 2},
    {"SEP=\t\nId\tName\n", '\t', true, 6, 2},
    {"\"sep=|\"\nId|Name\n", '|', true, 8, 2},
    {"sep=^\nId^Name\n", '^', true, 6, 2},
    {"sep=,x\n1,2\n", ',', true, 0, 2},                              /* a column of that name */
    {"sep=\nx\n", ',', false, 0, 1},
    {"sep=;", ';', true, 5, 0},
    {"Id;Name", ';', true, 0, 2},
    {"5\" pipe;x\n6\" pipe;y\n", ';', true, 0, 2},                   /* quotes within cells */
    {"a,b;c\n1,2;3\n", ',', true, 0, 2},                             /* nothing decides: the usual one */
};

static void the_delimiter_is_that_under_which_rows_agree_with_the_header(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        const struct sample *s = &samples[i];
        struct csv_shape shape;
        csv_sniff(s->text, strlen(s->text), true, &shape);
        if (shape.delimiter != s->delimiter || shape.known != s->known || shape.sep_line != s->sep_line ||
            shape.columns != s->columns)
            fail_msg("sample %zu: '%c', known %d, %zu bytes of sep, %u columns", i, shape.delimiter, shape.known, shape.sep_line,
                     shape.columns);
    }
}

/* What is looked at ends anywhere in a large file. */
static void a_cut_record_is_not_counted(void **state)
{
    (void)state;
    static const char text[] = "Id;Name;Note\n1;Ann;x\n2;Bob;\"y\n3;Eve;z\n";
    size_t header = (size_t)(strchr(text, '\n') - text) + 2;
    for (size_t len = header; len <= sizeof text - 1; len++) {
        struct csv_shape shape;
        csv_sniff(text, len, false, &shape);
        if (shape.delimiter != ';' || !shape.known || shape.columns != 3)
            fail_msg("the first %zu bytes: '%c', %u columns", len, shape.delimiter, shape.columns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_delimiter_is_that_under_which_rows_agree_with_the_header),
        cmocka_unit_test(a_cut_record_is_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
