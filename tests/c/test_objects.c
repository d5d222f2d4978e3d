/* The object store: envelope encryption of uploaded files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/c/storing.h"

static void path_of(struct fixture *f, const char *name, char out[256])
{
    snprintf(out, 256, "%s/objects/%s", f->dir, name);
}

static void what_is_written_is_read_back_at_every_size_and_offset(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {1, 100, OBJECT_CHUNK - 1, OBJECT_CHUNK, OBJECT_CHUNK + 1, 3 * OBJECT_CHUNK, 3 * OBJECT_CHUNK + 7};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct object_facts facts;
        put(f, "a", sizes[i], 4999, &facts);
        assert_int_equal(facts.size, sizes[i]);
        assert_true(facts.utf8);
        const size_t offsets[] = {0, 1, sizes[i] / 2, OBJECT_CHUNK - 1, OBJECT_CHUNK, sizes[i] - 1, sizes[i]};
        for (size_t k = 0; k < sizeof offsets / sizeof offsets[0]; k++)
            if (offsets[k] <= sizes[i])
                assert_int_equal(get(f, "a", offsets[k]), (long)(sizes[i] - offsets[k]));
    }
}

static void an_empty_object_can_be_kept(void **state)
{
    struct fixture *f = *state;
    struct object_facts facts;
    put(f, "a", 0, 1, &facts);
    assert_int_equal(facts.size, 0);
    assert_int_equal(get(f, "a", 0), 0);
}

static void nothing_plain_is_on_the_disk(void **state)
{
    struct fixture *f = *state;
    struct object_facts facts;
    char path[256], *bytes = malloc(1 << 20), needle[33];
    put(f, "a", 200000, 1000, &facts);
    path_of(f, "a", path);
    FILE *file = fopen(path, "rb");
    size_t len = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    for (size_t at = 0; at < 200000; at += 5000) {
        for (size_t i = 0; i < 32; i++)
            needle[i] = byte_at(at + i);
        assert_null(memmem(bytes, len, needle, 32));
    }
    assert_null(memmem(bytes, len, KEY, DATA_KEY_SIZE));
    free(bytes);
}

static void flip(const char *path, long at)
{
    int fd = open(path, O_RDWR);
    char byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte = (char)(byte ^ 1);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void a_changed_byte_anywhere_does_not_open(void **state)
{
    struct fixture *f = *state;
    struct object_facts facts;
    char path[256];
    static const long places[] = {0, 9, 45, HEADER - 1, HEADER, HEADER + 70000, HEADER + 2 * (long)SEALED - 1};
    path_of(f, "a", path);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        put(f, "a", 2 * OBJECT_CHUNK, 1000, &facts);
        assert_int_equal(get(f, "a", 0), 2 * (long)OBJECT_CHUNK);
        flip(path, places[i]);
        if (get(f, "a", 0) != -1)
            fail_msg("a change at byte %ld was not noticed", places[i]);
    }
}

static void a_cut_object_does_not_open(void **state)
{
    struct fixture *f = *state;
    struct object_facts facts;
    char path[256];
    static const long lengths[] = {0, HEADER - 1, HEADER, HEADER + 10, HEADER + SEALED - 1, HEADER + SEALED, HEADER + SEALED + 5};
    path_of(f, "a", path);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        put(f, "a", 3 * OBJECT_CHUNK, 1000, &facts);
        assert_int_equal(truncate(path, lengths[i]), 0);
        if (get(f, "a", 0) != -1)
            fail_msg("a cut to %ld bytes was not noticed", lengths[i]);
    }
}

static void swapped_chunks_do_not_open(void **state)
{
    struct fixture *f = *state;
    struct object_facts facts;
    char path[256], *one = malloc(SEALED), *two = malloc(SEALED);
    put(f, "a", 3 * OBJECT_CHUNK, 1000, &facts);
    path_of(f, "a", path);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, one, SEALED, HEADER), SEALED);
    assert_int_equal(pread(fd, two, SEALED, HEADER + SEALED), SEALED);
    assert_int_equal(pwrite(fd, two, SEALED, HEADER), SEALED);
    assert_int_equal(pwrite(fd, one, SEALED, HEADER + SEALED), SEALED);
    close(fd);
    free(one);
    free(two);
    assert_int_equal(get(f, "a", 0), -1);
}

static void an_object_under_another_name_does_not_open(void **state)
{
    struct fixture *f = *state;
    struct object_facts facts;
    char a[256], b[256];
    put(f, "a", 10, 10, &facts);
    path_of(f, "a", a);
    path_of(f, "b", b);
    assert_int_equal(rename(a, b), 0);
    assert_int_equal(get(f, "b", 0), -1);
}

static void another_key_file_opens_nothing(void **state)
{
    struct fixture *f = *state;
    struct object_facts facts;
    struct err e;
    char path[256];
    err_clear(&e);
    put(f, "a", 10, 10, &facts);
    snprintf(path, sizeof path, "%s/key", f->dir);
    objects_close(f->objects);
    flip(path, 0);
    f->objects = objects_open(f->dir, true, &e);
    assert_non_null(f->objects);
    assert_int_equal(get(f, "a", 0), -1);
}

static void the_key_file_is_private_and_must_stay_so(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    struct err e;
    char path[256];
    err_clear(&e);
    snprintf(path, sizeof path, "%s/key", f->dir);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0644), 0);
    assert_null(objects_open(f->dir, true, &e));
    assert_string_equal(e.code, ERR_CONFIG);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 5), 0);
    assert_null(objects_open(f->dir, true, &e));
    assert_non_null(strstr(e.message, "damaged"));
}

static int count_files(struct fixture *f)
{
    char path[256];
    int count = 0;
    path_of(f, "", path);
    DIR *dir = opendir(path);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void an_upload_that_breaks_off_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct err e;
    err_clear(&e);
    struct object_writer *w = object_writer_new(f->objects, "a", KEY, 0, &e);
    assert_true(object_writer_add(w, "bytes", 5, &e));
    assert_int_equal(count_files(f), 1);
    object_writer_free(w);
    assert_int_equal(count_files(f), 0);
    /* Killed in the middle: the next start removes what is left. */
    w = object_writer_new(f->objects, "a", KEY, 0, &e);
    struct objects *again = objects_open(f->dir, true, &e);
    assert_int_equal(count_files(f), 0);
    objects_close(again);
    object_writer_free(w);
}

