/* The shared files of the AWS tools. */
#include "core/ini.h"

#include "tests/fuzz/fuzz.h"

struct seen {
    long line, lines;
};

static bool note(void *arg, const char *section, const char *parent, const char *key, const char *value,
                 long line, struct err *err)
{
    struct seen *seen = arg;
    REQUIRE(section && (!key || value), "line %ld has no section or no value", line);
    REQUIRE(line >= 1 && line <= seen->lines, "line %ld of %ld", line, seen->lines);
    REQUIRE(line > seen->line, "line %ld comes after %ld", line, seen->line);
    REQUIRE(!key || *key, "the key of line %ld is empty", line);
    REQUIRE(!parent || *parent, "the key above line %ld is empty", line);
    REQUIRE(!key || !strchr(key, '\n'), "the key of line %ld has a line end", line);
    seen->line = line;
    return line % 1000 != 999 || err_set(err, ERR_CONFIG, "stopped by whoever asked");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = copy_bytes(data, size);
    struct seen seen = {0, 1};
    struct err err;
    err_clear(&err);
    for (size_t i = 0; i < size; i++)
        seen.lines += data[i] == '\n';
    if (!ini_parse(text, size, "config", note, &seen, &err))
        require_told(&err);
    free(text);
    return 0;
}
