/* Where tickets wait; see lane.h. */
#include "daemon/sched/lane.h"

#include "base/cleanup.h"

static struct sched_lane *
lane_of(const struct heap_node *n)
{
	return n ? CONTAINER_OF(n, struct sched_lane, node) : NULL;
}

static bool
lane_before(const struct heap_node *a, const struct heap_node *b)
{
	return lane_of(a)->key < lane_of(b)->key;
}

static bool
bay_before(const struct heap_node *a, const struct heap_node *b)
{
	return CONTAINER_OF(a, struct sched_bay, node)->key < CONTAINER_OF(b, struct sched_bay, node)->key;
}

void
lane_init(struct sched_lane *l, struct sched_origin *o, struct sched_group *g)
{
	*l = (struct sched_lane){ .origin = o, .group = g };
	queue_init(&l->queue);
	list_init(&l->of_origin);
	list_init(&l->leaving);
}

void
lane_done(struct sched_lane *l)
{
	queue_done(&l->queue);
	list_remove(&l->of_origin);
	list_remove(&l->leaving);
}

void
bay_init(struct sched_bay *b, bool open)
{
	*b = (struct sched_bay){ .open = open };
	heap_init(&b->lanes, lane_before);
}

void
bay_done(struct sched_bay *b)
{
	heap_done(&b->lanes);
}

void
bays_init(struct heap *ready)
{
	heap_init(ready, bay_before);
}

struct sched_lane *
bay_first(const struct heap_node *n)
{
	return lane_of(heap_peek(&CONTAINER_OF(n, struct sched_bay, node)->lanes));
}

struct sched_lane *
bays_first(const struct heap *ready)
{
	const struct heap_node *n = heap_peek(ready);

	return n ? bay_first(n) : NULL;
}

/* In or out of the ready, or at its new place among them. */
static void
bay_update(struct heap *ready, struct sched_bay *b)
{
	const struct sched_lane *first = lane_of(heap_peek(&b->lanes));

	if (!b->open || !first) {
		heap_remove(ready, &b->node);
		return;
	}
	if (!heap_contains(&b->node)) {
		b->key = first->key;
		heap_add(ready, &b->node);
	} else if (b->key != first->key) {
		b->key = first->key;
		heap_update(ready, &b->node);
	}
}

void
bay_set_open(struct heap *ready, struct sched_bay *b, bool open)
{
	b->open = open;
	bay_update(ready, b);
}

void
lane_move(struct heap *ready, struct sched_lane *l, struct sched_bay *to)
{
	struct sched_bay *from = l->bay;

	if (from) {
		heap_remove(&from->lanes, &l->node);
		bay_update(ready, from);
	}
	l->bay = to;
	if (!to)
		return;
	l->key = ticket_key(l->queue.first);
	heap_add(&to->lanes, &l->node);
	bay_update(ready, to);
}

void
lane_update(struct heap *ready, struct sched_lane *l)
{
	uint64_t key = ticket_key(l->queue.first);

	if (!l->bay || key == l->key)
		return;
	l->key = key;
	heap_update(&l->bay->lanes, &l->node);
	bay_update(ready, l->bay);
}
