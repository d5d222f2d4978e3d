/* What is sent instead of a file: rows that are kept, dropped and replaced, by chance, against what a few
 * lines here make of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/outgoing.h"

#define MOST ((uint64_t)1 << 40)

enum fate { KEEP, DROP, REPLACE };

static const struct csv_slice kept = {"kept", 4};

static struct csv_row row_at(const char *text, size_t offset, size_t len, size_t ending)
{
    return (struct csv_row){.count = 1,
                            .line = 1,
                            .offset = offset,
                            .end = offset + len + ending,
                            .raw = {text + offset, len},
                            .cells = &kept};
}

static void settle(struct outgoing *outgoing)
{
    struct err err;
    err_clear(&err);
    for (int steps = 0; outgoing_pending(outgoing); steps++) {
        assert_true(outgoing_copy(outgoing, &err));
        assert_true(steps < 1000);
    }
}

static void take(struct outgoing *outgoing, const struct csv_row *row, enum fate fate)
{
    static const struct csv_slice cells[] = {{"a", 1}, {"b,c", 3}};
    struct err err;
    err_clear(&err);
    if (fate == KEEP)
        assert_true(outgoing_keep(outgoing, row, &err));
    else if (fate == DROP)
        assert_true(outgoing_drop(outgoing, row, &err));
    else
        assert_true(outgoing_replace(outgoing, row, cells, 2, &err));
    settle(outgoing);
}

static char *read_all(int fd, size_t size)
{
    char *text = calloc(1, size + 1);
    assert_non_null(text);
    for (size_t at = 0; at < size;) {
        ssize_t n = read(fd, text + at, size - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
    return text;
}

/* Rows of chance, `changes` in a hundred of them dropped or replaced; what stands between and before them is
 * kept. */
static void go_through(unsigned seed, size_t rows, unsigned changes, size_t longest)
{
    struct buf text, expected;
    struct err err;
    uint64_t bytes = 0;
    char md5[DIGEST_TEXT];
    bool changed = false;
    size_t *starts = calloc(rows + 1, sizeof *starts), *lengths = calloc(rows + 1, sizeof *lengths);
    err_clear(&err);
    buf_init(&text, (size_t)1 << 28);
    buf_init(&expected, (size_t)1 << 28);
    buf_adds(&text, "\n\nheader\n");
    for (size_t i = 0; i < rows; i++) {
        starts[i] = text.len;
        lengths[i] = (size_t)rand_r(&seed) % longest + 1;
        for (size_t n = 0; n < lengths[i]; n++)
            buf_addc(&text, (char)('a' + rand_r(&seed) % 26));
        buf_adds(&text, i + 1 < rows || rand_r(&seed) % 2 ? "\n" : "");
    }
    starts[rows] = text.len;
    int input = memfd_create("input", MFD_CLOEXEC);
    assert_true(write(input, text.data, text.len) == (ssize_t)text.len);
    struct outgoing *outgoing =
        outgoing_new(&(struct outgoing_options){.input = input, .max_bytes = MOST}, &err);
    assert_non_null(outgoing);
    buf_add(&expected, text.data, starts[0]);
    for (size_t i = 0; i < rows; i++) {
        enum fate fate = (unsigned)rand_r(&seed) % 100 >= changes ? KEEP : rand_r(&seed) % 2 ? DROP : REPLACE;
        struct csv_row row = row_at(text.data, starts[i], lengths[i], starts[i + 1] - starts[i] - lengths[i]);
        take(outgoing, &row, fate);
        changed = changed || fate != KEEP;
        if (fate == KEEP)
            buf_add(&expected, text.data + starts[i], starts[i + 1] - starts[i]);
        else if (fate == REPLACE)
            buf_adds(&expected, "a,\"b,c\"\n");
    }
    assert_int_equal(outgoing_begun(outgoing), changed);
    outgoing_end(outgoing, text.len);
    settle(outgoing);
    assert_true(outgoing_finish(outgoing, &err));
    int fd = outgoing_take(outgoing, &bytes, md5);
    assert_int_equal(fd >= 0, changed);
    if (changed) {
        struct stat st;
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(st.st_nlink, 0);
        assert_int_equal(bytes, expected.len);
        char *got = read_all(fd, expected.len);
        assert_memory_equal(got, expected.data, expected.len);
        free(got);
        close(fd);
    }
    outgoing_free(outgoing);
    close(input);
    buf_free(&text);
    buf_free(&expected);
    free(starts);
    free(lengths);
}

