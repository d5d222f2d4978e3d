/* The external sort of keys, against qsort of everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/keysort_first.h"
#include "tests/c/keysorting.h"

static bool same_key(const struct keysort_record *records, size_t count, size_t a, size_t b)
{
    return b < count && keysort_compare_keys(&records[a], &records[b]) == 0;
}

/* What the sort gives is `records`, which are sorted, with the flags and counts that they have. */
static void expect_entries(struct keysort *sort, const struct keysort_record *records, size_t count)
{
    struct err err;
    struct keysort_entry entry;
    struct keysort_counts counts = {.rows = count};
    uint64_t first_line = 0;
    for (size_t i = 0; i < count; i++) {
        bool first = i == 0 || !same_key(records, count, i, i - 1), last = !same_key(records, count, i, i + 1);
        first_line = first ? records[i].line : first_line;
        assert_int_equal(keysort_next(sort, &entry, &err), KEYSORT_ENTRY);
        assert_memory_equal(&entry.record, &records[i], sizeof records[i]);
        assert_int_equal(entry.first, first);
        assert_int_equal(entry.last, last);
        assert_int_equal(entry.first_line, first_line);
        counts.keys += first;
        counts.repeated_keys += first && !last;
        counts.repeated_rows += !first || !last;
    }
    assert_int_equal(keysort_next(sort, &entry, &err), KEYSORT_END);
    assert_int_equal(keysort_next(sort, &entry, &err), KEYSORT_END);
    assert_memory_equal(keysort_counts(sort), &counts, sizeof counts);
}

static void expect_repeated(struct keysort *sort, const struct keysort_record *records, size_t count)
{
    struct err err;
    struct keysort_entry entry;
    enum keysort_answer answer;
    size_t at = 0;
    do {
        size_t work = 7;
        answer = keysort_next_repeated(sort, &work, &entry, &err);
        if (answer != KEYSORT_ENTRY)
            continue;
        while (!same_key(records, count, at, at + 1) && (at == 0 || !same_key(records, count, at, at - 1)))
            at++;
        assert_true(at < count);
        assert_memory_equal(&entry.record, &records[at], sizeof entry.record);
        at++;
    } while (answer != KEYSORT_END);
    for (; at < count; at++)
        assert_true(!same_key(records, count, at, at + 1) && (at == 0 || !same_key(records, count, at, at - 1)));
}

/* Sorts `records` (which it frees) with memory for few or all of them, in small and large steps. */
static void expect_sorted(struct keysort_record *records, size_t count)
{
    static const size_t memories[] = {1, 1 << 10, 5000, 300000, 0}, works[] = {1, 13, KEYSORT_STEP};
    struct keysort_record *sorted = calloc(count + 1, sizeof *sorted);
    struct err err;
    assert_non_null(sorted);
    memcpy(sorted, records, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_records);
    for (size_t m = 0; m < sizeof memories / sizeof *memories; m++)
        for (size_t w = 0; w < sizeof works / sizeof *works; w++) {
            struct keysort *sort = new_sort(memories[m]);
            add_all(sort, records, count, works[w]);
            expect_entries(sort, sorted, count);
            assert_true(keysort_rewind(sort, &err));
            take_steps(sort, works[w]);
            expect_repeated(sort, sorted, count);
            assert_int_equal(keysort_counts(sort)->rows, count);
            keysort_free(sort);
        }
    free(sorted);
    free(records);
}

static void rows_are_lost_or_out_of_order(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 24, 25, 26, 50, 51, 125, 1000, 20000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        expect_sorted(make_records(counts[i], UINT64_MAX), counts[i]);
        expect_sorted(make_records(counts[i], counts[i] / 3 + 1), counts[i]);
        expect_sorted(make_records(counts[i], 1), counts[i]);
    }
}

static void keys_that_are_alike_are_taken_for_one(void **state)
{
    (void)state;
    size_t count = 3000;
    /* They differ in one bit, anywhere in the 128. */
    struct keysort_record *records = make_records(count, 1);
    for (size_t i = 0; i < count; i++)
        records[i].key[i / 64 % 2] ^= (uint64_t)1 << i % 64;
    expect_sorted(records, count);
    /* In the second half only; the greatest key there is, beside the end of a run. */
    records = make_records(count, 1);
    for (size_t i = 0; i < count; i++) {
        records[i].key[0] = UINT64_MAX;
        records[i].key[1] = UINT64_MAX - scramble(i) % 5;
    }
    expect_sorted(records, count);
}

