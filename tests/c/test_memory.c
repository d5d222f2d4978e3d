/* The memory that scripts live in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

enum { OBJECTS = 500, TURNS = 200000, LONGEST = 1500 };

struct object {
    unsigned char *data;
    size_t size;
    unsigned char mark;
};

static void assert_marked(const struct object *object, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(object->data[i], object->mark);
}

static void resize(struct memory *memory, struct object *object, size_t size, unsigned char mark)
{
    size_t kept = size < object->size ? size : object->size;
    object->data = memory_alloc(memory, object->data, object->size, size);
    if (size == 0) {
        assert_null(object->data);
    } else {
        assert_non_null(object->data);
        assert_int_equal((uintptr_t)object->data % MEMORY_UNIT, 0);
        assert_marked(object, kept);
        memset(object->data, mark, size);
    }
    object->size = size;
    object->mark = mark;
}

static void objects_keep_what_is_in_them_while_others_come_and_go(void **state)
{
    static struct object objects[OBJECTS];
    struct memory memory = {0};
    uint32_t random = 1;
    (void)state;
    for (int turn = 0; turn < TURNS; turn++) {
        random = random * 1664525 + 1013904223;
        struct object *object = &objects[(random >> 8) % OBJECTS];
        size_t most = (random >> 4) % 4 == 0 ? LONGEST : 100;
        assert_marked(object, object->size);
        resize(&memory, object, (random >> 20) % most, (unsigned char)turn);
    }
    for (int i = 0; i < OBJECTS; i++)
        resize(&memory, &objects[i], 0, 0);
    memory_free_all(&memory);
}

static void freed_memory_is_used_again(void **state)
{
    struct memory memory = {0};
    (void)state;
    for (size_t size = 1; size <= MEMORY_UNIT * MEMORY_SIZES; size += 7) {
        struct memory_block *blocks = NULL;
        for (int turn = 0; turn < 20000; turn++) {
            void *object = memory_alloc(&memory, NULL, 4, size);
            assert_non_null(object);
            assert_null(memory_alloc(&memory, object, size, 0));
            if (turn == 0)
                blocks = memory.blocks;
            assert_ptr_equal(memory.blocks, blocks);
        }
    }
    memory_free_all(&memory);
    assert_null(memory.blocks);
}

static void nothing_is_given_for_nothing(void **state)
{
    struct memory memory = {0};
    (void)state;
    assert_null(memory_alloc(&memory, NULL, 0, 0));
    memory_free_all(&memory);
}

/* Lua relies on both: nothing is refused that makes an object smaller, and what was refused leaves the object as it was. */
static void the_limit_refuses_what_is_above_it_and_nothing_that_gives_back(void **state)
{
    struct memory memory = {.limit = 10000};
    (void)state;
    char *small = memory_alloc(&memory, NULL, 0, 100), *large = memory_alloc(&memory, NULL, 0, 9000);
    assert_non_null(small);
    assert_non_null(large);
    strcpy(large, "kept");
    assert_null(memory_alloc(&memory, NULL, 0, 901));
    assert_null(memory_alloc(&memory, large, 9000, 9901));
    assert_string_equal(large, "kept");
    assert_non_null(large = memory_alloc(&memory, large, 9000, 9900));
    assert_null(memory_alloc(&memory, NULL, 0, 1));
    assert_non_null(large = memory_alloc(&memory, large, 9900, 50));
    assert_string_equal(large, "kept");
    assert_int_equal(memory.used, 150);
    memory_alloc(&memory, small, 100, 0);
    memory_alloc(&memory, large, 50, 0);
    assert_int_equal(memory.used, 0);
    memory_free_all(&memory);
}

static void one_that_is_above_a_limit_that_was_lowered_can_be_made_smaller(void **state)
{
    struct memory memory = {0};
    (void)state;
    void *object = memory_alloc(&memory, NULL, 0, 5000);
    memory.limit = 1000;
    assert_non_null(object = memory_alloc(&memory, object, 5000, 4000));
    assert_null(memory_alloc(&memory, object, 4000, 4001));
    memory_alloc(&memory, object, 4000, 0);
    memory_free_all(&memory);
}

enum { STRING = 4, BUFFER = 0 }; /* what Lua says of a new object, and its auxiliary library of a buffer */

