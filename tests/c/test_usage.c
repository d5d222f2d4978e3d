/* What this process uses, beside what the system says of it in other ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/usage.h"

static void figures_are_those_of_this_process(void **state)
{
    (void)state;
    struct usage before, after;
    struct rlimit limit;
    assert_true(usage_read(&before));
    assert_true(before.resident_bytes > 100000 && before.virtual_bytes >= before.resident_bytes);
    assert_true(before.started_at <= (double)time(NULL) + 2 && before.started_at > (double)time(NULL) - 3600);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(before.most_files == (double)limit.rlim_cur || limit.rlim_cur == RLIM_INFINITY);

    enum { SIZE = 32 << 20 };
    char *memory = malloc(SIZE);
    int fd = dup(STDOUT_FILENO);
    assert_non_null(memory);
    memset(memory, 1, SIZE);
    while (clock() < CLOCKS_PER_SEC / 10)
        memory[clock() % SIZE]++;
    assert_true(usage_read(&after));
    assert_int_equal(after.open_files, before.open_files + 1);
    assert_true(after.resident_bytes >= before.resident_bytes + SIZE / 2);
    assert_true(after.cpu_seconds >= 0.05);
    close(fd);
    free(memory);
}

static void a_name_with_brackets_and_spaces_confuses_nothing(void **state)
{
    (void)state;
    struct usage usage;
    assert_int_equal(prctl(PR_SET_NAME, "a) R 1 (b"), 0);
    assert_true(usage_read(&usage));
    assert_true(usage.resident_bytes > 100000 && usage.resident_bytes < (uint64_t)1 << 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_this_process),
        cmocka_unit_test(a_name_with_brackets_and_spaces_confuses_nothing),
    };
    return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
