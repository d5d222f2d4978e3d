/* profiles_private: what the units of the profile store share. */
#ifndef UPJOB_LOCAL_PROFILES_PRIVATE_H
#define UPJOB_LOCAL_PROFILES_PRIVATE_H

#include "local/document.h"
#include "local/profiles.h"
#include "local/sql.h"

struct profiles {
    sqlite3 *db;
    struct target_names targets;
    sqlite3_stmt *find_key, *get_profile, *put_profile, *change_profile, *put_key, *put_term, *put_failure, *put_position;
};

/* Reads the targets of a database. */
bool targets_load(sqlite3 *db, struct target_names *names, struct err *err) MUST_CHECK;
void targets_free(struct target_names *names);
void profiles_path(const char *data_dir, int64_t domain_id, const char *suffix, char *out, size_t size);

#endif
