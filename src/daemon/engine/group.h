/*
 * Groups as task groups (DESIGN 4): scopes that jobs run in.  A group bounds how many
 * of its members are on the network, holds them while it is paused, ends them at its
 * deadline and, when it wants that, with the first of them that fails.
 *
 * A *run* of a group begins when it gets a member that is not over while it has none,
 * and is over when the last of them has ended and its workers have let go; members of
 * groups within it are its own, too.  What a run was ended with (a failure, the
 * deadline) ends those as well that come to it before it is over.  The next job that
 * is added or retried begins the next run.
 *
 * Members find their group at their plan.  Groups are those of the configuration,
 * those that a client made, and, without any settings, those that jobs of an
 * earlier life name.  They stay while there are jobs that name them.
 * Callers: plan.c, door.c, engine.c; clients by engine_groups.h.
 */
#pragma once

#include "base/buf.h"
#include "daemon/engine/engine_groups.h"
#include "daemon/engine/plan.h"
#include "daemon/loop/alarm.h"

struct group {
	struct engine *engine;
	char *name;                  /* owned */
	struct spec *spec;           /* owned: its own settings, then the configuration's */
	struct spec *conf;           /* ref; NULL: not of the configuration */
	struct buf own;              /* packed: what clients set */
	struct group *parent;        /* borrowed: it stays while it has children; NULL: none */
	struct list children, link;  /* link: in the parent's children */
	struct sched_group *sched;   /* owned */
	struct rate rate;            /* its limit-rate */
	uint64_t counted, speed;     /* of it; limits.c */
	struct list members;         /* struct plan: that are not over */
	struct list all;             /* struct plan: these, and those that are over */
	struct set *set;             /* owned, set.h; NULL: each member is published by itself */
	struct list leaving;         /* struct plan: the same, while they are ended */
	uint64_t refs;               /* entries, children, and requests that are about to add some: */
	uint64_t making;             /* so many of these, */
	uint32_t maker;              /* the first of whom is this user's */
	uint64_t live;               /* members that are not over, of groups within it, too */
	uint64_t counts[_JOB_STATE_MAX]; /* of these; those that are over: of this run, or of the last */
	uint64_t interrupted;        /* of those that are cancelled: hauld stops, and they go on in the next life */
	bool made;                   /* by a client, to stay until it is removed */
	bool running;                /* a run is not over */
	bool paused;                 /* by a client, or by the configuration */
	bool conf_paused;            /* what the configuration said when that was taken */
	int64_t started_s;           /* of this run: its first member, by the clock on the wall; 0: none yet */
	int64_t started_ms;          /* the same by clock_now_ms(); before that began: less than 0 */
	struct result ending;        /* what this run is ended with; RESULT_OK: nothing */
	const struct spec *next_conf; /* while a configuration is taken, */
	bool takes;                  /* which is for it */
	struct loop_deferred step;
	int64_t begun_s;             /* when this run began; a deadline that is a moment is behind it */
	struct loop_timer deadline;
	struct loop_alarm moment;    /* the same, of a deadline that is one */
	struct loop_deferred keep;   /* a note at the end of the turn; or it goes */
	struct buf noted;            /* what the store knows of it */
};

void groups_init(struct engine *e);
/* All entries have gone. */
void groups_done(struct engine *e);
/* Those of the configuration, from now on. */
void groups_set_conf(struct engine *e);
/* The jobs of the earlier life are there: groups that nobody names go. */
void groups_restored(struct engine *e);

/* The job is a member of the group that its spec names, if any; from its first state
 * on, or (over) when it begins anew. */
void group_join(struct entry *en, bool over);
/* One that is over begins anew; before it is queued. */
void group_join_again(struct entry *en);
/* Its state was another before. */
void group_member_moved(struct entry *en, enum job_state from);
/* From the one finisher, when all was let go. */
void group_member_ended(struct entry *en);
/* The entry goes. */
void group_part(struct plan *p);

/* group_end.c: some member of it, or of a group within it, failed. */
void group_failed(struct group *g, const struct entry *en);
/* A member came to a group that is being ended, or to one within such a group. */
void group_check_ending(struct group *g);
/* The deadline that its settings ask for, from its start on; a moment from when the run began. */
void group_set_deadline(struct group *g);
void group_end_init(struct group *g);
void group_end_done(struct group *g);
/* Its run is over: nothing of it is ended any more. */
void group_end_forget(struct group *g);

/* group_keep.c: to the store, when it differs from what that knows. */
void group_note(struct group *g);
/* The same at the end of this turn; or it goes, when nobody needs it. */
void group_keep_soon(struct group *g);
void group_keep_init(struct group *g);
/* The group goes. */
void group_unnote(struct group *g);
/* A note of an earlier life. */
void group_note_restore(struct engine *e, const char *name, const void *data, size_t n);

/* From its first start on: in a later life, too. */
void group_begin_at(struct group *g, int64_t started_s);
/* Milliseconds; 0: it has none, or nothing has started. */
uint64_t group_deadline_in(const struct group *g);

/* group.c */
struct group *group_find(const struct engine *e, const char *name);
/* The same, made when there is none. */
struct group *group_get(struct engine *e, const char *name);
/* The first with a greater name; NULL: there is none. */
struct group *group_next(const struct engine *e, const char *name);
/* Who watches is told. */
void group_tell(const struct group *g, bool over, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Its settings anew: from what clients set and from the configuration. */
void group_take_settings(struct group *g);
/* Nobody needs it any more, perhaps: then it goes. */
void group_tidy(struct group *g);
bool group_is_held(const struct group *g); /* it, or one around it, is paused */
/* What the scheduler is to know of its pause. */
void group_set_hold(struct group *g);
/* A note that everything is paused. */
void engine_paused_restore(struct engine *e, const char *rest, const void *data, size_t n);
