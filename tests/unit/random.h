/*
 * Random numbers for a unit test that can be repeated: the same seed, the same test.
 */
#pragma once

#include <stdint.h>

static uint64_t random_state;

static inline void
random_seed(uint64_t seed)
{
	random_state = seed ? seed : 88172645463325252;
}

/* One of 0 ... n - 1. */
static inline uint64_t
random_below(uint64_t n) /* xorshift64*, Vigna 2016 */
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64_C(2685821657736338717) % n;
}
