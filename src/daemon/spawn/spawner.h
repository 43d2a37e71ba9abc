/*
 * hauld's side of hauld-spawn, which runs programs for jobs: at most so many at once,
 * the others in the order in which they were asked for.  It is the one behind a socket
 * of systemd's, outside of hauld's sandbox, or, where there is no such socket, a child
 * of hauld's own; either is there only while something is to be run.  What ran when it
 * dies has failed: nobody knows what it did.  Callers: engine (hook), service.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/loop/child.h"
#include "daemon/loop/loop.h"
#include "wire/spawn_msg.h"

struct spawner;
struct spawn_given; /* one that hauld-spawn has */

struct spawner_options {
	const char *path;   /* of hauld-spawn; borrowed */
	const char *socket; /* of systemd's; borrowed; NULL: a child of our own */
	unsigned most;      /* programs at once */
};

struct spawn_outcome {
	bool good;          /* it ended with status 0, in time */
	char text[SPAWN_TEXT_MAX + 1]; /* else what happened, a clause: "exit status 3" */
	struct text answer; /* of one that answers; borrowed for the call */
	bool cut;           /* there was more */
};

/* All from the loop, and never from inside a function of the spawner. */
struct spawn_ops {
	/* Its turn has come: spawn_put_run() under this id. */
	void (*put)(struct buf *out, uint64_t id, void *arg);
	void (*on_line)(const char *line, void *arg); /* safe to show */
	void (*on_end)(const struct spawn_outcome *o, void *arg);
};

/* One program, embedded in what it is run for; zeroed at first. */
struct spawn_task {
	struct list link;
	struct spawner *spawner;  /* NULL: nothing is asked for */
	struct spawn_given *given;
	bool waits;               /* for its turn */
	uint64_t timeout_ms;
	const struct spawn_ops *ops;
	void *arg;
};

struct spawner *spawner_new(struct loop *l, struct children *c, const struct spawner_options *o);
void spawner_free(struct spawner *s);
void spawner_set_most(struct spawner *s, unsigned most);
void spawner_submit(struct spawner *s, struct spawn_task *t, uint64_t timeout_ms, const struct spawn_ops *ops, void *arg);
/* No callback comes any more; a program that runs is killed.  Safe on one that is over. */
void spawner_drop(struct spawn_task *t);
/* Nothing is run any more; on_stopped when the last program and hauld-spawn have ended. */
void spawner_stop(struct spawner *s, loop_cb on_stopped, void *arg);
/* How many run. */
unsigned spawner_running(const struct spawner *s);
