/* What the journal says of runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "tests/c/journaling.h"

/* ---- runs ---- */

static void a_run_is_told_as_it_was_written(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    double before = (double)time(NULL);
    cJSON *run =
        get(j, "begin_run",
            "{'kind': 'import', 'run_key': 'abc', 'file': '/in/\xff.csv', 'arguments': ['a', 1, {'b': []}],"
            " 'options': {'expires': 7}, 'domain': 'acme'}");
    assert_true(number(run, "begun_at") >= before && number(run, "queued_at") == number(run, "begun_at"));
    cJSON_Delete(run);
    done(j, "step", "{'id': 1, 'fence': 1, 'step': 'create', 'state': 'begin', 'detail': {'n': 1}}");
    done(j, "step",
         "{'id': 1, 'fence': 1, 'step': 'create', 'state': 'done', 'set': {'job_id': 'j-1', 'display_name': "
         "'x'}}");
    done(j, "end_run",
         "{'id': 1, 'fence': 1, 'state': 'failed', 'error': {'code': 'A'}, 'exit_status': 8, 'output': "
         "'bye'}");
    journal_close(j);
    j = open_journal();
    run = get(j, "run", "{'id': 1}");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(run, "file")), "/in/\xff.csv");
    assert_true(number(run, "ended_at") >= number(run, "begun_at"));
    const cJSON *step = cJSON_GetObjectItem(run, "steps")->child;
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(step, "state")), "begin");
    assert_json(cJSON_GetObjectItem(step, "detail"), "{'n': 1}");
    assert_true(number(step, "at") >= before && number(step, "attempt") == 1);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(step->next, "state")), "done");
    assert_null(cJSON_GetObjectItem(run, "holder"));
    for (const char *const *gone =
             (const char *const[]){"begun_at", "queued_at", "ended_at", "steps", "file", NULL};
         *gone; gone++)
        cJSON_DeleteItemFromObject(run, *gone);
    assert_json(
        run,
        "{'id': 1, 'kind': 'import', 'try': 1, 'state': 'failed', 'attempt': 1, 'fence': 1, 'run_key': 'abc',"
        " 'arguments': ['a', 1, {'b': []}], 'options': {'expires': 7}, 'domain': 'acme', 'job_id': 'j-1',"
        " 'display_name': 'x', 'error': {'code': 'A'}, 'exit_status': 8, 'output': 'bye'}");
    cJSON_Delete(run);
    journal_close(j);
}

static void what_is_no_field_of_a_run_is_refused_and_nothing_of_it_written(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    refused(j, ERR_USAGE, "begin_run", "{}");
    refused(j, ERR_USAGE, "begin_run", "{'kind': 7}");
    refused(j, ERR_USAGE, "begin_run", "{'kind': 'import', 'holder': 'me'}");
    refused(j, ERR_USAGE, "begin_run", "{'kind': 'import', 'fence = 9; --': 1}");
    refused(j, ERR_USAGE, "begin_run", "{'kind': 'import', 'file': ['a']}");
    refused(j, ERR_USAGE, "begin_run", "{'kind': 'import', 'ordinal': 1.5}");
    refused(j, ERR_NOT_FOUND, "begin_run", "{'kind': 'import', 'parent': 5, 'ordinal': 1}");
    assert_string_equal(ids(j, "{}"), "");
    done(j, "begin_run", "{'kind': 'import'}");
    refused(j, ERR_USAGE, "step", "{'id': 1, 'step': 'a', 'state': 'begin'}");
    refused(j, ERR_USAGE, "step", "{'id': 1, 'fence': 1, 'step': 'a'}");
    refused(j, ERR_USAGE, "step",
            "{'id': 1, 'fence': 1, 'step': 'a', 'state': 'begin', 'set': {'state': 'succeeded'}}");
    refused(j, ERR_USAGE, "end_run", "{'id': 1, 'fence': 1, 'state': 'running'}");
    refused(j, ERR_NOT_FOUND, "end_run", "{'id': 2, 'fence': 1, 'state': 'failed'}");
    refused(j, ERR_NOT_FOUND, "run", "{'id': 2}");
    refused(j, ERR_USAGE, "runs", "{'parent': 'x'}");
    assert_field(j, 1, "steps", "[]"); /* nothing of a step whose fields were refused */
    assert_field(j, 1, "state", "'running'");
    assert_null(journal_find_operation("drop"));
    journal_close(j);
}