static void lines_of_a_key_come_in_another_order(void **state)
{
    (void)state;
    size_t count = 3000;
    struct keysort_record *records = make_records(count, 2);
    for (size_t i = 0; i < count; i++)
        records[i].line = scramble(i) >> (i % 40);
    expect_sorted(records, count);
    records = make_records(count, 1);
    for (size_t i = 0; i < count; i++)
        records[i].line = count - i;
    expect_sorted(records, count);
}

static void a_step_does_the_work_of_many(void **state)
{
    (void)state;
    struct keysort_record *records = make_records(20000, UINT64_MAX);
    struct keysort *sort = new_sort(0);
    struct err err;
    for (size_t i = 0; i < 20000; i++)
        assert_true(keysort_add(sort, &records[i], &err));
    keysort_end(sort);
    /* A look, a count and a move of all records cannot be had in fewer. */
    assert_true(take_steps(sort, 100) > 3 * 20000 / 100);
    keysort_free(sort);
    free(records);
}

static void an_add_to_full_memory_loses_the_record(void **state)
{
    (void)state;
    size_t count = 5000;
    struct err err;
    struct keysort_record *records = make_records(count, 900);
    struct keysort *sort = new_sort(1024);
    for (size_t i = 0; i < count; i++)
        assert_true(keysort_add(sort, &records[i], &err));
    keysort_end(sort);
    assert_false(keysort_add(sort, records, &err));
    assert_string_equal(err.code, ERR_INTERNAL);
    take_steps(sort, KEYSORT_STEP);
    qsort(records, count, sizeof *records, compare_records);
    expect_entries(sort, records, count);
    keysort_free(sort);
    free(records);
}

static void entries_come_before_the_sort_is_done(void **state)
{
    (void)state;
    struct err err;
    struct keysort_entry entry;
    struct keysort *sort = new_sort(1024);
    struct keysort_record record = record_of(1, 1);
    assert_true(keysort_add(sort, &record, &err));
    assert_int_equal(keysort_next(sort, &entry, &err), KEYSORT_FAILED);
    keysort_end(sort);
    assert_int_equal(keysort_next(sort, &entry, &err), KEYSORT_FAILED);
    assert_false(keysort_rewind(sort, &err));
    take_steps(sort, 1);
    assert_int_equal(keysort_next(sort, &entry, &err), KEYSORT_ENTRY);
    keysort_free(sort);
}

/* ---- files ---- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Adds rows until an error comes, at the latest in the steps after the last. */
static void expect_no_room(size_t count, rlim_t room)
{
    struct err err, again;
    struct keysort_entry entry;
    struct keysort *sort = new_sort(1024);
    bool done = true;
    err_clear(&err);
    limit_files(room);
    for (size_t i = 0; i < count && done; i++) {
        struct keysort_record record = record_of(i + 1, 100);
        done = keysort_add(sort, &record, &err);
    }
    keysort_end(sort);
    while (done && keysort_busy(sort))
        done = keysort_step(sort, 64, &err);
    limit_files(RLIM_INFINITY);
    assert_false(done);
    assert_string_equal(err.code, ERR_SYSTEM);
    assert_non_null(strstr(err.message, "TMPDIR"));
    assert_true(err.file[0] == '/');
    err_clear(&again);
    assert_int_equal(keysort_next(sort, &entry, &again), KEYSORT_FAILED);
    assert_string_equal(again.message, err.message);
    assert_false(keysort_step(sort, 64, &again));
    assert_false(keysort_rewind(sort, &again));
    keysort_free(sort);
}

static void a_full_disk_is_not_told(void **state)
{
    (void)state;
    expect_no_room(10000, 100000);
    /* In the middle of a record. */
    expect_no_room(10000, 4099);
    expect_no_room(26, 1);
}

