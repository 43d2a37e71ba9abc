/* What may run; see scheduler.h. */
#include "daemon/sched/scheduler.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "daemon/sched/internal.h"
#include "daemon/sched/sched_group.h"

enum {
	STARTS_PER_PASS = 64, /* the rest follow in the next turn */
	MOVES_PER_PASS = 1024, /* tickets set aside, and lanes that go to another bay, in one turn */
	ASIDE_BACK = 64,      /* of those aside that ask again at once */
	OVERTAKEN_MAX = 64,   /* then it is its turn, and nobody else gets memory */
	PRIORITY_MAX = 1000000,
};

/* Of one that came at the start of the clock with priority 0: what the highest priority
 * is worth at most (3.6e18 ns) may be taken away and added, with decades to spare,
 * and the top bit stays free (lane.h). */
#define ORDER_ZERO UINT64_C(4000000000000000000)
#define ORDER_MOST INT64_MAX

static bool
sooner(const struct heap_node *a, const struct heap_node *b)
{
	return queue_ticket_of(a)->when_ms < queue_ticket_of(b)->when_ms;
}

static void
detach(struct scheduler *s, struct ticket *t)
{
	struct sched_origin *o = t->origin;

	t->origin = NULL;
	if (o)
		origin_release(&s->origins, o);
}

static struct host_rules
host_rules(const char *name, void *arg)
{
	const struct scheduler *s = arg;
	uint64_t limit = s->ops->host_limit ? s->ops->host_limit(name, s->arg) : 0;

	return (struct host_rules){
		.most = limit ? limit : s->per_host,
		.interval_ns = s->ops->host_interval ? s->ops->host_interval(name, s->arg) : 0,
	};
}

static void
unqueue(struct scheduler *s, struct ticket *t)
{
	origins_unqueue(&s->origins, t);
	s->queued--;
}

static void
enqueue(struct scheduler *s, struct ticket *t)
{
	t->state = TICKET_QUEUED;
	origins_queue(&s->origins, t);
	s->queued++;
	if (heap_peek(&s->origins.probes)) /* perhaps it is the first that waits for one */
		scheduler_set_timer(s);
	scheduler_kick(s);
}

static void
on_timer(void *arg)
{
	struct scheduler *s = arg;
	uint64_t now = clock_now_ms();
	struct ticket *t;

	while ((t = queue_ticket_of(heap_peek(&s->delayed))) && t->when_ms <= now) {
		heap_remove(&s->delayed, &t->node);
		enqueue(s, t);
		if (s->ops->on_due)
			s->ops->on_due(t, s->arg);
	}
	(void)origins_due(&s->origins, now);
	hosts_due(&s->origins, now);
	scheduler_network_changed(s);
	scheduler_set_timer(s);
	scheduler_kick(s);
}

/* Memory for this one?  Not while one that came before it was overtaken too
 * often: a large one is not starved by small ones. */
static bool
has_memory(const struct scheduler *s, const struct ticket *t)
{
	const struct heap_node *first = heap_peek(&s->aside);

	if (!t->decoder_memory)
		return true;
	if (first && queue_ticket_of(first)->overtaken >= OVERTAKEN_MAX && queue_ticket_before(first, &t->node))
		return false;
	return semaphore_has(&s->memory, t->decoder_memory);
}

static void
waits_no_more(struct scheduler *s, struct ticket *t)
{
	t->state = TICKET_IDLE;
	s->waiting--;
	s->begun -= t->begun;
	t->begun = false;
}

/* Takes the ticket's whole set; the caller knows that all of it is there. */
static void
start(struct scheduler *s, struct ticket *t)
{
	struct sched_origin *o = t->origin;
	struct ticket *first = queue_ticket_of(heap_peek(&s->aside));

	if (first && t->decoder_memory && queue_ticket_before(&first->node, &t->node))
		first->overtaken++;
	t->overtaken = 0;
	semaphore_take(&s->global, 1);
	sched_group_take(t->group);
	host_take(&s->origins, o->host);
	semaphore_take(&s->memory, t->decoder_memory);
	unqueue(s, t);
	waits_no_more(s, t);
	t->holds_network = true;
	t->holds_memory = t->decoder_memory > 0;
	o->running++;
	t->when_ms = s->now_ms;
	scheduler_begin_probe(s, t);
	s->starting = t;
	s->ops->on_start(t, s->arg);
	s->starting = NULL;
}

/* The first that could start, when memory is no matter: lanes before it that stand
 * before a closed door go there.  NULL: there is none. */
static struct ticket *
next_ticket(struct scheduler *s, unsigned *moved)
{
	struct sched_lane *l;

	while ((l = bays_first(&s->origins.ready))) {
		struct sched_bay *closed = origins_closed(&s->origins, l);

		if (!closed)
			return l->queue.first;
		if (++*moved > MOVES_PER_PASS) {
			scheduler_kick(s);
			return NULL;
		}
		lane_move(&s->origins.ready, l, closed);
	}
	return NULL;
}

