/*
 * A counting semaphore that is asked, never waited for.  Lowering the limit
 * revokes nothing: `used` may be above it until holders give back.
 * Caller: scheduler.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct semaphore {
	uint64_t limit, used;
};

static inline bool
semaphore_has(const struct semaphore *s, uint64_t n)
{
	return s->used + n <= s->limit;
}

static inline void
semaphore_take(struct semaphore *s, uint64_t n)
{
	s->used += n;
}

static inline void
semaphore_give(struct semaphore *s, uint64_t n)
{
	assert(s->used >= n);
	s->used -= n;
}
