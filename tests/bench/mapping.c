/* Times the mapping on rows of customers, ten of whose twelve columns it looks at, in one thread, beside reading the rows
 * alone: mapping [RUNS]: MB of input per second of processor time, medians of RUNS (9) runs that take turns. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/mapping.h"
#include "core/utf8.h"

#define ROWS  300000
#define MOST  99 /* runs */
#define WAYS  4
#define BYTES ((size_t)200 * ROWS)

static uint64_t random_state = 1;

static unsigned below(unsigned n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

/* Customers as other programs export them: capitals here and there, German dates, a few letters outside ASCII, no faults. */
static size_t make_file(char *text)
{
    static const char *const first[] = {"Anna", "JOHN", "Zoë", "Maria", "peter", "Olga", "Wei", "Fatima"};
    static const char *const last[] = {"Smith", "Müller", "o'neill", "García", "Johnson", "van der Berg", "Ivanova", "Lee"};
    static const char *const city[] = {"Köln", "New York", "São Paulo", "London", "Springfield", "Paris"};
    static const char *const tier[] = {"G", "S", "B"};
    char *at = text + sprintf(text, "Id,First,Last,E-mail,Phone,Street,City,Postcode,Country,Born,Balance,Tier\n");
    for (int i = 0; i < ROWS; i++)
        at += sprintf(
            at, "C%08d,%s,%s,%s.%u@Example%u.com,+44 20 7946 0%03u,%u High Street,%s,%05u,GB,%02u.%02u.19%02u,%u.%02u,%s\n", i,
            first[below(8)], last[below(8)], below(4) ? "customer" : "Customer", below(100000), below(100), below(1000),
            1 + below(200), city[below(6)], below(99999), 1 + below(28), 1 + below(12), 50 + below(50), below(10000),
            below(100), tier[below(3)]);
    return (size_t)(at - text);
}

/* ---- ten fields: content types and lengths alone, and with the steps of a mapping ---- */

#define COLUMN(name)                                                                                                           \
    .columns = (const char *const[])                                                                                           \
    {                                                                                                                          \
        name, NULL                                                                                                             \
    }
#define STEPS(...)                                                                                                             \
    .steps = (const struct mapping_step[]){__VA_ARGS__},                                                                       \
    .step_count = sizeof((const struct mapping_step[]){__VA_ARGS__}) / sizeof(struct mapping_step)

static const struct mapping_field checked[] = {
    {.key = "id", COLUMN("Id"), .is_key = true},
    {.key = "first", COLUMN("First"), .type = MAPPING_NAME},
    {.key = "last", COLUMN("Last"), .type = MAPPING_NAME, .required = true},
    {.key = "email", COLUMN("E-mail"), .type = MAPPING_EMAIL},
    {.key = "phone", COLUMN("Phone"), .type = MAPPING_PHONE},
    {.key = "street", COLUMN("Street")},
    {.key = "city", COLUMN("City")},
    {.key = "postcode", COLUMN("Postcode"), .is_id = true},
    {.key = "born", COLUMN("Born")},
    {.key = "balance", COLUMN("Balance"), .type = MAPPING_NUMBER},
};

static const struct mapping_pair tiers[] = {{"G", "gold"}, {"S", "silver"}, {"B", "bronze"}};
static const struct mapping_field changed[] = {
    {.key = "id", COLUMN("Id"), .is_key = true, STEPS({.kind = MAPPING_TRIM})},
    {.key = "first", COLUMN("First"), .type = MAPPING_NAME, STEPS({.kind = MAPPING_TRIM}, {.kind = MAPPING_TITLE})},
    {.key = "last",
     COLUMN("Last"),
     .type = MAPPING_NAME,
     .required = true,
     STEPS({.kind = MAPPING_TRIM}, {.kind = MAPPING_TITLE})},
    {.key = "email", COLUMN("E-mail"), .type = MAPPING_EMAIL, STEPS({.kind = MAPPING_TRIM}, {.kind = MAPPING_LOWER})},
    {.key = "phone", COLUMN("Phone"), .type = MAPPING_PHONE, STEPS({.kind = MAPPING_TRIM})},
    {.key = "street", COLUMN("Street"), STEPS({.kind = MAPPING_TRIM})},
    {.key = "city", COLUMN("City"), STEPS({.kind = MAPPING_TRIM})},
    {.key = "born", COLUMN("Born"), STEPS({.kind = MAPPING_DATE, .list = (const char *const[]){"DD.MM.YYYY", NULL}})},
    {.key = "balance", COLUMN("Balance"), .type = MAPPING_NUMBER},
    {.key = "tier", COLUMN("Tier"), STEPS({.kind = MAPPING_LOOKUP, .pairs = tiers, .pair_count = 3})},
};

struct source {
    const char *text;
    size_t len, at;
};

static long read_text(void *arg, char *into, size_t size, struct err *err)
{
    struct source *source = arg;
    (void)err;
    size_t n = source->len - source->at < size ? source->len - source->at : size;
    memcpy(into, source->text + source->at, n);
    source->at += n;
    return (long)n;
}

static void stop(const char *what)
{
    fprintf(stderr, "mapping: %s\n", what);
    exit(1);
}

static size_t take_row(const struct mapping *mapping, struct mapping_arena *arena, const struct csv_row *row)
{
    struct mapping_fault fault;
    struct csv_slice value;
    struct err err;
    size_t sum = 0;
    for (size_t i = 0; i < mapping_count(mapping); i++) {
        if (mapping_value(mapping, arena, i, row, &value, &fault, &err) >= MAPPING_INVALID)
            stop("a value is refused");
        sum += value.len;
    }
    mapping_arena_reset(arena);
    return sum;
}

enum way { READ, VALID, CHECKED, CHANGED };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Bytes a second. */
static double run(enum way way, const char *text, size_t len)
{
    struct source source = {text, len, 0};
    struct csv_options options = {0};
    struct mapping_arena arena = {0};
    const struct csv_row *row, *header;
    struct mapping *mapping = NULL;
    size_t sum = 0;
    struct err err;
    err_clear(&err);
    double began = seconds();
    struct csv_reader *reader = csv_reader_new(read_text, &source, "customers.csv", &options, &err);
    if (way >= CHECKED)
        mapping = way == CHECKED ? mapping_new(checked, 10, NULL, NULL, &err) : mapping_new(changed, 10, NULL, NULL, &err);
    if (!reader || !csv_reader_header(reader, &header, &err) || (mapping && !mapping_bind(mapping, header, &err)))
        stop(err.message);
    while (csv_reader_next(reader, &row, &err) == CSV_ROW) {
        sum += way == READ || utf8_valid(row->raw.data, row->raw.len, NULL);
        if (mapping)
            sum += take_row(mapping, &arena, row);
    }
    double took = seconds() - began;
    if (sum < ROWS)
        stop("rows are missing");
    mapping_free(mapping);
    mapping_arena_free(&arena);
    csv_reader_free(reader);
    return (double)len / took;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static const char *const names[WAYS] = {"rows read", "and seen to be UTF-8", "and ten columns checked",
                                            "and ten columns changed and checked"};
    static double speeds[WAYS][MOST];
    int runs = argc > 1 ? atoi(argv[1]) : 9;
    char *text = malloc(BYTES);
    if (!text || runs < 1 || runs > MOST)
        stop("mapping [RUNS], 1 to 99");
    size_t len = make_file(text);
    for (int i = 0; i < runs; i++)
        for (int way = 0; way < WAYS; way++)
            speeds[way][i] = run((enum way)way, text, len);
    for (int way = 0; way < WAYS; way++) {
        qsort(speeds[way], (size_t)runs, sizeof speeds[way][0], by_size);
        double median = speeds[way][runs / 2];
        printf("%s: %.0f MB/s, %.0f ns a row\n", names[way], median / 1e6, (double)len / ROWS / median * 1e9);
    }
    free(text);
    return 0;
}
