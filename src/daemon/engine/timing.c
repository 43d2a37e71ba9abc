/* Jobs that wait for a time, and jobs that come again; see timing.h. */
#include "daemon/engine/timing.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/engine/deadline.h"
#include "daemon/engine/group.h"
#include "daemon/engine/plan.h"
#include "model/schedule.h"

enum {
	RUNS_PER_TURN = 250, /* each is told to the store and to those who watch */
	RESETS_PER_TURN = 100, /* each may read a zone */
	LOOKS_PER_TURN = 5000,
	SET_BACK_MS = 3 * 3600 * 1000, /* as in schedule.c */
};

/* What jitter goes by: the same in each life, another on each machine; one for all that
 * are published together. */
static uint64_t
own_number(const struct entry *en)
{
	const struct group *g = en->plan ? en->plan->group : NULL;
	const char *name = g && g->set ? g->name : spec_string(en->job.spec, JOB_NAME), *instance = en->engine->options.instance;
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (const char *s = instance ? instance : ""; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	for (const char *s = name ? name : spec_string(en->job.spec, JOB_OUTPUT); s && *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return h;
}

static void
get_schedule(const struct entry *en, struct schedule *ret)
{
	schedule_init(ret, en->job.spec, en->job.added_s, own_number(en));
}

static struct timing *
timing_of(const struct entry *en)
{
	return en->plan ? en->plan->timing : NULL;
}

/* ---- The timer ------------------------------------------------------------------------ */

static bool
is_before(const struct heap_node *a, const struct heap_node *b)
{
	return CONTAINER_OF(a, struct timing, node)->runs.next_ms < CONTAINER_OF(b, struct timing, node)->runs.next_ms;
}

static void
set_alarm(struct engine *e)
{
	const struct heap_node *first = heap_peek(&e->timings.heap);

	if (first && !e->draining && !e->interrupted)
		loop_alarm_set(&e->timings.alarm, CONTAINER_OF(first, struct timing, node)->runs.next_ms);
	else
		loop_alarm_cancel(&e->timings.alarm);
}

static void
wait_for(struct timing *t)
{
	struct engine *e = t->entry->engine;

	heap_remove(&e->timings.heap, &t->node);
	heap_add(&e->timings.heap, &t->node);
	set_alarm(e);
}

static void
stop_waiting(struct timing *t)
{
	heap_remove(&t->entry->engine->timings.heap, &t->node);
	/* An alarm that rings for nobody finds nobody. */
}

/* Those whose time has come, some in each turn. */
static void
on_due(void *arg)
{
	struct engine *e = arg;
	int64_t now = clock_wall_ms();
	struct heap_node *first;

	for (unsigned n = 0; (first = heap_peek(&e->timings.heap)) && !e->draining && !e->interrupted; n++) {
		struct timing *t = CONTAINER_OF(first, struct timing, node);

		if (t->runs.next_ms > now)
			break;
		if (n == RUNS_PER_TURN) {
			loop_defer(e->loop, &e->timings.due);
			return;
		}
		stop_waiting(t);
		if (job_is_over(&t->entry->job))
			engine_begin_again(t->entry);
		else
			plan_open(t->entry);
	}
	set_alarm(e);
}

/* The clock was set back: what is waited for may come earlier, and then changes its
 * place among the others. */
static void
look_again(struct timing *t, int64_t now)
{
	struct engine *e = t->entry->engine;
	struct schedule s;

	get_schedule(t->entry, &s);
	t->runs.next_ms = schedule_reset(&s, t->runs.next_ms, now, e->timings.set_back_ms);
	schedule_done(&s);
	heap_update(&e->timings.heap, &t->node);
}

static void
on_reset(void *arg)
{
	struct engine *e = arg;
	int64_t now = clock_wall_ms();
	struct entry *en;
	unsigned n = 0;

	for (unsigned looks = 0; (en = registry_next(&e->jobs, e->timings.last_reset)); looks++) {
		struct timing *t = timing_of(en);

		if (looks == LOOKS_PER_TURN || n == RESETS_PER_TURN) {
			loop_defer(e->loop, &e->timings.reset);
			break;
		}
		e->timings.last_reset = en->job.id;
		if (!t || !heap_contains(&t->node))
			continue;
		look_again(t, now);
		n++;
	}
	if (!en)
		e->timings.set_back_ms = 0;
	set_alarm(e);
}

/* Put forward: nobody waits for longer, and what is due now is found as ever. */
static void
clock_was_set(struct engine *e, int64_t jump)
{
	log_info("the clock was set by %lld s, and %zu jobs wait for a time of it",
	    (long long)((jump + (jump < 0 ? -500 : 500)) / 1000), e->timings.heap.len);
	/* Before all had heard of the last time: of both. */
	e->timings.set_back_ms = MIN(e->timings.set_back_ms + jump, INT64_C(0));
	e->timings.last_reset = 0;
	if (e->timings.set_back_ms)
		loop_defer(e->loop, &e->timings.reset);
	else
		loop_undefer(&e->timings.reset);
}

static void
on_alarm(int64_t jump, void *arg)
{
	struct engine *e = arg;

	if (jump)
		clock_was_set(e, jump);
	on_due(e);
}

void
timings_init(struct engine *e)
{
	heap_init(&e->timings.heap, is_before);
	loop_alarm_init(&e->timings.alarm, e->loop, "jobs at a time", on_alarm, e);
	loop_deferred_init(&e->timings.due, "jobs at a time", on_due, e);
	loop_deferred_init(&e->timings.reset, "clock was set", on_reset, e);
}

void
timings_done(struct engine *e)
{
	loop_undefer(&e->timings.due);
	loop_undefer(&e->timings.reset);
	loop_alarm_done(&e->timings.alarm);
	heap_done(&e->timings.heap);
}

/* ---- A job ---------------------------------------------------------------------------- */

void
timing_init(struct entry *en)
{
	struct timing *t;

	if (!schedule_is_set(en->job.spec))
		return;
	t = NEW(struct timing);
	t->entry = en;
	t->recurs = en->engine->options.patient && schedule_recurs(en->job.spec);
	t->runs.waiting = true;
	plan_get(en)->timing = t;
}

void
timing_free(struct plan *p)
{
	if (!p->timing)
		return;
	stop_waiting(p->timing);
	free(p->timing->runs.past);
	free(TAKE_PTR(p->timing));
}

/* The clock is behind what it was at that time: it was set between two lives, when nobody saw it. */
static int64_t
set_back_ms(int64_t then_s, int64_t now_ms)
{
	return MIN(now_ms - then_s * 1000, INT64_C(0));
}

/* Of a job that was added, or came without what was known of it. */
static void
find_first(struct timing *t)
{
	const struct job *j = &t->entry->job;
	int64_t now = clock_wall_ms();
	bool alone = !t->recurs && schedule_recurs(j->spec);
	struct schedule s;

	get_schedule(t->entry, &s);
	/* Without a service there is one run, and nobody wants to wait for it. */
	t->runs.next_ms = alone ? s.base_ms : schedule_reset(&s, schedule_first(&s), now, set_back_ms(j->added_s, now));
	schedule_done(&s);
}

/* As that life knew it: was it missed, or is it too far away by the clock of this one? */
static void
take_runs(struct timing *t, const struct runs *runs)
{
	const struct job *j = &t->entry->job;
	int64_t now = clock_wall_ms(), back = set_back_ms(MAX(runs->ended_s, j->added_s), now);
	bool missed = runs->next_ms < now && job_is_over(j);
	struct schedule s;

	t->runs = *runs;
	if (!runs->next_ms || (!missed && (back == 0 || !t->recurs)))
		return;
	get_schedule(t->entry, &s);
	/* Now, but not all of them at once. */
	t->runs.next_ms = missed ? now + s.offset_ms : schedule_reset(&s, runs->next_ms, now, back);
	schedule_done(&s);
}

void
timing_restore(struct entry *en, struct runs *runs)
{
	struct timing *t = timing_of(en);

	if (t && runs) {
		take_runs(t, runs);
		runs->past = NULL; /* which is t's now */
		if (timing_comes_again(en))
			wait_for(t);
	}
	runs_free(runs);
}

bool
timing_is_early(const struct plan *p, struct gate *ret)
{
	struct timing *t = p->timing;

	if (!t || !t->runs.waiting)
		return false;
	if (!t->runs.next_ms)
		find_first(t);
	if (!heap_contains(&t->node))
		wait_for(t);
	(void)snprintf(ret->word, sizeof ret->word, "start-at");
	ret->until_ms = clock_now_ms() + (uint64_t)MAX(t->runs.next_ms - clock_wall_ms(), INT64_C(0));
	return true;
}

void
timing_look(struct entry *en)
{
	struct timing *t = timing_of(en);

	if (!t || !t->runs.waiting)
		return;
	if (!t->runs.next_ms)
		find_first(t);
	if (t->runs.next_ms > clock_wall_ms())
		return;
	timing_starts(en);
	deadline_retry(en); /* what it waited is not counted */
}

void
timing_starts(struct entry *en)
{
	struct timing *t = timing_of(en);

	if (!t)
		return;
	t->runs.waiting = false;
	t->began_ms = clock_wall_ms();
	stop_waiting(t);
}

void
timing_forget(struct entry *en)
{
	if (timing_of(en))
		stop_waiting(timing_of(en));
}

void
timing_waits(struct entry *en)
{
	timing_of(en)->runs.waiting = true;
}

static void
remember_run(struct runs *n, const struct past_run *run)
{
	if (n->n_past == RUNS_KEPT)
		memmove(n->past, n->past + 1, (size_t)--n->n_past * sizeof n->past[0]);
	else
		n->past = xrealloc(n->past, (n->n_past + 1U) * sizeof n->past[0]);
	n->past[n->n_past++] = *run;
}

static void
count_run(struct timing *t, const struct result *r, bool unchanged)
{
	const struct job *j = &t->entry->job;
	struct runs *n = &t->runs;

	n->count++;
	n->unchanged += unchanged;
	n->ended_s = clock_wall_s();
	n->code = r->code;
	n->http_status = (uint16_t)r->http_status;
	n->failures = result_class(r) == CLASS_OK ? 0 : n->failures + 1;
	if (result_class(r) == CLASS_OK)
		n->succeeded_s = n->ended_s;
	remember_run(n, &(struct past_run){ .began_s = t->began_ms / 1000, .ended_s = n->ended_s, .bytes = unchanged ? 0 : j->received,
	    .code = r->code, .http_status = n->http_status, .unchanged = unchanged });
}

void
timing_ended(struct entry *en, const struct result *r, bool unchanged)
{
	struct timing *t = timing_of(en);
	int64_t now = clock_wall_ms(), next;
	struct schedule s;

	if (!t || !t->recurs || r->code == RESULT_INTERRUPTED)
		return;
	if (en->job.started_ms)
		count_run(t, r, unchanged);
	stop_waiting(t);
	t->runs.waiting = false;
	t->runs.next_ms = 0;
	/* A user wants no more of it. */
	if (r->code == RESULT_CANCELLED || en->retired)
		return;
	get_schedule(en, &s);
	/* Its own time does not come again because the clock was put back a little. */
	next = schedule_next(&s, t->began_ms > now && t->began_ms < now + SET_BACK_MS ? t->began_ms : now);
	schedule_done(&s);
	if (next == SCHEDULE_NEVER)
		return;
	t->runs.next_ms = next;
	wait_for(t);
}

int64_t
timing_began_s(const struct entry *en)
{
	int64_t began_ms = timing_of(en)->began_ms;

	return began_ms ? began_ms / 1000 : clock_wall_s();
}

bool
timing_is_waiting(const struct entry *en)
{
	const struct timing *t = timing_of(en);

	return t && t->runs.waiting;
}

bool
timing_comes_again(const struct entry *en)
{
	const struct timing *t = timing_of(en);

	return t && t->recurs && t->runs.next_ms && job_is_over(&en->job);
}

const struct runs *
timing_runs(const struct entry *en)
{
	const struct timing *t = timing_of(en);

	if (t && t->recurs)
		return &t->runs;
	return en->receipt ? en->receipt->runs : NULL;
}

const struct runs *
timing_kept(const struct entry *en)
{
	const struct timing *t = timing_of(en);

	return t && !t->runs.waiting && !job_is_over(&en->job) ? &t->runs : timing_runs(en);
}
