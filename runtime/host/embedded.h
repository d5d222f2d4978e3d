/* embedded: the files built into the program: compiled Lua and the demo's samples, by their names in the checkout. */
#ifndef UPJOB_HOST_EMBEDDED_H
#define UPJOB_HOST_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *name; /* "scripts/upjob/job.lua"; NULL ends the table */
    const char *data;
    size_t size;
};
extern const struct embedded_file embedded_files[];

/* NULL when there is none of that name. */
const struct embedded_file *embedded_find(const char *name);

#endif
