/* What a file is: as spreadsheets write it, damaged, put together, compressed, empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/input_examine.h"
#include "core/utf8.h"
#include "tests/c/inputting.h"

#define MOST ((size_t)256 << 20)

struct examined {
    struct input *input;
    struct input_examination *examination;
    const struct input_facts *facts;
    int fd;
};

static struct examined examine(const char *bytes, size_t len, const char *encoding)
{
    struct err err;
    struct examined it = {.fd = file_with(bytes, len)};
    enum input_status status;
    err_clear(&err);
    it.input = input_open_fd(it.fd, "t.csv", NULL, &err);
    it.examination = input_examine_new(it.input, encoding, 0, &err);
    if (!it.examination)
        fail_msg("%s", err.message);
    while ((status = input_examine_step(it.examination, 1, &err)) == INPUT_MORE)
        ;
    if (status != INPUT_DONE)
        fail_msg("%s", err.message);
    it.facts = input_examine_facts(it.examination);
    return it;
}
#define EXAMINE(text) examine(text, sizeof(text) - 1, NULL)

static void done_with(struct examined *it)
{
    input_examine_free(it->examination);
    input_close(it->input);
    close(it->fd);
}

static void require_text(struct examined *it, const char *text)
{
    struct buf found;
    struct err err;
    buf_init(&found, MOST);
    assert_true(input_read_as(it->input, it->facts, 0, NULL, &err));
    if (!read_all(it->input, 0, &found, &err))
        fail_msg("%s", err.message);
    if (found.len != strlen(text) || memcmp(found.data, text, found.len) != 0)
        fail_msg("\"%s\" instead of \"%s\"", found.data, text);
    buf_free(&found);
}

static void require_sample(const struct input_facts *facts, size_t i, long line, const char *before, const char *after)
{
    const struct input_sample *sample = &facts->samples[i];
    assert_true(i < facts->sample_count);
    assert_int_equal(sample->line, line);
    if (sample->before_len != strlen(before) || memcmp(sample->before, before, sample->before_len) != 0)
        fail_msg("before: \"%.*s\"", (int)sample->before_len, sample->before);
    if (sample->after_len != strlen(after) || memcmp(sample->after, after, sample->after_len) != 0)
        fail_msg("after: \"%.*s\"", (int)sample->after_len, sample->after);
}

static void utf8_is_left_as_it_is(void **state)
{
    (void)state;
    struct examined it = EXAMINE("Id,Name\n1,Jos\u00E9\n2,\u4E2D\u6587\n");
    const struct input_facts *facts = it.facts;
    struct err err;
    assert_string_equal(facts->encoding, "UTF-8");
    assert_int_equal(facts->confidence, 100);
    assert_false(facts->converted || facts->guessed || facts->mixed || facts->had_mark);
    assert_int_equal(facts->invalid, 0);
    assert_int_equal(facts->lines, 3);
    assert_int_equal(facts->text.lf, 3);
    assert_int_equal(facts->text.multibyte, 3);
    assert_int_equal(facts->sample_count, 0);
    assert_int_equal(facts->shape.delimiter, ',');
    assert_int_equal(facts->bytes, facts->file_bytes);
    assert_true(input_accept(it.input, facts, true, &err));
    require_text(&it, "Id,Name\n1,Jos\u00E9\n2,\u4E2D\u6587\n");
    done_with(&it);
}

static void a_byte_order_mark_is_told(void **state)
{
    (void)state;
    struct examined it = EXAMINE("\uFEFFId;Name\r\n1;Ann");
    struct err err;
    err_clear(&err);
    assert_true(it.facts->had_mark);
    assert_false(it.facts->converted);
    assert_int_equal(it.facts->shape.delimiter, ';');
    assert_int_equal(it.facts->shape.columns, 2);
    assert_int_equal(it.facts->text.crlf, 1);
    assert_int_equal(it.facts->lines, 2);
    assert_true(input_accept(it.input, it.facts, false, &err));
    assert_false(input_accept(it.input, it.facts, true, &err));
    assert_non_null(strstr(err.message, "byte-order mark"));
    done_with(&it);
}

/* "Unicode text" of a spreadsheet, with and without its mark. */
static void utf16_with_tabs_is_converted(void **state)
{
    (void)state;
    static const char bytes[] = "\xFF\xFEI\0d\0\t\0N\0\r\0\n\0" "1\0\t\0\xE9\0\r\0\n\0" "2\0\t\0-N\r\0\n\0";
    for (size_t from = 0; from <= 2; from += 2) {
        struct examined it = examine(bytes + from, sizeof bytes - 1 - from, NULL);
        assert_string_equal(it.facts->encoding, "UTF-16LE");
        assert_int_equal(it.facts->had_mark, from == 0);
        assert_int_equal(it.facts->confidence, from == 0 ? 100 : 90);
        assert_true(it.facts->converted);
        assert_int_equal(it.facts->shape.delimiter, '\t');
        assert_int_equal(it.facts->text.crlf, 3);
        assert_int_equal(it.facts->text.nuls, 0);
        assert_int_equal(it.facts->lines, 3);
        assert_int_equal(it.facts->sample_count, 2);
        require_sample(it.facts, 0, 2, "", "1\t\u00E9");
        require_sample(it.facts, 1, 3, "", "2\t\u4E2D");
        require_text(&it, "Id\tN\r\n1\t\u00E9\r\n2\t\u4E2D\r\n");
        done_with(&it);
    }
}

