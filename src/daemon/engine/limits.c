/* Which limit counts for whom; see limits.h. */
#include "daemon/engine/limits.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/group.h"
#include "daemon/engine/notes.h"
#include "model/timetable.h"

enum { SWEEPS = 2 }; /* hosts that are looked at for each new one */

/* What a client has set. */
struct client_limit {
	char *text;       /* owned: as it was given */
	char *instead_of; /* owned: what the configuration said then */
	uint64_t rate;    /* where it is no timetable */
	struct timetable *timetable; /* owned */
};

/* The bucket of a host; it stays until nobody uses it and its debt is paid. */
struct host_limit {
	struct list link; /* engine->host_limits */
	struct rate rate;
	struct client_limit *client; /* owned; NULL: the configuration counts */
	uint64_t counted, speed; /* as in struct engine */
	unsigned users;
	char name[];
};

/* ---- What clients set ------------------------------------------------------------ */

static struct client_limit *
client_limit_new(const char *text, char *instead_of)
{
	struct client_limit *l = NEW(struct client_limit);
	AUTO_FREE char *why = NULL;

	l->text = xstrdup(text);
	l->instead_of = instead_of;
	if (timetable_is_one(text))
		l->timetable = timetable_parse(text, &why);
	else if (parse_size(text, &l->rate) < 0)
		l->rate = 0; /* "off" */
	return l;
}

static void
client_limit_free(struct client_limit *l)
{
	if (!l)
		return;
	timetable_free(l->timetable);
	free(l->text);
	free(l->instead_of);
	free(l);
}

/* l NULL: there is none any more. */
static void
keep(struct engine *e, const char *host, const struct client_limit *l)
{
	AUTO_FREE char *key = host ? xasprintf("limit:host:%s", host) : xstrdup("limit:total");
	AUTO_BUF struct buf data = { 0 };

	if (l) {
		buf_append(&data, l->text, strlen(l->text) + 1);
		buf_append(&data, l->instead_of, strlen(l->instead_of) + 1);
	}
	note_put(e, key, buf_bytes(&data), buf_len(&data));
}

/* ---- Hosts ----------------------------------------------------------------------- */

static bool
host_is(const void *item, const void *key)
{
	return strcmp(((const struct host_limit *)item)->name, key) == 0;
}

static uint64_t
configured_of_host(const struct engine *e, const char *host)
{
	const struct spec *s = engine_host_spec(e, host);

	return s ? spec_number(s, HOST_LIMIT_RATE) : 0;
}

static uint64_t
limit_of_host(const struct engine *e, const struct host_limit *h)
{
	return h->client ? h->client->rate : configured_of_host(e, h->name);
}

static char *
conf_of_host(const struct engine *e, const char *host)
{
	return xasprintf("%llu", (unsigned long long)configured_of_host(e, host));
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
	client_limit_free(h->client);
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
		if (!h->users && !h->client && !rate_is_in_debt(&h->rate, now))
			host_free(e, h);
	}
}

static struct host_limit *
make_host(struct engine *e, const char *host)
{
	struct host_limit *h;

	sweep(e);
	h = xcalloc(1, sizeof *h + strlen(host) + 1);
	memcpy(h->name, host, strlen(host) + 1);
	rate_init(&h->rate, NULL, configured_of_host(e, host), clock_now_ns());
	map_add(&e->hosts_by_name, hash_str(h->name), h);
	list_append(&e->host_limits, &h->link);
	return h;
}

