/* The search index: what was added is found, in order and once, before, during and after merges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sql.h"
#include "local/terms.h"

#define HASHES 50

struct fixture {
    sqlite3 *db;
    struct terms *terms;
    bool has[HASHES][20001]; /* what was committed, by hash and id */
    unsigned seed;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    err_clear(&e);
    f->seed = 7;
    assert_int_equal(sqlite3_open(":memory:", &f->db), SQLITE_OK);
    assert_true(sql_exec(f->db, TERMS_SCHEMA, &e));
    f->terms = terms_open(f->db, &e);
    assert_non_null(f->terms);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    terms_close(f->terms);
    sqlite3_close(f->db);
    free(f);
    return 0;
}

/* Hashes far apart and ids that repeat. */
static uint64_t hash_of(int n)
{
    return ((uint64_t)n * 0x9E3779B97F4Au) & 0xFFFFFFFFFFFFu;
}

static void add_batch(struct fixture *f, int pairs)
{
    struct err e;
    err_clear(&e);
    assert_true(sql_exec(f->db, "BEGIN", &e));
    for (int i = 0; i < pairs; i++) {
        int n = rand_r(&f->seed) % HASHES, id = 1 + rand_r(&f->seed) % 20000;
        assert_true(terms_add(f->terms, hash_of(n), id, &e));
        f->has[n][id] = true;
    }
    assert_true(terms_flush(f->terms, &e) && sql_exec(f->db, "COMMIT", &e));
}

/* Every id of the hashes, page by page, against what was added. */
static void expect_found(struct fixture *f, const int *numbers, size_t count, size_t page)
{
    struct err e;
    uint64_t hashes[HASHES];
    int64_t ids[1000], after = 0;
    size_t found = page;
    err_clear(&e);
    for (size_t i = 0; i < count; i++)
        hashes[i] = hash_of(numbers[i]);
    while (found == page) {
        assert_true(terms_find(f->db, hashes, count, after, ids, &found, &e));
        for (size_t i = 0; i <= found; i++) {
            int64_t until = i < found ? ids[i] : found == page ? after + 1 : 20001;
            for (int64_t id = after + 1; id < until; id++)
                for (size_t k = 0; k < count; k++)
                    if (f->has[numbers[k]][id])
                        fail_msg("pair (%d, %ld) was not found", numbers[k], (long)id);
            if (i == found)
                break;
            bool has = false;
            for (size_t k = 0; k < count; k++)
                has = has || f->has[numbers[k]][ids[i]];
            if (!has || ids[i] <= after)
                fail_msg("%ld was found after %ld", (long)ids[i], (long)after);
            after = ids[i];
        }
    }
}

static void expect_all(struct fixture *f)
{
    static const int one[] = {3}, three[] = {0, 49, 20};
    expect_found(f, one, 1, 1000);
    expect_found(f, one, 1, 7);
    expect_found(f, three, 3, 100);
}

static int runs(struct fixture *f, const char *where)
{
    char text[200];
    sqlite3_stmt *q;
    snprintf(text, sizeof text, "SELECT count(*) FROM term_run WHERE %s", where);
    assert_int_equal(sqlite3_prepare_v2(f->db, text, -1, &q, NULL), SQLITE_OK);
    sqlite3_step(q);
    int n = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return n;
}

static void pairs_are_found_in_order_and_once(void **state)
{
    struct fixture *f = *state;
    expect_all(f);
    add_batch(f, 5000);
    expect_all(f);
    for (int i = 0; i < 5; i++)
        add_batch(f, 300);
    expect_all(f);
    assert_false(terms_merge_due(f->terms, false));
}

static void a_batch_larger_than_its_memory_makes_several_runs(void **state)
{
    struct fixture *f = *state;
    add_batch(f, 300000);
    assert_int_equal(runs(f, "level = 0"), 3);
    expect_all(f);
}

static void merging_loses_nothing_and_frees_what_it_merged(void **state)
{
    struct fixture *f = *state;
    struct err e;
    err_clear(&e);
    for (int i = 0; i < 150; i++)
        add_batch(f, 400);
    assert_true(terms_merge_due(f->terms, false));
    /* Slices of no time: batches come in between. */
    for (int i = 0; terms_merge_due(f->terms, false); i++) {
        assert_true(terms_merge(f->terms, i % 3 ? 0.0 : 0.01, &e));
        if (i % 4 == 0 && i < 40)
            add_batch(f, 100);
        if (i % 5 == 0)
            expect_all(f);
        assert_true(i < 2000);
    }
    expect_all(f);
    assert_int_equal(runs(f, "level < 0"), 0);
    assert_in_range(runs(f, "level = 1"), 2, 3);
    assert_int_equal(runs(f, "(SELECT sum(blocks) FROM term_run) != (SELECT count(*) FROM term_block)"), 0);
}

static void a_merge_that_was_broken_off_begins_anew(void **state)
{
    struct fixture *f = *state;
    struct err e;
    err_clear(&e);
    for (int i = 0; i < 70; i++)
        add_batch(f, 3000);
    assert_true(terms_merge(f->terms, 0.0, &e));
    assert_int_equal(runs(f, "level = -2"), 1);
    terms_close(f->terms);
    f->terms = terms_open(f->db, &e);
    assert_int_equal(runs(f, "level = -2"), 0);
    add_batch(f, 1000);
    expect_all(f);
    while (terms_merge_due(f->terms, false))
        assert_true(terms_merge(f->terms, 1.0, &e));
    expect_all(f);
    assert_int_equal(runs(f, "(SELECT sum(blocks) FROM term_run) != (SELECT count(*) FROM term_block)"), 0);
}

static void what_was_rolled_back_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct err e;
    int64_t ids[10];
    size_t count = 10;
    uint64_t hash = hash_of(1);
    err_clear(&e);
    assert_true(sql_exec(f->db, "BEGIN", &e) && terms_add(f->terms, hash, 5, &e));
    terms_discard(f->terms);
    assert_true(sql_exec(f->db, "ROLLBACK", &e));
    add_batch(f, 0);
    assert_true(terms_find(f->db, &hash, 1, 0, ids, &count, &e));
    assert_int_equal(count, 0);
}

int main(void)
{
#define WITH_INDEX(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_INDEX(pairs_are_found_in_order_and_once),
        WITH_INDEX(a_batch_larger_than_its_memory_makes_several_runs),
        WITH_INDEX(merging_loses_nothing_and_frees_what_it_merged),
        WITH_INDEX(a_merge_that_was_broken_off_begins_anew),
        WITH_INDEX(what_was_rolled_back_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
