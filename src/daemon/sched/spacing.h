/*
 * How often requests of a host begin: at least so long after each other, which is
 * what a server that counts them expects.  (A token bucket of one token: in no span
 * of time are there more than its share and one.)  Where that is shorter than timers
 * ring, some may begin at once, on the average no more.  Pure; times are nanoseconds
 * of the monotonic clock.  Caller: host.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct spacing { /* zeroed: no limit */
	uint64_t interval_ns; /* 0: no limit */
	uint64_t next_ns;     /* when one may begin that is on time */
};

/* A new interval; what waits for the old one waits no longer than for the new one. */
void spacing_set(struct spacing *s, uint64_t interval_ns, uint64_t now_ns);
bool spacing_lets(const struct spacing *s, uint64_t now_ns);
/* One begins. */
void spacing_take(struct spacing *s, uint64_t now_ns);
/* The last one that began made none after all. */
void spacing_give(struct spacing *s);
/* When one may begin, or might have. */
uint64_t spacing_at_ns(const struct spacing *s);
