/* What users ask of jobs, and what they see of them; see engine.h. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/deadline.h"
#include "daemon/engine/hook.h"
#include "daemon/engine/order.h"
#include "daemon/engine/set.h"
#include "daemon/engine/space.h"
#include "daemon/engine/timing.h"

/* ---- Asking ----------------------------------------------------------------- */

/* An ended job has a life before it: what was of the last one goes, but for its runs. */
static void
anew(struct entry *en)
{
	bool began = en->job.attempts > 0;

	set_forget_intent(en);
	engine_unforget(en);
	receipt_free(TAKE_PTR(en->receipt));
	job_restart(&en->job);
	en->engine->n_open += !en->job.from_config;
	order_retry(en, began);
	group_join_again(en);
	engine_set_state(en, JOB_QUEUED);
}

/* Between two runs there is nothing to pause or to cancel but the next one. */
static bool
wait_again(struct entry *en)
{
	if (!timing_comes_again(en) || en->download)
		return false;
	anew(en);
	timing_waits(en);
	return true;
}

enum engine_answer
engine_cancel(struct engine *e, uint64_t id, const char *text)
{
	struct entry *en = registry_find(&e->jobs, id);
	struct result r = { 0 };

	if (job_is_over(&en->job) && !wait_again(en))
		return ENGINE_OVER;
	result_set(&r, RESULT_CANCELLED, "%s", text);
	engine_end(en, &r);
	return ENGINE_OK;
}

void
engine_retire(struct engine *e, uint64_t id, const char *text)
{
	struct entry *en = registry_find(&e->jobs, id);

	registry_drop_name(&e->jobs, en);
	en->retired = true;
	if (engine_cancel(e, id, text) == ENGINE_OVER)
		engine_forget(en);
}

enum engine_answer
engine_pause(struct engine *e, uint64_t id)
{
	struct entry *en = registry_find(&e->jobs, id);

	if (job_is_over(&en->job) && !wait_again(en))
		return ENGINE_OVER;
	if (en->job.state == JOB_PAUSED || (en->download && hook_ends(en->download)))
		return ENGINE_AS_IS;
	if (en->download)
		en->download->resume = false;
	if (en->download && en->download->outcome) {
		if (!set_drop(en->download))
			return ENGINE_AS_IS; /* too late: it is about to stand under its name */
		en->download->verdict = VERDICT_PAUSE;
		engine_paused(en->download);
		return ENGINE_OK;
	}
	if (en->download) {
		download_pause(en->download);
		return ENGINE_OK;
	}
	scheduler_withdraw(e->scheduler, &en->ticket);
	space_leave(en);
	plan_leave(en);
	engine_set_state(en, JOB_PAUSED);
	engine_tell_state(en);
	order_paused(en);
	return ENGINE_OK;
}

void
engine_queue_again(struct entry *en)
{
	if (!plan_holds(en))
		engine_requeue(en, retry_first_source(en), 0);
	engine_tell_state(en);
}

enum engine_answer
engine_resume(struct engine *e, uint64_t id)
{
	struct entry *en = registry_find(&e->jobs, id);

	if (job_is_over(&en->job))
		return ENGINE_OVER;
	if (en->download && (en->download->verdict == VERDICT_PAUSE || en->download->verdict == VERDICT_PARK)) {
		en->download->resume = true; /* when its workers have let go */
		return ENGINE_OK;
	}
	if (en->job.state != JOB_PAUSED)
		return ENGINE_AS_IS;
	engine_queue_again(en);
	return ENGINE_OK;
}

enum engine_answer
engine_retry(struct engine *e, uint64_t id)
{
	struct entry *en = registry_find(&e->jobs, id);

	if (en->job.state == JOB_DONE && !timing_comes_again(en))
		return ENGINE_OVER;
	if (!job_is_over(&en->job) || en->download)
		return ENGINE_RUNS;
	engine_begin_again(en);
	return ENGINE_OK;
}

void
engine_begin_again(struct entry *en)
{
	anew(en);
	timing_starts(en);
	deadline_retry(en);
	engine_queue_again(en);
}

bool
engine_can_run(const struct engine *e, uint64_t id)
{
	const struct entry *en = registry_find(&e->jobs, id);

	return timing_comes_again(en) || (en->job.state == JOB_BLOCKED && timing_is_waiting(en));
}

