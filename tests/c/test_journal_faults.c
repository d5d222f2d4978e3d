/* A disk that refuses a write, at each of them in turn: what was answered for is there, and the store is whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/c/failing_disk.h"
#include "tests/c/journaling.h"

#define OPERATIONS 8

static const struct {
    const char *name, *params;
} script[OPERATIONS] = {
    {"begin_run", "{'kind': 'import', 'output': 'x'}"},
    {"step", "{'id': 1, 'fence': 1, 'step': 'check', 'state': 'begin', 'set': {'job_id': 'j'}}"},
    {"sync_schedules", "{'dir': '/d', 'list': [{'id': 'a', 'timing': 'x', 'definition': {}}]}"},
    {"tick",
     "{'list': [{'schedule': 'a', 'key': '1', 'due': 60, 'run': {}}, {'schedule': 'a', 'key': '2', 'due': 70, 'run': {}}]}"},
    {"claim_run", "{'id': 2}"},
    {"end_run", "{'id': 2, 'fence': 1, 'state': 'succeeded', 'result': {'n': 1}}"},
    {"add_dead_letter", "{'kind': 'exec', 'payload': {}}"},
    {"end_run", "{'id': 1, 'fence': 1, 'state': 'interrupted'}"},
};

static int refused_in_all;

/* Does all in order, and notes what was answered for. Each may fail, with a reason that is no fault of the caller. */
static void perform(bool answered[OPERATIONS])
{
    struct err e;
    err_clear(&e);
    memset(answered, 0, OPERATIONS * sizeof *answered);
    struct journal *j = journal_open(state, 3600, &e);
    if (!j) {
        assert_string_equal(e.code, ERR_SYSTEM);
        return;
    }
    for (int i = 0; i < OPERATIONS; i++) {
        cJSON *reply = ask(j, &e, script[i].name, script[i].params);
        answered[i] = reply != NULL;
        refused_in_all += reply == NULL;
        if (!reply && !err_is(&e, ERR_NOT_FOUND) && !err_is(&e, ERR_LEASE_LOST)) /* of one that could not be made before */
            assert_string_equal(e.code, ERR_SYSTEM);
        cJSON_Delete(reply);
    }
    journal_close(j);
}

static int count_of(struct journal *j, const char *query)
{
    struct err e;
    err_clear(&e);
    sqlite3_stmt *statement = sql_prepare(j->db, query, &e);
    assert_non_null(statement);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int count = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return count;
}

/* What was answered for is there; what was not is there whole or not at all. */
static void verify(const bool answered[OPERATIONS])
{
    struct journal *j = open_journal();
    char *notice = journal_take_notice(j);
    assert_null(notice);
    assert_int_equal(count_of(j, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check != 'ok'"), 0);
    if (answered[0])
        assert_field(j, 1, "kind", "'import'");
    if (answered[1])
        assert_field(j, 1, "job_id", "'j'");
    int steps = count_of(j, "SELECT count(*) FROM step");
    assert_int_equal(steps, count_of(j, "SELECT count(*) FROM run WHERE job_id = 'j'"));
    int ticks = count_of(j, "SELECT count(*) FROM tick WHERE run IN (SELECT id FROM run)");
    assert_true(ticks == 2 || (ticks == 0 && !answered[3]));
    assert_int_equal(count_of(j, "SELECT count(*) FROM run WHERE schedule = 'a'"), ticks);
    if (answered[5])
        assert_true(count_of(j, "SELECT count(*) FROM run WHERE state = 'succeeded' AND result IS NOT NULL") == 1);
    assert_true(count_of(j, "SELECT count(*) FROM dead_letter") >= answered[6]);
    if (answered[7])
        assert_field(j, 1, "state", "'interrupted'");
    done(j, "begin_run", "{'kind': 'import'}"); /* it goes on */
    journal_close(j);
}

static int writes_without_fault(void)
{
    bool answered[OPERATIONS];
    writes_counted = failing_from = 0;
    perform(answered);
    for (int i = 0; i < OPERATIONS; i++)
        assert_true(answered[i]);
    int writes = writes_counted;
    verify(answered);
    return writes;
}

static void fail_at_each(int for_so_many)
{
    make_home(NULL);
    int writes = writes_without_fault();
    remove_home(NULL);
    assert_true(writes > 50);
    refused_in_all = 0;
    for (int at = 1; at <= writes; at++) {
        bool answered[OPERATIONS];
        make_home(NULL);
        writes_counted = 0;
        failing_from = at;
        failing_for = for_so_many;
        perform(answered);
        failing_from = 0;
        verify(answered);
        remove_home(NULL);
    }
    print_message("%d writes, %d operations refused\n", writes, refused_in_all);
    assert_true(refused_in_all >= OPERATIONS);
}

static void a_write_that_fails_once_harms_nothing(void **unused)
{
    (void)unused;
    fail_at_each(1);
}

static void a_disk_that_is_full_from_then_on_harms_nothing(void **unused)
{
    (void)unused;
    fail_at_each(1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_fails_once_harms_nothing),
        cmocka_unit_test(a_disk_that_is_full_from_then_on_harms_nothing),
    };
    use_failing_disk();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
