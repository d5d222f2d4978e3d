/* keeper: the process that keeps all that a run of an automation starts.
 *
 * A program that has left the run's process group (setsid), or whose parent has ended, is the keeper's child then, whoever started
 * it. When the run's own process has ended, however it came to that, all that is left is killed; nothing else ever is. Nothing is
 * left as a zombie meanwhile.
 */
#ifndef UPJOB_HOST_KEEPER_H
#define UPJOB_HOST_KEEPER_H

/* Where the environment says UPJOB_KEEPER=1 (core/child.h: `kept`), which is taken out of it, this process becomes the keeper, and
 * the program goes on in a child of it, where this returns. The keeper ends as that one ended, and takes no signal but SIGKILL and
 * CHILD_ASKS_KEEPER, at which it kills all. Before anything else of the program: the keeper shares what is there. */
void keeper_begin(int argc, char **argv);

#endif
