/* profiles_private: what the units of the profile store share. */
#ifndef UPJOB_LOCAL_PROFILES_PRIVATE_H
#define UPJOB_LOCAL_PROFILES_PRIVATE_H

#include "local/document.h"
#include "local/profiles.h"
#include "core/sql.h"
#include "local/terms.h"

/* A profile's entry in profile_key stands under the hash of its key; where two keys have one hash, the second has the next
 * free hash. An entry with the number 0 holds a place that such a chain runs through. The entries are small and close
 * together, so a batch, sorted by hash, goes through them in one sweep, in as many transactions as it takes; `digest` tells that a profile already says what a row
 * says, without looking at the profile, which lies anywhere. Expiry is in whole seconds since the epoch. */
#define PROFILES_VERSION 3

struct profiles {
    sqlite3 *db;
    struct targets targets;
    struct terms *terms;
    int64_t oldest; /* none expires before */
    bool purging;   /* a purge is under way: it has come to this hash, and past the entries before it this is the oldest */
    int64_t purge_at, purge_oldest;
    sqlite3_stmt *find_key, *put_key, *drop_key, *next_keys, *get_profile, *put_profile, *change_profile, *drop_profile,
        *put_oldest, *put_failure, *put_position;
};

/* Reads `oldest`: when opened, and after a ROLLBACK. */
bool profiles_load_oldest(struct profiles *p, struct err *err) MUST_CHECK;
bool profiles_put_oldest(struct profiles *p, int64_t expires, struct err *err) MUST_CHECK;
/* Of 48 bits. */
uint64_t profile_key_hash(const char *key, size_t len);

/* Reads the targets of a database. */
bool targets_load(sqlite3 *db, struct targets *targets, struct err *err) MUST_CHECK;
void targets_free(struct targets *targets);
/* When the profile of a key expires; 0 when it has no entry. The statement selects id and expires of the profile_key of a hash. */
double profile_expiry(sqlite3_stmt *find_key, const char *key, size_t len, int64_t id);
#define PROFILE_EXPIRY_SQL "SELECT id, expires FROM profile_key WHERE hash = ?"
/* For a search: the domain's database, or NULL without an error when nothing was ever imported into it. */
sqlite3 *profiles_reader(const char *data_dir, int64_t domain_id, struct err *err) MUST_CHECK;
void profiles_path(const char *data_dir, int64_t domain_id, const char *suffix, char *out, size_t size);

#endif
