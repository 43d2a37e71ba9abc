/*
 * The sync lane: one more thread of the worker, for calls that wait for a disk
 * for as long as it likes (sync, rename, unlink, copies).  The main thread hands
 * jobs over and takes them back; a job out there is the lane's alone.
 *
 * Jobs with a batch function are run together: all that wait at that moment in
 * one call.  They and the single jobs take turns, so that neither starves.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "wire/work_msg.h"

struct lane;
struct lane_job;

enum { LANE_BATCH_MAX = 1024 };

/* In the lane. */
typedef void (*lane_run_cb)(struct lane_job *job);
typedef void (*lane_batch_cb)(struct lane *lane, struct lane_job **jobs, unsigned n);
/* In the main thread, when the job is back. */
typedef void (*lane_done_cb)(struct lane_job *job);

struct lane_job { /* in a struct of the caller's */
	struct list link;
	uint64_t id;         /* of the task, for the shared page */
	lane_run_cb run;     /* this or batch */
	lane_batch_cb batch; /* the same function for all jobs that have one */
	lane_done_cb done;
	void *owner;         /* for done; the lane does not look at it */
};

/* page (may be NULL) is where the lane says what it is at. */
struct lane *lane_new(struct work_page *page);
/* Only when lane_is_idle(). */
void lane_free(struct lane *l);
/* Readable when jobs are done. */
int lane_fd(const struct lane *l);
/* The thread is started with the first job. */
void lane_submit(struct lane *l, struct lane_job *job);
/* Calls done() of all jobs that came back. */
void lane_collect(struct lane *l);
bool lane_is_idle(const struct lane *l);

/* For batch functions: the lane is at this task now (l may be NULL). */
void lane_at(struct lane *l, uint64_t id);
