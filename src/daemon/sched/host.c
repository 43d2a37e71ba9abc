/* A host; see host.h. */
#include "daemon/sched/host.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "daemon/sched/origins.h"

enum { PURGED_AT_ONCE = 2 }; /* resting hosts that are looked at when another comes */

bool
host_sooner(const struct heap_node *a, const struct heap_node *b)
{
	return CONTAINER_OF(a, struct sched_host, timed)->at_ms < CONTAINER_OF(b, struct sched_host, timed)->at_ms;
}

void
host_free(struct sched_host *h)
{
	bay_done(&h->bay);
	list_remove(&h->resting);
	free(h);
}

static void
forget(struct origins *all, struct sched_host *h)
{
	(void)map_remove(&all->hosts, hash_str(h->name), h->name);
	heap_remove(&all->timed, &h->timed);
	host_free(h);
}

static bool
remembers(struct sched_host *h)
{
	if (h->adapt.limit)
		(void)adapt_grow(&h->adapt, h->most, clock_now_ms());
	return h->adapt.limit || (h->spacing.interval_ns && h->spacing.next_ns > clock_now_ns());
}

/* Hosts come and go, and with each that comes some may be forgotten. */
static void
purge(struct origins *all)
{
	for (unsigned n = 0; n < PURGED_AT_ONCE && !list_empty(&all->resting); n++) {
		struct sched_host *h = LIST_FIRST(&all->resting, struct sched_host, resting);

		list_remove(&h->resting);
		if (remembers(h))
			list_append(&all->resting, &h->resting);
		else
			forget(all, h);
	}
}

struct sched_host *
host_get(struct origins *all, const char *name, host_rules_cb rules, void *arg)
{
	struct sched_host *h = origins_host(all, name);
	size_t n = strlen(name) + 1;
	struct host_rules r;

	if (h)
		return h;
	purge(all);
	r = rules(name, arg);
	h = xcalloc(1, sizeof *h + n);
	memcpy(h->name, name, n);
	h->most = h->slots.limit = r.most;
	h->spacing.interval_ns = r.interval_ns;
	list_init(&h->resting);
	bay_init(&h->bay, true);
	map_add(&all->hosts, hash_str(name), h);
	return h;
}

void
host_hold(struct sched_host *h)
{
	h->n_origins++;
	list_remove(&h->resting);
}

void
host_release(struct origins *all, struct sched_host *h)
{
	if (--h->n_origins)
		return;
	if (remembers(h))
		list_append(&all->resting, &h->resting);
	else
		forget(all, h);
}

void
host_set_rules(struct origins *all, struct sched_host *h, const struct host_rules *rules)
{
	h->most = rules->most;
	spacing_set(&h->spacing, rules->interval_ns, clock_now_ns());
	host_update(all, h);
}

void
host_update(struct origins *all, struct sched_host *h)
{
	uint64_t at = UINT64_MAX;
	bool room, lets = true;

	h->slots.limit = adapt_limit(&h->adapt, h->most);
	room = semaphore_has(&h->slots, 1);
	if (h->spacing.interval_ns)
		lets = spacing_lets(&h->spacing, clock_now_ns());
	bay_set_open(&all->ready, &h->bay, room && lets);
	if (h->queued && !room)
		at = adapt_next_ms(&h->adapt);
	else if (h->queued && !lets)
		at = (spacing_at_ns(&h->spacing) + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
	h->at_ms = at;
	heap_keep(&all->timed, &h->timed, at != UINT64_MAX);
}

void
host_take(struct origins *all, struct sched_host *h)
{
	semaphore_take(&h->slots, 1);
	if (h->spacing.interval_ns)
		spacing_take(&h->spacing, clock_now_ns());
	host_update(all, h);
}

void
hosts_due(struct origins *all, uint64_t now_ms)
{
	struct heap_node *n;

	while ((n = heap_peek(&all->timed))) {
		struct sched_host *h = CONTAINER_OF(n, struct sched_host, timed);

		if (h->at_ms > now_ms)
			break;
		heap_remove(&all->timed, n);
		(void)adapt_grow(&h->adapt, h->most, now_ms);
		host_update(all, h);
	}
}
