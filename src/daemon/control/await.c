/*
 * Calls that are answered when jobs have come to where they are wanted: all
 * over (wait, cancel), or paused.  Each job is shown as it is at that moment.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "daemon/control/internal.h"

enum { CANCELS_PER_TURN = 100 }; /* a log line, an answer and events each: 20 us and more */

/* A call that is answered when all of its jobs are over. */
struct await {
	struct call *call;     /* NULL: gone, but the rest is to be cancelled */
	struct control *control;
	bool durably;          /* not before the store has it */
	size_t n, left;
	bool paused;           /* that a job is paused is enough */
	bool interrupted;      /* a job ended because hauld stops: it goes on in the next life */
	struct watch *watches; /* owned: n */
	char **results;        /* owned: n, each a job as JSON; NULL: not over yet */
	struct loop_timer timeout;
	struct loop_deferred answer;
	struct list link;      /* of control->cancellings, while it cancels */
	uint64_t *cancel;      /* owned: n ids that it is to cancel; NULL: none, or no more */
	size_t next_cancel;
	struct loop_deferred step;
};

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
	if (a->durably && a->interrupted)
		call_fail(a->call, RPC_DRAINING, "hauld stops, and jobs that it interrupts go on when it starts again: ask again then");
	else if (a->durably)
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

bool
await_is_for(const struct await *a, const struct job *j)
{
	return job_is_over(j) || (a->paused && j->state == JOB_PAUSED);
}

/* It is shown as it is now, for it may be forgotten soon. */
void
await_tell(struct await *a, size_t index, uint64_t id)
{
	const struct job *j = engine_job(a->control->engine, id);

	a->interrupted |= j && j->result->code == RESULT_INTERRUPTED;
	a->results[index] = job_text(a, id);
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
	if (a->call->client && a->call->client->paused)
		client_resume(a->call->client);
	if (!a->left)
		loop_defer(a->control->loop, &a->answer);
}

static struct await *
await_new(struct call *call, const uint64_t *ids, size_t n, bool paused)
{
	struct await *a = NEW(struct await);

	a->call = call;
	a->control = call->control;
	a->paused = paused;
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
		if (!j || await_is_for(a, j))
			await_tell(a, i, ids[i]);
		else
			watch_job(a->control, &a->watches[i], ids[i]);
	}
	return a;
}

static void
until_over(struct call *call, const uint64_t *ids, size_t n, uint64_t timeout_ms)
{
	struct await *a = await_new(call, ids, n, false);

	if (timeout_ms && a->left)
		loop_timer_set(&a->timeout, timeout_ms);
}

void
await_pause(struct call *call, const uint64_t *ids, size_t n)
{
	struct engine *e = call->control->engine;

	await_new(call, ids, n, true)->durably = true;
	for (size_t i = 0; i < n; i++)
		if (engine_job(e, ids[i]))
			(void)engine_pause(e, ids[i]);
}

/* First the wait: a job that never began ends while it is cancelled. */
void
await_cancel(struct call *call, const uint64_t *ids, size_t n)
{
	struct await *a = await_new(call, ids, n, false);

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
		until_over(c, ids, n, timeout);
}
