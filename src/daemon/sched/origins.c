/* Where tickets wait; see origins.h. */
#include "daemon/sched/origins.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "daemon/sched/sched_group.h"

static bool
probe_before(const struct heap_node *a, const struct heap_node *b)
{
	return CONTAINER_OF(a, struct sched_origin, timed)->breaker.until_ms <
	    CONTAINER_OF(b, struct sched_origin, timed)->breaker.until_ms;
}

static bool
host_has_name(const void *item, const void *key)
{
	return strcmp(((const struct sched_host *)item)->name, key) == 0;
}

static bool
origin_has_name(const void *item, const void *key)
{
	return strcmp(((const struct sched_origin *)item)->name, key) == 0;
}

struct lane_name {
	const struct sched_origin *origin;
	const struct sched_group *group;
};

static bool
lane_has_name(const void *item, const void *key)
{
	const struct sched_lane *l = item;
	const struct lane_name *n = key;

	return l->origin == n->origin && l->group == n->group;
}

static uint64_t
lane_hash(const struct lane_name *n)
{
	return hash_u64((uintptr_t)n->origin ^ hash_u64((uintptr_t)n->group));
}

void
origins_init(struct origins *all)
{
	*all = (struct origins){ 0 };
	map_init(&all->hosts, host_has_name);
	map_init(&all->by_name, origin_has_name);
	map_init(&all->lanes, lane_has_name);
	bays_init(&all->ready);
	bay_init(&all->network, true);
	heap_init(&all->probes, probe_before);
	heap_init(&all->timed, host_sooner);
	list_init(&all->resting);
	list_init(&all->troubled);
	list_init(&all->idle);
}

static void
origin_free(struct sched_origin *o)
{
	lane_done(&o->plain);
	list_remove(&o->trouble);
	list_remove(&o->idle);
	free(o->cause);
	free(o);
}

void
origins_done(struct origins *all)
{
	struct sched_origin *o;
	struct sched_host *h;

	for (size_t at = 0; (o = map_next(&all->by_name, &at));)
		origin_free(o);
	for (size_t at = 0; (h = map_next(&all->hosts, &at));)
		host_free(h);
	bay_done(&all->network);
	map_done(&all->lanes);
	map_done(&all->by_name);
	map_done(&all->hosts);
	heap_done(&all->ready);
	heap_done(&all->probes);
	heap_done(&all->timed);
}

struct sched_host *
origins_host(const struct origins *all, const char *name)
{
	return map_find(&all->hosts, hash_str(name), name);
}

struct sched_origin *
origins_find(const struct origins *all, const char *name)
{
	return map_find(&all->by_name, hash_str(name), name);
}

/* "files.example" of "https://files.example:443"; what is no origin is its own host. */
static char *
host_name(const char *origin)
{
	const char *at = strstr(origin, "://"), *port = at ? strrchr(at + 3, ':') : NULL;

	return port ? xstrndup(at + 3, (size_t)(port - at - 3)) : xstrdup(origin);
}

struct sched_origin *
origins_get(struct origins *all, const char *name, host_rules_cb rules, void *arg)
{
	struct sched_origin *o = origins_find(all, name);
	AUTO_FREE char *host = NULL;
	size_t n = strlen(name) + 1;

	if (o)
		return o;
	o = xcalloc(1, sizeof *o + n);
	memcpy(o->name, name, n);
	o->open = true;
	lane_init(&o->plain, o, NULL);
	list_init(&o->lanes);
	list_append(&o->lanes, &o->plain.of_origin);
	list_init(&o->trouble);
	list_init(&o->idle);
	host = host_name(name);
	o->host = host_get(all, host, rules, arg);
	host_hold(o->host);
	map_add(&all->by_name, hash_str(name), o);
	return o;
}

bool
origin_lets(const struct sched_origin *o, uint64_t now_ms)
{
	return breaker_lets(&o->breaker, now_ms);
}

struct sched_bay *
origins_closed(const struct origins *all, const struct sched_lane *l)
{
	struct sched_host *h = l->origin->host;
	struct sched_group *g;

	if (!all->network.open && *h->name)
		return (struct sched_bay *)&all->network;
	if ((g = sched_group_closed(l->group)))
		return &g->bay;
	return h->bay.open ? NULL : &h->bay;
}

/* Into a bay, where its origin lets it wait in one. */
static void
lane_settle(struct origins *all, struct sched_lane *l)
{
	struct sched_bay *to = NULL;

	if (l->origin->open && l->queue.len) {
		to = origins_closed(all, l);
		to = to ? to : &l->origin->host->bay;
	}
	if (to != l->bay)
		lane_move(&all->ready, l, to);
}

