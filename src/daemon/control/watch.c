/*
 * Waiting for jobs and watching them.  A job that somebody waits for or
 * watches by its id has a struct watched, so that an event costs those whom it
 * concerns.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"

enum {
	PROGRESS_JOBS_MAX = 200,
	PROGRESS_LEAST_MS = 100,
	CANCELS_PER_TURN = 100, /* a log line, an answer and events each: 20 us and more */
};

struct watched {
	uint64_t id;
	struct list links; /* struct watch */
};

/* One job of one wait or subscription. */
struct watch {
	struct list link; /* of struct watched */
	struct watched *at;
	size_t index;     /* its place in the request */
	struct await *await; /* one of the two */
	struct subscription *sub;
};

/* A call that is answered when all of its jobs are over. */
struct await {
	struct call *call;     /* NULL: gone, but the rest is to be cancelled */
	struct control *control;
	bool durably;     /* not before the store has it */
	size_t n, left;
	struct watch *watches; /* owned: n */
	char **results;        /* owned: n, each a job as JSON; NULL: not over yet */
	struct loop_timer timeout;
	struct loop_deferred answer;
	struct list link;      /* of control->cancellings, while it cancels */
	uint64_t *cancel;      /* owned: n ids that it is to cancel; NULL: none, or no more */
	size_t next_cancel;
	struct loop_deferred step;
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
	list_init(&c->cancellings);
}

static void await_free(struct await *a);

void
watch_done(struct control *c)
{
	while (!list_empty(&c->cancellings))
		await_free(LIST_FIRST(&c->cancellings, struct await, link));
	map_done(&c->watched);
}

static void
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

static void
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

/* ---- Waiting -------------------------------------------------------------------- */

static void
await_free(struct await *a)
{
	for (size_t i = 0; i < a->n; i++) {
		unwatch_job(a->control, &a->watches[i]);
		free(a->results[i]);
	}
	loop_timer_done(&a->timeout);
	loop_undefer(&a->answer);
	loop_undefer(&a->step);
	list_remove(&a->link);
	free(a->cancel);
	free(a->watches);
	free(a->results);
	free(a);
}

static void
on_answer(void *arg)
{
	struct await *a = arg;
	AUTO_BUF struct buf text = { 0 };

	buf_append_str(&text, "{\"jobs\":[");
	for (size_t i = 0; i < a->n; i++)
		buf_printf(&text, "%s%s", i ? "," : "", a->results[i]);
	buf_append_str(&text, "]}");
	a->call->on_orphaned = NULL;
	if (a->durably)
		call_text_durably(a->call, xstrdup(buf_cstr(&text)));
	else
		call_text(a->call, buf_cstr(&text));
	await_free(a);
}

static void
on_timeout(void *arg)
{
	struct await *a = arg;
	size_t left = a->left;

	call_fail(a->call, RPC_TIMED_OUT, "%zu of the %zu jobs %s not over yet; they go on", left, a->n, left == 1 ? "is" : "are");
	await_free(a);
}

static void
on_orphaned(struct call *call, void *arg)
{
	struct await *a = arg;

	if (a->cancel)
		a->call = NULL; /* what was asked for is done */
	else
		await_free(a);
	call_free(call);
}

static char *
job_text(const struct control *c, uint64_t id)
{
	AUTO_BUF struct buf b = { 0 };
	struct json w;

	jsonw_init(&w, &b);
	job_json_id(&w, c->engine, id);
	return xstrdup(buf_cstr(&b));
}

/* The job is over: it is shown as it is now, for it may be forgotten soon. */
static void
await_tell(struct await *a, size_t index, uint64_t id)
{
	a->results[index] = job_text(a->control, id);
	if (--a->left == 0 && !a->cancel)
		loop_defer(a->control->loop, &a->answer);
}

static void
on_step(void *arg)
{
	struct await *a = arg;
	struct engine *e = a->control->engine;

	for (unsigned i = 0; i < CANCELS_PER_TURN && a->next_cancel < a->n; i++) {
		uint64_t id = a->cancel[a->next_cancel++];

		if (engine_job(e, id))
			(void)engine_cancel(e, id, "cancelled by a user");
	}
	if (a->next_cancel < a->n) {
		loop_defer(a->control->loop, &a->step);
		return;
	}
	free(TAKE_PTR(a->cancel));
	list_remove(&a->link);
	if (!a->call) {
		await_free(a);
		return;
	}
	if (a->call->client->paused)
		client_resume(a->call->client);
	if (!a->left)
		loop_defer(a->control->loop, &a->answer);
}

static struct await *
await_new(struct call *call, const uint64_t *ids, size_t n)
{
	struct await *a = NEW(struct await);

	a->call = call;
	a->control = call->control;
	a->n = a->left = n;
	a->watches = xcalloc(n, sizeof a->watches[0]);
	a->results = xcalloc(n, sizeof a->results[0]);
	call->on_orphaned = on_orphaned;
	call->arg = a;
	loop_timer_init(&a->timeout, a->control->loop, "wait", on_timeout, a);
	loop_deferred_init(&a->answer, "wait", on_answer, a);
	loop_deferred_init(&a->step, "cancel", on_step, a);
	list_init(&a->link);
	for (size_t i = 0; i < n; i++) {
		const struct job *j = engine_job(a->control->engine, ids[i]);

		a->watches[i] = (struct watch){ .index = i, .await = a };
		list_init(&a->watches[i].link);
		if (!j || job_is_over(j))
			await_tell(a, i, ids[i]);
		else
			watch_job(a->control, &a->watches[i], ids[i]);
	}
	return a;
}

