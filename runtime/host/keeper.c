#include "host/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/child.h"
#include "core/secret.h"

#define VARIABLE "UPJOB_KEEPER"
#define LOOK_MS 50      /* between two looks at what is being killed */
#define KILL_SECONDS 5  /* that what is killed has to go: it may hang in the kernel */

extern char **environ;

struct keeper {
    pid_t run;
    int status; /* of the run, once it has ended */
    bool ended, has_children;
};

static void reap(struct keeper *keeper)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != keeper->run)
            continue;
        keeper->ended = true;
        keeper->status = status;
    }
    keeper->has_children = pid == 0;
}

/* ---- what is left ---- */

/* The parent of a process; 0 where there is no such process. */
static pid_t parent_of(const char *pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = '\0';
    const char *name_end = strrchr(text, ')'); /* the name may have anything in it */
    char state;
    int parent;
    return name_end && sscanf(name_end + 1, " %c %d", &state, &parent) == 2 ? parent : 0;
}

static bool kill_one(const char *pid)
{
    return kill((pid_t)strtol(pid, NULL, 10), SIGKILL) == 0;
}

/* Of the list that the kernel keeps for this process, where it is built to. It has those that cannot be seen in /proc (hidepid,
 * ProtectProc=invisible): other users', and this program's own, which are not dumpable. */
static bool kill_listed(void)
{
    char path[64], pid[32];
    bool any = false;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    while (file && fscanf(file, "%31s", pid) == 1)
        any = kill_one(pid) || any;
    if (file)
        fclose(file);
    return any;
}

static bool kill_seen(void)
{
    bool any = false;
    DIR *processes = opendir("/proc");
    for (const struct dirent *entry; processes && (entry = readdir(processes));) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || parent_of(entry->d_name) != getpid())
            continue;
        any = kill_one(entry->d_name) || any;
    }
    if (processes)
        closedir(processes);
    return any;
}

/* Kills the children of this process, of which no other process can have the number before they are reaped. Those of theirs are
 * its children next. False when there is none that it may kill: what became another user's (sudo) is not waited for. */
static bool kill_children(const struct keeper *keeper)
{
    bool any = !keeper->ended && kill(keeper->run, SIGKILL) == 0;
    any = kill_listed() || any;
    return kill_seen() || any;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void kill_all(struct keeper *keeper, const sigset_t *signals)
{
    const struct timespec look = {0, LOOK_MS * 1000000L};
    const double by = now() + KILL_SECONDS;
    for (reap(keeper); keeper->has_children && now() < by && kill_children(keeper); reap(keeper))
        sigtimedwait(signals, NULL, &look);
}

/* ---- the keeper ---- */

/* As the run has ended. */
static _Noreturn void end_as(const struct keeper *keeper)
{
    if (keeper->ended && WIFEXITED(keeper->status))
        _exit(WEXITSTATUS(keeper->status));
    int number = keeper->ended ? WTERMSIG(keeper->status) : SIGKILL;
    sigset_t own; /* another that waits, such as the SIGTERM that its group was sent, is not what ended it */
    sigemptyset(&own);
    sigaddset(&own, number);
    signal(number, SIG_DFL);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &own, NULL);
    _exit(128 + number);
}

/* It has no use for the environment, which has credentials, and is not to be taken for the run by its name. */
static void change_name(int argc, char **argv, pid_t run)
{
    char *end = argc > 0 ? argv[argc - 1] + strlen(argv[argc - 1]) : NULL;
    for (char **variable = environ; *variable; variable++)
        memset(*variable, 0, strlen(*variable));
    if (!end)
        return;
    size_t room = (size_t)(end - argv[0]);
    memset(argv[0], 0, room);
    snprintf(argv[0], room, "upjob: keeper of %d", (int)run);
}

static _Noreturn void keep(pid_t run, const sigset_t *signals)
{
    struct keeper keeper = {.run = run};
    bool asked = false;
    while (!keeper.ended && !asked) {
        asked = sigwaitinfo(signals, NULL) == CHILD_ASKS_KEEPER;
        reap(&keeper);
    }
    kill_all(&keeper, signals);
    end_as(&keeper);
}

void keeper_begin(int argc, char **argv)
{
    sigset_t all, signals, before;
    if (!getenv(VARIABLE))
        return;
    unsetenv(VARIABLE);
    sigfillset(&all);
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, CHILD_ASKS_KEEPER);
    signal(SIGCHLD, SIG_DFL);
    bool can_keep = prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
    sigprocmask(SIG_SETMASK, &all, &before); /* what comes from here to the fork, the run does not hear */
    pid_t run = can_keep ? fork() : -1;
    if (run < 0)
        fprintf(stderr, "upjob: warning: the run has no keeper (%s): what leaves its process group does not end with it\n",
                strerror(errno));
    if (run <= 0) { /* the run; where there can be no keeper, it is kept by nobody */
        sigprocmask(SIG_SETMASK, &before, NULL);
        return;
    }
    secret_harden_process();
    change_name(argc, argv, run);
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
    keep(run, &signals);
}