/* NULL: it has no limit. */
static struct host_limit *
get_host(struct engine *e, const char *host)
{
	struct host_limit *h = find_host(e, host);

	return h || !configured_of_host(e, host) ? h : make_host(e, host);
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

/* ---- The total ------------------------------------------------------------------- */

static uint64_t
least(uint64_t a, uint64_t b)
{
	return !a ? b : !b ? a : MIN(a, b);
}

static uint64_t
configured_total(const struct engine *e, int64_t now_s, int64_t *ret_next_s)
{
	uint64_t plain = spec_number(e->conf->daemon, DAEMON_MAX_OVERALL_DOWNLOAD_LIMIT);

	return least(plain, e->timetable ? timetable_at(e->timetable, now_s, ret_next_s) : 0);
}

/* A timetable may be long: a hash of it tells as well that it is another. */
static char *
conf_of_total(const struct engine *e)
{
	const char *timetable = spec_string(e->conf->daemon, DAEMON_BWLIMIT);

	return xasprintf("%llu %llx", (unsigned long long)spec_number(e->conf->daemon, DAEMON_MAX_OVERALL_DOWNLOAD_LIMIT),
	    (unsigned long long)(timetable ? hash_more(0, timetable, strlen(timetable)) : 0));
}

static uint64_t
limit_of_total(struct engine *e)
{
	const struct client_limit *l = e->client_total;
	int64_t now = clock_wall_s();

	e->timetable_minute = now / 60;
	e->timetable_next_s = 0;
	if (!l)
		return configured_total(e, now, &e->timetable_next_s);
	return l->timetable ? timetable_at(l->timetable, now, &e->timetable_next_s) : l->rate;
}

/* Of a bucket that its flows have joined already. */
static void
set_limit(struct engine *e, struct rate *r, uint64_t limit)
{
	struct download *d;

	if (limit == r->limit)
		return;
	rate_set_limit(&e->rates, r, limit, clock_now_ns());
	LIST_FOREACH(d, &e->active, struct download, link)
		set_bite(d);
	hold_arm(e);
}

void
limits_set_group(struct group *g)
{
	set_limit(g->engine, &g->rate, spec_number(g->spec, GROUP_LIMIT_RATE));
}

static void
set_total(struct engine *e)
{
	uint64_t limit = limit_of_total(e);

	if (limit == e->total.limit)
		return;
	set_limit(e, &e->total, limit);
	if (limit)
		log_info("the limit of all transfers together is %llu bytes a second now", (unsigned long long)limit);
	else
		log_info("there is no limit of all transfers together now");
}

void
limits_look_at_clock(struct engine *e)
{
	int64_t now;

	if (!e->timetable && !(e->client_total && e->client_total->timetable))
		return;
	now = clock_wall_s();
	/* Each minute, for the clock may have been set. */
	if (now / 60 != e->timetable_minute || (e->timetable_next_s && now >= e->timetable_next_s))
		set_total(e);
}

/* hauld-conf has seen that it is one. */
static void
read_timetable(struct engine *e)
{
	const char *text = spec_string(e->conf->daemon, DAEMON_BWLIMIT);
	AUTO_FREE char *why = NULL;

	timetable_free(e->timetable);
	e->timetable = text ? timetable_parse(text, &why) : NULL;
}

/* ---- Who is under which ---------------------------------------------------------- */

void
limits_join(struct download *d)
{
	struct host_limit *h = get_host(d->engine, d->host_name);
	const struct plan *p = d->entry->plan;

	limits_look_at_clock(d->engine);
	use_host(d, h);
	rate_flow_join(&d->engine->rates, &d->flow, h ? &h->rate : NULL, p && p->group ? &p->group->rate : &d->engine->total);
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

/* The configuration has another limit than the one that the client changed. */
static void
drop_client(struct engine *e, const char *host, struct client_limit **l)
{
	log_notice("the limit of the configuration counts now, not that of a client: it was changed limit=%s host=%s",
	    log_safe((*l)->text), host ? log_safe(host) : "-");
	client_limit_free(TAKE_PTR(*l));
	keep(e, host, NULL);
}

void
limits_set_conf(struct engine *e)
{
	AUTO_FREE char *total = conf_of_total(e);
	struct host_limit *h;

	read_timetable(e);
	if (e->client_total && !text_equal(e->client_total->instead_of, total))
		drop_client(e, NULL, &e->client_total);
	set_total(e);
	LIST_FOREACH(h, &e->host_limits, struct host_limit, link) {
		AUTO_FREE char *conf = conf_of_host(e, h->name);

		if (h->client && !text_equal(h->client->instead_of, conf))
			drop_client(e, h->name, &h->client);
		rate_set_limit(&e->rates, &h->rate, limit_of_host(e, h), clock_now_ns());
	}
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

static void
set_host(struct engine *e, const char *host, struct client_limit *l)
{
	struct host_limit *h = find_host(e, host);

	if (!h)
		h = make_host(e, host);
	client_limit_free(h->client);
	h->client = l;
	rate_set_limit(&e->rates, &h->rate, limit_of_host(e, h), clock_now_ns());
	apply(e);
}

bool
limits_have_room(const struct engine *e, const char *host)
{
	const struct host_limit *h = find_host(e, host);
	unsigned n = 0;

	if (h && h->client)
		return true;
	LIST_FOREACH(h, &e->host_limits, struct host_limit, link)
		n += h->client != NULL;
	return n < LIMITS_SET_MAX;
}

/* What a client said of a host, NULL: of the total; l is taken, NULL: nothing any more. */
static void
set_client(struct engine *e, const char *host, struct client_limit *l)
{
	if (host) {
		set_host(e, host, l);
		return;
	}
	client_limit_free(e->client_total);
	e->client_total = l;
	set_total(e);
}

void
limits_set(struct engine *e, const char *host, const char *text)
{
	struct client_limit *l = text ? client_limit_new(text, host ? conf_of_host(e, host) : conf_of_total(e)) : NULL;

	keep(e, host, l);
	set_client(e, host, l);
}

void
limits_restore(struct engine *e, const char *what, const void *data, size_t n)
{
	const char *text = data, *host = has_prefix(what, "host:") ? what + strlen("host:") : NULL;
	size_t len = n ? strnlen(text, n) : 0;
	AUTO_FREE char *now = host ? conf_of_host(e, host) : conf_of_total(e), *why = NULL;
	struct client_limit *l;

	/* What makes no sense is ignored, whoever wrote it. */
	if (len + 2 > n || text[n - 1] || (!host && !text_equal(what, "total")) || (why = timetable_refuse_limit(text, !host)))
		return;
	l = client_limit_new(text, xstrdup(text + len + 1));
	if (!text_equal(l->instead_of, now)) {
		drop_client(e, host, &l);
		return;
	}
	set_client(e, host, l);
}

/* ---- For who looks --------------------------------------------------------------- */

void
limits_measure(struct engine *e, uint64_t ms)
{
	struct host_limit *h;

	LIST_FOREACH(h, &e->host_limits, struct host_limit, link)
		engine_measure(h->rate.taken, &h->counted, &h->speed, ms);
	for (size_t i = 0; i < e->groups.n; i++) {
		struct group *g = e->groups.sorted[i];

		engine_measure(g->rate.taken, &g->counted, &g->speed, ms);
	}
}

/* Those whose bytes go through r. */
static unsigned
count_transfers(const struct engine *e, const struct rate *r)
{
	const struct download *d;
	unsigned n = 0;

	LIST_FOREACH(d, &e->active, struct download, link)
		for (const struct rate *x = d->transfer || d->starting ? d->flow.group : NULL; x; x = x->parent)
			n += x == r;
	return n;
}

void
limits_view_total(struct engine *e, struct limit_view *ret)
{
	const struct client_limit *l = e->client_total;
	const char *timetable = spec_string(e->conf->daemon, DAEMON_BWLIMIT);
	int64_t next = 0;

	limits_look_at_clock(e);
	*ret = (struct limit_view){
		.limit = e->total.limit,
		.configured = configured_total(e, clock_wall_s(), &next),
		.rate = e->speed,
		.transfers = count_transfers(e, &e->total),
		.client = l ? l->text : NULL,
		.timetable = !l ? timetable : l->timetable ? l->text : NULL,
		.next_s = e->timetable_next_s,
	};
}

static struct limit_view
view(const struct engine *e, const struct host_limit *h)
{
	return (struct limit_view){
		.name = h->name,
		.limit = h->rate.limit,
		.configured = configured_of_host(e, h->name),
		.rate = h->users ? h->speed : 0,
		.transfers = h->users,
		.client = h->client ? h->client->text : NULL,
	};
}

void
limits_each_host(struct engine *e, void (*cb)(const struct limit_view *v, void *arg), void *arg)
{
	const struct host_limit *h;

	LIST_FOREACH(h, &e->host_limits, struct host_limit, link) {
		struct limit_view v = view(e, h);

		if (h->users || h->client)
			cb(&v, arg);
	}
}

static struct limit_view
group_view(const struct group *g)
{
	unsigned n = count_transfers(g->engine, &g->rate);

	return (struct limit_view){
		.name = g->name,
		.is_group = true,
		.limit = g->rate.limit,
		.configured = g->conf ? spec_number(g->conf, GROUP_LIMIT_RATE) : 0,
		.rate = n ? g->speed : 0,
		.transfers = n,
	};
}

void
limits_each_group(struct engine *e, void (*cb)(const struct limit_view *v, void *arg), void *arg)
{
	for (size_t i = 0; i < e->groups.n; i++)
		if (e->groups.sorted[i]->rate.limit) {
			struct limit_view v = group_view(e->groups.sorted[i]);

			cb(&v, arg);
		}
}

bool
limits_view_group(struct engine *e, const char *name, struct limit_view *ret)
{
	const struct group *g = group_find(e, name);

	if (g)
		*ret = group_view(g);
	return g;
}

void
limits_view_host(struct engine *e, const char *host, struct limit_view *ret)
{
	const struct host_limit *h = find_host(e, host);

	if (h)
		*ret = view(e, h);
	else
		*ret = (struct limit_view){ .name = host, .limit = configured_of_host(e, host), .configured = configured_of_host(e, host) };
}

/* ---- Life ------------------------------------------------------------------------ */

void
limits_init(struct engine *e)
{
	map_init(&e->hosts_by_name, host_is);
	list_init(&e->host_limits);
	read_timetable(e);
	rate_init(&e->total, NULL, limit_of_total(e), clock_now_ns());
}

void
limits_done(struct engine *e)
{
	while (!list_empty(&e->host_limits))
		host_free(e, LIST_FIRST(&e->host_limits, struct host_limit, link));
	map_done(&e->hosts_by_name);
	rate_done(&e->total);
	client_limit_free(e->client_total);
	timetable_free(e->timetable);
}
