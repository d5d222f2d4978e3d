#include "core/listening.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* An address with its port. */
union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
};

/* Its length; 0 when `host` is no address. */
static socklen_t read_host(const char *host, int port, union address *address)
{
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons((uint16_t)port);
        return sizeof address->v4;
    }
    if (inet_pton(AF_INET6, host, &address->v6.sin6_addr) != 1)
        return 0;
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons((uint16_t)port);
    return sizeof address->v6;
}

bool listening_is_address(const char *host)
{
    union address address;
    return read_host(host, 0, &address) > 0;
}

bool listening_is_loopback(const char *host)
{
    union address address;
    socklen_t len = read_host(host, 0, &address);
    if (len == sizeof address.v4)
        return ntohl(address.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return len > 0 && IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
}

static int close_failed(int fd)
{
    int errnum = errno;
    if (fd >= 0)
        close(fd);
    errno = errnum;
    return -1;
}

/* -1 with errno. A port whose last owner has just ended can be had at once. */
static int bind_port(const union address *address, socklen_t len)
{
    int yes = 1, fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    return bind(fd, &address->any, len) == 0 && listen(fd, SOMAXCONN) == 0 ? fd : close_failed(fd);
}

static int port_of(int fd)
{
    union address bound;
    socklen_t len = sizeof bound;
    if (getsockname(fd, &bound.any, &len) != 0)
        return 0;
    return ntohs(bound.any.sa_family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
}

int listening_on_port(const char *host, int port, int *bound, struct err *err)
{
    union address address;
    socklen_t len = read_host(host, port, &address);
    if (len == 0) {
        err_set(err, ERR_CONFIG, "%s is not an address to listen on", host);
        return -1;
    }
    int fd = bind_port(&address, len);
    if (fd >= 0)
        *bound = port_of(fd);
    else if (errno == EADDRINUSE)
        err_set(err, ERR_CONFIG, "port %d is in use by another program: choose another, or 0 for a free one", port);
    else
        err_errno(err, ERR_CONFIG, errno, "cannot listen on %s port %d", host, port);
    return fd;
}

/* ---- paths ---- */

/* True when nobody answers at the socket there, which then is gone. False with *err: it is in use, or no socket. */
static bool remove_left(const union address *address, struct err *err)
{
    const char *path = address->path.sun_path;
    struct stat info;
    if (lstat(path, &info) != 0)
        return true;
    if (!S_ISSOCK(info.st_mode))
        return err_set(err, ERR_CONFIG, "cannot listen at %s: there is something else than a socket: move it away", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool left = fd >= 0 && connect(fd, &address->any, sizeof address->path) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (!left)
        return err_set(err, ERR_CONFIG, "the socket %s is in use by another program: choose another", path);
    unlink(path);
    return true;
}

/* -1 with errno. Nobody can connect before it listens. */
static int bind_path(const union address *address, mode_t mode)
{
    const char *path = address->path.sun_path;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, &address->any, sizeof address->path) != 0)
        return close_failed(fd);
    if (chmod(path, mode) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    fd = close_failed(fd);
    int errnum = errno;
    unlink(path);
    errno = errnum;
    return fd;
}

int listening_at_path(const char *path, mode_t mode, struct err *err)
{
    union address address = {.path = {.sun_family = AF_UNIX}};
    size_t len = strlen(path);
    if (len >= sizeof address.path.sun_path) {
        err_set(err, ERR_CONFIG, "the path of a socket is shorter than %zu bytes: %s", sizeof address.path.sun_path, path);
        return -1;
    }
    memcpy(address.path.sun_path, path, len);
    if (!remove_left(&address, err))
        return -1;
    int fd = bind_path(&address, mode);
    if (fd < 0)
        err_errno(err, ERR_CONFIG, errno, "cannot listen at %s", address.path.sun_path);
    return fd;
}