/* While one starts, what the next one needs comes from memory. */
static void
prefetch(const struct scheduler *s)
{
	const struct heap *ready = &s->origins.ready;

	for (size_t i = 0; i < MIN(ready->len, 3); i++)
		queue_prefetch(&bay_first(ready->nodes[i])->queue);
}

/* The first of them; those that still do not fit come back. */
static void
ask_again(struct scheduler *s)
{
	for (unsigned n = 0; n < ASIDE_BACK && heap_peek(&s->aside); n++) {
		struct ticket *t = queue_ticket_of(heap_peek(&s->aside));

		heap_remove(&s->aside, &t->node);
		enqueue(s, t);
	}
}

/* All that is queued stands before some door: so may those that asked for memory last,
 * or they have gone.  Then it is for the next ones. */
static void
offer_memory(struct scheduler *s)
{
	const struct ticket *first = queue_ticket_of(heap_peek(&s->aside));

	if (first && semaphore_has(&s->memory, first->decoder_memory))
		ask_again(s);
}

static void
pass(void *arg)
{
	struct scheduler *s = arg;
	unsigned started = 0, moved = 0;

	s->now_ms = clock_now_ms();
	while (semaphore_has(&s->global, 1) && semaphore_has(&s->verifying, 1)) {
		struct ticket *t = next_ticket(s, &moved);

		if (!t && moved <= MOVES_PER_PASS)
			offer_memory(s);
		if (!t || (s->held && !t->begun)) /* those that have begun come first */
			break;
		if (!has_memory(s, t)) {
			if (++moved > MOVES_PER_PASS) {
				scheduler_kick(s);
				break;
			}
			unqueue(s, t);
			t->state = TICKET_ASIDE;
			heap_add(&s->aside, &t->node);
			continue;
		}
		if (++started > STARTS_PER_PASS) {
			scheduler_kick(s);
			break;
		}
		prefetch(s);
		start(s, t);
	}
	if (heap_peek(&s->origins.timed))
		scheduler_set_timer(s);
}

/* A priority is worth time that was waited, so that what waits is overtaken for a time
 * only; and the order is known once and for all when a ticket comes. */
static uint64_t
order_of(const struct scheduler *s, uint64_t order, int32_t priority)
{
	uint64_t worth = (uint64_t)(priority < 0 ? -(int64_t)priority : priority);

	worth = MIN(worth, (uint64_t)PRIORITY_MAX) * s->priority_step_ms * NSEC_PER_MSEC;
	return priority < 0 ? MIN(order + worth, ORDER_MOST) : order - MIN(worth, order - 1);
}

static uint64_t
next_order(struct scheduler *s, int32_t priority)
{
	s->arrival_ns = MAX(s->arrival_ns + 1, clock_now_ns()); /* no two are equal */
	return order_of(s, ORDER_ZERO + s->arrival_ns, priority);
}

static uint64_t
step_of(const struct sched_limits *limits)
{
	return limits->priority_step_ms ? MIN(limits->priority_step_ms, (uint64_t)PRIORITY_STEP_MOST_MS) : PRIORITY_STEP_MS;
}

struct scheduler *
scheduler_new(struct loop *l, const struct sched_limits *limits, const struct sched_ops *ops, void *arg)
{
	struct scheduler *s = NEW(struct scheduler);

	s->loop = l;
	s->ops = ops;
	s->arg = arg;
	s->global.limit = limits->global;
	s->verifying.limit = limits->verifying;
	s->memory.limit = limits->decoder_memory;
	s->per_host = limits->per_host;
	s->origin_failures = limits->origin_failures;
	s->probe_delay_ms = limits->probe_delay_ms;
	s->priority_step_ms = step_of(limits);
	origins_init(&s->origins);
	list_init(&s->leaving);
	heap_init(&s->delayed, sooner);
	heap_init(&s->aside, queue_ticket_before);
	loop_timer_init(&s->timer, l, "scheduler timer", on_timer, s);
	loop_deferred_init(&s->pass, "scheduler pass", pass, s);
	loop_deferred_init(&s->leave, "origin down", scheduler_on_leave, s);
	return s;
}

void
scheduler_free(struct scheduler *s)
{
	if (!s)
		return;
	origins_done(&s->origins);
	heap_done(&s->delayed);
	heap_done(&s->aside);
	loop_timer_done(&s->timer);
	loop_undefer(&s->pass);
	loop_undefer(&s->leave);
	free(s);
}

void
scheduler_enqueue(struct scheduler *s, struct ticket *t, const char *origin, uint64_t delay_ms)
{
	assert(t->state == TICKET_IDLE && !t->holds_network && !t->origin);
	/* One decoder may ask for all the memory there is, not for more: it would
	 * wait for ever. */
	t->decoder_memory = MIN(t->decoder_memory, s->memory.limit);
	if (!t->order)
		t->order = next_order(s, t->priority);
	t->origin = origins_get(&s->origins, origin, host_rules, s);
	origin_hold(&s->origins, t->origin);
	s->waiting++;
	s->begun += t->begun;
	if (!delay_ms) {
		enqueue(s, t);
		return;
	}
	t->state = TICKET_DELAYED;
	t->when_ms = clock_now_ms() + delay_ms;
	heap_add(&s->delayed, &t->node);
	scheduler_set_timer(s);
}

