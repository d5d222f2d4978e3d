/* Uploads on their way from the loop's thread to the object store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/loop.h"
#include "local/intake.h"

static const unsigned char KEY[DATA_KEY_SIZE] = "0123456789abcdef0123456789abcde";

struct fixture {
    char dir[64];
    struct objects *objects;
    struct loop *loop;
    struct intakes *intakes;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    err_clear(&e);
    strcpy(f->dir, "/tmp/upjob-intake-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    f->objects = objects_open(f->dir, true, &e);
    f->loop = loop_new(&e);
    f->intakes = intakes_new(f->loop);
    *state = f;
    return f->objects && f->loop && f->intakes ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    intakes_halt(f->intakes);
    intakes_free(f->intakes);
    loop_free(f->loop);
    objects_close(f->objects);
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

struct upload {
    struct fixture *f;
    struct intake *intake;
    unsigned char *bytes;
    size_t size, at, piece;
    int told;
    bool has_ended, is_over;
    struct object_facts facts;
    struct err err;
};

/* As much as there is room for, as the listener does it. */
static void give(struct upload *u)
{
    while (u->at < u->size) {
        size_t room = intake_room(u->intake), n = u->size - u->at < u->piece ? u->size - u->at : u->piece;
        if (room == 0) {
            intake_wait(u->intake);
            return;
        }
        n = n < room ? n : room;
        if (!intake_add(u->intake, u->bytes + u->at, n, &u->err)) {
            u->has_ended = true;
            return;
        }
        u->at += n;
    }
    u->has_ended = true;
    intake_end(u->intake);
}

static void told(void *arg)
{
    struct upload *u = arg;
    u->told++;
    if (u->has_ended)
        u->is_over = intake_facts(u->intake, &u->facts, &u->err);
    else
        give(u);
}

static void begin(struct fixture *f, struct upload *u, const char *name, size_t size, size_t piece)
{
    struct err e;
    err_clear(&e);
    *u = (struct upload){.f = f, .size = size, .piece = piece, .bytes = malloc(size + 1)};
    for (size_t i = 0; i < size; i++)
        u->bytes[i] = (unsigned char)('a' + (i * 31 + i / 977) % 26);
    struct object_writer *writer = object_writer_new(f->objects, name, KEY, 0, &e);
    assert_non_null(writer);
    u->intake = intake_new(f->intakes, writer, told, u, &e);
    assert_non_null(u->intake);
}

static void no_news(void *arg)
{
    (void)arg;
    fail_msg("somebody was told");
}

static void too_late(void *arg)
{
    (void)arg;
    fail_msg("nobody was told in a minute");
}

/* Until it was told of its end. */
static void run(struct upload *u)
{
    struct loop_timer *patience = loop_timer_start(u->f->loop, 60000, too_late, NULL);
    while (!u->is_over && !u->err.code[0])
        loop_turn(u->f->loop, true);
    loop_timer_stop(patience);
}

static void check(struct upload *u, const char *name)
{
    struct err e;
    unsigned char md5[EVP_MAX_MD_SIZE];
    char *read = malloc(u->size + 1);
    long n;
    err_clear(&e);
    assert_int_equal(u->facts.size, u->size);
    assert_int_equal(EVP_Digest(u->bytes, u->size, md5, NULL, EVP_md5(), NULL), 1);
    assert_memory_equal(u->facts.md5, md5, sizeof u->facts.md5);
    assert_true(object_writer_finish(intake_writer(u->intake), &e));
    struct object_reader *reader = object_reader_open(u->f->objects, name, 0, &e);
    assert_non_null(reader);
    for (size_t at = 0; (n = object_reader_read(reader, read + at, u->size + 1 - at, &e)) != 0; at += (size_t)n)
        assert_true(n > 0);
    assert_memory_equal(read, u->bytes, u->size);
    object_reader_free(reader);
    free(read);
    intake_free(u->intake);
    free(u->bytes);
}

