/* own_file: is a file one that upjob wrote beside an import: rejected rows, problems, a report?
 *
 * By its name where that tells, else by its head: a table whose last column is that of the reasons, one with the columns of the
 * problems, a page that says that it is a report.
 */
#ifndef UPJOB_CORE_OWN_FILE_H
#define UPJOB_CORE_OWN_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum own_file { OWN_FILE_NONE, OWN_FILE_REJECTS, OWN_FILE_PROBLEMS, OWN_FILE_REPORT };

#define OWN_FILE_HEAD ((size_t)64 << 10) /* bytes that tell; those of a longer header do not */

/* "X.rejects.csv", and "X.rejects.csv~", an earlier one that was kept. */
bool own_file_name(const char *name);
/* *whole: these bytes are enough; else more of them, up to OWN_FILE_HEAD, may tell otherwise. */
enum own_file own_file_head(const char *bytes, size_t len, bool *whole);
/* "a report of upjob"; of OWN_FILE_NONE NULL. */
const char *own_file_what(enum own_file kind);

#endif
