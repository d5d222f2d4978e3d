/* Opening the store, and opening it anew where its file was damaged, moved or removed while it was used. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/journal_private.h"
#include "core/state_directory.h"

static void notice(struct journal *j, const char *format, ...) PRINTF_LIKE(2, 3);
static void notice(struct journal *j, const char *format, ...)
{
    char text[2 * PATH_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    free(j->notice);
    j->notice = strdup(text);
}

char *journal_take_notice(struct journal *j)
{
    char *taken = j->notice;
    j->notice = NULL;
    return taken;
}

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

static bool is_damaged(struct journal *j, bool alone, bool seen)
{
    return seen || journal_is_damaged(j->path, alone && journal_was_left_open(j->path));
}

/* What stands in the journal's place is a whole database of this version after this. */
static bool put_in_order(struct journal *j, bool alone, bool damage_seen, struct err *err)
{
    const struct version version = {journal_store.version, journal_migrations};
    char aside[PATH_MAX + 64], copy[PATH_MAX + 64];
    bool was_there = exists(j->path);
    /* A log of changes without what it changes would be taken for the new one's. */
    bool set_aside = was_there ? is_damaged(j, alone, damage_seen) : journal_was_left_open(j->path);
    int64_t highest = was_there && !set_aside ? 0 : journal_highest_id(j->path, was_there || set_aside || j->was_open);
    if (set_aside && !journal_move_aside(j->path, aside, err))
        return false;
    if (set_aside)
        notice(j, "the journal %s was damaged: it is kept as %s, and a new one was begun", j->path, aside);
    else if (!was_there && j->was_open)
        notice(j, "the journal %s was removed while it was used: a new one was begun", j->path);
    if (!was_there || set_aside)
        return journal_make(j->path, highest, err);
    if (!journal_check_version(j->path, &version, alone, copy, sizeof copy, err))
        return false;
    if (copy[0])
        notice(j, "the journal %s was brought to version %d: the earlier one is kept as %s", j->path, version.number, copy);
    return true;
}

static bool remember_file(struct journal *j, struct err *err)
{
    struct stat info;
    if (stat(j->path, &info) != 0)
        return err_errno(err, ERR_SYSTEM, errno, "cannot open the journal %s", j->path);
    j->device = info.st_dev;
    j->inode = info.st_ino;
    return true;
}

/* Whether the file that is open is still the one that others would open. */
static bool is_in_place(const struct journal *j)
{
    struct stat info;
    return j->db && stat(j->path, &info) == 0 && info.st_dev == j->device && info.st_ino == j->inode;
}

static void close_database(struct journal *j)
{
    sqlite3_close_v2(j->db);
    j->db = NULL;
    if (j->lock >= 0)
        journal_unlock_in_use(j->lock);
}

/* False with ERR_DAMAGED where what is there is found to be damaged now. */
static bool open_whole(struct journal *j, bool alone, bool damage_seen, struct err *err)
{
    if (!put_in_order(j, alone, damage_seen, err) || !(j->db = sql_open(j->path, &journal_store, false, err)))
        return false;
    return journal_has_all(j->db) || err_set(err, ERR_DAMAGED, "the journal %s lacks a part of its tables", j->path);
}

static bool open_locked(struct journal *j, bool damage_seen, struct err *err)
{
    bool alone = journal_lock_alone(j->lock), ok = open_whole(j, alone, damage_seen, err);
    if (!ok && err_is(err, ERR_DAMAGED)) {
        sqlite3_close(j->db);
        j->db = NULL;
        err_clear(err);
        ok = open_whole(j, alone, true, err);
    }
    if (ok && journal_lock_in_use(j->lock, err) && remember_file(j, err) && lease_prepare(j, err)) {
        j->was_open = true;
        return true;
    }
    close_database(j);
    return false;
}

/* With `damage_seen` what is in the place is set aside, unless somebody else has done so. */
static bool open_database(struct journal *j, bool damage_seen, struct err *err)
{
    if (!state_directory_make(j->directory, err))
        return false;
    if (j->lock >= 0 && !exists(j->lock_path)) { /* the directory was removed with it */
        close(j->lock);
        j->lock = -1;
    }
    if (j->lock < 0 && (j->lock = journal_lock_file(j->directory, err)) < 0)
        return false;
    if (!journal_lock_opening(j->lock, j->directory, err))
        return false;
    bool ok = open_locked(j, damage_seen, err);
    journal_unlock_opening(j->lock);
    return ok;
}

struct journal *journal_open(const char *directory, double lease, struct err *err)
{
    struct journal *j = calloc(1, sizeof *j);
    if (!j) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    j->lock = -1;
    j->lease = lease;
    bool fits = snprintf(j->directory, sizeof j->directory, "%s", directory) < (int)sizeof j->directory;
    snprintf(j->path, sizeof j->path, "%s/journal.db", j->directory);
    snprintf(j->lock_path, sizeof j->lock_path, "%s/journal.lock", j->directory);
    if (!fits)
        err_set(err, ERR_CONFIG, "the path of the state directory is too long: %.200s…", directory);
    if (fits && open_database(j, false, err))
        return j;
    journal_close(j);
    return NULL;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    close_database(j);
    if (j->lock >= 0)
        close(j->lock);
    free(j->notice);
    free(j);
}

/* Opens what is there now in the place of what was open. */
static bool open_again(struct journal *j, bool damage_seen, struct err *err)
{
    damage_seen = damage_seen && is_in_place(j);
    close_database(j);
    return open_database(j, damage_seen, err);
}

/* Once, to whom it comes first: nothing of what was known is in the store any more. */
static bool tell_loss(struct journal *j, struct err *err)
{
    char aside[2 * PATH_MAX];
    j->was_replaced = false;
    journal_last_aside(j->path, aside, sizeof aside);
    return err_set(err, ERR_DAMAGED,
                   "the journal %s was damaged, moved or removed while it was used, and a new one was begun, in "
                   "which nothing is of what was before%s%s",
                   j->path, aside[0] ? "; what was damaged is kept as " : "", aside);
}

bool journal_run(struct journal *j, journal_operation *operation, const cJSON *params, cJSON **reply, struct err *err)
{
    *reply = NULL;
    if (!is_in_place(j)) {
        j->was_replaced = true;
        if (!open_again(j, false, err))
            return false;
    }
    if (j->was_replaced)
        return tell_loss(j, err);
    bool ok = operation(j, params, reply, err);
    if (ok && is_in_place(j))
        return true;
    cJSON_Delete(*reply);
    *reply = NULL;
    if (!ok && !err_is(err, ERR_DAMAGED))
        return false;
    j->was_replaced = true;
    err_clear(err);
    return open_again(j, !ok, err) && tell_loss(j, err);
}

bool journal_renew(struct journal *j, struct err *err)
{
    return is_in_place(j) && lease_renew(j, err);
}
