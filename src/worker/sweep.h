/*
 * What an earlier life of the same service left behind, because it was stopped or
 * killed or the power went.  The names say whose the files are: those of other
 * instances are not touched.  A part whose map shows that it can be gone on with
 * is told of and stays; everything else goes.  Caller: filework, in the sync lane.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "worker/dirs.h"

enum { SWEEP_FOUND_MAX = 4096 }; /* downloads that are told of; more go */

/* dir: with its .haul open; part: the name of a part of this life.  FOUND messages
 * of this task are appended to found. */
void sweep_dir(struct dir *dir, const char *part, uint64_t task_id, struct buf *found);
