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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_keep_what_is_in_them_while_others_come_and_go),
        cmocka_unit_test(freed_memory_is_used_again),
        cmocka_unit_test(nothing_is_given_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
