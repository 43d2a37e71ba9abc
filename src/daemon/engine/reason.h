/*
 * Why a job waits, or is slow, with what there is to say about it: numbers, names and
 * the jobs that are in its way.  Words are those of DESIGN 4; the sentences are
 * control's (why.c).  Caller: control.
 */
#pragma once

#include "daemon/engine/engine.h"

enum { REASON_JOBS_MAX = 8 };

enum reason_rate { /* whose limit */
	REASON_RATE_OWN,
	REASON_RATE_HOST,
	REASON_RATE_GROUP,
	REASON_RATE_ALL,
};

struct engine_reason {
	char word[160];        /* "host-limit", "after:geoip"; of an active job what holds it; "": nothing */
	uint64_t wait_ms;      /* until it goes on by itself; 0: not known */
	bool has_origin;
	struct sched_origin_view origin; /* where it waits or runs; its strings are borrowed for now */
	uint64_t jobs[REASON_JOBS_MAX];  /* that are in its way, or that it waits for */
	unsigned n_jobs;
	bool more_jobs;
	const char *root;      /* of its filesystem, borrowed; NULL: not known yet */
	uint64_t need, available, kept;  /* bytes it waits for (0: any), that it may have, that stay free */
	uint64_t unflushed, unflushed_max;
	const char *group;     /* that is full or paused; borrowed for now; NULL: none is */
	uint64_t group_used, group_limit; /* of one that is full */
	uint64_t memory, memory_used, memory_limit; /* for decoders; memory: what it may need */
	uint64_t rate;         /* the limit that binds it, bytes a second; 0: none */
	enum reason_rate rate_of;
	uint64_t transfers, transfers_max, verifying, verifying_max;
	const char *hook;      /* the setting of the program that it waits for; static; NULL: none */
	bool hook_waits;       /* that has not begun: so many run, of all jobs */
	unsigned hooks;
};

/* False: there is no such job. */
bool engine_reason(const struct engine *e, uint64_t id, struct engine_reason *ret);