static void who_lost_a_run_writes_nothing_more_of_it(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    done(j, "begin_run", "{'kind': 'import'}");
    refused(j, ERR_LEASE_HELD, "claim_run", "{'id': 1}");
    done(j, "end_run", "{'id': 1, 'fence': 1, 'state': 'interrupted'}");
    refused(j, ERR_LEASE_LOST, "step", "{'id': 1, 'fence': 1, 'step': 'watch', 'state': 'begin'}");
    cJSON *run = get(j, "claim_run", "{'id': 1}");
    assert_true(number(run, "fence") == 2 && number(run, "attempt") == 2);
    assert_null(cJSON_GetObjectItem(run, "ended_at"));
    cJSON_Delete(run);
    assert_non_null(
        strstr(refused(j, ERR_LEASE_LOST, "step", "{'id': 1, 'fence': 1, 'step': 'start', 'state': 'begin'}"),
               "taken over"));
    refused(j, ERR_LEASE_LOST, "end_run", "{'id': 1, 'fence': 1, 'state': 'succeeded'}");
    done(j, "end_run", "{'id': 1, 'fence': 2, 'state': 'failed'}");
    refused(j, ERR_RUN_ENDED, "claim_run", "{'id': 1}");
    run = get(j, "claim_run", "{'id': 1, 'ended': true, 'to_end': true}");
    assert_true(number(run, "fence") == 3 && number(run, "attempt") == 2);
    cJSON_Delete(run);
    done(j, "end_run", "{'id': 1, 'fence': 3, 'state': 'succeeded'}");
    refused(j, ERR_RUN_ENDED, "claim_run", "{'id': 1, 'ended': true}");
    refused(j, ERR_LEASE_LOST, "end_run", "{'id': 1, 'fence': 3, 'state': 'failed'}");
    refused(j, ERR_NOT_FOUND, "claim_run", "{'id': 9}");
    assert_field(j, 1, "state", "'succeeded'");
    journal_close(j);
}

static void the_end_of_a_step_is_written_with_the_next_or_not_at_all(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    done(j, "begin_run", "{'kind': 'import'}");
    refused(j, ERR_USAGE, "step", "{'id': 1, 'fence': 1, 'step': 'b', 'state': 'begin', 'first': {'step': 'a'}}");
    refused(j, ERR_USAGE, "step", "{'id': 1, 'fence': 1, 'step': 'b', 'first': {'step': 'a', 'state': 'done'}}");
    refused(j, ERR_LEASE_LOST, "step",
            "{'id': 1, 'fence': 2, 'step': 'b', 'state': 'begin', 'first': {'step': 'a', 'state': 'done'}}");
    assert_field(j, 1, "steps", "[]");
    done(j, "step", "{'id': 1, 'fence': 1, 'step': 'b', 'state': 'begin', 'first': {'step': 'a', 'state': 'done', 'detail': 7}}");
    done(j, "end_run", "{'id': 1, 'fence': 1, 'state': 'failed', 'first': {'step': 'b', 'state': 'failed'}}");
    cJSON *run = get(j, "run", "{'id': 1}"), *step;
    const char *names = "abb";
    cJSON_ArrayForEach(step, cJSON_GetObjectItem(run, "steps"))
        assert_int_equal(cJSON_GetStringValue(cJSON_GetObjectItem(step, "step"))[0], *names++);
    assert_int_equal(*names, '\0');
    cJSON_Delete(run);
    journal_close(j);
}

static void assert_no_field(struct journal *j, const char *name)
{
    cJSON *run = get(j, "run", "{'id': 1}");
    assert_null(cJSON_GetObjectItemCaseSensitive(run, name));
    cJSON_Delete(run);
}

static void a_retry_is_queued_until_its_time_and_is_another_attempt(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    done(j, "begin_run", "{'kind': 'automation'}");
    done(j, "end_run", "{'id': 1, 'fence': 1, 'state': 'failed', 'exit_status': 4}");
    done(j, "requeue_run", "{'id': 1, 'fence': 1, 'not_before': 1234.5, 'error': {'code': 'B'}}");
    assert_field(j, 1, "state", "'queued'");
    assert_field(j, 1, "not_before", "1234.5");
    refused(j, ERR_LEASE_LOST, "requeue_run", "{'id': 1, 'fence': 1}");
    done(j, "claim_run", "{'id': 1}");
    assert_field(j, 1, "attempt", "2");
    refused(j, ERR_LEASE_LOST, "requeue_run", "{'id': 1, 'fence': 1}");
    assert_field(j, 1, "error", "{'code':'B'}");
    done(j, "end_run", "{'id': 1, 'fence': 2, 'state': 'succeeded', 'exit_status': 0}");
    assert_no_field(j, "error"); /* not that of the attempt before */
    journal_close(j);
}

