/*
 * How often a value lay between which bounds: cumulative buckets are for who
 * shows them.  Adding costs a few comparisons, whatever was added before.
 */
#pragma once

#include <stdint.h>

enum { HISTOGRAM_BOUNDS_MAX = 16 };

struct histogram {
	const uint64_t *bounds; /* static, rising: the largest value of each bucket but the last */
	unsigned n;
	uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1];
	uint64_t sum, count;
};

static inline void
histogram_add(struct histogram *h, uint64_t v)
{
	unsigned i = 0;

	while (i < h->n && v > h->bounds[i])
		i++;
	h->counts[i]++;
	h->sum += v;
	h->count++;
}
