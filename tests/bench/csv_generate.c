/* Writes customers as CSV to standard output, the same ones each time: csv_generate KIND MB [TIMES]
 *
 * KIND: mixed    12 columns; one cell in twenty is quoted and holds a comma, doubled quotes or a line end
 *       plain    12 columns, no quotes
 *       quoted   as mixed, with every cell in quotes
 *       wide     as mixed, with 100 columns
 * About MB megabytes of records after the header, TIMES times over (1). On standard error, as JSON: records, and how many of
 * them hold a quote. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_RECORD ((size_t)16 << 10)
#define LIST(...) ((const char *const[]){__VA_ARGS__}), sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

struct kind {
    const char *name;
    unsigned columns;
    bool special_cells, all_quoted;
};

static const struct kind kinds[] = {
    {"mixed", 12, true, false}, {"plain", 12, false, false}, {"quoted", 12, true, true}, {"wide", 100, true, false}};

static const char *const names[] = {"CustomerId", "FirstName",  "LastName", "Email", "Phone",   "Address",
                                    "City",       "PostalCode", "Country",  "Tier",  "Balance", "Note"};
#define FIELDS (sizeof names / sizeof *names)

static uint64_t random_state = 1;

static unsigned below(unsigned n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

static char *put(char *at, const char *text)
{
    size_t len = strlen(text);
    memcpy(at, text, len);
    return at + len;
}

static char *put_number(char *at, unsigned n, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--, n /= 10)
        at[i - 1] = (char)('0' + n % 10);
    return at + digits;
}

static char *put_one_of(char *at, const char *const *list, size_t count)
{
    return put(at, list[below((unsigned)count)]);
}

static char *put_first_name(char *at)
{
    return put_one_of(at, LIST("Ann", "Bea", "Carlos", "Dmitri", "Elisabeth", "Fatima", "George", "Hiroko", "Ines", "Jonathan"));
}

static char *put_last_name(char *at)
{
    return put_one_of(at, LIST("Adams", "Becker", "Carvalho", "Diaz", "Evans", "Fontaine", "Garcia", "Haddad", "Ito", "Johansson"));
}

static char *put_email(char *at)
{
    at = put_last_name(put(put_first_name(at), "."));
    return put(put_number(at, below(10000), 4), "@example.com");
}

static char *put_field(char *at, unsigned field)
{
    switch (field) {
    case 0:
        return put_number(at, below(100000000), 8);
    case 1:
        return put_first_name(at);
    case 2:
        return put_last_name(at);
    case 3:
        return put_email(at);
    case 4:
        return put_number(put(at, "+1555"), below(10000000), 7);
    case 5:
        return put_one_of(put_number(at, 100 + below(900), 3), LIST(" Main St", " Mill Lane", " Station Rd", " 5th Ave", " High St"));
    case 6:
        return put_one_of(at, LIST("Berlin", "São Paulo", "Springfield", "Kraków", "Lyon", "Osaka", "Leeds", "Porto"));
    case 7:
        return put_number(at, below(100000), 5);
    case 8:
        return put_one_of(at, LIST("US", "DE", "BR", "PL", "FR", "JP", "GB", "PT"));
    case 9:
        return put_one_of(at, LIST("gold", "silver", "none"));
    case 10:
        return put_number(put(put_number(at, below(1000), 3), "."), below(100), 2);
    default:
        return put_one_of(at, LIST("", "prefers e-mail", "call back in spring", "moved", "plain"));
    }
}

static char *put_cell(char *at, const struct kind *kind, unsigned field)
{
    bool special = kind->special_cells && below(20) == 0;
    bool quoted = special || kind->all_quoted;
    if (quoted)
        *at++ = '"';
    at = put_field(at, field);
    if (special)
        at = put_one_of(at, LIST(", also", " \"\"B\"\"", "\nsecond line"));
    if (quoted)
        *at++ = '"';
    return at;
}

static char *put_record(char *at, const struct kind *kind)
{
    for (unsigned i = 0; i < kind->columns; i++) {
        at = put_cell(at, kind, i % FIELDS);
        *at++ = i + 1 < kind->columns ? ',' : '\n';
    }
    return at;
}

static void write_header(const struct kind *kind)
{
    for (unsigned i = 0; i < kind->columns; i++) {
        fputs(names[i % FIELDS], stdout);
        if (i >= FIELDS)
            printf("%u", i);
        putchar(i + 1 < kind->columns ? ',' : '\n');
    }
}

static void write_or_exit(const char *bytes, size_t len)
{
    if (fwrite(bytes, 1, len, stdout) != len || fflush(stdout) != 0) {
        perror("csv_generate: standard output");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const struct kind *kind = NULL;
    size_t size = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) * 1000000 : 0;
    unsigned long times = argc > 3 ? strtoul(argv[3], NULL, 10) : 1, records = 0, with_quotes = 0;
    for (size_t i = 0; argc > 1 && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, argv[1]) == 0)
            kind = &kinds[i];
    if (!kind || size == 0) {
        fputs("usage: csv_generate mixed|plain|quoted|wide MB [TIMES]\n", stderr);
        return 2;
    }
    char *block = malloc(size + LONGEST_RECORD), *at = block;
    if (!block) {
        perror("csv_generate");
        return 1;
    }
    for (; at < block + size; records++) {
        char *begin = at;
        at = put_record(at, kind);
        with_quotes += memchr(begin, '"', (size_t)(at - begin)) != NULL;
    }
    write_header(kind);
    for (unsigned long i = 0; i < times; i++)
        write_or_exit(block, (size_t)(at - block));
    fprintf(stderr, "{\"records\": %lu, \"with_quotes\": %lu}\n", records * times, with_quotes * times);
    free(block);
}
