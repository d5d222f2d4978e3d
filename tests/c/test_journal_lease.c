/* Who holds a run: with processes that end, hang, and race for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/c/journaling.h"

/* In the place of the C library's: the wall clock is set, or the machine has run for longer. */
static time_t wall_ahead, boot_ahead;

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec += clock == CLOCK_REALTIME ? wall_ahead : boot_ahead;
    return status;
}

static struct journal *open_with(double lease)
{
    struct err e;
    err_clear(&e);
    struct journal *j = journal_open(state, lease, &e);
    assert_non_null(j);
    return j;
}

static int begin_and_die(void)
{
    struct err e;
    err_clear(&e);
    struct journal *j = journal_open(state, 3600, &e);
    cJSON *params = json_of("{'kind': 'import'}"), *reply;
    return j && journal_run(j, journal_find_operation("begin_run"), params, &reply, &e) ? 0 : 1;
}

static void a_run_whose_process_is_gone_is_lost_at_once(void **unused)
{
    (void)unused;
    assert_int_equal(status_of(start_child(begin_and_die)), 0);
    struct journal *j = open_with(3600);
    assert_field(j, 1, "state", "'lost'");
    assert_string_equal(ids(j, "{'state': 'lost'}"), "1");
    assert_string_equal(ids(j, "{'state': 'running'}"), "");
    cJSON *run = get(j, "claim_run", "{'id': 1}");
    assert_true(number(run, "fence") == 2);
    cJSON_Delete(run);
    assert_field(j, 1, "state", "'running'");
    journal_close(j);
}

static void the_run_of_a_process_that_is_not_reaped_yet_is_lost(void **unused)
{
    (void)unused;
    siginfo_t info;
    pid_t pid = start_child(begin_and_die);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    struct journal *j = open_with(3600);
    assert_field(j, 1, "state", "'lost'");
    assert_int_equal(status_of(pid), 0);
    journal_close(j);
}

static int begin_and_wait(void)
{
    if (begin_and_die() != 0)
        return 1;
    pause();
    return 0;
}

static struct journal *open_when_begun(double lease)
{
    struct journal *j = open_with(lease);
    for (int tries = 0; tries < 10000 && strcmp(ids(j, "{}"), "1") != 0; tries++)
        usleep(10000);
    return j;
}

static void a_run_is_not_taken_from_a_process_that_lives(void **unused)
{
    (void)unused;
    char pid_text[32];
    pid_t pid = start_child(begin_and_wait);
    struct journal *j = open_when_begun(3600);
    const char *message = refused(j, ERR_LEASE_HELD, "claim_run", "{'id': 1}");
    snprintf(pid_text, sizeof pid_text, "process %ld on ", (long)pid);
    assert_non_null(strstr(message, pid_text));
    kill(pid, SIGKILL);
    assert_int_equal(status_of(pid), 128 + SIGKILL);
    done(j, "claim_run", "{'id': 1}");
    journal_close(j);
}

static void set_holder(struct journal *j, const char *format, double until, ...)
{
    char holder[HOLDER_SIZE], text[HOLDER_SIZE + 96];
    struct err e;
    va_list args;
    err_clear(&e);
    va_start(args, until);
    vsnprintf(holder, sizeof holder, format, args);
    va_end(args);
    snprintf(text, sizeof text, "UPDATE run SET holder = '%s', lease_until = %f WHERE id = 1", holder, until);
    assert_true(sql_exec(j->db, text, &e));
}

