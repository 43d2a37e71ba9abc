/* Origins and a network that are down: who probes, who goes elsewhere, what is seen
 * of it; see scheduler.h. */
#include <string.h>

#include "base/clock.h"
#include "daemon/sched/internal.h"

enum { LEAVE_PER_TURN = 1024 }; /* tickets of origins that went down that are looked at */

void
scheduler_set_timer(struct scheduler *s)
{
	const struct ticket *first = queue_ticket_of(heap_peek(&s->delayed));
	const struct heap_node *probe = heap_peek(&s->origins.probes), *host = heap_peek(&s->origins.timed);
	uint64_t now = clock_now_ms(), at = first ? first->when_ms : UINT64_MAX;

	if (probe)
		at = MIN(at, CONTAINER_OF(probe, struct sched_origin, timed)->breaker.until_ms);
	if (host)
		at = MIN(at, CONTAINER_OF(host, struct sched_host, timed)->at_ms);
	if (s->network.state == BREAKER_OPEN && s->network.until_ms > now)
		at = MIN(at, s->network.until_ms);
	if (at == UINT64_MAX)
		loop_timer_cancel(&s->timer);
	else
		loop_timer_set(&s->timer, at > now ? at - now : 0);
}

void
scheduler_network_changed(struct scheduler *s)
{
	bay_set_open(&s->origins.ready, &s->origins.network, breaker_lets(&s->network, clock_now_ms()));
}

/* ---- Probes -------------------------------------------------------------------- */

void
scheduler_begin_probe(struct scheduler *s, struct ticket *t)
{
	struct sched_origin *o = t->origin;

	if (o->breaker.state != BREAKER_CLOSED) {
		o->probe = t;
		breaker_begin(&o->breaker);
		origin_update(&s->origins, o);
	}
	if (!scheduler_waits_for_network(s, t))
		return;
	s->network_probe = t;
	breaker_begin(&s->network);
	scheduler_network_changed(s);
}

void
scheduler_end_probe(struct scheduler *s, const struct ticket *t)
{
	struct sched_origin *o = t->origin;

	if (o->probe == t) {
		o->probe = NULL;
		breaker_abandon(&o->breaker, clock_now_ms());
		origin_update(&s->origins, o);
	}
	if (s->network_probe == t) {
		s->network_probe = NULL;
		breaker_abandon(&s->network, clock_now_ms());
		scheduler_network_changed(s);
	}
}

void
scheduler_origin_good(struct scheduler *s, struct ticket *t)
{
	if (!t->holds_network || !list_linked(&t->origin->trouble))
		return;
	origin_close(&s->origins, t->origin);
	scheduler_kick(s);
}

void
scheduler_origin_bad(struct scheduler *s, struct ticket *t, const struct result *why, uint64_t floor_ms)
{
	struct sched_origin *o = t->origin;
	struct sched_lane *l;
	bool probe, opened;

	if (!t->holds_network || !*o->host->name)
		return;
	probe = o->probe == t;
	opened = breaker_failure(&o->breaker, probe, s->origin_failures, s->probe_delay_ms, floor_ms, clock_now_ms(), random_bits());
	if (probe)
		o->probe = NULL;
	origin_note_failure(&s->origins, o, why);
	if (!opened)
		return;
	scheduler_set_timer(s);
	if (!s->ops->on_origin_down || !o->queued)
		return;
	LIST_FOREACH(l, &o->lanes, struct sched_lane, of_origin) {
		l->leaving_at = queue_places(&l->queue);
		if (l->leaving_at && !list_linked(&l->leaving))
			list_append(&s->leaving, &l->leaving);
	}
	loop_defer(s->loop, &s->leave);
}

/* ---- Hosts that have too much --------------------------------------------------- */

void
scheduler_host_good(struct scheduler *s, struct ticket *t)
{
	struct sched_host *h = t->holds_network ? t->origin->host : NULL;

	if (!h || !h->adapt.limit)
		return;
	(void)adapt_good(&h->adapt, h->most, t->when_ms, clock_now_ms());
	host_update(&s->origins, h);
	scheduler_kick(s);
}

bool
scheduler_host_bad(struct scheduler *s, struct ticket *t, uint64_t *ret_limit)
{
	struct sched_host *h = t->holds_network ? t->origin->host : NULL;

	if (!h || !*h->name || t->origin->breaker.state != BREAKER_CLOSED)
		return false; /* that one is down, whatever its number of connections */
	if (!adapt_bad(&h->adapt, h->most, h->slots.used, t->when_ms, clock_now_ms()))
		return false;
	host_update(&s->origins, h);
	*ret_limit = h->slots.limit;
	return true;
}

bool
scheduler_origin_is_suspect(const struct ticket *t)
{
	return t->origin && t->origin->breaker.state != BREAKER_CLOSED;
}

bool
scheduler_origin_is_down(const struct scheduler *s, const char *origin)
{
	const struct sched_origin *o = origins_find(&s->origins, origin);

	return o && !origin_lets(o, clock_now_ms());
}

void
scheduler_network_down(struct scheduler *s, const struct ticket *t)
{
	bool probe = s->network_probe == t;

	if (probe)
		s->network_probe = NULL;
	if (!breaker_failure(&s->network, probe, 1, s->probe_delay_ms, 0, clock_now_ms(), random_bits()))
		return;
	/* What failed so far was the network's fault, not that of an origin. */
	origins_close_all(&s->origins);
	scheduler_network_changed(s);
	scheduler_set_timer(s);
}

