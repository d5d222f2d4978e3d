/* A file that is done with is put elsewhere: nothing is overwritten, nothing is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/move_file.h"
#include "core/utf8.h"

struct fixture {
    char root[64], path[96], to[96];
    char now[256]; /* where the last one went */
    struct file_identity identity;
    struct err err;
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct file_identity identity_of(const char *path)
{
    struct stat info;
    struct file_identity identity;
    assert_int_equal(stat(path, &info), 0);
    file_identity_of(&info, &identity);
    return identity;
}

/* What is put at this path when a directory is synced, as a writer does it; NULL: nothing. */
static const char *replaced_at_sync;

int fsync(int fd)
{
    struct stat info;
    if (replaced_at_sync && fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        char other[256];
        snprintf(other, sizeof other, "%s.new", replaced_at_sync);
        write_file(other, "the next file\n");
        assert_int_equal(rename(other, replaced_at_sync), 0);
        replaced_at_sync = NULL;
    }
    return 0;
}

/* As under systemd's RestrictSUIDSGID. */
static bool refuses_setgid;

int chmod(const char *path, mode_t mode)
{
    errno = EPERM;
    return refuses_setgid && (mode & 06000) ? -1 : fchmodat(AT_FDCWD, path, mode, 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->root, "/tmp/upjob-move-XXXXXX");
    if (!mkdtemp(f->root))
        return -1;
    snprintf(f->path, sizeof f->path, "%s/a.csv", f->root);
    snprintf(f->to, sizeof f->to, "%s/done", f->root);
    write_file(f->path, "k\n1\n");
    f->identity = identity_of(f->path);
    *state = f;
    return 0;
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
    nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static bool move(struct fixture *f)
{
    err_clear(&f->err);
    struct move_file *work = move_file_new(f->path, &f->identity, f->to, &f->err);
    assert_non_null(work);
    while (move_file_slice(work))
        ;
    const char *path = move_file_ended(work, &f->err);
    snprintf(f->now, sizeof f->now, "%s", path ? path : "");
    move_file_free(work);
    return f->now[0] != '\0';
}

static int count_in(const char *path)
{
    DIR *list = opendir(path);
    int count = 0;
    for (struct dirent *entry; list && (entry = readdir(list));)
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    if (list)
        closedir(list);
    return count;
}

static void a_second_file_of_the_same_name_gets_the_time(void **state)
{
    struct fixture *f = *state;
    char first[256];
    assert_true(move(f));
    strcpy(first, f->now);
    write_file(f->path, "k\n2\n");
    f->identity = identity_of(f->path);
    assert_true(move(f));
    assert_string_not_equal(f->now, first);
    assert_int_equal(strncmp(f->now, first, strlen(first) - strlen(".csv")), 0);
    assert_string_equal(f->now + strlen(f->now) - strlen("Z.csv"), "Z.csv");
    assert_int_equal(count_in(f->to), 2);
}

static void a_name_of_full_length_has_room_for_the_time(void **state)
{
    struct fixture *f = *state;
    char path[400];
    int len = snprintf(path, sizeof path, "%s/xx", f->root);
    for (int i = 0; i < 124; i++)
        len += snprintf(path + len, sizeof path - (size_t)len, "\xC3\xA4");
    snprintf(path + len, sizeof path - (size_t)len, ".csv");
    for (int i = 0; i < 2; i++) {
        write_file(path, i == 0 ? "k\n1\n" : "k\n2\n");
        f->identity = identity_of(path);
        err_clear(&f->err);
        struct move_file *work = move_file_new(path, &f->identity, f->to, &f->err);
        while (move_file_slice(work))
            ;
        const char *moved = move_file_ended(work, &f->err);
        assert_non_null(moved);
        assert_true(utf8_valid(moved, strlen(moved), NULL));
        move_file_free(work);
    }
    assert_int_equal(count_in(f->to), 2);
}

static void what_was_moved_before_a_kill_is_found(void **state)
{
    struct fixture *f = *state;
    char first[256];
    assert_true(move(f));
    strcpy(first, f->now);
    assert_true(move(f));
    assert_string_equal(f->now, first);
    /* Also when another file has taken its place. */
    write_file(f->path, "another one\n");
    assert_true(move(f));
    assert_string_equal(f->now, first);
    assert_int_equal(access(f->path, F_OK), 0);
}

static void a_file_that_was_changed_stays(void **state)
{
    struct fixture *f = *state;
    write_file(f->path, "k\n1\n2\n");
    assert_false(move(f));
    assert_true(err_is(&f->err, ERR_FILE_CHANGED));
    assert_int_equal(access(f->path, F_OK), 0);
    assert_int_not_equal(access(f->to, F_OK), 0);
}

static void a_file_where_the_directory_should_be_is_an_error(void **state)
{
    struct fixture *f = *state;
    write_file(f->to, "");
    assert_false(move(f));
    assert_true(err_is(&f->err, ERR_FILE));
    assert_int_equal(access(f->path, F_OK), 0);
}

static void a_copy_to_another_file_system_leaves_one_file(void **state)
{
    struct fixture *f = *state;
    struct stat here, there;
    if (stat("/dev/shm", &there) != 0 || stat(f->root, &here) != 0 || here.st_dev == there.st_dev)
        skip();
    snprintf(f->to, sizeof f->to, "/dev/shm/%s", strrchr(f->root, '/') + 1);
    assert_true(move(f));
    struct file_identity copy = identity_of(f->now);
    int left = access(f->path, F_OK), count = count_in(f->to);
    bool again = move(f);
    nftw(f->to, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    assert_int_not_equal(left, 0);
    assert_int_equal(count, 1);
    assert_true(again);
    assert_int_equal(copy.size, f->identity.size);
    assert_int_equal(copy.modified, f->identity.modified);
}

static void a_file_that_comes_while_its_namesake_is_copied_is_not_removed(void **state)
{
    struct fixture *f = *state;
    struct stat here, there;
    if (stat("/dev/shm", &there) != 0 || stat(f->root, &here) != 0 || here.st_dev == there.st_dev)
        skip();
    snprintf(f->to, sizeof f->to, "/dev/shm/%s", strrchr(f->root, '/') + 1);
    replaced_at_sync = f->path;
    bool moved = move(f);
    struct file_identity copy = moved ? identity_of(f->now) : (struct file_identity){0};
    nftw(f->to, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    assert_true(moved);
    assert_int_equal(copy.size, f->identity.size);
    assert_int_equal(identity_of(f->path).size, strlen("the next file\n"));
    assert_int_equal(count_in(f->root), 1);
}

static void a_folder_with_the_bit_of_its_group_is_no_obstacle_to_a_service(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    assert_int_equal(chmod(f->root, 02775), 0);
    refuses_setgid = true;
    bool moved = move(f);
    refuses_setgid = false;
    assert_true(moved);
    assert_int_equal(stat(f->to, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0775);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_second_file_of_the_same_name_gets_the_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_of_full_length_has_room_for_the_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_moved_before_a_kill_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_was_changed_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_where_the_directory_should_be_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_to_another_file_system_leaves_one_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_comes_while_its_namesake_is_copied_is_not_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_with_the_bit_of_its_group_is_no_obstacle_to_a_service, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
