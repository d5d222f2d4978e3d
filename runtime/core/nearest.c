/* nearest_name of operations.h: which of the names was meant. */
#include <ctype.h>
#include <string.h>

#include "core/operations.h"

#define MAX_NAME 64

static int lower(char c)
{
    return tolower((unsigned char)c);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Edits from one to the other, case aside: a change, an insertion, a deletion or a swap of neighbours is one. */
static int distance(const char *a, const char *b)
{
    int rows[3][MAX_NAME + 1];
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > MAX_NAME || b_len > MAX_NAME)
        return MAX_NAME;
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= a_len; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= b_len; j++) {
            int change = lower(a[i - 1]) != lower(b[j - 1]);
            row[j] = least(above[j - 1] + change, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

const char *nearest_name(const char *name, const char *const *names)
{
    const char *best = NULL;
    /* About one edit in three characters, so that a short name is not taken for any other. */
    int limit = least((int)((strlen(name) + 2) / 3), 4);
    for (; *names; names++) {
        int edits = distance(name, *names);
        if (edits <= limit) {
            best = *names;
            limit = edits - 1;
        }
    }
    return best;
}
