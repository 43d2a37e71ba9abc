/*
 * Calls about a group or about everything: waits until no job of it is left, cancels
 * of all that are there, and pauses that are answered when what ran has let go.
 * However many jobs these are: a wait costs one struct, a cancel looks at some jobs in
 * each turn, a pause touches those that run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"

enum {
	CANCELS_PER_TURN = 100,
	LOOKS_PER_TURN = 5000, /* jobs, of which only those of the group are meant */
};

/* Those that wait for one group, or (name "") for everything. */
struct scope_name {
	char *name;         /* owned */
	struct list scopes; /* struct scope, by link */
};

struct scope {
	struct list link;   /* of its name, or of control->scopes */
	struct control *control;
	struct call *call;  /* NULL: its client has gone, but what it asked for is done */
	uint32_t uid;       /* whose */
	char *group;        /* owned; "": everything */
	struct scope_name *name; /* NULL: it waits for its own jobs only */
	uint64_t ended[_JOB_STATE_MAX]; /* of all jobs, when it began */
	struct loop_timer timeout;
	char *text;         /* owned: the answer of a wait, until the store has what it tells of */
	struct store_wait kept_wait;
	struct loop_deferred step;
	bool stepping;      /* there may be more to cancel */
	uint64_t next, last, cancelled; /* ids; and how many were */
	size_t left;        /* jobs that it watches */
	struct list waits;  /* struct scope_watch */
	bool interrupted;   /* hauld stops: the jobs go on in the next life */
};

/* A job that has not let go yet. */
struct scope_watch {
	struct list link; /* scope->waits */
	struct watch watch;
	bool parks;       /* it is enough that it does not run any more */
};

static bool
scope_has_name(const void *item, const void *key)
{
	return strcmp(((const struct scope_name *)item)->name, key) == 0;
}

void
scopes_init(struct control *c)
{
	list_init(&c->scopes);
	map_init(&c->scope_names, scope_has_name);
}

static void
watch_free(struct control *c, struct scope_watch *w)
{
	unwatch_job(c, &w->watch);
	list_remove(&w->link);
	free(w);
}

static void
leave_name(struct scope *s)
{
	struct scope_name *n = TAKE_PTR(s->name);

	list_remove(&s->link);
	if (!n || !list_empty(&n->scopes))
		return;
	(void)map_remove(&s->control->scope_names, hash_str(n->name), n->name);
	free(n->name);
	free(n);
}

static void
scope_free(struct scope *s)
{
	while (!list_empty(&s->waits))
		watch_free(s->control, LIST_FIRST(&s->waits, struct scope_watch, link));
	leave_name(s);
	loop_timer_done(&s->timeout);
	loop_undefer(&s->step);
	store_forget_wait(&s->kept_wait);
	free(s->text);
	free(s->group);
	free(s);
}

void
scopes_done(struct control *c)
{
	struct scope_name *n;
	size_t cursor = 0;

	while (!list_empty(&c->scopes))
		scope_free(LIST_FIRST(&c->scopes, struct scope, link));
	while ((n = map_next(&c->scope_names, &cursor))) { /* waits are freed with their calls: none is left */
		free(n->name);
		free(n);
	}
	map_done(&c->scope_names);
}

/* ---- Which ------------------------------------------------------------------------ */

bool
call_names_scope(const struct call *c)
{
	return json_object_get(c->params, "group") || json_object_get(c->params, "all");
}

/* Its name, borrowed, "" for everything; NULL after the answer. */
static const char *
get_scope(struct call *c)
{
	const json_t *group = json_object_get(c->params, "group"), *all = json_object_get(c->params, "all");
	struct group_view v;

	if (json_object_get(c->params, "job") || json_object_get(c->params, "jobs") || (group && all) ||
	    (all && !json_is_true(all))) {
		call_fail(c, RPC_INVALID_PARAMS, "give one of these: jobs, \"group\", or \"all\", which is true");
		return NULL;
	}
	if (all)
		return "";
	return call_group(c, json_string_value(group), &v) ? v.name : NULL;
}

static bool
is_meant(const struct scope *s, const struct job *j)
{
	return !*s->group || engine_is_in_group(s->control->engine, j->id, s->group);
}

static void on_step(void *arg);
static void on_timeout(void *arg);

static void
on_orphaned(struct call *call, void *arg)
{
	struct scope *s = arg;

	if (s->stepping)
		s->call = NULL;
	else
		scope_free(s);
	call_free(call);
}

static struct scope *
scope_new(struct call *call, const char *group)
{
	struct scope *s = NEW(struct scope);

	s->control = call->control;
	s->call = call;
	s->uid = call->uid;
	s->group = xstrdup(group);
	list_init(&s->waits);
	list_init(&s->link);
	call->on_orphaned = on_orphaned;
	call->arg = s;
	loop_timer_init(&s->timeout, s->control->loop, "wait", on_timeout, s);
	loop_deferred_init(&s->step, "cancel", on_step, s);
	return s;
}

