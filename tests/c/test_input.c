/* The input: compressed, in pieces, from pipes; what is damaged, too large or no CSV file is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/tempfile.h"
#include "tests/c/inputting.h"

#define MOST ((size_t)256 << 20)
static const char text[] = "CustomerId,Email,Name\n1,a@example.com,Ren\xC3\xA9\n2,b@example.com,\"Smith, John\"\n";
#define TEXT_LEN (sizeof text - 1)

typedef void packer(struct buf *to, const char *bytes, size_t len);
static packer *const packers[] = {add_gzip, add_zstd};
static const char *const packed_as[] = {"gzip", "zstd"};

static void require_text(const struct buf *found, const char *wanted, size_t len)
{
    assert_int_equal(found->len, len);
    assert_memory_equal(len ? found->data : "", wanted, len);
}

static void what_is_not_compressed_comes_as_it_is(void **state)
{
    (void)state;
    for (size_t step = 1; step < 20; step++) {
        struct buf found;
        struct err err;
        buf_init(&found, MOST);
        assert_true(read_bytes_as(text, TEXT_LEN, step, 0, NULL, &found, &err));
        require_text(&found, text, TEXT_LEN);
        buf_free(&found);
    }
}

static void an_empty_file_is_an_empty_text(void **state)
{
    (void)state;
    struct buf found;
    struct err err;
    buf_init(&found, MOST);
    assert_true(read_bytes_as("", 0, 0, 0, NULL, &found, &err));
    assert_int_equal(found.len, 0);
    for (int i = 0; i < 2; i++) {
        struct buf packed;
        buf_init(&packed, MOST);
        packers[i](&packed, "", 0);
        assert_true(read_bytes_as(packed.data, packed.len, 1, 0, NULL, &found, &err));
        assert_int_equal(found.len, 0);
        buf_free(&packed);
    }
}

/* Also when the file is split at any byte, and read by any number of bytes. */
static void compressed_text_is_unpacked_whatever_the_pieces(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct buf packed, found;
        struct err err;
        buf_init(&packed, MOST);
        buf_init(&found, MOST);
        for (int member = 0; member < 5; member++)
            packers[i](&packed, text + member * 10, member < 4 ? 10 : TEXT_LEN - 40);
        for (size_t in = 1; in <= packed.len; in++)
            for (size_t out = 1; out < 200; out += in % 7 + 13) {
                buf_reset(&found);
                if (!read_bytes_as(packed.data, packed.len, in, out, NULL, &found, &err))
                    fail_msg("%s, %zu bytes at a time: %s", packed_as[i], in, err.message);
                require_text(&found, text, TEXT_LEN);
            }
        buf_free(&packed);
        buf_free(&found);
    }
}

static void a_compressed_file_that_is_cut_anywhere_is_an_error_with_the_byte(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct buf packed, found;
        struct err err;
        buf_init(&packed, MOST);
        buf_init(&found, MOST);
        packers[i](&packed, text, TEXT_LEN);
        for (size_t len = 4; len < packed.len; len++) {
            char byte[32];
            if (read_bytes_as(packed.data, len, 3, 0, NULL, &found, &err))
                fail_msg("%s cut at %zu is taken for whole", packed_as[i], len);
            snprintf(byte, sizeof byte, "at byte %zu", len);
            if (!strstr(err.message, "cut off") || !strstr(err.message, byte) || strcmp(err.file, "t.csv") != 0)
                fail_msg("%s cut at %zu: %s", packed_as[i], len, err.message);
        }
        buf_free(&packed);
        buf_free(&found);
    }
}

static void every_flipped_bit_is_an_error_or_the_same_text(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct buf packed, found;
        struct err err;
        size_t told = 0;
        buf_init(&packed, MOST);
        buf_init(&found, MOST);
        packers[i](&packed, text, TEXT_LEN);
        size_t magic = i == 0 ? 3 : 4; /* without it, it is not compressed at all */
        for (size_t bit = magic * 8; bit < packed.len * 8; bit++) {
            buf_reset(&found);
            packed.data[bit / 8] = (char)(packed.data[bit / 8] ^ (1 << bit % 8));
            if (read_bytes_as(packed.data, packed.len, 0, 0, NULL, &found, &err))
                require_text(&found, text, TEXT_LEN);
            else if (strstr(err.message, "byte ") || strstr(err.message, "MiB"))
                told++;
            else
                fail_msg("%s, bit %zu: %s", packed_as[i], bit, err.message);
            packed.data[bit / 8] = (char)(packed.data[bit / 8] ^ (1 << bit % 8));
        }
        assert_true(told > packed.len * 4);
        buf_free(&packed);
        buf_free(&found);
    }
}

