/*
 * What clients ask of groups and of everything: looking, pausing, settings.  The
 * structs are group.h's.  Callers: control, service, once.
 */
#pragma once

#include "daemon/engine/engine.h"

struct group;

enum { GROUPS_MADE_MAX = 1000 }; /* that clients made and nobody removed */

struct group_view {
	const char *name;
	const char *parent;      /* NULL: none */
	const struct spec *spec; /* its settings; borrowed, like the names, until the turn is over */
	bool configured, made, paused;
	bool atomic;             /* published as a whole */
	bool open;               /* clients that may only submit may add members */
	bool held;               /* it, or one around it, is paused, or everything is */
	uint64_t running;        /* members on the network */
	uint64_t live;           /* members that are not over */
	const uint64_t *counts;  /* _JOB_STATE_MAX, see group.h */
	uint64_t deadline_in_ms; /* 0: none runs */
	const struct result *ending; /* NULL: it is not being ended */
	int64_t started_s;       /* 0: nothing of this run has started */
};

/* In the order of their names; "" is before the first; false: there are no more. */
bool engine_next_group(const struct engine *e, const char *name, struct group_view *ret);
/* False: there is none. */
bool engine_group(const struct engine *e, const char *name, struct group_view *ret);
/* Is the job a member of that group, or of one within it? */
bool engine_is_in_group(const struct engine *e, uint64_t id, const char *group);

/* A client may not add this job: its group is published as a whole, or it would write
 * into the directory of one that is. */
bool engine_refuses_job(const struct engine *e, const struct spec *job, struct result *why);
/* A client that may only submit may not add members to this group: its failures would end
 * jobs of others there, or in a group around it, and no allow-submit says that it may.  Of a
 * group that a request made with its jobs: when these are of another user. */
bool engine_refuses_member(const struct engine *e, const char *group, uint32_t uid, struct result *why);
/* Where a member of such a group is published to at first: newly allocated; NULL: it is
 * none. */
char *engine_stage_of(const struct engine *e, const struct spec *job);
/* How many clients made, to stay. */
size_t engine_groups_made(const struct engine *e);

/* A group of a client's, made when there is none, or one of the configuration: these
 * settings count, and those of drop (by id; NULL: none) are the configuration's again. */
void engine_set_group(struct engine *e, const char *name, const struct spec *settings, const bool *drop);
/* The same for one that goes with its jobs; one that is there stays as it is.  Until
 * they are there it stays for the caller's sake, and is that user's. */
void engine_make_scope(struct engine *e, const char *name, const struct spec *settings, uint32_t uid);
void engine_leave_scope(struct engine *e, const char *name);
/* What a client made or set goes.  False: it has members that are not over. */
bool engine_remove_group(struct engine *e, const char *name);
/* Nothing of it starts from now on; what runs is parked, and goes on from there. */
void engine_pause_group(struct engine *e, const char *name, bool paused);
/* The same for everything. */
void engine_pause_all(struct engine *e, bool paused);
bool engine_is_paused(const struct engine *e);
/* Jobs are being added whose runs do not end before the last of them was. */
void engine_adding(struct engine *e, bool more);
