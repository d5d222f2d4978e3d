/* Sets of keys that are kept. */
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

#define MANY (2 * KEYSET_BLOCK + 10)

static const struct keyhash hash = {{1, 2}};

static int open_file(void)
{
    char path[] = "/tmp/keyset-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static size_t text_of(size_t i, char text[32])
{
    return (size_t)snprintf(text, 32, "customer %zu", i);
}

static int by_key(const void *a, const void *b)
{
    return keyset_compare(((const struct keyset_record *)a)->key, ((const struct keyset_record *)b)->key);
}

/* Keys, and where their texts will stand behind the name "Id". */
static struct keyset_record *make_records(size_t count)
{
    struct keyset_record *records = calloc(count + 1, sizeof *records);
    uint64_t place = sizeof(struct keyset_header) + sizeof(uint32_t) + 2;
    assert_non_null(records);
    for (size_t i = 0; i < count; i++) {
        char text[32];
        size_t len = text_of(i, text);
        records[i] = (struct keyset_record){.row = i * 3, .expires = (int64_t)i - 5, .text = place};
        keyhash_of(&hash, text, len, records[i].key);
        place += sizeof(uint32_t) + len;
    }
    qsort(records, count, sizeof *records, by_key);
    return records;
}

static bool write_texts(struct keyset_writer *writer, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        char text[32];
        uint64_t place;
        if (!keyset_writer_text(writer, text, text_of(i, text), &place, err))
            return false;
    }
    return true;
}

/* False with *err where something of it fails. */
static bool try_to_write(int fd, const struct keyset_facts *before, size_t count, struct err *err)
{
    struct keyset_record *records = make_records(count);
    struct keyset_writer *writer = keyset_writer_new(fd, &hash, before, 1000, "Id", err);
    bool done = writer && write_texts(writer, count, err);
    for (size_t i = 0; done && i < count; i++)
        done = keyset_writer_add(writer, &records[i], err);
    done = done && keyset_writer_finish(writer, err);
    keyset_writer_free(writer);
    free(records);
    return done;
}

static int write_set(size_t count)
{
    struct err err;
    int fd = open_file();
    assert_true(try_to_write(fd, NULL, count, &err));
    return fd;
}

/* Reads all of a set and its texts; the number of records, or -1 with *err filled. */
static long read_set(int fd, struct err *err)
{
    struct keyset_record record;
    struct buf text;
    struct keyset_reader *reader = keyset_reader_new(fd, err);
    enum keysort_answer answer = reader ? KEYSORT_ENTRY : KEYSORT_FAILED;
    long count = 0;
    buf_init(&text, KEYSET_MAX_TEXT);
    while (answer == KEYSORT_ENTRY) {
        answer = keyset_next(reader, &record, err);
        if (answer == KEYSORT_ENTRY && !keyset_text(reader, &record, &text, err))
            answer = KEYSORT_FAILED;
        count += answer == KEYSORT_ENTRY;
    }
    buf_free(&text);
    keyset_reader_free(reader);
    return answer == KEYSORT_END ? count : -1;
}

static char dir[64], current[96], staged[96], gone[96];

static int make_dir(void **state)
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

static int remove_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* The keys from `first` on. */
static void stage(const char *path, const struct keyhash *under, const struct keyset_facts *before, size_t first, size_t count)
{
    struct err err;
    struct keyset_record *records = calloc(count + 1, sizeof *records);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct keyset_writer *writer = keyset_writer_new(fd, under, before, 1, "Id", &err);
    assert_non_null(writer);
    for (size_t i = 0; i < count; i++) {
        char text[32];
        size_t len = text_of(first + i, text);
        keyhash_of(under, text, len, records[i].key);
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

static void a_set_is_not_read_as_it_was_written(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, KEYSET_BLOCK - 1, KEYSET_BLOCK, KEYSET_BLOCK + 1, 3 * KEYSET_BLOCK};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct err err;
        struct keyset_record record, *records = make_records(counts[i]);
        int fd = write_set(counts[i]);
        struct keyset_reader *reader = keyset_reader_new(fd, &err);
        assert_non_null(reader);
        assert_int_equal(keyset_facts(reader)->count, counts[i]);
        assert_memory_equal(keyset_hash(reader), &hash, sizeof hash);
        assert_string_equal(keyset_name(reader), "Id");
        for (size_t at = 0; at < counts[i]; at++) {
            assert_int_equal(keyset_next(reader, &record, &err), KEYSORT_ENTRY);
            assert_memory_equal(&record, &records[at], sizeof record);
        }
        assert_int_equal(keyset_next(reader, &record, &err), KEYSORT_END);
        keyset_reader_free(reader);
        assert_int_equal(read_set(fd, &err), (long)counts[i]);
        close(fd);
        free(records);
    }
}