static void a_lease_is_over_by_its_time_its_boot_or_its_process(void **unused)
{
    (void)unused;
    struct journal *j = open_with(3600);
    char boot[64], pidns[32];
    long pid;
    unsigned long long start;
    done(j, "begin_run", "{'kind': 'import'}");
    assert_int_equal(sscanf(j->holder, "%*[^/]/%63[^/]/%31[^/]/%ld/%llu", boot, pidns, &pid, &start), 4);
    assert_true(pid == getpid() && start > 0 && strlen(boot) == 36);
    double later = lease_clock() + 1000, earlier = lease_clock() - 1;
    set_holder(j, "h/%s/%s/%ld/%llu", later, boot, pidns, pid, start);
    assert_field(j, 1, "state", "'running'");
    set_holder(j, "h/%s/%s/%ld/%llu", earlier, boot, pidns, pid, start);
    assert_field(j, 1, "state", "'lost'");
    set_holder(j, "h/%s/%s/%ld/%llu", later, "another-boot", pidns, pid, start);
    assert_field(j, 1, "state", "'lost'");
    set_holder(j, "h/%s/%s/%ld/%llu", later, boot, pidns, pid,
               start + 1); /* its number was given to another */
    assert_field(j, 1, "state", "'lost'");
    set_holder(j, "h/%s/%s/%ld/%llu", later, boot, "17", pid,
               start + 1); /* of another container: it cannot be seen */
    assert_field(j, 1, "state", "'running'");
    set_holder(j, "what is this", later);
    assert_field(j, 1, "state", "'lost'");
    journal_close(j);
}

static double lease_left(struct journal *j, int id)
{
    char text[96];
    struct err e;
    err_clear(&e);
    snprintf(text, sizeof text, "SELECT lease_until FROM run WHERE id = %d", id);
    sqlite3_stmt *statement = sql_prepare(j->db, text, &e);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    double until = sqlite3_column_double(statement, 0);
    sqlite3_finalize(statement);
    return until - lease_clock();
}

static void a_process_renews_its_own_runs_and_no_others(void **unused)
{
    (void)unused;
    struct err e;
    err_clear(&e);
    assert_int_equal(status_of(start_child(begin_and_die)), 0); /* 1: for an hour, but its process is gone */
    struct journal *j = open_with(100);
    done(j, "begin_run", "{'kind': 'import'}");
    done(j, "begin_run", "{'kind': 'import'}");
    done(j, "end_run", "{'id': 3, 'fence': 1, 'state': 'failed'}");
    assert_true(sql_exec(j->db, "UPDATE run SET lease_until = 1 WHERE id = 2", &e));
    assert_field(j, 2, "state", "'lost'");
    assert_true(journal_renew(j, &e));
    assert_true(lease_left(j, 2) > 90 && lease_left(j, 2) <= 100);
    assert_field(j, 2, "state", "'running'");
    assert_field(j, 1, "state", "'lost'");
    assert_field(j, 3, "state", "'failed'");
    journal_close(j);
}

static void a_clock_that_is_set_ends_no_lease_and_prolongs_none(void **unused)
{
    (void)unused;
    struct journal *j = open_with(30);
    done(j, "begin_run", "{'kind': 'import'}");
    static const time_t settings[] = {-3600, 86400, -86400 * 365};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        wall_ahead = settings[i];
        assert_field(j, 1, "state", "'running'");
        refused(j, ERR_LEASE_HELD, "claim_run", "{'id': 1}");
        boot_ahead = 31;
        assert_field(j, 1, "state", "'lost'");
        boot_ahead = 0;
    }
    wall_ahead = -3600;
    done(j, "end_run", "{'id': 1, 'fence': 1, 'state': 'succeeded'}");
    wall_ahead = 0;
    journal_close(j);
}

/* ---- races ---- */

#define RACERS 6
#define ROUNDS 40

/* All begin when the pipe is closed, and live until all are done: what a process holds that is gone is there
 * for the others. */
static int gate[2];
static volatile int *results; /* shared: how many each got; -1: not yet */

static void wait_at_gate(void)
{
    char byte;
    close(gate[1]);
    while (read(gate[0], &byte, 1) > 0)
        continue;
}

static int claim_all(void)
{
    struct err e;
    cJSON *reply;
    int got = 0;
    err_clear(&e);
    struct journal *j = journal_open(state, 3600, &e);
    wait_at_gate();
    for (int id = 1; j && id <= ROUNDS; id++) {
        cJSON *params = cJSON_CreateObject();
        cJSON_AddNumberToObject(params, "id", id);
        if (journal_run(j, journal_find_operation("claim_run"), params, &reply, &e))
            got++;
        else if (!err_is(&e, ERR_LEASE_HELD))
            return 200;
    }
    return j ? got : 201;
}

