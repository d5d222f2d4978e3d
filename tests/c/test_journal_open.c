/* Opening a journal: what is made, what is refused, and what becomes of one that is damaged or taken away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include "tests/c/journaling.h"

static void others_cannot_read_what_is_made(void **unused)
{
    (void)unused;
    char path[256];
    mode_t before = umask(0);
    struct journal *j = open_journal();
    done(j, "begin_run", "{'kind': 'import'}");
    umask(before);
    assert_int_equal(mode_of(state), 0700);
    static const char *const files[] = {"journal.db", "journal.db-wal", "journal.db-shm", "journal.lock"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", state, files[i]);
        assert_int_equal(mode_of(path), 0600);
    }
    journal_close(j);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_place_that_is_no_directory_is_refused(void **unused)
{
    (void)unused;
    char parent[96];
    snprintf(parent, sizeof parent, "%s/state", home);
    write_file(parent, "");
    assert_non_null(strstr(opening_refused(ERR_CONFIG), "--state"));
    assert_int_equal(unlink(parent), 0);
    assert_int_equal(mkdir(parent, 0700), 0);
    write_file(state, "");
    assert_non_null(strstr(opening_refused(ERR_CONFIG), "is no directory"));
}

/* ---- damage ---- */

static char *notice_of(struct journal *j)
{
    char *notice = journal_take_notice(j);
    assert_non_null(notice);
    assert_null(journal_take_notice(j));
    return notice;
}

static off_t size_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_size;
}

static void overwrite(off_t at, size_t n)
{
    char noise[4096];
    memset(noise, 0xA5, sizeof noise);
    int fd = open(database, O_WRONLY);
    assert_true(fd >= 0);
    for (size_t done_so_far = 0; done_so_far < n; done_so_far += sizeof noise)
        assert_int_equal(pwrite(fd, noise, sizeof noise, at + (off_t)done_so_far), (int)sizeof noise);
    close(fd);
}

/* The damaged file is kept as it is, beside a new one, whose runs are not numbered as the old ones were. */
static void assert_set_aside(struct journal *j, off_t size)
{
    char kept[512], *notice = notice_of(j);
    snprintf(kept, sizeof kept, "%s/%s", state, file_named("journal.db.corrupt-"));
    assert_true(strlen(file_named("journal.db.corrupt-")) >= strlen("journal.db.corrupt-20261123T060000Z"));
    assert_true(size_of(kept) == size);
    assert_non_null(strstr(notice, kept));
    free(notice);
    assert_string_equal(ids(j, "{}"), "");
    cJSON *run = get(j, "begin_run", "{'kind': 'import'}");
    assert_true(number(run, "id") > 3);
    cJSON_Delete(run);
}

static void a_file_that_is_no_database_is_kept_aside(void **unused)
{
    (void)unused;
    make_with_runs(3);
    off_t size = size_of(database);
    overwrite(0, 4096);
    struct journal *j = open_journal();
    assert_set_aside(j, size);
    journal_close(j);
    j = open_journal();
    assert_null(journal_take_notice(j)); /* told once */
    journal_close(j);
}

static void an_empty_file_is_kept_aside(void **unused)
{
    (void)unused;
    make_with_runs(3);
    assert_int_equal(truncate(database, 0), 0);
    struct journal *j = open_journal();
    assert_set_aside(j, 0);
    journal_close(j);
}

static void two_in_one_second_are_both_kept(void **unused)
{
    (void)unused;
    int kept = 0;
    for (int i = 0; i < 3; i++) {
        make_with_runs(1);
        overwrite(0, 4096);
        journal_close(open_journal());
    }
    struct dirent *entry;
    DIR *directory = opendir(state);
    while ((entry = readdir(directory)))
        kept += strncmp(entry->d_name, "journal.db.corrupt-", 19) == 0;
    closedir(directory);
    assert_int_equal(kept, 3);
}

static int write_and_be_killed(void)
{
    make_with_runs(100);
    struct journal *j = open_journal();
    done(j, "begin_run", "{'kind': 'import'}");
    raise(SIGKILL);
    return 0;
}

/* Pages that nothing looks at when it is opened. */
static void damage_of_a_crash_is_found_at_the_next_start(void **unused)
{
    (void)unused;
    assert_int_equal(status_of(start_child(write_and_be_killed)), 128 + SIGKILL);
    off_t size = size_of(database);
    overwrite(size / 8192 * 4096, 4096);
    struct journal *j = open_journal();
    assert_set_aside(j, size);
    journal_close(j);
}

