/* newfile: a file that appears whole: written beside its place without a name, mode 0600, and put there at the end. */
#ifndef UPJOB_CORE_NEWFILE_H
#define UPJOB_CORE_NEWFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct newfile;

/* `what` it holds is for errors, static: "the rejected rows". */
struct newfile *newfile_open(const char *path, const char *what, struct err *err) MUST_CHECK;
/* A csv_sink (core/csv.h), whose argument is the newfile. */
bool newfile_write(void *file, const char *bytes, size_t len, struct err *err);
/* Puts it in its place. With `keep`, a file that is there and not empty is kept as path~. */
bool newfile_finish(struct newfile *file, bool keep, struct err *err) MUST_CHECK;
/* Removes what is not finished. NULL is allowed. */
void newfile_free(struct newfile *file);

#endif
