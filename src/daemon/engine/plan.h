/*
 * What only some jobs have: things that they wait for before they are queued at
 * the scheduler, and what else a plain one of a million does not pay for.  A plan
 * hangs at its entry; NULL is a plain job.
 *
 * A job passes its gates when it begins (added, restored, resumed, retried), in
 * their order in plan.c.  While one is closed it is blocked and not at the scheduler,
 * and nothing but that gate's own news moves it: plan_open().  A job that has passed
 * them goes on without being asked again, until it begins anew.
 * Callers: door.c, commands.c, engine.c, and those who own gates.
 */
#pragma once

#include "base/heap.h"
#include "daemon/engine/download.h"

struct gate {
	char word[160];     /* of DESIGN 4, "start-at", "after:geoip"; safe to show */
	uint64_t until_ms;  /* clock_now_ms() at which it opens by itself; 0: that is not known */
	struct result result; /* code not RESULT_OK: it never opens, and this is how the job ends */
};

struct plan {
	struct entry *entry;
	struct list opening; /* engine->plans.opening: to be asked again in this turn */
	struct timing *timing; /* owned: of a job that waits for times; NULL */
	bool closed;         /* it waits at a gate */
	struct heap_node deadline; /* deadline.c */
	uint64_t deadline_ms;      /* clock_now_ms(), */
	bool deadline_by_clock;    /* or clock_wall_ms(): it is a moment */
	int64_t deadline_from_s;   /* what it counts from */
	bool deadline_noted; /* that it was retried is a note of the store */
	bool passed_noted;   /* so is that it has passed what it waited for (order.h) */
	struct order *order; /* owned, order.h: what it comes after; NULL: nothing, or that is over */
	struct group *group; /* the job is in; NULL: in none; group.h */
	struct list member;  /* group->members or ->leaving, while it is not over */
	struct list peer;    /* group->all */
	bool in_group;       /* it counts among those that are not over */
};

/* Its settings ask for one. */
bool plan_is_needed(const struct entry *en);
/* The plan of an entry, made when there is none. */
struct plan *plan_get(struct entry *en);
/* Its entry goes. */
void plan_free(struct entry *en);
/* The job begins.  True: it is blocked, or is to end, because of a gate; false: it may be queued now. */
bool plan_holds(struct entry *en);
/* Something changed: the gates are asked again later in this turn.  Nothing happens
 * to a job that waits at none. */
void plan_open(struct entry *en);
/* It is paused, or over: it waits no more. */
void plan_leave(struct entry *en);
/* From the one finisher, in the state in which it ended.  What ended as interrupted
 * goes on in another life. */
void plan_job_ended(struct entry *en);
/* The first gate that is closed.  False: it waits at none. */
bool plan_why(const struct entry *en, struct gate *ret);

void plans_init(struct engine *e);
void plans_done(struct engine *e);
