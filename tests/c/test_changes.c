/* What has changed since the last import of a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/keyset.h"
#include "tests/c/checking.h"

static char before[96], staged[96];

static int make_sets_dir(void **state)
{
    int made = make_dir(state);
    snprintf(before, sizeof before, "%s/before", dir);
    snprintf(staged, sizeof staged, "%s/staged", dir);
    return made;
}

static int remove_sets_dir(void **state)
{
    unlink(before);
    unlink(staged);
    return remove_dir(state);
}

static struct changes *changes_of(const struct changes_options *options)
{
    struct err err;
    struct changes *changes = changes_new(options, &err);
    assert_non_null(changes);
    return changes;
}

/* A check of the next file of some; the check has its own hold. */
static struct check *compare_next(struct changes *changes)
{
    struct check_options options = usual();
    options.plan.changes = changes;
    options.plan.reject = true;
    return run(&options);
}

static struct check *compare_with(const struct changes_options *options)
{
    struct changes *changes = changes_of(options);
    struct check *check = compare_next(changes);
    changes_free(changes);
    return check;
}

/* A check with the set of `from` (NULL: none) that writes another. */
static struct check *compare(const char *from, const char *to)
{
    return compare_with(&(struct changes_options){
        .before = from, .staged = to, .due_before = 100, .expires = 200, .directory = dir});
}

static struct check *select_rows(struct rowset *rows)
{
    struct check_options options = usual();
    options.plan.reject = true;
    options.plan.select = rows;
    return run(&options);
}

static const struct changes_counts *counts_of(const struct check *check)
{
    assert_false(check_result(check)->fatal);
    return check_result(check)->changes;
}

static void expect(const struct check *check, struct changes_counts expected)
{
    assert_memory_equal(counts_of(check), &expected, sizeof expected);
}

/* The set becomes the one before. */
static void take(const char *data, size_t len)
{
    unlink(staged);
    write_input(data, len);
    struct check *check = compare(NULL, staged);
    assert_false(check_result(check)->fatal);
    check_free(check);
    assert_int_equal(rename(staged, before), 0);
}

/* So many rows of customers with another note each; every `one`th row is of the key 1. */
static void write_customers(size_t rows, size_t one, size_t changed)
{
    FILE *file = fopen(input, "w");
    assert_non_null(file);
    fputs(HEADER, file);
    for (size_t i = 2; i < rows + 2; i++)
        fprintf(file, "%zu,%zu@example.com,%s,\n", i % one == 0 ? 1 : i, i, i == changed ? "other" : "same");
    assert_int_equal(fclose(file), 0);
}

static void a_key_with_many_rows_is_not_compared_by_all_of_them(void **state)
{
    (void)state;
    const size_t rows = 10000, keys = 5001, of_one = 5000;
    write_customers(rows, 2, 0);
    struct check *check = compare(NULL, staged);
    expect(check, (struct changes_counts){.new = keys, .rows = rows});
    check_free(check);
    assert_int_equal(rename(staged, before), 0);
    check = compare(before, NULL);
    expect(check, (struct changes_counts){.same = keys});
    check_free(check);
    /* One of its rows is another, in turn in each piece that is kept of them, and the last. */
    for (size_t changed = 2; changed <= rows; changed = changed + 1998 > rows && changed < rows ? rows : changed + 1998) {
        write_customers(rows, 2, changed);
        check = compare(before, NULL);
        expect(check, (struct changes_counts){.changed = 1, .same = keys - 1, .rows = of_one});
        struct rowset *chosen = changes_take_rows(check_changes(check), 0);
        check_free(check);
        check = select_rows(chosen);
        assert_false(check_result(check)->fatal);
        assert_int_equal(check_result(check)->rows, of_one);
        assert_int_equal(check_result(check)->passed_over, rows - of_one);
        check_free(check);
        rowset_free(chosen);
    }
}

static void rows_in_another_order_are_the_same(void **state)
{
    (void)state;
    take(DATA(HEADER "1,a@b.com,x,\n2,c@d.com,,\n1,a@b.com,y,\n"));
    write_input(DATA(HEADER "2,c@d.com,,\n1,a@b.com,x,\n1,a@b.com,y,\n"));
    struct check *check = compare(before, NULL);
    expect(check, (struct changes_counts){.same = 2});
    check_free(check);
    write_input(DATA(HEADER "1,a@b.com,y,\n1,a@b.com,x,\n2,c@d.com,,\n"));
    check = compare(before, NULL);
    expect(check, (struct changes_counts){.changed = 1, .same = 1, .rows = 2});
    check_free(check);
    /* What stands in one cell is not what stands in two. */
    write_input(DATA(HEADER "1,a@b.com,xy,\n1,a@b.com,,\n2,c@d.com,,\n"));
    check = compare(before, NULL);
    expect(check, (struct changes_counts){.changed = 1, .same = 1, .rows = 2});
    check_free(check);
}

