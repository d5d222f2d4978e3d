/* kill_at: ends a program with SIGKILL at one of its calls that others can see: what it writes, sends, syncs, renames, removes.
 *
 * Preloaded (LD_PRELOAD). KILL_AT is the number of the call, from 1; with KILL_AFTER set, it is carried out first. Programs that
 * the program starts count for themselves. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static long kill_at;
static bool kill_after;

__attribute__((constructor)) static void read_settings(void)
{
    const char *number = getenv("KILL_AT");
    kill_at = number ? atol(number) : 0;
    kill_after = getenv("KILL_AFTER") != NULL;
}

static void end_here(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* The call of its number is the last one. */
static bool count(void)
{
    bool is_last = atomic_fetch_add(&calls, 1) + 1 == kill_at;
    if (is_last && !kill_after)
        end_here();
    return is_last;
}

#define WRAP(type, name, parameters, arguments)                                                                                  \
    type name parameters;                                                                                                        \
    type name parameters                                                                                                         \
    {                                                                                                                            \
        static type(*next) parameters;                                                                                           \
        if (!next)                                                                                                               \
            next = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                                                  \
        bool is_last = count();                                                                                                  \
        type result = next arguments;                                                                                            \
        if (is_last)                                                                                                             \
            end_here();                                                                                                          \
        return result;                                                                                                           \
    }

WRAP(ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size))
WRAP(ssize_t, writev, (int fd, const struct iovec *parts, int number), (fd, parts, number))
WRAP(ssize_t, pwrite, (int fd, const void *bytes, size_t size, off_t at), (fd, bytes, size, at))
WRAP(ssize_t, pwrite64, (int fd, const void *bytes, size_t size, off64_t at), (fd, bytes, size, at))
WRAP(ssize_t, send, (int fd, const void *bytes, size_t size, int flags), (fd, bytes, size, flags))
WRAP(ssize_t, sendto, (int fd, const void *bytes, size_t size, int flags, const struct sockaddr *to, socklen_t length),
     (fd, bytes, size, flags, to, length))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, ftruncate64, (int fd, off64_t size), (fd, size))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, linkat, (int from, const char *path, int to, const char *name, int flags), (from, path, to, name, flags))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))
