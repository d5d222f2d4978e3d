/* sql_version: how a store of an older version becomes one of this: a copy of it first, then every step in one transaction. */
#ifndef UPJOB_CORE_SQL_VERSION_H
#define UPJOB_CORE_SQL_VERSION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sql.h"

struct migration {
    int from;         /* to the version after it */
    const char *text; /* SQL; NULL: the end of the list */
};

/* A number that a pragma tells, as "PRAGMA user_version". */
bool sql_read_number(sqlite3 *db, const char *pragma, int64_t *number, struct err *err) MUST_CHECK;
/* Whether the list leads on from a version. */
bool sql_knows_way(const struct migration *migrations, int64_t from);
/* Copies the database at `path`, of version `from`, to `copy`, mode 0600 and on the disk, then brings it to `version`: wholly or
 * not at all. Nobody else may use it. */
bool sql_migrate(sqlite3 *db, const char *path, int64_t from, int version, const struct migration *migrations, const char *copy,
                 struct err *err) MUST_CHECK;
/* Puts on the disk that a file is in its directory. */
bool sql_sync_directory_of(const char *path, struct err *err) MUST_CHECK;

#endif