static void windows_1252_with_semicolons_and_decimal_commas_is_converted_with_samples(void **state)
{
    (void)state;
    struct examined it = EXAMINE("Id;Name;Betrag\r\n1;J\xFCrgen;1,50\r\n2;Ann;2,75\r\n3;Ren\xE9 \x80;\x84x\x93\r\n"
                                 "4;M\xFCller;3\r\n5;Gr\xF6\xDF" "e;4\r\n");
    struct err err;
    err_clear(&err);
    assert_string_equal(it.facts->encoding, "windows-1252");
    assert_true(it.facts->guessed && it.facts->converted);
    assert_true(it.facts->confidence >= 60);
    assert_int_equal(it.facts->shape.delimiter, ';');
    assert_int_equal(it.facts->shape.columns, 3);
    assert_int_equal(it.facts->lines, 6);
    assert_int_equal(it.facts->invalid, 0);
    assert_int_equal(it.facts->sample_count, 3);
    require_sample(it.facts, 0, 2, "1;J\xFCrgen;1,50", "1;J\u00FCrgen;1,50");
    require_sample(it.facts, 1, 4, "3;Ren\xE9 \x80;\x84x\x93", "3;Ren\u00E9 \u20AC;\u201Ex\u201C");
    require_sample(it.facts, 2, 5, "4;M\xFCller;3", "4;M\u00FCller;3");
    require_text(&it, "Id;Name;Betrag\r\n1;J\u00FCrgen;1,50\r\n2;Ann;2,75\r\n3;Ren\u00E9 \u20AC;\u201Ex\u201C\r\n"
                      "4;M\u00FCller;3\r\n5;Gr\u00F6\u00DFe;4\r\n");
    assert_false(input_accept(it.input, it.facts, true, &err));
    assert_non_null(strstr(err.message, "probably windows-1252"));
    done_with(&it);
}

static void lines_that_end_with_cr_are_lines(void **state)
{
    (void)state;
    struct examined it = EXAMINE("Id,Name\r1,J\x9Frgen\r2,Ren\x8E\r");
    assert_string_equal(it.facts->encoding, "macintosh");
    assert_int_equal(it.facts->text.cr, 3);
    assert_int_equal(it.facts->text.lf, 0);
    assert_int_equal(it.facts->lines, 3);
    require_sample(it.facts, 1, 3, "2,Ren\x8E", "2,Ren\u00E9");
    done_with(&it);
}

/* A byte that the guessed set does not have is counted; it is not made up. */
static void what_the_guessed_set_does_not_have_is_counted(void **state)
{
    (void)state;
    struct examined it = EXAMINE("Id,Name\n1,J\xFCrgen M\xFCller\n2,Ren\xE9\n3,Fran\xE7ois\n4,Andr\xE9 \x81\n");
    assert_string_equal(it.facts->encoding, "windows-1252");
    assert_int_equal(it.facts->invalid, 1);
    require_text(&it, "Id,Name\n1,J\u00FCrgen M\u00FCller\n2,Ren\u00E9\n3,Fran\u00E7ois\n4,Andr\u00E9 \xFF\n");
    done_with(&it);
}

/* Converting it would make "JosÃ©" of "José" in every row but one. */
static void utf8_with_a_few_wrong_bytes_is_damaged_utf8(void **state)
{
    (void)state;
    struct examined it = EXAMINE("Id,Name\n1,Jos\u00E9\n2,M\u00FCller\n3,Ren\xE9\n4,Gr\u00F6\u00DFe\n");
    struct err err;
    err_clear(&err);
    assert_string_equal(it.facts->encoding, "UTF-8");
    assert_false(it.facts->converted || it.facts->mixed);
    assert_int_equal(it.facts->invalid, 1);
    assert_int_equal(it.facts->first_invalid, 4);
    assert_string_equal(it.facts->alternative, "windows-1252");
    assert_int_equal(it.facts->confidence, 80);
    require_sample(it.facts, 0, 4, "3,Ren\xE9", "");
    require_text(&it, "Id,Name\n1,Jos\u00E9\n2,M\u00FCller\n3,Ren\xE9\n4,Gr\u00F6\u00DFe\n");
    assert_true(input_accept(it.input, it.facts, false, &err));
    assert_false(input_accept(it.input, it.facts, true, &err));
    assert_int_equal(err.line, 4);
    done_with(&it);
}

