/* Token buckets and their lines; see rate.h. */
#include "daemon/sched/rate.h"

#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* A bucket holds at most this much of its limit, so that a pause is not
 * followed by a burst: 50 ms. */
#define BURST_SECONDS 0.05

enum {
	BITES = 64,                /* a second, of one that is alone */
	BITE_LEAST = 16 * 1024,
	BITE_MOST = 64 * 1024,     /* many share one limit: their bites come close together */
	BITES_MOST = 1024,         /* a second: above that the bites grow */
	BITE_HUGE = 512 * 1024,
};

/* ---- The buckets of a flow: its own, its host's, its group's and those above -- */

static struct rate *
first(struct rate_flow *f)
{
	return &f->own;
}

static struct rate *
next(const struct rate_flow *f, const struct rate *r)
{
	if (r == &f->own)
		return f->host ? f->host : f->group;
	return r == f->host ? f->group : r->parent;
}

/* ---- A bucket -------------------------------------------------------------------- */

static bool
due_before(const struct heap_node *a, const struct heap_node *b)
{
	return CONTAINER_OF(a, struct rate, node)->due_ns < CONTAINER_OF(b, struct rate, node)->due_ns;
}

static bool
tag_before(const struct heap_node *a, const struct heap_node *b)
{
	const struct rate_flow *f = CONTAINER_OF(a, struct rate_flow, node), *g = CONTAINER_OF(b, struct rate_flow, node);

	return f->tags[f->place] < g->tags[g->place];
}

void
rate_init(struct rate *r, struct rate *parent, uint64_t limit, uint64_t now_ns)
{
	*r = (struct rate){ .parent = parent, .limit = limit, .last_ns = now_ns };
	heap_init(&r->waiting, tag_before);
}

void
rate_done(struct rate *r)
{
	assert(!r->waiting.len);
	heap_done(&r->waiting);
}

static void
refill(struct rate *r, uint64_t now_ns)
{
	double limit = (double)r->limit;

	if (now_ns <= r->last_ns)
		return;
	r->tokens += limit * (double)(now_ns - r->last_ns) / (double)NSEC_PER_SEC;
	r->tokens = MIN(r->tokens, limit * BURST_SECONDS);
	r->last_ns = now_ns;
}

/* What is farther away than a year never comes. */
static uint64_t
debt_ns(const struct rate *r)
{
	double ns;

	if (!r->limit || r->tokens >= 0)
		return 0;
	ns = -r->tokens / (double)r->limit * (double)NSEC_PER_SEC;
	return ns > 3e16 ? UINT64_C(30000000000000000) : (uint64_t)ns + 1;
}

static void
set_due(struct rates *s, struct rate *r)
{
	r->due_ns = r->last_ns + debt_ns(r);
	heap_keep(&s->due, &r->node, r->waiting.len);
}

void
rate_set_limit(struct rates *s, struct rate *r, uint64_t limit, uint64_t now_ns)
{
	if (limit == r->limit)
		return;
	refill(r, now_ns);
	if (!limit || !r->limit)
		r->tokens = 0;
	else if (r->tokens > 0 || limit < r->limit)
		r->tokens *= (double)limit / (double)r->limit;
	r->limit = limit;
	r->last_ns = now_ns;
	set_due(s, r);
}

static void
take(struct rates *s, struct rate *r, double n, uint64_t now_ns)
{
	if (!r->limit)
		return;
	refill(r, now_ns);
	r->tokens -= n;
	set_due(s, r);
}

static uint64_t
due_at(const struct rate *r)
{
	return r->limit ? r->last_ns + debt_ns(r) : 0;
}

bool
rate_is_in_debt(const struct rate *r, uint64_t now_ns)
{
	return due_at(r) > now_ns;
}

/* ---- Lines ----------------------------------------------------------------------- */

void
rates_init(struct rates *s)
{
	*s = (struct rates){ 0 };
	heap_init(&s->due, due_before);
}

void
rates_done(struct rates *s)
{
	assert(!s->due.len);
	heap_done(&s->due);
}

/* Where it keeps what it knows of the i-th of its buckets: those of very deep groups
 * have one place. */
static unsigned
place_of(unsigned i)
{
	return MIN(i, (unsigned)RATE_PLACES - 1);
}

/* Has the i-th of its buckets put something aside for it? */
static bool
has_passed(const struct rate_flow *f, unsigned i)
{
	return i < RATE_PLACES - 1 && f->passed >> i & 1;
}

/* The one of its buckets whose debt is paid soonest, and its number; NULL: it may go.
 * While it waits there the debts of the others are paid. */
static struct rate *
find_blocker(struct rate_flow *f, uint64_t now_ns, unsigned *ret_i)
{
	struct rate *soonest = NULL;
	uint64_t at = UINT64_MAX;
	unsigned i = 0;

	for (struct rate *r = first(f); r; r = next(f, r), i++) {
		uint64_t due = due_at(r);

		if (due > now_ns && due < at && !has_passed(f, i)) {
			at = due;
			soonest = r;
			*ret_i = i;
		}
	}
	return soonest;
}

