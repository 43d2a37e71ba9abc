/*
 * What workers do for the engine beside the jobs: sweeping directories for what
 * earlier lives left, and throwing away files that no download has any more.
 * The engine is not idle before they are done.  Only engine.c's own files see
 * this.
 */
#pragma once

#include "daemon/engine/engine.h"

struct download;

/* Unlinks these names in .haul ("": none) of a directory beneath a root. */
void errand_discard(struct engine *e, const char *root, const char *dir, const char *part, const char *out,
    const char *map);
/* The same for a map, when the store knows how the job ended. */
void errand_drop_map(struct engine *e, const char *root, const char *dir, const char *map);
/* The directory of this destination is being swept. */
bool errand_sweeps(const struct engine *e, const char *output);
/* The directory of its destination is being swept: it waits, and is queued again
 * afterwards, or ends with kept_ended().  false: it is not. */
bool errand_wait_for_sweep(struct download *d);
/* hauld is about to end: what no worker can be started for is left to the next life's sweep. */
void errand_hurry_all(struct engine *e);
/* Frees what is left; nothing runs any more. */
void errand_done(struct engine *e);