static void a_set_is_not_the_successor_of_the_one_before(void **state)
{
    (void)state;
    struct err err;
    struct keyset_facts facts = {0};
    for (int64_t n = 1; n <= 2 * (int64_t)KEYSET_TIMES; n++) {
        int fd = open_file();
        struct keyset_writer *writer = keyset_writer_new(fd, &hash, n > 1 ? &facts : NULL, n * 10, "Id", &err);
        assert_non_null(writer);
        assert_true(keyset_writer_finish(writer, &err));
        keyset_writer_free(writer);
        struct keyset_reader *reader = keyset_reader_new(fd, &err);
        assert_non_null(reader);
        facts = *keyset_facts(reader);
        assert_int_equal(facts.generation, n);
        assert_int_equal(facts.base, n - 1);
        assert_int_equal(facts.written_at, n * 10);
        assert_int_equal(facts.time_count, n < KEYSET_TIMES ? n : KEYSET_TIMES);
        for (uint32_t i = 0; i < facts.time_count; i++)
            assert_int_equal(facts.times[facts.time_count - 1 - i], (n - i) * 10);
        keyset_reader_free(reader);
        close(fd);
    }
}

static void a_long_key_is_cut(void **state)
{
    (void)state;
    struct err err;
    size_t len = (size_t)1 << 20;
    char *text = malloc(len);
    struct keyset_record record = {.row = 1};
    struct buf got;
    int fd = open_file();
    struct keyset_writer *writer = keyset_writer_new(fd, &hash, NULL, 1, "", &err);
    memset(text, 'k', len);
    assert_non_null(writer);
    assert_true(keyset_writer_text(writer, text, len, &record.text, &err));
    keyhash_of(&hash, text, len, record.key);
    assert_true(keyset_writer_add(writer, &record, &err));
    assert_true(keyset_writer_finish(writer, &err));
    keyset_writer_free(writer);
    struct keyset_reader *reader = keyset_reader_new(fd, &err);
    assert_non_null(reader);
    buf_init(&got, len);
    assert_true(keyset_text(reader, &record, &got, &err));
    assert_int_equal(got.len, len);
    assert_memory_equal(got.data, text, len);
    buf_free(&got);
    keyset_reader_free(reader);
    close(fd);
    free(text);
}

