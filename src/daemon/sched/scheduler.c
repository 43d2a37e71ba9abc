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

enum {
	STARTS_PER_PASS = 64, /* the rest follow in the next turn */
	ASIDE_PER_PASS = 1024, /* tickets that may be set aside in one turn */
	ASIDE_BACK = 64,      /* of those that ask again when memory was given back */
	OVERTAKEN_MAX = 64,   /* then it is its turn, and nobody else gets memory */
};

#define ticket_of origin_ticket

static bool
sooner(const struct heap_node *a, const struct heap_node *b)
{
	return ticket_of(a)->not_before_ms < ticket_of(b)->not_before_ms;
}

static void
detach(struct scheduler *s, struct ticket *t)
{
	struct sched_origin *o = t->origin;

	t->origin = NULL;
	if (o)
		origin_release(&s->origins, o);
}

static uint64_t
host_limit(const char *name, void *arg)
{
	const struct scheduler *s = arg;
	uint64_t limit = s->ops->host_limit ? s->ops->host_limit(name, s->arg) : 0;

	return limit ? limit : s->per_host;
}

static void
queue_add(struct scheduler *s, struct ticket *t)
{
	heap_add(&t->origin->queue, &t->node);
	s->queued++;
	origin_update(&s->origins, t->origin);
}

static void
queue_remove(struct scheduler *s, struct ticket *t)
{
	heap_remove(&t->origin->queue, &t->node);
	s->queued--;
	origin_update(&s->origins, t->origin);
}

static void
queue_ticket(struct scheduler *s, struct ticket *t)
{
	t->state = TICKET_QUEUED;
	queue_add(s, t);
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

	while ((t = ticket_of(heap_peek(&s->delayed))) && t->not_before_ms <= now) {
		heap_remove(&s->delayed, &t->node);
		queue_ticket(s, t);
		if (s->ops->on_due)
			s->ops->on_due(t, s->arg);
	}
	(void)origins_due(&s->origins, now);
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
	if (first && ticket_of(first)->overtaken >= OVERTAKEN_MAX && origin_ticket_before(first, &t->node))
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

/* The host whose turn it is; what needs no network does not wait for it. */
static struct sched_host *
next_host(const struct scheduler *s)
{
	struct sched_host *h;

	if (breaker_lets(&s->network, clock_now_ms()))
		return origins_ready(&s->origins);
	h = origins_host(&s->origins, "");
	return h && heap_contains(&h->node) ? h : NULL;
}

/* Takes the ticket's whole set; the caller knows that all of it is there. */
static void
start(struct scheduler *s, struct ticket *t)
{
	struct sched_origin *o = t->origin;
	struct ticket *first = ticket_of(heap_peek(&s->aside));

	if (first && t->decoder_memory && origin_ticket_before(&first->node, &t->node))
		first->overtaken++;
	t->overtaken = 0;
	queue_remove(s, t);
	waits_no_more(s, t);
	semaphore_take(&s->global, 1);
	semaphore_take(&o->host->slots, 1);
	semaphore_take(&s->memory, t->decoder_memory);
	t->holds_network = true;
	t->holds_memory = t->decoder_memory > 0;
	o->running++;
	scheduler_begin_probe(s, t);
	origin_update(&s->origins, o);
	s->ops->on_start(t, s->arg);
}

static void
pass(void *arg)
{
	struct scheduler *s = arg;
	unsigned started = 0, set_aside = 0;

	while (semaphore_has(&s->global, 1) && semaphore_has(&s->verifying, 1)) {
		struct sched_host *h = next_host(s);
		struct ticket *t = h ? ticket_of(heap_peek(&origins_first(h)->queue)) : NULL;

		if (!t || (s->held && !t->begun)) /* those that have begun come first */
			break;
		if (!has_memory(s, t)) {
			if (++set_aside > ASIDE_PER_PASS) {
				scheduler_kick(s);
				break;
			}
			queue_remove(s, t);
			t->state = TICKET_ASIDE;
			heap_add(&s->aside, &t->node);
			continue;
		}
		if (++started > STARTS_PER_PASS) {
			scheduler_kick(s);
			break;
		}
		start(s, t);
	}
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
	s->next_order = 1;
	s->origin_failures = limits->origin_failures;
	s->probe_delay_ms = limits->probe_delay_ms;
	origins_init(&s->origins);
	list_init(&s->leaving);
	heap_init(&s->delayed, sooner);
	heap_init(&s->aside, origin_ticket_before);
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
		t->order = s->next_order++;
	t->origin = origins_get(&s->origins, origin, host_limit, s);
	origin_hold(&s->origins, t->origin);
	s->waiting++;
	s->begun += t->begun;
	if (!delay_ms) {
		queue_ticket(s, t);
		return;
	}
	t->state = TICKET_DELAYED;
	t->not_before_ms = clock_now_ms() + delay_ms;
	heap_add(&s->delayed, &t->node);
	scheduler_set_timer(s);
}

static void
give_memory(struct scheduler *s, struct ticket *t)
{
	if (!t->holds_memory)
		return;
	t->holds_memory = false;
	scheduler_kick(s);
	semaphore_give(&s->memory, t->decoder_memory);
	/* The first of them ask again; those that still do not fit come back. */
	for (unsigned n = 0; n < ASIDE_BACK && heap_peek(&s->aside); n++) {
		struct ticket *w = ticket_of(heap_peek(&s->aside));

		heap_remove(&s->aside, &w->node);
		queue_ticket(s, w);
	}
}

static void
give_network(struct scheduler *s, struct ticket *t)
{
	if (!t->holds_network)
		return;
	t->holds_network = false;
	semaphore_give(&s->global, 1);
	semaphore_give(&t->origin->host->slots, 1);
	t->origin->running--;
	scheduler_end_probe(s, t);
	origin_update(&s->origins, t->origin);
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
		queue_remove(s, t);
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
		return "decoder-memory";
	case TICKET_QUEUED:
		break;
	}
	if (s->held && !t->begun)
		return "draining";
	if (scheduler_is_blocked(s, t))
		return scheduler_waits_for_network(s, t) ? "network-down" : "origin-down";
	if (!semaphore_has(&s->verifying, 1))
		return "worker-backlog";
	if (!semaphore_has(&t->origin->host->slots, 1))
		return "host-limit";
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
	while ((h = map_next(&s->origins.hosts, &cursor))) {
		h->slots.limit = host_limit(h->name, s);
		origin_host_update(&s->origins, h);
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
scheduler_active(const struct scheduler *s)
{
	return s->global.used;
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
