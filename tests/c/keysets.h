/* keysets: sets of keys in files, for tests of what is made of them. */
#ifndef UPJOB_TESTS_KEYSETS_H
#define UPJOB_TESTS_KEYSETS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/keyset_file.h"


static const struct keyhash hash = {{1, 2}};

static inline size_t text_of(size_t i, char text[32])
{
    return (size_t)snprintf(text, 32, "customer %zu", i);
}

static inline int by_key(const void *a, const void *b)
{
    return keyset_compare(((const struct keyset_record *)a)->key, ((const struct keyset_record *)b)->key);
}

static char dir[64], current[96], staged[96], gone[96];

static inline int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_keyset_XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(current, sizeof current, "%s/current", dir);
    snprintf(staged, sizeof staged, "%s/staged", dir);
    snprintf(gone, sizeof gone, "%s/gone.csv", dir);
    return 0;
}

static inline int remove_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

struct wanted {
    uint64_t row;
    int64_t expires;
};

/* The keys from `first` on, each with what `what` says of it. */
static inline void stage_rows(const char *path, const struct keyhash *under, const struct keyset_facts *before, int64_t now,
                              size_t first, size_t count, struct wanted (*what)(size_t i))
{
    struct err err;
    struct keyset_record *records = calloc(count + 1, sizeof *records);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct keyset_writer *writer = keyset_writer_new(fd, under, before, now, "Id", &err);
    assert_non_null(writer);
    for (size_t i = 0; i < count; i++) {
        char text[32];
        size_t len = text_of(first + i, text);
        struct wanted wanted = what(first + i);
        keyhash_of(under, text, len, records[i].key);
        records[i].row = wanted.row;
        records[i].expires = wanted.expires;
        assert_true(keyset_writer_text(writer, text, len, &records[i].text, &err));
    }
    qsort(records, count, sizeof *records, by_key);
    for (size_t i = 0; i < count; i++)
        assert_true(keyset_writer_add(writer, &records[i], &err));
    assert_true(keyset_writer_finish(writer, &err));
    keyset_writer_free(writer);
    close(fd);
    free(records);
}

static inline struct wanted nothing_of(size_t i)
{
    (void)i;
    return (struct wanted){0, 0};
}

/* The same, of keys of which nothing else matters. */
static inline void stage(const char *path, const struct keyhash *under, const struct keyset_facts *before, size_t first,
                         size_t count)
{
    stage_rows(path, under, before, 1, first, count, nothing_of);
}

#endif