static void bytes_that_are_not_utf8_are_noticed_as_they_stream(void **state)
{
    struct fixture *f = *state;
    struct object_facts facts;
    struct err e;
    err_clear(&e);
    struct object_writer *w = object_writer_new(f->objects, "a", KEY, 0, &e);
    assert_true(object_writer_add(w, "abc\xC3", 4, &e)); /* a character cut in two is none the worse for it */
    assert_true(object_writer_add(w, "\xA9z\xE9!", 4, &e));
    assert_true(object_writer_end(w, &facts, &e));
    assert_false(facts.utf8);
    assert_int_equal(facts.utf8_error_at, 6);
    object_writer_free(w);
}

static void a_wrapped_key_opens_only_under_its_name(void **state)
{
    struct fixture *f = *state;
    unsigned char wrapped[WRAPPED_KEY_SIZE], key[DATA_KEY_SIZE];
    struct err e;
    err_clear(&e);
    assert_true(objects_wrap(f->objects, "one", KEY, wrapped, &e));
    assert_null(memmem(wrapped, sizeof wrapped, KEY, 16));
    assert_true(objects_unwrap(f->objects, "one", wrapped, key, &e));
    assert_memory_equal(key, KEY, DATA_KEY_SIZE);
    assert_false(objects_unwrap(f->objects, "two", wrapped, key, &e));
}

/* For want of descriptors or of room, not for good. */
static void what_cannot_be_opened_for_want_of_descriptors_may_be_tried_again(void **state)
{
    struct fixture *f = *state;
    struct rlimit was, none;
    struct object_facts facts;
    struct err e_reader, e_writer;
    err_clear(&e_reader);
    err_clear(&e_writer);
    put(f, "a", 100, 100, &facts);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = (struct rlimit){0, was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct object_reader *reader = object_reader_open(f->objects, "a", 0, &e_reader);
    struct object_writer *writer = object_writer_new(f->objects, "b", KEY, 0, &e_writer);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_null(reader);
    assert_null(writer);
    assert_string_equal(e_reader.message, "the stored file cannot be opened: Too many open files");
    assert_true(e_reader.retryable);
    assert_string_equal(e_writer.message, "the uploaded file cannot be kept: Too many open files");
    assert_true(e_writer.retryable);
    assert_int_equal(get(f, "a", 0), 100);
}

static void an_upload_whose_writing_began_is_kept_without_another_descriptor(void **state)
{
    struct fixture *f = *state;
    struct rlimit was, none;
    struct object_facts facts;
    struct err e;
    err_clear(&e);
    objects_close(f->objects);
    f->objects = objects_open(f->dir, false, &e);
    struct object_writer *w = object_writer_new(f->objects, "a", KEY, 0, &e);
    assert_non_null(w);
    assert_true(object_writer_add(w, "a", 1, &e));
    assert_true(object_writer_end(w, &facts, &e));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = (struct rlimit){0, was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool kept = object_writer_finish(w, &e);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    object_writer_free(w);
    if (!kept)
        fail_msg("%s", e.message);
    assert_int_equal(get(f, "a", 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(what_is_written_is_read_back_at_every_size_and_offset),
        WITH_STORE(an_empty_object_can_be_kept),
        WITH_STORE(nothing_plain_is_on_the_disk),
        WITH_STORE(a_changed_byte_anywhere_does_not_open),
        WITH_STORE(a_cut_object_does_not_open),
        WITH_STORE(swapped_chunks_do_not_open),
        WITH_STORE(an_object_under_another_name_does_not_open),
        WITH_STORE(another_key_file_opens_nothing),
        WITH_STORE(the_key_file_is_private_and_must_stay_so),
        WITH_STORE(an_upload_that_breaks_off_leaves_nothing),
        WITH_STORE(bytes_that_are_not_utf8_are_noticed_as_they_stream),
        WITH_STORE(a_wrapped_key_opens_only_under_its_name),
        WITH_STORE(what_cannot_be_opened_for_want_of_descriptors_may_be_tried_again),
        WITH_STORE(an_upload_whose_writing_began_is_kept_without_another_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