void
engine_run(struct engine *e, uint64_t id)
{
	struct entry *en = registry_find(&e->jobs, id);

	if (job_is_over(&en->job)) {
		(void)engine_retry(e, id);
		return;
	}
	timing_starts(en);
	deadline_retry(en);
	plan_open(en);
}

enum engine_answer
engine_remove(struct engine *e, uint64_t id)
{
	struct entry *en = registry_find(&e->jobs, id);

	if (!job_is_over(&en->job) || en->download)
		return ENGINE_RUNS;
	engine_forget(en);
	return ENGINE_OK;
}

/* ---- Looking ----------------------------------------------------------------- */

uint64_t
engine_count(const struct engine *e)
{
	return e->jobs.n;
}

uint64_t
engine_open(const struct engine *e)
{
	return e->n_open;
}

static const struct job *
seen(const struct entry *en)
{
	return en ? &en->job : NULL;
}

const struct job *
engine_next(const struct engine *e, uint64_t id)
{
	return seen(registry_next(&e->jobs, id));
}

const struct job *
engine_job(const struct engine *e, uint64_t id)
{
	return seen(registry_find(&e->jobs, id));
}

const struct job *
engine_job_by_name(const struct engine *e, const char *name)
{
	return seen(registry_find_name(&e->jobs, name));
}

const struct receipt *
engine_receipt(const struct engine *e, uint64_t id)
{
	const struct entry *en = registry_find(&e->jobs, id);

	return en && job_is_over(&en->job) ? en->receipt : NULL;
}

const struct receipt *
engine_record(const struct engine *e, uint64_t id)
{
	const struct entry *en = registry_find(&e->jobs, id);

	return en ? en->receipt : NULL;
}

const struct runs *
engine_kept_runs(const struct engine *e, uint64_t id)
{
	const struct entry *en = registry_find(&e->jobs, id);

	return en ? timing_kept(en) : NULL;
}

bool
engine_comes_again(const struct engine *e, uint64_t id)
{
	const struct entry *en = registry_find(&e->jobs, id);

	return en && timing_comes_again(en);
}

/* However many wait for one origin or for the network, none of them is touched when
 * that goes down: they are only seen as what they are. */
static enum job_state
state_of(const struct entry *en)
{
	if (en->job.state == JOB_QUEUED && scheduler_is_blocked(en->engine->scheduler, &en->ticket))
		return JOB_BLOCKED;
	return en->job.state;
}

enum job_state
engine_state(const struct engine *e, const struct job *j)
{
	return j->state == JOB_QUEUED ? state_of(registry_find(&e->jobs, j->id)) : j->state;
}

uint64_t
engine_each_origin(const struct engine *e, uint64_t most, void (*cb)(const struct sched_origin_view *v, void *arg), void *arg)
{
	return scheduler_each_origin(e->scheduler, most, cb, arg);
}

enum breaker_state
engine_network(const struct engine *e, uint64_t *ret_probe_in_ms)
{
	return scheduler_network(e->scheduler, ret_probe_in_ms);
}

void
engine_each_ended(const struct engine *e, void (*cb)(const struct job *j, const struct receipt *r, void *arg), void *arg)
{
	const struct entry *en;

	LIST_FOREACH(en, &e->ended, struct entry, ended)
		cb(&en->job, en->receipt, arg);
}

/* The mark is an entry that is no job: it stands behind what was looked at. */
void
engine_walk_begin(struct engine *e, struct engine_walk *w)
{
	*w = (struct engine_walk){ &e->ended_config, NEW(struct entry) };
	list_prepend(w->list, &w->mark->ended);
}

void
engine_walk_end(struct engine_walk *w)
{
	if (w->mark)
		list_remove(&w->mark->ended);
	free(TAKE_PTR(w->mark));
}

const struct job *
engine_walk_next(struct engine_walk *w, const struct receipt **ret)
{
	for (;;) {
		struct list *at = w->mark->ended.next;
		const struct entry *en = CONTAINER_OF(at, struct entry, ended);

		if (at == w->list)
			return NULL;
		list_remove(&w->mark->ended);
		list_prepend(at, &w->mark->ended); /* which is behind it */
		if (!en->job.id)
			continue; /* somebody else's mark */
		*ret = en->receipt;
		return &en->job;
	}
}