static void a_file_with_a_utf8_mark_is_utf8_however_damaged(void **state)
{
    (void)state;
    struct examined it = EXAMINE("\uFEFFId\n\xE9\n\xFC\n\xE8\n\xF6\n");
    assert_string_equal(it.facts->encoding, "UTF-8");
    assert_int_equal(it.facts->invalid, 4);
    assert_int_equal(it.facts->first_invalid, 2);
    done_with(&it);
}

/* A hundred rows of Windows-1252 and two of UTF-8: whatever is converted, some are wrong. */
static void files_that_were_put_together_are_told(void **state)
{
    (void)state;
    struct buf bytes;
    buf_init(&bytes, MOST);
    buf_adds(&bytes, "Id,Name\n");
    for (int i = 0; i < 100; i++)
        buf_addf(&bytes, "%d,M\xFCller\n", i);
    buf_adds(&bytes, "100,Jos\u00E9\n101,Ren\u00E9\n");
    struct examined it = examine(bytes.data, bytes.len, NULL);
    struct err err;
    assert_true(it.facts->mixed);
    assert_false(it.facts->converted);
    assert_string_equal(it.facts->encoding, "UTF-8");
    assert_string_equal(it.facts->alternative, "windows-1252");
    assert_int_equal(it.facts->invalid, 100);
    assert_false(input_accept(it.input, it.facts, true, &err));
    assert_non_null(strstr(err.message, "different character sets"));
    done_with(&it);
    /* Told what it is, it is that. */
    it = examine(bytes.data, bytes.len, "cp1252");
    assert_string_equal(it.facts->encoding, "windows-1252");
    assert_false(it.facts->mixed || it.facts->guessed);
    done_with(&it);
    buf_free(&bytes);
}

/* Nothing is decided by the first block alone. */
static void a_wrong_byte_far_behind_is_found_with_its_line(void **state)
{
    (void)state;
    struct buf bytes;
    buf_init(&bytes, MOST);
    buf_adds(&bytes, "Id,Name\n");
    for (int i = 0; i < 400000; i++)
        buf_addf(&bytes, "%d,%s\n", i, i == 399998 ? "Ren\xE9" : i == 200 ? "Jos\u00E9" : "Ann");
    struct examined it = examine(bytes.data, bytes.len, NULL);
    assert_int_equal(it.facts->lines, 400001);
    assert_int_equal(it.facts->first_invalid, 400000);
    assert_int_equal(it.facts->invalid, 1);
    require_sample(it.facts, 0, 400000, "399998,Ren\xE9", "");
    done_with(&it);
    buf_free(&bytes);
}

/* A character, a line end, a line may stand across the blocks that are looked at. */
static void what_stands_across_blocks_is_seen_whole(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        struct buf bytes;
        buf_init(&bytes, MOST);
        while (bytes.len < ((size_t)256 << 10) - 12 + shift)
            buf_addc(&bytes, 'x'); /* one long line */
        buf_adds(&bytes, "\u20AC\u20AC\u20AC\r\nRen\u00E9\r\n");
        struct examined it = examine(bytes.data, bytes.len, NULL);
        assert_int_equal(it.facts->invalid, 0);
        assert_int_equal(it.facts->text.multibyte, 4);
        assert_int_equal(it.facts->text.crlf, 2);
        assert_int_equal(it.facts->lines, 2);
        done_with(&it);
        buf_free(&bytes);
    }
}

static void a_sample_of_a_long_line_is_the_piece_around_what_is_converted(void **state)
{
    (void)state;
    struct buf bytes;
    buf_init(&bytes, MOST);
    for (int i = 0; i < 1000; i++)
        buf_adds(&bytes, "plain,");
    buf_adds(&bytes, "M\xFCller,");
    for (int i = 0; i < 100; i++)
        buf_adds(&bytes, "more,");
    buf_adds(&bytes, "\n");
    struct examined it = examine(bytes.data, bytes.len, NULL);
    const struct input_sample *sample = &it.facts->samples[0];
    assert_int_equal(it.facts->sample_count, 1);
    assert_true(it.facts->confidence > 50); /* it is judged by that piece, too */
    assert_in_range(sample->before_len, 60, INPUT_SAMPLE);
    assert_true(utf8_valid(sample->after, sample->after_len, NULL));
    assert_non_null(memmem(sample->after, sample->after_len, "M\u00FCller", 7));
    assert_memory_equal(sample->before, "plain,", 6);
    done_with(&it);
    buf_free(&bytes);
}

