#include "core/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_SIZE 32

static bool reads_back(double number, int digits, char text[NUMBER_SIZE])
{
    snprintf(text, NUMBER_SIZE, "%.*g", digits, number);
    return strtod(text, NULL) == number;
}

static bool is_exact(const cJSON *item)
{
    char text[NUMBER_SIZE];
    return !cJSON_IsNumber(item) || !isfinite(item->valuedouble) || reads_back(item->valuedouble, 15, text);
}

static bool all_exact(const cJSON *item)
{
    if (!is_exact(item))
        return false;
    for (const cJSON *child = item->child; child; child = child->next)
        if (!all_exact(child))
            return false;
    return true;
}

/* Turns the numbers that cJSON would change into their text. */
static bool keep_numbers(cJSON *item)
{
    char text[NUMBER_SIZE];
    if (!is_exact(item)) {
        if (!reads_back(item->valuedouble, 16, text))
            reads_back(item->valuedouble, 17, text);
        if (!(item->valuestring = cJSON_malloc(strlen(text) + 1)))
            return false;
        strcpy(item->valuestring, text);
        item->type = cJSON_Raw;
    }
    for (cJSON *child = item->child; child; child = child->next)
        if (!keep_numbers(child))
            return false;
    return true;
}

static char *print(const cJSON *tree, bool pretty)
{
    return pretty ? cJSON_Print(tree) : cJSON_PrintUnformatted(tree);
}

char *json_text(const cJSON *tree, bool pretty)
{
    if (all_exact(tree))
        return print(tree, pretty);
    cJSON *copy = cJSON_Duplicate(tree, true);
    char *text = copy && keep_numbers(copy) ? print(copy, pretty) : NULL;
    cJSON_Delete(copy);
    return text;
}
