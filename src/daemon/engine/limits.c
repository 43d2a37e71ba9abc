/* Which limit counts for whom; see limits.h. */
#include "daemon/engine/limits.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { SWEEPS = 2 }; /* hosts that are looked at for each new one */

/* The bucket of a host; it stays until nobody uses it and its debt is paid. */
struct host_limit {
	struct list link; /* engine->host_limits */
	struct rate rate;
	unsigned users;
	char name[];
};

static bool
host_is(const void *item, const void *key)
{
	return strcmp(((const struct host_limit *)item)->name, key) == 0;
}

static uint64_t
limit_of_host(const struct engine *e, const char *host)
{
	const struct spec *s = engine_host_spec(e, host);

	return s ? spec_number(s, HOST_LIMIT_RATE) : 0;
}

static struct host_limit *
find_host(const struct engine *e, const char *host)
{
	return map_find(&e->hosts_by_name, hash_str(host), host);
}

static void
host_free(struct engine *e, struct host_limit *h)
{
	(void)map_remove(&e->hosts_by_name, hash_str(h->name), h->name);
	list_remove(&h->link);
	rate_done(&h->rate);
	free(h);
}

/* Small files of a host come one after the other: what they owe is not forgotten
 * between them. */
static void
sweep(struct engine *e)
{
	uint64_t now = clock_now_ns();

	for (unsigned n = 0; n < SWEEPS && !list_empty(&e->host_limits); n++) {
		struct host_limit *h = LIST_FIRST(&e->host_limits, struct host_limit, link);

		list_remove(&h->link);
		list_append(&e->host_limits, &h->link);
		if (!h->users && !rate_is_in_debt(&h->rate, now))
			host_free(e, h);
	}
}

static struct host_limit *
get_host(struct engine *e, const char *host)
{
	struct host_limit *h = find_host(e, host);
	uint64_t limit;

	if (h)
		return h;
	limit = limit_of_host(e, host);
	if (!limit)
		return NULL;
	sweep(e);
	h = xcalloc(1, sizeof *h + strlen(host) + 1);
	memcpy(h->name, host, strlen(host) + 1);
	rate_init(&h->rate, NULL, limit, clock_now_ns());
	map_add(&e->hosts_by_name, hash_str(h->name), h);
	list_append(&e->host_limits, &h->link);
	return h;
}

static void
use_host(struct download *d, struct host_limit *h)
{
	if (h)
		h->users++;
	if (d->host_limit)
		d->host_limit->users--;
	d->host_limit = h;
}

static void
set_bite(struct download *d)
{
	d->bite = rate_flow_bite(&d->flow);
}

void
limits_join(struct download *d)
{
	struct host_limit *h = get_host(d->engine, d->host_name);

	use_host(d, h);
	rate_flow_join(&d->engine->rates, &d->flow, h ? &h->rate : NULL, &d->engine->total);
	set_bite(d);
}

void
limits_leave(struct download *d)
{
	rate_flow_join(&d->engine->rates, &d->flow, NULL, NULL);
	use_host(d, NULL);
}

/* Some limits are others now: who waits for one may not have to any more. */
static void
apply(struct engine *e)
{
	struct download *d;

	LIST_FOREACH(d, &e->active, struct download, link) {
		if (!d->transfer && !d->starting)
			continue;
		if (!d->host_limit)
			limits_join(d);
		set_bite(d);
		hold_touch(d);
	}
	hold_check_touched(e);
}

void
limits_set_conf(struct engine *e)
{
	uint64_t now = clock_now_ns();
	struct host_limit *h;

	rate_set_limit(&e->rates, &e->total, spec_number(e->conf->daemon, DAEMON_MAX_OVERALL_DOWNLOAD_LIMIT), now);
	LIST_FOREACH(h, &e->host_limits, struct host_limit, link)
		rate_set_limit(&e->rates, &h->rate, limit_of_host(e, h->name), now);
	apply(e);
}

void
limits_set_job(struct download *d, uint64_t limit)
{
	rate_set_limit(&d->engine->rates, &d->flow.own, limit, clock_now_ns());
	set_bite(d);
	hold_touch(d);
	hold_check_touched(d->engine);
}

void
limits_init(struct engine *e)
{
	map_init(&e->hosts_by_name, host_is);
	list_init(&e->host_limits);
	rate_init(&e->total, NULL, spec_number(e->conf->daemon, DAEMON_MAX_OVERALL_DOWNLOAD_LIMIT), clock_now_ns());
}

void
limits_done(struct engine *e)
{
	while (!list_empty(&e->host_limits))
		host_free(e, LIST_FIRST(&e->host_limits, struct host_limit, link));
	map_done(&e->hosts_by_name);
	rate_done(&e->total);
}
