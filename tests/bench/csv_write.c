/* Times the CSV writer beside libcsv's, which is given the same cells and the same rule of when to quote:
 * csv_write [RUNS]: MB of output a second, the median of RUNS (9) runs that take turns. */
#include <csv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/csv.h"

#define COLUMNS 12
#define ROWS    16384
#define TIMES   16 /* that a run writes them all */
#define LONGEST ((size_t)64)
#define MOST    99 /* runs */

struct table {
    const char *name;
    char *text;
    struct csv_slice cells[ROWS][COLUMNS];
};

static uint64_t random_state = 1;

static unsigned below(unsigned n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

/* Lengths of a customer: number, two names, e-mail, phone, street, city, state, postcode, country, date, balance. */
static size_t cell_length(size_t column)
{
    static const unsigned least[COLUMNS] = {8, 4, 4, 16, 12, 12, 5, 2, 5, 2, 10, 4};
    static const unsigned spread[COLUMNS] = {1, 6, 7, 12, 2, 9, 8, 1, 1, 1, 1, 4};
    return least[column] + below(spread[column]);
}

enum content { CUSTOMERS, PLAIN, QUOTES };

/* One cell in twenty of a customer holds what needs quotes; `QUOTES` are cells of which every third byte, in the mean, is one. */
static void fill_cell(char *at, size_t len, enum content content)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (char)('a' + below(26));
    if (content == CUSTOMERS && below(20) == 0)
        at[below((unsigned)len)] = ",\"\n"[below(3)];
    for (size_t i = 0; content == QUOTES && i < len; i++)
        if (below(3) == 0)
            at[i] = '"';
}

static struct table *make_table(const char *name, enum content content)
{
    struct table *table = malloc(sizeof *table);
    char *at = malloc(ROWS * COLUMNS * LONGEST);
    if (!table || !at)
        exit(1);
    table->name = name;
    table->text = at;
    for (size_t row = 0; row < ROWS; row++)
        for (size_t column = 0; column < COLUMNS; column++) {
            size_t len = cell_length(column);
            fill_cell(at, len, content);
            table->cells[row][column] = (struct csv_slice){at, len};
            at += len + 1;
        }
    return table;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t dropped;

static bool drop(void *arg, const char *bytes, size_t len, struct err *err)
{
    (void)arg, (void)bytes, (void)err;
    dropped += len;
    return true;
}

static void write_ours(const struct table *table, struct csv_writer *writer)
{
    struct err err;
    err_clear(&err);
    for (int i = 0; i < TIMES; i++)
        for (size_t row = 0; row < ROWS; row++)
            if (!csv_writer_row(writer, table->cells[row], COLUMNS, &err))
                exit(1);
    if (!csv_writer_close(writer, &err))
        exit(1);
    csv_writer_free(writer);
}

static void ours_to_sink(const struct table *table)
{
    struct err err;
    static const struct csv_options plain;
    write_ours(table, csv_writer_new(drop, NULL, &plain, &err));
}

static void ours_to_null(const struct table *table)
{
    struct err err;
    static const struct csv_options plain;
    write_ours(table, csv_writer_open("/dev/null", &plain, &err));
}

static bool wants_quotes(struct csv_slice cell)
{
    for (size_t i = 0; i < cell.len; i++)
        if (cell.data[i] == ',' || cell.data[i] == '"' || cell.data[i] == '\n' || cell.data[i] == '\r')
            return true;
    return cell.len == 0 || cell.data[0] == ' ' || cell.data[0] == '\t' || cell.data[cell.len - 1] == ' ' ||
           cell.data[cell.len - 1] == '\t';
}

static void libcsv_to_sink(const struct table *table)
{
    static char buffer[(64 << 10) + LONGEST * 2 + 8];
    size_t len = 0;
    for (size_t i = 0; i < (size_t)TIMES * ROWS * COLUMNS; i++) {
        struct csv_slice cell = table->cells[i / COLUMNS % ROWS][i % COLUMNS];
        if (wants_quotes(cell)) {
            len += csv_write(buffer + len, sizeof buffer - len, cell.data, cell.len);
        } else {
            memcpy(buffer + len, cell.data, cell.len);
            len += cell.len;
        }
        buffer[len++] = i % COLUMNS == COLUMNS - 1 ? '\n' : ',';
        if (len >= 64 << 10) {
            drop(NULL, buffer, len, NULL);
            len = 0;
        }
    }
    drop(NULL, buffer, len, NULL);
}

static void libcsv_to_null(const struct table *table)
{
    FILE *file = fopen("/dev/null", "w");
    if (!file)
        exit(1);
    for (size_t i = 0; i < (size_t)TIMES * ROWS * COLUMNS; i++) {
        struct csv_slice cell = table->cells[i / COLUMNS % ROWS][i % COLUMNS];
        if (wants_quotes(cell))
            csv_fwrite(file, cell.data, cell.len);
        else
            fwrite_unlocked(cell.data, 1, cell.len, file);
        putc_unlocked(i % COLUMNS == COLUMNS - 1 ? '\n' : ',', file);
    }
    fclose(file);
}

static int ascending(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double seconds(void (*write)(const struct table *), const struct table *table)
{
    double began = now();
    write(table);
    return now() - began;
}

static void compare(const struct table *table, const char *where, void (*ours)(const struct table *),
                    void (*peer)(const struct table *), int runs)
{
    double a[MOST], b[MOST];
    dropped = 0;
    ours_to_sink(table);
    double megabytes = (double)dropped / 1e6;
    for (int i = 0; i < runs; i++) {
        a[i] = seconds(ours, table);
        b[i] = seconds(peer, table);
    }
    qsort(a, (size_t)runs, sizeof *a, ascending);
    qsort(b, (size_t)runs, sizeof *b, ascending);
    double ours_rate = megabytes / a[runs / 2], peer_rate = megabytes / b[runs / 2];
    printf("csv_write: %s, to %s: upjob %.0f MB/s, libcsv %.0f MB/s: %.1f times as many (medians of %d)\n", table->name, where,
           ours_rate, peer_rate, ours_rate / peer_rate, runs);
}

int main(int argc, char **argv)
{
    int runs = argc > 1 ? atoi(argv[1]) : 9;
    if (argc > 2 || runs < 1 || runs > MOST)
        return 2;
    struct table *tables[] = {make_table("customers, 5 % of the cells quoted", CUSTOMERS), make_table("no quotes", PLAIN),
                              make_table("cells of which a third is quotes", QUOTES)};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        compare(tables[i], "a sink that drops", ours_to_sink, libcsv_to_sink, runs);
        compare(tables[i], "/dev/null", ours_to_null, libcsv_to_null, runs);
        free(tables[i]->text);
        free(tables[i]);
    }
    return 0;
}
