/*
 * The worker's side of the map beside a part (wire/part_map.h): now and then,
 * and when it is told to park, the part is synced and the map told how far it is
 * on the disk, with the state of the digests, so that a later life of the daemon
 * goes on there.  Owned by a task; called by process.c and task.c.
 *
 * The sync runs in the lane; hashing goes on meanwhile.  One that fails fails
 * the task, and the part is never synced again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "worker/lane.h"

enum {
	CHECKPOINT_BYTES = 64 << 20, /* a slot is saved after so many ... */
	CHECKPOINT_LEAST_MS = 1000,  /* ... but not more often than that, ... */
	CHECKPOINT_MS = 10000,       /* and when the last one is so long ago */
};

struct task;

struct checkpoint {
	int map_fd;           /* owned; -1: there is no map */
	uint64_t sequence;    /* of the last slot */
	uint64_t front, ns;   /* of the part, when it was taken */
	bool parking;         /* the task ends with the next one */
	bool busy;            /* the job is in the lane */
	struct lane_job job;
	/* The lane's while busy. */
	int part_fd, haul_fd, dir_fd; /* borrowed from the task */
	bool sync, first;
	struct buf slot;      /* owned */
	int error;            /* -errno of the sync */
};

void checkpoint_init(struct checkpoint *c);
void checkpoint_done(struct checkpoint *c);
/* The part is open: opens its map, if it has one. */
void checkpoint_open(struct task *t);
/* What an earlier life hashed need not be read again: its digests' states are
 * loaded, and the input begins behind them.  Before the first byte. */
void checkpoint_load(struct task *t);
/* Takes one if it is time, and the task is the one that saves. */
void checkpoint_kick(struct task *t);
/* Takes one now; the task ends as cancelled when it is there. */
void checkpoint_park(struct task *t);
