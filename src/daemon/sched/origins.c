/* Where tickets wait; see origins.h. */
#include "daemon/sched/origins.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

struct ticket *
origin_ticket(const struct heap_node *n)
{
	return n ? CONTAINER_OF(n, struct ticket, node) : NULL;
}

static struct sched_origin *
origin_of(const struct heap_node *n)
{
	return n ? CONTAINER_OF(n, struct sched_origin, node) : NULL;
}

static struct sched_host *
host_of(const struct heap_node *n)
{
	return n ? CONTAINER_OF(n, struct sched_host, node) : NULL;
}

bool
origin_ticket_before(const struct heap_node *a, const struct heap_node *b)
{
	const struct ticket *x = origin_ticket(a), *y = origin_ticket(b);

	if (x->begun != y->begun)
		return x->begun;
	return x->priority != y->priority ? x->priority > y->priority : x->order < y->order;
}

static bool
origin_before(const struct heap_node *a, const struct heap_node *b)
{
	return origin_ticket_before(heap_peek(&origin_of(a)->queue), heap_peek(&origin_of(b)->queue));
}

static bool
host_before(const struct heap_node *a, const struct heap_node *b)
{
	return origin_before(heap_peek(&host_of(a)->origins), heap_peek(&host_of(b)->origins));
}

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

void
origins_init(struct origins *all)
{
	*all = (struct origins){ 0 };
	map_init(&all->hosts, host_has_name);
	map_init(&all->by_name, origin_has_name);
	heap_init(&all->ready, host_before);
	heap_init(&all->probes, probe_before);
	list_init(&all->troubled);
	list_init(&all->idle);
}

static void
origin_free(struct sched_origin *o)
{
	heap_done(&o->queue);
	list_remove(&o->trouble);
	list_remove(&o->idle);
	list_remove(&o->leaving);
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
	for (size_t at = 0; (h = map_next(&all->hosts, &at));) {
		heap_done(&h->origins);
		free(h);
	}
	map_done(&all->by_name);
	map_done(&all->hosts);
	heap_done(&all->ready);
	heap_done(&all->probes);
}

struct sched_host *
origins_host(const struct origins *all, const char *name)
{
	return map_find(&all->hosts, hash_str(name), name);
}

struct sched_host *
origins_ready(const struct origins *all)
{
	return host_of(heap_peek(&all->ready));
}

struct sched_origin *
origins_first(const struct sched_host *h)
{
	return origin_of(heap_peek(&h->origins));
}

struct sched_origin *
origins_find(const struct origins *all, const char *name)
{
	return map_find(&all->by_name, hash_str(name), name);
}

static struct sched_host *
host_get(struct origins *all, const char *name, uint64_t (*host_limit)(const char *host, void *arg), void *arg)
{
	struct sched_host *h = origins_host(all, name);
	size_t n = strlen(name) + 1;

	if (h)
		return h;
	h = xcalloc(1, sizeof *h + n);
	memcpy(h->name, name, n);
	heap_init(&h->origins, origin_before);
	h->slots.limit = host_limit(name, arg);
	map_add(&all->hosts, hash_str(name), h);
	return h;
}

/* "files.example" of "https://files.example:443"; what is no origin is its own host. */
static char *
host_name(const char *origin)
{
	const char *at = strstr(origin, "://"), *port = at ? strrchr(at + 3, ':') : NULL;

	return port ? xstrndup(at + 3, (size_t)(port - at - 3)) : xstrdup(origin);
}

struct sched_origin *
origins_get(struct origins *all, const char *name, uint64_t (*host_limit)(const char *host, void *arg), void *arg)
{
	struct sched_origin *o = origins_find(all, name);
	AUTO_FREE char *host = NULL;
	size_t n = strlen(name) + 1;

	if (o)
		return o;
	o = xcalloc(1, sizeof *o + n);
	memcpy(o->name, name, n);
	heap_init(&o->queue, origin_ticket_before);
	list_init(&o->trouble);
	list_init(&o->idle);
	list_init(&o->leaving);
	host = host_name(name);
	o->host = host_get(all, host, host_limit, arg);
	o->host->n_origins++;
	map_add(&all->by_name, hash_str(name), o);
	return o;
}

bool
origin_lets(const struct sched_origin *o, uint64_t now_ms)
{
	return breaker_lets(&o->breaker, now_ms);
}

/* In or out of the heap, or at its new place in it. */
static void
keep_in(struct heap *heap, struct heap_node *n, bool in)
{
	if (in && heap_contains(n))
		heap_update(heap, n);
	else if (in)
		heap_add(heap, n);
	else
		heap_remove(heap, n);
}

void
origin_host_update(struct origins *all, struct sched_host *h)
{
	keep_in(&all->ready, &h->node, heap_peek(&h->origins) && semaphore_has(&h->slots, 1));
}

void
origin_update(struct origins *all, struct sched_origin *o)
{
	bool open = o->breaker.state == BREAKER_OPEN;
	uint64_t now = open ? clock_now_ms() : 0;

	keep_in(&o->host->origins, &o->node, heap_peek(&o->queue) && origin_lets(o, now));
	/* Without tickets nobody waits for its time. */
	keep_in(&all->probes, &o->timed, open && heap_peek(&o->queue) && now < o->breaker.until_ms);
	origin_host_update(all, o->host);
}

static void
forget(struct origins *all, struct sched_origin *o)
{
	struct sched_host *h = o->host;

	heap_remove(&all->probes, &o->timed);
	(void)map_remove(&all->by_name, hash_str(o->name), o->name);
	origin_free(o);
	if (--h->n_origins)
		return;
	(void)map_remove(&all->hosts, hash_str(h->name), h->name);
	heap_done(&h->origins);
	free(h);
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