static void damage_is_not_seen(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    int fd = write_set(MANY);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(read_set(fd, &err), (long)MANY);
    for (off_t at = 0; at < info.st_size; at += at < 400 || at > info.st_size - 100 ? 1 : 997) {
        unsigned char was, now;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        now = was ^ 0x10;
        assert_int_equal(pwrite(fd, &now, 1, at), 1);
        assert_int_equal(read_set(fd, &err), -1);
        assert_string_equal(err.code, ERR_FILE);
        assert_null(strstr(err.message, "customer"));
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    assert_int_equal(read_set(fd, &err), (long)MANY);
    close(fd);
}

static void damage_is_not_seen_by_who_reads_all(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    struct keyset_facts facts;
    stage(current, &hash, NULL, 0, 30000); /* more texts than are checked at once */
    assert_int_equal(stat(current, &info), 0);
    assert_true(keyset_check(current, &facts, &err));
    assert_int_equal(facts.count, 30000);
    int fd = open(current, O_RDWR | O_CLOEXEC);
    for (off_t at = 0; at < info.st_size; at += at < 400 || at > info.st_size - 100 ? 1 : 9973) {
        unsigned char was, now;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        now = was ^ 0x01;
        assert_int_equal(pwrite(fd, &now, 1, at), 1);
        assert_false(keyset_check(current, &facts, &err));
        assert_string_equal(err.code, ERR_FILE);
        assert_string_equal(err.file, current);
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    close(fd);
    assert_true(keyset_check(current, &facts, &err));
    unlink(current);
}

static void a_set_of_another_machine_is_read(void **state)
{
    (void)state;
    struct err err;
    uint32_t swapped = 0x04030201u;
    int fd = write_set(5);
    assert_int_equal(pwrite(fd, &swapped, sizeof swapped, offsetof(struct keyset_header, byte_order)), sizeof swapped);
    assert_int_equal(read_set(fd, &err), -1);
    assert_string_equal(err.code, ERR_FILE);
    assert_non_null(strstr(err.message, "another byte order"));
    close(fd);
}

static void a_block_in_the_place_of_another_is_taken(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    struct keyset_record record;
    static char block[KEYSET_BLOCK * sizeof record + 2 * sizeof(uint64_t)];
    int fd = write_set(3 * KEYSET_BLOCK);
    size_t count = 0;
    assert_int_equal(fstat(fd, &info), 0);
    /* The third in the second's place: its keys are in order there. */
    assert_int_equal(pread(fd, block, sizeof block, info.st_size - (off_t)sizeof block), sizeof block);
    assert_int_equal(pwrite(fd, block, sizeof block, info.st_size - 2 * (off_t)sizeof block), sizeof block);
    struct keyset_reader *reader = keyset_reader_new(fd, &err);
    assert_non_null(reader);
    while (keyset_next(reader, &record, &err) == KEYSORT_ENTRY)
        count++;
    assert_int_equal(count, KEYSET_BLOCK);
    assert_int_equal(keyset_next(reader, &record, &err), KEYSORT_FAILED);
    keyset_reader_free(reader);
    close(fd);
}

static void a_set_that_was_cut_off_is_taken(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    int fd = write_set(2 * KEYSET_BLOCK);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(ftruncate(fd, info.st_size + 1), 0);
    assert_int_equal(read_set(fd, &err), -1);
    for (off_t size = info.st_size - 1; size >= 0; size -= size > 400 ? 991 : 1) {
        assert_int_equal(ftruncate(fd, size), 0);
        assert_int_equal(read_set(fd, &err), -1);
        assert_string_equal(err.code, ERR_FILE);
    }
    close(fd);
}

static void a_set_that_was_not_finished_is_taken(void **state)
{
    (void)state;
    struct err err;
    int fd = open_file();
    struct keyset_writer *writer = keyset_writer_new(fd, &hash, NULL, 1, "Id", &err);
    assert_non_null(writer);
    for (uint64_t i = 1; i <= KEYSET_BLOCK; i++) {
        const struct keyset_record record = {.key = {i, 0}};
        assert_true(keyset_writer_add(writer, &record, &err));
    }
    keyset_writer_free(writer);
    assert_int_equal(read_set(fd, &err), -1);
    assert_non_null(strstr(err.message, "not finished"));
    close(fd);
}

static void keys_out_of_order_are_read(void **state)
{
    (void)state;
    struct err err;
    int fd = open_file();
    struct keyset_writer *writer = keyset_writer_new(fd, &hash, NULL, 1, "Id", &err);
    const struct keyset_record high = {.key = {2, 0}}, low = {.key = {1, 0}};
    assert_non_null(writer);
    assert_true(keyset_writer_add(writer, &high, &err));
    assert_true(keyset_writer_add(writer, &low, &err));
    assert_true(keyset_writer_finish(writer, &err));
    keyset_writer_free(writer);
    struct keyset_record record;
    struct keyset_reader *reader = keyset_reader_new(fd, &err);
    assert_non_null(reader);
    assert_int_equal(keyset_next(reader, &record, &err), KEYSORT_ENTRY);
    for (int i = 0; i < 3; i++)
        assert_int_equal(keyset_next(reader, &record, &err), KEYSORT_FAILED);
    keyset_reader_free(reader);
    close(fd);
}

/* Every size that the file may reach before the disk is full. */
static void a_full_disk_is_not_told(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    struct rlimit limit, small;
    int fd = write_set(MANY);
    assert_int_equal(fstat(fd, &info), 0);
    close(fd);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    for (off_t room = 0; room < info.st_size; room += 4999) {
        fd = open_file();
        small = limit;
        small.rlim_cur = (rlim_t)room;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        bool done = try_to_write(fd, NULL, MANY, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_false(done);
        assert_string_equal(err.code, ERR_SYSTEM);
        assert_int_equal(read_set(fd, &err), -1);
        close(fd);
    }
}

/* ---- sets that take the place of others ---- */

static struct keyset_facts facts_of(const char *path)
{
    struct err err;
    struct keyset_reader *reader = keyset_reader_open(path, &err);
    assert_non_null(reader);
    struct keyset_facts facts = *keyset_facts(reader);
    keyset_reader_free(reader);
    return facts;
}

static void expect_outdated(void)
{
    struct err err;
    struct stat was, is;
    bool there = stat(current, &was) == 0;
    err_clear(&err);
    assert_false(keyset_promote(staged, current, &err));
    assert_string_equal(err.code, KEYSET_OUTDATED);
    assert_int_equal(access(staged, F_OK), 0);
    assert_int_equal(stat(current, &is) == 0, there);
    if (there)
        assert_int_equal(is.st_ino, was.st_ino);
}

static void a_set_takes_the_place_of_one_that_it_was_not_compared_with(void **state)
{
    (void)state;
    struct err err;
    const struct keyhash other = {{3, 4}};
    stage(staged, &hash, NULL, 0, 1);
    assert_true(keyset_promote(staged, current, &err));
    assert_int_equal(access(staged, F_OK), -1);
    struct keyset_facts first = facts_of(current);
    assert_int_equal(first.generation, 1);
    /* Made without one before, while another came to be. */
    stage(staged, &hash, NULL, 0, 2);
    expect_outdated();
    /* Of the same number, of another history. */
    stage(staged, &other, &first, 0, 2);
    expect_outdated();
    stage(staged, &hash, &first, 0, 2);
    assert_true(keyset_promote(staged, current, &err));
    assert_int_equal(facts_of(current).generation, 2);
    /* Compared with the one before the last. */
    stage(staged, &hash, &first, 0, 3);
    expect_outdated();
    /* The one that it was compared with was removed. */
    assert_int_equal(unlink(current), 0);
    expect_outdated();
    stage(staged, &hash, NULL, 0, 3);
    assert_true(keyset_promote(staged, current, &err));
    assert_int_equal(facts_of(current).count, 3);
}

static void a_damaged_set_stays_for_ever(void **state)
{
    (void)state;
    struct err err;
    struct keyset_facts first = {.generation = 1};
    int fd = open(current, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "upjobkey", 8), 8);
    close(fd);
    stage(staged, &hash, &first, 0, 1);
    expect_outdated();
    stage(staged, &hash, NULL, 0, 1);
    assert_true(keyset_promote(staged, current, &err));
    assert_int_equal(facts_of(current).count, 1);
}

static void a_set_that_is_none_is_promoted(void **state)
{
    (void)state;
    struct err err;
    unlink(current);
    stage(staged, &hash, NULL, 0, 10);
    assert_true(keyset_promote(staged, current, &err));
    assert_false(keyset_promote(staged, current, &err));
    assert_string_equal(err.code, ERR_FILE);
    int fd = open(staged, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    assert_false(keyset_promote(staged, current, &err));
    assert_string_equal(err.code, ERR_FILE);
    assert_int_equal(facts_of(current).count, 10);
    unlink(current);
}

/* Several programs that were all compared with the same set. */
static void two_sets_are_promoted_at_once(void **state)
{
    (void)state;
    enum { PROGRAMS = 8 };
    struct err err;
    char path[PROGRAMS][96];
    for (int round = 0; round < 20; round++) {
        unlink(current);
        stage(staged, &hash, NULL, 0, 1);
        assert_true(keyset_promote(staged, current, &err));
        struct keyset_facts before = facts_of(current);
        pid_t children[PROGRAMS];
        int done = 0;
        for (size_t i = 0; i < PROGRAMS; i++) {
            snprintf(path[i], sizeof path[i], "%s/staged-%zu", dir, i);
            stage(path[i], &hash, &before, 0, i);
            children[i] = fork();
            if (children[i] == 0)
                _exit(keyset_promote(path[i], current, &err) ? 0 : err_is(&err, KEYSET_OUTDATED) ? 1 : 2);
        }
        for (size_t i = 0; i < PROGRAMS; i++) {
            int status;
            assert_int_equal(waitpid(children[i], &status, 0), children[i]);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
            if (WEXITSTATUS(status) == 0) {
                assert_int_equal(facts_of(current).count, i);
                done++;
            }
            unlink(path[i]);
        }
        assert_int_equal(done, 1);
    }
}

static void a_set_goes_where_it_cannot(void **state)
{
    (void)state;
    struct err err;
    char elsewhere[128];
    snprintf(elsewhere, sizeof elsewhere, "%s/missing/current", dir);
    stage(staged, &hash, NULL, 0, 1);
    assert_false(keyset_promote(staged, elsewhere, &err));
    assert_string_equal(err.code, ERR_SYSTEM);
    assert_string_equal(err.file, elsewhere);
    assert_int_equal(facts_of(staged).count, 1);
    /* A directory stands there. */
    unlink(current);
    assert_int_equal(mkdir(current, 0700), 0);
    assert_false(keyset_promote(staged, current, &err));
    assert_int_equal(facts_of(staged).count, 1);
    assert_int_equal(rmdir(current), 0);
}

static char *read_path(const char *path)
{
    static char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    close(fd);
    return text;
}

static void keys_that_are_gone_are_others(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    uint64_t count;
    char kept[128];
    stage(current, &hash, NULL, 7, 5);
    struct keyset_facts before = facts_of(current);
    stage(staged, &hash, &before, 10, 3000);
    assert_true(keyset_write_gone(current, staged, gone, NULL, &count, &err));
    assert_int_equal(count, 3);
    assert_string_equal(read_path(gone), "Id\ncustomer 7\ncustomer 8\ncustomer 9\n");
    assert_int_equal(stat(gone, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    /* Nothing is left, and the file before is kept. */
    stage(staged, &hash, &before, 0, 0);
    assert_true(keyset_write_gone(current, staged, gone, NULL, &count, &err));
    assert_int_equal(count, 5);
    snprintf(kept, sizeof kept, "%s~", gone);
    assert_string_equal(read_path(kept), "Id\ncustomer 7\ncustomer 8\ncustomer 9\n");
    /* All are still there. */
    stage(staged, &hash, &before, 0, 3000);
    assert_true(keyset_write_gone(current, staged, gone, NULL, &count, &err));
    assert_int_equal(count, 0);
    assert_string_equal(read_path(gone), "Id\n");
    /* There was none before. */
    assert_true(keyset_write_gone(staged, staged, gone, NULL, &count, &err));
    assert_int_equal(count, 0);
    /* A set that was compared with another. */
    const struct keyhash other = {{3, 4}};
    stage(staged, &other, &before, 0, 1);
    assert_false(keyset_write_gone(current, staged, gone, NULL, &count, &err));
    before.generation = 7;
    stage(staged, &hash, &before, 0, 1);
    assert_false(keyset_write_gone(current, staged, gone, NULL, &count, &err));
    assert_string_equal(read_path(gone), "Id\n");
}

static void a_list_that_has_no_room_takes_the_place_of_another(void **state)
{
    (void)state;
    struct err err;
    struct rlimit limit, small;
    uint64_t count;
    stage(current, &hash, NULL, 0, 4000);
    struct keyset_facts before = facts_of(current);
    stage(staged, &hash, &before, 0, 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    FILE *file = fopen(gone, "w");
    assert_non_null(file);
    fputs("Id\nearlier\n", file);
    fclose(file);
    for (rlim_t room = 0; room < 40000; room += 9999) {
        small = limit;
        small.rlim_cur = room;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        bool done = keyset_write_gone(current, staged, gone, NULL, &count, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_false(done);
        assert_string_equal(err.code, ERR_SYSTEM);
        assert_null(strstr(err.message, "customer"));
        assert_string_equal(read_path(gone), "Id\nearlier\n");
    }
    unlink(current);
    unlink(staged);
}

static void damage_makes_keys_gone(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    uint64_t count;
    stage(current, &hash, NULL, 0, MANY);
    struct keyset_facts before = facts_of(current);
    stage(staged, &hash, &before, 0, MANY);
    assert_int_equal(stat(staged, &info), 0);
    for (off_t at = 0; at < info.st_size; at += 4001) {
        int fd = open(staged, O_RDWR | O_CLOEXEC);
        unsigned char was, now;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        now = was ^ 0x10;
        assert_int_equal(pwrite(fd, &now, 1, at), 1);
        /* The texts of what is still there are not looked at. */
        if (keyset_write_gone(current, staged, gone, NULL, &count, &err))
            assert_int_equal(count, 0);
        else
            assert_string_equal(err.code, ERR_FILE);
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
        close(fd);
    }
}

/* ---- what is in doubt ---- */

struct wanted {
    uint64_t row;
    int64_t expires;
};

/* The keys from `first` on, each with what `what` says of it. */
static void stage_rows(const char *path, const struct keyset_facts *before, int64_t now, size_t first, size_t count,
                       struct wanted (*what)(size_t i))
{
    struct err err;
    struct keyset_record *records = calloc(count + 1, sizeof *records);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct keyset_writer *writer = keyset_writer_new(fd, &hash, before, now, "Id", &err);
    assert_non_null(writer);
    for (size_t i = 0; i < count; i++) {
        char text[32];
        size_t len = text_of(first + i, text);
        struct wanted wanted = what(first + i);
        keyhash_of(&hash, text, len, records[i].key);
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

static struct wanted sent_then(size_t i)
{
    return (struct wanted){i, 100};
}

/* Of the keys that were there every second one is sent again, and all new ones are sent. */
static struct wanted sent_now(size_t i)
{
    bool sent = i % 2 == 0 || i >= 3000;
    return (struct wanted){sent ? i + 7 : i, sent ? 200 : 100};
}

/* The set has these keys, and of each what `what` says, with its text. */
static void expect_set(const char *path, size_t count, struct wanted (*what)(size_t i))
{
    struct err err;
    struct keyset_record record;
    struct buf text;
    size_t seen = 0;
    assert_true(keyset_check(path, &(struct keyset_facts){0}, &err));
    struct keyset_reader *reader = keyset_reader_open(path, &err);
    buf_init(&text, KEYSET_MAX_TEXT);
    while (keyset_next(reader, &record, &err) == KEYSORT_ENTRY) {
        char number[32];
        assert_true(keyset_text(reader, &record, &text, &err));
        snprintf(number, sizeof number, "%.*s", (int)text.len, text.data);
        assert_int_equal(strncmp(number, "customer ", 9), 0);
        struct wanted wanted = what((size_t)atol(number + 9));
        assert_int_equal(record.row, wanted.row);
        assert_int_equal(record.expires, wanted.expires);
        seen++;
    }
    assert_int_equal(seen, count);
    buf_free(&text);
    keyset_reader_free(reader);
}

static struct wanted marked(size_t i)
{
    bool sent = (i % 2 == 0 && i >= 1000) || i >= 3000;
    return (struct wanted){sent ? i + 7 : i, sent ? KEYSET_IN_DOUBT : 100};
}

static struct wanted all_marked(size_t i)
{
    return (struct wanted){i, KEYSET_IN_DOUBT};
}

static void what_is_sent_is_not_in_doubt(void **state)
{
    struct err err;
    (void)state;
    stage_rows(current, NULL, 1000, 0, 3000, sent_then);
    struct keyset_facts before = facts_of(current);
    stage_rows(staged, &before, 2000, 1000, 3000, sent_now);
    assert_true(keyset_mark(staged, current, 200, &err));
    expect_set(current, 4000, marked);
    struct keyset_facts after = facts_of(current);
    assert_int_equal(after.generation, before.generation + 1);
    assert_int_equal(after.time_count, 1);
    assert_int_equal(after.times[0], 1000);
    assert_int_equal(after.written_at, 0);
    /* It has succeeded: nothing is in doubt any more. */
    assert_true(keyset_promote(staged, current, &err));
    expect_set(current, 3000, sent_now);
    assert_int_equal(facts_of(current).times[1], 2000);
    unlink(current);
}

static void what_is_sent_first_is_not_in_doubt(void **state)
{
    struct err err;
    (void)state;
    stage_rows(staged, NULL, 1000, 0, 3000, sent_then);
    assert_true(keyset_mark(staged, current, 100, &err));
    expect_set(current, 3000, all_marked);
    assert_int_equal(facts_of(current).time_count, 0);
    assert_true(keyset_promote(staged, current, &err));
    expect_set(current, 3000, sent_then);
    unlink(current);
}

static void two_that_send_at_once_know_of_one(void **state)
{
    char other[128];
    struct err err;
    (void)state;
    snprintf(other, sizeof other, "%s/other", dir);
    stage_rows(current, NULL, 1000, 0, 3000, sent_then);
    struct keyset_facts before = facts_of(current);
    stage_rows(staged, &before, 2000, 1000, 3000, sent_now);
    stage_rows(other, &before, 2000, 0, 3000, sent_then);
    assert_true(keyset_mark(staged, current, 200, &err));
    assert_true(keyset_mark(other, current, 999, &err)); /* it sends nothing */
    expect_set(current, 4000, marked);
    expect_outdated();
    assert_false(keyset_promote(other, current, &err));
    assert_string_equal(err.code, KEYSET_OUTDATED);
    unlink(other);
    unlink(staged);
    unlink(current);
}

static void a_full_disk_leaves_half_of_a_mark(void **state)
{
    struct rlimit was, little;
    struct err err;
    (void)state;
    stage_rows(current, NULL, 1000, 0, 3000, sent_then);
    struct keyset_facts before = facts_of(current);
    stage_rows(staged, &before, 2000, 1000, 3000, sent_now);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &was);
    for (rlim_t most = 0; most < 200000; most += 9973) {
        little = (struct rlimit){most, was.rlim_max};
        setrlimit(RLIMIT_FSIZE, &little);
        bool marked_it = keyset_mark(staged, current, 200, &err);
        setrlimit(RLIMIT_FSIZE, &was);
        assert_false(marked_it);
        expect_set(current, 3000, sent_then);
    }
    assert_true(keyset_mark(staged, current, 200, &err));
    expect_set(current, 4000, marked);
    unlink(staged);
    unlink(current);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_is_not_read_as_it_was_written),
        cmocka_unit_test(a_set_is_not_the_successor_of_the_one_before),
        cmocka_unit_test(a_long_key_is_cut),
        cmocka_unit_test(damage_is_not_seen),
        cmocka_unit_test(damage_is_not_seen_by_who_reads_all),
        cmocka_unit_test(a_set_of_another_machine_is_read),
        cmocka_unit_test(a_block_in_the_place_of_another_is_taken),
        cmocka_unit_test(a_set_that_was_cut_off_is_taken),
        cmocka_unit_test(a_set_that_was_not_finished_is_taken),
        cmocka_unit_test(keys_out_of_order_are_read),
        cmocka_unit_test(a_full_disk_is_not_told),
        cmocka_unit_test(a_set_takes_the_place_of_one_that_it_was_not_compared_with),
        cmocka_unit_test(a_damaged_set_stays_for_ever),
        cmocka_unit_test(a_set_that_is_none_is_promoted),
        cmocka_unit_test(two_sets_are_promoted_at_once),
        cmocka_unit_test(a_set_goes_where_it_cannot),
        cmocka_unit_test(keys_that_are_gone_are_others),
        cmocka_unit_test(a_list_that_has_no_room_takes_the_place_of_another),
        cmocka_unit_test(damage_makes_keys_gone),
        cmocka_unit_test(what_is_sent_is_not_in_doubt),
        cmocka_unit_test(what_is_sent_first_is_not_in_doubt),
        cmocka_unit_test(two_that_send_at_once_know_of_one),
        cmocka_unit_test(a_full_disk_leaves_half_of_a_mark),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
