/*
 * Groups that are published as a whole: a set of files that becomes a directory by one
 * rename.  Members are fetched, verified and published into the stage, a directory
 * beside the one that the group owns; who is done waits (group-publish).  When all
 * members are there, those of earlier runs included, the intent is put into the store
 * and a worker exchanges the two (TASK_SWAP).  One that failed leaves the old directory
 * as it is: then those that waited end as sibling-failed, and what they fetched stays
 * in the stage for the next run.  Members that come while it is published begin behind it.
 * Callers: group.c, download.c, engine.c, commands.c, keep.c.
 */
#pragma once

#include "daemon/engine/group.h"

struct set;

/* How a member that waits will end; owned by its download. */
struct outcome {
	struct result result;
	struct result_msg work;
	struct job_receipt receipt; /* its work is the one above, or NULL */
	bool live;                  /* the file is the one that stands in the directory */
};

/* Of a group whose settings ask for it, made anew; else there is none. */
void set_take_settings(struct group *g);
void set_free(struct set *s);
/* Where the job is published to: newly allocated; NULL: where it says. */
char *set_output(const struct engine *e, const struct spec *job);
/* Nobody but members writes to a directory that a group owns: true, and why. */
bool set_refuses(const struct engine *e, const struct spec *job, struct result *why);

/* It is to end like this.  True: it waits for the others, and engine_finish() comes again. */
bool set_holds(struct download *d, const struct result *r, const struct job_receipt *receipt);
/* It waits no more, whatever it is to become.  False: too late, the set is being published. */
bool set_drop(struct download *d);
/* An earlier life exchanged the directories and could not say so: true, and d has ended or waits. */
bool set_was_swapped(struct download *d);
/* It begins anew: what an earlier life was about to publish is no end of this run. */
void set_forget_intent(const struct entry *en);
/* What stands in the directory is to be looked at, before what is in the stage: once. */
bool set_looks_at_live(struct download *d);
/* The directory, opened; -1: there is none yet.  The caller closes it. */
int set_open_live(const struct download *d);
/* The directory, relative to d's root. */
const char *set_live_dir(const struct download *d);
/* A run begins: those that ended only because another failed begin anew with it. */
void set_begin(struct group *g);
/* It is over, and the store knows how each ended: nothing is intended any more. */
void set_end_run(struct group *g);
/* Some member has ended, or all were added: perhaps it is whole now. */
void set_ask(struct group *g);
/* It is being published, or is about to be: its group stays. */
bool set_is_busy(const struct set *s);
void set_note_restore(struct engine *e, const char *name, const void *data, size_t n);
