/*
 * The queue of work is bounded (max-queued): jobs of clients that are not over count,
 * and those that are on their way to be.  A request that has no room is refused or, if it
 * asks for that, waits in the order of arrival until there is some, as asyncio's
 * Queue.put() does.
 */
#include "daemon/control/internal.h"

static uint64_t
limit_of(const struct control *c)
{
	return spec_number(c->conf->daemon, DAEMON_MAX_QUEUED);
}

static bool
has_room(const struct control *c, size_t n)
{
	uint64_t limit = limit_of(c);

	return !limit || engine_open(c->engine) + c->queue_reserved + n <= limit;
}

static void
reserve(struct backlog_place *p)
{
	p->reserved = true;
	p->control->queue_reserved += p->n;
}

enum backlog_answer
backlog_enter(struct backlog_place *p, struct call *call, size_t n, void (*go)(void *arg), void *arg)
{
	struct control *c = call->control;
	json_t *block = json_object_get(call->params, "block");
	uint64_t limit = limit_of(c);

	*p = (struct backlog_place){ .control = c, .n = n, .go = go, .arg = arg };
	list_init(&p->link);
	if (block && !json_is_boolean(block)) {
		call_fail(call, RPC_INVALID_PARAMS, "block is true or false");
		return BACKLOG_REFUSED;
	}
	if (limit && n > limit) {
		call_fail(call, RPC_TOO_MANY, "these are %zu jobs, and max-queued is %llu: give fewer in a request, as haulctl --block does", n,
		    (unsigned long long)limit);
		return BACKLOG_REFUSED;
	}
	/* Nobody passes those that wait. */
	if (list_empty(&c->queue_waiting) && has_room(c, n)) {
		reserve(p);
		return BACKLOG_ROOM;
	}
	if (!json_is_true(block)) {
		call_fail(call, RPC_TOO_MANY,
		    "the queue is full: %llu jobs of clients are not over, and max-queued is %llu; try again later, or let it wait for room (block, haulctl --block)",
		    (unsigned long long)(engine_open(c->engine) + c->queue_reserved), (unsigned long long)limit);
		return BACKLOG_REFUSED;
	}
	list_append(&c->queue_waiting, &p->link);
	return BACKLOG_WAITS;
}

void
backlog_leave(struct backlog_place *p)
{
	if (!p->control)
		return;
	p->control->queue_reserved -= p->reserved ? p->n : 0;
	list_remove(&p->link);
	backlog_look(p->control); /* who is next may be let in now */
	*p = (struct backlog_place){ 0 };
}

static void
on_look(void *arg)
{
	struct control *c = arg;

	while (!list_empty(&c->queue_waiting)) {
		struct backlog_place *p = LIST_FIRST(&c->queue_waiting, struct backlog_place, link);

		/* Who begins nothing more says so to all. */
		if (!c->stopping && !has_room(c, p->n) && p->n <= limit_of(c))
			return;
		list_remove(&p->link);
		reserve(p);
		p->go(p->arg);
	}
}

void
backlog_look(struct control *c)
{
	if (!list_empty(&c->queue_waiting))
		loop_defer(c->loop, &c->queue_looking);
}

void
backlog_init(struct control *c)
{
	list_init(&c->queue_waiting);
	loop_deferred_init(&c->queue_looking, "room in the queue", on_look, c);
}

void
backlog_done(struct control *c)
{
	loop_undefer(&c->queue_looking);
}
