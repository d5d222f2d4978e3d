/* move_name: names for a file in a directory where its own may be taken: orders.20261129T061502Z.csv. */
#ifndef UPJOB_CORE_MOVE_NAME_H
#define UPJOB_CORE_MOVE_NAME_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define MOVE_NAME_SIZE (NAME_MAX + 1)

/* The nth name to try, from 0: as it is, then with the time before its endings (".csv", ".csv.gz"), then with a number too. A name
 * that would be too long is cut between characters; false when that is not enough. */
bool move_name(const char *name, int nth, time_t now, char out[MOVE_NAME_SIZE]);
/* The bytes with which all of these begin. */
size_t move_name_kept(const char *name);

#endif
