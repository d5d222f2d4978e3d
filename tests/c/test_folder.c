/* Looks at a directory: what is new, has changed, is gone, and what is told of it as it happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/folder.h"
#include "core/folder_events.h"

struct fixture {
    char directory[64];
    struct folder *folder;
    char seen[4096]; /* "+a ~b -c" */
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->directory, "/tmp/upjob-folder-XXXXXX");
    if (!mkdtemp(f->directory))
        return -1;
    f->folder = folder_new(f->directory, "*.csv", &f->err);
    *state = f;
    return f->folder ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    folder_free(f->folder);
    nftw(f->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", f->directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool look(struct fixture *f)
{
    folder_begin(f->folder);
    while (folder_slice(f->folder))
        ;
    f->seen[0] = '\0';
    err_clear(&f->err);
    if (!folder_ended(f->folder, &f->err))
        return false;
    size_t len = 0;
    for (const struct folder_change *change; len < 4000 && (change = folder_next(f->folder));)
        len += (size_t)snprintf(f->seen + len, sizeof f->seen - len, "%c%s ", "+~-"[change->news], change->entry->name);
    return true;
}

static void sees_only_what_has_changed(void **state)
{
    struct fixture *f = *state;
    char path[160];
    write_file(f, "b.csv", "1");
    write_file(f, "a.csv", "1");
    assert_true(look(f));
    assert_string_equal(f->seen, "+a.csv +b.csv ");
    assert_true(look(f));
    assert_string_equal(f->seen, "");
    write_file(f, "b.csv", "12");
    write_file(f, "c.csv", "1");
    snprintf(path, sizeof path, "%s/a.csv", f->directory);
    assert_int_equal(unlink(path), 0);
    assert_true(look(f));
    assert_string_equal(f->seen, "~b.csv +c.csv -a.csv ");
}

static void leaves_out_what_is_never_taken(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {".a.csv", "a.rejects.csv", "a.txt", "a.csv.tmp", NULL};
    char path[160];
    for (const char *const *name = names; *name; name++)
        write_file(f, *name, "1");
    snprintf(path, sizeof path, "%s/d.csv", f->directory);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(look(f));
    assert_string_equal(f->seen, "");
}

static void a_failed_look_forgets_nothing(void **state)
{
    struct fixture *f = *state;
    char away[128];
    write_file(f, "a.csv", "1");
    assert_true(look(f));
    snprintf(away, sizeof away, "%s.away", f->directory);
    assert_int_equal(rename(f->directory, away), 0);
    assert_false(look(f));
    assert_true(err_is(&f->err, ERR_FILE));
    assert_string_equal(f->err.file, f->directory);
    assert_int_equal(rename(away, f->directory), 0);
    assert_true(look(f));
    assert_string_equal(f->seen, "");
}

static void many_files_are_read_in_slices(void **state)
{
    struct fixture *f = *state;
    char name[32];
    int count = 0;
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "%04d.csv", i);
        write_file(f, name, "");
    }
    folder_begin(f->folder);
    while (folder_slice(f->folder))
        ;
    assert_true(folder_ended(f->folder, &f->err));
    for (const struct folder_change *change; (change = folder_next(f->folder)); count++) {
        snprintf(name, sizeof name, "%04d.csv", count);
        assert_string_equal(change->entry->name, name);
    }
    assert_int_equal(count, 3000);
}

static void count_one(void *arg)
{
    ++*(int *)arg;
}

/* Turns until something was told. */
static void expect_event(struct loop *loop, const int *happened, int before)
{
    while (*happened == before)
        assert_true(loop_turn(loop, true));
}

static void events_follow_the_directory_that_is_there(void **state)
{
    struct fixture *f = *state;
    int happened = 0, before;
    struct loop *loop = loop_new(&f->err);
    struct folder_events *events = folder_events_new(loop, count_one, &happened);
    struct file_identity directory;
    char away[128];
    assert_true(look(f));
    directory = folder_identity(f->folder);
    if (!folder_events_follow(events, f->directory, &directory)) {
        folder_events_free(events);
        loop_free(loop);
        skip();
    }
    write_file(f, "a.csv", "1");
    expect_event(loop, &happened, 0);
    snprintf(away, sizeof away, "%s.away", f->directory);
    assert_int_equal(rename(f->directory, away), 0);
    assert_int_equal(mkdir(f->directory, 0700), 0);
    assert_true(look(f));
    directory = folder_identity(f->folder);
    assert_true(folder_events_follow(events, f->directory, &directory));
    do {
        before = happened;
        loop_turn(loop, false);
    } while (happened != before);
    write_file(f, "b.csv", "1");
    expect_event(loop, &happened, before);
    folder_events_free(events);
    loop_free(loop);
    nftw(away, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sees_only_what_has_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_out_what_is_never_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_look_forgets_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_files_are_read_in_slices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(events_follow_the_directory_that_is_there, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
