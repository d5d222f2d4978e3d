#include "core/secret.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* As deep as the libraries go that are handed secrets. */
#define STACK_LEFT ((size_t)32 << 10)

/* A secret has pages of its own: mlock and MADV_DONTDUMP work on whole pages. */
struct secret {
    size_t len;
    size_t mapped;
    char bytes[];
};

struct secret *secret_new(const void *bytes, size_t len)
{
    long page = sysconf(_SC_PAGESIZE);
    size_t need = sizeof(struct secret) + len + 1;
    if (page <= 0 || len > SIZE_MAX / 2)
        return NULL;
    size_t mapped = (need + (size_t)page - 1) / (size_t)page * (size_t)page;
    struct secret *s = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED)
        return NULL;
    /* Both are best effort: RLIMIT_MEMLOCK may be 0, and swap is not a dump. */
    (void)mlock(s, mapped);
    (void)madvise(s, mapped, MADV_DONTDUMP);
    s->len = len;
    s->mapped = mapped;
    memcpy(s->bytes, bytes, len);
    s->bytes[len] = '\0';
    return s;
}

void secret_free(struct secret *s)
{
    if (!s)
        return;
    size_t mapped = s->mapped;
    explicit_bzero(s, mapped);
    munmap(s, mapped);
}

const char *secret_bytes(const struct secret *s)
{
    return s->bytes;
}

size_t secret_len(const struct secret *s)
{
    return s->len;
}

void secret_cleanse(void *bytes, size_t len)
{
    explicit_bzero(bytes, len);
}

void secret_release(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

void *secret_realloc(void *memory, size_t size)
{
    size_t old = memory ? malloc_usable_size(memory) : 0;
    void *grown = malloc(size);
    if (!grown)
        return NULL;
    if (memory)
        memcpy(grown, memory, old < size ? old : size);
    secret_release(memory);
    return grown;
}

/* The registers that only AVX-512 has, in which the C library copies memory where there are any; the compiler does not know
 * that they are in use. */
static void cleanse_high_registers(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        __asm__ volatile(".irp n,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
                         "vpxorq %%zmm\\n, %%zmm\\n, %%zmm\\n\n"
                         ".endr" ::: "memory");
#endif
}

/* Registers are saved on the stack of whatever comes next, and of threads that are started. */
#if defined(__has_attribute) && __has_attribute(zero_call_used_regs)
__attribute__((zero_call_used_regs("all")))
#endif
__attribute__((noinline)) void secret_cleanse_stack(void)
{
    char left[STACK_LEFT];
    explicit_bzero(left, sizeof left);
    cleanse_high_registers();
}

bool secret_equal(const void *a, const void *b, size_t len)
{
    const volatile unsigned char *x = a, *y = b;
    unsigned char differ = 0;
    for (size_t i = 0; i < len; i++)
        differ |= x[i] ^ y[i];
    return differ == 0;
}

void secret_harden_process(void)
{
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* the leak check traces its own process */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}
