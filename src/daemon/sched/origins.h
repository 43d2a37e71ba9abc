/*
 * Origins (scheme, host and port) and their hosts, whose connections they share,
 * and the lanes in which their tickets wait (lane.h): one for those of no group, and
 * one for each group that has some there.  While the breaker of an origin is open its
 * lanes are in no bay, so that opening and closing cost the same however many tickets
 * wait there.  Only sched sees this.
 */
#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "daemon/sched/breaker.h"
#include "daemon/sched/host.h"
#include "daemon/sched/scheduler.h"

enum { ORIGINS_KEPT = 1024 }; /* without tickets, for their failures; the rest are forgotten */

struct sched_origin {
	struct heap_node timed;  /* in probes, while it waits for its next probe */
	struct list trouble;     /* in troubled: it has failed */
	struct list idle;        /* in idle: troubled, without tickets */
	struct list lanes;
	struct sched_lane plain; /* for tickets of no group */
	struct sched_host *host;
	bool open;               /* its breaker let one begin, when it was last looked at */
	struct breaker breaker;
	struct ticket *probe;    /* that runs; NULL */
	char *cause;             /* owned: of the last failure; NULL: none */
	uint64_t tickets, queued, running; /* that name it, in its lanes, that hold a connection */
	char name[];
};

struct origins {
	struct map hosts, by_name;
	struct map lanes;      /* of groups, by origin and group */
	struct heap ready;     /* bays */
	struct sched_bay network; /* closed while the breaker of the network is open */
	struct heap probes;    /* origins, by the time of their next probe */
	struct heap timed;     /* hosts, by the time when they let another begin */
	struct list resting;   /* hosts without origins */
	struct list troubled, idle; /* oldest first */
	unsigned n_idle;
};

void origins_init(struct origins *all);
void origins_done(struct origins *all);
struct sched_host *origins_host(const struct origins *all, const char *name); /* NULL: none */
struct sched_origin *origins_find(const struct origins *all, const char *name);
/* Made when it is new, and so is its host. */
struct sched_origin *origins_get(struct origins *all, const char *name, host_rules_cb rules, void *arg);
/* May a ticket of it begin now, as far as its breaker is concerned? */
bool origin_lets(const struct sched_origin *o, uint64_t now_ms);
/* After its breaker changed. */
void origin_update(struct origins *all, struct sched_origin *o);
/* The bay of the first closed door that a lane of an open origin stands before, in the
 * order in which semaphores are taken; NULL: its first ticket could start. */
struct sched_bay *origins_closed(const struct origins *all, const struct sched_lane *l);
/* A ticket waits in its lane, or no longer. */
void origins_queue(struct origins *all, struct ticket *t);
void origins_unqueue(struct origins *all, struct ticket *t);
/* A lane that was pinned may go again. */
void origins_unpin(struct origins *all, struct sched_lane *l);
/* One ticket more names it, or one less: the last one may free it. */
void origin_hold(struct origins *all, struct sched_origin *o);
void origin_release(struct origins *all, struct sched_origin *o);
/* It failed once more, and is open anew or not. */
void origin_note_failure(struct origins *all, struct sched_origin *o, const struct result *why);
/* All is well with it. */
void origin_close(struct origins *all, struct sched_origin *o);
/* The same with all of them. */
void origins_close_all(struct origins *all);
/* Those whose time has come may have a probe; false: there was none. */
bool origins_due(struct origins *all, uint64_t now_ms);
