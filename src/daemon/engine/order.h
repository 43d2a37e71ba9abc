/*
 * Order: what waits for other jobs (after, after-failed) and for named events.  What
 * is waited for is a target, known by the text that names it; each place where a job
 * names one is an edge, from when the job begins until it has passed its gates.
 * Edges hang at their targets, so that an end is told to those that wait for it and to
 * nobody else, some in each turn.
 * Callers: plan.c, door.c, commands.c, control (events).
 */
#pragma once

#include "daemon/engine/plan.h"

struct archive;

void orders_init(struct engine *e);
void orders_done(struct engine *e);
/* The job is new and not over, or (order_retry()) begins anew.  trust: a job it
 * names that is not there any more was as it should be: it went after that. */
void order_attach(struct entry *en, bool trust);
void order_retry(struct entry *en, bool trust);
/* It is paused now: if it can never begin, it ends all the same. */
void order_paused(struct entry *en);
/* order_passed.c: all its gates are open: it waits no more, in no life, until it is over. */
void order_pass(struct plan *p);
/* It is over. */
void order_forget_passed(struct plan *p);
/* notes.h: a job of an earlier life had passed. */
void order_restore_passed(struct engine *e, const char *rest, const void *data, size_t n);
/* The job is of an earlier life and not over: it waits, if it did then. */
void order_restore(struct entry *en);
/* All of these are there. */
void orders_restored(struct engine *e);
/* The gate. */
bool order_gate(const struct plan *p, struct gate *ret);
/* It is over, or goes. */
void order_free(struct plan *p);
/* In the state in which it ended. */
void order_job_ended(struct entry *en);
/* A job was added, perhaps with the name of one that went. */
void order_job_added(struct entry *en);
/* notes.h: an event was set in an earlier life. */
void order_restore_event(struct engine *e, const char *name, const void *data, size_t n);

/* order_cycle.c: what it waits for waits for it; newly allocated, "a -> b -> a".  NULL: it
 * does not. */
char *order_cycle(struct entry *en);

/* For order_cycle.c and events. */
struct target {
	char *key;           /* owned: "geoip", "17", "event:go" */
	struct orders *orders;
	struct list waiting; /* struct edge: not told yet how it ended */
	struct list told;    /* struct edge */
	struct list telling; /* orders->telling */
	struct list look;    /* orders->missing, ->to_ask or ->asked: no such job is in memory; of
			      * an event ->awaited */
	uint64_t id;         /* that was asked for */
	struct outcome *outcome; /* owned: what is being told; NULL: nothing */
};

struct edge {
	struct list link;    /* of its target: ->waiting or ->told */
	struct target *target;
	struct order *order;
	bool fallback;       /* of after-failed */
	bool met, told;
};

struct order {
	struct plan *plan;
	struct list ending;  /* orders->ending: paused, and it will never begin */
	struct result *end;  /* owned: it never begins, and this is how it ends */
	struct edge *cause;  /* of that */
	bool trust;
	unsigned n, n_unmet;
	uint64_t mark;       /* order_cycle.c */
	struct edge edges[];
};

/* The job that it is now; NULL: none in memory. */
struct entry *target_job(const struct target *t);
