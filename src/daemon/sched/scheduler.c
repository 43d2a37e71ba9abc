/* What may run; see scheduler.h. */
#include "daemon/sched/scheduler.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

enum {
	STARTS_PER_PASS = 64, /* the rest follow in the next turn */
	ASIDE_PER_PASS = 1024, /* tickets that may be set aside in one turn */
	ASIDE_BACK = 64,      /* of those that ask again when memory was given back */
	OVERTAKEN_MAX = 64,   /* then it is its turn, and nobody else gets memory */
};

struct sched_host {
	struct heap_node node; /* among the ready, while it could run one */
	struct heap queue;     /* of tickets */
	struct semaphore slots;
	uint64_t tickets;      /* that name this host; the last one frees it */
	char name[];
};

struct scheduler {
	struct loop *loop;
	struct semaphore global, verifying, memory;
	uint64_t per_host;
	const struct sched_ops *ops;
	void *arg;
	struct map hosts;      /* by name */
	struct heap ready;     /* hosts with a waiting ticket and a free slot */
	struct heap delayed;   /* tickets, by time */
	struct heap aside;     /* tickets that want more decoder memory than is free */
	struct loop_timer timer;
	struct loop_deferred pass;
	uint64_t next_order, waiting, begun;
	bool held;
};

static struct ticket *
ticket_of(const struct heap_node *n)
{
	return n ? CONTAINER_OF(n, struct ticket, node) : NULL;
}

static struct sched_host *
host_of(const struct heap_node *n)
{
	return n ? CONTAINER_OF(n, struct sched_host, node) : NULL;
}

static bool
ticket_before(const struct heap_node *a, const struct heap_node *b)
{
	const struct ticket *x = ticket_of(a), *y = ticket_of(b);

	if (x->begun != y->begun)
		return x->begun;
	return x->priority != y->priority ? x->priority > y->priority : x->order < y->order;
}

static bool
host_before(const struct heap_node *a, const struct heap_node *b)
{
	return ticket_before(heap_peek(&host_of(a)->queue), heap_peek(&host_of(b)->queue));
}

static bool
sooner(const struct heap_node *a, const struct heap_node *b)
{
	return ticket_of(a)->not_before_ms < ticket_of(b)->not_before_ms;
}

static bool
host_has_name(const void *item, const void *key)
{
	return strcmp(((const struct sched_host *)item)->name, key) == 0;
}

/* Puts the host where it belongs after its queue or slots changed. */
static void
host_update(struct scheduler *s, struct sched_host *h)
{
	bool ready = heap_peek(&h->queue) && semaphore_has(&h->slots, 1);

	if (ready && heap_contains(&h->node))
		heap_update(&s->ready, &h->node);
	else if (ready)
		heap_add(&s->ready, &h->node);
	else
		heap_remove(&s->ready, &h->node);
}

static void
detach(struct scheduler *s, struct ticket *t)
{
	struct sched_host *h = t->host;

	t->host = NULL;
	if (!h || --h->tickets)
		return;
	(void)map_remove(&s->hosts, hash_str(h->name), h->name);
	heap_done(&h->queue);
	free(h);
}

static uint64_t
host_limit(const struct scheduler *s, const char *name)
{
	uint64_t limit = s->ops->host_limit ? s->ops->host_limit(name, s->arg) : 0;

	return limit ? limit : s->per_host;
}

static struct sched_host *
host_get(struct scheduler *s, const char *name)
{
	uint64_t hash = hash_str(name);
	struct sched_host *h = map_find(&s->hosts, hash, name);
	size_t n = strlen(name) + 1;

	if (h)
		return h;
	h = xcalloc(1, sizeof *h + n);
	memcpy(h->name, name, n);
	heap_init(&h->queue, ticket_before);
	h->slots.limit = host_limit(s, name);
	map_add(&s->hosts, hash, h);
	return h;
}

static void
queue_ticket(struct scheduler *s, struct ticket *t)
{
	t->state = TICKET_QUEUED;
	heap_add(&t->host->queue, &t->node);
	host_update(s, t->host);
	scheduler_kick(s);
}