static void what_follows_the_compressed_data_is_told_but_padding_is_not(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct buf packed, found;
        struct err err;
        buf_init(&packed, MOST);
        buf_init(&found, MOST);
        packers[i](&packed, text, TEXT_LEN);
        size_t len = packed.len;
        buf_add(&packed, "garbage", 7);
        assert_false(read_bytes_as(packed.data, packed.len, 1, 0, NULL, &found, &err));
        assert_non_null(strstr(err.message, "at byte"));
        packed.len = len;
        if (i == 0) {
            buf_add(&packed, "\0\0\0\0\0", 5);
            buf_reset(&found);
            assert_true(read_bytes_as(packed.data, packed.len, 1, 0, NULL, &found, &err));
            require_text(&found, text, TEXT_LEN);
            buf_addc(&packed, 'x');
            assert_false(read_bytes_as(packed.data, packed.len, 2, 0, NULL, &found, &err));
        }
        buf_free(&packed);
        buf_free(&found);
    }
}

/* 200 MB of NULs are some 200 KB of gzip, and less of zstd. */
static void a_small_file_that_unpacks_to_a_large_one_takes_no_memory(void **state)
{
    (void)state;
    size_t size = (size_t)200 << 20;
    char *nuls = calloc(1, size), piece[4096];
    for (int i = 0; i < 2; i++) {
        struct buf packed;
        struct rusage before, after;
        struct err err;
        size_t given = 0;
        long n;
        err_clear(&err);
        buf_init(&packed, MOST);
        packers[i](&packed, nuls, size);
        assert_true(packed.len < size / 900);
        struct pieces pieces = {.data = packed.data, .len = packed.len};
        struct input *input = input_open_source(read_pieces, &pieces, "t.csv", NULL, &err);
        getrusage(RUSAGE_SELF, &before);
        while ((n = input_read(input, piece, sizeof piece, &err)) > 0)
            given += (size_t)n;
        getrusage(RUSAGE_SELF, &after);
        assert_int_equal(n, 0);
        assert_int_equal(given, size);
        assert_true(after.ru_maxrss - before.ru_maxrss < 48 << 10);
        input_close(input);
        buf_free(&packed);
    }
    free(nuls);
}

static void more_text_than_allowed_is_an_error(void **state)
{
    (void)state;
    struct buf packed, found;
    struct err err;
    struct input_options options = {.max_bytes = TEXT_LEN - 1};
    buf_init(&packed, MOST);
    buf_init(&found, MOST);
    add_gzip(&packed, text, TEXT_LEN);
    assert_false(read_bytes_as(packed.data, packed.len, 0, 0, &options, &found, &err));
    assert_true(err_is(&err, ERR_INVALID_FILE));
    assert_non_null(strstr(err.message, "once it is unpacked"));
    assert_false(read_bytes_as(text, TEXT_LEN, 0, 0, &options, &found, &err));
    options.max_bytes = TEXT_LEN;
    buf_reset(&found);
    assert_true(read_bytes_as(packed.data, packed.len, 0, 0, &options, &found, &err));
    buf_free(&packed);
    buf_free(&found);
}

static void a_frame_that_wants_too_much_memory_is_refused_with_the_remedy(void **state)
{
    (void)state;
    size_t size = (size_t)70 << 20;
    char *bytes = malloc(size);
    struct buf found;
    struct err err;
    unsigned seed = 7;
    buf_init(&found, MOST);
    for (size_t i = 0; i < size; i += 4)
        memcpy(bytes + i, &(int){rand_r(&seed)}, 4);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 26);
    size_t room = ZSTD_compressBound(size);
    char *packed = malloc(room);
    size_t n = ZSTD_compress2(context, packed, room, bytes, size);
    assert_false(ZSTD_isError(n));
    assert_false(read_bytes_as(packed, n, 0, 0, NULL, &found, &err));
    assert_non_null(strstr(err.message, "--long"));
    ZSTD_freeCCtx(context);
    free(packed);
    free(bytes);
    buf_free(&found);
}

