/* What waits for what; see order.h. */
#include "daemon/engine/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/archive.h"
#include "daemon/engine/order_internal.h"
#include "model/values.h"

enum { TELLS_PER_TURN = 2000 };

struct outcome {
	enum { WAS_DONE, FAILED, WAS_CANCELLED, NOT_NEEDED, IS_GONE } kind; /* WAS_DONE: or an event is set */
	char text[160]; /* why, of the others */
};

/* ---- Targets ------------------------------------------------------------------- */

static bool
target_has_key(const void *item, const void *key)
{
	return strcmp(((const struct target *)item)->key, key) == 0;
}

static struct target *
target_find(const struct orders *o, const char *key)
{
	return o->targets.len ? map_find(&o->targets, hash_str(key), key) : NULL;
}

static struct target *
target_get(struct orders *o, const char *key)
{
	struct target *t = target_find(o, key);

	if (t)
		return t;
	t = NEW(struct target);
	t->key = xstrdup(key);
	t->orders = o;
	list_init(&t->waiting);
	list_init(&t->told);
	list_init(&t->telling);
	list_init(&t->look);
	map_add(&o->targets, hash_str(key), t);
	if (value_is_event(key))
		list_append(&o->awaited, &t->look);
	return t;
}

/* Nobody names it any more. */
static void
target_drop(struct target *t)
{
	if (!list_empty(&t->waiting) || !list_empty(&t->told))
		return;
	(void)map_remove(&t->orders->targets, hash_str(t->key), t->key);
	list_remove(&t->telling);
	list_remove(&t->look);
	free(t->outcome);
	free(t->key);
	free(t);
}

/* Those by which a job may be waited for; NULL: nobody does. */
static struct target *
target_of_id(const struct entry *en)
{
	char key[24];

	(void)snprintf(key, sizeof key, "%llu", (unsigned long long)en->job.id);
	return target_find(en->engine->orders, key);
}

static struct target *
target_of_name(const struct entry *en)
{
	const char *name = spec_string(en->job.spec, JOB_NAME);

	return name ? target_find(en->engine->orders, name) : NULL;
}

struct entry *
target_job(const struct target *t)
{
	const struct registry *jobs = &t->orders->engine->jobs;
	uint64_t id;

	return parse_u64(t->key, &id) == 0 ? registry_find(jobs, id) : registry_find_name(jobs, t->key);
}

/* ---- How a job ended, for those that wait for it -------------------------------- */

/* "geoip", quoted, or job 17. */
static void
label_of(char *out, size_t n, const struct job *j)
{
	const char *name = spec_string(j->spec, JOB_NAME);

	if (name)
		(void)snprintf(out, n, "\"%s\"", name);
	else
		(void)snprintf(out, n, "job %llu", (unsigned long long)j->id);
}

#define ROOT_CAUSE " did not run because "

/* False: it goes on in another life. */
static bool
outcome_of(const struct job *j, struct outcome *ret)
{
	char label[160];
	const char *why = j->result->text, *root = strstr(why, ROOT_CAUSE);

	*ret = (struct outcome){ .kind = FAILED };
	label_of(label, sizeof label, j);
	if (j->state == JOB_DONE) {
		ret->kind = WAS_DONE;
		(void)snprintf(ret->text, sizeof ret->text, "%.140s is done", label);
	} else if (j->result->code == RESULT_INTERRUPTED) {
		return false;
	} else if (j->result->code == RESULT_NOT_NEEDED) {
		ret->kind = NOT_NEEDED;
		(void)snprintf(ret->text, sizeof ret->text, "%.60s was not needed: %.80s", label, why);
	} else if (j->state == JOB_CANCELLED) {
		ret->kind = WAS_CANCELLED;
		(void)snprintf(ret->text, sizeof ret->text, "%.60s was cancelled: %.80s", label, why);
	} else if (j->result->code == RESULT_DEPENDENCY_FAILED) { /* the beginning of it all */
		(void)snprintf(ret->text, sizeof ret->text, "%.40s" ROOT_CAUSE "%.90s", label,
		    root ? root + strlen(ROOT_CAUSE) : why);
	} else {
		(void)snprintf(ret->text, sizeof ret->text, "%.60s failed: %s: %.70s", label, result_word(j->result), why);
	}
	return true;
}

/* ---- Edges ----------------------------------------------------------------------- */

