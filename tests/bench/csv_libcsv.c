/* Counts the records of a file with libcsv, as its documentation shows: csv_libcsv FILE. Prints the records after the header. */
#include <csv.h>
#include <stdio.h>

#define BLOCK ((size_t)64 << 10)

static void count(int end, void *records)
{
    (void)end;
    ++*(unsigned long *)records;
}

int main(int argc, char **argv)
{
    static char block[BLOCK];
    unsigned long records = 0;
    struct csv_parser parser;
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file || csv_init(&parser, 0) != 0)
        return 2;
    for (size_t len; (len = fread(block, 1, sizeof block, file)) > 0;)
        if (csv_parse(&parser, block, len, NULL, count, &records) != len)
            return 1;
    if (ferror(file) || csv_fini(&parser, NULL, count, &records) != 0)
        return 1;
    printf("%lu\n", records - 1);
    csv_free(&parser);
    fclose(file);
}
