/* A database that is damaged: how that is seen, and where it is kept. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/journal_private.h"

#define MINUTES_BEFORE 29000000 /* from 1970 to the beginning of 2025 */

static const char *const beside[] = {"", "-wal", "-shm"};
#define FILES (sizeof beside / sizeof beside[0])

bool journal_was_left_open(const char *path)
{
    char wal[PATH_MAX + 8];
    struct stat info;
    snprintf(wal, sizeof wal, "%s-wal", path);
    return stat(wal, &info) == 0 && info.st_size > 0;
}

/* An empty file is a database without tables to SQLite, and one without a name is no journal. */
static bool is_empty(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && info.st_size == 0;
}

static int first_row(sqlite3 *db, const char *query, char *out, size_t size)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, query, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        snprintf(out, size, "%s", sql_text(statement, 0));
    sqlite3_finalize(statement);
    return code & 0xff;
}

static sqlite3 *open_quietly(const char *path)
{
    sqlite3 *db = NULL;
    (void)!sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    sqlite3_busy_timeout(db, 10000);
    return db;
}

bool journal_is_damaged(const char *path, bool thoroughly)
{
    char answer[64] = "";
    if (is_empty(path))
        return true;
    sqlite3 *db = open_quietly(path);
    int code = first_row(db, thoroughly ? "PRAGMA quick_check(1)" : "SELECT count(*) FROM sqlite_schema", answer, sizeof answer);
    sqlite3_close(db);
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB ||
           (thoroughly && code == SQLITE_ROW && strcmp(answer, "ok") != 0);
}

/* ---- numbers of runs, which are never given twice: logs and other journals name them ---- */

static int64_t highest_log(const char *path)
{
    char runs[PATH_MAX + 8];
    int64_t highest = 0;
    snprintf(runs, sizeof runs, "%.*s/runs", (int)(strrchr(path, '/') - path), path);
    DIR *directory = opendir(runs);
    if (!directory)
        return 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        long long id = isdigit((unsigned char)entry->d_name[0]) ? strtoll(entry->d_name, NULL, 10) : 0;
        highest = id > highest ? id : highest;
    }
    closedir(directory);
    return highest;
}

static int64_t highest_run(const char *path)
{
    char answer[64] = "";
    sqlite3 *db = open_quietly(path);
    int code = first_row(db, "SELECT seq FROM sqlite_sequence WHERE name = 'run'", answer, sizeof answer);
    sqlite3_close(db);
    return code == SQLITE_ROW ? strtoll(answer, NULL, 10) : -1;
}

int64_t journal_highest_id(const char *path, bool had_runs)
{
    int64_t highest = highest_log(path), known = had_runs && access(path, F_OK) == 0 ? highest_run(path) : -1;
    /* Where nothing tells, a number that no journal comes to by counting. */
    int64_t unknown = had_runs && known < 0 ? (int64_t)time(NULL) / 60 - MINUTES_BEFORE : 0;
    highest = known > highest ? known : highest;
    return unknown > highest ? unknown : highest;
}

/* ---- aside ---- */

static bool is_there(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

void journal_stamp(char out[STAMP_SIZE])
{
    time_t now = time(NULL);
    struct tm utc;
    strftime(out, STAMP_SIZE, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
}

/* Two in one second are told apart by a number. */
static void name_aside(const char *path, char *to, size_t size)
{
    char stamp[STAMP_SIZE];
    journal_stamp(stamp);
    snprintf(to, size, "%s.corrupt-%s", path, stamp);
    for (int n = 2; is_there(to) && n < 1000; n++)
        snprintf(to, size, "%s.corrupt-%s-%d", path, stamp, n);
}

static bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), n = strlen(ending);
    return length >= n && strcmp(text + length - n, ending) == 0;
}

void journal_last_aside(const char *path, char *out, size_t size)
{
    char directory[PATH_MAX], beginning[PATH_MAX + 16], last[NAME_MAX + 1] = "";
    const char *name = strrchr(path, '/') + 1;
    snprintf(directory, sizeof directory, "%.*s", (int)(name - path - 1), path);
    snprintf(beginning, sizeof beginning, "%s.corrupt-", name);
    DIR *files = opendir(directory);
    for (struct dirent *entry; files && (entry = readdir(files));) {
        bool is_aside = strncmp(entry->d_name, beginning, strlen(beginning)) == 0 && !ends_with(entry->d_name, "-wal") &&
                        !ends_with(entry->d_name, "-shm");
        if (is_aside && strcmp(entry->d_name, last) > 0)
            snprintf(last, sizeof last, "%s", entry->d_name);
    }
    if (files)
        closedir(files);
    snprintf(out, size, "%s%s%s", last[0] ? directory : "", last[0] ? "/" : "", last);
}

bool journal_move_aside(const char *path, char to[PATH_MAX + 64], struct err *err)
{
    char from[PATH_MAX + 8], kept[PATH_MAX + 72];
    name_aside(path, to, PATH_MAX + 64);
    for (size_t i = 0; i < FILES; i++) {
        snprintf(from, sizeof from, "%s%s", path, beside[i]);
        snprintf(kept, sizeof kept, "%s%s", to, beside[i]);
        if (rename(from, kept) != 0 && errno != ENOENT)
            return err_errno(err, ERR_SYSTEM, errno, "the journal %s is damaged, and %s cannot be moved aside", path, from);
    }
    return true;
}
