/* What scheduler.c and health.c share.  Only sched sees this. */
#pragma once

#include "daemon/sched/origins.h"

struct scheduler {
	struct loop *loop;
	struct semaphore global, verifying, memory;
	uint64_t per_host;
	const struct sched_ops *ops;
	void *arg;
	struct origins origins;
	struct breaker network;
	const struct ticket *network_probe; /* that runs; NULL */
	struct list leaving;   /* origins that have just gone down: their tickets may go elsewhere */
	uint64_t origin_failures, probe_delay_ms;
	struct heap delayed;   /* tickets, by time */
	struct heap aside;     /* tickets that want more decoder memory than is free */
	struct loop_timer timer;
	struct loop_deferred pass, leave;
	uint64_t arrival_ns;   /* of the last ticket that got an order */
	uint64_t priority_step_ms;
	uint64_t waiting, begun;
	uint64_t now_ms; /* when the pass began */
	const struct ticket *starting; /* its on_start() is on the stack */
	uint64_t queued; /* tickets in the queues of origins */
	bool held;
};

/* health.c */
/* The timer rings for the next ticket that is due, or the next probe. */
void scheduler_set_timer(struct scheduler *s);
/* After the breaker of the network changed, or its time has come. */
void scheduler_network_changed(struct scheduler *s);
/* The ticket begins: where a breaker is not closed, it is the probe. */
void scheduler_begin_probe(struct scheduler *s, struct ticket *t);
/* It ends.  A probe that told nothing before has shown nothing. */
void scheduler_end_probe(struct scheduler *s, const struct ticket *t);
bool scheduler_waits_for_network(const struct scheduler *s, const struct ticket *t);
/* Deferred, arg is the scheduler: tickets at origins that went down go elsewhere. */
void scheduler_on_leave(void *arg);
