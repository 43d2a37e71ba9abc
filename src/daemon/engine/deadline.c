/* Deadlines; see deadline.h. */
#include "daemon/engine/deadline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/notes.h"
#include "daemon/engine/timing.h"
#include "daemon/loop/alarm.h"
#include "model/until.h"

enum { ENDS_PER_TURN = 500 };

struct deadlines {
	struct engine *engine;
	struct heap heap;        /* struct plan, by deadline_ms */
	struct loop_timer timer; /* the first of them */
	struct heap moments;     /* the same of those that are moments by the clock on the wall */
	struct loop_alarm alarm;
	struct map retried;      /* struct retried, owned: of an earlier life, until their jobs come */
};

struct retried {
	uint64_t id;
	int64_t at_s; /* Unix time */
};

static bool
retried_has_id(const void *item, const void *key)
{
	return ((const struct retried *)item)->id == *(const uint64_t *)key;
}

static struct plan *
plan_of(const struct heap_node *n)
{
	return CONTAINER_OF((struct heap_node *)(uintptr_t)n, struct plan, deadline);
}

static bool
before(const struct heap_node *a, const struct heap_node *b)
{
	return plan_of(a)->deadline_ms < plan_of(b)->deadline_ms;
}

static void
set_timers(struct deadlines *all)
{
	const struct heap_node *first = heap_peek(&all->heap), *moment = heap_peek(&all->moments);
	uint64_t now = clock_now_ms(), at = first ? plan_of(first)->deadline_ms : 0;

	if (first)
		loop_timer_set(&all->timer, at > now ? at - now : 0);
	else
		loop_timer_cancel(&all->timer);
	if (moment)
		loop_alarm_set(&all->alarm, (int64_t)plan_of(moment)->deadline_ms);
	else
		loop_alarm_cancel(&all->alarm);
}

static struct heap *
heap_of(struct deadlines *all, const struct plan *p)
{
	return p->deadline_by_clock ? &all->moments : &all->heap;
}

static struct until
wanted(const struct spec *s, int64_t from_s)
{
	return until_of(spec_string(s, JOB_DEADLINE), from_s);
}

/* from_s: what it counts from.  Only then is the clock on the wall asked: while hauld runs
 * a clock that is set makes no difference, but to a moment. */
static void
begin(struct entry *en, int64_t from_s)
{
	struct until until = wanted(en->job.spec, from_s);
	struct deadlines *all = en->engine->plans.deadlines;
	int64_t gone_s = clock_wall_s() - from_s;
	uint64_t gone_ms = gone_s > 0 ? (uint64_t)gone_s * 1000 : 0;
	struct plan *p;

	if (until.kind == UNTIL_NONE)
		return;
	p = plan_get(en);
	heap_remove(heap_of(all, p), &p->deadline);
	p->deadline_from_s = from_s;
	p->deadline_by_clock = until.kind == UNTIL_AT;
	if (p->deadline_by_clock)
		p->deadline_ms = until.at_s > 0 ? (uint64_t)until.at_s * 1000 : 1;
	else
		p->deadline_ms = clock_now_ms() + (until.after_ms > gone_ms ? until.after_ms - gone_ms : 0);
	heap_add(heap_of(all, p), &p->deadline);
	if (heap_peek(heap_of(all, p)) == &p->deadline)
		set_timers(all);
}

void
deadline_begin(struct entry *en)
{
	begin(en, en->job.added_s);
}

static char *
note_key(const struct entry *en)
{
	return xasprintf("deadline:%llu", (unsigned long long)en->job.id);
}

static void
begin_anew(struct entry *en, int64_t from_s)
{
	AUTO_FREE char *key = note_key(en);
	char text[24];

	begin(en, from_s);
	(void)snprintf(text, sizeof text, "%lld", (long long)from_s);
	note_put(en->engine, key, text, strlen(text));
	en->plan->deadline_noted = true;
}

void
deadline_change(struct entry *en, const struct spec *was)
{
	struct deadlines *all = en->engine->plans.deadlines;
	struct until old, new;
	struct plan *p = en->plan;

	if (timing_is_waiting(en))
		return; /* it begins with the run */
	if (!p || !heap_contains(&p->deadline)) {
		if (p && p->timing)
			begin_anew(en, timing_began_s(en));
		else
			begin(en, en->job.added_s);
		return;
	}
	old = wanted(was, p->deadline_from_s);
	new = wanted(en->job.spec, p->deadline_from_s);
	if (old.kind == UNTIL_AFTER && new.kind == UNTIL_AFTER) {
		/* What it counts from may lie before the clock began. */
		p->deadline_ms = p->deadline_ms + new.after_ms - MIN(old.after_ms, p->deadline_ms + new.after_ms);
		heap_update(&all->heap, &p->deadline);
		set_timers(all);
	} else {
		deadline_leave(p);
		begin(en, p->deadline_from_s);
	}
}

