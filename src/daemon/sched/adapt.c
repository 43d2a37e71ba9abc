/* How many connections a host is given; see adapt.h. */
#include "daemon/sched/adapt.h"

#include "base/cleanup.h"

uint64_t
adapt_limit(const struct adapt *a, uint64_t most)
{
	return a->limit ? MIN(a->limit, most) : most;
}

bool
adapt_bad(struct adapt *a, uint64_t most, uint64_t used, uint64_t began_ms, uint64_t now_ms)
{
	uint64_t limit = adapt_limit(a, most);

	/* It began when there were still too many: it tells what is known. */
	if (a->cut_ms && began_ms <= a->cut_ms)
		return false;
	a->cut_ms = a->changed_ms = now_ms;
	a->good = 0;
	if (limit == 1)
		return false;
	/* One alone does not show how many would be too many. */
	a->limit = (used > 1 ? MIN(limit, used) : limit) / 2;
	return true;
}

uint64_t
adapt_next_ms(const struct adapt *a)
{
	if (!a->limit)
		return UINT64_MAX;
	return a->changed_ms + (uint64_t)(a->good >= a->limit ? ADAPT_STEP_MS : ADAPT_QUIET_MS);
}

bool
adapt_grow(struct adapt *a, uint64_t most, uint64_t now_ms)
{
	uint64_t at, before = adapt_limit(a, most);

	while ((at = adapt_next_ms(a)) <= now_ms) {
		/* What was answered counts once; for the rest of the time it was quiet. */
		a->changed_ms = a->good >= a->limit ? now_ms : at;
		a->good = 0;
		if (++a->limit >= most)
			a->limit = 0;
	}
	return adapt_limit(a, most) != before;
}

bool
adapt_good(struct adapt *a, uint64_t most, uint64_t began_ms, uint64_t now_ms)
{
	if (!a->limit || began_ms <= a->cut_ms)
		return false;
	a->good++;
	return adapt_grow(a, most, now_ms);
}
