/* Sets that take the place of others, keys that are gone, and keys that are in doubt. */
#include "keysets.h"

#define MANY (2 * KEYSET_BLOCK + 10)

/* ---- sets that take the place of others ---- */

static struct keyset_facts facts_of(const char *path)
{
    struct err err;
    struct keyset_reader *reader = keyset_reader_open(path, &err);
    assert_non_null(reader);
    struct keyset_facts facts = *keyset_facts(reader);
    keyset_reader_free(reader);
    return facts;
}

static void expect_outdated(void)
{
    struct err err;
    struct stat was, is;
    bool there = stat(current, &was) == 0;
    err_clear(&err);
    assert_false(keyset_promote(staged, current, &err));
    assert_string_equal(err.code, KEYSET_OUTDATED);
    assert_int_equal(access(staged, F_OK), 0);
    assert_int_equal(stat(current, &is) == 0, there);
    if (there)
        assert_int_equal(is.st_ino, was.st_ino);
}

static void a_set_takes_the_place_of_one_that_it_was_not_compared_with(void **state)
{
    (void)state;
    struct err err;
    const struct keyhash other = {{3, 4}};
    stage(staged, &hash, NULL, 0, 1);
    assert_true(keyset_promote(staged, current, &err));
    assert_int_equal(access(staged, F_OK), -1);
    struct keyset_facts first = facts_of(current);
    assert_int_equal(first.generation, 1);
    /* Made without one before, while another came to be. */
    stage(staged, &hash, NULL, 0, 2);
    expect_outdated();
    /* Of the same number, of another history. */
    stage(staged, &other, &first, 0, 2);
    expect_outdated();
    stage(staged, &hash, &first, 0, 2);
    assert_true(keyset_promote(staged, current, &err));
    assert_int_equal(facts_of(current).generation, 2);
    /* Compared with the one before the last. */
    stage(staged, &hash, &first, 0, 3);
    expect_outdated();
    /* The one that it was compared with was removed. */
    assert_int_equal(unlink(current), 0);
    expect_outdated();
    stage(staged, &hash, NULL, 0, 3);
    assert_true(keyset_promote(staged, current, &err));
    assert_int_equal(facts_of(current).count, 3);
}

static void a_damaged_set_stays_for_ever(void **state)
{
    (void)state;
    struct err err;
    struct keyset_facts first = {.generation = 1};
    int fd = open(current, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "upjobkey", 8), 8);
    close(fd);
    stage(staged, &hash, &first, 0, 1);
    expect_outdated();
    stage(staged, &hash, NULL, 0, 1);
    assert_true(keyset_promote(staged, current, &err));
    assert_int_equal(facts_of(current).count, 1);
}

