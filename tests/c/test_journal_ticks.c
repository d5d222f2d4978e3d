/* Schedules, their ticks, and dead letters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "tests/c/journaling.h"

static void a_tick_makes_one_run_however_often_it_comes(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    done(j, "sync_schedules",
         "{'dir': '/d', 'list': [{'id': 'a', 'file': 'a.lua', 'timing': 'x', 'definition': {'n': 1}}]}");
    replies(
        j, "tick",
        "{'list': [{'schedule': 'a', 'key': '1', 'due': 60, 'run': {'script': 's', 'event': {'due': 60}}},"
        " {'schedule': 'a', 'key': '2', 'due': 120, 'skipped': 'overlap'},"
        " {'schedule': 'a', 'key': '/in/a|1|2|3|4', 'run': {'event': {'file': '/in/a'}}}]}",
        "[{'schedule': 'a', 'key': '1', 'run': 1}, {'schedule': 'a', 'key': '2', 'skipped': 'overlap'},"
        " {'schedule': 'a', 'key': '/in/a|1|2|3|4', 'run': 2}]");
    replies(j, "tick",
            "{'list': [{'schedule': 'a', 'key': '1', 'due': 60, 'run': {}}, {'schedule': 'b', 'key': '1', "
            "'run': {}},"
            " {'schedule': 'a', 'key': '2', 'due': 30, 'run': {}}]}",
            "[{'schedule': 'a', 'key': '1', 'taken': true}, {'schedule': 'b', 'key': '1', 'run': 3},"
            " {'schedule': 'a', 'key': '2', 'taken': true}]");
    assert_string_equal(ids(j, "{'state': 'queued'}"), "3,2,1");
    cJSON *run = get(j, "run", "{'id': 1}");
    assert_true(number(run, "queued_at") > 0);
    assert_null(cJSON_GetObjectItem(run, "begun_at"));
    assert_json(cJSON_GetObjectItem(run, "event"), "{'due': 60}");
    cJSON_Delete(run);
    replies(j, "ticked", "{'list': [{'schedule': 'a', 'key': '2'}, {'schedule': 'a', 'key': '3'}]}",
            "[true, false]");
    cJSON *list = get(j, "schedules", "{}");
    assert_true(number(list->child, "last_due") == 120); /* an earlier one does not set it back */
    cJSON_Delete(list);
    journal_close(j);
}

static void runs_that_have_ended_are_told_until_a_tick_says_that_they_are_settled(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    replies(j, "unsettled", "{}", "[]");
    for (int i = 1; i <= 4; i++) {
        char params[128];
        snprintf(params, sizeof params, "{'list': [{'schedule': 'a', 'key': '%d', 'run': {}}]}", i);
        done(j, "tick", params);
        snprintf(params, sizeof params, "{'id': %d}", i);
        done(j, "claim_run", params);
    }
    done(j, "begin_run", "{'kind': 'import'}"); /* nobody waits for its end */
    done(j, "end_run", "{'id': 1, 'fence': 1, 'state': 'succeeded'}");
    done(j, "end_run", "{'id': 2, 'fence': 1, 'state': 'failed'}");
    done(j, "end_run", "{'id': 3, 'fence': 1, 'state': 'interrupted'}");
    done(j, "end_run", "{'id': 5, 'fence': 1, 'state': 'succeeded'}");
    replies(j, "unsettled", "{}", "[1, 2]");
    done(j, "tick", "{'list': [{'schedule': 'a', 'key': 'ended|1', 'skipped': 'ended'},"
                    " {'schedule': 'b', 'key': 'ended|2', 'skipped': 'ended'}]}");
    replies(j, "unsettled", "{}", "[2]");
    journal_close(j);
}

/* All of the ticks of a call are there, with their runs, or none. */
static void a_list_of_ticks_is_taken_whole_or_not_at_all(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    refused(j, ERR_USAGE, "tick",
            "{'list': [{'schedule': 'a', 'key': '1', 'run': {}}, {'schedule': 'a', 'key': '2', 'run': "
            "{'fence': 7}}]}");
    refused(j, ERR_USAGE, "tick", "{'list': [{'schedule': 'a', 'key': '1', 'run': {}}, {'schedule': 'a'}]}");
    replies(j, "ticked", "{'list': [{'schedule': 'a', 'key': '1'}]}", "[false]");
    assert_string_equal(ids(j, "{}"), "");
    journal_close(j);
}

