/*
 * Write-back of one growing file: windows of it are handed to the disk early and
 * waited for in the sync lane, so that the bytes that are written but not on the
 * disk stay bounded and the last sync is short (DESIGN 2, item 2).
 *
 * An error seen here is seen by nobody else (the kernel reports a failed
 * write-back once per descriptor), so it fails the task and the file is never
 * synced again.
 */
#pragma once

#include "worker/lane.h"

enum { WRITEBACK_WINDOW = 8 << 20 };

struct writeback {
	int fd;              /* borrowed from the task */
	uint64_t want_start; /* hand over up to here, without waiting */
	uint64_t want_clean; /* wait for everything before this */
	uint64_t window;     /* longest stretch waited for at once, bytes */
	uint64_t started, clean;
	uint64_t wait_ns;    /* spent waiting; the owner takes it out */
	int error;           /* -errno of the first failure, 0 */
	bool busy;           /* the job is in the lane */
	struct lane_job job;
	/* What the lane is to do, and its answer; its own while busy. */
	uint64_t start_to, wait_to, ns;
	int result;
};

/* sync_file_range(2) of the bytes from one offset up to another: 0 or -errno, which is
 * to fail the file.  Some filesystems do not know the call; then there is nothing to
 * wait for. */
int writeback_range(int fd, uint64_t from, uint64_t to, unsigned flags) MUST_CHECK;
/* done: called in the main thread after each window, after writeback_returned(). */
void writeback_init(struct writeback *w, int fd, uint64_t task_id, lane_done_cb done, void *owner);
/* Hands the next window to the lane, if there is one and none is out; true then. */
bool writeback_kick(struct writeback *w, struct lane *lane);
/* First thing in done(). */
void writeback_returned(struct writeback *w);
