/*
 * Where tickets wait.  Those of one origin and one group are a lane.  A lane waits
 * in a bay: that of its host, or of what does not let it run (a group, the
 * network), or in none while the breaker of its origin is open.  The bays that are
 * open and have lanes are the ready; the pass takes the first lane of the first of
 * them, and one that finds itself before another closed door goes to the bay of
 * that.  So what can start is always in a bay that is ready, and what cannot is
 * looked at once for each time that a door it waits at was opened, by lanes, not
 * by tickets.  Only sched sees this.
 */
#pragma once

#include "base/list.h"
#include "daemon/sched/queue.h"

struct sched_bay {
	struct heap_node node; /* among the ready, while it is open and has lanes */
	bool open;
	uint64_t key;          /* of its first lane, as it was last seen */
	struct heap lanes;
};

struct sched_lane {
	struct heap_node node;  /* in bay->lanes */
	uint64_t key;           /* of its first ticket */
	struct sched_bay *bay;  /* NULL: it has no tickets, or its origin is down */
	struct queue queue;
	struct sched_origin *origin;
	struct sched_group *group; /* NULL: none */
	struct list of_origin;  /* in origin->lanes */
	struct list leaving;    /* see health.c */
	size_t leaving_at;
	bool pinned;            /* it is walked: not freed, though it be empty */
};

void lane_init(struct sched_lane *l, struct sched_origin *o, struct sched_group *g);
void lane_done(struct sched_lane *l);

void bay_init(struct sched_bay *b, bool open);
void bay_done(struct sched_bay *b);
/* A heap of bays. */
void bays_init(struct heap *ready);
/* The first lane of a bay that is ready. */
struct sched_lane *bay_first(const struct heap_node *n);
/* The first lane of the first bay; NULL: there is none. */
struct sched_lane *bays_first(const struct heap *ready);
void bay_set_open(struct heap *ready, struct sched_bay *b, bool open);
/* Into another bay; NULL: into none. */
void lane_move(struct heap *ready, struct sched_lane *l, struct sched_bay *to);
/* After its first ticket changed, while it has some. */
void lane_update(struct heap *ready, struct sched_lane *l);
