/*
 * The pool of worker processes: what may block or take long is done there.
 * A task stays with one worker; when that one dies, hangs or lies, it is
 * replaced and the task is given out again after the dead one was reaped.  The
 * task that killed it runs alone the next time, and fails for good when it
 * kills a second one (DESIGN I6).  Caller: engine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/list.h"
#include "daemon/loop/child.h"
#include "wire/work_msg.h"

struct pool;
struct worker_proc;

enum {
	POOL_STRIKES = 2, /* workers a task may kill */
	POOL_DEATHS = 2,  /* workers that may die around it unnamed before it runs alone */
};

struct pool_options {
	const char *worker_path;    /* of hauld-worker; borrowed */
	unsigned workers;           /* at most so many; 0: one per CPU */
	uint64_t slice_timeout_ms;  /* a worker whose slice takes longer is killed */
	bool patient;               /* where none can be started tasks wait for one; else they fail */
};

struct pool_task_ops {
	/* Moved since the last call. */
	void (*on_progress)(const struct progress_msg *p, void *arg);
	/* Verified; waits for pool_publish(). May come again after a worker died. */
	void (*on_ready)(const struct result_msg *r, void *arg);
	/* A sweep found something; texts are borrowed. */
	void (*on_found)(const struct found_msg *f, void *arg);
	/* Once; the task is the caller's again.  From the loop. */
	void (*on_result)(const struct result_msg *r, void *arg);
};

/* Embedded by the caller; zeroed before use; busy until on_result. */
struct pool_task {
	struct list link;      /* at its worker, or waiting */
	struct list front_link; /* has a front that was not sent yet */
	struct pool *pool;
	struct worker_proc *worker; /* NULL: waits for one */
	uint64_t id;           /* 0: not in the pool */
	struct buf message;    /* owned: TASK as it is sent again after a crash */
	struct front_msg front, sent;
	unsigned given;   /* to so many workers, one after the other */
	unsigned strikes; /* workers it killed */
	unsigned deaths;  /* of workers around it, with no one named */
	bool heavy;            /* more than a small file: counts for the balance */
	bool follow, publish, cancelled, parked, alone, hurried;
	const struct pool_task_ops *ops;
	void *arg;
};

struct pool *pool_new(struct loop *l, struct children *c, const struct pool_options *o);
/* Kills what still runs; all tasks must be over. */
void pool_free(struct pool *p);
/* Workers see end of file and exit; on_stopped comes when the last one was
 * reaped, never from here. */
void pool_stop(struct pool *p, loop_cb on_stopped, void *arg);

/* Gives the task out; texts in msg are copied. */
void pool_submit(struct pool *p, struct pool_task *t, const struct task_msg *msg, bool heavy,
    const struct pool_task_ops *ops, void *arg);
/* The input is so far now; told to the worker every 512 KiB or 100 ms, and at
 * once when it is the last. */
void pool_front(struct pool_task *t, const struct front_msg *front);
void pool_publish(struct pool_task *t);
/* on_result still comes, when the worker has let go. */
void pool_cancel(struct pool_task *t);
/* The same, after the worker saved what a later life needs. */
void pool_park(struct pool_task *t);
/* Once it was submitted: where no worker can be started now it fails as internal and waits for none. */
void pool_hurry(struct pool_task *t);
static inline bool
pool_task_is_busy(const struct pool_task *t)
{
	return t->id != 0;
}
unsigned pool_workers(const struct pool *p); /* processes that run */
unsigned pool_workers_max(const struct pool *p);
unsigned pool_deaths(const struct pool *p);  /* workers that did not leave in order */

struct pool_worker_view {
	unsigned number;
	pid_t pid;
	unsigned tasks, heavy;
	uint64_t age_ms;
};
typedef void (*pool_worker_cb)(const struct pool_worker_view *v, void *arg);
void pool_each_worker(const struct pool *p, pool_worker_cb cb, void *arg);