static void rows_of_chance_are_kept_dropped_and_replaced(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 200; seed++)
        go_through(seed, seed % 40 + 1, seed % 5 * 25, seed % 7 ? 20 : 3000);
    /* More than what is copied at a time, and than the window. */
    go_through(7, 40000, 1, 200);
    go_through(8, 40000, 50, 200);
    go_through(9, 3000, 0, 200);
    go_through(10, 12, 30, 900000);
}

static void an_input_that_is_no_text_of_the_service_is_written_anew(void **state)
{
    (void)state;
    static const char text[] = "h;\"i\"\n1;\"2\"\n";
    struct csv_row header = row_at(text, 0, 5, 1), row = row_at(text, 6, 5, 1);
    static const char *const expected[] = {"kept\n", "h;\"i\"\n1;\"2\"\na,\"b,c\"\n"};
    for (int raw = 0; raw < 2; raw++) {
        struct err err;
        uint64_t bytes;
        char md5[DIGEST_TEXT];
        err_clear(&err);
        struct outgoing *outgoing =
            outgoing_new(&(struct outgoing_options){.input = -1, .raw = raw, .max_bytes = MOST}, &err);
        assert_non_null(outgoing);
        take(outgoing, &header, KEEP);
        if (raw) {
            take(outgoing, &row, KEEP);
            take(outgoing, &row, DROP);
            take(outgoing, &row, REPLACE);
        }
        assert_true(outgoing_finish(outgoing, &err));
        int fd = outgoing_take(outgoing, &bytes, md5);
        char *got = read_all(fd, (size_t)bytes);
        assert_string_equal(got, expected[raw]);
        free(got);
        close(fd);
        outgoing_free(outgoing);
    }
}

static void more_than_the_service_takes_is_refused(void **state)
{
    (void)state;
    static const char text[] = "0123456789\n";
    struct csv_row row = row_at(text, 0, 10, 1);
    for (uint64_t most = 22; most <= 23; most++) {
        struct err err;
        err_clear(&err);
        struct outgoing *outgoing =
            outgoing_new(&(struct outgoing_options){.input = -1, .raw = true, .max_bytes = most}, &err);
        assert_non_null(outgoing);
        take(outgoing, &row, KEEP);
        take(outgoing, &row, KEEP);
        bool done = outgoing_finish(outgoing, &err);
        assert_int_equal(done, most > 22);
        if (!done) {
            assert_string_equal(err.code, ERR_INVALID_FILE);
            assert_non_null(strstr(err.message, "the service takes less than 22: split the file"));
        }
        outgoing_free(outgoing);
    }
}

static void an_input_that_has_become_shorter_is_an_error(void **state)
{
    (void)state;
    static const char text[] = "0123456789\nrow\n";
    struct csv_row row = row_at(text, 11, 3, 1);
    struct err err;
    err_clear(&err);
    int input = memfd_create("input", MFD_CLOEXEC);
    assert_true(write(input, text, 5) == 5);
    struct outgoing *outgoing =
        outgoing_new(&(struct outgoing_options){.input = input, .max_bytes = MOST}, &err);
    assert_non_null(outgoing);
    assert_true(outgoing_drop(outgoing, &row, &err));
    assert_true(outgoing_pending(outgoing));
    assert_false(outgoing_copy(outgoing, &err));
    assert_string_equal(err.code, ERR_FILE);
    outgoing_free(outgoing);
    close(input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_chance_are_kept_dropped_and_replaced),
        cmocka_unit_test(an_input_that_is_no_text_of_the_service_is_written_anew),
        cmocka_unit_test(more_than_the_service_takes_is_refused),
        cmocka_unit_test(an_input_that_has_become_shorter_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
