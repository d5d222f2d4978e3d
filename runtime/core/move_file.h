/* move_file: puts a file that is done with into another directory, and loses nothing.
 *
 * Nothing there is overwritten: a name that is taken gets the time behind it. On another file system the file is copied, synced,
 * and only then removed. A file that is not the one that was meant any more stays where it is.
 */
#ifndef UPJOB_CORE_MOVE_FILE_H
#define UPJOB_CORE_MOVE_FILE_H

#include <stdbool.h>

#include "core/err.h"
#include "core/file_identity.h"

struct move_file;

/* All is copied. `directory` is made when it is missing, with the mode of the one that the file is in. */
struct move_file *move_file_new(const char *path, const struct file_identity *identity, const char *directory,
                                struct err *err) MUST_CHECK;
/* A slice of the work: a loop_work. */
bool move_file_slice(void *move);
/* After it: where the file is now, until it is freed. A file that is not at its place but in the directory already, as after a
 * kill, has been moved. NULL: ERR_FILE; "FileChanged" when another file, or another state of it, is at the path, which stays;
 * "FileGone" when it is in neither place. */
const char *move_file_ended(struct move_file *move, struct err *err);
void move_file_free(struct move_file *move);

#define ERR_FILE_CHANGED "FileChanged"
#define ERR_FILE_GONE "FileGone"

#endif
