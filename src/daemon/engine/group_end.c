/* Groups whose run is ended: by a failure, by their deadline; see group.h. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/engine/group.h"
#include "model/until.h"

enum { ENDS_PER_TURN = 100 }; /* a log line, a change in the store and events each */

/* Those that come meanwhile are ended, too; the last of them ends the run, and this. */
static void
on_step(void *arg)
{
	struct group *g = arg;
	struct result r = g->ending;

	for (unsigned n = 0; !list_empty(&g->members); n++) {
		struct plan *p = LIST_FIRST(&g->members, struct plan, member);

		if (n == ENDS_PER_TURN) {
			loop_defer(g->engine->loop, &g->step);
			return;
		}
		list_remove(&p->member);
		list_append(&g->leaving, &p->member);
		engine_end(p->entry, &r);
	}
}

/* This run is ended with r: all of its members, those that come to it later, and those of
 * groups within it. */
static void
group_end(struct group *g, const struct result *r)
{
	struct group *c;

	if (!g->live || g->ending.code != RESULT_OK)
		return;
	g->ending = *r;
	log_notice("group is ended: %s: %s group=%s members=%llu", result_word(r), r->text, g->name, (unsigned long long)g->live);
	group_tell(g, false, "is ended: %s: %s", result_word(r), r->text);
	group_set_hold(g);
	group_note(g);
	loop_defer(g->engine->loop, &g->step);
	LIST_FOREACH(c, &g->children, struct group, link)
		group_end(c, r);
}

void
group_check_ending(struct group *g)
{
	for (struct group *x = g; x; x = x->parent) {
		if (x->ending.code == RESULT_OK)
			continue;
		if (x != g)
			group_end(g, &x->ending);
		else
			loop_defer(g->engine->loop, &g->step);
		return;
	}
}

void
group_failed(struct group *g, const struct entry *en)
{
	struct result r = { 0 };

	result_set(&r, RESULT_SIBLING_FAILED, "%s (id %llu) of its group failed: %s", job_label(&en->job),
	    (unsigned long long)en->job.id, result_word(en->job.result));
	for (; g; g = g->parent)
		if (spec_number(g->spec, GROUP_ON_FAILURE) == ON_FAILURE_CANCEL)
			group_end(g, &r);
}

/* ---- The deadline ------------------------------------------------------------------- */

static void
on_deadline(void *arg)
{
	struct group *g = arg;
	const char *text = spec_string(g->spec, GROUP_DEADLINE);
	struct result r = { 0 };
	char time[32];
	uint64_t ms;

	if (parse_duration(text, &ms) == 0)
		result_set(&r, RESULT_DEADLINE, "the deadline of group %s, %s after the first of it started, has passed", g->name,
		    format_duration(time, sizeof time, ms));
	else
		result_set(&r, RESULT_DEADLINE, "the deadline of group %s, %s, has passed", g->name, text);
	group_end(g, &r);
}

/* It rings, or the clock was set. */
static void
on_moment(int64_t jump_ms, void *arg)
{
	struct group *g = arg;

	if (jump_ms)
		group_set_deadline(g);
	else
		on_deadline(g);
}

void
group_set_deadline(struct group *g)
{
	struct until until = { .kind = UNTIL_NONE };
	int64_t at;

	loop_timer_cancel(&g->deadline);
	loop_alarm_cancel(&g->moment);
	if (g->running)
		until = until_of(spec_string(g->spec, GROUP_DEADLINE), g->begun_s);
	at = g->started_ms + (int64_t)until.after_ms;
	if (until.kind == UNTIL_AT)
		loop_alarm_set(&g->moment, until.at_s * 1000);
	else if (until.kind == UNTIL_AFTER && g->started_s)
		loop_timer_set(&g->deadline, (uint64_t)MAX(at - (int64_t)clock_now_ms(), INT64_C(0)));
}

uint64_t
group_deadline_in(const struct group *g)
{
	int64_t left = 0;
	uint64_t after;

	if (g->moment.at_ms)
		left = g->moment.at_ms - clock_wall_ms();
	else if (g->deadline.set && parse_duration(spec_string(g->spec, GROUP_DEADLINE), &after) == 0)
		left = g->started_ms + (int64_t)after - (int64_t)clock_now_ms();
	return (uint64_t)MAX(left, INT64_C(0));
}

void
group_begin_at(struct group *g, int64_t started_s)
{
	int64_t ago = clock_wall_s() - started_s; /* less than 0: a clock that went back */

	g->started_s = started_s;
	g->started_ms = (int64_t)clock_now_ms() - MAX(ago, INT64_C(0)) * 1000;
	group_set_deadline(g);
	if (spec_has(g->spec, GROUP_DEADLINE))
		group_note(g);
}

/* ---- Life ------------------------------------------------------------------------------ */

void
group_end_forget(struct group *g)
{
	loop_undefer(&g->step);
	g->ending = (struct result){ 0 };
}

void
group_end_init(struct group *g)
{
	loop_deferred_init(&g->step, "end group", on_step, g);
	loop_timer_init(&g->deadline, g->engine->loop, "group deadline", on_deadline, g);
	loop_alarm_init(&g->moment, g->engine->loop, "group deadline", on_moment, g);
}

void
group_end_done(struct group *g)
{
	loop_undefer(&g->step);
	loop_timer_done(&g->deadline);
	loop_alarm_done(&g->moment);
}
