/* Parts by ranges of hashes: where they begin and end, and how they are planned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/split.h"

static const struct split_range ALL = {0, UINT64_MAX};

static struct split_count *new_count(const struct split_range *range)
{
    struct err err;
    err_clear(&err);
    struct split_count *count = split_count_new(range, &err);
    assert_non_null(count);
    return count;
}

static void add(struct split_count *count, uint64_t hash, uint64_t line, uint64_t bytes)
{
    split_count_row(count, (const uint64_t[2]){hash, ~hash}, line, bytes);
}

/* Contiguous, and all of the range. */
static void expect_whole(const struct split_part *parts, size_t n, const struct split_range *range)
{
    assert_true(n > 0);
    assert_true(parts[0].range.low == range->low);
    assert_true(parts[n - 1].range.high == range->high);
    for (size_t i = 0; i < n; i++) {
        assert_true(parts[i].range.low <= parts[i].range.high);
        if (i > 0)
            assert_true(parts[i].range.low == parts[i - 1].range.high + 1);
    }
}

struct planned {
    struct split_part *parts;
    size_t count;
};

/* The plan, of which the parts come to what was counted, with a header each. */
static struct planned plan(const struct split_count *count, uint64_t header, uint64_t part_bytes)
{
    struct planned made;
    struct err err;
    err_clear(&err);
    assert_true(split_plan(count, header, part_bytes, &made.parts, &made.count, &err));
    if (made.count > 1)
        expect_whole(made.parts, made.count, &count->range);
    uint64_t rows = 0, bytes = 0;
    for (size_t i = 0; i < made.count; i++) {
        rows += made.parts[i].rows;
        bytes += made.parts[i].bytes - header;
        assert_true(made.count == 1 || made.parts[i].rows > 0);
    }
    assert_true(rows == count->rows && bytes == count->bytes);
    return made;
}

static void refused(struct split_count *count, uint64_t header, uint64_t part_bytes, const char *why)
{
    struct split_part *parts;
    size_t n;
    struct err err;
    err_clear(&err);
    assert_false(split_plan(count, header, part_bytes, &parts, &n, &err));
    assert_string_equal(err.code, ERR_INVALID_FILE);
    assert_non_null(strstr(err.message, why));
    assert_null(parts);
    free(count);
}

static uint64_t scattered(uint64_t i)
{
    return i * UINT64_C(0x9e3779b97f4a7c15);
}

static void even_parts_leave_a_gap(void **state)
{
    (void)state;
    static struct split_part parts[SPLIT_BUCKETS];
    for (size_t n = 1; n <= SPLIT_BUCKETS; n += n < 20 ? 1 : 311) {
        assert_int_equal(split_evenly(n, parts, SPLIT_BUCKETS), n);
        expect_whole(parts, n, &ALL);
    }
    assert_int_equal(split_evenly(100000, parts, SPLIT_BUCKETS), SPLIT_BUCKETS);
    expect_whole(parts, SPLIT_BUCKETS, &ALL);
}

static void the_first_even_parts_are_others_than_those_of_all(void **state)
{
    (void)state;
    struct split_part all[7], some[3];
    memset(all, 0, sizeof all);
    memset(some, 0, sizeof some);
    assert_int_equal(split_evenly(7, all, 7), 7);
    assert_int_equal(split_evenly(7, some, 3), 3);
    assert_memory_equal(all, some, sizeof some);
}

static void even_parts_do_not_come_to_what_was_counted(void **state)
{
    (void)state;
    struct split_part parts[5];
    struct split_count *count = new_count(&ALL);
    size_t n = split_evenly(5, parts, 5);
    for (uint64_t i = 0; i < 5000; i++)
        add(count, scattered(i), i, 10);
    add(count, 0, 1, 3);
    add(count, UINT64_MAX, 2, 4);
    split_fill(count, 7, parts, n);
    uint64_t rows = 0, bytes = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t expected = 7;
        for (uint64_t k = 0; k < 5000; k++)
            if (scattered(k) >= parts[i].range.low && scattered(k) <= parts[i].range.high)
                expected += 10;
        expected += (i == 0 ? 3u : 0u) + (i == n - 1 ? 4u : 0u);
        assert_true(parts[i].bytes == expected);
        rows += parts[i].rows;
        bytes += parts[i].bytes;
    }
    assert_true(rows == count->rows && bytes == count->bytes + 5 * 7);
    free(count);
}