static void
watch_until_over(struct call *call, const uint64_t *ids, size_t n, uint64_t timeout_ms)
{
	struct await *a = await_new(call, ids, n);

	if (timeout_ms && a->left)
		loop_timer_set(&a->timeout, timeout_ms);
}

/* First the wait: a job that never began ends while it is cancelled. */
void
watch_cancel(struct call *call, const uint64_t *ids, size_t n)
{
	struct await *a = await_new(call, ids, n);

	loop_undefer(&a->answer); /* when they are over already */
	a->durably = true;
	a->cancel = xmemdup(ids, n * sizeof ids[0]);
	list_append(&a->control->cancellings, &a->link);
	if (n > CANCELS_PER_TURN)
		client_pause(call->client); /* its next request comes after the last of these */
	on_step(a);
}

void
method_wait(struct call *c)
{
	AUTO_FREE uint64_t *ids = NULL;
	uint64_t timeout;
	size_t n;

	if (!call_number(c, "timeout_ms", &timeout))
		return;
	ids = call_jobs(c, &n);
	if (ids)
		watch_until_over(c, ids, n, timeout);
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

static struct json
event_begin(struct subscription *s, const char *event)
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

static void
event_end(struct subscription *s, struct json *w)
{
	jsonw_end_object(w);
	buf_append_str(w->out, "}\n");
	client_push(s->client);
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
	w = event_begin(s, "lost");
	jsonw_key_u64(&w, "count", s->lost);
	s->lost = 0;
	event_end(s, &w);
}

void
watch_client_reads(struct client *c)
{
	struct subscription *s;

	LIST_FOREACH(s, &c->subscriptions, struct subscription, link)
		tell_lost(s);
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
	w = event_begin(s, event);
	if (text_equal(event, "retry")) { /* the job itself is between two states */
		jsonw_key_u64(&w, "delay_ms", delay_ms);
		jsonw_key_string(&w, "code", result_word(&j->result));
		jsonw_key_string(&w, "reason", j->result.text);
	}
	jsonw_key(&w, "job");
	job_json_id(&w, s->client->control->engine, j->id);
	event_end(s, &w);
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

void
control_on_start(struct control *c, const struct job *j)
{
	tell_all(c, "start", j, 0);
}

void
control_on_state(struct control *c, const struct job *j)
{
	tell_all(c, "state", j, 0);
}

void
control_on_retry(struct control *c, const struct job *j, uint64_t delay_ms)
{
	tell_all(c, "retry", j, delay_ms);
}

void
control_on_end(struct control *c, const struct job *j)
{
	struct watched *at = map_find(&c->watched, hash_u64(j->id), &j->id);
	struct watch *w;

	tell_all(c, "end", j, 0);
	if (!at)
		return;
	LIST_FOREACH(w, &at->links, struct watch, link) {
		if (!w->await)
			continue; /* it may be retried, and is watched until then */
		list_remove(&w->link);
		w->at = NULL;
		await_tell(w->await, w->index, j->id);
	}
	if (list_empty(&at->links)) {
		(void)map_remove(&c->watched, hash_u64(j->id), &j->id);
		free(at);
	}
}

/* ---- Progress ---------------------------------------------------------------------- */

struct progress_args {
	struct subscription *sub;
	struct json *w;
	unsigned n;
};

static int
compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
put_active(const struct engine_view *v, void *arg)
{
	struct progress_args *a = arg;
	const struct subscription *s = a->sub;

	if (s->n && !bsearch(&v->job->id, s->ids, s->n, sizeof s->ids[0], compare_ids))
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
	w = event_begin(s, "progress");
	args.w = &w;
	jsonw_key(&w, "jobs");
	jsonw_begin_array(&w);
	engine_each_active(e, put_active, &args);
	jsonw_end_array(&w);
	jsonw_key(&w, "totals");
	counts_json(&w, numbers.jobs);
	event_end(s, &w);
}

static struct subscription *
subscription_new(struct client *client, const uint64_t *ids, size_t n, uint64_t progress_ms)
{
	struct control *c = client->control;
	struct subscription *s = NEW(struct subscription);

	s->client = client;
	s->number = ++c->next_subscription;
	s->n = n;
	s->progress_ms = progress_ms;
	list_append(&client->subscriptions, &s->link);
	client->n_subscriptions++;
	list_init(&s->every);
	loop_timer_init(&s->progress, c->loop, "progress", on_progress, s);
	if (progress_ms)
		loop_timer_set(&s->progress, progress_ms);
	if (!n) {
		list_append(&c->everything, &s->every);
		return s;
	}
	s->ids = xcalloc(n, sizeof s->ids[0]);
	memcpy(s->ids, ids, n * sizeof s->ids[0]);
	qsort(s->ids, n, sizeof s->ids[0], compare_ids);
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
	if (some) {
		jsonw_key(&w, "jobs");
		jsonw_begin_array(&w);
		for (size_t i = 0; i < n; i++)
			job_json_id(&w, c->control->engine, ids[i]);
		jsonw_end_array(&w);
	}
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
