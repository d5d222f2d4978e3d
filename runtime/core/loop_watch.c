#include "core/loop_watch.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct loop_watch {
    uv_poll_t uv;
    int epoll; /* has the descriptor in it, and is what libuv polls */
    void (*ready)(void *arg);
    void *arg;
};

static void watch_closed(uv_handle_t *handle)
{
    struct loop_watch *watch = handle->data;
    close(watch->epoll);
    free(watch);
}

static void can_be_read(uv_poll_t *uv, int status, int events)
{
    struct loop_watch *watch = uv->data;
    (void)status;
    (void)events;
    uv_close((uv_handle_t *)uv, watch_closed);
    watch->ready(watch->arg);
}

struct loop_watch *loop_watch_start(struct loop *loop, int fd, void (*ready)(void *arg), void *arg)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct loop_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    watch->ready = ready;
    watch->arg = arg;
    watch->uv.data = watch;
    watch->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (watch->epoll < 0 || epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event) != 0 ||
        uv_poll_init(loop_uv(loop), &watch->uv, watch->epoll) != 0) {
        if (watch->epoll >= 0)
            close(watch->epoll);
        free(watch);
        return NULL;
    }
    uv_poll_start(&watch->uv, UV_READABLE, can_be_read);
    return watch;
}

void loop_watch_stop(struct loop_watch *watch)
{
    if (watch && !uv_is_closing((uv_handle_t *)&watch->uv))
        uv_close((uv_handle_t *)&watch->uv, watch_closed);
}
