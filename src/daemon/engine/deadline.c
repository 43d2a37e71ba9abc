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

enum { ENDS_PER_TURN = 500 };

struct deadlines {
	struct engine *engine;
	struct heap heap;        /* struct plan, by deadline_ms */
	struct loop_timer timer; /* the first of them */
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
set_timer(struct deadlines *all)
{
	const struct heap_node *first = heap_peek(&all->heap);
	uint64_t now = clock_now_ms(), at = first ? plan_of(first)->deadline_ms : 0;

	if (first)
		loop_timer_set(&all->timer, at > now ? at - now : 0);
	else
		loop_timer_cancel(&all->timer);
}

/* from_s: what it counts from.  Only then is the clock on the wall asked: while hauld runs
 * a clock that is set makes no difference. */
static void
begin(struct entry *en, int64_t from_s)
{
	uint64_t wanted = spec_number(en->job.spec, JOB_DEADLINE);
	struct deadlines *all = en->engine->plans.deadlines;
	int64_t gone_s = clock_wall_s() - from_s;
	uint64_t gone_ms = gone_s > 0 ? (uint64_t)gone_s * 1000 : 0;
	struct plan *p;

	if (!wanted)
		return;
	p = plan_get(en);
	heap_remove(&all->heap, &p->deadline);
	p->deadline_ms = clock_now_ms() + (wanted > gone_ms ? wanted - gone_ms : 0);
	heap_add(&all->heap, &p->deadline);
	if (heap_peek(&all->heap) == &p->deadline)
		set_timer(all);
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
deadline_change(struct entry *en, uint64_t was)
{
	uint64_t wanted = spec_number(en->job.spec, JOB_DEADLINE);
	struct deadlines *all = en->engine->plans.deadlines;
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
	/* What it counts from may lie before the clock began. */
	p->deadline_ms = p->deadline_ms + wanted - MIN(was, p->deadline_ms + wanted);
	if (wanted)
		heap_update(&all->heap, &p->deadline);
	else
		heap_remove(&all->heap, &p->deadline);
	set_timer(all);
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
	if (spec_number(en->job.spec, JOB_DEADLINE))
		begin_anew(en, clock_wall_s());
}

void
deadline_leave(struct plan *p)
{
	struct deadlines *all = p->entry->engine->plans.deadlines;
	bool first = heap_contains(&p->deadline) && heap_peek(&all->heap) == &p->deadline;

	heap_remove(&all->heap, &p->deadline);
	if (first)
		set_timer(all);
}

uint64_t
deadline_left(const struct entry *en)
{
	const struct plan *p = en->plan;
	uint64_t now = clock_now_ms();

	if (!p || !heap_contains(&p->deadline))
		return 0;
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
	struct result r = { 0 };
	char limit[32];

	result_set(&r, RESULT_DEADLINE, "not done within its deadline of %s: it was %s%s%s",
	    format_duration(limit, sizeof limit, spec_number(j->spec, JOB_DEADLINE)), job_state_to_string(j->state),
	    j->state == JOB_ACTIVE ? ", " : "", j->state == JOB_ACTIVE ? job_phase_to_string(j->phase) : "");
	if (en->download)
		download_stop(en->download, &r);
	else
		engine_end_waiting(en, &r);
}

static void
on_timer(void *arg)
{
	struct deadlines *all = arg;
	uint64_t now = clock_now_ms();
	const struct heap_node *first;

	for (unsigned n = 0; n < ENDS_PER_TURN && (first = heap_peek(&all->heap)); n++) {
		struct plan *p = plan_of(first);

		if (p->deadline_ms > now)
			break;
		heap_remove(&all->heap, &p->deadline);
		end(p->entry);
	}
	set_timer(all);
}

void
deadlines_init(struct engine *e)
{
	struct deadlines *all = NEW(struct deadlines);

	e->plans.deadlines = all;
	all->engine = e;
	heap_init(&all->heap, before);
	map_init(&all->retried, retried_has_id);
	loop_timer_init(&all->timer, e->loop, "deadline", on_timer, all);
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
	heap_done(&all->heap);
	free(all);
}
