/*
 * How many connections a host is given: as many as configured, until it says that
 * these are too many (429, 503, refused or reset).  Then half of what was in use, at
 * most once for all that began before it was known; and one more for each round of
 * good answers, or after a while without any.  Never more than configured, never less
 * than one.  Pure; times are milliseconds of the monotonic clock.  Caller: host.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	ADAPT_STEP_MS = 2000,   /* it grows no faster, however many good answers come */
	ADAPT_QUIET_MS = 60000, /* and so fast without any */
};

struct adapt { /* zeroed: as configured */
	uint64_t limit;      /* 0: as configured */
	uint64_t good;       /* answers since it changed */
	uint64_t cut_ms;     /* last; 0: never */
	uint64_t changed_ms; /* cut or grown */
};

uint64_t adapt_limit(const struct adapt *a, uint64_t most);
/* One that began then was turned away, while so many were in use with it.  True: the
 * limit is another now. */
bool adapt_bad(struct adapt *a, uint64_t most, uint64_t used, uint64_t began_ms, uint64_t now_ms);
/* One that began then was answered.  The same. */
bool adapt_good(struct adapt *a, uint64_t most, uint64_t began_ms, uint64_t now_ms);
/* Time went by.  The same. */
bool adapt_grow(struct adapt *a, uint64_t most, uint64_t now_ms);
/* When it grows next by time alone; UINT64_MAX: it is as configured. */
uint64_t adapt_next_ms(const struct adapt *a);
