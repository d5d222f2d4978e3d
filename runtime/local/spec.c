#include "local/spec.h"

#include <stdio.h>
#include <string.h>

bool spec_read(const char *what, const char *spec,
               bool (*set)(void *arg, const char *name, const char *value, struct err *err), void *arg,
               struct err *err)
{
    char part[128];
    for (const char *p = spec; *p;) {
        size_t len = strcspn(p, ",");
        snprintf(part, sizeof part, "%.*s", (int)(len < sizeof part ? len : sizeof part - 1), p);
        char *equals = strchr(part, '=');
        if (!equals)
            return err_set(err, ERR_USAGE, "%s \"%s\": NAME=VALUE is needed", what, part);
        *equals = '\0';
        if (!set(arg, part, equals + 1, err))
            return false;
        p += len + (p[len] == ',');
    }
    return true;
}