/* ---- Answers ------------------------------------------------------------------------ */

static struct json
begin_answer(struct buf *b)
{
	struct json w;

	jsonw_init(&w, b);
	jsonw_begin_object(&w);
	return w;
}

/* As in await.c: also where the store fails, or has not answered until he would wait no longer. */
static void
on_kept(const char *error UNUSED, void *arg)
{
	struct scope *s = arg;

	s->call->on_orphaned = NULL;
	call_text(s->call, s->text);
	scope_free(s);
}

/* What became of everything since the wait began, or the group as it is now: told when
 * the store has it. */
static void
answer_wait(struct scope *s)
{
	const struct control *c = s->control;
	AUTO_BUF struct buf text = { 0 };
	struct json w = begin_answer(&text);

	if (*s->group) {
		jsonw_key(&w, "group");
		group_json_name(&w, c->engine, s->group);
	} else {
		jsonw_key_u64(&w, "done", c->ended[JOB_DONE] - s->ended[JOB_DONE]);
		jsonw_key_u64(&w, "failed", c->ended[JOB_FAILED] - s->ended[JOB_FAILED]);
		jsonw_key_u64(&w, "cancelled", c->ended[JOB_CANCELLED] - s->ended[JOB_CANCELLED]);
	}
	jsonw_end_object(&w);
	leave_name(s);
	s->text = xstrdup(buf_cstr(&text));
	store_when_durable(c->store, &s->kept_wait, on_kept, s);
}

static void
answer_command(struct scope *s)
{
	AUTO_BUF struct buf text = { 0 };
	struct json w = begin_answer(&text);

	if (!s->call) {
		scope_free(s);
		return;
	}
	jsonw_key_u64(&w, "cancelled", s->cancelled);
	if (*s->group) {
		jsonw_key(&w, "group");
		group_json_name(&w, s->control->engine, s->group);
	}
	jsonw_end_object(&w);
	s->call->on_orphaned = NULL;
	if (s->interrupted)
		call_fail(s->call, RPC_DRAINING, "hauld stops, and jobs that it interrupts go on when it starts again: ask again then");
	else
		call_text_durably(s->call, xstrdup(buf_cstr(&text)));
	scope_free(s);
}

static void
check_command(struct scope *s)
{
	if (!s->left && !s->stepping)
		answer_command(s);
}

/* ---- Waiting --------------------------------------------------------------------------- */

static bool
is_empty(const struct control *c, const char *group)
{
	struct engine_numbers n;
	struct group_view v;

	if (*group)
		return !engine_group(c->engine, group, &v) || !v.live;
	engine_get_numbers(c->engine, &n);
	return n.jobs[JOB_DONE] + n.jobs[JOB_FAILED] + n.jobs[JOB_CANCELLED] == engine_count(c->engine);
}

static void
on_timeout(void *arg)
{
	struct scope *s = arg;

	if (s->text) {
		on_kept(NULL, s);
		return;
	}
	if (*s->group)
		call_fail(s->call, RPC_TIMED_OUT, "not all jobs of group %s are over yet; they go on", s->group);
	else
		call_fail(s->call, RPC_TIMED_OUT, "not all jobs are over yet; they go on");
	scope_free(s);
}

static void
join_name(struct scope *s)
{
	struct map *names = &s->control->scope_names;
	struct scope_name *n = map_find(names, hash_str(s->group), s->group);

	if (!n) {
		n = NEW(struct scope_name);
		n->name = xstrdup(s->group);
		list_init(&n->scopes);
		map_add(names, hash_str(n->name), n);
	}
	s->name = n;
	list_append(&n->scopes, &s->link);
}

void
scope_wait(struct call *c, uint64_t timeout_ms)
{
	const char *group;
	struct scope *s;

	if (json_object_get(c->params, "for") || json_object_get(c->params, "return_when")) {
		call_fail(c, RPC_INVALID_PARAMS, "for and return_when are about jobs: a group, and everything, is waited for until all are over");
		return;
	}
	group = get_scope(c);
	if (!group)
		return;
	if (text_equal(c->control->stopping, "stopping")) { /* what is interrupted only looks as if it were over */
		call_fail(c, RPC_DRAINING, "hauld stops, and jobs that it interrupts go on when it starts again: ask again then");
		return;
	}
	s = scope_new(c, group);
	memcpy(s->ended, s->control->ended, sizeof s->ended);
	join_name(s);
	if (timeout_ms)
		loop_timer_set(&s->timeout, timeout_ms);
	if (is_empty(s->control, s->group))
		answer_wait(s);
}

/* None of these can begin anything: answers go into buffers. */
static void
answer_waits(struct control *c, const char *name)
{
	struct scope_name *n = map_find(&c->scope_names, hash_str(name), name);
	struct scope *s;

	if (!n)
		return;
	for (bool last = false; !last;) {
		s = LIST_FIRST(&n->scopes, struct scope, link);
		last = s->link.next == &n->scopes; /* the name goes with it */
		answer_wait(s);
	}
}

