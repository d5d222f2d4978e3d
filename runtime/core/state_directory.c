#include "core/state_directory.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FUSE 0x65735546

const char *state_directory_network(long f_type, const char *fuse_type)
{
    /* linux/magic.h and the kernel's sources of each. The last ones are directories of the host of a virtual machine. */
    static const struct {
        unsigned type;
        const char *name;
    } networks[] = {{0x6969, "NFS"},         {0x517B, "SMB"},         {0xFE534D42, "SMB"},     {0xFF534D42, "CIFS"},
                    {0x5346414F, "AFS"},     {0x6B414653, "AFS"},     {0x73757245, "Coda"},    {0x00C36400, "Ceph"},
                    {0x0BD00BD0, "Lustre"},  {0x564C, "NCP"},         {0x7461636F, "OCFS2"},   {0x01161970, "GFS2"},
                    {0x47504653, "GPFS"},    {0x19830326, "BeeGFS"},  {0x20030528, "OrangeFS"}, {0xAAD7AAEA, "PanFS"},
                    {0x01021997, "9P"},      {0x786F4256, "VirtualBox"}, {0xBACBACBC, "VMware"}};
    static const char *const fuse[] = {"sshfs", "s3fs", "glusterfs", "rclone", "gcsfuse", "mount-s3", "mountpoint-s3", "ceph",
                                       "ceph-fuse", "davfs", "curlftpfs", "goofys", "smbnetfs", "juicefs", "lizardfs", "mfs",
                                       "moosefs", "seaweedfs", "ossfs", "blobfuse", "blobfuse2", "geesefs", "hdfs", "afpfs",
                                       "grpcfuse", "gvfsd-fuse", "lustre", "beegfs"};
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
        if ((unsigned)f_type == networks[i].type)
            return networks[i].name;
    if ((unsigned)f_type != FUSE || !fuse_type)
        return NULL;
    const char *kind = strncmp(fuse_type, "fuse.", 5) == 0 ? fuse_type + 5 : fuse_type;
    for (size_t i = 0; i < sizeof fuse / sizeof fuse[0]; i++)
        if (strcmp(kind, fuse[i]) == 0)
            return fuse[i];
    return NULL;
}

/* "36 35 0:45 / /mnt rw,noatime master:1 - fuse.sshfs me@host:/ rw": the device, and after the dash the type. */
bool state_directory_mount_type(const char *mountinfo, dev_t device, char out[64])
{
    char *line = NULL, number[32];
    size_t size = 0;
    bool found = false;
    FILE *mounts = fopen(mountinfo, "re");
    if (!mounts)
        return false;
    snprintf(number, sizeof number, "%u:%u", major(device), minor(device));
    while (!found && getline(&line, &size, mounts) > 0) {
        char have[32] = "";
        const char *rest = strstr(line, " - ");
        found = rest && sscanf(line, "%*s %*s %31s", have) == 1 && strcmp(have, number) == 0 && sscanf(rest, " - %63s", out) == 1;
    }
    free(line);
    fclose(mounts);
    return found;
}

static bool check_local(const char *path, const struct stat *info, struct err *err)
{
    struct statfs system;
    char type[64] = "";
    if (statfs(path, &system) != 0)
        return err_errno(err, ERR_CONFIG, errno, "cannot examine the state directory %s", path);
    bool known = (unsigned)system.f_type == FUSE && state_directory_mount_type("/proc/self/mountinfo", info->st_dev, type);
    const char *network = state_directory_network((long)system.f_type, known ? type : NULL);
    return !network || err_set(err, ERR_CONFIG,
                               "the state directory %s lies on a network file system (%s), where locks and syncs "
                               "do not keep a journal whole: choose one on a disk of this machine with --state DIR",
                               path, network);
}

static bool make(const char *path, struct err *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return true;
    bool full = errno == ENOSPC || errno == EDQUOT;
    err->retryable = full;
    return err_errno(err, full ? ERR_SYSTEM : ERR_CONFIG, errno,
                     "cannot make the state directory %s (choose another with --state DIR)", path);
}

bool state_directory_make(const char *path, struct err *err)
{
    char part[PATH_MAX];
    struct stat info;
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
        return err_set(err, ERR_CONFIG, "the path of the state directory is too long: %.200s…", path);
    if (stat(path, &info) != 0) {
        for (char *p = part + 1; *p; p++) {
            if (*p != '/')
                continue;
            *p = '\0';
            if (!make(part, err))
                return false;
            *p = '/';
        }
        if (!make(part, err) || stat(path, &info) != 0)
            return err->code[0] ? false : err_errno(err, ERR_CONFIG, errno, "cannot open the state directory %s", path);
    }
    if (!S_ISDIR(info.st_mode))
        return err_set(err, ERR_CONFIG, "%s is no directory: the state needs one (choose it with --state DIR)", path);
    if (access(path, W_OK | X_OK) != 0)
        return err_errno(err, ERR_CONFIG, errno, "cannot write in the state directory %s (choose another with --state DIR)",
                         path);
    return check_local(path, &info, err);
}
