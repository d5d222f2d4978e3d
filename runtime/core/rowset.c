#include "core/rowset.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/tempfile.h"

static bool map(struct rowset *set, int fd, const char *directory, struct err *err)
{
    int errnum;
    do
        errnum = posix_fallocate(fd, 0, (off_t)set->size);
    while (errnum == EINTR);
    if (errnum == 0) {
        void *words = mmap(NULL, set->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (words != MAP_FAILED) {
            set->words = words;
            return true;
        }
        errnum = errno;
    }
    err_errno(err, ERR_SYSTEM, errnum, "a temporary file of %zu KiB cannot be made here; make room, or name another directory "
              "(--tmp DIR, or TMPDIR)", set->size >> 10);
    return err_at(err, directory, 0, 0, NULL);
}

static struct rowset *make(uint64_t lines, struct err *err)
{
    struct rowset *set = calloc(1, sizeof *set);
    if (!set) {
        err_set(err, ERR_MEMORY, "no memory for the rows that are to be sent");
        return NULL;
    }
    set->holders = 1;
    set->lines = lines;
    set->size = (size_t)rowset_words(lines) * sizeof *set->words;
    return set;
}

struct rowset *rowset_new(uint64_t lines, const char *directory, struct err *err)
{
    char chosen[PATH_MAX];
    struct rowset *set = make(lines, err);
    if (!set)
        return NULL;
    int fd = tempfile_open(directory, set->size, chosen, err);
    bool made = fd >= 0 && map(set, fd, chosen, err);
    if (fd >= 0)
        close(fd);
    if (made)
        return set;
    free(set);
    return NULL;
}

struct rowset *rowset_part(struct rowset *whole, uint64_t base, uint64_t lines, struct err *err)
{
    struct rowset *set = make(lines, err);
    if (!set)
        return NULL;
    set->whole = rowset_hold(whole);
    set->words = whole->words + base / 64;
    for (uint64_t i = 0; i < rowset_words(lines); i++)
        set->rows += (uint64_t)__builtin_popcountll(set->words[i]);
    return set;
}

struct rowset *rowset_hold(struct rowset *set)
{
    set->holders++;
    return set;
}

void rowset_free(struct rowset *set)
{
    if (!set || --set->holders > 0)
        return;
    if (set->whole)
        rowset_free(set->whole);
    else if (set->words)
        munmap(set->words, set->size);
    free(set);
}
