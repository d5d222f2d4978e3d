/* journaling: a journal in a directory of its own, and operations told as JSON with ' for ". */
#ifndef UPJOB_TESTS_JOURNALING_H
#define UPJOB_TESTS_JOURNALING_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/journal_private.h"

static char home[64], state[96], database[128];

static inline int make_home(void **unused)
{
    (void)unused;
    strcpy(home, "/tmp/test_journal_XXXXXX");
    if (!mkdtemp(home))
        return -1;
    snprintf(state, sizeof state, "%s/state/upjob", home);
    snprintf(database, sizeof database, "%s/journal.db", state);
    return 0;
}

static inline int remove_home(void **unused)
{
    char command[96];
    (void)unused;
    snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command);
}

static inline struct journal *open_journal(void)
{
    struct err e;
    err_clear(&e);
    struct journal *j = journal_open(state, JOURNAL_LEASE, &e);
    if (!j)
        print_error("%s: %s\n", e.code, e.message);
    assert_non_null(j);
    return j;
}

static inline cJSON *json_of(const char *text)
{
    char quoted[4096];
    snprintf(quoted, sizeof quoted, "%s", text);
    for (char *c = quoted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    cJSON *value = cJSON_Parse(quoted);
    assert_non_null(value);
    return value;
}

/* The reply, or NULL with *e. */
static inline cJSON *ask(struct journal *j, struct err *e, const char *operation, const char *params)
{
    cJSON *asked = json_of(params), *reply;
    err_clear(e);
    bool ok = journal_run(j, journal_find_operation(operation), asked, &reply, e);
    cJSON_Delete(asked);
    assert_true(ok == (reply != NULL));
    return reply;
}

static inline cJSON *get(struct journal *j, const char *operation, const char *params)
{
    struct err e;
    cJSON *reply = ask(j, &e, operation, params);
    if (!reply)
        print_error("%s: %s: %s\n", operation, e.code, e.message);
    assert_non_null(reply);
    return reply;
}

static inline void done(struct journal *j, const char *operation, const char *params)
{
    cJSON_Delete(get(j, operation, params));
}

/* The message of an operation that fails with this code; valid until the next. */
static inline const char *refused(struct journal *j, const char *code, const char *operation,
                                  const char *params)
{
    static struct err e;
    assert_null(ask(j, &e, operation, params));
    assert_string_equal(e.code, code);
    return e.message;
}

/* The reply, or a part of it, is this JSON (with ' for "). */
static inline void assert_json(const cJSON *value, const char *expected)
{
    cJSON *want = json_of(expected);
    if (!cJSON_Compare(value, want, true)) {
        char *text = cJSON_PrintUnformatted(value);
        print_error("got %s\nnot %s\n", text, expected);
        cJSON_free(text);
    }
    assert_true(cJSON_Compare(value, want, true));
    cJSON_Delete(want);
}

static inline void replies(struct journal *j, const char *operation, const char *params, const char *expected)
{
    cJSON *reply = get(j, operation, params);
    assert_json(reply, expected);
    cJSON_Delete(reply);
}

static inline double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

/* A field of the run with this number, as JSON. */
static inline void assert_field(struct journal *j, int id, const char *name, const char *expected)
{
    char params[32];
    snprintf(params, sizeof params, "{'id': %d}", id);
    cJSON *run = get(j, "run", params);
    assert_json(cJSON_GetObjectItemCaseSensitive(run, name), expected);
    cJSON_Delete(run);
}

/* "3,2,1": the numbers of the runs that are asked for. */
static inline const char *ids(struct journal *j, const char *params)
{
    static char text[256];
    const cJSON *run;
    cJSON *list = get(j, "runs", params);
    text[0] = '\0';
    cJSON_ArrayForEach(run, list) snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d",
                                           text[0] ? "," : "", (int)number(run, "id"));
    cJSON_Delete(list);
    return text;
}

/* Runs `work` in a child, which exits with what it returns. */
static inline pid_t start_child(int (*work)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(work());
    return pid;
}

static inline int status_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The name of the file in the state directory that begins so, the latest; "" when there is none. */
static inline const char *file_named(const char *beginning)
{
    static char name[256];
    struct dirent *entry;
    DIR *directory = opendir(state);
    name[0] = '\0';
    while (directory && (entry = readdir(directory)))
        if (strncmp(entry->d_name, beginning, strlen(beginning)) == 0 && !strstr(entry->d_name, "-wal") &&
            !strstr(entry->d_name, "-shm") && strcmp(entry->d_name, name) > 0)
            snprintf(name, sizeof name, "%s", entry->d_name);
    if (directory)
        closedir(directory);
    return name;
}

/* The message of an opening that fails with this code. */
static inline const char *opening_refused(const char *code)
{
    static struct err e;
    err_clear(&e);
    assert_null(journal_open(state, 30, &e));
    assert_string_equal(e.code, code);
    return e.message;
}

static inline int mode_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (int)(info.st_mode & 0777);
}

/* Makes a journal with as many runs, and closes it. */
static inline void make_with_runs(int runs)
{
    struct journal *j = open_journal();
    assert_null(journal_take_notice(j));
    for (int i = 0; i < runs; i++)
        done(j, "begin_run", "{'kind': 'import', 'output': 'some text that takes room some text that takes room'}");
    journal_close(j);
}

#endif
