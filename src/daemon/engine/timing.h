/*
 * Jobs that wait for a time, and jobs that come again.  What their settings say is in
 * model/schedule.h; here are the timer, one for all, and the runs.
 *
 * A job that comes again keeps its id.  Each of its runs is a life from queued to an
 * end, told and waited for as any other; between two runs it is over, done or failed
 * as its last one was, and has a next time.  Its row in the store says when that is,
 * so a time that passed while there was no hauld is made up for once.
 * Callers: door.c, commands.c, engine.c, plan.c, ended.c.
 */
#pragma once

#include "daemon/engine/download.h"

struct plan;
struct gate;

/* At plan->timing. */
struct timing {
	struct heap_node node; /* of engine->timings: next_ms is waited for */
	struct entry *entry;
	struct runs runs;
	int64_t began_ms;      /* wall clock: when the last one began; 0: none in this life */
	bool recurs;           /* not without a service */
};

void timings_init(struct engine *e);
void timings_done(struct engine *e);
/* A new entry: it gets its timing if its settings say so. */
void timing_init(struct entry *en);
/* As an earlier life knew it (may be NULL); taken. */
void timing_restore(struct entry *en, struct runs *runs);
void timing_free(struct plan *p);

/* The gate; it opens in timing_look() and nowhere else, so that whoever only looks at
 * the job takes nothing from the alarm. */
bool timing_is_early(const struct plan *p, struct gate *ret);
/* Before who moves the job asks the gates: its run begins if its time has come. */
void timing_look(struct entry *en);
/* Its run begins, whatever time it is. */
void timing_starts(struct entry *en);
/* It has just ended: its next time.  unchanged: it found no other file. */
void timing_ended(struct entry *en, const struct result *r, bool unchanged);
/* It goes: in this turn already its time does not come any more. */
void timing_forget(struct entry *en);
/* The next run is waited for as a job that has not begun: paused, or to be cancelled. */
void timing_waits(struct entry *en);
/* Unix time: when its run began; now, if that was in another life. */
int64_t timing_began_s(const struct entry *en);
/* It has not begun because of its time. */
bool timing_is_waiting(const struct entry *en);
/* It is over and comes again. */
bool timing_comes_again(const struct entry *en);
/* NULL: nothing is known of runs. */
const struct runs *timing_runs(const struct entry *en);
/* The same for the next life: which is to know, too, of one run before its time has come. */
const struct runs *timing_kept(const struct entry *en);