static void ticks_of_files_and_of_runs_that_are_there_are_not_forgotten(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    struct err e;
    done(j, "tick",
         "{'list': [{'schedule': 'a', 'key': 'old', 'due': 60, 'run': {}},"
         " {'schedule': 'a', 'key': 'old, skipped', 'due': 60, 'skipped': 'overlap'},"
         " {'schedule': 'a', 'key': 'new, skipped', 'due': 9e9, 'skipped': 'overlap'},"
         " {'schedule': 'a', 'key': '/in/a|1|2|3|4', 'due': 60, 'run': {}},"
         " {'schedule': 'a', 'key': 'with run', 'due': 60, 'run': {}},"
         " {'schedule': 'a', 'key': 'ended|3', 'due': 60, 'skipped': 'dealt with'},"
         " {'schedule': 'a', 'key': 'ended|1', 'due': 60, 'skipped': 'dealt with'},"
         " {'schedule': 'a', 'key': 'unmoved|3', 'due': 60, 'skipped': 'unmoved'},"
         " {'schedule': 'a', 'key': 'unmoved|1', 'due': 60, 'skipped': 'unmoved'}]}");
    for (int id = 1; id <= 2; id++) {
        char params[64];
        snprintf(params, sizeof params, "{'id': %d}", id);
        done(j, "claim_run", params);
        snprintf(params, sizeof params, "{'id': %d, 'fence': 1, 'state': 'succeeded'}", id);
        done(j, "end_run", params);
    }
    err_clear(&e);
    assert_true(sql_exec(j->db, "UPDATE run SET ended_at = 60; UPDATE tick SET at = 60", &e));
    done(j, "prune", "{}");
    assert_string_equal(ids(j, "{}"), "3");
    replies(j, "ticked",
            "{'list': [{'schedule': 'a', 'key': 'old'}, {'schedule': 'a', 'key': 'old, skipped'},"
            " {'schedule': 'a', 'key': 'new, skipped'}, {'schedule': 'a', 'key': '/in/a|1|2|3|4'},"
            " {'schedule': 'a', 'key': 'with run'}, {'schedule': 'a', 'key': 'ended|3'}, {'schedule': 'a', "
            "'key': 'ended|1'}, {'schedule': 'a', 'key': 'unmoved|3'}, {'schedule': 'a', 'key': 'unmoved|1'}]}",
            "[false, false, true, 2, 3, true, false, true, false]");
    journal_close(j);
}

/* A clock that is set back by an hour finds what it has done. */
static void a_clock_set_back_finds_a_pruned_tick_taken(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    char params[256];
    double due = (double)time(NULL) - 1800;
    snprintf(params, sizeof params, "{'list': [{'schedule': 'a', 'key': 'k', 'due': %f, 'run': {}}]}", due);
    done(j, "tick", params);
    done(j, "claim_run", "{'id': 1}");
    done(j, "end_run", "{'id': 1, 'fence': 1, 'state': 'succeeded'}");
    struct err e;
    err_clear(&e);
    assert_true(sql_exec(j->db, "UPDATE run SET ended_at = ended_at - 1", &e));
    done(j, "prune", "{}");
    assert_string_equal(ids(j, "{}"), "");
    cJSON *told = get(j, "tick", params);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(told->child, "taken")));
    cJSON_Delete(told);
    journal_close(j);
}

static double since_of(const cJSON *schedules, const char *id)
{
    return number(cJSON_GetObjectItem(schedules, id), "since");
}

