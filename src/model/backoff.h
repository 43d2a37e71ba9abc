/*
 * How long to wait before the next attempt: exponential with full jitter, so
 * that many jobs that failed together do not come back together (THREATS 9).
 */
#pragma once

#include <stdint.h>

#include "model/result.h"

enum {
	BACKOFF_NOW_MS = 100,    /* first step after a fault of the connection */
	BACKOFF_LATER_MS = 5000, /* first step when the server asks for time */
	BACKOFF_CAP_MS = 60 * 1000,
	RETRY_AFTER_CAP_MS = 3600 * 1000, /* what a server may ask for */
};

/* A uniformly random delay in [0, min(cap, first * 2^attempt)]; attempt counts
 * from 0; random is 64 random bits.  A server's Retry-After (ms, 0: none) is
 * the least. */
uint64_t backoff_delay_ms(enum result_class c, unsigned attempt, uint64_t retry_after_ms, uint64_t random);