static void columns_that_are_not_mapped_change_a_row(void **state)
{
    (void)state;
    take(DATA(HEADER "1,a@b.com,x,one\n"));
    write_input(DATA("Extra,Note,Email,Id\nother,x,\"a@b.com\",1\n"));
    struct check *check = compare(before, NULL);
    expect(check, (struct changes_counts){.same = 1});
    check_free(check);
}

static void a_rejected_row_makes_its_key_gone_or_new(void **state)
{
    (void)state;
    take(DATA(HEADER "1,a@b.com,x,\n2,c@d.com,,\n"));
    write_input(DATA(HEADER "1,,x,\n3,,,\n"));
    struct check *check = compare(before, staged);
    expect(check, (struct changes_counts){.held = 1, .gone = 1});
    check_free(check);
    assert_int_equal(rename(staged, before), 0);
    /* It has kept what it had. */
    write_input(DATA(HEADER "1,a@b.com,x,\n3,c@d.com,,\n"));
    check = compare(before, NULL);
    expect(check, (struct changes_counts){.new = 1, .same = 1, .rows = 1});
    check_free(check);
}

static void a_set_of_no_keys_is_none(void **state)
{
    (void)state;
    take(DATA(HEADER "1,,x,\n"));
    write_input(DATA(HEADER "1,a@b.com,x,\n"));
    struct check *check = compare(before, NULL);
    expect(check, (struct changes_counts){.new = 1, .rows = 1});
    check_free(check);
}

static void what_expires_is_sent_too_late(void **state)
{
    (void)state;
    const char data[] = HEADER "1,a@b.com,x,\n";
    unlink(staged);
    write_input(data, sizeof data - 1);
    check_free(compare_with(&(struct changes_options){.staged = staged, .expires = 100}));
    assert_int_equal(rename(staged, before), 0);
    for (int64_t due_before = 99; due_before <= 101; due_before++) {
        struct check *check =
            compare_with(&(struct changes_options){.before = before, .due_before = due_before, .expires = 200});
        bool due = due_before > 100;
        expect(check, (struct changes_counts){.due = due, .same = !due, .rows = due});
        check_free(check);
    }
    /* What is not sent keeps its own; what is sent gets the new one. */
    for (int64_t due_before = 50; due_before <= 150; due_before += 100) {
        struct err err;
        struct keyset_record record;
        check_free(compare_with(
            &(struct changes_options){.before = before, .staged = staged, .due_before = due_before, .expires = 200}));
        struct keyset_reader *reader = keyset_reader_open(staged, &err);
        assert_non_null(reader);
        assert_int_equal(keyset_next(reader, &record, &err), KEYSORT_ENTRY);
        assert_int_equal(record.expires, due_before == 50 ? 100 : 200);
        keyset_reader_free(reader);
        unlink(staged);
    }
}