static void other_formats_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *told;
    } files[] = {
        {"PK\x03\x04\x14\0\0\0", 8, ".xlsx"},
        {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8, ".xls"},
        {"\xFD\x37zXZ\0\0\4", 8, "xz"},
        {"BZh91AY&SY", 10, "bzip2"},
        {"%PDF-1.7\n", 9, "PDF"},
        {"PAR1\x15\x04\x15\x80", 8, "Parquet"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct buf found;
        struct err err;
        buf_init(&found, MOST);
        assert_false(read_bytes_as(files[i].bytes, files[i].len, 1, 0, NULL, &found, &err));
        assert_true(err_is(&err, ERR_INVALID_FILE));
        assert_non_null(strstr(err.message, files[i].told));
    }
    /* A header that begins so is one. */
    struct buf found;
    struct err err;
    buf_init(&found, MOST);
    assert_true(read_bytes_as("PAR1,PK\n1,2\n", 12, 1, 0, NULL, &found, &err));
    buf_free(&found);
}

static void what_cannot_be_opened_is_told_with_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *path, *told;
    } files[] = {{"/nowhere/x.csv", "No such file"}, {"/tmp", "directory"}, {"/dev/zero", "device"}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct err err;
        err_clear(&err);
        assert_null(input_open(files[i].path, NULL, &err));
        assert_true(err_is(&err, ERR_FILE));
        assert_string_equal(err.file, files[i].path);
        assert_non_null(strstr(err.message, files[i].told));
    }
}

/* Records of a pipe come as they are written, also when they are compressed. */
static void a_source_that_has_nothing_yet_is_waited_for(void **state)
{
    (void)state;
    struct buf packed, found;
    struct err err;
    err_clear(&err);
    buf_init(&packed, MOST);
    buf_init(&found, MOST);
    add_gzip(&packed, text, TEXT_LEN);
    struct pieces pieces = {.data = packed.data, .len = packed.len, .step = 1, .waits = true};
    struct input *input = input_open_source(read_pieces, &pieces, "t.csv", NULL, &err);
    char piece[64];
    int fd;
    assert_int_equal(input_read(input, piece, sizeof piece, &err), INPUT_WAITS);
    assert_true(input_waits(input, &fd));
    assert_int_equal(fd, -1);
    assert_true(read_all(input, 0, &found, &err));
    assert_false(input_waits(input, &fd));
    require_text(&found, text, TEXT_LEN);
    input_close(input);
    buf_free(&packed);
    buf_free(&found);
}

static void a_pipe_that_has_nothing_yet_is_not_waited_for_and_gives_what_it_has(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    int ends[2], fd;
    char piece[64];
    assert_int_equal(pipe(ends), 0);
    struct input *input = input_open_fd(ends[0], "a pipe", NULL, &err);
    assert_non_null(input);
    assert_int_equal(input_read(input, piece, sizeof piece, &err), INPUT_WAITS);
    assert_true(input_waits(input, &fd) && fd >= 0);
    assert_int_equal(write(ends[1], "a,b\n1,2\n", 8), 8);
    assert_int_equal(input_read(input, piece, sizeof piece, &err), 8);
    assert_int_equal(input_read(input, piece, sizeof piece, &err), INPUT_WAITS);
    close(ends[1]);
    assert_int_equal(input_read(input, piece, sizeof piece, &err), 0);
    input_close(input);
    close(ends[0]);
}

static void what_comes_through_a_pipe_can_be_read_twice_once_it_is_kept(void **state)
{
    (void)state;
    struct err err;
    struct buf packed, found;
    struct stat kept;
    uint64_t start;
    int ends[2], fd;
    err_clear(&err);
    buf_init(&packed, MOST);
    buf_init(&found, MOST);
    add_zstd(&packed, text, TEXT_LEN);
    assert_int_equal(pipe(ends), 0);
    struct input *input = input_open_fd(ends[0], "a pipe", NULL, &err);
    assert_false(input_can_rewind(input));
    assert_int_equal(input_spool(input, 1, &err), INPUT_WAITING);
    assert_true(input_waits(input, &fd));
    assert_int_equal(write(ends[1], packed.data, packed.len), (ssize_t)packed.len);
    assert_int_equal(input_spool(input, 1, &err), INPUT_MORE);
    close(ends[1]);
    assert_int_equal(input_spool(input, 1 << 20, &err), INPUT_DONE);
    for (int i = 0; i < 2; i++) {
        buf_reset(&found);
        assert_true(input_can_rewind(input) && input_rewind(input, NULL, &err));
        assert_true(read_all(input, 5, &found, &err));
        require_text(&found, text, TEXT_LEN);
        assert_int_equal(input_compression(input), INPUT_ZSTD);
    }
    assert_int_equal(fstat(input_descriptor(input, &start), &kept), 0);
    assert_int_equal(kept.st_mode & 0777, 0600);
    assert_int_equal(kept.st_nlink, 0); /* nobody finds it */
    assert_true(input_unchanged(input, &err));
    input_close(input);
    close(ends[0]);
    buf_free(&packed);
    buf_free(&found);
}