void
scheduler_set_priority(struct scheduler *s, struct ticket *t, int32_t priority)
{
	bool queued = t->state == TICKET_QUEUED, aside = t->state == TICKET_ASIDE;

	if (queued)
		origins_unqueue(&s->origins, t);
	else if (aside)
		heap_remove(&s->aside, &t->node);
	if (t->order)
		t->order = order_of(s, order_of(s, t->order, -t->priority), priority);
	t->priority = priority;
	if (queued)
		origins_queue(&s->origins, t);
	else if (aside)
		heap_add(&s->aside, &t->node);
	scheduler_kick(s);
}

static void
give_memory(struct scheduler *s, struct ticket *t)
{
	if (!t->holds_memory)
		return;
	t->holds_memory = false;
	scheduler_kick(s);
	semaphore_give(&s->memory, t->decoder_memory);
	ask_again(s);
}

static void
give_network(struct scheduler *s, struct ticket *t)
{
	if (!t->holds_network)
		return;
	t->holds_network = false;
	if (t == s->starting) /* what it wants is busy, or there already: it asked its host for nothing */
		spacing_give(&t->origin->host->spacing);
	semaphore_give(&s->global, 1);
	sched_group_give(t->group);
	semaphore_give(&t->origin->host->slots, 1);
	t->origin->running--;
	scheduler_end_probe(s, t);
	host_update(&s->origins, t->origin->host);
	detach(s, t);
	scheduler_kick(s);
}

void
scheduler_withdraw(struct scheduler *s, struct ticket *t)
{
	switch ((enum ticket_state)t->state) {
	case TICKET_IDLE:
		break;
	case TICKET_DELAYED:
		heap_remove(&s->delayed, &t->node);
		scheduler_set_timer(s);
		break;
	case TICKET_QUEUED:
		unqueue(s, t);
		break;
	case TICKET_ASIDE:
		heap_remove(&s->aside, &t->node);
		t->overtaken = 0;
		scheduler_kick(s); /* others may have waited behind it */
		break;
	}
	if (t->state != TICKET_IDLE) {
		waits_no_more(s, t);
		detach(s, t);
	}
	give_network(s, t);
	give_memory(s, t);
	if (t->holds_verify) {
		t->holds_verify = false;
		semaphore_give(&s->verifying, 1);
		scheduler_kick(s);
	}
}

void
scheduler_to_verify(struct scheduler *s, struct ticket *t)
{
	give_network(s, t);
	if (!t->holds_verify) {
		t->holds_verify = true;
		semaphore_take(&s->verifying, 1);
	}
}

void
scheduler_kick(struct scheduler *s)
{
	loop_defer(s->loop, &s->pass);
}

void
scheduler_hold(struct scheduler *s, bool held)
{
	s->held = held;
	if (!held)
		scheduler_kick(s);
}

const char *
scheduler_why(const struct scheduler *s, const struct ticket *t)
{
	switch ((enum ticket_state)t->state) {
	case TICKET_IDLE:
		return NULL;
	case TICKET_DELAYED:
		return "retry-at";
	case TICKET_ASIDE:
		return sched_group_is_held(t->group) ? "group-paused" : "decoder-memory";
	case TICKET_QUEUED:
		break;
	}
	if (s->held && !t->begun)
		return "draining";
	if (sched_group_is_held(t->group))
		return "group-paused";
	if (scheduler_is_blocked(s, t))
		return scheduler_waits_for_network(s, t) ? "network-down" : "origin-down";
	if (!semaphore_has(&s->verifying, 1))
		return "worker-backlog";
	if (sched_group_closed(t->group))
		return "group-limit";
	if (!semaphore_has(&t->origin->host->slots, 1))
		return "host-limit";
	if (!t->origin->host->bay.open)
		return "request-rate";
	return semaphore_has(&s->global, 1) ? NULL : "global-limit"; /* NULL: its turn comes now */
}

void
scheduler_set_limits(struct scheduler *s, const struct sched_limits *limits)
{
	struct sched_host *h;
	size_t cursor = 0;

	s->global.limit = limits->global;
	s->verifying.limit = limits->verifying;
	s->per_host = limits->per_host;
	s->origin_failures = limits->origin_failures;
	s->probe_delay_ms = limits->probe_delay_ms;
	s->priority_step_ms = step_of(limits);
	while ((h = map_next(&s->origins.hosts, &cursor))) {
		struct host_rules rules = host_rules(h->name, s);

		host_set_rules(&s->origins, h, &rules);
	}
	if (!s->origin_failures)
		origins_close_all(&s->origins);
	scheduler_kick(s);
}

struct sched_use
scheduler_use(const struct scheduler *s)
{
	return (struct sched_use){ s->global, s->verifying, s->memory };
}

uint64_t
scheduler_begun(const struct scheduler *s)
{
	return s->begun;
}

uint64_t
scheduler_waiting(const struct scheduler *s)
{
	return s->waiting;
}
