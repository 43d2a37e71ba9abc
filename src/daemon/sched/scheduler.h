/*
 * What may run: tickets wait in lanes, one for each origin and group, and a busy host
 * or a full group never hides another; a pass costs what it starts, not what is
 * queued (lane.h, origins.h).  A ticket starts when it gets all of its semaphores at
 * once (global, its groups from the outermost to the innermost, host, decoder
 * memory), in that order, or none.
 * Caller: engine.
 *
 * The network slots (global, groups and host) are held for the network phase only;
 * what comes after it holds a place of `verifying`, and no transfer starts
 * while all of those are taken (worker-backlog).
 *
 * An origin that fails again and again has a breaker (breaker.h): its tickets
 * wait, and one at a time probes it.  So has the network as a whole; the caller
 * says when that is down.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "daemon/loop/loop.h"
#include "daemon/sched/breaker.h"
#include "daemon/sched/semaphore.h"
#include "model/result.h"

struct scheduler;
struct sched_origin;
struct sched_group;

enum {
	PRIORITY_STEP_MS = 600000,       /* so much waiting is worth one step of priority */
	PRIORITY_STEP_MOST_MS = 3600000,
};

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
	struct heap_node node;     /* in its lane, among the delayed or those aside */
	int32_t priority;          /* from -1000000 to 1000000; see scheduler_set_priority() */
	struct sched_origin *origin; /* where it waits or holds a slot; else NULL */
	struct sched_group *group; /* borrowed; set by the owner while it is idle; NULL: none */
	uint64_t when_ms;          /* clock_now_ms(): not before it, when delayed; when it started */
	uint64_t order;            /* smaller first: when it came, less what its priority is worth */
	uint64_t decoder_memory : 48; /* bytes it will need, at most TICKET_MEMORY_MAX; 0: none */
	uint64_t overtaken : 7;    /* while it was the first to wait for decoder memory */
	bool in_run : 1;           /* see queue.h */
	uint64_t state : 3;        /* enum ticket_state */
	bool begun : 1;            /* set by the owner: its job runs and only goes on (a redirect) */
	bool elsewhere : 1;        /* set by the owner: on_origin_down may find another place for it */
	bool holds_network : 1, holds_verify : 1, holds_memory : 1;
};

struct sched_limits {
	uint64_t global, per_host, verifying, decoder_memory;
	uint64_t origin_failures; /* in a row, then its breaker opens; 0: never */
	uint64_t probe_delay_ms;  /* the longest */
	uint64_t priority_step_ms; /* of waiting, worth one step of priority; 0: PRIORITY_STEP_MS */
};

struct sched_ops {
	/* All semaphores are taken; called from the scheduler's own pass.  One that gives
	 * them back in here has made no request of its host. */
	void (*on_start)(struct ticket *t, void *arg);
	/* The limit for a host (name lower case); 0: per_host. */
	uint64_t (*host_limit)(const char *host, void *arg);
	/* A ticket that was delayed waits for its turn now.  May be NULL. */
	void (*on_due)(struct ticket *t, void *arg);
	/* The origin where this ticket waits, one of those that are `elsewhere`, is not
	 * to be had: true when it was withdrawn.  May be NULL. */
	bool (*on_origin_down)(struct ticket *t, void *arg);
	/* Nanoseconds between the requests of a host; 0: no such limit.  May be NULL. */
	uint64_t (*host_interval)(const char *host, void *arg);
};

struct scheduler *scheduler_new(struct loop *l, const struct sched_limits *limits,
    const struct sched_ops *ops, void *arg);
/* All tickets must be idle. */
void scheduler_free(struct scheduler *s);

/* Queues an idle ticket at an origin, "https://host:443" (anything else is a host of
 * its own; "": none, which no limit but the global ones holds up); delay_ms from now
 * at the earliest.  A ticket keeps its order when it comes again (order 0: it gets
 * one). */
void scheduler_enqueue(struct scheduler *s, struct ticket *t, const char *origin, uint64_t delay_ms);
/* In any state; before it was ever queued its owner may set the member as well. */
void scheduler_set_priority(struct scheduler *s, struct ticket *t, int32_t priority);
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

/* ---- Groups: semaphores above those of hosts, for tickets that name them. */