static void a_set_that_is_none_is_promoted(void **state)
{
    (void)state;
    struct err err;
    unlink(current);
    stage(staged, &hash, NULL, 0, 10);
    assert_true(keyset_promote(staged, current, &err));
    assert_false(keyset_promote(staged, current, &err));
    assert_string_equal(err.code, ERR_FILE);
    int fd = open(staged, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    assert_false(keyset_promote(staged, current, &err));
    assert_string_equal(err.code, ERR_FILE);
    assert_int_equal(facts_of(current).count, 10);
    unlink(current);
}

/* Several programs that were all compared with the same set. */
static void two_sets_are_promoted_at_once(void **state)
{
    (void)state;
    enum { PROGRAMS = 8 };
    struct err err;
    char path[PROGRAMS][96];
    for (int round = 0; round < 20; round++) {
        unlink(current);
        stage(staged, &hash, NULL, 0, 1);
        assert_true(keyset_promote(staged, current, &err));
        struct keyset_facts before = facts_of(current);
        pid_t children[PROGRAMS];
        int done = 0;
        for (size_t i = 0; i < PROGRAMS; i++) {
            snprintf(path[i], sizeof path[i], "%s/staged-%zu", dir, i);
            stage(path[i], &hash, &before, 0, i);
            children[i] = fork();
            if (children[i] == 0)
                _exit(keyset_promote(path[i], current, &err) ? 0 : err_is(&err, KEYSET_OUTDATED) ? 1 : 2);
        }
        for (size_t i = 0; i < PROGRAMS; i++) {
            int status;
            assert_int_equal(waitpid(children[i], &status, 0), children[i]);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
            if (WEXITSTATUS(status) == 0) {
                assert_int_equal(facts_of(current).count, i);
                done++;
            }
            unlink(path[i]);
        }
        assert_int_equal(done, 1);
    }
}

static void a_set_goes_where_it_cannot(void **state)
{
    (void)state;
    struct err err;
    char elsewhere[128];
    snprintf(elsewhere, sizeof elsewhere, "%s/missing/current", dir);
    stage(staged, &hash, NULL, 0, 1);
    assert_false(keyset_promote(staged, elsewhere, &err));
    assert_string_equal(err.code, ERR_SYSTEM);
    assert_string_equal(err.file, elsewhere);
    assert_int_equal(facts_of(staged).count, 1);
    /* A directory stands there. */
    unlink(current);
    assert_int_equal(mkdir(current, 0700), 0);
    assert_false(keyset_promote(staged, current, &err));
    assert_int_equal(facts_of(staged).count, 1);
    assert_int_equal(rmdir(current), 0);
}

static char *read_path(const char *path)
{
    static char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    close(fd);
    return text;
}

static void keys_that_are_gone_are_others(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    uint64_t count;
    char kept[128];
    stage(current, &hash, NULL, 7, 5);
    struct keyset_facts before = facts_of(current);
    stage(staged, &hash, &before, 10, 3000);
    assert_true(keyset_write_gone(current, staged, gone, NULL, &count, &err));
    assert_int_equal(count, 3);
    assert_string_equal(read_path(gone), "Id\ncustomer 7\ncustomer 8\ncustomer 9\n");
    assert_int_equal(stat(gone, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    /* Nothing is left, and the file before is kept. */
    stage(staged, &hash, &before, 0, 0);
    assert_true(keyset_write_gone(current, staged, gone, NULL, &count, &err));
    assert_int_equal(count, 5);
    snprintf(kept, sizeof kept, "%s~", gone);
    assert_string_equal(read_path(kept), "Id\ncustomer 7\ncustomer 8\ncustomer 9\n");
    /* All are still there. */
    stage(staged, &hash, &before, 0, 3000);
    assert_true(keyset_write_gone(current, staged, gone, NULL, &count, &err));
    assert_int_equal(count, 0);
    assert_string_equal(read_path(gone), "Id\n");
    /* There was none before. */
    assert_true(keyset_write_gone(staged, staged, gone, NULL, &count, &err));
    assert_int_equal(count, 0);
    /* A set that was compared with another. */
    const struct keyhash other = {{3, 4}};
    stage(staged, &other, &before, 0, 1);
    assert_false(keyset_write_gone(current, staged, gone, NULL, &count, &err));
    before.generation = 7;
    stage(staged, &hash, &before, 0, 1);
    assert_false(keyset_write_gone(current, staged, gone, NULL, &count, &err));
    assert_string_equal(read_path(gone), "Id\n");
}

static void a_list_that_has_no_room_takes_the_place_of_another(void **state)
{
    (void)state;
    struct err err;
    struct rlimit limit, small;
    uint64_t count;
    stage(current, &hash, NULL, 0, 4000);
    struct keyset_facts before = facts_of(current);
    stage(staged, &hash, &before, 0, 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    FILE *file = fopen(gone, "w");
    assert_non_null(file);
    fputs("Id\nearlier\n", file);
    fclose(file);
    for (rlim_t room = 0; room < 40000; room += 9999) {
        small = limit;
        small.rlim_cur = room;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        bool done = keyset_write_gone(current, staged, gone, NULL, &count, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_false(done);
        assert_string_equal(err.code, ERR_SYSTEM);
        assert_null(strstr(err.message, "customer"));
        assert_string_equal(read_path(gone), "Id\nearlier\n");
    }
    unlink(current);
    unlink(staged);
}

static void damage_makes_keys_gone(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    uint64_t count;
    stage(current, &hash, NULL, 0, MANY);
    struct keyset_facts before = facts_of(current);
    stage(staged, &hash, &before, 0, MANY);
    assert_int_equal(stat(staged, &info), 0);
    for (off_t at = 0; at < info.st_size; at += 4001) {
        int fd = open(staged, O_RDWR | O_CLOEXEC);
        unsigned char was, now;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        now = was ^ 0x10;
        assert_int_equal(pwrite(fd, &now, 1, at), 1);
        /* The texts of what is still there are not looked at. */
        if (keyset_write_gone(current, staged, gone, NULL, &count, &err))
            assert_int_equal(count, 0);
        else
            assert_string_equal(err.code, ERR_FILE);
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
        close(fd);
    }
}

/* ---- what is in doubt ---- */

static struct wanted sent_then(size_t i)
{
    return (struct wanted){i, 100};
}

/* Of the keys that were there every second one is sent again, and all new ones are sent. */
static struct wanted sent_now(size_t i)
{
    bool sent = i % 2 == 0 || i >= 3000;
    return (struct wanted){sent ? i + 7 : i, sent ? 200 : 100};
}

/* The set has these keys, and of each what `what` says, with its text. */
static void expect_set(const char *path, size_t count, struct wanted (*what)(size_t i))
{
    struct err err;
    struct keyset_record record;
    struct buf text;
    size_t seen = 0;
    assert_true(keyset_check(path, &(struct keyset_facts){0}, &err));
    struct keyset_reader *reader = keyset_reader_open(path, &err);
    buf_init(&text, KEYSET_MAX_TEXT);
    while (keyset_next(reader, &record, &err) == KEYSORT_ENTRY) {
        char number[32];
        assert_true(keyset_text(reader, &record, &text, &err));
        snprintf(number, sizeof number, "%.*s", (int)text.len, text.data);
        assert_int_equal(strncmp(number, "customer ", 9), 0);
        struct wanted wanted = what((size_t)atol(number + 9));
        assert_int_equal(record.row, wanted.row);
        assert_int_equal(record.expires, wanted.expires);
        seen++;
    }
    assert_int_equal(seen, count);
    buf_free(&text);
    keyset_reader_free(reader);
}

static struct wanted marked(size_t i)
{
    bool sent = (i % 2 == 0 && i >= 1000) || i >= 3000;
    return (struct wanted){sent ? i + 7 : i, sent ? KEYSET_IN_DOUBT : 100};
}

static struct wanted all_marked(size_t i)
{
    return (struct wanted){i, KEYSET_IN_DOUBT};
}

static void what_is_sent_is_not_in_doubt(void **state)
{
    struct err err;
    (void)state;
    stage_rows(current, &hash, NULL, 1000, 0, 3000, sent_then);
    struct keyset_facts before = facts_of(current);
    stage_rows(staged, &hash, &before, 2000, 1000, 3000, sent_now);
    assert_true(keyset_mark(staged, current, 200, &err));
    expect_set(current, 4000, marked);
    struct keyset_facts after = facts_of(current);
    assert_int_equal(after.generation, before.generation + 1);
    assert_int_equal(after.time_count, 1);
    assert_int_equal(after.times[0], 1000);
    assert_int_equal(after.written_at, 0);
    /* It has succeeded: nothing is in doubt any more. */
    assert_true(keyset_promote(staged, current, &err));
    expect_set(current, 3000, sent_now);
    assert_int_equal(facts_of(current).times[1], 2000);
    unlink(current);
}

static void what_is_sent_first_is_not_in_doubt(void **state)
{
    struct err err;
    (void)state;
    stage_rows(staged, &hash, NULL, 1000, 0, 3000, sent_then);
    assert_true(keyset_mark(staged, current, 100, &err));
    expect_set(current, 3000, all_marked);
    assert_int_equal(facts_of(current).time_count, 0);
    assert_true(keyset_promote(staged, current, &err));
    expect_set(current, 3000, sent_then);
    unlink(current);
}

static void two_that_send_at_once_know_of_one(void **state)
{
    char other[128];
    struct err err;
    (void)state;
    snprintf(other, sizeof other, "%s/other", dir);
    stage_rows(current, &hash, NULL, 1000, 0, 3000, sent_then);
    struct keyset_facts before = facts_of(current);
    stage_rows(staged, &hash, &before, 2000, 1000, 3000, sent_now);
    stage_rows(other, &hash, &before, 2000, 0, 3000, sent_then);
    assert_true(keyset_mark(staged, current, 200, &err));
    assert_true(keyset_mark(other, current, 999, &err)); /* it sends nothing */
    expect_set(current, 4000, marked);
    expect_outdated();
    assert_false(keyset_promote(other, current, &err));
    assert_string_equal(err.code, KEYSET_OUTDATED);
    unlink(other);
    unlink(staged);
    unlink(current);
}

static void a_full_disk_leaves_half_of_a_mark(void **state)
{
    struct rlimit was, little;
    struct err err;
    (void)state;
    stage_rows(current, &hash, NULL, 1000, 0, 3000, sent_then);
    struct keyset_facts before = facts_of(current);
    stage_rows(staged, &hash, &before, 2000, 1000, 3000, sent_now);
    getrlimit(RLIMIT_FSIZE, &was);
    for (rlim_t most = 0; most < 200000; most += 9973) {
        little = (struct rlimit){most, was.rlim_max};
        setrlimit(RLIMIT_FSIZE, &little);
        bool marked_it = keyset_mark(staged, current, 200, &err);
        setrlimit(RLIMIT_FSIZE, &was);
        assert_false(marked_it);
        expect_set(current, 3000, sent_then);
    }
    assert_true(keyset_mark(staged, current, 200, &err));
    expect_set(current, 4000, marked);
    unlink(staged);
    unlink(current);
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_takes_the_place_of_one_that_it_was_not_compared_with),
        cmocka_unit_test(a_damaged_set_stays_for_ever),
        cmocka_unit_test(a_set_that_is_none_is_promoted),
        cmocka_unit_test(two_sets_are_promoted_at_once),
        cmocka_unit_test(a_set_goes_where_it_cannot),
        cmocka_unit_test(keys_that_are_gone_are_others),
        cmocka_unit_test(a_list_that_has_no_room_takes_the_place_of_another),
        cmocka_unit_test(damage_makes_keys_gone),
        cmocka_unit_test(what_is_sent_is_not_in_doubt),
        cmocka_unit_test(what_is_sent_first_is_not_in_doubt),
        cmocka_unit_test(two_that_send_at_once_know_of_one),
        cmocka_unit_test(a_full_disk_leaves_half_of_a_mark),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