static void a_kill_leaves_a_whole_journal_with_all_that_was_answered(void **unused)
{
    (void)unused;
    assert_int_equal(status_of(start_child(write_and_be_killed)), 128 + SIGKILL);
    struct journal *j = open_journal();
    assert_null(journal_take_notice(j));
    cJSON *list = get(j, "runs", "{}");
    assert_int_equal(cJSON_GetArraySize(list), 101);
    cJSON_Delete(list);
    journal_close(j);
}

static void damage_found_while_it_is_used_is_told_and_replaced(void **unused)
{
    (void)unused;
    make_with_runs(2000);
    off_t size = size_of(database);
    struct journal *j = open_journal();
    overwrite(4096, (size_t)size - 4096);
    const char *message = refused(j, ERR_DAMAGED, "runs", "{}");
    assert_non_null(strstr(message, "journal.db.corrupt-"));
    assert_set_aside(j, size);
    refused(j, ERR_NOT_FOUND, "step", "{'id': 1, 'fence': 1, 'step': 'start', 'state': 'begin'}");
    journal_close(j);
}

/* Some bytes of it are others, anywhere. */
static void scatter(unsigned *seed)
{
    off_t size = size_of(database);
    int fd = open(database, O_WRONLY);
    for (int i = 1 + rand_r(seed) % 20; i > 0; i--) {
        unsigned char byte = (unsigned char)rand_r(seed);
        assert_int_equal(pwrite(fd, &byte, 1, rand_r(seed) % size), 1);
    }
    close(fd);
}

static void whatever_is_damaged_runs_can_be_begun_again(void **unused)
{
    static const char *const asked[][2] = {
        {"runs", "{}"},
        {"run", "{'id': 3}"},
        {"find_run", "{'run_key': 'k'}"},
        {"claim_run", "{'id': 2}"},
        {"step", "{'id': 3, 'fence': 1, 'step': 'a', 'state': 'begin'}"},
        {"tick", "{'list': [{'schedule': 'a', 'key': '1', 'due': 60, 'run': {}}]}"},
        {"sync_schedules", "{'dir': '/d', 'list': [{'id': 'a', 'timing': 'x', 'definition': {}}]}"},
        {"schedules", "{}"},
        {"dead_letters", "{}"},
        {"prune", "{}"},
    };
    (void)unused;
    unsigned seed = 11;
    int replaced = 0;
    for (int round = 0; round < 30; round++) {
        struct err e;
        make_home(NULL);
        make_with_runs(5);
        scatter(&seed);
        err_clear(&e);
        struct journal *j = journal_open(state, 30, &e);
        if (!j) { /* the number of its version is another */
            assert_string_equal(e.code, ERR_CONFIG);
            remove_home(NULL);
            continue;
        }
        for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
            cJSON_Delete(ask(j, &e, asked[i][0], asked[i][1]));
        cJSON *run = ask(j, &e, "begin_run", "{'kind': 'import'}");
        if (!run)
            run = get(j, "begin_run", "{'kind': 'import'}"); /* the first one may have found the damage */
        cJSON_Delete(run);
        journal_close(j);
        replaced += file_named("journal.db.corrupt-")[0] != '\0';
        remove_home(NULL);
    }
    print_message("%d of 30 replaced\n", replaced);
    assert_true(replaced > 3);
}

static void who_has_it_open_while_another_replaces_it_writes_to_the_new_one(void **unused)
{
    (void)unused;
    struct journal *first = open_journal(), *second = open_journal();
    done(first, "begin_run", "{'kind': 'import'}");
    overwrite(0, (size_t)size_of(database));
    struct journal *third = open_journal();
    free(notice_of(third));
    done(third, "begin_run", "{'kind': 'import', 'file': 'x'}");
    assert_non_null(strstr(refused(second, ERR_DAMAGED, "runs", "{}"), file_named("journal.db.corrupt-"))); /* told once */
    cJSON *list = get(second, "runs", "{}");
    assert_int_equal(cJSON_GetArraySize(list), 1);
    cJSON_Delete(list);
    refused(first, ERR_DAMAGED, "end_run", "{'id': 1, 'fence': 1, 'state': 'failed'}");
    refused(first, ERR_NOT_FOUND, "end_run", "{'id': 1, 'fence': 1, 'state': 'failed'}");
    journal_close(first);
    journal_close(second);
    journal_close(third);
}

