/* Leases: who holds a run, and whether that is over.
 *
 * A holder is "host/boot/pidns/pid/start": the machine, its boot, the namespace of its process id, the id and when that process
 * was started (in ticks of the kernel since the boot). A lease ends at a time of the boot's own clock, which nobody sets. That
 * clock stands still while the machine sleeps, so that no lease is over at the moment of waking, when its holder has not come to
 * renew it. A lease is over before its time where its process can be seen to be gone, and after another boot. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/journal_private.h"

double lease_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The first line of a file of /proc; "" when it cannot be read. */
static void read_line(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "re");
    out[0] = '\0';
    if (!file)
        return;
    if (!fgets(out, (int)size, file))
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    fclose(file);
}

/* When a process was started; 0 when it only waits to be reaped, and when it is gone or cannot be seen. */
static unsigned long long process_start(long pid)
{
    char path[64], line[1024], state = 'Z';
    unsigned long long start = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    read_line(path, line, sizeof line);
    /* The name of the program, in parentheses, may hold anything. */
    const char *rest = strrchr(line, ')');
    if (!rest || sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state,
                        &start) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : start;
}

/* Whether /proc shows a process, or there is none. With hidepid, or ProtectProc=invisible of a service, it does not show those of
 * this program, which are not dumpable. */
static bool is_known(long pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    return access(path, R_OK) == 0 || pid <= 0 || pid > INT_MAX || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
}

struct holder {
    char host[65], boot[40], pidns[32];
    long pid;
    unsigned long long start;
};

static bool holder_parse(const char *text, struct holder *h)
{
    return sscanf(text, "%64[^/]/%39[^/]/%31[^/]/%ld/%llu", h->host, h->boot, h->pidns, &h->pid, &h->start) == 5;
}

static void holder_of_this_process(char out[HOLDER_SIZE])
{
    char host[65] = "", boot[40], link[64];
    unsigned long pidns = 0;
    gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++)
        *c = *c == '/' ? '_' : *c;
    read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    ssize_t n = readlink("/proc/self/ns/pid", link, sizeof link - 1);
    if (n > 0) {
        link[n] = '\0';
        sscanf(link, "pid:[%lu]", &pidns);
    }
    snprintf(out, HOLDER_SIZE, "%s/%s/%lu/%ld/%llu", host[0] ? host : "-", boot[0] ? boot : "-", pidns, (long)getpid(),
             process_start(getpid()));
}

static bool is_over(const struct journal *j, const char *text, double until)
{
    struct holder theirs, ours;
    if (!text || !holder_parse(text, &theirs) || !holder_parse(j->holder, &ours))
        return true;
    if (strcmp(theirs.boot, ours.boot) != 0 || lease_clock() >= until)
        return true;
    return strcmp(theirs.pidns, ours.pidns) == 0 && process_start(theirs.pid) != theirs.start && is_known(theirs.pid);
}

static void sql_lease_over(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const char *holder = (const char *)sqlite3_value_text(values[0]);
    sqlite3_result_int(context, is_over(sqlite3_user_data(context), holder, sqlite3_value_double(values[1])));
}

bool lease_prepare(struct journal *j, struct err *err)
{
    holder_of_this_process(j->holder);
    return sqlite3_create_function(j->db, "lease_over", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, j, sql_lease_over, NULL, NULL) ==
               SQLITE_OK ||
           sql_fail(j->db, err);
}

bool lease_renew(struct journal *j, struct err *err)
{
    static const char text[] = "UPDATE run SET lease_until = ?2 WHERE " RUN_IS_OPEN " AND state = 'running' AND holder = ?1"
                               " AND lease_until < ?3";
    sqlite3_stmt *statement = sql_prepare(j->db, text, err);
    if (!statement)
        return false;
    double now = lease_clock();
    sqlite3_bind_text(statement, 1, j->holder, -1, SQLITE_STATIC);
    sqlite3_bind_double(statement, 2, now + j->lease);
    sqlite3_bind_double(statement, 3, now + j->lease * 0.7);
    bool ok = sql_run(statement, err);
    sqlite3_finalize(statement);
    return ok;
}

void lease_holder_text(const char *holder, char *out, size_t size)
{
    struct holder h;
    if (holder && holder_parse(holder, &h))
        snprintf(out, size, "process %ld on %s", h.pid, h.host);
    else
        snprintf(out, size, "nobody");
}