static size_t files_in(const char *directory)
{
    size_t count = 0;
    DIR *list = opendir(directory);
    assert_non_null(list);
    for (struct dirent *entry; (entry = readdir(list));)
        count += entry->d_name[0] != '.';
    closedir(list);
    return count;
}

static void a_file_is_seen_or_left_behind(void **state)
{
    (void)state;
    char directory[] = "/tmp/keysort-XXXXXX";
    struct err err;
    size_t open = files_in("/proc/self/fd");
    assert_non_null(mkdtemp(directory));
    struct keysort_options options = {.memory = 1024, .directory = directory};
    for (size_t count = 10, steps = 0; count < 2000; count += 30, steps = (steps + 17) % 300) {
        /* Given up after any number of rows and steps, in the middle of a pass too. */
        struct keysort *sort = keysort_new(&options, &err);
        assert_non_null(sort);
        for (size_t i = 0; i < count; i++) {
            struct keysort_record record = record_of(i + 1, 100);
            assert_true(keysort_add(sort, &record, &err));
        }
        keysort_end(sort);
        for (size_t i = 0; i < steps && keysort_busy(sort); i++)
            assert_true(keysort_step(sort, 25, &err));
        assert_int_equal(files_in(directory), 0);
        keysort_free(sort);
        assert_int_equal(files_in("/proc/self/fd"), open);
    }
    assert_int_equal(rmdir(directory), 0);
}

static void a_directory_that_is_none_is_not_named(void **state)
{
    (void)state;
    struct err err;
    struct keysort_options options = {.memory = 1024, .directory = "/nonexistent/here"};
    struct keysort *sort = keysort_new(&options, &err);
    bool done = true;
    assert_non_null(sort);
    for (uint64_t i = 1; done && i < 100; i++) {
        struct keysort_record record = record_of(i, 100);
        done = keysort_add(sort, &record, &err);
    }
    assert_false(done);
    assert_string_equal(err.file, options.directory);
    keysort_free(sort);
}

/* ---- in the order of the file ---- */

static void the_first_duplicates_are_not_those_of_the_file(void **state)
{
    (void)state;
    size_t count = 20000, kept = 0;
    struct err err;
    struct keysort_record *records = make_records(count, count / 2);
    struct keysort *sort = new_sort(5000), *by_line = new_sort(5000);
    struct keysort_first first;
    struct keysort_entry entry;
    size_t work = SIZE_MAX;
    add_all(sort, records, count, KEYSORT_STEP);
    assert_true(keysort_first_init(&first, 20, &err));
    while (keysort_next_repeated(sort, &work, &entry, &err) == KEYSORT_ENTRY) {
        struct keysort_record record = {{entry.record.line, 0}, entry.record.line, entry.record.offset, entry.first_line};
        keysort_first_add(&first, &entry);
        assert_true(keysort_add(by_line, &record, &err));
    }
    keysort_first_sort(&first);
    keysort_end(by_line);
    take_steps(by_line, KEYSORT_STEP);
    uint64_t last = 0;
    for (; keysort_next(by_line, &entry, &err) == KEYSORT_ENTRY; kept++) {
        assert_true(entry.record.line > last && entry.record.row <= entry.record.line);
        last = entry.record.line;
        if (kept >= first.count)
            continue;
        assert_int_equal(first.entries[kept].record.line, entry.record.line);
        assert_int_equal(first.entries[kept].first_line, entry.record.row);
    }
    assert_int_equal(first.count, 20);
    assert_int_equal(kept, keysort_counts(sort)->repeated_rows);
    keysort_first_free(&first);
    keysort_free(sort);
    keysort_free(by_line);
    free(records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_lost_or_out_of_order),
        cmocka_unit_test(keys_that_are_alike_are_taken_for_one),
        cmocka_unit_test(lines_of_a_key_come_in_another_order),
        cmocka_unit_test(a_step_does_the_work_of_many),
        cmocka_unit_test(an_add_to_full_memory_loses_the_record),
        cmocka_unit_test(entries_come_before_the_sort_is_done),
        cmocka_unit_test(a_full_disk_is_not_told),
        cmocka_unit_test(a_file_is_seen_or_left_behind),
        cmocka_unit_test(a_directory_that_is_none_is_not_named),
        cmocka_unit_test(the_first_duplicates_are_not_those_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
