/* dice: numbers that look random and are the same for the same seed on every machine. */
#ifndef UPJOB_TESTS_DICE_H
#define UPJOB_TESTS_DICE_H

#include <stddef.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_next(struct dice *dice)
{
    uint64_t z = dice->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* From 0 to n - 1; n > 0. */
static inline size_t dice_below(struct dice *dice, size_t n)
{
    return (size_t)(dice_next(dice) % n);
}

#endif
