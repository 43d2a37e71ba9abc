/*
 * Calls that name jobs which have left the memory: these are looked up in the
 * history, and then the call's method runs again, with them.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "daemon/control/internal.h"

enum {
	TRIES_MAX = 4,    /* what is looked up may come back into memory, and leave it, meanwhile */
	BRING_BACK_MS = 5, /* in one turn: among a million jobs one takes a millisecond or two */
};

struct past {
	struct list link; /* of control->pasts, while it waits */
	struct fetch fetch;
	struct call *call;
	unsigned tries;
	bool paused; /* its client's next request waits */
	struct loop_deferred again;
};

const struct past_job *
call_past_job(const struct call *c, uint64_t id)
{
	if (!c->past || engine_job(c->control->engine, id))
		return NULL;
	return fetch_find(&c->past->fetch, id);
}

const struct job *
call_job(const struct call *c, uint64_t id)
{
	const struct job *j = engine_job(c->control->engine, id);
	const struct past_job *p = j ? NULL : call_past_job(c, id);

	return p ? &p->job : j;
}

bool
call_view(const struct call *c, uint64_t id, struct engine_view *ret)
{
	const struct past_job *p;

	if (engine_view(c->control->engine, id, ret))
		return true;
	p = call_past_job(c, id);
	if (p)
		past_job_view(p, ret);
	return p;
}

bool
call_may_be_past(const struct call *c, uint64_t id)
{
	if (!id || id > STORE_ID_MAX || engine_job(c->control->engine, id) || archive_is_empty(c->control->archive))
		return false;
	return !c->past || !fetch_knows(&c->past->fetch, id);
}

void
call_drop_past(struct call *c)
{
	struct past *p = TAKE_PTR(c->past);

	if (!p)
		return;
	fetch_done(&p->fetch);
	list_remove(&p->link);
	loop_undefer(&p->again);
	free(p);
}

/* What changes something is done also for a client that has gone, and what it asks
 * for next comes behind it. */
static void
begin_wait(struct past *p)
{
	struct call *c = p->call;

	list_append(&c->control->pasts, &p->link);
	p->paused = c->method->policy > POLICY_OBSERVE && c->client;
	if (p->paused)
		client_pause(c->client);
}

static void
end_wait(struct past *p)
{
	struct call *c = p->call;

	list_remove(&p->link);
	c->on_orphaned = NULL;
	if (p->paused && c->client)
		client_resume(c->client);
	p->paused = false;
}

static void
on_again(void *arg)
{
	struct past *p = arg;

	end_wait(p);
	p->call->method->run(p->call);
}

static void
on_orphaned(struct call *c, void *arg UNUSED)
{
	call_free(c);
}

static void
on_looked_up(const char *error, void *arg)
{
	struct past *p = arg;
	struct call *c = p->call;

	end_wait(p);
	if (error)
		call_fail(c, RPC_FAILED, "jobs that ended earlier cannot be looked up now: %s", error);
	else
		c->method->run(c);
}

void
call_look_up(struct call *c, const uint64_t *ids, size_t n)
{
	struct past *p = c->past;

	if (!p) {
		p = c->past = NEW(struct past);
		p->call = c;
		list_init(&p->link);
		loop_deferred_init(&p->again, "history", on_again, p);
	}
	if (p->tries++ == TRIES_MAX) {
		call_fail(c, RPC_FAILED, "jobs that ended earlier cannot be looked up, for they change all the time: try again");
		return;
	}
	fetch_done(&p->fetch);
	begin_wait(p);
	if (c->method->policy == POLICY_OBSERVE)
		c->on_orphaned = on_orphaned;
	archive_fetch(c->control->archive, &p->fetch, ids, n, on_looked_up, p);
}

bool
call_bring_back(struct call *c, const uint64_t *ids, size_t n)
{
	uint64_t until = clock_now_ms() + BRING_BACK_MS;

	for (size_t i = 0; i < n; i++) {
		const struct past_job *p = call_past_job(c, ids[i]);

		if (!p)
			continue;
		if (clock_now_ms() >= until) {
			begin_wait(c->past);
			loop_defer(c->control->loop, &c->past->again);
			return false;
		}
		archive_bring_back(c->control->archive, p);
	}
	return true;
}

void
pasts_done(struct control *c)
{
	while (!list_empty(&c->pasts))
		call_free(LIST_FIRST(&c->pasts, struct past, link)->call);
}