void
scheduler_network_up(struct scheduler *s)
{
	breaker_success(&s->network);
	s->network_probe = NULL;
	scheduler_network_changed(s);
	scheduler_kick(s);
}

bool
scheduler_network_is_down(const struct scheduler *s)
{
	return s->network.state != BREAKER_CLOSED;
}

/* ---- Elsewhere ------------------------------------------------------------------ */

/* The queue changes while it is walked, from its end: what is missed waits for a
 * probe.  True when there is no more to look at. */
static bool
leave(struct scheduler *s, struct sched_lane *l, unsigned *left)
{
	while ((l->leaving_at = MIN(l->leaving_at, queue_places(&l->queue))) > 0) {
		struct ticket *t = queue_at(&l->queue, l->leaving_at - 1);

		if (l->origin->breaker.state == BREAKER_CLOSED)
			break;
		if (!(*left)--)
			return false;
		/* Where one left is another now. */
		if (!t || !t->elsewhere || !s->ops->on_origin_down(t, s->arg))
			l->leaving_at--;
	}
	return true;
}

void
scheduler_on_leave(void *arg)
{
	struct scheduler *s = arg;
	unsigned left = LEAVE_PER_TURN;

	while (!list_empty(&s->leaving)) {
		struct sched_lane *l = LIST_FIRST(&s->leaving, struct sched_lane, leaving);
		struct sched_origin *o = l->origin;
		bool done;

		origin_hold(&s->origins, o); /* both stay while it is walked */
		l->pinned = true;
		done = leave(s, l, &left);
		if (done)
			list_remove(&l->leaving);
		origins_unpin(&s->origins, l);
		origin_release(&s->origins, o);
		if (!done) {
			loop_defer(s->loop, &s->leave);
			break;
		}
	}
}

/* ---- What is seen of it ------------------------------------------------------------ */

bool
scheduler_waits_for_network(const struct scheduler *s, const struct ticket *t)
{
	return s->network.state != BREAKER_CLOSED && *t->origin->host->name;
}

bool
scheduler_is_blocked(const struct scheduler *s, const struct ticket *t)
{
	return t->state == TICKET_QUEUED && (scheduler_waits_for_network(s, t) || t->origin->breaker.state != BREAKER_CLOSED);
}

uint64_t
scheduler_blocked(const struct scheduler *s)
{
	const struct sched_origin *o = origins_find(&s->origins, "");
	uint64_t n = 0;

	if (s->network.state != BREAKER_CLOSED)
		return s->queued - (o ? o->queued : 0);
	LIST_FOREACH(o, &s->origins.troubled, const struct sched_origin, trouble)
		n += o->breaker.state != BREAKER_CLOSED ? o->queued : 0;
	return n;
}

static uint64_t
probe_in(const struct breaker *b, uint64_t now)
{
	return b->state == BREAKER_OPEN && b->until_ms > now ? b->until_ms - now : 0;
}

uint64_t
scheduler_wait_ms(const struct scheduler *s, const struct ticket *t)
{
	uint64_t now = clock_now_ms(), at;
	const struct sched_host *h;

	if (scheduler_is_blocked(s, t))
		return probe_in(scheduler_waits_for_network(s, t) ? &s->network : &t->origin->breaker, now);
	h = t->state == TICKET_QUEUED ? t->origin->host : NULL;
	if (!h || h->bay.open || !semaphore_has(&h->slots, 1))
		return 0;
	at = spacing_at_ns(&h->spacing) / NSEC_PER_MSEC + 1;
	return at - MIN(at, now);
}

enum breaker_state
scheduler_network(const struct scheduler *s, uint64_t *ret_probe_in_ms)
{
	*ret_probe_in_ms = probe_in(&s->network, clock_now_ms());
	return s->network.state;
}

static struct sched_origin_view
view_of(const struct sched_origin *o, uint64_t now)
{
	return (struct sched_origin_view){
		.origin = o->name,
		.host = o->host->name,
		.used = o->host->slots.used,
		.limit = o->host->slots.limit,
		.most = o->host->most,
		.interval_ns = o->host->spacing.interval_ns,
		.running = o->running,
		.waiting = o->tickets - o->running,
		.state = o->breaker.state,
		.failures = o->breaker.failures,
		.cause = o->cause,
		.probe_in_ms = probe_in(&o->breaker, now),
	};
}

bool
scheduler_origin_of(const struct ticket *t, struct sched_origin_view *ret)
{
	if (!t->origin)
		return false;
	*ret = view_of(t->origin, clock_now_ms());
	return true;
}

uint64_t
scheduler_each_origin(const struct scheduler *s, uint64_t most, void (*cb)(const struct sched_origin_view *v, void *arg),
    void *arg)
{
	const struct sched_origin *o, *none = origins_find(&s->origins, "");
	uint64_t now = clock_now_ms(), n = 0;
	struct sched_origin_view v;
	size_t cursor = 0;

	LIST_FOREACH(o, &s->origins.troubled, const struct sched_origin, trouble) {
		if (n++ == most)
			break;
		v = view_of(o, now);
		cb(&v, arg);
	}
	while (n < most && (o = map_next(&s->origins.by_name, &cursor))) {
		if (o == none || list_linked(&o->trouble))
			continue;
		n++;
		v = view_of(o, now);
		cb(&v, arg);
	}
	return s->origins.by_name.len - (none != NULL);
}
