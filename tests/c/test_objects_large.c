/* Objects that are large: written past the page cache where that can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/c/storing.h"

static void keep_for_good(struct fixture *f)
{
    struct err e;
    err_clear(&e);
    objects_close(f->objects);
    f->objects = objects_open(f->dir, false, &e);
    assert_non_null(f->objects);
}

/* What goes past the page cache goes in whole blocks of the disk, up to its end. */
static void a_large_object_is_read_back_however_it_ends(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {0,       1,       OBJECT_CHUNK, 262144 - 100 - 16, 262144 - 100 - 15, 4 * OBJECT_CHUNK + 5,
                                   1048576, 1048577, 3000000,      17 * OBJECT_CHUNK};
    static const size_t pieces[] = {4999, OBJECT_CHUNK, 131072, 1000000};
    keep_for_good(f);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
            struct object_facts facts;
            put_said(f, "a", sizes[i], pieces[k], (uint64_t)1 << 30, &facts);
            assert_int_equal(facts.size, sizes[i]);
            assert_int_equal(get(f, "a", 0), (long)sizes[i]);
            assert_int_equal(get(f, "a", sizes[i] / 2), (long)(sizes[i] - sizes[i] / 2));
        }
}

/* As some file systems do, which take O_DIRECT at first. */
static bool refuses_direct;
static int refused, writes_until_short = -1; /* the write after so many is short, and what is left of it is refused */

ssize_t write(int fd, const void *bytes, size_t size)
{
    bool direct = fcntl(fd, F_GETFL) & O_DIRECT;
    if (direct && writes_until_short >= 0 && writes_until_short-- == 0) {
        refuses_direct = true;
        return syscall(SYS_write, fd, bytes, (size_t)4096);
    }
    if (refuses_direct && direct) {
        refused++;
        errno = EINVAL;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, size);
}

static void a_large_object_is_kept_where_writes_past_the_page_cache_are_refused(void **state)
{
    struct fixture *f = *state;
    struct object_facts facts;
    keep_for_good(f);
    refuses_direct = true;
    put_said(f, "a", 2000000, 131072, (uint64_t)1 << 30, &facts);
    refuses_direct = false;
    assert_true(refused <= 1); /* none where the flag is refused already */
    assert_int_equal(get(f, "a", 0), 2000000);
}

static void a_large_object_is_whole_when_a_write_past_the_page_cache_was_short(void **state)
{
    struct fixture *f = *state;
    struct object_facts facts;
    keep_for_good(f);
    writes_until_short = 2;
    put_said(f, "a", 2000000, 131072, (uint64_t)1 << 30, &facts);
    refuses_direct = false;
    writes_until_short = -1;
    assert_int_equal(get(f, "a", 0), 2000000);
}

static void a_large_object_for_which_there_is_no_room_is_refused(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, small;
    struct err e;
    static char bytes[1 << 20];
    keep_for_good(f);
    err_clear(&e);
    signal(SIGXFSZ, SIG_IGN);
    struct object_writer *w = object_writer_new(f->objects, "a", KEY, (uint64_t)1 << 30, &e);
    assert_non_null(w);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){300000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool added = object_writer_add(w, bytes, sizeof bytes, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(added);
    assert_non_null(strstr(e.message, "the uploaded file cannot be kept"));
    object_writer_free(w);
    assert_int_equal(get(f, "a", 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_large_object_is_read_back_however_it_ends),
        WITH_STORE(a_large_object_is_kept_where_writes_past_the_page_cache_are_refused),
        WITH_STORE(a_large_object_is_whole_when_a_write_past_the_page_cache_was_short),
        WITH_STORE(a_large_object_for_which_there_is_no_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
