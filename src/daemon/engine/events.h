/*
 * Named events, asyncio's: set or not, however often.  A job with after =
 * ["event:NAME"] starts when it is set.  What is set outlives the daemon (notes.h).
 * Caller: control.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;

enum {
	EVENTS_SET_MAX = 10000,   /* at a time */
	EVENTS_TOLD_MAX = 2000,   /* of events_each() */
	EVENTS_LOOKS_MAX = 20000, /* jobs that are counted for it */
};

/* False: there are too many that are set. */
bool event_set(struct engine *e, const char *name);
void event_clear(struct engine *e, const char *name);

struct event_view {
	const char *name; /* borrowed */
	bool set;
	uint64_t waiting; /* jobs that wait, for this or for other things too */
	uint64_t first[20]; /* ids of some of them */
	unsigned n_first;
};

/* Those that are set or waited for, in no order.  False: some were left out, or not all
 * that wait were counted. */
bool events_each(const struct engine *e, void (*cb)(const struct event_view *v, void *arg), void *arg);
