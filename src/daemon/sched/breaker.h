/*
 * A breaker: after so many failures in a row nothing more begins but probes, one
 * at a time and at growing intervals, until one succeeds.  Pure; times are
 * milliseconds of the monotonic clock.  Caller: scheduler, one for each origin
 * and one for the network.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PROBE_FIRST_MS = 1000 }; /* the first interval; doubled for each probe that fails */

enum breaker_state {
	BREAKER_CLOSED,    /* all is well */
	BREAKER_OPEN,      /* nothing begins before until_ms */
	BREAKER_HALF_OPEN, /* a probe runs */
};

struct breaker { /* zeroed: closed */
	enum breaker_state state;
	unsigned failures; /* in a row */
	unsigned probes;   /* that failed since it opened */
	uint64_t until_ms; /* of BREAKER_OPEN */
};

/* May something begin?  What does is told with breaker_begin(). */
bool breaker_lets(const struct breaker *b, uint64_t now_ms);
/* Something that was let begins: a probe, unless it is closed. */
void breaker_begin(struct breaker *b);
/* What began has failed; probe: it was the one.  Opens after max failures in a row
 * (0: never), for an interval of at most most_ms, half of it random, but not less
 * than floor_ms.  True when it is open anew. */
bool breaker_failure(struct breaker *b, bool probe, uint64_t max, uint64_t most_ms, uint64_t floor_ms, uint64_t now_ms,
    uint64_t random);
/* Closed from now on. */
void breaker_success(struct breaker *b);
/* The probe ended and showed nothing: another may begin at once. */
void breaker_abandon(struct breaker *b, uint64_t now_ms);
const char *breaker_state_to_string(enum breaker_state s); /* "half-open" */
