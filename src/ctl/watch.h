/*
 * Watching jobs until they are over: what `get` and `attach` do behind their
 * subscription.  watch.c waits for hauld, for signals and for the next frame;
 * watch_jobs.c keeps what is known of each job; watch_show.c draws it.
 *
 * A job is over here once its end was seen, in an answer or an event, whatever
 * comes first and how often.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"
#include "term/meter.h"
#include "term/progress.h"

enum watch_state { WATCH_QUEUED, WATCH_BLOCKED, WATCH_ACTIVE, WATCH_PAUSED, WATCH_DONE, WATCH_FAILED, WATCH_CANCELLED,
	_WATCH_STATE_MAX };

struct watch_job {
	struct list live;     /* on watch.live while it is active or waits for its next try */
	uint64_t id;
	enum watch_state state;
	bool heard_of;        /* hauld has told of it */
	enum progress_phase phase;
	char *label, *path, *word, *reason, *note; /* owned; NULL: "" */
	uint64_t total, received, processed, unpacked, published, rate, ms;
	uint64_t retry_at_ms; /* of the local clock; 0: it does not wait for a try */
};

struct watch {
	struct ctl *ctl;
	bool all;                /* no job was named: whatever runs */
	bool summary;            /* get: told at the end, in the order given */
	uint64_t deadline_ms;    /* 0: none */
	struct watch_job **jobs; /* owned array: named jobs in the order given */
	size_t n_jobs, size_jobs;
	struct map by_id;        /* owns the jobs */
	struct list live;
	size_t counts[_WATCH_STATE_MAX];
	size_t not_needed;       /* of the cancelled ones: no failure of anything */
	size_t left;             /* named jobs that are not over */
	uint64_t ended_bytes, started_ms;
	uint64_t arrived;        /* bytes that came while we watched: what the rate is made of */
	uint64_t totals[_WATCH_STATE_MAX]; /* of hauld, as it said last */
	bool has_totals;

	/* requests whose answers are awaited; 0: none */
	uint64_t subscribe_id, list_id, status_id;
	uint64_t subscription;
	uint64_t list_last;      /* the largest id that a list shall reach */
	bool status_again;       /* something happened since the status was asked for */
	bool is_synced;          /* the subscription stands, and what came before it is known */
	bool idle;               /* all: nothing runs any more */
	int status;              /* of an error that ends it; CTL_OK: none */

	/* watch_show.c */
	struct progress progress;
	struct meter meter;
	struct progress_row *rows; /* owned */
	size_t size_rows;
	struct buf frame;        /* what the terminal has not taken yet */
	int tty_fd;              /* owned; -1: lines that do not move */
};

/* Without ids (n 0): the jobs of the command line; and without those, all.
 * Returns the exit status; *ret_refused: a job failed because the service may
 * not write there. */
int watch_run(struct ctl *c, const uint64_t *ids, size_t n, bool summary, bool *ret_refused);

/* ---- watch_jobs.c */
void watch_jobs_init(struct watch *w);
void watch_jobs_done(struct watch *w);
/* A job that is waited for; known already: nothing. */
void watch_jobs_add(struct watch *w, uint64_t id);
/* What hauld says of a job; named ones only, unless all are watched.  False:
 * it is none of them, or was over before. */
bool watch_jobs_update(struct watch *w, const json_t *job);
/* The event of a try that failed. */
bool watch_jobs_retry(struct watch *w, const json_t *event);
/* "totals" of a progress event, "jobs" of a status. */
void watch_jobs_totals(struct watch *w, const json_t *totals);
/* "1.0 GiB of zstd unpacked, sha256 ok" for the summary, from a full job object. */
void watch_jobs_note(struct watch_job *j, const json_t *full);

/* ---- watch_show.c */
void watch_show_init(struct watch *w);
void watch_show_done(struct watch *w);
/* A job is over, or will be tried again. */
void watch_show_end(struct watch *w, const struct watch_job *j);
void watch_show_retry(struct watch *w, const struct brief *b, uint64_t delay_ms);
/* Draws what is due; returns milliseconds until it shall be called again. */
int watch_show_frame(struct watch *w);
/* Takes the moving lines away. */
void watch_show_clear(struct watch *w);
void watch_show_summary(struct watch *w);
