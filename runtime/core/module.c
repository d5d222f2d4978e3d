#include "core/module.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *running_program(char out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
    return out;
}

bool module_path(const char *program_path, const char *module, char path[PATH_MAX])
{
    static const char *const places[] = {"", "../lib/upjob/"};
    char running[PATH_MAX];
    const char *program = program_path ? program_path : running_program(running), *slash = strrchr(program, '/');
    int directory = slash ? (int)(slash - program + 1) : 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int n = snprintf(path, PATH_MAX, "%.*s%s%s", directory, program, places[i], module);
        if (n > 0 && n < PATH_MAX && access(path, F_OK) == 0)
            return true;
    }
    return false;
}
