/* Sets of keys that are kept, and what became of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/keyset.h"
#include "tests/c/keysorting.h"

static const struct keyhash hash = {{1, 2}};

static int open_file(void)
{
    char path[] = "/tmp/keyset-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static struct keysort *sort_of(const struct keysort_record *records, size_t count)
{
    struct keysort *sort = new_sort(5000);
    add_all(sort, records, count, KEYSORT_STEP);
    return sort;
}

static int write_set(const struct keysort_record *records, size_t count)
{
    struct err err;
    struct keysort_entry entry;
    int fd = open_file();
    struct keysort *sort = sort_of(records, count);
    struct keyset_writer *writer = keyset_writer_new(fd, &hash, &err);
    assert_non_null(writer);
    while (keysort_next(sort, &entry, &err) == KEYSORT_ENTRY)
        assert_true(keyset_writer_add(writer, &entry, &err));
    assert_true(keyset_writer_finish(writer, &err));
    keyset_writer_free(writer);
    keysort_free(sort);
    return fd;
}

/* Reads all of a set; the number of records, or -1 with *err filled. */
static long read_set(int fd, struct err *err)
{
    struct keysort_record record;
    struct keyset_reader *reader = keyset_reader_new(fd, err);
    enum keysort_answer answer = reader ? KEYSORT_ENTRY : KEYSORT_FAILED;
    long count = 0;
    while (answer == KEYSORT_ENTRY) {
        answer = keyset_next(reader, &record, err);
        count += answer == KEYSORT_ENTRY;
    }
    keyset_reader_free(reader);
    return answer == KEYSORT_END ? count : -1;
}

static void a_set_is_not_read_as_it_was_written(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, KEYSET_BLOCK - 1, KEYSET_BLOCK, KEYSET_BLOCK + 1, 3 * KEYSET_BLOCK};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct err err;
        struct keysort_record record, *records = make_records(counts[i], UINT64_MAX);
        int fd = write_set(records, counts[i]);
        struct keyset_reader *reader = keyset_reader_new(fd, &err);
        assert_non_null(reader);
        assert_int_equal(keyset_count(reader), counts[i]);
        assert_memory_equal(keyset_hash(reader), &hash, sizeof hash);
        qsort(records, counts[i], sizeof *records, compare_records);
        for (size_t at = 0; at < counts[i]; at++) {
            assert_int_equal(keyset_next(reader, &record, &err), KEYSORT_ENTRY);
            assert_memory_equal(&record, &records[at], sizeof record);
        }
        assert_int_equal(keyset_next(reader, &record, &err), KEYSORT_END);
        keyset_reader_free(reader);
        close(fd);
        free(records);
    }
}

static void a_repeated_key_is_not_its_last_row(void **state)
{
    (void)state;
    struct err err;
    struct keysort_record record, *records = make_records(5000, 1);
    int fd = write_set(records, 5000);
    struct keyset_reader *reader = keyset_reader_new(fd, &err);
    assert_non_null(reader);
    assert_int_equal(keyset_count(reader), 1);
    assert_int_equal(keyset_next(reader, &record, &err), KEYSORT_ENTRY);
    assert_int_equal(record.line, 5000);
    keyset_reader_free(reader);
    close(fd);
    free(records);
}