static void
set_timer(struct scheduler *s)
{
	struct ticket *first = ticket_of(heap_peek(&s->delayed));
	uint64_t now = clock_now_ms();

	if (!first)
		loop_timer_cancel(&s->timer);
	else
		loop_timer_set(&s->timer, first->not_before_ms > now ? first->not_before_ms - now : 0);
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
	}
	set_timer(s);
}

/* Memory for this one?  Not while one that came before it was overtaken too
 * often: a large one is not starved by small ones. */
static bool
has_memory(const struct scheduler *s, const struct ticket *t)
{
	const struct heap_node *first = heap_peek(&s->aside);

	if (!t->decoder_memory)
		return true;
	if (first && ticket_of(first)->overtaken >= OVERTAKEN_MAX && ticket_before(first, &t->node))
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
	struct sched_host *h = t->host;
	struct ticket *first = ticket_of(heap_peek(&s->aside));

	if (first && t->decoder_memory && ticket_before(&first->node, &t->node))
		first->overtaken++;
	t->overtaken = 0;
	heap_remove(&h->queue, &t->node);
	waits_no_more(s, t);
	semaphore_take(&s->global, 1);
	semaphore_take(&h->slots, 1);
	semaphore_take(&s->memory, t->decoder_memory);
	t->holds_network = true;
	t->holds_memory = t->decoder_memory > 0;
	host_update(s, h);
	s->ops->on_start(t, s->arg);
}

static void
pass(void *arg)
{
	struct scheduler *s = arg;
	unsigned started = 0, set_aside = 0;

	while (semaphore_has(&s->global, 1) && semaphore_has(&s->verifying, 1)) {
		struct sched_host *h = host_of(heap_peek(&s->ready));
		struct ticket *t = h ? ticket_of(heap_peek(&h->queue)) : NULL;

		if (!t || (s->held && !t->begun)) /* those that have begun come first */
			break;
		if (!has_memory(s, t)) {
			if (++set_aside > ASIDE_PER_PASS) {
				scheduler_kick(s);
				break;
			}
			heap_remove(&h->queue, &t->node);
			t->state = TICKET_ASIDE;
			heap_add(&s->aside, &t->node);
			host_update(s, h);
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
	map_init(&s->hosts, host_has_name);
	heap_init(&s->ready, host_before);
	heap_init(&s->delayed, sooner);
	heap_init(&s->aside, ticket_before);
	loop_timer_init(&s->timer, l, "scheduler timer", on_timer, s);
	loop_deferred_init(&s->pass, "scheduler pass", pass, s);
	return s;
}

void
scheduler_free(struct scheduler *s)
{
	struct sched_host *h;
	size_t cursor = 0;

	if (!s)
		return;
	while ((h = map_next(&s->hosts, &cursor))) {
		heap_done(&h->queue);
		free(h);
	}
	map_done(&s->hosts);
	heap_done(&s->ready);
	heap_done(&s->delayed);
	heap_done(&s->aside);
	loop_timer_done(&s->timer);
	loop_undefer(&s->pass);
	free(s);
}

void
scheduler_enqueue(struct scheduler *s, struct ticket *t, const char *host, uint64_t delay_ms)
{
	assert(t->state == TICKET_IDLE && !t->holds_network && !t->host);
	/* One decoder may ask for all the memory there is, not for more: it would
	 * wait for ever. */
	t->decoder_memory = MIN(t->decoder_memory, s->memory.limit);
	if (!t->order)
		t->order = s->next_order++;
	t->host = host_get(s, host);
	t->host->tickets++;
	s->waiting++;
	s->begun += t->begun;
	if (!delay_ms) {
		queue_ticket(s, t);
		return;
	}
	t->state = TICKET_DELAYED;
	t->not_before_ms = clock_now_ms() + delay_ms;
	heap_add(&s->delayed, &t->node);
	set_timer(s);
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
	semaphore_give(&t->host->slots, 1);
	host_update(s, t->host);
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
		set_timer(s);
		break;
	case TICKET_QUEUED:
		heap_remove(&t->host->queue, &t->node);
		host_update(s, t->host);
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
	if (!semaphore_has(&s->verifying, 1))
		return "worker-backlog";
	if (!semaphore_has(&t->host->slots, 1))
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
	while ((h = map_next(&s->hosts, &cursor))) {
		h->slots.limit = host_limit(s, h->name);
		host_update(s, h);
	}
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
