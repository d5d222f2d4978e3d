/* Samples of a CSV file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "core/csv_sample.h"
#include "csv_reading.h"

static char *numbers(int n)
{
    char *text = malloc((size_t)n * 16 + 16), *at = text;
    if (!text)
        abort(); /* unlike a failed assertion, the compiler knows that nothing comes behind it */
    at += sprintf(at, "n,m\n");
    for (int i = 1; i <= n; i++)
        at += sprintf(at, "%d,\"x%d\"\n", i, i);
    return text;
}

/* Writes "line:index:cell,cell " of each record kept of the text. */
static struct buf sample_of(const char *text, size_t most, uint64_t seed, uint64_t bytes, uint64_t *seen)
{
    struct text source = {.data = text, .len = strlen(text), .step = 7};
    struct csv_options options = {0};
    struct csv_reader *reader = open_text(&source, &options);
    struct err err;
    struct buf out;
    enum csv_status status;
    err_clear(&err);
    struct csv_sample *sample = csv_sample_new(most, seed, &err);
    assert_non_null(sample);
    while ((status = csv_sample_read(sample, reader, bytes, &err)) != CSV_END)
        assert_true(status == CSV_NOTHING_YET || status == CSV_BAD);
    buf_init(&out, SIZE_MAX / 8);
    size_t count = csv_sample_finish(sample);
    for (size_t i = 0; i < count; i++) {
        const struct csv_sampled *record = csv_sample_at(sample, i);
        buf_addf(&out, "%ld:%llu", record->line, (unsigned long long)record->index);
        for (size_t cell = 0; cell < record->count; cell++)
            buf_addf(&out, "%c%.*s", cell ? ',' : ':', (int)record->cells[cell].len, record->cells[cell].data);
        buf_addc(&out, ' ');
    }
    buf_addc(&out, '\0');
    *seen = csv_sample_seen(sample);
    csv_sample_free(sample);
    csv_reader_free(reader);
    return out;
}

static void assert_sample(const char *text, size_t most, uint64_t seed, uint64_t bytes, const char *expected)
{
    uint64_t seen;
    struct buf out = sample_of(text, most, seed, bytes, &seen);
    assert_string_equal(out.data, expected);
    buf_free(&out);
}

static void all_records_are_kept_when_there_are_no_more(void **state)
{
    (void)state;
    for (uint64_t bytes = 1; bytes < 40; bytes++) {
        assert_sample("a\n1\n\n\"2\n2\"\n3,4\n", 3, 1, bytes, "2:0:1 4:1:2\n2 6:2:3,4 ");
        assert_sample("a\n1\n", 100, 1, bytes, "2:0:1 ");
        assert_sample("a\n", 5, 1, bytes, "");
    }
}

static void a_record_that_cannot_be_read_is_passed_over(void **state)
{
    (void)state;
    assert_sample("a\n1\n\"x\n2\n", 5, 1, 100, "2:0:1 4:1:2 ");
}

static void a_seed_gives_this_sample_on_every_machine_and_for_every_slice(void **state)
{
    (void)state;
    char *text = numbers(100);
    for (uint64_t bytes = 1; bytes < 2000; bytes += 97)
        assert_sample(text, 3, 42, bytes, "9:7:8,x8 64:62:63,x63 85:83:84,x84 ");
    free(text);
}

static void every_record_is_taken_as_often_as_any_other(void **state)
{
    (void)state;
    enum { RECORDS = 20, MOST = 5, RUNS = 4000 };
    char *text = numbers(RECORDS);
    int taken[RECORDS + 1] = {0};
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        uint64_t seen;
        struct buf out = sample_of(text, MOST, seed, 1000, &seen);
        assert_int_equal(seen, RECORDS);
        char *at = out.data;
        for (int i = 0; i < MOST; i++) {
            int index, used;
            assert_int_equal(sscanf(at, "%*d:%d:%*[^ ] %n", &index, &used), 1);
            taken[index]++;
            at += used;
        }
        buf_free(&out);
    }
    for (int i = 0; i < RECORDS; i++) {
        assert_true(taken[i] > RUNS * MOST / RECORDS * 8 / 10);
        assert_true(taken[i] < RUNS * MOST / RECORDS * 12 / 10);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_records_are_kept_when_there_are_no_more),
        cmocka_unit_test(a_record_that_cannot_be_read_is_passed_over),
        cmocka_unit_test(a_seed_gives_this_sample_on_every_machine_and_for_every_slice),
        cmocka_unit_test(every_record_is_taken_as_often_as_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
