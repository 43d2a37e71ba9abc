/*
 * One worker process as hauld sees it: its pid and channel, its page, the tasks it
 * has.  Caller: pool.
 */
#pragma once

#include <sys/types.h>

#include "daemon/loop/helper.h"
#include "wire/work_msg.h"

struct worker_proc {
	struct list link;
	void *pool;          /* borrowed: for the callbacks */
	unsigned number;     /* for the log, from 1 */
	struct helper helper;
	struct work_page *page; /* owned mapping */
	struct list tasks;   /* struct pool_task */
	unsigned n_tasks, n_heavy;
	bool greeted;        /* its HELLO came */
	bool echoes;         /* what only hauld says: it is no worker */
	bool pinged;         /* asked whether its loop turns, no answer yet */
	uint64_t started_ms;
	uint64_t heard_ms;   /* when its last message came, or the ping left */
	bool exclusive;      /* runs one suspected task alone */
	bool doomed;         /* killed by us, or at its end, or deaf: gets no more tasks */
	const char *reason;  /* why we killed it; static; NULL: its status says */
	uint64_t culprit;    /* task id that was named at that moment */
};

struct worker_proc_ops {
	int (*on_message)(const struct message *m, void *worker);
	/* It is over. */
	void (*on_dead)(struct worker_proc *w);
};

/* 0, or -errno. */
int worker_proc_start(struct loop *l, struct children *c, const char *path, unsigned number,
    const struct worker_proc_ops *ops, void *pool, struct worker_proc **ret) MUST_CHECK;
/* Only of a dead one, or at the end of everything (then it is killed). */
void worker_proc_free(struct worker_proc *w);
/* SIGKILL; on_dead follows. */
void worker_proc_kill(struct worker_proc *w, const char *reason);
/* The task it is in now, 0 when in none. */
uint64_t worker_proc_at(const struct worker_proc *w);
/* Milliseconds that the running slice has taken; 0 when none runs. */
uint64_t worker_proc_slice_ms(const struct worker_proc *w, uint64_t now_ns);
