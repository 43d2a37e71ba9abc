/* The wiring; see engine.h.  One short function for each arrow. */
#include "daemon/engine/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/errand.h"
#include "daemon/engine/hook.h"
#include "daemon/engine/kept.h"
#include "daemon/engine/limits.h"
#include "daemon/engine/room.h"
#include "daemon/engine/set.h"
#include "daemon/engine/sources.h"
#include "daemon/engine/space.h"
#include "daemon/spawn/spawner.h"
#include "daemon/engine/timing.h"
#include "daemon/engine/verify.h"
#include "model/request_rate.h"

enum {
	TICK_MS = 1000,         /* between looks at stalled transfers */
	INTERRUPTS_PER_TURN = 2000,
	FDS_OF_TRANSFER = 6,
	FDS_OF_OTHERS = 600,
};

static uint64_t
n_over(const struct engine *e)
{
	const uint64_t *n = e->jobs.counts;

	return n[JOB_DONE] + n[JOB_FAILED] + n[JOB_CANCELLED];
}

static bool
is_idle(const struct engine *e)
{
	if (!list_empty(&e->errands) || !list_empty(&e->verifies))
		return false;
	return n_over(e) == e->jobs.n ||
	    (e->draining && !e->interrupted && !e->jobs.counts[JOB_ACTIVE] && !scheduler_begun(e->scheduler));
}

void
engine_check_idle(struct engine *e)
{
	if (is_idle(e))
		loop_defer(e->loop, &e->idle);
}

void
engine_tell_state(const struct entry *en)
{
	if (en->engine->ops->on_state)
		en->engine->ops->on_state(&en->job, en->engine->arg);
}

/* 0 in the configuration: half of the machine's memory. */
static uint64_t
all_decoder_memory(const struct spec *daemon)
{
	uint64_t set = spec_number(daemon, DAEMON_MAX_OVERALL_DECODER_MEMORY);
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	if (set)
		return set;
	return pages > 0 && size > 0 ? (uint64_t)pages / 2 * (uint64_t)size : UINT64_C(1) << 30;
}

/* ---- The scheduler's side -------------------------------------------------- */

static void
on_start(struct ticket *t, void *arg UNUSED)
{
	download_run(CONTAINER_OF(t, struct entry, ticket));
}

static void
on_due(struct ticket *t, void *arg)
{
	struct entry *en = CONTAINER_OF(t, struct entry, ticket);

	engine_set_state(en, JOB_QUEUED);
	if (t->elsewhere && scheduler_origin_is_suspect(t))
		(void)retry_elsewhere(t, arg);
}

struct spec *
engine_host_spec(const struct engine *e, const char *host)
{
	for (size_t i = 0; i < e->conf->hosts.len; i++) {
		const char *match = spec_string(e->conf->hosts.items[i], HOST_MATCH);

		if (match && glob_match(match, host))
			return e->conf->hosts.items[i];
	}
	return NULL;
}

bool
engine_is_led_by_client(const struct engine *e, const struct job *j)
{
	const char *proxy = spec_string(j->spec, JOB_PROXY);

	if (!proxy || !*proxy || text_equal(proxy, "env") || j->uid == JOB_NO_UID || uid_may_all(j->uid))
		return false;
	return !text_equal(proxy, spec_string(e->conf->defaults, JOB_PROXY));
}

static uint64_t
host_limit(const char *host, void *arg)
{
	const struct spec *s = engine_host_spec(arg, host);

	/* Copies of file: urls wait for workers, not for a host. */
	if (!*host)
		return UINT64_MAX;
	return s && spec_has(s, HOST_MAX_CONNECTIONS) ? spec_number(s, HOST_MAX_CONNECTIONS) : 0;
}

static uint64_t
host_interval(const char *host, void *arg)
{
	const struct engine *e = arg;
	const struct spec *s = *host ? engine_host_spec(e, host) : NULL;

	if (!*host)
		return 0;
	return request_rate_interval_ns(s && spec_has(s, HOST_REQUEST_RATE) ? spec_number(s, HOST_REQUEST_RATE) :
	    spec_number(e->conf->daemon, DAEMON_REQUEST_RATE_PER_HOST));
}

static const struct sched_ops sched_ops = { on_start, host_limit, on_due, retry_elsewhere, host_interval };

/* ---- The one finisher -------------------------------------------------------- */

/* Of all jobs that wait when the end comes: they may be very many. */
static const struct result interruption = {
	.code = RESULT_INTERRUPTED, .text = "hauld stopped: it goes on at the next start",
};

