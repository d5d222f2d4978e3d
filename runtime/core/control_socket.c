#include "core/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

/* The address of a name in the directory, whose descriptor is `fd`. */
static socklen_t address_of(struct sockaddr_un *address, const char *directory, int fd, const char *name)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(address->sun_path, sizeof address->sun_path, "%s/%s", directory, name);
    if (len >= (int)sizeof address->sun_path)
        snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", fd, name);
    return sizeof *address;
}

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* 0 or errno: of a daemon that is alive, but does not come to accept, EAGAIN. */
static int connect_to(int fd, const char *directory, int directory_fd)
{
    struct sockaddr_un address;
    socklen_t len = address_of(&address, directory, directory_fd, CONTROL_SOCKET);
    return connect(fd, (const struct sockaddr *)&address, len) == 0 ? 0 : errno;
}

static int open_directory(const char *directory, struct err *err)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    err_at(err, directory, 0, 0, NULL);
    err_errno(err, errno == ENOENT ? ERR_NO_DAEMON : ERR_CONFIG, errno, "the state directory cannot be opened");
    return -1;
}

static bool fail(const char *directory, struct err *err, int error, const char *what)
{
    err_at(err, directory, 0, 0, NULL);
    return err_errno(err, ERR_CONFIG, error, "%s", what);
}

/* Nobody listens there, and what is there may be replaced. */
static bool is_free(const char *directory, int directory_fd, struct err *err)
{
    struct stat info;
    if (fstatat(directory_fd, CONTROL_SOCKET, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || fail(directory, err, errno, "the control socket cannot be looked at");
    err_at(err, directory, 0, 0, NULL);
    if (!S_ISSOCK(info.st_mode))
        return err_set(err, ERR_CONFIG, "%s in it is no socket: move it away", CONTROL_SOCKET);
    int fd = new_socket();
    int error = fd < 0 ? errno : connect_to(fd, directory, directory_fd);
    if (fd >= 0)
        close(fd);
    if (error == 0 || error == EAGAIN)
        return err_set(err, ERR_CONFIG, "a daemon listens there already");
    return error == ECONNREFUSED || error == ENOENT || fail(directory, err, error, "the control socket cannot be tried");
}

/* Under a name of its own until it listens, so that nobody finds one that does not. */
static bool bind_and_listen(int fd, const char *directory, int directory_fd, struct stat *info, struct err *err)
{
    struct sockaddr_un address;
    char name[40];
    snprintf(name, sizeof name, CONTROL_SOCKET ".%d", (int)getpid());
    socklen_t len = address_of(&address, directory, directory_fd, name);
    unlinkat(directory_fd, name, 0);
    if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)&address, len) != 0) {
        int error = errno;
        bool needs_proc = strncmp(address.sun_path, "/proc/", 6) == 0 && error == ENOENT;
        return fail(directory, err, error, needs_proc ? "the path is too long for a socket, and /proc is not there: name a "
                                                        "shorter one with --state DIR"
                                                      : "a control socket cannot be made there");
    }
    if (listen(fd, BACKLOG) == 0 && renameat(directory_fd, name, directory_fd, CONTROL_SOCKET) == 0 &&
        fstatat(directory_fd, CONTROL_SOCKET, info, AT_SYMLINK_NOFOLLOW) == 0)
        return true;
    int error = errno;
    unlinkat(directory_fd, name, 0);
    return fail(directory, err, error, "a control socket cannot be made there");
}

int control_socket_listen(const char *directory, struct stat *info, struct err *err)
{
    int fd = -1, directory_fd = open_directory(directory, err);
    if (directory_fd < 0)
        return -1;
    /* Two that start at once look one after the other. */
    if (flock(directory_fd, LOCK_EX | LOCK_NB) != 0) {
        fail(directory, err, errno, "another daemon is starting there");
    } else if (is_free(directory, directory_fd, err) && (fd = new_socket()) < 0) {
        fail(directory, err, errno, "there is no socket to be had for");
    } else if (fd >= 0 && !bind_and_listen(fd, directory, directory_fd, info, err)) {
        close(fd);
        fd = -1;
    }
    close(directory_fd);
    return fd;
}

void control_socket_remove(const char *directory, const struct stat *info)
{
    struct stat now;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstatat(fd, CONTROL_SOCKET, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_dev == info->st_dev && now.st_ino == info->st_ino)
        unlinkat(fd, CONTROL_SOCKET, 0);
    close(fd);
}

bool control_socket_trusts(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

int control_socket_connect(const char *directory, struct err *err)
{
    int directory_fd = open_directory(directory, err);
    if (directory_fd < 0)
        return -1;
    int fd = new_socket();
    int error = fd < 0 ? errno : connect_to(fd, directory, directory_fd);
    close(directory_fd);
    err_at(err, directory, 0, 0, NULL);
    if (error == 0 && (geteuid() == 0 || control_socket_trusts(fd)))
        return fd;
    if (fd >= 0)
        close(fd);
    if (error == ENOENT || error == ECONNREFUSED)
        err_set(err, ERR_NO_DAEMON, "no daemon is running on this state directory");
    else if (error == EAGAIN)
        err_set(err, ERR_TIMEOUT, "the daemon does not come to answer: it has %d callers waiting", BACKLOG);
    else if (error)
        fail(directory, err, error, "the daemon cannot be reached");
    else
        err_set(err, ERR_CONFIG, "who listens there is another user's: it is not spoken to");
    return -1;
}