static void damage_makes_rows_new(void **state)
{
    (void)state;
    struct stat info;
    write_customers(2000, 3, 0);
    struct check *check = compare(NULL, staged);
    struct changes_counts all = *counts_of(check);
    check_free(check);
    assert_int_equal(rename(staged, before), 0);
    assert_int_equal(stat(before, &info), 0);
    int fd = open(before, O_RDWR | O_CLOEXEC);
    for (off_t at = 0; at < info.st_size; at += at < 400 ? 7 : 1999) {
        unsigned char was, now;
        assert_int_equal(pread(fd, &was, 1, at), 1);
        now = was ^ 0x40;
        assert_int_equal(pwrite(fd, &now, 1, at), 1);
        check = compare(before, staged);
        const struct check_result *result = check_result(check);
        if (result->fatal) {
            assert_string_equal(result->err.code, ERR_FILE);
            assert_null(strstr(result->err.message, "example.com"));
            assert_int_equal(access(staged, F_OK), -1);
        } else {
            /* The texts are not read. */
            assert_int_equal(counts_of(check)->same, all.new);
            unlink(staged);
        }
        check_free(check);
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    close(fd);
}

/* Every size that a file may reach before the disk is full. */
static void a_full_disk_is_not_told(void **state)
{
    (void)state;
    struct rlimit limit, small;
    struct stat info;
    write_customers(6000, 2, 0);
    struct check *check = compare(NULL, staged);
    check_free(check);
    assert_int_equal(rename(staged, before), 0);
    assert_int_equal(stat(before, &info), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    for (off_t room = 0; room < info.st_size; room += room < 2000 ? 250 : 7001) {
        small = limit;
        small.rlim_cur = (rlim_t)room;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        check = compare(before, staged);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_true(check_result(check)->fatal);
        assert_string_equal(check_result(check)->err.code, ERR_SYSTEM);
        assert_null(check_result(check)->changes);
        assert_int_equal(access(staged, F_OK), -1);
        assert_null(changes_take_rows(check_changes(check), 0));
        check_free(check);
    }
    check = compare(before, staged);
    assert_false(check_result(check)->fatal);
    check_free(check);
    unlink(staged);
}

static void a_check_that_is_given_up_leaves_its_set(void **state)
{
    (void)state;
    struct err err;
    struct check_options options = usual();
    struct changes *changes = changes_of(&(struct changes_options){.staged = staged});
    options.plan.changes = changes;
    write_customers(20000, 2, 0);
    struct check *check = check_new(&options, &err);
    assert_non_null(check);
    while (access(staged, F_OK) != 0)
        assert_true(check_slice(check));
    check_free(check);
    assert_int_equal(access(staged, F_OK), -1);
    /* Nothing can be found out by the files that are left. */
    check = compare_next(changes);
    assert_true(check_result(check)->fatal);
    assert_string_equal(check_result(check)->err.code, ERR_USAGE);
    check_free(check);
    changes_free(changes);
}

/* A key of ten thousand rows is spilled; its rows are in three files, and lines of no file are those of another. */
static void rows_of_one_key_in_several_files_are_compared_by_one_of_them(void **state)
{
    (void)state;
    const size_t rows[] = {3001, 64, 2500};
    const struct changes_options first = {.staged = staged, .files = 3, .directory = dir};
    const struct changes_options then = {.before = before, .files = 3, .directory = dir};
    for (size_t changed = 0; changed <= 3; changed++) {
        struct changes *changes = changes_of(changed == 0 ? &first : &then);
        struct check *checks[3];
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(changes_files(changes), i);
            assert_null(changes_counts(changes));
            write_customers(rows[i], 2, i + 1 == changed ? 4 : 0);
            checks[i] = compare_next(changes);
            assert_false(check_result(checks[i])->fatal);
            assert_int_equal(check_result(checks[i])->changes != NULL, i == 2);
            check_free(checks[i]);
        }
        /* Line 5 has the key 1 in each. */
        const struct changes_counts *counts = changes_counts(changes);
        assert_int_equal(counts->new, changed == 0 ? 1501 : 0);
        assert_int_equal(counts->changed, changed > 0);
        for (size_t i = 0; i < 3; i++) {
            struct rowset *chosen = changes_take_rows(changes, i);
            assert_int_equal(chosen->lines, rows[i] + 2);
            assert_int_equal(chosen->rows, changed == 0 ? rows[i] : (rows[i] + 1) / 2);
            for (uint64_t line = 2; line <= rows[i] + 1; line++)
                assert_int_equal(rowset_has(chosen, line), changed == 0 || line % 2 == 0);
            assert_null(changes_take_rows(changes, i));
            rowset_free(chosen);
        }
        changes_free(changes);
        if (changed == 0)
            assert_int_equal(rename(staged, before), 0);
    }
}

static void a_file_after_the_last_one_is_compared(void **state)
{
    (void)state;
    struct changes *changes = changes_of(&(struct changes_options){.staged = staged});
    write_input(DATA(HEADER "1,a@b.com,x,\n"));
    check_free(compare_next(changes));
    assert_int_equal(changes_counts(changes)->new, 1);
    struct check *check = compare_next(changes);
    assert_true(check_result(check)->fatal);
    assert_string_equal(check_result(check)->err.code, ERR_USAGE);
    check_free(check);
    changes_free(changes);
    assert_int_equal(access(staged, F_OK), 0); /* what was found before is true */
    unlink(staged);
}

static void the_rows_of_a_part_are_those_of_its_neighbours(void **state)
{
    (void)state;
    struct err err;
    struct rowset *whole = rowset_new(64 * 4, dir, &err);
    assert_non_null(whole);
    for (uint64_t line = 0; line < 64 * 4; line += 3)
        rowset_add(whole, line);
    for (uint64_t base = 0; base < 64 * 4; base += 64) {
        struct rowset *part = rowset_part(whole, base, 63, &err);
        uint64_t rows = 0;
        assert_non_null(part);
        for (uint64_t line = 0; line < 128; line++) {
            assert_int_equal(rowset_has(part, line), line < 64 && (base + line) % 3 == 0);
            rows += rowset_has(part, line);
        }
        assert_int_equal(part->rows, rows);
        if (base == 64 * 3)
            rowset_free(whole); /* the part holds it */
        rowset_free(part);
    }
}

static void rows_are_sent_that_were_not_chosen(void **state)
{
    (void)state;
    struct err err;
    write_input(DATA(HEADER "1,a@b.com,\"x\ny\",\n2,c@d.com,,\n3,,,\n4,e@f.com,,"));
    for (unsigned chosen = 0; chosen < 16; chosen++) {
        static const uint64_t lines[] = {2, 4, 5, 6};
        static const char *const rows[] = {"1,a@b.com,\"x\ny\",\n", "2,c@d.com,,\n", "", "4,e@f.com,,"};
        struct rowset *set = rowset_new(6, dir, &err);
        struct stat info;
        char expected[256] = HEADER, *text;
        assert_non_null(set);
        assert_int_equal(stat(input, &info), 0);
        file_identity_of(&info, &set->identity);
        for (unsigned i = 0; i < 4; i++)
            if (chosen >> i & 1) {
                rowset_add(set, lines[i]);
                strcat(expected, rows[i]);
            }
        struct check *check = select_rows(set);
        rowset_free(set); /* the check has its own hold */
        const struct check_result *result = check_result(check);
        assert_false(result->fatal);
        assert_int_equal(result->rows, (unsigned)__builtin_popcount(chosen));
        assert_int_equal(result->bad_rows, chosen >> 2 & 1);
        int fd = check_take_outgoing(check);
        text = fd >= 0 ? read_fd(fd) : read_path(input);
        if (fd >= 0)
            close(fd);
        assert_string_equal(text, expected);
        free(text);
        check_free(check);
    }
}

static void chosen_rows_that_are_not_there_are_forgotten(void **state)
{
    (void)state;
    struct err err;
    struct stat info;
    struct rowset *set = rowset_new(6, dir, &err);
    assert_non_null(set);
    write_input(DATA(HEADER "1,a@b.com,\"x\ny\",\n2,c@d.com,,\n"));
    assert_int_equal(stat(input, &info), 0);
    file_identity_of(&info, &set->identity);
    rowset_add(set, 2);
    rowset_add(set, 3); /* no row begins there */
    struct check *check = select_rows(set);
    assert_true(check_result(check)->fatal);
    assert_string_equal(check_result(check)->err.code, ERR_USAGE);
    assert_int_equal(check_result(check)->outgoing_fd, -1);
    check_free(check);
    rowset_free(set);
}

static void a_line_that_is_not_there_is_in_the_set(void **state)
{
    (void)state;
    struct err err;
    struct rowset *set = rowset_new(200, dir, &err);
    assert_non_null(set);
    rowset_add(set, 201);
    rowset_add(set, UINT64_MAX);
    assert_int_equal(set->rows, 0);
    rowset_add(set, 200);
    rowset_add(set, 1);
    rowset_add(set, 64);
    rowset_add(set, 64);
    assert_int_equal(set->rows, 3);
    for (uint64_t line = 0; line < 300; line++)
        assert_int_equal(rowset_has(set, line), line == 1 || line == 64 || line == 200);
    rowset_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_with_many_rows_is_not_compared_by_all_of_them),
        cmocka_unit_test(rows_in_another_order_are_the_same),
        cmocka_unit_test(columns_that_are_not_mapped_change_a_row),
        cmocka_unit_test(a_rejected_row_makes_its_key_gone_or_new),
        cmocka_unit_test(a_set_of_no_keys_is_none),
        cmocka_unit_test(what_expires_is_sent_too_late),
        cmocka_unit_test(damage_makes_rows_new),
        cmocka_unit_test(a_full_disk_is_not_told),
        cmocka_unit_test(a_check_that_is_given_up_leaves_its_set),
        cmocka_unit_test(rows_of_one_key_in_several_files_are_compared_by_one_of_them),
        cmocka_unit_test(a_file_after_the_last_one_is_compared),
        cmocka_unit_test(the_rows_of_a_part_are_those_of_its_neighbours),
        cmocka_unit_test(rows_are_sent_that_were_not_chosen),
        cmocka_unit_test(chosen_rows_that_are_not_there_are_forgotten),
        cmocka_unit_test(a_line_that_is_not_there_is_in_the_set),
    };
    return cmocka_run_group_tests(tests, make_sets_dir, remove_sets_dir);
}
