/*
 * Watching jobs.  A job that somebody waits for (await.c) or watches by its id
 * has a struct watched, so that an event costs those whom it concerns.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"

enum {
	PROGRESS_JOBS_MAX = 200,
	PROGRESS_LEAST_MS = 100,
};

struct subscription {
	struct list link;   /* of its client */
	struct list every;  /* of control->everything, when it is for all jobs */
	struct client *client;
	uint64_t number;
	size_t n;           /* jobs, 0: all */
	uint64_t *ids;      /* owned, sorted */
	struct watch *watches; /* owned: n */
	uint64_t progress_ms, lost;
	struct follow *follow; /* owned: it follows a feed, and is for nothing else; NULL */
	struct loop_timer progress;
};

static bool
watched_has_id(const void *item, const void *key)
{
	return ((const struct watched *)item)->id == *(const uint64_t *)key;
}

void
watch_init(struct control *c)
{
	map_init(&c->watched, watched_has_id);
	list_init(&c->everything);
}

void
watch_done(struct control *c)
{
	map_done(&c->watched);
}

void
watch_job(struct control *c, struct watch *w, uint64_t id)
{
	struct watched *at = map_find(&c->watched, hash_u64(id), &id);

	if (!at) {
		at = NEW(struct watched);
		at->id = id;
		list_init(&at->links);
		map_add(&c->watched, hash_u64(id), at);
	}
	w->at = at;
	list_append(&at->links, &w->link);
}

void
unwatch_job(struct control *c, struct watch *w)
{
	struct watched *at = w->at;

	w->at = NULL;
	list_remove(&w->link);
	if (!at || !list_empty(&at->links))
		return;
	(void)map_remove(&c->watched, hash_u64(at->id), &at->id);
	free(at);
}

/* ---- Watching -------------------------------------------------------------------- */

static void
subscription_free(struct subscription *s)
{
	for (size_t i = 0; i < s->n; i++)
		unwatch_job(s->client->control, &s->watches[i]);
	list_remove(&s->link);
	list_remove(&s->every);
	s->client->n_subscriptions--;
	loop_timer_done(&s->progress);
	follow_free(s->follow);
	free(s->watches);
	free(s->ids);
	free(s);
}

void
watch_client_end(struct client *c)
{
	while (!list_empty(&c->subscriptions))
		subscription_free(LIST_FIRST(&c->subscriptions, struct subscription, link));
}