static void
log_end(const struct job *j)
{
	const char *state = job_state_to_string(j->state);

	if (j->state == JOB_DONE)
		log_debug("job done job=%s id=%llu bytes=%llu", log_safe(job_label(j)), (unsigned long long)j->id,
		    (unsigned long long)j->published);
	else
		log_debug("job %s: %s: %s job=%s id=%llu try=%u", state, result_word(j->result), j->result->text,
		    log_safe(job_label(j)), (unsigned long long)j->id, j->attempts);
}

static void
end_job(struct engine *e, struct entry *en, const struct result *r, const struct job_receipt *receipt)
{
	struct job *j = &en->job;
	enum result_class class = result_class(r);
	struct job_receipt told = *receipt;

	e->n_open -= !j->from_config;
	scheduler_withdraw(e->scheduler, &en->ticket);
	space_leave(en);
	plan_leave(en);
	if (r == &interruption)
		job_share_result(j, r);
	else
		job_set_result(j, r);
	engine_set_state(en, class == CLASS_OK ? JOB_DONE : class == CLASS_CANCELLED ? JOB_CANCELLED : JOB_FAILED);
	if (e->options.keep_receipts && r != &interruption)
		engine_keep_receipt(en, receipt);
	timing_ended(en, r, receipt->unchanged);
	log_end(j);
	rooms_job_ended(en);
	told.sources = en->receipt ? en->receipt->sources : NULL;
	e->ops->on_end(j, &told, e->arg);
	if (en->receipt && !e->options.keep_receipts)
		sources_free(TAKE_PTR(en->receipt->sources)); /* nobody asks again */
	/* Else it goes on in another life, or when a user tries it again. */
	if (r->code != RESULT_INTERRUPTED && r->code != RESULT_HOOK_FAILED)
		kept_discard(e, j->id);
	plan_job_ended(en);
	engine_retain(en);
	engine_check_idle(e);
}

/* Once we stop nothing fails any more: what follows from it for the others of its group could
 * not be kept.  The next life comes to that end again. */
static const struct result *
end_of(const struct engine *e, const struct result *r)
{
	enum result_class class = result_class(r);

	return e->interrupted && class != CLASS_OK && class != CLASS_CANCELLED ? &interruption : r;
}

static const struct job_receipt no_receipt = { .proof = "" };

void
engine_end_waiting(struct entry *en, const struct result *r)
{
	r = end_of(en->engine, r);
	if (!hook_before_end_waiting(en, r))
		end_job(en->engine, en, r, &no_receipt);
}

void
engine_end(struct entry *en, const struct result *r)
{
	if (kept_ends(en, r))
		return;
	if (en->download)
		download_stop(en->download, r);
	else
		engine_end_waiting(en, r);
}

void
engine_finish(struct download *d, const struct result *r, const struct job_receipt *receipt)
{
	struct engine *e = d->engine;
	struct entry *en = d->entry;
	struct result final = *end_of(e, r);

	receipt = receipt ? receipt : &no_receipt;
	if (set_holds(d, &final, receipt) || hook_before_end(d, &final, receipt))
		return;
	/* A job that was asked to stop may be done already; only then is it not. */
	if (job_state_can(d->job->state, JOB_DONE) || result_class(r) != CLASS_OK)
		end_job(e, en, &final, receipt);
	if (final.code != RESULT_INTERRUPTED)
		resume_over(d);
	engine_unlock(e, d);
	en->generation = d->generation; /* it may begin anew before the last map has gone */
	en->download = NULL;
	download_free(d);
}

/* The job stays without its download. */
static void
put_aside(struct download *d, enum job_state state)
{
	struct entry *en = d->entry;

	scheduler_withdraw(d->engine->scheduler, &en->ticket);
	if (!kept_find(d->engine, en->job.id))
		en->job.received = 0; /* its part was thrown away */
	en->generation = d->generation;
	engine_set_state(en, state);
	engine_unlock(d->engine, d);
	en->download = NULL;
	download_free(d);
}

void
engine_let_go(struct download *d)
{
	put_aside(d, JOB_BLOCKED);
}

void
engine_paused(struct download *d)
{
	struct engine *e = d->engine;
	struct entry *en = d->entry;
	bool resume = d->resume, parks = d->verdict == VERDICT_PARK;

	put_aside(d, parks ? JOB_BLOCKED : JOB_PAUSED);
	if (parks) {
		engine_queue_again(en);
	} else {
		engine_tell_state(en);
		if (resume)
			(void)engine_resume(e, en->job.id);
	}
	engine_check_idle(e);
}

