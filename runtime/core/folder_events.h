/* folder_events: tells when something happens in a directory, where the system tells that (inotify).
 *
 * It does not on network file systems, for what other machines do, nor when its watches are used up: whoever must not miss
 * anything also looks from time to time (core/folder.h).
 */
#ifndef UPJOB_CORE_FOLDER_EVENTS_H
#define UPJOB_CORE_FOLDER_EVENTS_H

#include "core/file_identity.h"
#include "core/loop.h"

struct folder_events;

/* `happened(arg)` is called in turns of the loop. NULL when memory is out. */
struct folder_events *folder_events_new(struct loop *loop, void (*happened)(void *arg), void *arg);
/* Follows the directory that is at `path` now, which a look has found to be this one; one that is followed already is gone on
 * with. True when it will be told of. */
bool folder_events_follow(struct folder_events *events, const char *path, const struct file_identity *directory);
/* NULL is allowed. */
void folder_events_free(struct folder_events *events);

#endif