static void damage_is_not_seen(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    size_t count = KEYSET_BLOCK + 10;
    struct keysort_record *records = make_records(count, UINT64_MAX);
    int fd = write_set(records, count);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(read_set(fd, &err), (long)count);
    for (off_t at = 0; at < info.st_size; at += at < 200 || at > info.st_size - 100 ? 1 : 997) {
        unsigned char was, now;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        now = was ^ 0x10;
        assert_int_equal(pwrite(fd, &now, 1, at), 1);
        assert_int_equal(read_set(fd, &err), -1);
        assert_string_equal(err.code, ERR_FILE);
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    assert_int_equal(read_set(fd, &err), (long)count);
    close(fd);
    free(records);
}

static void a_block_in_the_place_of_another_is_taken(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    struct keysort_record record, *records = make_records(3 * KEYSET_BLOCK, UINT64_MAX);
    static char block[KEYSET_BLOCK * sizeof record + 2 * sizeof(uint64_t)];
    int fd = write_set(records, 3 * KEYSET_BLOCK);
    size_t count = 0;
    assert_int_equal(fstat(fd, &info), 0);
    /* The third in the second's place: its keys are in order there. */
    assert_int_equal(pread(fd, block, sizeof block, info.st_size - (off_t)sizeof block), sizeof block);
    assert_int_equal(pwrite(fd, block, sizeof block, info.st_size - 2 * (off_t)sizeof block), sizeof block);
    struct keyset_reader *reader = keyset_reader_new(fd, &err);
    assert_non_null(reader);
    while (keyset_next(reader, &record, &err) == KEYSORT_ENTRY)
        count++;
    assert_int_equal(count, KEYSET_BLOCK);
    assert_int_equal(keyset_next(reader, &record, &err), KEYSORT_FAILED);
    keyset_reader_free(reader);
    close(fd);
    free(records);
}

static void a_set_that_was_cut_off_is_taken(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    size_t count = 2 * KEYSET_BLOCK;
    struct keysort_record *records = make_records(count, UINT64_MAX);
    int fd = write_set(records, count);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(ftruncate(fd, info.st_size + 1), 0);
    assert_int_equal(read_set(fd, &err), -1);
    for (off_t size = info.st_size - 1; size >= 0; size -= size > 100 ? 991 : 1) {
        assert_int_equal(ftruncate(fd, size), 0);
        assert_int_equal(read_set(fd, &err), -1);
        assert_string_equal(err.code, ERR_FILE);
    }
    close(fd);
    free(records);
}

static void a_set_that_was_not_finished_is_taken(void **state)
{
    (void)state;
    struct err err;
    int fd = open_file();
    struct keyset_writer *writer = keyset_writer_new(fd, &hash, &err);
    assert_non_null(writer);
    for (uint64_t i = 1; i <= KEYSET_BLOCK; i++) {
        struct keysort_entry entry = {{{i, 0}, i, 0, 0}, i, true, true};
        assert_true(keyset_writer_add(writer, &entry, &err));
    }
    keyset_writer_free(writer);
    assert_int_equal(read_set(fd, &err), -1);
    assert_non_null(strstr(err.message, "not finished"));
    close(fd);
}

static void keys_out_of_order_are_read(void **state)
{
    (void)state;
    struct err err;
    int fd = open_file();
    struct keyset_writer *writer = keyset_writer_new(fd, &hash, &err);
    struct keysort_entry high = {{{2, 0}, 1, 0, 0}, 1, true, true}, low = {{{1, 0}, 2, 0, 0}, 2, true, true};
    assert_non_null(writer);
    assert_true(keyset_writer_add(writer, &high, &err));
    assert_true(keyset_writer_add(writer, &low, &err));
    assert_true(keyset_writer_finish(writer, &err));
    keyset_writer_free(writer);
    struct keysort_record record;
    struct keyset_reader *reader = keyset_reader_new(fd, &err);
    assert_non_null(reader);
    assert_int_equal(keyset_next(reader, &record, &err), KEYSORT_ENTRY);
    for (int i = 0; i < 3; i++)
        assert_int_equal(keyset_next(reader, &record, &err), KEYSORT_FAILED);
    keyset_reader_free(reader);
    close(fd);
}

static void a_full_disk_is_not_told(void **state)
{
    (void)state;
    struct err err;
    struct rlimit limit, small;
    int fd = open_file();
    struct keyset_writer *writer = keyset_writer_new(fd, &hash, &err);
    bool done = true;
    assert_non_null(writer);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 50000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (uint64_t i = 1; done && i <= 5 * KEYSET_BLOCK; i++) {
        struct keysort_entry entry = {{{i, 0}, i, 0, 0}, i, true, true};
        done = keyset_writer_add(writer, &entry, &err);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_false(done);
    assert_string_equal(err.code, ERR_SYSTEM);
    keyset_writer_free(writer);
    assert_int_equal(read_set(fd, &err), -1);
    close(fd);
}

/* ---- what became of it ---- */

struct fates {
    size_t new, changed, same, gone;
};

/* Keys are line numbers here, rows what the caller wants. */
static struct keysort_record row(uint64_t key, uint64_t line, uint64_t content)
{
    return (struct keysort_record){{scramble(key), key}, line, 0, content};
}

static struct fates compare_sets(const struct keysort_record *before, size_t before_count, const struct keysort_record *now,
                                 size_t now_count)
{
    struct err err;
    struct fates fates = {0};
    struct keyset_change change;
    enum keysort_answer answer;
    int fd = write_set(before, before_count);
    struct keyset_join join = {.before = keyset_reader_new(fd, &err), .now = sort_of(now, now_count)};
    assert_non_null(join.before);
    while ((answer = keyset_join_next(&join, &change, &err)) == KEYSORT_ENTRY) {
        fates.new += change.fate == KEYSET_NEW;
        fates.changed += change.fate == KEYSET_CHANGED;
        fates.same += change.fate == KEYSET_SAME;
        fates.gone += change.fate == KEYSET_GONE;
        /* Odd keys are those of before; keys that three divides those of now; rows of keys that five divides changed. */
        uint64_t key = change.fate == KEYSET_GONE ? change.before.key[1] : change.now.record.key[1];
        enum keyset_fate fate = key % 2 == 0 ? KEYSET_NEW : key % 3 ? KEYSET_GONE : key % 5 ? KEYSET_SAME : KEYSET_CHANGED;
        assert_int_equal(change.fate, fate);
        if (fate == KEYSET_SAME || fate == KEYSET_CHANGED)
            assert_int_equal(change.before.key[1], key);
    }
    assert_int_equal(answer, KEYSORT_END);
    assert_int_equal(keyset_join_next(&join, &change, &err), KEYSORT_END);
    keyset_reader_free(join.before);
    keysort_free(join.now);
    close(fd);
    return fates;
}

static void a_row_has_the_wrong_fate(void **state)
{
    (void)state;
    size_t before_count = 0, now_count = 0;
    struct keysort_record before[4000], now[4000];
    for (uint64_t key = 1; key <= 6000; key++) {
        if (key % 2)
            before[before_count++] = row(key, key, 7);
        if (key % 3 == 0)
            now[now_count++] = row(key, key, key % 5 ? 7 : 8);
    }
    struct fates fates = compare_sets(before, before_count, now, now_count);
    assert_int_equal(fates.new, 1000);
    assert_int_equal(fates.changed, 200);
    assert_int_equal(fates.same, 800);
    assert_int_equal(fates.gone, 2000);
    struct keysort_record even = row(6, 1, 7), odd = row(7, 1, 7);
    assert_int_equal(compare_sets(before, 0, &even, 1).new, 1);
    assert_int_equal(compare_sets(&odd, 1, now, 0).gone, 1);
    fates = compare_sets(before, 0, now, 0);
    assert_int_equal(fates.new + fates.gone, 0);
}

static void rows_of_a_repeated_key_are_left_out(void **state)
{
    (void)state;
    /* The last row of 15 is the one of before, and still both are to be sent; a new key has three rows. */
    struct keysort_record before[] = {row(15, 1, 7)};
    struct keysort_record now[] = {row(15, 1, 8), row(6, 2, 1), row(6, 3, 1), row(15, 4, 7), row(6, 5, 1)};
    struct fates fates = compare_sets(before, 1, now, 5);
    assert_int_equal(fates.changed, 2);
    assert_int_equal(fates.new, 3);
    assert_int_equal(fates.gone, 0);
}

static void damage_ends_the_comparison_as_if_all_were_read(void **state)
{
    (void)state;
    struct err err;
    struct keyset_change change;
    enum keysort_answer answer;
    size_t count = 3 * KEYSET_BLOCK;
    struct keysort_record *records = make_records(count, UINT64_MAX);
    int fd = write_set(records, count);
    assert_int_equal(pwrite(fd, "?", 1, (off_t)(2 * KEYSET_BLOCK * sizeof *records)), 1);
    struct keyset_join join = {.before = keyset_reader_new(fd, &err), .now = sort_of(records, count)};
    assert_non_null(join.before);
    while ((answer = keyset_join_next(&join, &change, &err)) == KEYSORT_ENTRY)
        assert_int_equal(change.fate, KEYSET_SAME);
    assert_int_equal(answer, KEYSORT_FAILED);
    assert_string_equal(err.code, ERR_FILE);
    assert_int_equal(keyset_join_next(&join, &change, &err), KEYSORT_FAILED);
    keyset_reader_free(join.before);
    keysort_free(join.now);
    close(fd);
    free(records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_is_not_read_as_it_was_written),
        cmocka_unit_test(a_repeated_key_is_not_its_last_row),
        cmocka_unit_test(damage_is_not_seen),
        cmocka_unit_test(a_block_in_the_place_of_another_is_taken),
        cmocka_unit_test(a_set_that_was_cut_off_is_taken),
        cmocka_unit_test(a_set_that_was_not_finished_is_taken),
        cmocka_unit_test(keys_out_of_order_are_read),
        cmocka_unit_test(a_full_disk_is_not_told),
        cmocka_unit_test(a_row_has_the_wrong_fate),
        cmocka_unit_test(rows_of_a_repeated_key_are_left_out),
        cmocka_unit_test(damage_ends_the_comparison_as_if_all_were_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
