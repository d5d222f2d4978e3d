/* Names for files whose own are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/move_name.h"
#include "core/utf8.h"

#define NOW ((time_t)1795932902) /* 2026-11-29T06:15:02Z */

static void expect(const char *name, int nth, const char *wanted)
{
    char out[MOVE_NAME_SIZE];
    assert_true(move_name(name, nth, NOW, out));
    assert_string_equal(out, wanted);
    assert_memory_equal(out, name, move_name_kept(name));
}

static void the_time_stands_before_the_endings(void **state)
{
    (void)state;
    expect("orders.csv", 0, "orders.csv");
    expect("orders.csv", 1, "orders.20261129T061502Z.csv");
    expect("orders.csv", 12, "orders.20261129T061502Z-12.csv");
    expect("orders.csv.gz", 1, "orders.20261129T061502Z.csv.gz");
    expect("report.2026.csv", 1, "report.2026.20261129T061502Z.csv");
    expect("orders", 1, "orders.20261129T061502Z");
    expect(".gz", 1, ".gz.20261129T061502Z");
    expect("a.gz", 1, "a.20261129T061502Z.gz");
}

static void a_long_name_is_cut_between_characters(void **state)
{
    char name[NAME_MAX + 1], out[MOVE_NAME_SIZE];
    (void)state;
    for (int i = 0; i < 250; i += 2)
        memcpy(name + i, "\xC3\xA4", 2);
    strcpy(name + 250, ".csv");
    for (int nth = 0; nth < 1000; nth += 333) {
        assert_true(move_name(name, nth, NOW, out));
        assert_true(strlen(out) <= NAME_MAX);
        assert_true(utf8_valid(out, strlen(out), NULL));
        assert_string_equal(out + strlen(out) - 4, ".csv");
    }
}

static void an_ending_that_leaves_no_room_is_refused(void **state)
{
    char name[NAME_MAX + 1], out[MOVE_NAME_SIZE];
    (void)state;
    memset(name, 'x', NAME_MAX);
    name[1] = '.';
    name[NAME_MAX] = '\0';
    assert_true(move_name(name, 0, NOW, out));
    assert_false(move_name(name, 1, NOW, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_time_stands_before_the_endings), cmocka_unit_test(a_long_name_is_cut_between_characters),
        cmocka_unit_test(an_ending_that_leaves_no_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
