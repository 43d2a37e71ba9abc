/*
 * Groups of tickets: each a semaphore of network slots, which its children share,
 * and a bay where the lanes wait that it does not let run.  What others may do
 * with them is in scheduler.h; only sched sees this.
 */
#pragma once

#include "daemon/sched/lane.h"
#include "daemon/sched/semaphore.h"

struct sched_group {
	struct scheduler *scheduler;
	struct sched_group *parent; /* NULL: none */
	struct semaphore slots;
	bool held;
	struct sched_bay bay;
	uint64_t children, lanes;   /* that name it: they go first */
};

/* The outermost of the chain that lets nothing run; NULL: all do, or there is no group. */
struct sched_group *sched_group_closed(struct sched_group *g);
/* Is one of the chain held? */
bool sched_group_is_held(const struct sched_group *g);
/* A slot of each of the chain, from the outermost to the innermost; and back. */
void sched_group_take(struct sched_group *g);
void sched_group_give(struct sched_group *g);
