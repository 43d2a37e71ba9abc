/*
 * Calls that are answered when jobs have come to where they are wanted: over (wait,
 * cancel), paused, or in another state; all of them, or the first.  Each job is shown
 * as it is at that moment.  What waits for groups and for everything is in scopes.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"

enum {
	CANCELS_PER_TURN = 100, /* a log line, an answer and events each: 20 us and more */
	LOOK_MS = 250,          /* between two looks for a state that no event tells of */
	KEPT_MAX = 64 << 20,    /* bytes of jobs that calls of all clients keep for their answers; */
	KEPT_FREE = 1 << 20,    /* above it a client that has more than this gets no more */
};

#define BIT(state) (1U << (state))

enum return_when { ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION };

/* A call that is answered when all of its jobs are where it wants them. */
struct await {
	struct call *call;     /* NULL: gone, but the rest is to be cancelled */
	struct client *client; /* borrowed; NULL: gone, and nothing is kept for it */
	struct control *control;
	uint32_t uid;          /* of who asked */
	bool durably;          /* not before the store has it */
	size_t n, left;
	unsigned wanted;       /* bits of states that are enough; a job that is over always is */
	enum return_when when;
	bool enough;           /* the first that it waited for is there */
	bool interrupted;      /* a job ended because hauld stops: it goes on in the next life */
	struct watch *watches; /* owned: n */
	char **results;        /* owned: n, each a job as JSON; NULL: not over yet, or too_large */
	size_t kept;           /* bytes of these */
	bool too_large;        /* nothing of them is kept any more */
	struct loop_timer timeout, look;
	struct loop_deferred answer;
	char *text;            /* owned: the answer of one that only looks, until the store has what it tells of */
	struct store_wait kept_wait;
	struct list link;      /* of control->cancellings, while it cancels */
	uint64_t *cancel;      /* owned: n ids that it is to cancel; NULL: none, or no more */
	size_t next_cancel;
	struct loop_deferred step;
};

static void
drop_results(struct await *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(TAKE_PTR(a->results[i]));
	a->control->kept_bytes -= a->kept;
	if (a->client)
		a->client->kept -= a->kept;
	a->kept = 0;
}

/* A client may ask many times for a thousand jobs, of which one does not end. */
static void
keep_result(struct await *a, size_t index, char *json)
{
	size_t n = strlen(json);

	if (a->text) { /* the answer is made, and waits for the store: it has one of this job */
		free(json);
		return;
	}
	a->results[index] = json;
	a->kept += n;
	a->control->kept_bytes += n;
	a->client->kept += n;
	a->too_large = a->control->kept_bytes > KEPT_MAX && a->client->kept > KEPT_FREE;
	if (a->too_large)
		drop_results(a);
}

static void
await_free(struct await *a)
{
	for (size_t i = 0; i < a->n; i++)
		unwatch_job(a->control, &a->watches[i]);
	drop_results(a);
	loop_timer_done(&a->timeout);
	loop_timer_done(&a->look);
	loop_undefer(&a->answer);
	loop_undefer(&a->step);
	list_remove(&a->link);
	store_forget_wait(&a->kept_wait);
	free(a->text);
	free(a->cancel);
	free(a->watches);
	free(a->results);
	free(a);
}

/* A job that has left the memory is only a call's. */
static char *
job_text(const struct await *a, uint64_t id)
{
	AUTO_BUF struct buf b = { 0 };
	struct json w;

	jsonw_init(&w, &b);
	if (a->call)
		job_json_of(&w, a->call, id);
	else
		job_json_id(&w, a->control->engine, id);
	return xstrdup(buf_cstr(&b));
}

/* Of those that are not where they are wanted: as they are now. */
static void
show_rest(struct await *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (!a->results[i])
			a->results[i] = job_text(a, a->watches[i].at->id);
}

static char *
answer_text(struct await *a)
{
	AUTO_BUF struct buf text = { 0 };

	if (a->client)
		show_rest(a);
	buf_append_str(&text, "{\"jobs\":[");
	for (size_t i = 0; i < a->n && a->client; i++)
		buf_printf(&text, "%s%s", i ? "," : "", a->results[i]);
	buf_append_str(&text, "]}");
	return xstrdup(buf_cstr(&text));
}

/* Who was told of an end finds it in each later life; where the store fails, or has not answered until he
 * would wait no longer, he is told all the same. */
static void
on_kept(const char *error UNUSED, void *arg)
{
	struct await *a = arg;

	a->call->on_orphaned = NULL;
	call_text(a->call, a->text);
	await_free(a);
}

