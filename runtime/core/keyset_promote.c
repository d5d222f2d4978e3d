/* A new set takes the place of the one that it was compared with. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/keyset.h"
#include "core/keyset_lock.h"

static bool is_next(const struct keyset_reader *staged, const struct keyset_reader *current)
{
    const struct keyset_facts *new = keyset_facts(staged), *old = keyset_facts(current);
    return new->base == old->generation && keyset_same_hash(staged, current);
}

/* Nobody else can put another set there meanwhile. */
static bool may_replace(const struct keyset_reader *staged, const char *path, struct err *err)
{
    struct err damage;
    bool none = access(path, F_OK) != 0 && errno == ENOENT, anew = keyset_facts(staged)->base == 0;
    err_clear(&damage);
    struct keyset_reader *current = none ? NULL : keyset_reader_open(path, &damage);
    bool may = current ? is_next(staged, current) : anew && (none || err_is(&damage, ERR_FILE));
    keyset_reader_free(current);
    if (may)
        return true;
    err_set(err, KEYSET_OUTDATED, "the fingerprints of the rows are not those that this import was compared with any more: another "
            "one has put its own there, or they were removed; the next import sends what has changed since");
    return err_at(err, path, 0, 0, NULL);
}

static bool replace(const char *staged, const char *current, struct err *err)
{
    struct keyset_reader *reader = keyset_reader_open(staged, err);
    bool may = reader && may_replace(reader, current, err);
    keyset_reader_free(reader);
    if (!may || !keyset_sync(staged, 0, err))
        return false;
    return (rename(staged, current) == 0 || keyset_fail(current, "the fingerprints of the rows cannot be kept", err)) &&
           keyset_sync_directory_of(current, err);
}

bool keyset_promote(const char *staged, const char *current, struct err *err)
{
    int lock = keyset_lock(current, err);
    if (lock < 0)
        return false;
    bool done = replace(staged, current, err);
    close(lock);
    return done;
}