static void
never(struct edge *x, enum result_code code, const char *text)
{
	struct order *o = x->order;
	struct entry *en = o->plan->entry;

	if (o->end)
		return;
	o->end = NEW(struct result);
	o->cause = x;
	result_set(o->end, code, "%s", text);
	order_paused(en);
	plan_open(en);
}

void
order_paused(struct entry *en)
{
	struct orders *all = en->engine->orders;
	struct order *o = en->plan ? en->plan->order : NULL;

	if (!o || !o->end || en->job.state != JOB_PAUSED || en->download || list_linked(&o->ending))
		return;
	list_append(&all->ending, &o->ending);
	loop_defer(all->engine->loop, &all->turn);
}

static void
gone(struct edge *x)
{
	char text[RESULT_TEXT_MAX];

	(void)snprintf(text, sizeof text, "there is no job \"%.128s\" any more: it was removed before this one began",
	    x->target->key);
	never(x, RESULT_DEPENDENCY_FAILED, text);
}

static void
meet(struct edge *x)
{
	if (x->met)
		return;
	x->met = true;
	if (--x->order->n_unmet == 0)
		plan_open(x->order->plan->entry);
}

static void
settle(struct edge *x, const struct outcome *how)
{
	list_remove(&x->link);
	list_append(&x->target->told, &x->link);
	x->told = true;
	if (how->kind == IS_GONE && !x->order->trust)
		gone(x);
	else if (how->kind == IS_GONE || how->kind == (x->fallback ? FAILED : WAS_DONE))
		meet(x);
	else if (x->fallback || how->kind == NOT_NEEDED)
		never(x, RESULT_NOT_NEEDED, how->text);
	else
		never(x, RESULT_DEPENDENCY_FAILED, how->text);
}

static void
wait_again(struct edge *x)
{
	x->order->n_unmet += x->met;
	x->met = x->told = false;
	list_remove(&x->link);
	list_append(&x->target->waiting, &x->link);
}

static void judge(struct edge *x);

/* What was to end it is not so any more; something else may be. */
static void
judge_again(struct order *o)
{
	for (unsigned i = 0; i < o->n; i++)
		if (o->edges[i].told && !o->edges[i].met) {
			wait_again(&o->edges[i]);
			judge(&o->edges[i]);
		}
}

/* It begins anew, or is another one now: who has not begun yet waits again. */
static void
unsettle(struct target *t)
{
	struct list spared = LIST_INIT(spared); /* struct order, by ending */
	struct edge *x;

	list_remove(&t->telling);
	LIST_FOREACH(x, &t->told, struct edge, link) {
		struct order *o = x->order;

		if (o->cause == x) {
			o->cause = NULL;
			free(TAKE_PTR(o->end));
			list_remove(&o->ending);
			list_append(&spared, &o->ending);
		}
		wait_again(x);
	}
	while (!list_empty(&spared)) {
		struct order *o = LIST_FIRST(&spared, struct order, ending);

		list_remove(&o->ending);
		judge_again(o);
	}
}

static void
tell(struct target *t, const struct outcome *how)
{
	struct orders *o = t->orders;

	if (!t->outcome)
		t->outcome = NEW(struct outcome);
	*t->outcome = *how;
	if (!list_linked(&t->telling))
		list_append(&o->telling, &t->telling);
	loop_defer(o->engine->loop, &o->turn);
}

/* A job of that name may come, or lie in the history. */
static void
miss(struct target *t)
{
	struct orders *o = t->orders;

	if (!list_linked(&t->look))
		list_append(&o->missing, &t->look);
	if (o->complete)
		loop_defer(o->engine->loop, &o->turn);
}

/* It waits; is it so already? */
static void
judge(struct edge *x)
{
	struct target *t = x->target;
	struct outcome how = { .kind = WAS_DONE };
	const struct entry *to;

	if (value_is_event(t->key)) {
		if (event_is_set(t->orders, t->key + strlen(VALUE_EVENT)))
			settle(x, &how);
		return;
	}
	to = target_job(t);
	if (!to)
		miss(t);
	else if (job_is_over(&to->job) && outcome_of(&to->job, &how))
		settle(x, &how);
}

static void
attach_edge(struct order *o, struct edge *x, const char *key, bool fallback)
{
	struct target *t = target_get(o->plan->entry->engine->orders, key);

	*x = (struct edge){ .target = t, .order = o, .fallback = fallback };
	list_append(&t->waiting, &x->link);
	judge(x);
}