static void a_child_that_outlived_its_run_begins_no_import(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    done(j, "begin_run", "{'kind': 'automation'}");
    done(j, "begin_run", "{'kind': 'import', 'parent': 1, 'ordinal': 1, 'parent_fence': 1}");
    done(j, "end_run", "{'id': 2, 'fence': 1, 'state': 'failed'}");
    done(j, "begin_run", "{'kind': 'import', 'parent': 1, 'ordinal': 2, 'parent_fence': 1}");
    done(j, "begin_run", "{'kind': 'import', 'parent': 1, 'ordinal': 1, 'parent_fence': 1}");
    assert_field(j, 3, "try", "1");
    assert_field(j, 4, "try", "2");
    cJSON *found = get(j, "find_run", "{'parent': 1, 'ordinal': 1}");
    assert_true(number(found, "id") == 4);
    assert_non_null(cJSON_GetObjectItem(found, "steps"));
    cJSON_Delete(found);
    refused(j, ERR_NOT_FOUND, "find_run", "{'parent': 1, 'ordinal': 3}");
    refused(j, ERR_USAGE, "find_run", "{'parent': 1}");
    /* A child that outlived its daemon begins nothing and goes on with nothing under a run that is another's
     * by now. */
    done(j, "end_run", "{'id': 4, 'fence': 1, 'state': 'interrupted'}");
    done(j, "end_run", "{'id': 1, 'fence': 1, 'state': 'interrupted'}");
    refused(j, ERR_LEASE_LOST, "begin_run",
            "{'kind': 'import', 'parent': 1, 'ordinal': 3, 'parent_fence': 1}");
    done(j, "claim_run", "{'id': 1}");
    refused(j, ERR_LEASE_LOST, "begin_run",
            "{'kind': 'import', 'parent': 1, 'ordinal': 3, 'parent_fence': 1}");
    refused(j, ERR_LEASE_LOST, "claim_run", "{'id': 4, 'parent_fence': 1}");
    done(j, "claim_run", "{'id': 4, 'parent_fence': 2}");
    assert_string_equal(ids(j, "{'parent': 1}"), "4,3,2");
    journal_close(j);
}

static void two_runs_of_one_key_do_not_go_on_at_once(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    done(j, "begin_run", "{'kind': 'import', 'run_key': 'nightly', 'domain': 'acme'}");
    assert_non_null(strstr(
        refused(j, ERR_LEASE_HELD, "begin_run", "{'kind': 'import', 'run_key': 'nightly', 'domain': 'acme'}"),
        "nightly"));
    done(j, "begin_run", "{'kind': 'import', 'run_key': 'nightly', 'domain': 'other'}");
    done(j, "end_run", "{'id': 1, 'fence': 1, 'state': 'failed'}");
    done(j, "begin_run", "{'kind': 'import', 'run_key': 'nightly', 'domain': 'acme'}");
    cJSON *found = get(j, "find_run", "{'run_key': 'nightly', 'domain': 'acme'}");
    assert_true(number(found, "id") == 3);
    cJSON_Delete(found);
    refused(j, ERR_NOT_FOUND, "find_run", "{'run_key': 'nightly', 'domain': 'none'}");
    journal_close(j);
}

static void runs_are_listed_by_what_is_asked_for_newest_first(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    done(j, "begin_run", "{'kind': 'import', 'schedule': 'a'}");
    done(j, "begin_run", "{'kind': 'automation', 'schedule': 'a'}");
    done(j, "begin_run", "{'kind': 'import', 'schedule': 'b'}");
    done(j, "begin_run", "{'kind': 'import'}");
    done(j, "end_run", "{'id': 1, 'fence': 1, 'state': 'succeeded'}");
    done(j, "end_run", "{'id': 3, 'fence': 1, 'state': 'interrupted'}");
    assert_string_equal(ids(j, "{}"), "4,3,2,1");
    assert_string_equal(ids(j, "{'schedule': 'a'}"), "2,1");
    assert_string_equal(ids(j, "{'schedule': 'a', 'kind': 'import'}"), "1");
    assert_string_equal(ids(j, "{'state': 'running'}"), "4,2");
    assert_string_equal(ids(j, "{'state': ['interrupted', 'succeeded']}"), "3,1");
    assert_string_equal(ids(j, "{'state': ['interrupted', 'running'], 'before_id': 4}"), "3,2");
    assert_string_equal(ids(j, "{'state': 'run'}"), "");
    assert_string_equal(ids(j, "{'limit': 2}"), "4,3");
    journal_close(j);
}

static void begin_and_end(struct journal *j, const char *begin, const char *state_at_end, double ended_at)
{
    char params[128];
    struct err e;
    cJSON *run = get(j, "begin_run", begin);
    int id = (int)number(run, "id");
    cJSON_Delete(run);
    snprintf(params, sizeof params, "{'id': %d, 'fence': 1, 'state': '%s'}", id, state_at_end);
    done(j, "end_run", params);
    err_clear(&e);
    snprintf(params, sizeof params, "UPDATE run SET ended_at = %f WHERE id = %d", ended_at, id);
    assert_true(sql_exec(j->db, params, &e));
}

