/* The check before an import: a file as it comes, under a mapping that changes some of it. What would be sent
 * is looked at once more: it has no row in error, and nothing of it is changed again. */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/check.h"
#include "tests/fuzz/fuzz.h"

enum { FIELDS = 5 };

static const char *const of_a[] = {"a", NULL}, *const of_b[] = {"b", NULL},
                         *const of_both[] = {"b", "a", NULL};
static const struct mapping_step trim[] = {{.kind = MAPPING_TRIM}};
static const struct mapping_step lower[] = {{.kind = MAPPING_TRIM}, {.kind = MAPPING_LOWER}};

static struct mapping *mapping_for(const struct mapping_field *fields, size_t count)
{
    struct err err;
    err_clear(&err);
    struct mapping *mapping = mapping_new(fields, count, NULL, NULL, &err);
    REQUIRE(mapping, "%s", err.message);
    return mapping;
}

/* The fields of the first look; those of the second read what came of them. */
static void make_fields(struct mapping_field fields[FIELDS], size_t *count, unsigned flags)
{
    *count = 1;
    fields[0] = (struct mapping_field){
        .key = "k", .columns = of_a, .is_key = true, .steps = trim, .step_count = flags & 1};
    if (flags & 2)
        fields[(*count)++] = (struct mapping_field){.key = "m",
                                                    .columns = of_b,
                                                    .type = MAPPING_EMAIL,
                                                    .steps = lower,
                                                    .step_count = flags & 4 ? 2 : 0};
    if (flags & 8)
        fields[(*count)++] = (struct mapping_field){.key = "b", .columns = of_both, .separator = "\n"};
    if (flags & 16)
        fields[(*count)++] = (struct mapping_field){.key = "a.c", .constant = "\"x\","};
    if (flags & 32)
        fields[(*count)++] = (struct mapping_field){.key = "n", .columns = of_b, .required = flags & 64};
}

static struct check *run(const char *path, const struct check_options *given)
{
    struct check_options options = *given;
    struct err err;
    err_clear(&err);
    options.path = path;
    struct check *check = check_new(&options, &err);
    REQUIRE(check, "%s", err.message);
    size_t slices = 0;
    while (check_slice(check))
        REQUIRE(++slices < 100000, "it does not end");
    return check;
}

static int file_of(const char *before, const uint8_t *data, size_t size, char path[64])
{
    int fd = memfd_create("check", MFD_CLOEXEC);
    REQUIRE(fd >= 0, "no file");
    REQUIRE(write(fd, before, strlen(before)) == (ssize_t)strlen(before), "not written");
    REQUIRE(size == 0 || write(fd, data, size) == (ssize_t)size, "not written");
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static void look_again(const struct check_result *first, const struct mapping_field *fields, size_t count)
{
    struct mapping_field again[FIELDS];
    const char *columns[FIELDS][2];
    char path[64];
    struct stat st;
    for (size_t i = 0; i < count; i++) {
        columns[i][0] = first->sources[i];
        columns[i][1] = NULL;
        again[i] = (struct mapping_field){.key = fields[i].key,
                                          .columns = columns[i],
                                          .type = fields[i].type,
                                          .is_key = fields[i].is_key,
                                          .required = fields[i].required};
    }
    REQUIRE(fstat(first->outgoing_fd, &st) == 0 && (uint64_t)st.st_size == first->outgoing_bytes,
            "another size");
    snprintf(path, sizeof path, "/proc/self/fd/%d", first->outgoing_fd);
    struct check_options options = {.encoding = "UTF-8", .csv = {.delimiter = ','}, .plan = {.reject = true}};
    options.plan.mapping = mapping_for(again, count);
    struct check *check = run(path, &options);
    const struct check_result *result = check_result(check);
    REQUIRE(!result->fatal, "%s", result->err.message);
    REQUIRE(result->rows == first->rows - first->bad_rows, "%zu rows", (size_t)result->rows);
    REQUIRE(result->bad_rows == 0, "%s", result->problems[0].reason);
    REQUIRE(result->outgoing_fd < 0 && !result->mended, "what was mended is mended again");
    check_free(check);
    mapping_free(options.plan.mapping);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const headers[] = {"a,b\n",
                                          "a;b\n",
                                          "\xEF\xBB\xBF\x61,b,c\r\n",
                                          "sep=|\na|b\n",
                                          "",
                                          "x,a,b\r",
                                          "a,b,a.b\n"};
    struct mapping_field fields[FIELDS];
    size_t count;
    char path[64];
    if (size < 2)
        return 0;
    make_fields(fields, &count, data[0]);
    int fd = file_of(headers[data[1] % (sizeof headers / sizeof *headers)], data + 2, size - 2, path);
    struct check_options options = {.plan = {.reject = true}};
    options.plan.on_invalid = data[1] & 64 ? MAPPING_BLANK : MAPPING_REJECT;
    options.plan.no_check = data[1] & 128;
    options.plan.mapping = mapping_for(fields, count);
    struct check *check = run(path, &options);
    const struct check_result *result = check_result(check);
    if (!result->fatal && result->outgoing_fd >= 0 && result->bad_rows < result->rows &&
        !options.plan.no_check)
        look_again(result, fields, count);
    check_free(check);
    mapping_free(options.plan.mapping);
    close(fd);
    return 0;
}