static void
leave_line(struct rates *s, struct rate_flow *f)
{
	struct rate *r = f->at;

	f->at = NULL;
	heap_remove(&r->waiting, &f->node);
	set_due(s, r);
}

/* r is the i-th of its buckets. */
static void
stand_in_line(struct rates *s, struct rate_flow *f, struct rate *r, unsigned i)
{
	f->at = r;
	f->place = place_of(i);
	heap_add(&r->waiting, &f->node);
	set_due(s, r);
}

/* What it will take of the i-th of its buckets is put aside. */
static void
put_aside(struct rates *s, struct rate_flow *f, struct rate *r, unsigned i, uint64_t now_ns)
{
	if (i >= RATE_PLACES - 1 || has_passed(f, i))
		return;
	if (!f->passed)
		f->aside = rate_flow_bite(f);
	f->passed |= UINT32_C(1) << i;
	take(s, r, (double)f->aside, now_ns);
}

struct rate_flow *
rates_next(struct rates *s, uint64_t now_ns)
{
	struct heap_node *n;
	unsigned i;

	while ((n = heap_peek(&s->due)) && CONTAINER_OF(n, struct rate, node)->due_ns <= now_ns) {
		struct rate *r = CONTAINER_OF(n, struct rate, node);
		struct rate_flow *f = CONTAINER_OF(heap_peek(&r->waiting), struct rate_flow, node);
		struct rate *b = find_blocker(f, now_ns, &i);

		r->turn = MAX(r->turn, f->tags[f->place]);
		leave_line(s, f);
		if (!b)
			return f;
		/* Not yet elsewhere; but two buckets need not be full in the same moment, so
		 * that nobody waits for ever. */
		put_aside(s, f, r, f->place, now_ns);
		stand_in_line(s, f, b, i);
	}
	return NULL;
}

uint64_t
rates_due_ns(const struct rates *s)
{
	const struct heap_node *n = heap_peek(&s->due);

	return n ? CONTAINER_OF(n, struct rate, node)->due_ns : UINT64_MAX;
}

/* ---- A flow ---------------------------------------------------------------------- */

void
rate_flow_init(struct rate_flow *f, uint64_t limit, uint64_t now_ns)
{
	*f = (struct rate_flow){ 0 };
	rate_init(&f->own, NULL, limit, now_ns);
}

void
rate_flow_done(struct rates *s, struct rate_flow *f)
{
	rate_flow_leave(s, f);
	rate_done(&f->own);
}

void
rate_flow_join(struct rates *s, struct rate_flow *f, struct rate *host, struct rate *group)
{
	rate_flow_leave(s, f);
	f->host = host;
	f->group = group;
	memset(f->tags, 0, sizeof f->tags);
}

void
rate_flow_leave(struct rates *s, struct rate_flow *f)
{
	unsigned i = 0;

	for (struct rate *r = first(f); r && f->passed; r = next(f, r), i++)
		if (has_passed(f, i))
			take(s, r, -(double)f->aside, r->last_ns);
	f->passed = 0;
	if (f->at)
		leave_line(s, f);
}

/* Takes from the i-th of its buckets, r. */
static void
take_there(struct rates *s, struct rate_flow *f, struct rate *r, unsigned i, uint64_t n, uint64_t now_ns)
{
	uint64_t *tag = &f->tags[place_of(i)];
	bool is_turn = !f->at;

	r->taken += n;
	if (!r->limit)
		return;
	take(s, r, (double)n - (is_turn && has_passed(f, i) ? (double)f->aside : 0), now_ns);
	*tag = MAX(*tag, r->turn);
	if (is_turn && !r->waiting.len)
		r->turn = *tag; /* what it has while nobody else wants it does not count */
	*tag += n;
}

bool
rate_flow_take(struct rates *s, struct rate_flow *f, uint64_t n, uint64_t now_ns)
{
	struct rate *b;
	unsigned i = 0;

	for (struct rate *r = first(f); r; r = next(f, r), i++)
		take_there(s, f, r, i, n, now_ns);
	if (f->at) {
		heap_update(&f->at->waiting, &f->node);
		return true;
	}
	f->passed = 0;
	b = find_blocker(f, now_ns, &i);
	if (b)
		stand_in_line(s, f, b, i);
	return b != NULL;
}

uint64_t
rate_flow_limit(const struct rate_flow *f)
{
	uint64_t least = 0;

	for (const struct rate *r = &f->own; r; r = next(f, r))
		if (r->limit && (!least || r->limit < least))
			least = r->limit;
	return least;
}

uint64_t
rate_flow_bite(const struct rate_flow *f)
{
	uint64_t limit = rate_flow_limit(f), bite;

	if (!limit)
		return 0;
	bite = MIN(MAX(limit / BITES, (uint64_t)BITE_LEAST), (uint64_t)BITE_MOST);
	return MIN(MAX(bite, limit / BITES_MOST), (uint64_t)BITE_HUGE);
}