static void what_can_be_resumed_or_is_asked_for_is_not_forgotten(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    begin_and_end(j, "{'kind': 'import'}", "succeeded", 100);   /* 1 */
    begin_and_end(j, "{'kind': 'import'}", "interrupted", 100); /* 2: can be resumed */
    done(j, "begin_run", "{'kind': 'automation'}");             /* 3: goes on */
    begin_and_end(j, "{'kind': 'import', 'parent': 3, 'ordinal': 1}", "succeeded",
                  100);                                        /* 4: is asked for by 3 */
    begin_and_end(j, "{'kind': 'automation'}", "failed", 100); /* 5 */
    begin_and_end(j, "{'kind': 'import', 'parent': 5, 'ordinal': 1}", "succeeded", 90); /* 6 */
    begin_and_end(j, "{'kind': 'import'}", "succeeded", 300);                           /* 7: too new */
    begin_and_end(j, "{'kind': 'import'}", "succeeded", 100); /* 8: among the newest */
    replies(j, "prune", "{'before': 200, 'keep': 1}", "{'gone': [{'id': 1}, {'id': 5}, {'id': 6}], 'more': false, 'letters': 0}");
    assert_string_equal(ids(j, "{}"), "8,7,4,3,2");
    done(j, "prune", "{}");
    assert_string_equal(ids(j, "{}"), "4,3,2");
    begin_and_end(j, "{'kind': 'import'}", "succeeded", 100);
    assert_string_equal(ids(j, "{}"), "9,4,3,2"); /* no number is given twice */
    journal_close(j);
}

static void dead_letters_are_forgotten_when_they_are_as_old_as_runs_may_be(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    struct err e;
    err_clear(&e);
    for (int i = 0; i < 3; i++)
        done(j, "add_dead_letter", "{'kind': 'webhook', 'payload': {}}");
    assert_true(sql_exec(j->db, "UPDATE dead_letter SET at = id * 100", &e));
    replies(j, "prune", "{'before': 300, 'keep': 1000}", "{'gone': [], 'more': false, 'letters': 2}");
    cJSON *left = get(j, "dead_letters", "{}");
    assert_int_equal(cJSON_GetArraySize(left), 1);
    assert_int_equal(cJSON_GetObjectItem(cJSON_GetArrayItem(left, 0), "id")->valueint, 3);
    cJSON_Delete(left);
    journal_close(j);
}

static void many_runs_are_forgotten_some_at_a_time(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    struct err e;
    err_clear(&e);
    assert_true(sql_exec(j->db, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500)"
                         " INSERT INTO run (kind, state, ended_at) SELECT 'import', 'succeeded', 60 FROM n", &e));
    done(j, "begin_run", "{'kind': 'import'}");
    int forgotten = 0, calls = 0;
    for (bool more = true; more; calls++) {
        cJSON *pruned = get(j, "prune", "{'keep': 11}");
        forgotten += cJSON_GetArraySize(cJSON_GetObjectItem(pruned, "gone"));
        more = cJSON_IsTrue(cJSON_GetObjectItem(pruned, "more"));
        cJSON_Delete(pruned);
    }
    assert_int_equal(forgotten, 4490);
    assert_true(calls > 1);
    assert_string_equal(ids(j, "{}"), "4501,4500,4499,4498,4497,4496,4495,4494,4493,4492,4491");
    journal_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_is_told_as_it_was_written, make_home, remove_home),
        cmocka_unit_test_setup_teardown(what_is_no_field_of_a_run_is_refused_and_nothing_of_it_written,
                                        make_home, remove_home),
        cmocka_unit_test_setup_teardown(who_lost_a_run_writes_nothing_more_of_it, make_home, remove_home),
        cmocka_unit_test_setup_teardown(the_end_of_a_step_is_written_with_the_next_or_not_at_all, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_retry_is_queued_until_its_time_and_is_another_attempt, make_home,
                                        remove_home),
        cmocka_unit_test_setup_teardown(a_child_that_outlived_its_run_begins_no_import, make_home,
                                        remove_home),
        cmocka_unit_test_setup_teardown(two_runs_of_one_key_do_not_go_on_at_once, make_home, remove_home),
        cmocka_unit_test_setup_teardown(runs_are_listed_by_what_is_asked_for_newest_first, make_home,
                                        remove_home),
        cmocka_unit_test_setup_teardown(dead_letters_are_forgotten_when_they_are_as_old_as_runs_may_be, make_home, remove_home),
        cmocka_unit_test_setup_teardown(many_runs_are_forgotten_some_at_a_time, make_home, remove_home),
        cmocka_unit_test_setup_teardown(what_can_be_resumed_or_is_asked_for_is_not_forgotten, make_home,
                                        remove_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
