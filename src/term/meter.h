/*
 * The speed of something that grows, smoothed for people: a mean over about
 * the last five seconds, exact from the first second on (no climb from zero).
 * The caller feeds it, a few times a second.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct meter {
	double bytes, ms; /* both fade at the same pace, so their ratio is the mean */
	uint64_t last_bytes, last_ms;
	bool is_running;
};

/* bytes: all that came so far; when it is smaller than before (a transfer
 * that began anew), counting starts again from there. */
void meter_update(struct meter *m, uint64_t now_ms, uint64_t bytes);
/* Bytes a second; 0 while nothing is known. */
uint64_t meter_rate(const struct meter *m);
