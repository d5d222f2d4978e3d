/* Where the state may be kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/state_directory.h"

#define EXT4 0xEF53
#define OVERLAY 0x794C7630
#define XFS 0x58465342

static char home[64];

static int make_home(void **unused)
{
    (void)unused;
    strcpy(home, "/tmp/test_state_XXXXXX");
    return mkdtemp(home) ? 0 : -1;
}

static int remove_home(void **unused)
{
    char command[192];
    (void)unused;
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", home, home);
    return system(command);
}

static void a_network_file_system_is_known_by_its_name(void **unused)
{
    (void)unused;
    assert_string_equal(state_directory_network(NFS_SUPER_MAGIC, NULL), "NFS");
    assert_string_equal(state_directory_network((long)CIFS_SUPER_MAGIC, NULL), "CIFS");
    assert_string_equal(state_directory_network((long)(int)SMB2_SUPER_MAGIC, NULL), "SMB"); /* as a signed 32 bits */
    assert_string_equal(state_directory_network(V9FS_MAGIC, NULL), "9P");
    assert_string_equal(state_directory_network(CEPH_SUPER_MAGIC, NULL), "Ceph");
    assert_string_equal(state_directory_network(AFS_FS_MAGIC, NULL), "AFS");
    assert_string_equal(state_directory_network(FUSE_SUPER_MAGIC, "fuse.sshfs"), "sshfs");
    assert_string_equal(state_directory_network(FUSE_SUPER_MAGIC, "fuse.s3fs"), "s3fs");
}

static void a_disk_of_this_machine_is_taken(void **unused)
{
    (void)unused;
    static const long types[] = {EXT4, XFS, BTRFS_SUPER_MAGIC, TMPFS_MAGIC, OVERLAY, MSDOS_SUPER_MAGIC};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        assert_null(state_directory_network(types[i], NULL));
    assert_null(state_directory_network(FUSE_SUPER_MAGIC, "fuseblk"));
    assert_null(state_directory_network(FUSE_SUPER_MAGIC, "fuse.fuse-overlayfs"));
    assert_null(state_directory_network(FUSE_SUPER_MAGIC, NULL));
    assert_null(state_directory_network(EXT4, "fuse.sshfs")); /* only where FUSE is */
}

static void the_type_of_a_mount_is_found_by_its_device(void **unused)
{
    (void)unused;
    char path[96], type[64];
    snprintf(path, sizeof path, "%s/mountinfo", home);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n", file);
    fprintf(file, "23 22 0:50 / /var/lib rw - overlay overlay rw,lowerdir=%05000d\n", 0);
    fputs("24 22 0:45 / /mnt/a\\040-\\040b rw,nosuid shared:2 master:3 - fuse.sshfs me@host:/home rw,user_id=0\n", file);
    fputs("25 22 0:451 / /mnt/c rw - tmpfs tmpfs rw", file);
    fclose(file);
    assert_true(state_directory_mount_type(path, makedev(0, 45), type));
    assert_string_equal(type, "fuse.sshfs");
    assert_true(state_directory_mount_type(path, makedev(8, 1), type));
    assert_string_equal(type, "ext4");
    assert_true(state_directory_mount_type(path, makedev(0, 451), type));
    assert_string_equal(type, "tmpfs");
    assert_false(state_directory_mount_type(path, makedev(0, 4), type));
    assert_false(state_directory_mount_type("/nowhere", makedev(0, 45), type));
}

static void the_kernels_own_list_is_understood(void **unused)
{
    (void)unused;
    struct stat info;
    char type[64];
    assert_int_equal(stat("/proc", &info), 0);
    assert_true(state_directory_mount_type("/proc/self/mountinfo", info.st_dev, type));
    assert_string_equal(type, "proc");
}

static void what_is_missing_is_made_for_its_owner_alone(void **unused)
{
    (void)unused;
    char path[128];
    struct stat info;
    struct err e;
    err_clear(&e);
    mode_t before = umask(0);
    snprintf(path, sizeof path, "%s/a/b/c", home);
    assert_true(state_directory_make(path, &e));
    umask(before);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/a", home);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/a/b/c", home);
    assert_true(state_directory_make(path, &e)); /* it is there */
    snprintf(path, sizeof path, "%s/a/b/d/", home);
    assert_true(state_directory_make(path, &e));
}

static void assert_refused(const char *path, const char *word)
{
    struct err e;
    err_clear(&e);
    assert_false(state_directory_make(path, &e));
    assert_string_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.message, word));
}

static void a_place_that_cannot_be_written_is_refused_with_the_reason(void **unused)
{
    (void)unused;
    char path[128], longer[5000];
    assert_refused("/proc/upjob", "--state");
    assert_refused("/dev/null", "is no directory");
    memset(longer, 'a', sizeof longer);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    assert_refused(longer, "too long");
    if (geteuid() == 0) /* it may write everywhere */
        return;
    snprintf(path, sizeof path, "%s/closed", home);
    assert_int_equal(mkdir(path, 0500), 0);
    assert_refused(path, "cannot write");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_file_system_is_known_by_its_name),
        cmocka_unit_test(a_disk_of_this_machine_is_taken),
        cmocka_unit_test_setup_teardown(the_type_of_a_mount_is_found_by_its_device, make_home, remove_home),
        cmocka_unit_test(the_kernels_own_list_is_understood),
        cmocka_unit_test_setup_teardown(what_is_missing_is_made_for_its_owner_alone, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_place_that_cannot_be_written_is_refused_with_the_reason, make_home, remove_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
