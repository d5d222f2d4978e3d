/* Sets of keys that are kept. */
#include "keysets.h"

#define MANY (2 * KEYSET_BLOCK + 10)

static int open_file(void)
{
    char path[] = "/tmp/keyset-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
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
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
