/* What attempts show of their origins and of the network; what follows from it is the
 * scheduler's (sched/breaker.h, sched/netwatch.h). */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/engine/download.h"
#include "daemon/xfer/route.h"
#include "model/retry.h"

void
engine_tell_event(const struct engine *e, const char *what, const char *name, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!e->ops->on_event)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	e->ops->on_event(what, name, text, e->arg);
}

static void
network_up(struct engine *e)
{
	log_notice("the network is up again");
	engine_tell_event(e, "network", NULL, "up again");
	scheduler_network_up(e->scheduler);
}

/* Something was reached, at that time. */
static void
network_is_up(struct engine *e, uint64_t when_ms)
{
	bool down = scheduler_network_is_down(e->scheduler);

	netwatch_reached(&e->netwatch, down, !down || route_is_there(), when_ms);
	if (down)
		network_up(e);
}

/* The attempt reached nothing: true when that is the network's fault. */
static bool
network_is_down(struct download *d, const struct transfer_report *end)
{
	struct engine *e = d->engine;
	uint64_t byte_ms = xfer_last_byte_ms(e->xfer);
	bool down;

	/* A transfer that goes on shows that it is up. */
	if (byte_ms > e->netwatch.reached_ms)
		network_is_up(e, byte_ms);
	down = scheduler_network_is_down(e->scheduler);
	if (!netwatch_failed(&e->netwatch, hash_str(d->host_name), end->reach == REACH_LOCAL, down, route_is_there(),
		end->started_ms, clock_now_ms())) {
		if (down) /* it was for want of a route, and there is one now */
			network_up(e);
		return false;
	}
	if (!down) {
		log_warning("the network is down: jobs wait, and one at a time tries: %s", end->result.text);
		engine_tell_event(e, "network", NULL, "down: %s", end->result.text);
	}
	scheduler_network_down(e->scheduler, &d->entry->ticket);
	return true;
}

static void
origin_is_up(struct download *d)
{
	struct engine *e = d->engine;
	AUTO_FREE char *origin = NULL;

	if (scheduler_origin_is_suspect(&d->entry->ticket)) {
		origin = engine_origin(d->url);
		log_notice("origin answers again origin=%s", log_safe(origin));
		engine_tell_event(e, "origin", origin, "answers again");
	}
	scheduler_origin_good(e->scheduler, &d->entry->ticket);
}

static void
origin_failed(struct download *d, const struct result *r)
{
	struct scheduler *s = d->engine->scheduler;
	bool was = scheduler_origin_is_suspect(&d->entry->ticket);
	AUTO_FREE char *origin = NULL;

	scheduler_origin_bad(s, &d->entry->ticket, r, MIN(d->retry_after_ms, (uint64_t)RETRY_AFTER_CAP_MS));
	if (was || !scheduler_origin_is_suspect(&d->entry->ticket))
		return;
	origin = engine_origin(d->url);
	log_warning("origin is down: its jobs wait, and one at a time tries: %s origin=%s", r->text, log_safe(origin));
	engine_tell_event(d->engine, "origin", origin, "down: %s", r->text);
}

/* The host has more connections, or requests, than it takes. */
static bool
is_too_much(const struct transfer_report *end)
{
	if (end->result.code == RESULT_HTTP)
		return end->result.http_status == 429 || end->result.http_status == 503;
	return end->result.code != RESULT_OK && end->rejected;
}

static void
host_has_too_much(struct download *d, const struct result *r)
{
	uint64_t limit;

	if (scheduler_host_bad(d->engine->scheduler, &d->entry->ticket, &limit))
		log_notice("host is given fewer connections for a while: %s host=%s limit=%llu", r->text,
		    log_safe(d->host_name), (unsigned long long)limit);
}

void
reach_answered(struct download *d)
{
	network_is_up(d->engine, clock_now_ms());
	origin_is_up(d);
	scheduler_host_good(d->engine->scheduler, &d->entry->ticket);
}

void
reach_ended(struct download *d, const struct transfer_report *end)
{
	struct retry_policy policy = retry_policy_of(d->job->spec);
	enum result_class class = retry_class(&policy, &end->result);

	d->unreached = false;
	if (end->reach == REACH_MADE)
		network_is_up(d->engine, clock_now_ms());
	else if (end->reach != REACH_UNKNOWN && d->engine->options.patient)
		d->unreached = network_is_down(d, end);
	if (d->unreached)
		return;
	if (is_too_much(end))
		host_has_too_much(d, &end->result);
	else if (end->redirect)
		scheduler_host_good(d->engine->scheduler, &d->entry->ticket);
	if (result_is_of_origin(&end->result) && (class == CLASS_RETRY_NOW || class == CLASS_RETRY_LATER))
		origin_failed(d, &end->result);
	else if (end->response->status)
		origin_is_up(d);
}