static void a_part_is_too_large(void **state)
{
    (void)state;
    struct split_count *count = new_count(&ALL);
    for (uint64_t i = 0; i < 100000; i++)
        add(count, scattered(i), i + 2, 50 + i % 100);
    struct planned made = plan(count, 100, 1000000);
    for (size_t i = 0; i < made.count; i++)
        assert_true(made.parts[i].bytes < 1000000);
    assert_true(made.count >= 10 && made.count <= 12);
    free(made.parts);
    free(count);
}

static void parts_are_uneven_where_keys_are_even(void **state)
{
    (void)state;
    struct split_count *count = new_count(&ALL);
    for (uint64_t i = 0; i < 100000; i++)
        add(count, scattered(i), i + 2, 100);
    struct planned made = plan(count, 0, 9000000);
    assert_int_equal(made.count, 2);
    assert_true(made.parts[1].bytes > 4500000 && made.parts[1].bytes < 5500000);
    free(made.parts);
    free(count);
}

/* Nine of ten bytes are in a tenth of the buckets. */
static void a_part_of_skewed_buckets_is_too_large(void **state)
{
    (void)state;
    struct split_count *count = new_count(&ALL);
    for (uint64_t i = 0; i < 50000; i++)
        add(count, scattered(i), i + 2, scattered(i) < UINT64_MAX / 10 ? 900 : 10);
    struct planned made = plan(count, 20, 300000);
    for (size_t i = 0; i < made.count; i++)
        assert_true(made.parts[i].bytes < 300000);
    free(made.parts);
    free(count);
}

static void a_bucket_that_is_too_large_takes_others_with_it(void **state)
{
    (void)state;
    struct split_count *count = new_count(&ALL);
    for (uint64_t i = 0; i < 10000; i++)
        add(count, scattered(i), i + 2, 10);
    const uint64_t middle = UINT64_MAX / 2 + 1;
    add(count, middle + 5, 10002, 40000);
    add(count, middle + 6, 10003, 40000);
    struct planned made = plan(count, 0, 50000);
    size_t large = 0;
    for (size_t i = 0; i < made.count; i++)
        if (made.parts[i].bytes >= 50000) {
            large++;
            assert_true(made.parts[i].range.low <= middle + 5 && made.parts[i].range.high >= middle + 6);
            assert_true(made.parts[i].bytes < 81000);
        }
    assert_int_equal(large, 1);
    free(made.parts);
    free(count);
}

/* The range of a bucket is counted again, by finer ones, until they are told apart. */
static void two_keys_in_a_bucket_are_not_told_apart(void **state)
{
    (void)state;
    struct split_range range = ALL;
    const uint64_t a = UINT64_MAX - 5, b = UINT64_MAX - 3;
    for (int pass = 0; pass < 7; pass++) {
        struct split_count *count = new_count(&range);
        add(count, a, 2, 600);
        add(count, b, 3, 600);
        struct planned made = plan(count, 10, 1000);
        free(count);
        struct split_part last = made.parts[made.count - 1];
        size_t parts = made.count;
        free(made.parts);
        if (parts == 2) {
            assert_true(last.range.low > a && last.range.low <= b && last.bytes == 610);
            return;
        }
        range = last.range;
    }
    fail_msg("not told apart");
}

