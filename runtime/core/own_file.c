#include "core/own_file.h"

#include <string.h>

#include "core/rejects.h"

#define PROBLEMS_HEADER "line,column,name,value,class,severity,reason,hint"
#define REPORT_START                                                                                                        \
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"generator\" "                       \
    "content=\"upjob import report "

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);
    return len >= n && memcmp(text + len - n, end, n) == 0;
}

bool own_file_name(const char *name)
{
    size_t len = strlen(name);
    return ends_with(name, len, ".rejects.csv") || ends_with(name, len, ".rejects.csv~");
}

static bool begins_with(const char *bytes, size_t len, const char *start)
{
    size_t n = strlen(start);
    return len >= n && memcmp(bytes, start, n) == 0;
}

/* The length of the first record, without its line end; *whole: its end is there. */
static size_t first_record(const char *bytes, size_t len, bool *whole)
{
    bool quoted = false;
    size_t at = 0;
    for (; at < len && (quoted || (bytes[at] != '\n' && bytes[at] != '\r')); at++)
        quoted ^= bytes[at] == '"';
    *whole = at < len;
    return at;
}

enum own_file own_file_head(const char *bytes, size_t len, bool *whole)
{
    if (begins_with(bytes, len, REPORT_START)) {
        *whole = true;
        return OWN_FILE_REPORT;
    }
    if (begins_with(bytes, len, "\xEF\xBB\xBF")) {
        bytes += 3;
        len -= 3;
    }
    size_t header = first_record(bytes, len, whole), column = sizeof REJECTS_REASON_COLUMN - 1;
    *whole = *whole && !begins_with(bytes, len, "<!DOCTYPE html>\n");
    if (header == sizeof PROBLEMS_HEADER - 1 && memcmp(bytes, PROBLEMS_HEADER, header) == 0)
        return OWN_FILE_PROBLEMS;
    if (header > column && ends_with(bytes, header, REJECTS_REASON_COLUMN) && strchr(",;\t|", bytes[header - column - 1]))
        return OWN_FILE_REJECTS;
    return OWN_FILE_NONE;
}

const char *own_file_what(enum own_file kind)
{
    static const char *const what[] = {NULL, "rejected rows of an import (the last column is " REJECTS_REASON_COLUMN ")",
                                       "the problems of an import", "the report of an import"};
    return what[kind];
}
