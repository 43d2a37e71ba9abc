/*
 * A host: the connections that it is given (its slots), how many of the configured
 * ones it takes at present (adapt.h), and how often a request may begin (spacing.h).
 * It is there while an origin names it, and rests for as long as it has something to
 * remember.  Only sched sees this.
 */
#pragma once

#include "daemon/sched/adapt.h"
#include "daemon/sched/lane.h"
#include "daemon/sched/semaphore.h"
#include "daemon/sched/spacing.h"

struct origins;

struct sched_host {
	struct sched_bay bay;    /* open while a slot is free and a request may begin */
	struct semaphore slots;  /* with the limit that it has now */
	uint64_t most;           /* the limit as configured */
	struct adapt adapt;
	struct spacing spacing;
	struct heap_node timed;  /* in origins->timed: tickets wait for it, and it opens by itself */
	uint64_t at_ms;          /* of timed */
	struct list resting;     /* in origins->resting: no origin names it */
	uint64_t n_origins, queued; /* that name it; tickets in their lanes */
	char name[];
};

/* What the configuration says of a host: of sched_ops, and its argument. */
struct host_rules {
	uint64_t most, interval_ns;
};
typedef struct host_rules (*host_rules_cb)(const char *host, void *arg);

/* Of a heap of hosts by at_ms. */
bool host_sooner(const struct heap_node *a, const struct heap_node *b);
struct sched_host *host_get(struct origins *all, const char *name, host_rules_cb rules, void *arg);
void host_free(struct sched_host *h);
/* An origin more names it, or one less: the last one may free it. */
void host_hold(struct sched_host *h);
void host_release(struct origins *all, struct sched_host *h);
/* The configuration changed. */
void host_set_rules(struct origins *all, struct sched_host *h, const struct host_rules *rules);
/* After its slots, its queue or what it remembers changed. */
void host_update(struct origins *all, struct sched_host *h);
/* A slot is taken, and a request begins. */
void host_take(struct origins *all, struct sched_host *h);
/* Those whose time has come. */
void hosts_due(struct origins *all, uint64_t now_ms);
