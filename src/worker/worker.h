/*
 * The worker: one process of hauld's pool.  Requests come as frames on one
 * descriptor, answers leave on another (wire/work_msg.h); files are opened by
 * name beneath their roots, file data never crosses the pipes.
 *
 * The main thread interleaves all tasks, one bounded slice each in turn; what
 * waits for a disk is the sync lane's (lane.h).
 */
#pragma once

#include <stdint.h>

#include "wire/work_msg.h"

enum {
	WORKER_TASKS_MAX = 100000, /* at one time */
};

/* Works until fd_in ends (returns 0) or says what cannot be understood (1).
 * page (may be NULL) is where the worker tells what it is at.  Both descriptors
 * are made non-blocking and stay the caller's. */
int worker_run(int fd_in, int fd_out, struct work_page *page);

/* The page on WORK_FD_PAGE.  It is a help, not a need: NULL when there is none. */
struct work_page *worker_map_page(void);

/* For tests of the pool: called when a slice of a task starts; NULL otherwise. */
extern void (*worker_test_hook)(uint64_t id, const struct task_msg *t);