void
order_attach(struct entry *en, bool trust)
{
	const struct spec *s = en->job.spec;
	unsigned n_after = spec_list_len(s, JOB_AFTER), n = n_after + spec_list_len(s, JOB_AFTER_FAILED);
	struct plan *p;
	struct order *o;

	if (!n)
		return;
	p = plan_get(en);
	order_free(p);
	o = p->order = xcalloc(1, sizeof *o + n * sizeof o->edges[0]);
	o->plan = p;
	o->n = o->n_unmet = n;
	o->trust = trust;
	list_init(&o->ending);
	for (unsigned i = 0; i < n; i++)
		list_init(&o->edges[i].link);
	for (unsigned i = 0; i < n; i++)
		attach_edge(o, &o->edges[i], i < n_after ? spec_list(s, JOB_AFTER, i) : spec_list(s, JOB_AFTER_FAILED, i - n_after),
		    i >= n_after);
}

/* Names are used again, so a cycle may come about where there was none in what was added. */
static void
refuse_cycle(struct entry *en)
{
	AUTO_FREE char *cycle = en->plan && en->plan->order ? order_cycle(en) : NULL;
	char text[RESULT_TEXT_MAX];

	if (!cycle)
		return;
	(void)snprintf(text, sizeof text, "these jobs wait for each other: %.180s", cycle);
	never(&en->plan->order->edges[0], RESULT_DEPENDENCY_FAILED, text);
	en->plan->order->cause = NULL; /* nothing mends that */
}

void
order_job_added(struct entry *en)
{
	struct target *t = target_of_name(en);

	if (!t)
		return;
	list_remove(&t->look);
	unsettle(t);
	if (!en->job.from_config)
		refuse_cycle(en);
}

void
order_retry(struct entry *en, bool trust)
{
	struct target *named = en->named ? target_of_name(en) : NULL, *by_id = target_of_id(en);

	order_attach(en, trust);
	if (named)
		unsettle(named);
	if (by_id)
		unsettle(by_id);
	if (named || by_id)
		refuse_cycle(en);
}

void
order_free(struct plan *p)
{
	struct order *o = TAKE_PTR(p->order);

	for (unsigned i = 0; o && i < o->n; i++) {
		list_remove(&o->edges[i].link);
		target_drop(o->edges[i].target);
	}
	if (o) {
		list_remove(&o->ending);
		free(o->end);
	}
	free(o);
}

void
order_job_ended(struct entry *en)
{
	struct target *named = target_of_name(en), *by_id = target_of_id(en);
	struct outcome how;

	if (en->plan)
		order_free(en->plan);
	if ((!named && !by_id) || !outcome_of(&en->job, &how))
		return;
	/* One that was retired has no name: it may be another's soon. */
	if (named && en->named)
		tell(named, &how);
	else if (named && !target_job(named))
		miss(named);
	if (by_id)
		tell(by_id, &how);
}

bool
order_gate(const struct plan *p, struct gate *ret)
{
	const struct order *o = p->order;
	unsigned i = 0;

	if (!o || (!o->end && !o->n_unmet))
		return false;
	if (o->end) {
		ret->result = *o->end;
		i = o->cause ? (unsigned)(o->cause - o->edges) : 0;
	}
	while (!o->end && o->edges[i].met)
		i++;
	(void)snprintf(ret->word, sizeof ret->word, "%s%s",
	    value_is_event(o->edges[i].target->key) ? "" : o->edges[i].fallback ? "after-failed:" : "after:",
	    o->edges[i].target->key);
	return true;
}

/* ---- Jobs that are not in memory ------------------------------------------------- */

static void on_found(const char *error, void *arg);

/* There is none, there is one again, or the history has it. */
static void
look_for(struct target *t)
{
	struct orders *o = t->orders;
	const struct entry *en = target_job(t);
	struct outcome how = { .kind = IS_GONE };

	list_remove(&t->look);
	if (en) {
		if (job_is_over(&en->job) && outcome_of(&en->job, &how))
			tell(t, &how);
		return;
	}
	if (parse_u64(t->key, &t->id) < 0)
		t->id = o->archive ? archive_find_name(o->archive, t->key) : 0;
	if (o->archive && !archive_is_empty(o->archive) && t->id && t->id <= o->engine->jobs.last_id)
		list_append(&o->to_ask, &t->look);
	else
		tell(t, &how);
}

