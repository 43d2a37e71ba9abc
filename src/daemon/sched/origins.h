/*
 * Where tickets wait: a queue for each origin (scheme, host and port), the
 * origins of a host beside each other, for they share its connections, and a
 * heap of the hosts that could run one.  An origin whose breaker is open is
 * merely not among those of its host, so that opening and closing cost the same
 * however many tickets wait there.  Only sched sees this.
 */
#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "daemon/sched/breaker.h"
#include "daemon/sched/scheduler.h"
#include "daemon/sched/semaphore.h"

enum { ORIGINS_KEPT = 1024 }; /* without tickets, for their failures; the rest are forgotten */

struct sched_host {
	struct heap_node node; /* among the ready, while it could run one */
	struct heap origins;   /* that could run one */
	struct semaphore slots;
	uint64_t n_origins;    /* the last one frees it */
	char name[];
};

struct sched_origin {
	struct heap_node node;   /* in host->origins */
	struct heap_node timed;  /* in probes, while it waits for its next probe */
	struct list trouble;     /* in troubled: it has failed */
	struct list idle;        /* in idle: troubled, without tickets */
	struct list leaving;     /* see scheduler.c */
	struct sched_host *host;
	struct heap queue;       /* of tickets */
	struct breaker breaker;
	struct ticket *probe;    /* that runs; NULL */
	char *cause;             /* owned: of the last failure; NULL: none */
	uint64_t tickets, running; /* that name it, and that hold a connection */
	size_t leaving_at;
	char name[];
};

struct origins {
	struct map hosts, by_name;
	struct heap ready;     /* hosts */
	struct heap probes;    /* origins, by the time of their next probe */
	struct list troubled, idle; /* oldest first */
	unsigned n_idle;
};

void origins_init(struct origins *all);
void origins_done(struct origins *all);
struct ticket *origin_ticket(const struct heap_node *n); /* NULL of NULL */
/* Which of two tickets is first. */
bool origin_ticket_before(const struct heap_node *a, const struct heap_node *b);
struct sched_host *origins_host(const struct origins *all, const char *name); /* NULL: none */
/* The first of the ready hosts, and the origin and ticket whose turn it is there. */
struct sched_host *origins_ready(const struct origins *all);
struct sched_origin *origins_first(const struct sched_host *h);
struct sched_origin *origins_find(const struct origins *all, const char *name);
/* Made when it is new; host_limit gives the limit of a host that is. */
struct sched_origin *origins_get(struct origins *all, const char *name, uint64_t (*host_limit)(const char *host, void *arg),
    void *arg);
/* May a ticket of it begin now, as far as its breaker is concerned? */
bool origin_lets(const struct sched_origin *o, uint64_t now_ms);
/* After its queue, its breaker or the slots of its host changed. */
void origin_update(struct origins *all, struct sched_origin *o);
void origin_host_update(struct origins *all, struct sched_host *h);
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
