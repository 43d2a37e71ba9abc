/* The wiring; see engine.h.  One short function for each arrow. */
#include "daemon/engine/engine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "daemon/engine/download.h"
#include "model/algo.h"

enum {
	TICK_MS = 1000,         /* between looks at stalled transfers */
	INTERRUPTS_PER_TURN = 2000,
};

/* ---- The one door in ------------------------------------------------------ */

static char *
host_of_url(const char *url)
{
	struct url u;
	const char *why;

	/* A file: url has no host; its copies share one queue. */
	return url_parse(url, &u, &why) == 0 ? url_host(&u) : xstrdup("");
}

/* What a job's decoder may come to need.  The formats with a fixed window do
 * not wait for memory that only others use. */
static uint64_t
decoder_memory(const struct spec *s)
{
	uint64_t bound = spec_number(s, JOB_DECODER_MEMORY);

	switch ((enum codec)spec_number(s, JOB_DECOMPRESS)) {
	case CODEC_OFF:
		return 0;
	case CODEC_GZIP:
		return MIN(bound, UINT64_C(1) << 20);
	case CODEC_BZIP2:
	case CODEC_LZ4:
		return MIN(bound, UINT64_C(10) << 20);
	default:
		return bound;
	}
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

uint64_t
engine_add(struct engine *e, struct spec *spec)
{
	struct entry *en = NEW(struct entry);
	const char *url = spec_list(spec, JOB_URL, 0);
	AUTO_FREE char *host = host_of_url(url);

	job_init(&en->job, e->n_jobs + 1, spec);
	en->engine = e;
	en->ticket.priority = (int64_t)spec_number(spec, JOB_PRIORITY);
	en->ticket.decoder_memory = decoder_memory(spec);
	if (e->n_jobs == e->size_jobs) {
		e->size_jobs = e->size_jobs ? e->size_jobs * 2 : 64;
		e->jobs = xrealloc(e->jobs, e->size_jobs * sizeof(e->jobs[0]));
	}
	e->jobs[e->n_jobs++] = en;
	xfer_prepare(e->xfer, spec, has_prefix(url, "https:"));
	scheduler_enqueue(e->scheduler, &en->ticket, host, 0);
	return en->job.id;
}

void
engine_requeue(struct entry *en, const char *url, uint64_t delay_ms)
{
	AUTO_FREE char *host = host_of_url(url);

	scheduler_withdraw(en->engine->scheduler, &en->ticket);
	job_set_state(&en->job, delay_ms ? JOB_BLOCKED : JOB_QUEUED);
	scheduler_enqueue(en->engine->scheduler, &en->ticket, host, delay_ms);
}

/* ---- The scheduler's side -------------------------------------------------- */

static void
on_start(struct ticket *t, void *arg UNUSED)
{
	download_run(CONTAINER_OF(t, struct entry, ticket));
}

const struct spec *
engine_host_spec(const struct engine *e, const char *host)
{
	for (size_t i = 0; i < e->conf->hosts.len; i++) {
		const char *match = spec_string(e->conf->hosts.items[i], HOST_MATCH);

		if (match && glob_match(match, host))
			return e->conf->hosts.items[i];
	}
	return NULL;
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

static const struct sched_ops sched_ops = { on_start, host_limit };

/* ---- One destination is a lock ---------------------------------------------- */

static bool
download_has_output(const void *item, const void *key)
{
	return strcmp(((const struct download *)item)->output, key) == 0;
}

bool
engine_lock(struct engine *e, struct download *d)
{
	uint64_t hash = hash_str(d->output);
	struct download *holder = map_find(&e->locks, hash, d->output);

	if (holder) {
		job_set_state(d->job, JOB_BLOCKED);
		list_append(&holder->lock_waiters, &d->waiting);
		return false;
	}
	map_add(&e->locks, hash, d);
	d->locked = true;
	return true;
}

static void
unlock(struct engine *e, struct download *d)
{
	struct download *w;

	if (!d->locked)
		return;
	(void)map_remove(&e->locks, hash_str(d->output), d->output);
	LIST_FOREACH(w, &d->lock_waiters, struct download, waiting) {
		list_remove(&w->waiting);
		engine_requeue(w->entry, w->url, 0);
	}
}

/* ---- The one finisher -------------------------------------------------------- */

static void
log_end(const struct job *j)
{
	const char *state = job_state_to_string(j->state);

	if (j->state == JOB_DONE)
		log_debug("job done job=%s id=%llu bytes=%llu", log_safe(job_label(j)), (unsigned long long)j->id,
		    (unsigned long long)j->published);
	else
		log_debug("job %s: %s: %s job=%s id=%llu try=%u", state, result_word(&j->result), j->result.text,
		    log_safe(job_label(j)), (unsigned long long)j->id, j->attempts);
}

static void
end_job(struct engine *e, struct entry *en, const struct result *r, const struct job_receipt *receipt)
{
	struct job *j = &en->job;
	enum result_class class = result_class(r);

	scheduler_withdraw(e->scheduler, &en->ticket);
	j->result = *r;
	job_set_state(j, class == CLASS_OK ? JOB_DONE : class == CLASS_CANCELLED ? JOB_CANCELLED : JOB_FAILED);
	log_end(j);
	e->ops->on_end(j, receipt, e->arg);
	if (++e->n_over == e->n_jobs)
		loop_defer(e->loop, &e->idle);
}

void
engine_finish(struct download *d, const struct result *r, const struct job_receipt *receipt)
{
	static const struct job_receipt none = { .proof = "" };
	struct engine *e = d->engine;
	struct entry *en = d->entry;
	struct result final = *r;

	/* A job that was asked to stop may be done already; only then is it not. */
	if (job_state_can(d->job->state, JOB_DONE) || result_class(r) != CLASS_OK)
		end_job(e, en, &final, receipt ? receipt : &none);
	unlock(e, d);
	en->download = NULL;
	download_free(d);
}

static void
on_idle(void *arg)
{
	struct engine *e = arg;

	if (e->n_over == e->n_jobs)
		e->ops->on_idle(e->arg);
}

/* ---- Holding and stalls -------------------------------------------------------- */

/* Bytes were delivered: what is gathered goes to the files, then limits speak. */
static void
on_delivered(void *arg)
{
	struct engine *e = arg;

	stage_flush(&e->stage);
	while (!list_empty(&e->touched))
		download_check_hold(LIST_FIRST(&e->touched, struct download, touched));
}

static void
on_tick(void *arg)
{
	struct engine *e = arg;

	xfer_check_stalls(e->xfer);
	roots_tidy(e->roots);
	if (!list_empty(&e->active))
		loop_timer_set(&e->tick, TICK_MS);
}

void
engine_need_tick(struct engine *e)
{
	if (!e->tick.set)
		loop_timer_set(&e->tick, TICK_MS);
}

void
engine_release_in(struct engine *e, uint64_t ms)
{
	uint64_t at = clock_now_ms() + ms;

	if (e->release.set && e->release_ms <= at)
		return;
	e->release_ms = at;
	loop_timer_set(&e->release, ms);
}

static struct download *
first_due(struct engine *e, uint64_t now)
{
	struct download *d;

	LIST_FOREACH(d, &e->active, struct download, link)
		if (download_is_due(d, now))
			return d;
	return NULL;
}

/* A release may end transfers, and with them any download: so the list is
 * walked anew behind each. */
static void
on_release(void *arg)
{
	struct engine *e = arg;
	uint64_t now = clock_now_ms(), next = UINT64_MAX;
	struct download *d;

	while ((d = first_due(e, now)))
		download_release(d);
	if (!e->n_held)
		return;
	LIST_FOREACH(d, &e->active, struct download, link)
		if (d->held)
			next = MIN(next, d->held_disk ? now + DISK_LOOK_MS : d->held_until_ms);
	if (next != UINT64_MAX)
		engine_release_in(e, next > now ? next - now : 1);
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

static void
make_parts(struct engine *e, struct children *c)
{
	const struct spec *s = e->conf->daemon;
	struct sched_limits limits = {
		.global = spec_number(s, DAEMON_MAX_CONCURRENT_DOWNLOADS),
		.per_host = spec_number(s, DAEMON_MAX_CONNECTIONS_PER_HOST),
		.verifying = spec_number(s, DAEMON_MAX_CONCURRENT_VERIFICATIONS),
		.decoder_memory = all_decoder_memory(s),
	};
	struct pool_options pool = {
		.worker_path = e->options.worker_path,
		.workers = (unsigned)spec_number(s, DAEMON_WORKERS),
		.slice_timeout_ms = e->options.slice_timeout_ms,
	};
	struct xfer_options xfer = {
		.default_proxy = e->options.default_proxy,
		.on_delivered = on_delivered,
		.arg = e,
	};

	e->scheduler = scheduler_new(e->loop, &limits, &sched_ops, e);
	e->pool = pool_new(e->loop, c, &pool);
	e->xfer = xfer_new(e->loop, &xfer);
	e->dirty = dirty_new(spec_number(s, DAEMON_DIRTY_LIMIT));
	stage_init(&e->stage, e->roots, e->dirty);
	rate_init(&e->rate, spec_number(s, DAEMON_MAX_OVERALL_DOWNLOAD_LIMIT), clock_now_ns());
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
	list_init(&e->touched);
	map_init(&e->locks, download_has_output);
	loop_timer_init(&e->tick, l, "tick", on_tick, e);
	loop_timer_init(&e->release, l, "release", on_release, e);
	loop_deferred_init(&e->idle, "idle", on_idle, e);
	loop_deferred_init(&e->interrupting, "interrupt", on_interrupting, e);
	make_parts(e, c);
	return e;
}

void
engine_free(struct engine *e)
{
	if (!e)
		return;
	assert(list_empty(&e->active));
	for (uint64_t i = 0; i < e->n_jobs; i++) {
		scheduler_withdraw(e->scheduler, &e->jobs[i]->ticket);
		job_done(&e->jobs[i]->job);
		free(e->jobs[i]);
	}
	free(e->jobs);
	loop_timer_done(&e->tick);
	loop_timer_done(&e->release);
	loop_undefer(&e->idle);
	loop_undefer(&e->interrupting);
	xfer_free(e->xfer);
	pool_free(e->pool);
	scheduler_free(e->scheduler);
	stage_done(&e->stage);
	dirty_free(e->dirty);
	roots_free(e->roots);
	map_done(&e->locks);
	free(e);
}

/* Jobs that never started end here, some in each turn; running ones end when
 * their workers have let go. */
static void
on_interrupting(void *arg)
{
	struct engine *e = arg;
	struct job_receipt none = { .proof = "" };
	struct result r = { 0 };

	result_set(&r, RESULT_INTERRUPTED, "hauld was told to stop before the job ended");
	for (unsigned n = 0; e->next_interrupted < e->n_jobs; n++) {
		struct entry *en = e->jobs[e->next_interrupted];

		if (n == INTERRUPTS_PER_TURN) {
			loop_defer(e->loop, &e->interrupting);
			return;
		}
		e->next_interrupted++;
		if (en->download)
			download_interrupt(en->download);
		else if (!job_is_over(&en->job))
			end_job(e, en, &r, &none);
	}
	if (e->n_over == e->n_jobs)
		loop_defer(e->loop, &e->idle);
}

void
engine_interrupt(struct engine *e)
{
	if (e->interrupted)
		return;
	e->interrupted = true;
	scheduler_hold(e->scheduler, true);
	loop_defer(e->loop, &e->interrupting);
}

void
engine_stop(struct engine *e, loop_cb on_stopped, void *arg)
{
	roots_tidy(e->roots);
	pool_stop(e->pool, on_stopped, arg);
}

/* ---- For those who watch ---------------------------------------------------------- */

uint64_t
engine_count(const struct engine *e)
{
	return e->n_jobs;
}

const struct job *
engine_job(const struct engine *e, uint64_t index)
{
	return index < e->n_jobs ? &e->jobs[index]->job : NULL;
}

void
engine_each_active(struct engine *e, void (*cb)(const struct engine_view *v, void *arg), void *arg)
{
	uint64_t now = clock_now_ms();
	struct download *d;

	LIST_FOREACH(d, &e->active, struct download, link) {
		struct engine_view v = {
			.job = d->job,
			.total = d->whole ? d->job->received : d->total,
			.received = d->transfer ? transfer_received(d->transfer) : d->job->received,
			.processed = d->processed,
			.unpacked = d->unpacked,
			.blocked = list_linked(&d->waiting) ? "destination-busy" : scheduler_why(e->scheduler, &d->entry->ticket),
			.last = d->job->state == JOB_BLOCKED && d->job->attempts ? &d->job->result : NULL,
			.wait_ms = d->retry_at_ms > now ? d->retry_at_ms - now : 0,
		};

		cb(&v, arg);
	}
}
