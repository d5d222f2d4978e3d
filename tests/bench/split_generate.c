/* A CSV file of customers for the bench of large imports: split_generate BYTES KEYS >FILE. Keys fall by lot: some come often. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    static char buffer[1 << 20];
    if (argc != 3)
        return 2;
    long long want = atoll(argv[1]), bytes;
    uint64_t keys = strtoull(argv[2], NULL, 10), state = 88172645463325252u;
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    bytes = printf("CustomerId,FirstName,LastName,Email,City,Country,Tier,Balance,Note,Updated\n");
    while (bytes < want) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        unsigned long long key = state % keys;
        bytes += printf("C%09llu,Ann%llu,Smith-%llu, User.%llu@Example.com ,Springfield %llu,US,gold,%llu.%02u,\"likes tea, coffee and "
                        "%u\",2026-11-%02u\n",
                        key, key % 97, key % 991, key, key % 50, key % 10000, (unsigned)(state >> 40) % 100,
                        (unsigned)(state >> 30) % 1000, (unsigned)(state >> 50) % 28 + 1);
    }
    return fflush(stdout) != 0;
}
