/* What a job waits for before it is queued; see plan.h. */
#include "daemon/engine/plan.h"

#include <stdlib.h>

#include "base/mem.h"
#include "daemon/engine/deadline.h"
#include "daemon/engine/group.h"
#include "daemon/engine/order.h"
#include "daemon/engine/timing.h"

enum { OPENINGS_PER_TURN = 1000 };

/* True: closed, and *ret (zeroed) says what for. */
typedef bool (*gate_fn)(const struct plan *p, struct gate *ret);

/* Where nobody can resume it (without a service). */
static bool
is_paused(const struct plan *p, struct gate *ret)
{
	if (p->entry->engine->options.patient || !spec_bool(p->entry->job.spec, JOB_BEGIN_PAUSED))
		return false;
	result_set(&ret->result, RESULT_CANCELLED, "it is paused, and without a service nobody can resume it");
	return true;
}

/* In this order they are passed, and the first that is closed is what is told. */
static const gate_fn gates[] = {
	is_paused,
	timing_is_early,
	order_gate,
	NULL, /* ends them */
};

bool
plan_is_needed(const struct entry *en)
{
	return spec_bool(en->job.spec, JOB_BEGIN_PAUSED) && !en->engine->options.patient;
}

struct plan *
plan_get(struct entry *en)
{
	if (en->plan)
		return en->plan;
	en->plan = NEW(struct plan);
	en->plan->entry = en;
	list_init(&en->plan->opening);
	list_init(&en->plan->member);
	list_init(&en->plan->peer);
	return en->plan;
}

void
plan_free(struct entry *en)
{
	if (!en->plan)
		return;
	list_remove(&en->plan->opening);
	order_free(en->plan);
	deadline_leave(en->plan);
	group_part(en->plan);
	timing_free(en->plan);
	free(TAKE_PTR(en->plan));
}

static bool
ask(const struct plan *p, struct gate *ret)
{
	for (const gate_fn *g = gates; *g; g++) {
		*ret = (struct gate){ 0 };
		if ((*g)(p, ret))
			return true;
	}
	return false;
}

bool
plan_why(const struct entry *en, struct gate *ret)
{
	return en->plan && en->plan->closed && ask(en->plan, ret);
}

bool
plan_holds(struct entry *en)
{
	struct gate gate;

	if (!en->plan)
		return false;
	timing_look(en);
	if (!ask(en->plan, &gate)) {
		order_pass(en->plan);
		return false;
	}
	en->plan->closed = true;
	engine_set_state(en, JOB_BLOCKED);
	if (gate.result.code != RESULT_OK) /* not from here: callers still look at the job */
		plan_open(en);
	return true;
}

void
plan_open(struct entry *en)
{
	struct engine *e = en->engine;

	if (!en->plan || !en->plan->closed || list_linked(&en->plan->opening))
		return;
	list_append(&e->plans.opening, &en->plan->opening);
	loop_defer(e->loop, &e->plans.open);
}

void
plan_leave(struct entry *en)
{
	if (!en->plan)
		return;
	en->plan->closed = false;
	list_remove(&en->plan->opening);
}

void
plan_job_ended(struct entry *en)
{
	plan_leave(en);
	if (en->plan) {
		deadline_over(en->plan);
		order_forget_passed(en->plan);
	}
	order_job_ended(en);
	group_member_ended(en);
}

/* Its gates are open: to the scheduler.  One that never will: it ends. */
static void
try_open(struct entry *en)
{
	struct gate gate;

	timing_look(en);
	if (!ask(en->plan, &gate)) {
		plan_leave(en);
		order_pass(en->plan);
		engine_requeue(en, retry_first_source(en), 0);
	} else if (gate.result.code != RESULT_OK) {
		plan_leave(en);
		engine_end_waiting(en, &gate.result);
	}
}

/* What ends or begins here may open others: they come behind. */
static void
on_open(void *arg)
{
	struct engine *e = arg;

	for (unsigned n = 0; !list_empty(&e->plans.opening); n++) {
		struct plan *p = LIST_FIRST(&e->plans.opening, struct plan, opening);

		if (n == OPENINGS_PER_TURN) {
			loop_defer(e->loop, &e->plans.open);
			return;
		}
		list_remove(&p->opening);
		try_open(p->entry);
	}
}

void
plans_init(struct engine *e)
{
	list_init(&e->plans.opening);
	loop_deferred_init(&e->plans.open, "open gates", on_open, e);
	orders_init(e);
	deadlines_init(e);
}

void
plans_done(struct engine *e)
{
	loop_undefer(&e->plans.open);
	orders_done(e);
	deadlines_done(e);
}
