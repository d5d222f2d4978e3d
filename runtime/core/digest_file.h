/* digest_file: the MD5 of an open file, computed in slices in the thread pool while the loop goes on. */
#ifndef UPJOB_CORE_DIGEST_FILE_H
#define UPJOB_CORE_DIGEST_FILE_H

#include <stdint.h>

#include "core/digest.h"
#include "core/loop.h"

struct digest_file;
/* Reads `size` bytes of `fd` (duplicated) from its beginning. `done` comes in a turn of the loop, once, with
 * the text (DIGEST_TEXT), or with *e filled: ERR_FILE when the file cannot be read or has fewer bytes. The
 * loop owns it; it is gone then. */
struct digest_file *digest_file_start(struct loop *loop, int fd, uint64_t size,
                                      void (*done)(void *arg, const char *text, const struct err *e),
                                      void *arg, struct err *e) MUST_CHECK;
/* `done` is not called any more. NULL is allowed. */
void digest_file_cancel(struct digest_file *file);

#endif