static void
see_gate(const struct entry *en, uint64_t now, struct engine_view *v)
{
	static struct gate gate; /* who asks looks at one view at a time */

	if (!plan_why(en, &gate))
		return;
	v->blocked = gate.word;
	v->wait_ms = gate.until_ms > now ? gate.until_ms - now : 0;
	if (en->engine->draining && gate.until_ms && !v->wait_ms) /* its time has come, and nothing begins any more */
		v->blocked = "draining";
}

static void
fill_view(const struct entry *en, uint64_t now, struct engine_view *v)
{
	const struct download *d = en->download;

	*v = (struct engine_view){
		.job = &en->job,
		.state = state_of(en),
		.received = en->job.received,
		.blocked = scheduler_why(en->engine->scheduler, &en->ticket),
		.wait_ms = scheduler_wait_ms(en->engine->scheduler, &en->ticket),
		.receipt = en->receipt,
		.runs = timing_runs(en),
		.deadline_ms = deadline_left(en),
	};
	if (en->engine->groups.all_paused && !en->engine->draining && text_equal(v->blocked, "draining"))
		v->blocked = "all-paused";
	if (text_equal(v->blocked, "group-paused") && en->plan && set_is_busy(en->plan->group->set) && !group_is_held(en->plan->group))
		v->blocked = "group-publish";
	/* An ended job looks the same in its last event and to who asks later. */
	if (en->job.state == JOB_DONE)
		v->total = en->job.received;
	if (space_is_waiting(en))
		v->blocked = space_why(en);
	see_gate(en, now, v);
	if (!d || job_is_over(&en->job))
		return;
	v->total = d->whole ? en->job.received : d->total;
	v->received = d->transfer ? d->rest.start + transfer_received(d->transfer) : en->job.received;
	v->processed = d->processed;
	v->unpacked = d->unpacked;
	v->rate = d->transfer ? d->speed : 0;
	v->last = v->state == JOB_BLOCKED && en->job.result->code != RESULT_OK ? en->job.result : NULL;
	if (d->retry_at_ms > now)
		v->wait_ms = d->retry_at_ms - now;
	if (d->outcome) { /* its tries are over */
		v->blocked = "group-publish";
		v->last = NULL;
	}
	if (list_linked(&d->waiting) || d->lock)
		v->blocked = "destination-busy";
}

bool
engine_view(const struct engine *e, uint64_t id, struct engine_view *ret)
{
	const struct entry *en = registry_find(&e->jobs, id);

	if (en)
		fill_view(en, clock_now_ms(), ret);
	return en;
}

void
engine_each_active(struct engine *e, void (*cb)(const struct engine_view *v, void *arg), void *arg)
{
	uint64_t now = clock_now_ms();
	struct engine_view v;
	struct download *d;

	LIST_FOREACH(d, &e->active, struct download, link) {
		fill_view(d->entry, now, &v);
		cb(&v, arg);
	}
}

void
engine_get_numbers(const struct engine *e, struct engine_numbers *ret)
{
	const struct sched_use use = scheduler_use(e->scheduler);
	uint64_t blocked = scheduler_blocked(e->scheduler);

	*ret = (struct engine_numbers){
		.open = e->n_open,
		.transfers = use.global.used,
		.transfers_max = use.global.limit,
		.verifying = use.verifying.used,
		.verifying_max = use.verifying.limit,
		.rate_limit = e->total.limit,
		.workers = pool_workers(e->pool),
		.workers_max = pool_workers_max(e->pool),
		.worker_deaths = pool_deaths(e->pool),
		.received = e->received,
		.rate = e->speed,
		.draining = e->draining,
	};
	xfer_connections(e->xfer, &ret->connections_made, &ret->connections_kept);
	memcpy(ret->jobs, e->jobs.counts, sizeof ret->jobs);
	ret->jobs[JOB_QUEUED] -= MIN(blocked, ret->jobs[JOB_QUEUED]);
	ret->jobs[JOB_BLOCKED] += blocked;
}

void
engine_each_worker(const struct engine *e, pool_worker_cb cb, void *arg)
{
	pool_each_worker(e->pool, cb, arg);
}