bool
deadline_is_noted(const struct entry *en)
{
	return map_find(&en->engine->plans.deadlines->retried, hash_u64(en->job.id), &en->job.id);
}

void
deadline_restore(struct entry *en)
{
	struct deadlines *all = en->engine->plans.deadlines;
	struct retried *r = map_remove(&all->retried, hash_u64(en->job.id), &en->job.id);

	begin(en, r ? r->at_s : en->job.added_s);
	if (r && en->plan)
		en->plan->deadline_noted = true;
	free(r);
}

void
deadline_retry(struct entry *en)
{
	if (wanted(en->job.spec, clock_wall_s()).kind != UNTIL_NONE)
		begin_anew(en, clock_wall_s());
}

void
deadline_leave(struct plan *p)
{
	struct deadlines *all = p->entry->engine->plans.deadlines;
	bool first = heap_contains(&p->deadline) && heap_peek(heap_of(all, p)) == &p->deadline;

	heap_remove(heap_of(all, p), &p->deadline);
	if (first)
		set_timers(all);
}

uint64_t
deadline_left(const struct entry *en)
{
	const struct plan *p = en->plan;
	uint64_t now;

	if (!p || !heap_contains(&p->deadline))
		return 0;
	now = p->deadline_by_clock ? (uint64_t)clock_wall_ms() : clock_now_ms();
	return p->deadline_ms > now ? p->deadline_ms - now : 1;
}

void
deadline_over(struct plan *p)
{
	AUTO_FREE char *key = NULL;

	deadline_leave(p);
	if (p->deadline_noted && p->entry->job.result->code != RESULT_INTERRUPTED)
		key = note_key(p->entry);
	if (key)
		note_put(p->entry->engine, key, "", 0);
	p->deadline_noted &= !key;
}

void
deadline_restore_note(struct engine *e, const char *id, const void *data, size_t n)
{
	struct deadlines *all = e->plans.deadlines;
	AUTO_FREE char *text = xstrndup(data ? data : "", n);
	uint64_t number, at;
	struct retried *r;

	if (parse_u64(id, &number) < 0 || parse_u64(text, &at) < 0 || at > INT64_MAX / 1000 ||
	    map_find(&all->retried, hash_u64(number), &number))
		return;
	r = NEW(struct retried);
	*r = (struct retried){ number, (int64_t)at };
	map_add(&all->retried, hash_u64(number), r);
}

static void
end(struct entry *en)
{
	const struct job *j = &en->job;
	const char *text = spec_string(j->spec, JOB_DEADLINE);
	struct result r = { 0 };
	char limit[32];
	uint64_t ms;

	if (parse_duration(text, &ms) == 0)
		text = format_duration(limit, sizeof limit, ms);
	result_set(&r, RESULT_DEADLINE, "not done within its deadline of %s: it was %s%s%s", text, job_state_to_string(j->state),
	    j->state == JOB_ACTIVE ? ", " : "", j->state == JOB_ACTIVE ? job_phase_to_string(j->phase) : "");
	engine_end(en, &r);
}

/* Some in each turn: what is left rings again at once. */
static void
end_passed(struct deadlines *all, struct heap *heap, uint64_t now)
{
	const struct heap_node *first;

	for (unsigned n = 0; n < ENDS_PER_TURN && (first = heap_peek(heap)); n++) {
		struct plan *p = plan_of(first);

		if (p->deadline_ms > now)
			break;
		heap_remove(heap, &p->deadline);
		end(p->entry);
	}
	set_timers(all);
}

static void
on_timer(void *arg)
{
	struct deadlines *all = arg;

	end_passed(all, &all->heap, clock_now_ms());
}

static void
on_alarm(int64_t jump_ms UNUSED, void *arg)
{
	struct deadlines *all = arg;

	end_passed(all, &all->moments, (uint64_t)clock_wall_ms());
}

void
deadlines_init(struct engine *e)
{
	struct deadlines *all = NEW(struct deadlines);

	e->plans.deadlines = all;
	all->engine = e;
	heap_init(&all->heap, before);
	heap_init(&all->moments, before);
	map_init(&all->retried, retried_has_id);
	loop_timer_init(&all->timer, e->loop, "deadline", on_timer, all);
	loop_alarm_init(&all->alarm, e->loop, "deadline", on_alarm, all);
}

void
deadlines_done(struct engine *e)
{
	struct deadlines *all = TAKE_PTR(e->plans.deadlines);
	struct retried *r;
	size_t cursor = 0;

	while ((r = map_next(&all->retried, &cursor)))
		free(r);
	map_done(&all->retried);
	loop_timer_done(&all->timer);
	loop_alarm_done(&all->alarm);
	heap_done(&all->heap);
	heap_done(&all->moments);
	free(all);
}
