/*
 * Whether a failed attempt is repeated, and when: what the classes of result.h,
 * the settings of a job and a server's Retry-After come to.  Pure; the engine
 * asks it after each failure, the scheduler takes its steps for probes.
 */
#pragma once

#include <stdint.h>

#include "model/result.h"
#include "model/spec.h"

enum {
	RETRY_NOW_MS = 100,    /* first step after a fault of the connection */
	RETRY_LATER_MS = 5000, /* first step when the server asks for time */
	RETRY_AFTER_CAP_MS = 3600 * 1000, /* what a server may ask for */
};

/* A uniformly random delay in [0, min(most, first * 2^attempt)], attempt counted
 * from 0: exponential with full jitter, so that many that failed together do not
 * come back together.  random is 64 random bits. */
uint64_t retry_step_ms(uint64_t first_ms, uint64_t most_ms, unsigned attempt, uint64_t random);

/* What the settings of a job say; the spec is borrowed. */
struct retry_policy {
	const struct spec *spec;
	uint64_t repeats;  /* retry */
	uint64_t first_ms; /* retry-delay; 0: by the class of the failure */
	uint64_t most_ms;  /* retry-max-delay */
	uint64_t time_ms;  /* retry-max-time; 0: no bound */
};

struct retry_policy retry_policy_of(const struct spec *job);

/* The class of a failure, as the table of result.h has it and retry-on changes it. */
enum result_class retry_class(const struct retry_policy *p, const struct result *r);

/* The attempt that failed. */
struct retry_state {
	unsigned attempts;       /* with this one */
	uint64_t elapsed_ms;     /* since the first began */
	uint64_t retry_after_ms; /* what the server asked for; 0: nothing */
	uint64_t random;         /* 64 random bits */
};

enum retry_verdict {
	RETRY_AGAIN,
	RETRY_NEVER,    /* failures of this kind are not repeated */
	RETRY_ENOUGH,   /* there were as many repeats as `retry` says */
	RETRY_TOO_LATE, /* the repeat would begin behind retry-max-time */
};

/* RETRY_AGAIN: *ret_delay_ms from now, Retry-After being the least. */
enum retry_verdict retry_decide(const struct retry_policy *p, const struct result *r,
    const struct retry_state *s, uint64_t *ret_delay_ms) MUST_CHECK;

/* What is wrong with a value of retry-on: the end of the sentence "retry-on ...",
 * newly allocated; NULL: nothing. */
char *retry_on_refuse(const char *text);
