#include "core/module.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char program[PATH_MAX];

void module_set_program(const char *path)
{
    snprintf(program, sizeof program, "%s", strlen(path) < sizeof program ? path : "");
}

static const char *running_program(char out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
    return out;
}

bool module_path(const char *module, char path[PATH_MAX])
{
    static const char *const places[] = {"", "../lib/upjob/"};
    char running[PATH_MAX];
    const char *beside = program[0] ? program : running_program(running), *slash = strrchr(beside, '/');
    int directory = slash ? (int)(slash - beside + 1) : 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        int n = snprintf(path, PATH_MAX, "%.*s%s%s", directory, beside, places[i], module);
        if (n > 0 && n < PATH_MAX && access(path, F_OK) == 0)
            return true;
    }
    return false;
}

/* What a module exports is there for those that are loaded after it. */
static void *load(const char *module, struct err *err)
{
    char path[PATH_MAX];
    void *handle = NULL;
    if (!module_path(module, path))
        err_set(err, ERR_INTERNAL, "a part of upjob (%s) is not there: neither beside the program nor in ../lib/upjob", module);
    else if (!(handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL)))
        err_set(err, ERR_INTERNAL, "a part of upjob (%s) cannot be loaded: %s", module, dlerror());
    return handle;
}

void *module_find(const char *module, const char *symbol, struct err *err)
{
    void *address = dlsym(RTLD_DEFAULT, symbol);
    if (address)
        return address;
    void *handle = load(module, err);
    if (!handle)
        return NULL;
    address = dlsym(handle, symbol);
    if (!address)
        err_set(err, ERR_INTERNAL, "%s is not of this version of upjob: it has no %s", module, symbol);
    return address;
}
