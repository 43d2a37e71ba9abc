/* A breaker; see breaker.h. */
#include "daemon/sched/breaker.h"

#include <assert.h>
#include <limits.h>

#include "base/cleanup.h"

bool
breaker_lets(const struct breaker *b, uint64_t now_ms)
{
	return b->state == BREAKER_CLOSED || (b->state == BREAKER_OPEN && now_ms >= b->until_ms);
}

void
breaker_begin(struct breaker *b)
{
	if (b->state == BREAKER_CLOSED)
		return;
	assert(b->state == BREAKER_OPEN);
	b->state = BREAKER_HALF_OPEN;
}

static void
open_for(struct breaker *b, uint64_t most_ms, uint64_t floor_ms, uint64_t now_ms, uint64_t random)
{
	uint64_t step = PROBE_FIRST_MS;

	for (unsigned n = b->probes; n > 0 && step < most_ms; n--)
		step *= 2;
	step = MIN(step, most_ms);
	/* At least half of it: a probe is work for a server in trouble. */
	step -= random % (step / 2 + 1);
	b->until_ms = now_ms + MAX(step, floor_ms);
	b->state = BREAKER_OPEN;
}

bool
breaker_failure(struct breaker *b, bool probe, uint64_t max, uint64_t most_ms, uint64_t floor_ms, uint64_t now_ms,
    uint64_t random)
{
	if (b->failures < UINT_MAX)
		b->failures++;
	if (b->state == BREAKER_CLOSED) {
		if (!max || b->failures < max)
			return false;
	} else {
		if (!probe) /* it began before this opened, and tells nothing new */
			return false;
		b->probes++;
	}
	open_for(b, most_ms, floor_ms, now_ms, random);
	return true;
}

void
breaker_success(struct breaker *b)
{
	*b = (struct breaker){ .state = BREAKER_CLOSED };
}

void
breaker_abandon(struct breaker *b, uint64_t now_ms)
{
	if (b->state != BREAKER_HALF_OPEN)
		return;
	b->state = BREAKER_OPEN;
	b->until_ms = now_ms;
}

const char *
breaker_state_to_string(enum breaker_state s)
{
	return s == BREAKER_CLOSED ? "closed" : s == BREAKER_OPEN ? "open" : "half-open";
}