/* limit: of those on the network at once; 0: none.  A child shares the slots of its
 * parent, which it keeps for its life. */
struct sched_group *scheduler_group_new(struct scheduler *s, struct sched_group *parent, uint64_t limit);
/* No ticket that waits or runs names it, and no child.  NULL is fine. */
void scheduler_group_free(struct sched_group *g);
/* What runs goes on, also where it is above the limit now. */
void scheduler_group_set_limit(struct sched_group *g, uint64_t limit);
/* Nothing of it or of its children starts, or it goes on; what runs does. */
void scheduler_group_hold(struct sched_group *g, bool held);
/* Of itself and its children; limit 0: none. */
struct semaphore scheduler_group_use(const struct sched_group *g);

/* ---- What the tickets that run found out; nothing for one that holds no slot. */

/* Its origin answers. */
void scheduler_origin_good(struct scheduler *s, struct ticket *t);
/* It does not, or with a failure of its own; not before floor_ms from now is it
 * probed. */
void scheduler_origin_bad(struct scheduler *s, struct ticket *t, const struct result *why, uint64_t floor_ms);
/* Its host answered; or turned it away (429, 503, refused, reset), for which it is given
 * fewer connections for a while: true when it is, as *ret_limit says. */
void scheduler_host_good(struct scheduler *s, struct ticket *t);
bool scheduler_host_bad(struct scheduler *s, struct ticket *t, uint64_t *ret_limit);
/* The breaker of the ticket's origin is not closed. */
bool scheduler_origin_is_suspect(const struct ticket *t);
/* Would a ticket wait for this origin, though it had a slot? */
bool scheduler_origin_is_down(const struct scheduler *s, const char *origin);
/* Nothing can be reached, t (that runs) found out: only probes begin from now on.
 * All origins have a new chance when it is up again. */
void scheduler_network_down(struct scheduler *s, const struct ticket *t);
/* Something was reached. */
void scheduler_network_up(struct scheduler *s);
bool scheduler_network_is_down(const struct scheduler *s);

/* Why a ticket that waits does not run: the words of DESIGN 4 ("host-limit",
 * "retry-at", ...); NULL when it does not wait, or
 * not longer than until the next pass. */
const char *scheduler_why(const struct scheduler *s, const struct ticket *t);
/* New limits but for decoder memory, for which tickets may wait with more than a
 * smaller one; what runs goes on, also where it is above them now. */
void scheduler_set_limits(struct scheduler *s, const struct sched_limits *limits);
/* It waits for its origin or for the network: "origin-down" or "network-down" is why. */
bool scheduler_is_blocked(const struct scheduler *s, const struct ticket *t);
/* How many do. */
uint64_t scheduler_blocked(const struct scheduler *s);
/* Milliseconds until what it waits for comes by itself: the next probe, the time of the
 * next request of its host; 0: that is now, or nothing of the kind. */
uint64_t scheduler_wait_ms(const struct scheduler *s, const struct ticket *t);

struct sched_origin_view {
	const char *origin, *host;
	uint64_t used, limit, most; /* connections of the host: the limit now, and as configured */
	uint64_t interval_ns;      /* between its requests; 0: no such limit */
	uint64_t running, waiting; /* tickets of the origin */
	enum breaker_state state;
	unsigned failures;         /* in a row */
	const char *cause;         /* of the last one; NULL: none */
	uint64_t probe_in_ms;      /* of BREAKER_OPEN */
};
/* Calls back for at most so many: first for those that have failed.  How many there
 * are. */
uint64_t scheduler_each_origin(const struct scheduler *s, uint64_t most,
    void (*cb)(const struct sched_origin_view *v, void *arg), void *arg);
/* The origin where a ticket waits or holds a slot; false: at none.  Its strings are
 * borrowed while the ticket stays there. */
bool scheduler_origin_of(const struct ticket *t, struct sched_origin_view *ret);
/* The breaker of the network. */
enum breaker_state scheduler_network(const struct scheduler *s, uint64_t *ret_probe_in_ms);

struct sched_use {
	struct semaphore global, verifying, memory;
};
struct sched_use scheduler_use(const struct scheduler *s);
uint64_t scheduler_waiting(const struct scheduler *s);
