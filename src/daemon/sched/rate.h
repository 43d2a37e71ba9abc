/*
 * Token buckets: how many bytes a transfer, and all of them, may receive now.
 * A bucket that is empty says for how long the transfers are to be held.
 * Pure arithmetic over a given time; callers: engine.
 */
#pragma once

#include <stdint.h>

struct rate {
	uint64_t limit;   /* bytes per second; 0: none */
	double tokens;    /* may be negative: what was received above the limit */
	uint64_t last_ns;
};

void rate_init(struct rate *r, uint64_t limit, uint64_t now_ns);
/* n bytes came. Returns for how many milliseconds nothing more should come;
 * 0: go on. */
uint64_t rate_take(struct rate *r, uint64_t n, uint64_t now_ns);
