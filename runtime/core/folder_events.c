#include "core/folder_events.h"

#include <stdlib.h>

struct folder_events {
    uv_fs_event_t uv;
    bool active;
    struct file_identity directory; /* that is followed, or could not be */
    void (*happened)(void *arg);
    void *arg;
};

struct folder_events *folder_events_new(struct loop *loop, void (*happened)(void *arg), void *arg)
{
    struct folder_events *events = calloc(1, sizeof *events);
    if (!events)
        return NULL;
    events->happened = happened;
    events->arg = arg;
    events->uv.data = events;
    uv_fs_event_init(loop_uv(loop), &events->uv);
    return events;
}

static void something_happened(uv_fs_event_t *uv, const char *name, int what, int status)
{
    struct folder_events *events = uv->data;
    (void)name;
    (void)what;
    (void)status;
    events->happened(events->arg);
}

bool folder_events_follow(struct folder_events *events, const char *path, const struct file_identity *directory)
{
    if (events->directory.device == directory->device && events->directory.inode == directory->inode)
        return events->active;
    uv_fs_event_stop(&events->uv);
    events->active = uv_fs_event_start(&events->uv, something_happened, path, 0) == 0;
    events->directory = *directory;
    return events->active;
}

static void closed(uv_handle_t *uv)
{
    free(uv->data);
}

void folder_events_free(struct folder_events *events)
{
    if (events)
        uv_close((uv_handle_t *)&events->uv, closed);
}