static void a_schedule_that_comes_back_makes_up_for_nothing(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    refused(j, ERR_USAGE, "sync_schedules", "{'dir': '/d'}");
    refused(j, ERR_USAGE, "sync_schedules", "{'dir': '/d', 'list': [{'file': 'a.lua'}]}");
    cJSON *first = get(j, "sync_schedules",
                       "{'dir': '/d', 'list': [{'id': 'a', 'file': 'a.lua', 'timing': 'x', 'definition': {}},"
                       " {'id': 'b', 'file': 'b.lua', 'timing': 'x', 'definition': {}}]}");
    assert_int_equal(cJSON_GetArraySize(first), 2);
    done(j, "tick",
         "{'list': [{'schedule': 'a', 'key': '1', 'due': 60, 'run': {}}, {'schedule': 'b', 'key': '1', "
         "'due': 60, 'run': {}}]}");
    usleep(2000);
    /* One with the same times goes on from where it was, one with others begins anew, one that is missing is
     * gone. */
    cJSON *second =
        get(j, "sync_schedules",
            "{'dir': '/d', 'list': [{'id': 'a', 'file': 'a.lua', 'timing': 'y', 'definition': {'n': 2}}]}");
    assert_true(since_of(second, "a") > since_of(first, "a"));
    assert_null(cJSON_GetObjectItem(cJSON_GetObjectItem(second, "a"), "last_due"));
    cJSON *listed = get(j, "schedules", "{}");
    assert_json(cJSON_GetObjectItem(cJSON_GetArrayItem(listed, 0), "definition"), "{'n': 2}");
    cJSON_Delete(listed);
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(cJSON_GetObjectItem(second, "a"), "gone")));
    assert_true(since_of(second, "b") == since_of(first, "b"));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(second, "b"), "gone")));
    usleep(2000);
    cJSON *third = get(j, "sync_schedules",
                       "{'dir': '/d', 'list': [{'id': 'a', 'file': 'a.lua', 'timing': 'y', 'definition': {}},"
                       " {'id': 'b', 'file': 'b.lua', 'timing': 'x', 'definition': {}}]}");
    assert_true(since_of(third, "a") == since_of(second, "a"));
    assert_true(since_of(third, "b") >
                since_of(second, "b")); /* what was due while it was not there is not made up for */
    assert_null(cJSON_GetObjectItem(cJSON_GetObjectItem(third, "b"), "last_due"));
    cJSON_Delete(first);
    cJSON_Delete(second);
    cJSON_Delete(third);
    journal_close(j);
}

/* Of schedule a, after a run of it has ended so. */
static int streak_after(struct journal *j, const char *outcome)
{
    char params[256];
    snprintf(params, sizeof params, "{'list': [{'schedule': 'a', 'key': 'x', 'skipped': 'ended'}], 'outcome': %s}", outcome);
    done(j, "tick", params);
    cJSON *list = get(j, "schedules", "{}");
    int streak = (int)number(list->child, "streak");
    cJSON_Delete(list);
    return streak;
}

static void a_heartbeat_is_owed_until_it_is_dropped(void **unused)
{
    static const char *const owed = "{'list': [{'schedule': 'a', 'key': 'heartbeat'}]}";
    (void)unused;
    struct journal *j = open_journal();
    done(j, "sync_schedules", "{'dir': '/d', 'list': [{'id': 'a', 'timing': 'x', 'definition': {}}]}");
    done(j, "tick", "{'list': [], 'outcome': {'schedule': 'a', 'ok': true, 'run': 5, 'heartbeat': 5}}");
    replies(j, "ticked", owed, "[5]");
    done(j, "tick", "{'list': [], 'outcome': {'schedule': 'a', 'ok': true, 'run': 7, 'heartbeat': 7}}");
    replies(j, "ticked", owed, "[7]");
    done(j, "tick", "{'list': [], 'outcome': {'schedule': 'a', 'ok': true, 'run': 7, 'heartbeat': 6}}"); /* settled late */
    replies(j, "ticked", owed, "[7]");
    done(j, "drop_heartbeat", "{'schedule': 'a', 'run': 6}");
    replies(j, "ticked", owed, "[7]");
    done(j, "tick", "{'list': [], 'outcome': {'schedule': 'a', 'ok': false, 'run': 8}}");
    replies(j, "ticked", owed, "[7]");
    done(j, "drop_heartbeat", "{'schedule': 'a', 'run': 7}");
    replies(j, "ticked", owed, "[false]");
    done(j, "drop_heartbeat", "{'schedule': 'a', 'run': 7}");
    refused(j, ERR_USAGE, "drop_heartbeat", "{'schedule': 'a'}");
    journal_close(j);
}

