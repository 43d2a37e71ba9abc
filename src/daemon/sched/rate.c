/* Token buckets; see rate.h. */
#include "daemon/sched/rate.h"

#include "base/cleanup.h"
#include "base/clock.h"

/* A bucket holds at most this much of its limit, so that a pause is not
 * followed by a burst: 50 ms. */
#define BURST_SECONDS 0.05

void
rate_init(struct rate *r, uint64_t limit, uint64_t now_ns)
{
	*r = (struct rate){ .limit = limit, .last_ns = now_ns };
}

uint64_t
rate_take(struct rate *r, uint64_t n, uint64_t now_ns)
{
	double limit = (double)r->limit;

	if (!r->limit)
		return 0;
	r->tokens += limit * (double)(now_ns - r->last_ns) / (double)NSEC_PER_SEC;
	r->tokens = MIN(r->tokens, limit * BURST_SECONDS);
	r->last_ns = now_ns;
	r->tokens -= (double)n;
	if (r->tokens >= 0)
		return 0;
	return (uint64_t)(-r->tokens / limit * 1000) + 1;
}