/* One question at a time. */
static void
ask(void *arg)
{
	struct orders *o = arg;
	uint64_t ids[ASKED_AT_ONCE];
	size_t n = 0;

	/* Its targets may all have gone since. */
	if (o->fetch.archive || list_empty(&o->to_ask) || o->again.set || !o->archive)
		return;
	while (n < ASKED_AT_ONCE && !list_empty(&o->to_ask)) {
		struct target *t = LIST_FIRST(&o->to_ask, struct target, look);

		ids[n++] = t->id;
		list_remove(&t->look);
		list_append(&o->asked, &t->look);
	}
	archive_fetch(o->archive, &o->fetch, ids, n, on_found, o);
}

static void
on_found(const char *error, void *arg)
{
	struct orders *o = arg;

	if (error) {
		log_warning("jobs wait for others that cannot be looked up, which is tried again: %s", error);
		loop_timer_set(&o->again, ASK_AGAIN_MS);
	}
	while (!list_empty(&o->asked)) {
		struct target *t = LIST_FIRST(&o->asked, struct target, look);
		const struct past_job *p = error ? NULL : fetch_find(&o->fetch, t->id);
		struct outcome how = { .kind = IS_GONE };

		list_remove(&t->look);
		if (error)
			list_append(&o->to_ask, &t->look);
		else if (target_job(t))
			look_for(t); /* it came back */
		else if (!p || outcome_of(&p->job, &how))
			tell(t, &how);
	}
	fetch_done(&o->fetch);
	ask(o);
}

/* ---- Turns ------------------------------------------------------------------------ */

/* Those that were told are asked again by plan.c, in this turn or the next ones. */
static void
on_turn(void *arg)
{
	struct orders *o = arg;
	unsigned n = 0;

	while (o->complete && !list_empty(&o->missing) && n++ < TELLS_PER_TURN)
		look_for(LIST_FIRST(&o->missing, struct target, look));
	ask(o);
	while (!list_empty(&o->telling) && n < TELLS_PER_TURN) {
		struct target *t = LIST_FIRST(&o->telling, struct target, telling);

		for (; !list_empty(&t->waiting) && n < TELLS_PER_TURN; n++)
			settle(LIST_FIRST(&t->waiting, struct edge, link), t->outcome);
		if (list_empty(&t->waiting))
			list_remove(&t->telling);
	}
	while (!list_empty(&o->ending)) {
		struct order *one = LIST_FIRST(&o->ending, struct order, ending);
		struct result r = *one->end;

		list_remove(&one->ending);
		engine_end_waiting(one->plan->entry, &r);
	}
	if (!list_empty(&o->telling) || (o->complete && !list_empty(&o->missing)))
		loop_defer(o->engine->loop, &o->turn);
}

void
engine_jobs_complete(struct engine *e, bool complete)
{
	e->orders->complete = complete;
	if (complete)
		loop_defer(e->loop, &e->orders->turn);
}

void
engine_set_archive(struct engine *e, struct archive *a)
{
	struct orders *o = e->orders;

	fetch_done(&o->fetch);
	o->archive = a;
}

void
order_set_event(struct orders *o, const char *key, bool set)
{
	struct target *t = target_find(o, key);
	struct outcome how = { .kind = WAS_DONE };

	if (t && set)
		tell(t, &how);
	else if (t)
		unsettle(t);
}

/* ---- Life ------------------------------------------------------------------------- */

void
orders_init(struct engine *e)
{
	struct orders *o = NEW(struct orders);

	e->orders = o;
	o->engine = e;
	map_init(&o->targets, target_has_key);
	named_events_init(o);
	passed_init(o);
	list_init(&o->telling);
	list_init(&o->awaited);
	list_init(&o->missing);
	list_init(&o->to_ask);
	list_init(&o->asked);
	list_init(&o->ending);
	loop_deferred_init(&o->turn, "tell those that wait", on_turn, o);
	loop_timer_init(&o->again, e->loop, "look up jobs again", ask, o);
}

/* All jobs have gone, and their edges with them. */
void
orders_done(struct engine *e)
{
	struct orders *o = TAKE_PTR(e->orders);

	fetch_done(&o->fetch);
	loop_undefer(&o->turn);
	loop_timer_done(&o->again);
	map_done(&o->targets);
	named_events_done(o);
	passed_done(o);
	free(o);
}
