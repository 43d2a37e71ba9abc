/*
 * What may run: tickets wait in a queue per host, and a heap holds the hosts
 * that could run one, so that a busy host never hides another and a pass costs
 * what it starts, not what is queued.  A ticket starts when it gets all of its
 * semaphores at once (global, host, decoder memory), in that order, or none.
 * Caller: engine.
 *
 * The network slots (global and host) are held for the network phase only;
 * what comes after it holds a place of `verifying`, and no transfer starts
 * while all of those are taken (worker-backlog).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "daemon/loop/loop.h"
#include "daemon/sched/semaphore.h"

struct scheduler;
struct sched_host;

enum ticket_state {
	TICKET_IDLE,
	TICKET_DELAYED,
	TICKET_QUEUED,
	TICKET_ASIDE,
};

#define TICKET_MEMORY_MAX ((UINT64_C(1) << 48) - 1)

/* Embedded in what wants to run.  Zero it before first use.  A million of them
 * may wait: it is kept small. */
struct ticket {
	struct heap_node node;     /* in its host's queue, among the delayed or those aside */
	int32_t priority;
	struct sched_host *host;   /* where it waits or holds a slot; else NULL */
	uint64_t order;            /* of arrival: smaller first at equal priority */
	uint64_t not_before_ms;    /* clock_now_ms() */
	uint64_t decoder_memory : 48; /* bytes it will need, at most TICKET_MEMORY_MAX; 0: none */
	uint64_t overtaken : 8;    /* while it was the first to wait for decoder memory */
	uint64_t state : 4;        /* enum ticket_state */
	bool begun : 1;            /* set by the owner: its job runs and only goes on (a redirect) */
	bool holds_network : 1, holds_verify : 1, holds_memory : 1;
};

struct sched_limits {
	uint64_t global, per_host, verifying, decoder_memory;
};

struct sched_ops {
	/* All semaphores are taken; called from the scheduler's own pass. */
	void (*on_start)(struct ticket *t, void *arg);
	/* The limit for a host (name lower case); 0: per_host. */
	uint64_t (*host_limit)(const char *host, void *arg);
};

struct scheduler *scheduler_new(struct loop *l, const struct sched_limits *limits,
    const struct sched_ops *ops, void *arg);
/* All tickets must be idle. */
void scheduler_free(struct scheduler *s);

/* Queues an idle ticket at a host; delay_ms from now at the earliest.  A ticket
 * keeps its order when it comes again (order 0: it gets one). */
void scheduler_enqueue(struct scheduler *s, struct ticket *t, const char *host, uint64_t delay_ms);
/* Takes a waiting ticket out; gives back whatever it holds. */
void scheduler_withdraw(struct scheduler *s, struct ticket *t);
/* The network phase is over: its slots are free, a verify place is taken. */
void scheduler_to_verify(struct scheduler *s, struct ticket *t);
/* Asks for a pass at the end of this turn. */
void scheduler_kick(struct scheduler *s);
/* Start nothing new (drain, shutdown), or go on.  What has begun is not held. */
void scheduler_hold(struct scheduler *s, bool held);
/* Waiting tickets of jobs that have begun. */
uint64_t scheduler_begun(const struct scheduler *s);

/* Why a ticket that waits does not run: the words of DESIGN 4 ("host-limit",
 * "retry-at", ...); NULL when it does not wait, or
 * not longer than until the next pass. */
const char *scheduler_why(const struct scheduler *s, const struct ticket *t);
/* New limits but for decoder memory, for which tickets may wait with more than a
 * smaller one; what runs goes on, also where it is above them now. */
void scheduler_set_limits(struct scheduler *s, const struct sched_limits *limits);
struct sched_use {
	struct semaphore global, verifying, memory;
};
struct sched_use scheduler_use(const struct scheduler *s);
uint64_t scheduler_active(const struct scheduler *s); /* network slots in use */
uint64_t scheduler_waiting(const struct scheduler *s);
