/* Takes the phone numbers of a file, one a line, to E.164: phone REGION THREADS FILE [OUT]. Prints seconds as JSON: until the
 * first number is done (the library is loaded), of all, and of all again, when they are remembered. OUT: the results.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/module.h"
#include "core/phone.h"

struct numbers {
    char *text;
    struct csv_slice *in;
    struct phone_result *out;
    size_t count;
};

static double clock_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void stop(const char *what)
{
    fprintf(stderr, "phone: %s\n", what);
    exit(1);
}

static void read_numbers(const char *path, struct numbers *numbers)
{
    FILE *file = fopen(path, "rb");
    size_t size = 0, room = 0;
    if (!file)
        stop("the file of numbers cannot be opened");
    while (room == size && (numbers->text = realloc(numbers->text, room = room ? 2 * room : 1 << 20)))
        size += fread(numbers->text + size, 1, room - size, file);
    fclose(file);
    if (!numbers->text)
        stop("out of memory");
    for (size_t i = 0; i < size; i++)
        numbers->count += numbers->text[i] == '\n';
    numbers->in = calloc(numbers->count + 1, sizeof *numbers->in);
    numbers->out = calloc(numbers->count + 1, sizeof *numbers->out);
    if (!numbers->in || !numbers->out)
        stop("out of memory");
    const char *line = numbers->text, *end;
    for (size_t i = 0; i < numbers->count; i++, line = end + 1) {
        end = memchr(line, '\n', size - (size_t)(line - numbers->text));
        numbers->in[i] = (struct csv_slice){line, (size_t)(end - line)};
    }
}

struct span {
    double wall, cpu;
};

static struct span now(void)
{
    return (struct span){clock_of(CLOCK_MONOTONIC), clock_of(CLOCK_PROCESS_CPUTIME_ID)};
}

static void print_span(const char *name, struct span from, struct span to, const char *end)
{
    printf("\"%s\": %.6f, \"%s_cpu\": %.6f%s", name, to.wall - from.wall, name, to.cpu - from.cpu, end);
}

static void write_results(const char *path, const struct numbers *numbers)
{
    FILE *file = fopen(path, "w");
    if (!file)
        stop("the results cannot be written");
    for (size_t i = 0; i < numbers->count; i++)
        fprintf(file, "%s\n", numbers->out[i].e164);
    if (fclose(file) != 0)
        stop("the results cannot be written");
}

int main(int argc, char **argv)
{
    if (argc < 4)
        stop("usage: phone REGION THREADS FILE [OUT]");
    struct numbers numbers = {0};
    struct err err;
    err_clear(&err);
    read_numbers(argv[3], &numbers);
    struct phone_options options = {
        .region = argv[1], .threads = (unsigned)atoi(argv[2]), .remembered = 4 * numbers.count};
    module_set_program(getenv("UPJOB") ? getenv("UPJOB") : argv[0]);
    struct phone_result first;
    struct span at[4];
    at[0] = now();
    struct phone_rules *rules = phone_rules_new(&options, &err);
    if (!rules || !phone_e164(rules, (struct csv_slice){"1", 1}, &first, &err))
        stop(err.message);
    at[1] = now();
    for (int pass = 2; pass < 4; pass++) {
        if (!phone_batch(rules, numbers.in, numbers.count, numbers.out, &err))
            stop(err.message);
        at[pass] = now();
    }
    printf("{\"count\": %zu, ", numbers.count);
    print_span("load", at[0], at[1], ", ");
    print_span("new", at[1], at[2], ", ");
    print_span("again", at[2], at[3], "}\n");
    if (argc > 4)
        write_results(argv[4], &numbers);
    phone_rules_free(rules);
    free(numbers.text);
    free(numbers.in);
    free(numbers.out);
}
