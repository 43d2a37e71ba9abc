/*
 * A job: its spec, where it is, and how it ended.  One function moves it from
 * state to state, checked against a table (DESIGN I2).  The engine owns jobs, a
 * million of them at a time: what only some have is not in the struct itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "model/result.h"
#include "model/spec.h"

enum job_state { /* DESIGN 4; the numbers are in databases: never reuse one */
	JOB_QUEUED = 0,
	JOB_BLOCKED = 1, /* waits for a time or a thing; the engine knows why */
	JOB_ACTIVE = 2,
	JOB_PAUSED = 3,  /* by a user, until resumed */
	JOB_DONE = 4,
	JOB_FAILED = 5,
	JOB_CANCELLED = 6,
	_JOB_STATE_MAX
};

enum job_phase {
	PHASE_NONE,
	PHASE_CONNECT,
	PHASE_DOWNLOAD,
	PHASE_VERIFY,
	PHASE_DECOMPRESS,
	PHASE_PUBLISH,
	PHASE_HOOK,
	_PHASE_MAX
};

#define JOB_NO_UID UINT32_MAX

/* Root and the service's user may do everything (DESIGN 7). */
static inline bool
uid_may_all(uint32_t uid)
{
	return uid == 0 || uid == geteuid();
}

struct job {
	uint64_t id;
	struct spec *spec; /* ref */
	const struct result *result; /* of the last attempt; how it ended; never NULL; see job_set_result() */
	uint64_t started_ms, ended_ms; /* monotonic; 0: not yet */
	uint64_t received;    /* bytes of the attempt that counted */
	uint64_t published;   /* size of the file under its name */
	int64_t added_s;      /* Unix time */
	uint32_t uid;         /* of the client that added it; JOB_NO_UID: nobody's */
	unsigned attempts;    /* that were begun */
	enum job_state state : 8;
	enum job_phase phase : 8; /* of JOB_ACTIVE */
	bool from_config;     /* desired state: reload decides on it */
	uint16_t source;      /* which of its urls is tried, or was last */
	bool owns_result;     /* else it is one that outlives the job */
};

void job_init(struct job *j, uint64_t id, struct spec *spec);
void job_done(struct job *j);
/* An ended job that failed or was cancelled begins anew. */
void job_restart(struct job *j);
/* A copy of it; of an empty one none is made. */
void job_set_result(struct job *j, const struct result *r);
/* The same for one that many jobs have and that outlives them: it is borrowed. */
void job_share_result(struct job *j, const struct result *r);
/* The one mover.  A change that the table does not allow is a broken
 * invariant of ours. */
void job_set_state(struct job *j, enum job_state to);
bool job_state_can(enum job_state from, enum job_state to);
bool job_is_over(const struct job *j);
/* Of two ids (uint64_t), for qsort() and bsearch(). */
int job_compare_ids(const void *a, const void *b);
const char *job_state_to_string(enum job_state s); /* "queued" */
const char *job_phase_to_string(enum job_phase p); /* "download" */
/* What people call it: its name, else the last part of its destination. */
const char *job_label(const struct job *j);
