/* The origins that jobs are at, or that have failed, and the network: the answer to
 * `hosts`. */
#include "base/clock.h"
#include "daemon/control/internal.h"

static void
put_origin(const struct sched_origin_view *v, void *arg)
{
	struct json *w = arg;

	jsonw_begin_object(w);
	jsonw_key_string(w, "origin", v->origin);
	jsonw_key_string(w, "host", v->host);
	jsonw_key_u64(w, "connections", v->used);
	jsonw_key_u64(w, "limit", v->limit);
	jsonw_key_u64(w, "limit_configured", v->most);
	jsonw_key_u64(w, "request_interval_ms", (v->interval_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
	jsonw_key_u64(w, "running", v->running);
	jsonw_key_u64(w, "queued", v->waiting);
	jsonw_key_string(w, "breaker", breaker_state_to_string(v->state));
	jsonw_key_u64(w, "failures", v->failures);
	jsonw_key_string(w, "cause", v->cause);
	jsonw_key_u64(w, "probe_in_ms", v->probe_in_ms);
	jsonw_end_object(w);
}

void
method_hosts(struct call *c)
{
	const struct engine *e = c->control->engine;
	uint64_t most, total, probe_in;
	enum breaker_state network = engine_network(e, &probe_in);
	struct json w;

	if (!call_number(c, "limit", &most))
		return;
	if (most > LIST_MAX) {
		call_fail(c, RPC_INVALID_PARAMS, "limit is a number from 1 to %d", LIST_MAX);
		return;
	}
	most = most ? most : LIST_DEFAULT;
	w = call_begin(c);
	jsonw_begin_object(&w);
	jsonw_key(&w, "hosts");
	jsonw_begin_array(&w);
	total = engine_each_origin(e, most, put_origin, &w);
	jsonw_end_array(&w);
	jsonw_key_u64(&w, "total", total);
	jsonw_key_bool(&w, "network_down", network != BREAKER_CLOSED);
	jsonw_key_u64(&w, "network_probe_in_ms", probe_in);
	jsonw_end_object(&w);
	call_end(c, &w);
}