static void
on_answer(void *arg)
{
	struct await *a = arg;
	AUTO_FREE char *text = NULL;

	if (a->text)
		return; /* it waits for the store already */
	text = a->too_large ? NULL : answer_text(a);
	if (!a->durably && !a->interrupted && !a->too_large) {
		a->text = TAKE_PTR(text);
		store_when_durable(a->control->store, &a->kept_wait, on_kept, a);
		return;
	}
	a->call->on_orphaned = NULL;
	if (a->durably && a->interrupted)
		call_fail(a->call, RPC_DRAINING, "hauld stops, and jobs that it interrupts go on when it starts again: ask again then");
	else if (a->too_large)
		call_fail(a->call, RPC_TOO_MANY, "%s: the jobs in answers that clients wait for have more than %d MiB; name fewer at a time",
		    a->durably ? "it was done, and cannot be told of" : "this is too much to wait for", KEPT_MAX >> 20);
	else if (a->durably)
		call_text_durably(a->call, TAKE_PTR(text));
	else
		call_text(a->call, text);
	await_free(a);
}

static void
on_timeout(void *arg)
{
	struct await *a = arg;
	size_t left = a->left;

	if (a->text) {
		on_kept(NULL, a);
		return;
	}
	if (a->n == 1)
		call_fail(a->call, RPC_TIMED_OUT, "the job is not %s yet; it goes on", a->wanted ? "where it is wanted" : "over");
	else
		call_fail(a->call, RPC_TIMED_OUT, "%zu of the %zu jobs %s not %s yet; they go on", left, a->n,
		    left == 1 ? "is" : "are", a->wanted ? "where they are wanted" : "over");
	await_free(a);
}

static void
on_orphaned(struct call *call, void *arg)
{
	struct await *a = arg;

	drop_results(a);
	a->client = NULL;
	if (a->cancel)
		a->call = NULL; /* what was asked for is done */
	else
		await_free(a);
	call_free(call);
}

bool
await_is_for(const struct await *a, const struct job *j)
{
	return job_is_over(j) || (a->wanted & BIT(engine_state(a->control->engine, j)));
}

static bool
is_exception(const struct await *a, uint64_t id)
{
	const struct job *j = a->call ? call_job(a->call, id) : NULL;

	return j && (j->state == JOB_FAILED || (j->state == JOB_CANCELLED && j->result->code != RESULT_NOT_NEEDED));
}

/* It is shown as it is now, for it may be forgotten soon. */
void
await_tell(struct await *a, size_t index, uint64_t id)
{
	const struct job *j = engine_job(a->control->engine, id);

	a->interrupted |= j && j->result->code == RESULT_INTERRUPTED;
	if (a->client && !a->too_large)
		keep_result(a, index, job_text(a, id));
	a->left--;
	a->enough |= a->when == FIRST_COMPLETED || (a->when == FIRST_EXCEPTION && is_exception(a, id)) || (a->too_large && !a->durably);
	if ((!a->left || a->enough) && !a->cancel)
		loop_defer(a->control->loop, &a->answer);
}

/* What a job waits for may change without a word: somebody else's slot was taken. */
static void
on_look(void *arg)
{
	struct await *a = arg;
	struct engine *e = a->control->engine;

	for (size_t i = 0; i < a->n; i++) {
		uint64_t id = a->watches[i].at ? a->watches[i].at->id : 0;

		if (id && await_is_for(a, engine_job(e, id))) {
			unwatch_job(a->control, &a->watches[i]);
			await_tell(a, i, id);
		}
	}
	if (a->left)
		loop_timer_set(&a->look, LOOK_MS);
}

