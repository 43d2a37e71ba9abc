/*
 * Parts that an earlier life of the same service left behind, because it was
 * killed or the power went: they go when a job of this life first comes to their
 * directory.  The names of parts say whose they are: those of other instances
 * are not touched, nor are those of `hauld --once`, which has one life.  Caller:
 * task.
 */
#pragma once

#include <stdint.h>

#include "worker/dirs.h"

enum { SWEEP_SEEN = 4096 };

struct sweep {
	uint64_t seen[SWEEP_SEEN];
};

/* part: the name of a part of this life; dir's .haul is open. */
void sweep_dir(struct sweep *s, const struct dir *dir, const char *part);