static void successes_and_failures_in_a_row_are_counted(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    done(j, "sync_schedules", "{'dir': '/d', 'list': [{'id': 'a', 'timing': 'x', 'definition': {}}]}");
    refused(j, ERR_NOT_FOUND, "pause", "{'schedule': 'b', 'paused': true}");
    done(j, "pause", "{'schedule': 'a', 'paused': true}");
    cJSON *list = get(j, "schedules", "{}");
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(list->child, "paused")));
    double since = number(list->child, "since");
    cJSON_Delete(list);
    usleep(2000);
    done(j, "pause", "{'schedule': 'a', 'paused': false}");
    list = get(j, "schedules", "{}");
    assert_true(number(list->child, "since") > since);
    cJSON_Delete(list);
    done(j, "tick", "{'list': [], 'outcome': {'schedule': 'gone', 'ok': true}}");
    refused(j, ERR_USAGE, "tick", "{'list': [{'schedule': 'a', 'key': 'whole'}], 'outcome': {}}");
    replies(j, "ticked", "{'list': [{'schedule': 'a', 'key': 'whole'}]}", "[false]");
    assert_int_equal(streak_after(j, "{'schedule': 'a', 'ok': true}"), 1);
    assert_int_equal(streak_after(j, "{'schedule': 'a', 'ok': true}"), 2);
    assert_int_equal(streak_after(j, "{'schedule': 'a', 'ok': false}"), -1);
    assert_int_equal(streak_after(j, "{'schedule': 'a', 'ok': false, 'run': 7}"), -2);
    assert_int_equal(streak_after(j, "{'schedule': 'a', 'ok': false, 'run': 7, 'streak': 3}"), 3);
    assert_int_equal(streak_after(j, "{'schedule': 'a', 'ok': false, 'run': 7, 'streak': -2}"), -2);
    assert_int_equal(streak_after(j, "{'schedule': 'a', 'ok': true}"), 1);
    list = get(j, "schedules", "{}");
    assert_true(number(list->child, "last_run") == 7 && number(list->child, "last_ok") > 0);
    cJSON_Delete(list);
    journal_close(j);
}

static void dead_letters_are_kept_until_they_are_dropped(void **unused)
{
    (void)unused;
    struct journal *j = open_journal();
    refused(j, ERR_USAGE, "add_dead_letter", "{'kind': 'webhook'}");
    refused(j, ERR_USAGE, "add_dead_letter", "{'payload': {}}");
    replies(j, "add_dead_letter",
            "{'kind': 'webhook', 'target': 'https://h/x', 'payload': {'a': 1}, 'error': {'code': 'T'}, "
            "'attempts': 5}",
            "1");
    replies(j, "add_dead_letter", "{'kind': 'exec', 'payload': 'text'}", "2");
    done(j, "drop_dead_letter", "{'id': 2}");
    refused(j, ERR_NOT_FOUND, "drop_dead_letter", "{'id': 2}");
    replies(j, "add_dead_letter", "{'kind': 'exec', 'payload': []}", "3"); /* no number is given twice */
    cJSON *list = get(j, "dead_letters", "{}");
    assert_int_equal(cJSON_GetArraySize(list), 2);
    cJSON_DeleteItemFromObject(list->child, "at");
    assert_json(list->child, "{'id': 1, 'kind': 'webhook', 'target': 'https://h/x', 'payload': {'a': 1}, "
                             "'error': {'code': 'T'}, 'attempts': 5}");
    cJSON_Delete(list);
    journal_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tick_makes_one_run_however_often_it_comes, make_home, remove_home),
        cmocka_unit_test_setup_teardown(runs_that_have_ended_are_told_until_a_tick_says_that_they_are_settled,
                                        make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_list_of_ticks_is_taken_whole_or_not_at_all, make_home, remove_home),
        cmocka_unit_test_setup_teardown(ticks_of_files_and_of_runs_that_are_there_are_not_forgotten,
                                        make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_clock_set_back_finds_a_pruned_tick_taken, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_schedule_that_comes_back_makes_up_for_nothing, make_home,
                                        remove_home),
        cmocka_unit_test_setup_teardown(a_heartbeat_is_owed_until_it_is_dropped, make_home, remove_home),
        cmocka_unit_test_setup_teardown(successes_and_failures_in_a_row_are_counted, make_home, remove_home),
        cmocka_unit_test_setup_teardown(dead_letters_are_kept_until_they_are_dropped, make_home, remove_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
