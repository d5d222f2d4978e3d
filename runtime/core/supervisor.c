#include "core/supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define STATUS_MOST 400

static const char *address_text(void)
{
    const char *text = getenv("NOTIFY_SOCKET");
    return text && *text ? text : NULL;
}

bool supervisor_present(void)
{
    return address_text() != NULL;
}

/* A path, or a name in the abstract namespace behind "@"; neither ends with a NUL in the address. */
static bool read_address(const char *text, struct sockaddr_un *address, socklen_t *len, struct err *err)
{
    size_t length = strlen(text);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if ((text[0] != '/' && text[0] != '@') || length < 2 || length >= sizeof address->sun_path)
        return err_set(err, ERR_CONFIG,
                       "NOTIFY_SOCKET is \"%s\", which is neither a path nor an abstract name (@…) of a socket: unset it, or have it "
                       "set by the service manager",
                       text);
    memcpy(address->sun_path, text, length);
    if (text[0] == '@')
        address->sun_path[0] = '\0';
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

static bool tell(const char *state, struct err *err)
{
    struct sockaddr_un address;
    socklen_t len = 0;
    const char *text = address_text();
    if (!text)
        return true;
    if (!read_address(text, &address, &len, err))
        return false;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ssize_t sent = -1;
    if (fd >= 0)
        sent = sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&address, len);
    int errnum = errno;
    if (fd >= 0)
        close(fd);
    if (sent >= 0)
        return true;
    err_errno(err, ERR_SYSTEM, errnum, "the service manager cannot be told at NOTIFY_SOCKET %s", text);
    err->retryable = errnum == EAGAIN || errnum == ENOBUFS || errnum == EINTR;
    return false;
}

bool supervisor_ready(struct err *err)
{
    return tell("READY=1", err);
}

bool supervisor_reloading(struct err *err)
{
    char state[80];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, us);
    return tell(state, err);
}

bool supervisor_stopping(struct err *err)
{
    return tell("STOPPING=1", err);
}

/* A line end would begin another assignment. */
bool supervisor_status(const char *text, struct err *err)
{
    char state[STATUS_MOST];
    snprintf(state, sizeof state, "STATUS=%s", text);
    for (char *p = state; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
    return tell(state, err);
}

bool supervisor_ping(struct err *err)
{
    return tell("WATCHDOG=1", err);
}

/* A decimal number above 0, or 0. */
static uint64_t number_of(const char *text)
{
    char *end;
    if (!text || *text < '0' || *text > '9')
        return 0;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    return *end || errno ? 0 : number;
}

uint64_t supervisor_watchdog(void)
{
    const char *pid = getenv("WATCHDOG_PID");
    if (!supervisor_present() || (pid && *pid && number_of(pid) != (uint64_t)getpid()))
        return 0;
    return number_of(getenv("WATCHDOG_USEC"));
}
