/* storing: an object store in a directory of its own, and objects of bytes that can be told again. */
#ifndef UPJOB_TESTS_STORING_H
#define UPJOB_TESTS_STORING_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "local/objects.h"

static const unsigned char KEY[DATA_KEY_SIZE] = "0123456789abcdef0123456789abcde";
#define HEADER (8 + 32 + WRAPPED_KEY_SIZE)
#define SEALED (OBJECT_CHUNK + 16)

struct fixture {
    char dir[64];
    struct objects *objects;
};

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    err_clear(&e);
    strcpy(f->dir, "/tmp/upjob-objects-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    f->objects = objects_open(f->dir, true, &e);
    *state = f;
    return f->objects ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    objects_close(f->objects);
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static inline char byte_at(size_t i)
{
    return (char)('a' + (i * 31 + i / 977) % 26);
}

/* Writes `size` bytes in pieces of `piece`, where `said` were said to come. */
static inline void put_said(struct fixture *f, const char *name, size_t size, size_t piece, uint64_t said, struct object_facts *facts)
{
    struct err e;
    err_clear(&e);
    struct object_writer *w = object_writer_new(f->objects, name, KEY, said, &e);
    assert_non_null(w);
    char *bytes = malloc(piece);
    for (size_t at = 0; at < size;) {
        size_t n = size - at < piece ? size - at : piece;
        for (size_t i = 0; i < n; i++)
            bytes[i] = byte_at(at + i);
        assert_true(object_writer_add(w, bytes, n, &e));
        at += n;
    }
    free(bytes);
    assert_true(object_writer_end(w, facts, &e));
    assert_true(object_writer_finish(w, &e));
    object_writer_free(w);
}

static inline void put(struct fixture *f, const char *name, size_t size, size_t piece, struct object_facts *facts)
{
    put_said(f, name, size, piece, size, facts);
}

/* Reads from `offset` to the end; the bytes must be those that were written. -1 when it does not open. */
static inline long get(struct fixture *f, const char *name, size_t offset)
{
    struct err e;
    char buffer[10007];
    size_t at = offset;
    err_clear(&e);
    struct object_reader *r = object_reader_open(f->objects, name, offset, &e);
    if (!r)
        return -1;
    for (;;) {
        long n = object_reader_read(r, buffer, sizeof buffer, &e);
        if (n <= 0) {
            object_reader_free(r);
            return n < 0 ? -1 : (long)(at - offset);
        }
        for (long i = 0; i < n; i++)
            if (buffer[i] != byte_at(at + (size_t)i))
                fail_msg("byte %zu is %d, not %d", at + (size_t)i, buffer[i], byte_at(at + (size_t)i));
        at += (size_t)n;
    }
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
