/* program: where the program is whose parts a test loads (core/module.h). */
#ifndef UPJOB_TESTS_PROGRAM_H
#define UPJOB_TESTS_PROGRAM_H

#include <limits.h>
#include <string.h>
#include <unistd.h>

/* The program of the build that the test belongs to: BUILD/upjob, for BUILD/tests/test_X. */
static inline const char *program(void)
{
    static char path[PATH_MAX + 8];
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
    path[n > 0 ? n : 0] = '\0';
    for (int i = 0; i < 2; i++)
        if (strrchr(path, '/'))
            *strrchr(path, '/') = '\0';
    strcat(path, "/upjob");
    return path;
}

#endif