static void a_state_directory_that_is_removed_is_not_written_to_unseen(void **unused)
{
    (void)unused;
    char command[128];
    struct journal *j = open_journal();
    done(j, "begin_run", "{'kind': 'import'}");
    snprintf(command, sizeof command, "rm -rf %s", state);
    assert_int_equal(system(command), 0);
    refused(j, ERR_DAMAGED, "step", "{'id': 1, 'fence': 1, 'step': 'start', 'state': 'begin'}");
    refused(j, ERR_NOT_FOUND, "step", "{'id': 1, 'fence': 1, 'step': 'start', 'state': 'begin'}");
    char *notice = notice_of(j);
    assert_non_null(strstr(notice, "removed"));
    free(notice);
    done(j, "begin_run", "{'kind': 'import'}");
    journal_close(j);
    j = open_journal();
    cJSON *list = get(j, "runs", "{}");
    assert_int_equal(cJSON_GetArraySize(list), 1);
    assert_true(number(list->child, "id") > 1);
    cJSON_Delete(list);
    journal_close(j);
}

static void changes_without_their_database_are_not_taken_for_a_new_ones(void **unused)
{
    (void)unused;
    assert_int_equal(status_of(start_child(write_and_be_killed)), 128 + SIGKILL);
    assert_int_equal(unlink(database), 0);
    struct journal *j = open_journal();
    free(notice_of(j));
    assert_string_equal(ids(j, "{}"), "");
    done(j, "begin_run", "{'kind': 'import'}");
    journal_close(j);
    j = open_journal();
    assert_null(journal_take_notice(j));
    journal_close(j);
}

static void numbers_of_logs_that_are_there_are_not_given_again(void **unused)
{
    (void)unused;
    char path[256];
    make_with_runs(1);
    snprintf(path, sizeof path, "%s/runs", state);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/runs/41.log", state);
    write_file(path, "x");
    assert_int_equal(unlink(database), 0);
    struct journal *j = open_journal();
    cJSON *run = get(j, "begin_run", "{'kind': 'import'}");
    assert_true(number(run, "id") == 42);
    cJSON_Delete(run);
    journal_close(j);
}

static void a_half_made_journal_is_made_anew(void **unused)
{
    (void)unused;
    char path[256];
    struct journal *j = open_journal();
    journal_close(j);
    assert_int_equal(unlink(database), 0);
    snprintf(path, sizeof path, "%s.new", database);
    write_file(path, "half");
    j = open_journal();
    assert_null(journal_take_notice(j));
    done(j, "begin_run", "{'kind': 'import'}");
    journal_close(j);
}

static void who_uses_a_journal_is_seen_by_others(void **unused)
{
    (void)unused;
    struct err e;
    err_clear(&e);
    struct journal *j = open_journal();
    int fd = journal_lock_file(state, &e);
    assert_true(fd >= 0);
    assert_false(journal_lock_alone(fd));
    journal_close(open_journal()); /* two may use it */
    assert_false(journal_lock_alone(fd));
    journal_close(j);
    assert_true(journal_lock_alone(fd));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(others_cannot_read_what_is_made, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_place_that_is_no_directory_is_refused, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_database_is_kept_aside, make_home, remove_home),
        cmocka_unit_test_setup_teardown(an_empty_file_is_kept_aside, make_home, remove_home),
        cmocka_unit_test_setup_teardown(two_in_one_second_are_both_kept, make_home, remove_home),
        cmocka_unit_test_setup_teardown(damage_of_a_crash_is_found_at_the_next_start, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_kill_leaves_a_whole_journal_with_all_that_was_answered, make_home, remove_home),
        cmocka_unit_test_setup_teardown(damage_found_while_it_is_used_is_told_and_replaced, make_home, remove_home),
        cmocka_unit_test(whatever_is_damaged_runs_can_be_begun_again),
        cmocka_unit_test_setup_teardown(who_has_it_open_while_another_replaces_it_writes_to_the_new_one, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_state_directory_that_is_removed_is_not_written_to_unseen, make_home, remove_home),
        cmocka_unit_test_setup_teardown(changes_without_their_database_are_not_taken_for_a_new_ones, make_home, remove_home),
        cmocka_unit_test_setup_teardown(numbers_of_logs_that_are_there_are_not_given_again, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_half_made_journal_is_made_anew, make_home, remove_home),
        cmocka_unit_test_setup_teardown(who_uses_a_journal_is_seen_by_others, make_home, remove_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
