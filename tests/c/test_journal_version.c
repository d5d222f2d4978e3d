/* Journals of other versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/c/journaling.h"

static void change_file(const char *text)
{
    struct err e;
    err_clear(&e);
    sqlite3 *db = sql_open_any(database, &e);
    assert_non_null(db);
    assert_true(sql_exec(db, text, &e));
    sqlite3_close(db);
}

static void a_newer_version_is_refused_and_not_changed(void **unused)
{
    (void)unused;
    make_with_runs(2);
    change_file("PRAGMA user_version = 99");
    const char *message = opening_refused(ERR_CONFIG);
    assert_non_null(strstr(message, "version 99"));
    assert_non_null(strstr(message, "newer upjob"));
    change_file("PRAGMA user_version = 1");
    struct journal *j = open_journal();
    assert_string_equal(ids(j, "{}"), "2,1");
    journal_close(j);
}

static void another_programs_database_is_refused(void **unused)
{
    (void)unused;
    make_with_runs(0);
    change_file("PRAGMA application_id = 7");
    assert_non_null(strstr(opening_refused(ERR_CONFIG), "no journal of upjob"));
}

/* As if there were a version 3 by now. */
static const struct migration steps[] = {{1, "ALTER TABLE run ADD COLUMN color TEXT; UPDATE run SET color = 'red'"},
                                         {2, "ALTER TABLE run ADD COLUMN shade TEXT; UPDATE run SET shade = color || '!'"},
                                         {0, NULL}};

static const char *one_value(const char *path, const char *query)
{
    static char value[64];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    snprintf(value, sizeof value, "%s", sql_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

static void an_older_version_is_copied_before_it_is_changed(void **unused)
{
    (void)unused;
    const struct version third = {3, steps};
    char copy[PATH_MAX + 64];
    struct err e;
    err_clear(&e);
    make_with_runs(2);
    assert_true(journal_check_version(database, &third, true, copy, sizeof copy, &e));
    assert_string_equal(one_value(database, "PRAGMA user_version"), "3");
    assert_string_equal(one_value(database, "SELECT shade FROM run WHERE id = 2"), "red!");
    assert_non_null(strstr(copy, "/journal.db.version-1-"));
    assert_string_equal(one_value(copy, "PRAGMA user_version"), "1");
    assert_string_equal(one_value(copy, "SELECT count(*) FROM run"), "2");
    assert_string_equal(one_value(copy, "SELECT count(*) FROM pragma_table_info('run') WHERE name = 'color'"), "0");
    assert_int_equal(mode_of(copy), 0600);
    assert_true(journal_check_version(database, &third, true, copy, sizeof copy, &e));
    assert_string_equal(copy, ""); /* it is of this version now */
}

static void a_change_of_version_that_fails_leaves_the_store_as_it_was(void **unused)
{
    (void)unused;
    static const struct migration bad[] = {
        {1, "ALTER TABLE run ADD COLUMN color TEXT"}, {2, "UPDATE nothing SET x = 1"}, {0, NULL}};
    const struct version third = {3, bad};
    char copy[PATH_MAX + 64];
    struct err e;
    err_clear(&e);
    make_with_runs(2);
    assert_false(journal_check_version(database, &third, true, copy, sizeof copy, &e));
    struct journal *j = open_journal();
    assert_string_equal(ids(j, "{}"), "2,1");
    assert_string_equal(one_value(database, "SELECT count(*) FROM pragma_table_info('run') WHERE name = 'color'"), "0");
    journal_close(j);
}

static void a_version_is_not_changed_under_a_process_that_uses_it(void **unused)
{
    (void)unused;
    const struct version third = {3, steps}, unknown = {3, steps + 1};
    char copy[PATH_MAX + 64];
    struct err e;
    err_clear(&e);
    make_with_runs(1);
    assert_false(journal_check_version(database, &third, false, copy, sizeof copy, &e));
    assert_true(err_is(&e, ERR_CONFIG) && strstr(e.message, "still uses it"));
    assert_false(journal_check_version(database, &unknown, true, copy, sizeof copy, &e));
    assert_true(err_is(&e, ERR_CONFIG) && strstr(e.message, "no longer knows"));
    assert_string_equal(one_value(database, "PRAGMA user_version"), "1");
    assert_string_equal(file_named("journal.db.version-"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_newer_version_is_refused_and_not_changed, make_home, remove_home),
        cmocka_unit_test_setup_teardown(another_programs_database_is_refused, make_home, remove_home),
        cmocka_unit_test_setup_teardown(an_older_version_is_copied_before_it_is_changed, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_change_of_version_that_fails_leaves_the_store_as_it_was, make_home, remove_home),
        cmocka_unit_test_setup_teardown(a_version_is_not_changed_under_a_process_that_uses_it, make_home, remove_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