static void
on_idle(void *arg)
{
	struct engine *e = arg;

	if (is_idle(e))
		e->ops->on_idle(e->arg);
}

/* ---- Bytes and stalls -------------------------------------------------------- */

/* Bytes were delivered: what is gathered goes to the files, then limits speak. */
static void
on_delivered(void *arg)
{
	struct engine *e = arg;

	stage_flush(&e->stage);
	hold_check_touched(e);
}

void
engine_measure(uint64_t bytes, uint64_t *counted, uint64_t *speed, uint64_t ms)
{
	uint64_t now = (bytes - MIN(*counted, bytes)) * 1000 / MAX(ms, UINT64_C(1));

	*speed = *speed ? (*speed + now) / 2 : now;
	*counted = bytes;
}

static void
measure_all(struct engine *e)
{
	uint64_t now = clock_now_ms(), ms = now - e->tick_ms;
	struct download *d;

	e->tick_ms = now;
	LIST_FOREACH(d, &e->active, struct download, link)
		engine_measure(d->transfer ? transfer_received(d->transfer) : d->counted, &d->counted, &d->speed, ms);
	engine_measure(e->received, &e->counted, &e->speed, ms);
	limits_measure(e, ms);
	if (!e->jobs.counts[JOB_ACTIVE])
		e->speed = 0;
}

static void
on_tick(void *arg)
{
	struct engine *e = arg;

	limits_look_at_clock(e);
	xfer_check_stalls(e->xfer);
	measure_all(e);
	space_tick(e);
	roots_tidy(e->roots);
	/* Those that wait for their next try are none of its business. */
	if (e->jobs.counts[JOB_ACTIVE])
		loop_timer_set(&e->tick, TICK_MS);
}

void
engine_need_tick(struct engine *e)
{
	if (e->tick.set)
		return;
	e->tick_ms = clock_now_ms();
	loop_timer_set(&e->tick, TICK_MS);
}

/* ---- Life ----------------------------------------------------------------------- */

static bool
add_roots(struct engine *e, struct result *why)
{
	const char *root;

	for (unsigned i = 0; (root = spec_list(e->conf->daemon, DAEMON_ROOTS, i)); i++)
		if (!roots_add(e->roots, root, why))
			return false;
	return true;
}

/* As many transfers as there can be descriptors for: a socket, a part and
 * its map, what a look-up and a hold take.  The rest is for workers, clients and idle connections. */
static uint64_t
max_transfers(const struct spec *daemon)
{
	uint64_t wanted = spec_number(daemon, DAEMON_MAX_CONCURRENT_DOWNLOADS), fds = fd_limit();
	uint64_t most = MAX((fds - MIN(fds / 2, (uint64_t)FDS_OF_OTHERS)) / FDS_OF_TRANSFER, UINT64_C(1));

	if (most >= wanted)
		return wanted;
	log_warning("%llu transfers at once are possible with %llu open files; max-concurrent-downloads is %llu",
	    (unsigned long long)most, (unsigned long long)fds, (unsigned long long)wanted);
	return most;
}

/* Limits that may change while jobs run. */
static struct sched_limits
limits_of(const struct engine *e, const struct spec *daemon)
{
	return (struct sched_limits){
		.global = max_transfers(daemon),
		.per_host = spec_number(daemon, DAEMON_MAX_CONNECTIONS_PER_HOST),
		.verifying = spec_number(daemon, DAEMON_MAX_CONCURRENT_VERIFICATIONS),
		.decoder_memory = all_decoder_memory(daemon),
		.origin_failures = e->options.patient ? spec_number(daemon, DAEMON_MAX_ORIGIN_FAILURES) : 0,
		.probe_delay_ms = spec_number(daemon, DAEMON_MAX_PROBE_DELAY),
	};
}

static void
make_parts(struct engine *e, struct children *c)
{
	const struct spec *s = e->conf->daemon;
	struct sched_limits limits = limits_of(e, s);
	struct pool_options pool = {
		.worker_path = e->options.worker_path,
		.workers = (unsigned)spec_number(s, DAEMON_WORKERS),
		.slice_timeout_ms = e->options.slice_timeout_ms,
		.patient = e->options.patient,
	};
	struct xfer_options xfer = {
		.default_proxy = e->options.default_proxy,
		.on_delivered = on_delivered,
		.arg = e,
	};

	e->scheduler = scheduler_new(e->loop, &limits, &sched_ops, e);
	e->pool = pool_new(e->loop, c, &pool);
	e->xfer = xfer_new(e->loop, &xfer);
	xfer_set_addresses(e->xfer, s);
	e->dirty = dirty_new(spec_number(s, DAEMON_DIRTY_LIMIT));
	stage_init(&e->stage, e->roots, e->dirty, e->options.instance);
}