/* As Lua does: whether it had to collect, by which `garbage` is freed. */
static bool make(struct memory *memory, size_t size, void **garbage, size_t garbage_size, void **made)
{
    *made = memory_alloc(memory, NULL, STRING, size);
    if (*made)
        return false;
    if (*garbage)
        memory_alloc(memory, *garbage, garbage_size, 0);
    *garbage = NULL;
    assert_non_null(*made = memory_alloc(memory, NULL, STRING, size));
    return true;
}

static void garbage_is_collected_before_a_buffer_would_fail_for_it(void **state)
{
    struct memory memory = {0};
    void *garbage, *object;
    (void)state;
    memory_set_limit(&memory, 1000000);
    assert_non_null(garbage = memory_alloc(&memory, NULL, BUFFER, 700000));
    assert_true(make(&memory, 10, &garbage, 700000, &object));
    void *buffer = memory_alloc(&memory, NULL, BUFFER, 600000);
    assert_non_null(buffer);
    memory_alloc(&memory, buffer, 600000, 0);
    memory_alloc(&memory, object, 10, 0);
    memory_free_all(&memory);
}

static void garbage_is_collected_after_something_was_refused(void **state)
{
    struct memory memory = {0};
    void *garbage, *none = NULL, *objects[3];
    (void)state;
    memory_set_limit(&memory, 1000000);
    assert_non_null(garbage = memory_alloc(&memory, NULL, BUFFER, 600000));
    assert_true(make(&memory, 10, &none, 0, &objects[0]));
    assert_false(make(&memory, 10, &none, 0, &objects[1]));
    assert_null(memory_alloc(&memory, NULL, BUFFER, 600000));
    assert_true(make(&memory, 10, &garbage, 600000, &objects[2]));
    for (int i = 0; i < 3; i++)
        memory_alloc(&memory, objects[i], 10, 0);
    assert_int_equal(memory.used, 0);
    memory_free_all(&memory);
}

static void lua_is_not_made_to_collect_at_each_object_when_little_is_left(void **state)
{
    enum { SIZE = 100, MOST = 10000 };
    static void *objects[MOST];
    struct memory memory = {0};
    void *none = NULL;
    int count = 0, collections = 0;
    (void)state;
    memory_set_limit(&memory, SIZE * MOST);
    while (count < MOST)
        collections += make(&memory, SIZE, &none, 0, &objects[count++]);
    assert_in_range(collections, 3, 100);
    assert_null(memory_alloc(&memory, NULL, STRING, SIZE));
    assert_null(memory_alloc(&memory, NULL, STRING, SIZE));
    while (count > 0)
        memory_alloc(&memory, objects[--count], SIZE, 0);
    memory_free_all(&memory);
}

static void what_is_used_is_known_after_objects_came_and_went(void **state)
{
    static void *objects[OBJECTS];
    static size_t sizes[OBJECTS];
    struct memory memory = {0};
    uint32_t random = 7;
    size_t total = 0;
    (void)state;
    for (int turn = 0; turn < TURNS; turn++) {
        random = random * 1664525 + 1013904223;
        size_t i = (random >> 8) % OBJECTS, size = (random >> 20) % LONGEST;
        /* Without an object, what Lua gives as its size is its kind. */
        objects[i] = memory_alloc(&memory, objects[i], objects[i] ? sizes[i] : 5, size);
        total = total - sizes[i] + size;
        sizes[i] = size;
        assert_int_equal(memory.used, total);
    }
    for (size_t i = 0; i < OBJECTS; i++)
        memory_alloc(&memory, objects[i], sizes[i], 0);
    assert_int_equal(memory.used, 0);
    memory_free_all(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_keep_what_is_in_them_while_others_come_and_go),
        cmocka_unit_test(freed_memory_is_used_again),
        cmocka_unit_test(nothing_is_given_for_nothing),
        cmocka_unit_test(the_limit_refuses_what_is_above_it_and_nothing_that_gives_back),
        cmocka_unit_test(one_that_is_above_a_limit_that_was_lowered_can_be_made_smaller),
        cmocka_unit_test(garbage_is_collected_before_a_buffer_would_fail_for_it),
        cmocka_unit_test(garbage_is_collected_after_something_was_refused),
        cmocka_unit_test(lua_is_not_made_to_collect_at_each_object_when_little_is_left),
        cmocka_unit_test(what_is_used_is_known_after_objects_came_and_went),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