static void compressed_files_are_looked_at_unpacked(void **state)
{
    (void)state;
    static const char text[] = "Id;Name\n1;M\xFCller\n";
    for (int i = 0; i < 2; i++) {
        struct buf bytes;
        buf_init(&bytes, MOST);
        (i == 0 ? add_gzip : add_zstd)(&bytes, text, sizeof text - 1);
        struct examined it = examine(bytes.data, bytes.len, NULL);
        assert_int_equal(it.facts->compression, i == 0 ? INPUT_GZIP : INPUT_ZSTD);
        assert_string_equal(it.facts->encoding, "windows-1252");
        assert_int_equal(it.facts->bytes, sizeof text - 1);
        assert_int_equal(it.facts->file_bytes, bytes.len);
        assert_int_equal(it.facts->shape.delimiter, ';');
        require_text(&it, "Id;Name\n1;M\u00FCller\n");
        done_with(&it);
        buf_free(&bytes);
    }
}

static void empty_files_and_nul_bytes_are_told_as_they_are(void **state)
{
    (void)state;
    struct examined it = examine("", 0, NULL);
    assert_string_equal(it.facts->encoding, "UTF-8");
    assert_int_equal(it.facts->lines, 0);
    assert_false(it.facts->shape.known);
    done_with(&it);
    it = EXAMINE("Id,Name\n1,A\0nn\n2,Bob\n");
    assert_string_equal(it.facts->encoding, "UTF-8");
    assert_int_equal(it.facts->text.nuls, 1);
    done_with(&it);
}

static void a_sep_line_is_no_header(void **state)
{
    (void)state;
    static const char *const files[] = {"\uFEFFsep=;\r\nId;Name\r\n1;Ann\r\n", "sep=;\r\nId;Name\r\n1;Ann\r\n"};
    for (size_t i = 0; i < 2; i++) {
        struct examined it = examine(files[i], strlen(files[i]), NULL);
        struct csv_options options = {0};
        const struct csv_row *row;
        struct err err;
        err_clear(&err);
        assert_int_equal(it.facts->shape.sep_line, 7);
        assert_true(input_read_as(it.input, it.facts, 0, &options, &err));
        struct csv_reader *reader = csv_reader_new(input_read, it.input, "t.csv", &options, &err);
        assert_true(csv_reader_header(reader, &row, &err));
        assert_int_equal(row->count, 2);
        assert_int_equal(row->line, 2);
        assert_memory_equal(csv_cell(row, 0).data, "Id", 2);
        assert_int_equal(csv_reader_next(reader, &row, &err), CSV_ROW);
        assert_int_equal(row->line, 3);
        assert_memory_equal(files[i] + row->offset, "1;Ann", 5);
        csv_reader_free(reader);
        done_with(&it);
    }
}

static void a_damaged_file_is_an_error(void **state)
{
    (void)state;
    struct buf bytes;
    struct err err;
    err_clear(&err);
    buf_init(&bytes, MOST);
    add_gzip(&bytes, "Id,Name\n1,Ann\n", 14);
    int fd = file_with(bytes.data, bytes.len - 5);
    struct input *input = input_open_fd(fd, "t.csv.gz", NULL, &err);
    struct input_examination *examination = input_examine_new(input, NULL, 0, &err);
    assert_int_equal(input_examine_step(examination, 1 << 20, &err), INPUT_FAILED);
    assert_string_equal(err.file, "t.csv.gz");
    assert_non_null(strstr(err.message, "cut off"));
    input_examine_free(examination);
    assert_null(input_examine_new(input, "no-such-set", 0, &err));
    assert_true(err_is(&err, ERR_USAGE));
    input_close(input);
    close(fd);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_left_as_it_is),
        cmocka_unit_test(a_byte_order_mark_is_told),
        cmocka_unit_test(utf16_with_tabs_is_converted),
        cmocka_unit_test(windows_1252_with_semicolons_and_decimal_commas_is_converted_with_samples),
        cmocka_unit_test(lines_that_end_with_cr_are_lines),
        cmocka_unit_test(what_the_guessed_set_does_not_have_is_counted),
        cmocka_unit_test(utf8_with_a_few_wrong_bytes_is_damaged_utf8),
        cmocka_unit_test(a_file_with_a_utf8_mark_is_utf8_however_damaged),
        cmocka_unit_test(files_that_were_put_together_are_told),
        cmocka_unit_test(a_wrong_byte_far_behind_is_found_with_its_line),
        cmocka_unit_test(what_stands_across_blocks_is_seen_whole),
        cmocka_unit_test(a_sample_of_a_long_line_is_the_piece_around_what_is_converted),
        cmocka_unit_test(compressed_files_are_looked_at_unpacked),
        cmocka_unit_test(empty_files_and_nul_bytes_are_told_as_they_are),
        cmocka_unit_test(a_sep_line_is_no_header),
        cmocka_unit_test(a_damaged_file_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
