/* digests: a thread that makes the MD5s of all uploads: pieces that wait for it go through it side by side (local/md5.h). All
 * functions are called on the loop's thread.
 */
#ifndef UPJOB_LOCAL_DIGESTS_H
#define UPJOB_LOCAL_DIGESTS_H

#include "core/err.h"
#include "core/loop.h"
#include "local/md5.h"

struct digests;

struct digest_piece {
    struct md5_piece piece;
    void (*done)(void *arg); /* in a turn of the loop */
    void *arg;
    struct digests *digests; /* digests_add's */
    struct digest_piece *next;
};

struct digests *digests_new(struct loop *loop, struct err *err) MUST_CHECK;
/* The piece, its bytes and its MD5 are the thread's until it is done. False when it ends, or memory is out. */
bool digests_add(struct digests *digests, struct digest_piece *piece) MUST_CHECK;
/* Ends the thread once what it was given is done. NULL is allowed. */
void digests_halt(struct digests *digests);
/* After a halt. NULL is allowed. */
void digests_free(struct digests *digests);

#endif
