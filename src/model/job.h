/*
 * A job: its spec, where it is, and how it ended.  One function moves it from
 * state to state, checked against a table (DESIGN I2).  The engine owns jobs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

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
	_PHASE_MAX
};

#define JOB_NO_UID UINT32_MAX

struct job {
	uint64_t id;
	struct spec *spec; /* ref */
	enum job_state state;
	enum job_phase phase; /* of JOB_ACTIVE */
	unsigned attempts;    /* that were begun */
	uint64_t started_ms, ended_ms; /* monotonic; 0: not yet */
	uint64_t received;    /* bytes of the attempt that counted */
	uint64_t published;   /* size of the file under its name */
	struct result result; /* of the last attempt; how it ended */
	uint32_t uid;         /* of the client that added it; JOB_NO_UID: nobody's */
	bool from_config;     /* desired state: reload decides on it */
	int64_t added_s;      /* Unix time */
};

void job_init(struct job *j, uint64_t id, struct spec *spec);
void job_done(struct job *j);
/* An ended job that failed or was cancelled begins anew. */
void job_restart(struct job *j);
/* The one mover.  A change that the table does not allow is a broken
 * invariant of ours. */
void job_set_state(struct job *j, enum job_state to);
bool job_state_can(enum job_state from, enum job_state to);
bool job_is_over(const struct job *j);
const char *job_state_to_string(enum job_state s); /* "queued" */
const char *job_phase_to_string(enum job_phase p); /* "download" */
/* What people call it: its name, else the last part of its destination. */
const char *job_label(const struct job *j);
