#include "local/names.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

bool name_new(char out[NAME_SIZE], struct err *err)
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return err_set(err, ERR_INTERNAL, "no random bytes are to be had");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

bool name_is(const char *text)
{
    return strlen(text) == NAME_SIZE - 1 && strspn(text, "0123456789abcdef") == NAME_SIZE - 1;
}