static void an_upload_of_any_size_is_kept_whole_however_it_comes_in_pieces(void **state)
{
    static const size_t sizes[] = {0, 1, 65536, INTAKE_BLOCK - 1, INTAKE_BLOCK, INTAKE_BLOCK + 1, 2 * INTAKE_BLOCK,
                                   7 * INTAKE_BLOCK + 12345};
    static const size_t pieces[] = {977, 65536, INTAKE_BLOCK, 5 * INTAKE_BLOCK};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t j = 0; j < sizeof pieces / sizeof pieces[0]; j++) {
            char name[32];
            struct upload u;
            snprintf(name, sizeof name, "a%zu-%zu", i, j);
            begin(*state, &u, name, sizes[i], pieces[j]);
            give(&u);
            run(&u);
            assert_string_equal(u.err.code, "");
            check(&u, name);
        }
}

static void uploads_that_come_beside_each_other_do_not_mix(void **state)
{
    enum { COUNT = 20 };
    struct upload u[COUNT];
    char name[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "b%d", i);
        begin(*state, &u[i], name, (size_t)(i + 1) * 100003, 10007);
    }
    for (int i = 0; i < COUNT; i++)
        give(&u[i]);
    for (int i = 0; i < COUNT; i++) {
        run(&u[i]);
        snprintf(name, sizeof name, "b%d", i);
        check(&u[i], name);
    }
}

static size_t files_in(const char *dir)
{
    char path[128];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/objects", dir);
    DIR *entries = opendir(path);
    assert_non_null(entries);
    for (struct dirent *entry; (entry = readdir(entries));)
        count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

static void one_that_is_given_up_while_it_is_written_leaves_nothing_and_tells_nobody(void **state)
{
    struct fixture *f = *state;
    struct upload u;
    begin(f, &u, "c", 4 * INTAKE_BLOCK, INTAKE_BLOCK);
    give(&u);
    assert_true(u.at > 0 && u.at < u.size);
    intake_free(u.intake);
    intakes_halt(f->intakes);
    assert_int_equal(u.told, 0);
    assert_int_equal(files_in(f->dir), 0);
    free(u.bytes);
}

static void a_disk_that_is_full_is_told_whether_more_comes_or_not(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {100000, INTAKE_BLOCK, 2 * INTAKE_BLOCK, 20 * INTAKE_BLOCK};
    struct rlimit before, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char name[32];
        struct upload u;
        snprintf(name, sizeof name, "d%zu", i);
        begin(f, &u, name, sizes[i], 10007);
        small = (struct rlimit){70000, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        give(&u);
        run(&u);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_non_null(strstr(u.err.message, "the uploaded file cannot be kept"));
        intake_free(u.intake);
        free(u.bytes);
    }
    intakes_halt(f->intakes);
    assert_int_equal(files_in(f->dir), 0);
}

/* Its thread would be joined by nobody, and would use what is freed. */
static void an_upload_that_comes_while_the_service_stops_starts_a_thread_that_nobody_ends(void **state)
{
    struct fixture *f = *state;
    struct err e;
    err_clear(&e);
    intakes_halt(f->intakes);
    struct object_writer *writer = object_writer_new(f->objects, "e", KEY, 0, &e);
    assert_non_null(writer);
    assert_null(intake_new(f->intakes, writer, no_news, NULL, &e));
    assert_true(e.retryable);
    assert_int_equal(files_in(f->dir), 0);
}

/* A stop comes while a block is written and the rest waits for its turn. */
static void an_upload_that_is_cut_by_the_end_of_the_service_is_told_as_a_want_of_memory(void **state)
{
    struct fixture *f = *state;
    struct upload u;
    begin(f, &u, "f", INTAKE_BLOCK + 1, INTAKE_BLOCK);
    give(&u);
    intakes_halt(f->intakes);
    assert_int_equal(u.told, 1);
    assert_false(u.is_over);
    assert_true(u.err.retryable);
    assert_non_null(strstr(u.err.message, "the service is stopping"));
    intake_free(u.intake);
    free(u.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_upload_of_any_size_is_kept_whole_however_it_comes_in_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(uploads_that_come_beside_each_other_do_not_mix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_given_up_while_it_is_written_leaves_nothing_and_tells_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disk_that_is_full_is_told_whether_more_comes_or_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_upload_that_comes_while_the_service_stops_starts_a_thread_that_nobody_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_upload_that_is_cut_by_the_end_of_the_service_is_told_as_a_want_of_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
