/*
 * One program that runs for a job: in a process group of its own, with three pipes and
 * an environment that says little.  It is over when its process has ended; what is left
 * of its group goes with it, whatever still holds a pipe.  Caller: serve.
 */
#pragma once

#include "daemon/loop/loop.h"
#include "wire/spawn_msg.h"

struct program;

struct program_ops {
	void (*on_line)(struct text line, void *arg);
	/* Once, from the loop; the program may be freed here. */
	void (*on_end)(const struct spawn_end *e, void *arg);
};

/* 0, or -errno (ENOENT: no such program) with nothing started.  What run points to
 * is not needed afterwards. */
int program_start(struct loop *l, const struct spawn_run *run, const struct program_ops *ops, void *arg,
    struct program **ret) MUST_CHECK;
/* SIGTERM to its group, and SIGKILL when that does not help; on_end follows. */
void program_kill(struct program *p);
/* One that still runs is killed at once. */
void program_free(struct program *p);