static void on_interrupting(void *arg);

struct engine *
engine_new(struct loop *l, struct children *c, const struct conf *conf, const struct engine_options *o,
    const struct engine_ops *ops, void *arg, struct result *why)
{
	struct engine *e = NEW(struct engine);

	e->loop = l;
	e->conf = conf;
	e->options = *o;
	e->ops = ops;
	e->arg = arg;
	e->roots = roots_new();
	if (!add_roots(e, why)) {
		roots_free(e->roots);
		free(e);
		return NULL;
	}
	list_init(&e->active);
	list_init(&e->ended);
	list_init(&e->ended_config);
	list_init(&e->gone);
	list_init(&e->errands);
	list_init(&e->verifies);
	list_init(&e->rooms);
	kept_init(e);
	registry_init(&e->jobs);
	engine_locks_init(e);
	plans_init(e);
	timings_init(e);
	loop_timer_init(&e->tick, l, "tick", on_tick, e);
	hold_init(e);
	limits_init(e);
	loop_deferred_init(&e->idle, "idle", on_idle, e);
	loop_deferred_init(&e->interrupting, "interrupt", on_interrupting, e);
	loop_deferred_init(&e->forgetting, "forget jobs", engine_free_gone, e);
	make_parts(e, c);
	groups_init(e);
	hooks_init(e, c);
	return e;
}

void
engine_free(struct engine *e)
{
	if (!e)
		return;
	assert(list_empty(&e->active));
	e->groups.ready = false;
	for (size_t i = 0; i < e->jobs.n_slots; i++)
		if (e->jobs.slots[i].entry)
			engine_free_entry(e->jobs.slots[i].entry);
	registry_done(&e->jobs);
	timings_done(e);
	free(e->swept);
	kept_done(e);
	errand_done(e);
	engine_free_gone(e);
	plans_done(e);
	loop_undefer(&e->forgetting);
	loop_timer_done(&e->tick);
	loop_undefer(&e->idle);
	loop_undefer(&e->interrupting);
	xfer_free(e->xfer);
	limits_done(e);
	hold_done(e);
	pool_free(e->pool);
	spawner_free(e->spawner);
	rooms_done(e);
	groups_done(e);
	scheduler_free(e->scheduler);
	stage_done(&e->stage);
	dirty_free(e->dirty);
	roots_free(e->roots);
	engine_locks_done(e);
	free(e);
}

/* Jobs that never started end here, some in each turn; running ones end when
 * their workers have let go. */
static void
on_interrupting(void *arg)
{
	struct engine *e = arg;
	struct entry *en;

	for (unsigned n = 0; (en = registry_next(&e->jobs, e->last_interrupted)); n++) {
		if (n == INTERRUPTS_PER_TURN) {
			loop_defer(e->loop, &e->interrupting);
			return;
		}
		e->last_interrupted = en->job.id;
		if (en->download || !job_is_over(&en->job))
			engine_end(en, &interruption);
	}
	engine_check_idle(e);
}

void
engine_set_hold(struct engine *e)
{
	scheduler_hold(e->scheduler, e->interrupted || e->draining || e->groups.all_paused);
}

void
engine_interrupt(struct engine *e)
{
	if (e->interrupted)
		return;
	e->interrupted = true;
	verify_stop_all(e);
	errand_hurry_all(e);
	engine_set_hold(e);
	loop_defer(e->loop, &e->interrupting);
}

static void
on_spawner_stopped(void *arg)
{
	struct engine *e = arg;

	pool_stop(e->pool, e->on_stopped, e->on_stopped_arg);
}

void
engine_stop(struct engine *e, loop_cb on_stopped, void *arg)
{
	roots_tidy(e->roots);
	rooms_stop(e);
	e->on_stopped = on_stopped;
	e->on_stopped_arg = arg;
	spawner_stop(e->spawner, on_spawner_stopped, e);
}

void
engine_drain(struct engine *e)
{
	e->draining = true;
	errand_hurry_all(e);
	engine_set_hold(e);
	engine_check_idle(e);
}

void
engine_set_conf(struct engine *e, const struct conf *conf)
{
	struct sched_limits limits = limits_of(e, conf->daemon);

	e->conf = conf;
	xfer_set_addresses(e->xfer, conf->daemon);
	hooks_set_conf(e, conf->daemon);
	scheduler_set_limits(e->scheduler, &limits);
	limits_set_conf(e);
	groups_set_conf(e);
}
