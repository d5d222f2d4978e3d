/* state_version: the tables of the embedded service's own store, and what becomes of one that an older upjob made. */
#ifndef UPJOB_LOCAL_STATE_VERSION_H
#define UPJOB_LOCAL_STATE_VERSION_H

#include "core/sql.h"

extern const struct sql_store state_store;
/* Brings a store of an older version to this one, when there is one; what it was is kept beside it. The data directory is this
 * process's alone. */
bool state_bring_up(const char *path, struct err *err) MUST_CHECK;

#endif