void
control_on_group(struct control *c, const char *name)
{
	answer_waits(c, name);
}

void
control_on_idle(struct control *c)
{
	if (c->engine && is_empty(c, ""))
		answer_waits(c, "");
}

/* ---- Cancelling -------------------------------------------------------------------------- */

static void
watch_one(struct scope *s, uint64_t id, bool parks)
{
	struct scope_watch *w = NEW(struct scope_watch);

	w->watch = (struct watch){ .scope = s };
	w->parks = parks;
	list_init(&w->watch.link);
	list_append(&s->waits, &w->link);
	watch_job(s->control, &w->watch, id);
	s->left++;
}

static struct scope_watch *
of_watch(struct watch *w)
{
	return CONTAINER_OF(w, struct scope_watch, watch);
}

bool
scope_is_for(const struct watch *w, const struct job *j)
{
	const struct scope_watch *sw = CONTAINER_OF(w, const struct scope_watch, watch);

	return job_is_over(j) || (sw->parks && j->state != JOB_ACTIVE);
}

void
scope_tell(struct watch *w, const struct job *j)
{
	struct scope *s = w->scope;

	s->interrupted |= j->result->code == RESULT_INTERRUPTED;
	s->left--;
	watch_free(s->control, of_watch(w));
	if (!s->left && !s->stepping)
		loop_defer(s->control->loop, &s->step);
}

void
scope_cancel_job(struct control *c, uint64_t id, uint32_t uid)
{
	char who[32];

	(void)snprintf(who, sizeof who, "by uid %u", uid);
	(void)engine_cancel(c->engine, id, who);
}

static void
cancel_one(struct scope *s, const struct job *j)
{
	struct engine *e = s->control->engine;
	uint64_t id = j->id;

	s->cancelled++;
	scope_cancel_job(s->control, id, s->uid);
	j = engine_job(e, id);
	if (j && !job_is_over(j))
		watch_one(s, id, false);
}

/* Between two runs a job is over, and yet not: its next one is what is cancelled. */
static bool
is_left_alone(const struct scope *s, const struct job *j)
{
	return job_is_over(j) &&
	    (j->result->code == RESULT_INTERRUPTED || !engine_comes_again(s->control->engine, j->id));
}

static void
on_step(void *arg)
{
	struct scope *s = arg;
	const struct job *j = NULL;
	unsigned cancels = 0;

	for (unsigned n = 0; s->stepping && n < LOOKS_PER_TURN && cancels < CANCELS_PER_TURN; n++) {
		j = engine_next(s->control->engine, s->next);
		s->stepping = j && j->id <= s->last;
		if (!s->stepping)
			break;
		s->next = j->id;
		if (!is_meant(s, j))
			continue;
		s->interrupted |= j->result->code == RESULT_INTERRUPTED;
		if (is_left_alone(s, j))
			continue;
		cancel_one(s, j);
		cancels++;
	}
	if (s->stepping)
		loop_defer(s->control->loop, &s->step);
	else
		check_command(s);
}

/* What a command is for; NULL after the answer. */
static struct scope *
command_new(struct call *c)
{
	const char *group = call_may_command_all(c) ? get_scope(c) : NULL;
	struct scope *s;

	if (!group)
		return NULL;
	s = scope_new(c, group);
	list_append(&c->control->scopes, &s->link);
	return s;
}

void
scope_cancel(struct call *c)
{
	struct scope *s = command_new(c);

	if (!s)
		return;
	s->stepping = true;
	s->last = engine_reserve(c->control->engine, 0) - 1;
	on_step(s);
}

/* ---- Pausing ------------------------------------------------------------------------------- */

static void
watch_active(const struct engine_view *v, void *arg)
{
	struct scope *s = arg;

	if (v->job->state == JOB_ACTIVE && is_meant(s, v->job))
		watch_one(s, v->job->id, true);
}

static void
set_pause(const struct call *c, const char *group, bool paused)
{
	struct engine *e = c->control->engine;
	char text[64];

	if (*group) {
		engine_pause_group(e, group, paused);
	} else if (engine_is_paused(e) != paused) {
		engine_pause_all(e, paused);
		(void)snprintf(text, sizeof text, "everything %s, by uid %u", paused ? "paused" : "resumed", c->uid);
		control_note_event(c->control, "daemon", NULL, text);
	}
}

void
scope_pause(struct call *c)
{
	struct scope *s = !json_object_get(c->params, "group") || call_may_change_groups(c) ? command_new(c) : NULL;

	if (!s)
		return;
	engine_each_active(c->control->engine, watch_active, s);
	set_pause(c, s->group, true);
	if (!s->left)
		answer_command(s);
}

void
scope_resume(struct call *c)
{
	struct scope *s = command_new(c);

	if (!s)
		return;
	set_pause(c, s->group, false);
	answer_command(s);
}
