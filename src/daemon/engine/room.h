/*
 * Filesystems that jobs write to: how much room each has, as workers say who look at
 * it (statvfs(2) may block), and the jobs that wait there until it has more.  What a
 * job needs, and what becomes of it, is space.c's.  Callers: space.c, engine.c.
 */
#pragma once

#include "daemon/engine/download.h"

/* One filesystem that jobs write to. */
struct room {
	struct list link;      /* engine->rooms */
	struct engine *engine; /* borrowed */
	const char *root;      /* borrowed from roots: one that lies on it */
	dev_t dev;
	struct space space;
	struct pool_task look; /* busy: a worker was asked */
	uint64_t look_written; /* space.written then */
	uint64_t looked_ms;    /* of the last answer; 0: none yet */
	struct list waiting;   /* struct entry */
	struct list asking;    /* those whom the last look may let go on */
	uint64_t budget;       /* bytes for them */
	struct loop_timer again;
	struct loop_deferred releasing;
	uint64_t pause_ms;
	bool soon;             /* `again` rings for an event */
	bool full;             /* a write has failed: one job tries before the others may */
	bool quota;            /* it is full for us, by a quota */
	bool released;         /* the last look has let a job go on */
	struct result why;     /* of those that were not begun; outlives the jobs' waiting */
	uint64_t probe;        /* the id of that job; 0: none */
};

/* That of a destination; NULL: it lies beneath no root. */
struct room *room_of(struct engine *e, const char *output);
/* Asks for new numbers; space_looked() comes when they are there, before anybody
 * goes on. */
void room_look_if_old(struct room *room);
/* The numbers are of another time, or there are none. */
bool room_is_old(const struct room *room);
bool room_has_waiting(const struct room *room);
/* Another download of it than d, which may end and leave room. */
bool room_others_run(const struct room *room, const struct download *d);
/* The job is blocked and waits there. */
void room_wait(struct room *room, struct entry *en);
/* The disk has refused this job's bytes, by a quota or for want of room: others wait for
 * one that tries. */
void room_refused(struct room *room, const struct entry *en, bool quota);
/* It takes bytes again. */
void room_opened(struct room *room);
/* The job has ended; its download, if it has one, is still there. */
void rooms_job_ended(const struct entry *en);
/* No answer of a worker is waited for any more. */
void rooms_stop(struct engine *e);
/* The pool is gone already. */
void rooms_done(struct engine *e);
