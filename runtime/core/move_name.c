#include "core/move_name.h"

#include <stdio.h>
#include <string.h>

#define ADDED_MOST ((size_t)32) /* bytes of a time and a number */

/* The part of a name before its endings: "a" of a.csv and of a.csv.gz. */
static size_t stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name)
        return strlen(name);
    if (strcmp(dot, ".gz") == 0 || strcmp(dot, ".zst") == 0)
        for (const char *p = dot - 1; p > name; p--)
            if (*p == '.')
                return (size_t)(p - name);
    return (size_t)(dot - name);
}

/* The bytes of the stem that there is room for when so many come between it and the endings: whole characters. */
static size_t kept_length(const char *name, size_t added)
{
    size_t stem = stem_length(name), others = strlen(name) - stem + added;
    size_t room = others < NAME_MAX ? NAME_MAX - others : 0;
    if (stem <= room)
        return stem;
    while (room > 0 && ((unsigned char)name[room] & 0xC0) == 0x80)
        room--;
    return room;
}

size_t move_name_kept(const char *name)
{
    return kept_length(name, ADDED_MOST);
}

bool move_name(const char *name, int nth, time_t now, char out[MOVE_NAME_SIZE])
{
    char added[ADDED_MOST + 1] = "";
    struct tm utc;
    if (nth > 0) {
        size_t len = gmtime_r(&now, &utc) ? strftime(added, sizeof added, ".%Y%m%dT%H%M%SZ", &utc) : 0;
        if (nth > 1 || len == 0)
            snprintf(added + len, sizeof added - len, "-%d", nth);
    }
    return snprintf(out, MOVE_NAME_SIZE, "%.*s%s%s", (int)kept_length(name, strlen(added)), name, added,
                    name + stem_length(name)) < MOVE_NAME_SIZE;
}