static void
on_step(void *arg)
{
	struct await *a = arg;
	struct engine *e = a->control->engine;

	for (unsigned i = 0; i < CANCELS_PER_TURN && a->next_cancel < a->n; i++) {
		uint64_t id = a->cancel[a->next_cancel++];

		if (engine_job(e, id))
			scope_cancel_job(a->control, id, a->uid);
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
	if (a->call->client && a->call->client->paused)
		client_resume(a->call->client);
	if (!a->left)
		loop_defer(a->control->loop, &a->answer);
}

/* It is where it is wanted already.  Between two runs there is a next one to cancel
 * or to pause. */
static bool
is_there(const struct await *a, const struct job *j, bool changes)
{
	return !j || (await_is_for(a, j) && !(changes && engine_comes_again(a->control->engine, j->id)));
}

static struct await *
await_new(struct call *call, const uint64_t *ids, size_t n, unsigned wanted, enum return_when when, bool changes)
{
	struct await *a = NEW(struct await);

	a->call = call;
	a->uid = call->uid;
	a->client = call->client;
	a->control = call->control;
	a->wanted = wanted;
	a->when = when;
	a->n = a->left = n;
	a->watches = xcalloc(n, sizeof a->watches[0]);
	a->results = xcalloc(n, sizeof a->results[0]);
	call->on_orphaned = on_orphaned;
	call->arg = a;
	loop_timer_init(&a->timeout, a->control->loop, "wait", on_timeout, a);
	loop_timer_init(&a->look, a->control->loop, "wait", on_look, a);
	loop_deferred_init(&a->answer, "wait", on_answer, a);
	loop_deferred_init(&a->step, "cancel", on_step, a);
	list_init(&a->link);
	for (size_t i = 0; i < n; i++) {
		const struct job *j = engine_job(a->control->engine, ids[i]);

		a->watches[i] = (struct watch){ .index = i, .await = a };
		list_init(&a->watches[i].link);
		if (is_there(a, j, changes))
			await_tell(a, i, ids[i]);
		else
			watch_job(a->control, &a->watches[i], ids[i]);
	}
	return a;
}

void
await_pause(struct call *call, const uint64_t *ids, size_t n)
{
	struct engine *e = call->control->engine;

	await_new(call, ids, n, BIT(JOB_PAUSED), ALL_COMPLETED, true)->durably = true;
	for (size_t i = 0; i < n; i++)
		if (engine_job(e, ids[i]))
			(void)engine_pause(e, ids[i]);
}

/* First the wait: a job that never began ends while it is cancelled. */
void
await_cancel(struct call *call, const uint64_t *ids, size_t n)
{
	struct await *a = await_new(call, ids, n, 0, ALL_COMPLETED, true);

	loop_undefer(&a->answer); /* when they are over already */
	a->durably = true;
	a->cancel = xmemdup(ids, n * sizeof ids[0]);
	list_append(&a->control->cancellings, &a->link);
	if (n > CANCELS_PER_TURN && call->client)
		client_pause(call->client); /* its next request comes after the last of these */
	on_step(a);
}

void
awaits_init(struct control *c)
{
	list_init(&c->cancellings);
}

void
awaits_done(struct control *c)
{
	while (!list_empty(&c->cancellings))
		await_free(LIST_FIRST(&c->cancellings, struct await, link));
}

/* ---- wait ------------------------------------------------------------------------- */

/* "for": a state, or an array of some; false after the answer. */
static bool
get_wanted(struct call *c, unsigned *ret)
{
	static const enum job_state states[] = { JOB_ACTIVE, JOB_DONE, JOB_FAILED, JOB_CANCELLED, JOB_PAUSED, JOB_BLOCKED };
	const json_t *given = json_object_get(c->params, "for");
	size_t n = json_is_array(given) ? json_array_size(given) : given ? 1 : 0;

	*ret = 0;
	for (size_t i = 0; i < n; i++) {
		const char *word = json_string_value(json_is_array(given) ? json_array_get(given, i) : given);
		size_t k = 0;

		while (k < ARRAY_SIZE(states) && !text_equal(word, job_state_to_string(states[k])))
			k++;
		if (k == ARRAY_SIZE(states) && !text_equal(word, "over")) {
			call_fail(c, RPC_INVALID_PARAMS, "for is over, active, done, failed, cancelled, paused or blocked, or an array of these");
			return false;
		}
		*ret |= k < ARRAY_SIZE(states) ? BIT(states[k]) : 0;
	}
	return true;
}

static bool
get_return_when(struct call *c, enum return_when *ret)
{
	static const char *const words[] = { "all-completed", "first-completed", "first-exception" };
	const json_t *given = json_object_get(c->params, "return_when");

	*ret = ALL_COMPLETED;
	for (unsigned i = 0; given && i < ARRAY_SIZE(words); i++)
		if (text_equal(json_string_value(given), words[i])) {
			*ret = (enum return_when)i;
			return true;
		}
	if (given)
		call_fail(c, RPC_INVALID_PARAMS, "return_when is all-completed, first-completed or first-exception");
	return !given;
}

static void
wait_for_jobs(struct call *c, uint64_t timeout_ms)
{
	AUTO_FREE uint64_t *ids = NULL;
	enum return_when when;
	unsigned wanted;
	struct await *a;
	size_t n;

	if (!get_wanted(c, &wanted) || !get_return_when(c, &when))
		return;
	ids = call_jobs(c, &n);
	if (!ids)
		return;
	a = await_new(c, ids, n, wanted, when, false);
	if (timeout_ms)
		loop_timer_set(&a->timeout, timeout_ms);
	if (a->left && !a->enough && (wanted & BIT(JOB_BLOCKED)))
		loop_timer_set(&a->look, LOOK_MS);
}

void
method_wait(struct call *c)
{
	uint64_t timeout_ms;

	if (!call_number(c, "timeout_ms", &timeout_ms))
		return;
	if (call_names_scope(c))
		scope_wait(c, timeout_ms);
	else
		wait_for_jobs(c, timeout_ms);
}