static void a_full_disk_says_where_and_what_to_do(void **state)
{
    (void)state;
    struct err err;
    err_clear(&err);
    int fd = open("/dev/full", O_WRONLY);
    assert_false(tempfile_write(fd, "x", 1, "/var/tmp", "standard input", &err));
    assert_string_equal(err.file, "/var/tmp");
    assert_non_null(strstr(err.message, "TMPDIR"));
    close(fd);
    err_clear(&err);
    struct input_options options = {.temporary = "/nowhere"};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct input *input = input_open_fd(ends[0], "a pipe", &options, &err);
    assert_int_equal(input_spool(input, 1, &err), INPUT_FAILED);
    assert_string_equal(err.file, "/nowhere");
    input_close(input);
    close(ends[0]);
    close(ends[1]);
}

/* `upjob … - <file` behind a program that has read its first line. */
static void standard_input_is_read_from_where_it_stands(void **state)
{
    (void)state;
    struct err err;
    struct buf found;
    err_clear(&err);
    buf_init(&found, MOST);
    int fd = file_with(text, TEXT_LEN);
    lseek(fd, 22, SEEK_SET);
    struct input *input = input_open_fd(fd, "standard input", NULL, &err);
    assert_int_equal(input_bytes_total(input), TEXT_LEN - 22);
    for (int i = 0; i < 2; i++) {
        buf_reset(&found);
        assert_true(input_rewind(input, NULL, &err) && read_all(input, 0, &found, &err));
        require_text(&found, text + 22, TEXT_LEN - 22);
    }
    assert_int_equal(input_bytes_read(input), TEXT_LEN - 22);
    assert_true(input_unchanged(input, &err));
    assert_int_equal(ftruncate(fd, 3), 0);
    assert_false(input_unchanged(input, &err));
    input_close(input);
    close(fd);
    buf_free(&found);
}

static void an_error_stays(void **state)
{
    (void)state;
    struct err err, again;
    struct buf packed;
    char piece[64];
    long n;
    err_clear(&err);
    err_clear(&again);
    buf_init(&packed, MOST);
    add_gzip(&packed, text, TEXT_LEN);
    struct pieces pieces = {.data = packed.data, .len = packed.len - 1};
    struct input *input = input_open_source(read_pieces, &pieces, "t.csv.gz", NULL, &err);
    while ((n = input_read(input, piece, sizeof piece, &err)) > 0)
        ;
    assert_int_equal(n, -1);
    assert_int_equal(input_read(input, piece, sizeof piece, &again), -1);
    assert_string_equal(err.message, again.message);
    assert_string_equal(again.file, "t.csv.gz");
    input_close(input);
    buf_free(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_compressed_comes_as_it_is),
        cmocka_unit_test(an_empty_file_is_an_empty_text),
        cmocka_unit_test(compressed_text_is_unpacked_whatever_the_pieces),
        cmocka_unit_test(a_compressed_file_that_is_cut_anywhere_is_an_error_with_the_byte),
        cmocka_unit_test(every_flipped_bit_is_an_error_or_the_same_text),
        cmocka_unit_test(what_follows_the_compressed_data_is_told_but_padding_is_not),
        cmocka_unit_test(a_small_file_that_unpacks_to_a_large_one_takes_no_memory),
        cmocka_unit_test(more_text_than_allowed_is_an_error),
        cmocka_unit_test(a_frame_that_wants_too_much_memory_is_refused_with_the_remedy),
        cmocka_unit_test(other_formats_are_named),
        cmocka_unit_test(what_cannot_be_opened_is_told_with_its_name),
        cmocka_unit_test(a_source_that_has_nothing_yet_is_waited_for),
        cmocka_unit_test(a_pipe_that_has_nothing_yet_is_not_waited_for_and_gives_what_it_has),
        cmocka_unit_test(what_comes_through_a_pipe_can_be_read_twice_once_it_is_kept),
        cmocka_unit_test(a_full_disk_says_where_and_what_to_do),
        cmocka_unit_test(standard_input_is_read_from_where_it_stands),
        cmocka_unit_test(an_error_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
