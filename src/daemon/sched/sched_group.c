/* Groups of tickets; see sched_group.h. */
#include "daemon/sched/sched_group.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/sched/internal.h"

static bool
lets(const struct sched_group *g)
{
	return !g->held && semaphore_has(&g->slots, 1);
}

static void
update(struct sched_group *g)
{
	bay_set_open(&g->scheduler->origins.ready, &g->bay, lets(g));
}

static uint64_t
limit_of(uint64_t limit)
{
	return limit ? limit : UINT64_MAX;
}

struct sched_group *
scheduler_group_new(struct scheduler *s, struct sched_group *parent, uint64_t limit)
{
	struct sched_group *g = NEW(struct sched_group);

	g->scheduler = s;
	g->parent = parent;
	if (parent)
		parent->children++;
	g->slots.limit = limit_of(limit);
	bay_init(&g->bay, true);
	return g;
}

void
scheduler_group_free(struct sched_group *g)
{
	if (!g)
		return;
	assert(!g->slots.used && !g->lanes && !g->children);
	if (g->parent)
		g->parent->children--;
	bay_done(&g->bay);
	free(g);
}

void
scheduler_group_set_limit(struct sched_group *g, uint64_t limit)
{
	g->slots.limit = limit_of(limit);
	update(g);
	scheduler_kick(g->scheduler);
}

void
scheduler_group_hold(struct sched_group *g, bool held)
{
	g->held = held;
	update(g);
	scheduler_kick(g->scheduler);
}

struct semaphore
scheduler_group_use(const struct sched_group *g)
{
	struct semaphore use = g->slots;

	if (use.limit == UINT64_MAX)
		use.limit = 0;
	return use;
}

struct sched_group *
sched_group_closed(struct sched_group *g)
{
	struct sched_group *closed = NULL;

	for (; g; g = g->parent)
		if (!lets(g))
			closed = g;
	return closed;
}

bool
sched_group_is_held(const struct sched_group *g)
{
	while (g && !g->held)
		g = g->parent;
	return g;
}

void
sched_group_take(struct sched_group *g)
{
	if (!g)
		return;
	sched_group_take(g->parent);
	semaphore_take(&g->slots, 1);
	update(g);
}

void
sched_group_give(struct sched_group *g)
{
	for (; g; g = g->parent) {
		semaphore_give(&g->slots, 1);
		update(g);
	}
}
