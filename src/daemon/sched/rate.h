/*
 * Rates: one hierarchy of token buckets, and those that wait at them.
 *
 * A transfer (struct rate_flow) takes its bytes from a bucket of its own, from that
 * of its host, and from that of its group with all above it up to the total.  A
 * bucket without a limit is full always.  What a flow takes may be more than there
 * is: the debt is paid before anybody gets more.  A flow that finds one of its
 * buckets in debt waits in line there, and rates_next() tells whose turn it is: of
 * all that wait the one that has had the fewest bytes since it came to wait.  So a
 * bucket is shared evenly by those that want more of it, what one does not want
 * is the others' at once, and nobody starves.
 *
 * Pure arithmetic over a given time (CLOCK_MONOTONIC, nanoseconds); no callbacks.
 * Callers: engine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"

enum { RATE_PLACES = 20 };

/* All buckets of one engine that somebody waits at. */
struct rates {
	struct heap due;     /* struct rate */
};

/* A bucket. */
struct rate {
	struct rate *parent; /* borrowed: what its bytes go through as well; NULL: nothing */
	uint64_t limit;      /* bytes per second; 0: none */
	double tokens;       /* negative: a debt; never more than 50 ms of the limit */
	uint64_t last_ns;    /* of the tokens */
	uint64_t taken;      /* bytes, since it was made */
	struct heap waiting; /* struct rate_flow */
	uint64_t turn;       /* the tag of whose turn it was last */
	struct heap_node node;  /* of rates->due */
	uint64_t due_ns;     /* when the debt is paid */
};

/* One that takes. */
struct rate_flow {
	struct rate own;     /* the limit of this one alone */
	struct rate *host, *group; /* borrowed; NULL: none */
	struct heap_node node; /* of at->waiting */
	struct rate *at;     /* where it waits; NULL: it does not */
	uint32_t passed;     /* a bit each: its buckets that have put `aside` bytes aside for it */
	uint64_t aside;
	unsigned place;      /* its tag there */
	uint64_t tags[RATE_PLACES]; /* its bytes of each bucket, so to speak: who has the least is first in line */
};

void rates_init(struct rates *s);
void rates_done(struct rates *s);
/* The next one whose turn has come; it is in no line any more, and is expected to
 * take soon.  NULL: nobody now. */
struct rate_flow *rates_next(struct rates *s, uint64_t now_ns);
/* When to ask rates_next() again; UINT64_MAX: nobody waits. */
uint64_t rates_due_ns(const struct rates *s);

void rate_init(struct rate *r, struct rate *parent, uint64_t limit, uint64_t now_ns);
/* Nobody waits there and no flow has it. */
void rate_done(struct rate *r);
/* From now on.  A debt takes no longer to be paid than it would have. */
void rate_set_limit(struct rates *s, struct rate *r, uint64_t limit, uint64_t now_ns);
/* It could give nothing now: its limit is what its flows wait for. */
bool rate_is_in_debt(const struct rate *r, uint64_t now_ns);

void rate_flow_init(struct rate_flow *f, uint64_t limit, uint64_t now_ns);
void rate_flow_done(struct rates *s, struct rate_flow *f);
/* Takes from these as well; in no line any more. */
void rate_flow_join(struct rates *s, struct rate_flow *f, struct rate *host, struct rate *group);
/* n bytes came.  True: nothing more should come before rates_next() names it. */
bool rate_flow_take(struct rates *s, struct rate_flow *f, uint64_t n, uint64_t now_ns);
/* It waits no more. */
void rate_flow_leave(struct rates *s, struct rate_flow *f);
/* The least of its limits; 0: none. */
uint64_t rate_flow_limit(const struct rate_flow *f);
/* Bytes that it should take at most at a time, so that its limits hold in every
 * second; 0: as many as it likes. */
uint64_t rate_flow_bite(const struct rate_flow *f);

static inline bool
rate_flow_waits(const struct rate_flow *f)
{
	return f->at != NULL;
}
