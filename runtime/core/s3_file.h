/* s3_file: the temporary file that an object is fetched into. Private to s3. */
#ifndef UPJOB_CORE_S3_FILE_H
#define UPJOB_CORE_S3_FILE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct s3_file {
    int fd; /* -1: none */
    char directory[PATH_MAX];
    uint64_t bytes;
};

/* In `directory`, or where there is room (NULL). ERR_SYSTEM with what is needed and how much there is when it is too little. */
bool s3_file_open(struct s3_file *file, const char *directory, uint64_t bytes, struct err *err) MUST_CHECK;
bool s3_file_write(struct s3_file *file, const char *bytes, size_t len, uint64_t at, struct err *err) MUST_CHECK;
void s3_file_close(struct s3_file *file);

#endif
