/* intake: the way of an upload's bytes from the loop's thread, where they come, to threads that encrypt them and write them, and to
 * one that makes their MD5 (local/digests.h): a disk that is slow, or full of writes, holds up that upload and no other call.
 *
 * An intake has two blocks: one is filled while the other is written. All functions are called on the loop's thread.
 */
#ifndef UPJOB_LOCAL_INTAKE_H
#define UPJOB_LOCAL_INTAKE_H

#include "core/err.h"
#include "core/loop.h"
#include "local/objects.h"

#define INTAKE_BLOCK ((size_t)128 << 10) /* bytes */

struct intakes; /* the threads, which start with the first uploads: as many that write as there are processors, 8 at most */
struct intake;

struct intakes *intakes_new(struct loop *loop) MUST_CHECK; /* NULL when memory is out */
/* Ends the threads once what they were given is written: those that wait are told. None is taken any more. NULL is allowed. */
void intakes_halt(struct intakes *intakes);
/* After a halt, when no intake is left. NULL is allowed. */
void intakes_free(struct intakes *intakes);

/* Takes over the writer, also when it fails. `told(arg)` is called once after each intake_wait and after intake_end, in a turn of
 * the loop; when memory is out, before intake_end returns. */
struct intake *intake_new(struct intakes *intakes, struct object_writer *writer, void (*told)(void *arg), void *arg,
                          struct err *err) MUST_CHECK;
/* Bytes that can be added at once: 0 while both blocks are full, not 0 once intake_add has a failure to tell. */
size_t intake_room(const struct intake *intake);
/* Asks to be told when there is room, as there is none. */
void intake_wait(struct intake *intake);
/* Takes bytes, no more than there is room for. False once some of those before could not be kept. */
bool intake_add(struct intake *intake, const void *bytes, size_t len, struct err *err) MUST_CHECK;
/* All has come: the last chunk is closed and the facts are known when `told` is called. */
void intake_end(struct intake *intake);
/* What has become of it, once that was told. */
bool intake_facts(const struct intake *intake, struct object_facts *facts, struct err *err) MUST_CHECK;
/* The writer of an intake that has ended, which stays its own. */
struct object_writer *intake_writer(const struct intake *intake);
/* Nobody is told any more; what is being written is written first. NULL is allowed. */
void intake_free(struct intake *intake);

#endif