struct json
subscription_event(struct subscription *s, const char *event)
{
	struct buf *out = client_out(s->client);
	struct json w;

	buf_append_str(out, "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":");
	jsonw_init(&w, out);
	jsonw_begin_object(&w);
	jsonw_key_u64(&w, "subscription", s->number);
	jsonw_key_string(&w, "event", event);
	return w;
}

void
subscription_event_end(struct json *w)
{
	jsonw_end_object(w);
	buf_append_str(w->out, "}\n");
}

void
subscription_push(struct subscription *s)
{
	client_push(s->client);
}

static void
event_close(struct subscription *s, struct json *w)
{
	subscription_event_end(w);
	subscription_push(s);
}

bool
subscription_has_room(const struct subscription *s)
{
	return !s->client->broken && buf_len(client_out(s->client)) < CLIENT_OUT_PAUSE;
}

static bool
is_full(const struct subscription *s)
{
	return buf_len(client_out(s->client)) > CLIENT_OUT_MAX / 2;
}

static void
tell_lost(struct subscription *s)
{
	struct json w;

	if (!s->lost || s->client->broken || is_full(s))
		return;
	w = subscription_event(s, "lost");
	jsonw_key_u64(&w, "count", s->lost);
	s->lost = 0;
	event_close(s, &w);
}

void
watch_client_reads(struct client *c)
{
	struct subscription *s;

	LIST_FOREACH(s, &c->subscriptions, struct subscription, link) {
		tell_lost(s);
		if (s->follow)
			follow_go_on(s->follow);
	}
}

/* Does it take this event?  What a slow reader misses it is told later. */
static bool
has_room(struct subscription *s)
{
	if (is_full(s))
		s->lost++;
	else
		tell_lost(s);
	return !s->client->broken && !is_full(s);
}

static void
tell(struct subscription *s, const char *event, const struct job *j, uint64_t delay_ms)
{
	struct json w;

	if (!has_room(s))
		return;
	w = subscription_event(s, event);
	if (text_equal(event, "retry")) { /* the job itself is between two states */
		jsonw_key_u64(&w, "delay_ms", delay_ms);
		jsonw_key_string(&w, "code", result_word(j->result));
		jsonw_key_string(&w, "reason", j->result->text);
	}
	jsonw_key(&w, "job");
	job_json_id(&w, s->client->control->engine, j->id);
	event_close(s, &w);
}

static void
tell_all(struct control *c, const char *event, const struct job *j, uint64_t delay_ms)
{
	struct watched *at = map_find(&c->watched, hash_u64(j->id), &j->id);
	struct subscription *s;
	struct watch *w;

	LIST_FOREACH(s, &c->everything, struct subscription, every)
		tell(s, event, j, delay_ms);
	if (!at)
		return;
	LIST_FOREACH(w, &at->links, struct watch, link)
		if (w->sub)
			tell(w->sub, event, j, delay_ms);
}

/* Those who waited for this have it; they may be answered. */
static void
tell_awaits(struct control *c, const struct job *j)
{
	struct watched *at = map_find(&c->watched, hash_u64(j->id), &j->id);
	struct watch *w;

	if (!at)
		return;
	LIST_FOREACH(w, &at->links, struct watch, link) {
		if (!(w->await && await_is_for(w->await, j)) && !(w->scope && scope_is_for(w, j)))
			continue; /* subscriptions stay: the job may be retried */
		list_remove(&w->link);
		w->at = NULL;
		if (w->scope)
			scope_tell(w, j);
		else
			await_tell(w->await, w->index, j->id);
	}
	if (list_empty(&at->links)) {
		(void)map_remove(&c->watched, hash_u64(j->id), &j->id);
		free(at);
	}
}

void
control_on_start(struct control *c, const struct job *j)
{
	stats_on_start(c);
	event_start(c, j);
	tell_all(c, "start", j, 0);
	tell_awaits(c, j);
}

void
control_on_state(struct control *c, const struct job *j)
{
	tell_all(c, "state", j, 0);
	tell_awaits(c, j);
}

void
control_on_retry(struct control *c, const struct job *j, uint64_t delay_ms)
{
	stats_on_retry(c, j);
	event_retry(c, j, delay_ms);
	tell_all(c, "retry", j, delay_ms);
}

void
control_on_end(struct control *c, const struct job *j)
{
	stats_on_end(c, j);
	backlog_look(c);
	event_end(c, j);
	c->ended[j->state]++;
	tell_all(c, "end", j, 0);
	tell_awaits(c, j);
}

/* ---- Progress ---------------------------------------------------------------------- */

struct progress_args {
	struct subscription *sub;
	struct json *w;
	unsigned n;
};

static void
put_active(const struct engine_view *v, void *arg)
{
	struct progress_args *a = arg;
	const struct subscription *s = a->sub;

	if (s->n && !bsearch(&v->job->id, s->ids, s->n, sizeof s->ids[0], job_compare_ids))
		return;
	if (a->n++ < PROGRESS_JOBS_MAX)
		job_json(a->w, v);
}

/* Dropped where the last ones were not read yet: the next one says it all. */
static void
on_progress(void *arg)
{
	struct subscription *s = arg;
	struct engine *e = s->client->control->engine;
	struct engine_numbers numbers;
	struct progress_args args = { .sub = s };
	struct json w;

	loop_timer_set(&s->progress, s->progress_ms);
	if (buf_len(client_out(s->client)) > CLIENT_OUT_PAUSE || s->client->broken)
		return;
	engine_get_numbers(e, &numbers);
	archive_count(s->client->control->archive, numbers.jobs);
	w = subscription_event(s, "progress");
	args.w = &w;
	jsonw_key(&w, "jobs");
	jsonw_begin_array(&w);
	engine_each_active(e, put_active, &args);
	jsonw_end_array(&w);
	jsonw_key(&w, "totals");
	counts_json(&w, numbers.jobs);
	event_close(s, &w);
}

static struct subscription *
subscription_make(struct client *client)
{
	struct control *c = client->control;
	struct subscription *s = NEW(struct subscription);

	s->client = client;
	s->number = ++c->next_subscription;
	list_append(&client->subscriptions, &s->link);
	client->n_subscriptions++;
	list_init(&s->every);
	loop_timer_init(&s->progress, c->loop, "progress", on_progress, s);
	return s;
}

uint64_t
subscription_follow(struct client *client, struct feed *f, uint64_t after, struct feed_filter *filter)
{
	struct subscription *s = subscription_make(client);

	s->follow = follow_new(f, s, after, filter);
	return s->number;
}

static struct subscription *
subscription_new(struct client *client, const uint64_t *ids, size_t n, uint64_t progress_ms)
{
	struct control *c = client->control;
	struct subscription *s = subscription_make(client);

	s->n = n;
	s->progress_ms = progress_ms;
	if (progress_ms) /* the first at once: who asks for one an hour sees something before */
		loop_timer_set(&s->progress, PROGRESS_LEAST_MS);
	if (!n) {
		list_append(&c->everything, &s->every);
		return s;
	}
	s->ids = xcalloc(n, sizeof s->ids[0]);
	memcpy(s->ids, ids, n * sizeof s->ids[0]);
	qsort(s->ids, n, sizeof s->ids[0], job_compare_ids);
	s->watches = xcalloc(n, sizeof s->watches[0]);
	for (size_t i = 0; i < n; i++) {
		s->watches[i] = (struct watch){ .index = i, .sub = s };
		list_init(&s->watches[i].link);
		if (i == 0 || s->ids[i] != s->ids[i - 1])
			watch_job(c, &s->watches[i], s->ids[i]);
	}
	return s;
}

void
method_subscribe(struct call *c)
{
	AUTO_FREE uint64_t *ids = NULL;
	uint64_t progress_ms;
	bool some = json_object_get(c->params, "jobs") || json_object_get(c->params, "job");
	struct subscription *s;
	struct json w;
	size_t n = 0;

	if (!call_number(c, "progress_ms", &progress_ms))
		return;
	if (progress_ms && progress_ms < PROGRESS_LEAST_MS) {
		call_fail(c, RPC_INVALID_PARAMS, "progress_ms is 0 or at least %d", PROGRESS_LEAST_MS);
		return;
	}
	if (c->client->n_subscriptions == SUBSCRIPTIONS_MAX) {
		call_fail(c, RPC_TOO_MANY, "this client has %d subscriptions", SUBSCRIPTIONS_MAX);
		return;
	}
	if (some && !(ids = call_jobs(c, &n)))
		return;
	s = subscription_new(c->client, ids, n, progress_ms);
	w = call_begin(c);
	jsonw_begin_object(&w);
	jsonw_key_u64(&w, "subscription", s->number);
	if (some)
		job_json_jobs(&w, c, ids, n);
	jsonw_end_object(&w);
	call_end(c, &w);
}

void
method_unsubscribe(struct call *c)
{
	struct subscription *s;
	uint64_t number;

	if (!call_number(c, "subscription", &number))
		return;
	LIST_FOREACH(s, &c->client->subscriptions, struct subscription, link)
		if (s->number == number) {
			subscription_free(s);
			call_ok(c);
			return;
		}
	call_fail(c, RPC_INVALID_PARAMS, "this client has no subscription %llu", (unsigned long long)number);
}
