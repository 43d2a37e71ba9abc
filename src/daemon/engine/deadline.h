/*
 * Deadlines of jobs: when one passes, the job ends, wherever it is.  A timer and a heap
 * for all, and another of each for those that are moments; a job without a deadline has no
 * place in them.  It counts from when the job was added, over restarts too, and from now
 * when it is retried.
 * Callers: plan.c, door.c, commands.c.
 */
#pragma once

#include "daemon/engine/plan.h"

/* The job begins, in this life or anew. */
void deadline_begin(struct entry *en);
void deadline_restore(struct entry *en);
/* An earlier life has begun it at that time; before deadline_restore(). */
bool deadline_is_noted(const struct entry *en);
void deadline_retry(struct entry *en);
/* It had that of `was` until now: the new one counts from the same moment. */
void deadline_change(struct entry *en, const struct spec *was);
/* It goes, or is over; of what is over for good (not interrupted) the note goes, too. */
void deadline_leave(struct plan *p);
void deadline_over(struct plan *p);
/* Milliseconds until it passes; 0: it has none, or that is over. */
uint64_t deadline_left(const struct entry *en);
/* notes.h: a job was retried in an earlier life. */
void deadline_restore_note(struct engine *e, const char *id, const void *data, size_t n);

void deadlines_init(struct engine *e);
void deadlines_done(struct engine *e);