static int tick_all(void)
{
    struct err e;
    cJSON *reply;
    int got = 0;
    err_clear(&e);
    struct journal *j = journal_open(state, 3600, &e);
    wait_at_gate();
    for (int i = 1; j && i <= ROUNDS; i++) {
        char text[128];
        snprintf(text, sizeof text,
                 "{'list': [{'schedule': 'a', 'key': '%d', 'due': %d, 'run': {'script': 'x'}}]}", i, i);
        if (!journal_run(j, journal_find_operation("tick"), json_of(text), &reply, &e))
            return 200;
        got += cJSON_HasObjectItem(reply->child, "run");
    }
    return j ? got : 201;
}

static void run_racer(int number, int (*work)(void))
{
    results[number] = work();
    for (;;)
        pause();
}

static int race(int (*work)(void))
{
    pid_t racers[RACERS];
    int sum = 0;
    results = mmap(NULL, RACERS * sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(results != MAP_FAILED);
    assert_int_equal(pipe(gate), 0);
    for (int i = 0; i < RACERS; i++) {
        results[i] = -1;
        racers[i] = fork();
        assert_true(racers[i] >= 0);
        if (racers[i] == 0)
            run_racer(i, work);
    }
    usleep(50000);
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < RACERS; i++) {
        for (int tries = 0; tries < 20000 && results[i] < 0; tries++)
            usleep(10000);
        assert_in_range(results[i], 0, ROUNDS);
        sum += results[i];
    }
    for (int i = 0; i < RACERS; i++) {
        kill(racers[i], SIGKILL);
        assert_int_equal(status_of(racers[i]), 128 + SIGKILL);
    }
    munmap((void *)results, RACERS * sizeof *results);
    return sum;
}

static void of_many_that_claim_a_run_one_gets_it(void **unused)
{
    (void)unused;
    struct journal *j = open_with(3600);
    for (int i = 1; i <= ROUNDS; i++) {
        char text[128];
        snprintf(text, sizeof text, "{'list': [{'schedule': 'a', 'key': '%d', 'run': {}}]}", i);
        done(j, "tick", text);
    }
    journal_close(j); /* a connection is not to be taken through fork */
    assert_int_equal(race(claim_all), ROUNDS);
    j = open_with(3600);
    for (int i = 1; i <= ROUNDS; i++)
        assert_field(j, i, "fence", "1");
    journal_close(j);
}

static void of_many_that_see_a_tick_one_makes_its_run(void **unused)
{
    (void)unused;
    assert_int_equal(race(tick_all), ROUNDS); /* they make the store, too */
    struct journal *j = open_with(3600);
    cJSON *list = get(j, "runs", "{}");
    assert_int_equal(cJSON_GetArraySize(list), ROUNDS);
    cJSON_Delete(list);
    journal_close(j);
    assert_string_equal(file_named("journal.db.corrupt"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_whose_process_is_gone_is_lost_at_once, make_home, remove_home),
        cmocka_unit_test_setup_teardown(the_run_of_a_process_that_is_not_reaped_yet_is_lost, make_home,
                                        remove_home),
        cmocka_unit_test_setup_teardown(a_run_is_not_taken_from_a_process_that_lives, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_lease_is_over_by_its_time_its_boot_or_its_process, make_home,
                                        remove_home),
        cmocka_unit_test_setup_teardown(a_process_renews_its_own_runs_and_no_others, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_clock_that_is_set_ends_no_lease_and_prolongs_none, make_home, remove_home),
        cmocka_unit_test_setup_teardown(of_many_that_claim_a_run_one_gets_it, make_home, remove_home),
        cmocka_unit_test_setup_teardown(of_many_that_see_a_tick_one_makes_its_run, make_home, remove_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