void
origin_update(struct origins *all, struct sched_origin *o)
{
	bool open = o->breaker.state == BREAKER_OPEN;
	uint64_t now = open ? clock_now_ms() : 0;
	struct sched_lane *l;

	/* Without tickets nobody waits for its time. */
	heap_keep(&all->probes, &o->timed, open && o->queued && now < o->breaker.until_ms);
	if (origin_lets(o, now) == o->open)
		return;
	o->open = !o->open;
	LIST_FOREACH(l, &o->lanes, struct sched_lane, of_origin)
		lane_settle(all, l);
}

/* ---- Lanes ---------------------------------------------------------------------- */

static struct sched_lane *
lane_get(struct origins *all, struct sched_origin *o, struct sched_group *g)
{
	struct lane_name name = { o, g };
	struct sched_lane *l;

	if (!g)
		return &o->plain;
	l = map_find(&all->lanes, lane_hash(&name), &name);
	if (l)
		return l;
	l = NEW(struct sched_lane);
	lane_init(l, o, g);
	list_append(&o->lanes, &l->of_origin);
	g->lanes++;
	map_add(&all->lanes, lane_hash(&name), l);
	return l;
}

static void
lane_forget(struct origins *all, struct sched_lane *l)
{
	struct lane_name name = { l->origin, l->group };

	if (!l->group || l->pinned || l->queue.len)
		return;
	(void)map_remove(&all->lanes, lane_hash(&name), &name);
	l->group->lanes--;
	lane_done(l);
	free(l);
}

void
origins_unpin(struct origins *all, struct sched_lane *l)
{
	l->pinned = false;
	lane_forget(all, l);
}

void
origins_queue(struct origins *all, struct ticket *t)
{
	struct sched_origin *o = t->origin;
	struct sched_lane *l = lane_get(all, o, t->group);

	queue_add(&l->queue, t);
	if (l->bay)
		lane_update(&all->ready, l);
	else
		lane_settle(all, l);
	if (!o->host->queued++ && !o->host->bay.open)
		host_update(all, o->host);
	if (!o->queued++ && o->breaker.state != BREAKER_CLOSED)
		origin_update(all, o);
}

void
origins_unqueue(struct origins *all, struct ticket *t)
{
	struct sched_origin *o = t->origin;
	struct sched_lane *l = lane_get(all, o, t->group);

	queue_remove(&l->queue, t);
	if (l->queue.len)
		lane_update(&all->ready, l);
	else
		lane_settle(all, l);
	lane_forget(all, l);
	if (!--o->host->queued && heap_contains(&o->host->timed))
		host_update(all, o->host);
	if (!--o->queued && o->breaker.state != BREAKER_CLOSED)
		origin_update(all, o);
}

/* ---- Those that have failed -------------------------------------------------------- */

static void
forget(struct origins *all, struct sched_origin *o)
{
	struct sched_host *h = o->host;

	heap_remove(&all->probes, &o->timed);
	(void)map_remove(&all->by_name, hash_str(o->name), o->name);
	origin_free(o);
	host_release(all, h);
}

static void
forget_idle(struct origins *all, struct sched_origin *o)
{
	list_remove(&o->idle);
	all->n_idle--;
	forget(all, o);
}

void
origin_hold(struct origins *all, struct sched_origin *o)
{
	o->tickets++;
	if (!list_linked(&o->idle))
		return;
	list_remove(&o->idle);
	all->n_idle--;
}

void
origin_release(struct origins *all, struct sched_origin *o)
{
	if (--o->tickets)
		return;
	if (!list_linked(&o->trouble)) {
		forget(all, o);
		return;
	}
	list_append(&all->idle, &o->idle);
	if (++all->n_idle > ORIGINS_KEPT)
		forget_idle(all, LIST_FIRST(&all->idle, struct sched_origin, idle));
}

void
origin_note_failure(struct origins *all, struct sched_origin *o, const struct result *why)
{
	free(o->cause);
	o->cause = xasprintf("%s: %s", result_word(why), why->text);
	if (!list_linked(&o->trouble))
		list_append(&all->troubled, &o->trouble);
	origin_update(all, o);
}

void
origin_close(struct origins *all, struct sched_origin *o)
{
	if (!list_linked(&o->trouble))
		return;
	free(TAKE_PTR(o->cause));
	list_remove(&o->trouble);
	o->probe = NULL;
	breaker_success(&o->breaker);
	if (list_linked(&o->idle))
		forget_idle(all, o);
	else
		origin_update(all, o);
}

void
origins_close_all(struct origins *all)
{
	while (!list_empty(&all->troubled))
		origin_close(all, LIST_FIRST(&all->troubled, struct sched_origin, trouble));
}

bool
origins_due(struct origins *all, uint64_t now_ms)
{
	struct heap_node *n;
	bool any = false;

	while ((n = heap_peek(&all->probes))) {
		struct sched_origin *o = CONTAINER_OF(n, struct sched_origin, timed);

		if (o->breaker.until_ms > now_ms)
			break;
		any = true;
		heap_remove(&all->probes, n);
		origin_update(all, o);
	}
	return any;
}
