/* Groups: which there are, who is in them, when a run begins and ends; see group.h. */
#include "daemon/engine/set.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/engine/limits.h"

/* ---- All of them, by name ------------------------------------------------------- */

/* The first whose name is not before this one. */
static size_t
place_of(const struct engine *e, const char *name)
{
	size_t low = 0, high = e->groups.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(e->groups.sorted[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct group *
group_find(const struct engine *e, const char *name)
{
	size_t at = place_of(e, name);

	return at < e->groups.n && strcmp(e->groups.sorted[at]->name, name) == 0 ? e->groups.sorted[at] : NULL;
}

struct group *
group_next(const struct engine *e, const char *name)
{
	size_t at = place_of(e, name);

	if (at < e->groups.n && strcmp(e->groups.sorted[at]->name, name) == 0)
		at++;
	return at < e->groups.n ? e->groups.sorted[at] : NULL;
}

static void
put(struct engine *e, struct group *g)
{
	size_t at = place_of(e, g->name);

	if (e->groups.n == e->groups.size) {
		e->groups.size = e->groups.size ? e->groups.size * 2 : 16;
		e->groups.sorted = xrealloc(e->groups.sorted, e->groups.size * sizeof e->groups.sorted[0]);
	}
	memmove(e->groups.sorted + at + 1, e->groups.sorted + at, (e->groups.n - at) * sizeof e->groups.sorted[0]);
	e->groups.sorted[at] = g;
	e->groups.n++;
}

static struct group *
group_new(struct engine *e, const char *name)
{
	struct group *g = NEW(struct group);

	g->engine = e;
	g->name = xstrdup(name);
	list_init(&g->children);
	list_init(&g->link);
	list_init(&g->members);
	list_init(&g->leaving);
	rate_init(&g->rate, &e->total, 0, clock_now_ns());
	list_init(&g->all);
	group_end_init(g);
	group_keep_init(g);
	group_take_settings(g);
	put(e, g);
	return g;
}

struct group *
group_get(struct engine *e, const char *name)
{
	struct group *g = group_find(e, name);

	return g ? g : group_new(e, name);
}

static void
group_free(struct group *g)
{
	assert(list_empty(&g->members) && list_empty(&g->leaving));
	group_end_done(g);
	loop_undefer(&g->keep);
	set_free(g->set);
	scheduler_group_free(g->sched);
	rate_done(&g->rate);
	list_remove(&g->link);
	spec_unref(g->spec);
	spec_unref(g->conf);
	buf_done(&g->own);
	buf_done(&g->noted);
	free(g->name);
	free(g);
}

static void
remove_from_sorted(struct group *g)
{
	struct engine *e = g->engine;
	size_t at = place_of(e, g->name);

	e->groups.n--;
	memmove(e->groups.sorted + at, e->groups.sorted + at + 1, (e->groups.n - at) * sizeof e->groups.sorted[0]);
}

static bool
is_needed(const struct group *g)
{
	return g->conf || g->made || g->refs || set_is_busy(g->set);
}

void
group_tidy(struct group *g)
{
	/* When hauld stops its note is of use to the next life: jobs that name it may be on their way to the store. */
	while (g && !is_needed(g) && g->engine->groups.ready && !g->engine->interrupted) {
		struct group *parent = g->parent;

		group_unnote(g);
		remove_from_sorted(g);
		group_free(g);
		if (parent)
			parent->refs--;
		g = parent;
	}
}

/* With one its parents may go, before it or behind it. */
static void
tidy_all(struct engine *e)
{
	for (size_t i = 0; i < e->groups.n;) {
		struct group *g = e->groups.sorted[i];

		if (is_needed(g)) {
			i++;
		} else {
			group_tidy(g);
			i = 0;
		}
	}
}

/* ---- Settings --------------------------------------------------------------------- */

/* What a client set, else the configuration's. */
static struct spec *
make_spec(const struct group *g)
{
	struct spec *s = NULL;
	int r = spec_new(SCOPE_GROUP, buf_bytes(&g->own), buf_len(&g->own), g->conf, &s);

	assert(r == 0); /* it was one before it was put there */
	return s;
}

static bool
lies_in(const struct group *g, const struct group *in)
{
	while (g && g != in)
		g = g->parent;
	return g;
}

/* The parent that its settings want; NULL: none, or one that lies in it. */
static struct group *
wanted_parent(struct group *g)
{
	const char *name = spec_string(g->spec, GROUP_PARENT);
	struct group *parent = name && strcmp(name, g->name) != 0 ? group_get(g->engine, name) : NULL;

	/* Where groups change places, those between the two go to theirs first. */
	for (struct group *x = parent, *around; x && x != g && lies_in(parent, g);) {
		around = x->parent;
		group_take_settings(x);
		x = x->parent == around ? around : parent; /* or to another that lies in it */
	}
	if (!lies_in(parent, g))
		return parent;
	/* Of two configurations, or of one and what a client said. */
	log_warning("the parent of a group lies in it, and is no parent group=%s parent=%s", g->name, name);
	return NULL;
}

static void
free_scheds(struct group *g)
{
	struct group *c;

	LIST_FOREACH(c, &g->children, struct group, link)
		free_scheds(c);
	scheduler_group_free(TAKE_PTR(g->sched));
}

static void
make_scheds(struct group *g)
{
	struct group *c;

	g->sched = scheduler_group_new(g->engine->scheduler, g->parent ? g->parent->sched : NULL,
	    spec_number(g->spec, GROUP_MAX_CONCURRENT));
	group_set_hold(g);
	LIST_FOREACH(c, &g->children, struct group, link)
		make_scheds(c);
}

/* Only between two runs: tickets know the group that they were queued in. */
static void
set_parent(struct group *g, struct group *parent)
{
	struct group *old = g->parent;

	free_scheds(g);
	list_remove(&g->link);
	g->parent = parent;
	g->rate.parent = parent ? &parent->rate : &g->engine->total;
	if (parent) {
		list_append(&parent->children, &g->link);
		parent->refs++;
	}
	make_scheds(g);
	if (old) {
		old->refs--;
		group_keep_soon(old); /* not at once: its run may be about to end */
	}
}

void
group_take_settings(struct group *g)
{
	struct group *parent;
	bool conf_paused = g->conf && spec_bool(g->conf, GROUP_PAUSED);

	spec_unref(g->spec);
	g->spec = make_spec(g);
	if (conf_paused != g->conf_paused) {
		g->paused = g->conf_paused = conf_paused;
		group_keep_soon(g); /* what a client paused before is no word of his any more */
	}
	parent = g->running && g->sched ? g->parent : wanted_parent(g);
	if (!g->sched || parent != g->parent)
		set_parent(g, parent);
	scheduler_group_set_limit(g->sched, spec_number(g->spec, GROUP_MAX_CONCURRENT));
	limits_set_group(g);
	group_set_hold(g);
	group_set_deadline(g);
	set_take_settings(g);
}

void
groups_set_conf(struct engine *e)
{
	for (size_t i = 0; i < e->groups.n; i++)
		e->groups.sorted[i]->next_conf = NULL;
	for (size_t i = 0; i < e->conf->groups.len; i++) {
		const struct spec *s = e->conf->groups.items[i];

		group_get(e, spec_string(s, GROUP_NAME))->next_conf = s;
	}
	for (size_t i = 0; i < e->groups.n; i++) {
		struct group *g = e->groups.sorted[i];

		g->takes = g->conf || g->next_conf;
		spec_unref(g->conf);
		g->conf = g->next_conf ? spec_ref((struct spec *)(uintptr_t)g->next_conf) : NULL;
	}
	/* Taking the settings of one may make its parent: that has none of its own yet. */
	for (struct group *g = group_next(e, ""); g; g = group_next(e, g->name))
		if (g->takes)
			group_take_settings(g);
	if (e->groups.ready)
		tidy_all(e);
}

/* ---- Runs ----------------------------------------------------------------------------- */

static void
begin_run(struct group *g)
{
	if (g->running)
		return; /* more of the same are being added, or it goes on in this life */
	g->running = true;
	g->begun_s = clock_wall_s();
	g->started_s = 0;
	group_set_deadline(g);
	if (spec_has(g->spec, GROUP_DEADLINE))
		group_keep_soon(g);
	g->counts[JOB_DONE] = g->counts[JOB_FAILED] = g->counts[JOB_CANCELLED] = g->interrupted = 0;
	set_begin(g);
}

void
group_tell(const struct group *g, bool over, const char *fmt, ...)
{
	char text[RESULT_TEXT_MAX + 80];
	va_list ap;

	if (!g->engine->ops->on_group)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	g->engine->ops->on_group(g->name, over, text, g->engine->arg);
}

static void
end_run(struct group *g)
{
	struct group *c;

	/* Where members were interrupted it goes on in the next life, which also ends it if none was. */
	if (!g->running || g->live || g->engine->groups.adding || g->engine->interrupted)
		return;
	LIST_FOREACH(c, &g->children, struct group, link)
		end_run(c); /* which may leave it then, before it goes elsewhere itself */
	g->running = false;
	set_end_run(g);
	group_end_forget(g);
	group_take_settings(g); /* a parent that waited for this */
	group_note(g);
	group_tell(g, true, "run is over: %llu done, %llu failed, %llu cancelled", (unsigned long long)g->counts[JOB_DONE],
	    (unsigned long long)g->counts[JOB_FAILED], (unsigned long long)g->counts[JOB_CANCELLED]);
}

static void
enter(struct plan *p)
{
	struct group *g = p->group;

	p->in_group = true;
	p->entry->ticket.group = g->sched;
	list_append(&g->members, &p->member);
	for (struct group *x = g; x; x = x->parent) {
		begin_run(x);
		x->live++;
		x->counts[p->entry->job.state]++;
	}
	group_check_ending(g);
}

void
group_join(struct entry *en, bool over)
{
	const char *name = spec_string(en->job.spec, JOB_GROUP);
	struct plan *p;

	if (!name)
		return;
	p = plan_get(en);
	p->group = group_get(en->engine, name);
	p->group->refs++;
	list_append(&p->group->all, &p->peer);
	if (!over)
		enter(p);
}

void
group_join_again(struct entry *en)
{
	if (en->plan && en->plan->group && !en->plan->in_group)
		enter(en->plan);
}

void
group_member_moved(struct entry *en, enum job_state from)
{
	enum job_state to = en->job.state;

	for (struct group *x = en->plan->group; x; x = x->parent) {
		x->counts[from]--;
		x->counts[to]++;
		if (to == JOB_ACTIVE && !x->started_s)
			group_begin_at(x, MAX(clock_wall_s(), INT64_C(1)));
	}
	if (to == JOB_FAILED) /* before the store is told: what follows from it must be known, too */
		group_failed(en->plan->group, en);
}

void
group_member_ended(struct entry *en)
{
	struct plan *p = en->plan;
	struct group *g = p ? p->group : NULL;
	bool goes_on = en->job.result->code == RESULT_INTERRUPTED;

	if (!g || !p->in_group)
		return;
	p->in_group = false;
	list_remove(&p->member);
	for (struct group *x = g; x; x = x->parent) {
		x->live--;
		x->interrupted += goes_on;
	}
	set_ask(g);
	for (struct group *around; g && !goes_on; g = around) {
		around = g->parent; /* which may be another behind the run */
		end_run(g);
		group_note(g); /* beside the end itself: no later life knows one without the other */
	}
}

void
group_part(struct plan *p)
{
	struct group *g = TAKE_PTR(p->group);

	if (!g)
		return;
	list_remove(&p->member);
	list_remove(&p->peer);
	g->refs--;
	group_tidy(g);
}

void
engine_adding(struct engine *e, bool more)
{
	e->groups.adding += more ? 1 : -1U;
	for (struct group *g = group_next(e, ""); g && !e->groups.adding; g = group_next(e, g->name)) {
		set_ask(g);
		end_run(g);
	}
}

/* ---- Life ------------------------------------------------------------------------------- */

void
groups_restored(struct engine *e)
{
	e->groups.ready = true;
	tidy_all(e);
}

void
groups_init(struct engine *e)
{
	groups_set_conf(e);
}

/* Children first: they name their parents. */
void
groups_done(struct engine *e)
{
	for (size_t i = 0; e->groups.n; i++) {
		struct group *g = e->groups.sorted[i % e->groups.n];

		if (!list_empty(&g->children))
			continue;
		remove_from_sorted(g);
		group_free(g);
	}
	free(e->groups.sorted);
}