static void hashes_at_both_ends_overflow(void **state)
{
    (void)state;
    static const struct split_range ranges[] = {{0, UINT64_MAX},
                                                {0, 0},
                                                {UINT64_MAX, UINT64_MAX},
                                                {UINT64_MAX - 1, UINT64_MAX},
                                                {0, 4095},
                                                {0, 4096},
                                                {UINT64_MAX - 4095, UINT64_MAX},
                                                {UINT64_MAX - 4096, UINT64_MAX},
                                                {UINT64_MAX - 10000, UINT64_MAX},
                                                {1, UINT64_MAX},
                                                {UINT64_MAX / 2, UINT64_MAX - 1}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        struct split_count *count = new_count(&ranges[i]);
        add(count, ranges[i].low, 2, 600);
        add(count, ranges[i].high, 3, 600);
        if (ranges[i].low == ranges[i].high) {
            refused(count, 10, 1000, "2 rows with one key (lines 2, 3) come to 1210 bytes");
            continue;
        }
        struct planned made = plan(count, 10, 1000);
        assert_int_equal(made.count, 2);
        assert_true(made.parts[0].bytes == 610 && made.parts[1].bytes == 610);
        free(made.parts);
        free(count);
    }
}

static void what_fits_in_one_part_is_two(void **state)
{
    (void)state;
    for (uint64_t part_bytes = 1000; part_bytes <= 1002; part_bytes++) {
        struct split_count *count = new_count(&ALL);
        for (uint64_t i = 0; i < 99; i++)
            add(count, scattered(i), i + 2, 10);
        struct planned made = plan(count, 10, part_bytes);
        assert_true(part_bytes == 1000 ? made.count == 2 : made.count == 1);
        free(made.parts);
        free(count);
    }
}

static void a_key_that_alone_is_too_large_is_planned(void **state)
{
    (void)state;
    struct split_count *count = new_count(&ALL);
    for (uint64_t i = 0; i < 30; i++)
        add(count, 77, i * 3 + 2, 100);
    refused(count, 10, 3010, "30 rows with one key (lines 2, 5, 8, 11, 14, …) come to 3010 bytes");
    count = new_count(&ALL);
    add(count, 77, 9, 5000);
    refused(count, 10, 3010, "1 row with one key (line 9) comes to 5010 bytes");
    count = new_count(&ALL);
    for (uint64_t i = 0; i < 30; i++)
        add(count, 77, i * 3 + 2, 100);
    struct planned made = plan(count, 10, 3011);
    assert_int_equal(made.count, 1);
    free(made.parts);
    free(count);
}

static void a_header_that_leaves_no_room_is_planned(void **state)
{
    (void)state;
    struct split_count *count = new_count(&ALL);
    add(count, 5, 2, 10);
    refused(count, 1024, 1024, "the header alone has 1024 bytes");
    count = new_count(&ALL);
    add(count, 5, 2, 10);
    add(count, 6, 3, 10);
    struct planned made = plan(count, 1023, 1024); /* each is to be told apart from its neighbours first */
    assert_int_equal(made.count, 1);
    free(made.parts);
    free(count);
}

static void a_text_makes_other_parts_the_second_time(void **state)
{
    (void)state;
    struct keyhash a, b, other;
    split_secret(&a, "nightly");
    split_secret(&b, "nightly");
    split_secret(&other, "nightly ");
    assert_memory_equal(a.secret, b.secret, sizeof a.secret);
    assert_memory_not_equal(a.secret, other.secret, sizeof a.secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(even_parts_leave_a_gap),
        cmocka_unit_test(the_first_even_parts_are_others_than_those_of_all),
        cmocka_unit_test(even_parts_do_not_come_to_what_was_counted),
        cmocka_unit_test(a_part_is_too_large),
        cmocka_unit_test(parts_are_uneven_where_keys_are_even),
        cmocka_unit_test(a_part_of_skewed_buckets_is_too_large),
        cmocka_unit_test(a_bucket_that_is_too_large_takes_others_with_it),
        cmocka_unit_test(two_keys_in_a_bucket_are_not_told_apart),
        cmocka_unit_test(hashes_at_both_ends_overflow),
        cmocka_unit_test(what_fits_in_one_part_is_two),
        cmocka_unit_test(a_key_that_alone_is_too_large_is_planned),
        cmocka_unit_test(a_header_that_leaves_no_room_is_planned),
        cmocka_unit_test(a_text_makes_other_parts_the_second_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
