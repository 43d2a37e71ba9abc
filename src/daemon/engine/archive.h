/*
 * Jobs of clients that are over: the last ones stay in memory, the others leave
 * it when the store has their end, and are looked up in the history.  Here is what
 * hauld still knows of these, their names and how many there are, and how they come
 * back.  Callers: service, control.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/engine.h"
#include "daemon/store/history.h"
#include "daemon/store/store.h"

enum {
	ARCHIVE_IN_MEMORY = 1000,         /* ended jobs that stay */
	ARCHIVE_FETCH_BYTES = 16 << 20,   /* of the jobs of one request */
};

struct archive;

/* All borrowed; the store may be set later. */
struct archive *archive_new(struct loop *l, struct engine *e, struct history *h);
void archive_free(struct archive *a);
void archive_set_store(struct archive *a, struct store *s);

/* The arrows from the engine, before the store is told of the end, and behind that. */
void archive_on_end(struct archive *a, const struct job *j);
void archive_on_stored(struct archive *a, const struct job *j);
/* It is to be deleted, in memory or not: the store is told. */
void archive_delete(struct archive *a, uint64_t id);
/* That was done, though the history may have been read before it was. */
bool archive_is_deleted(const struct archive *a, uint64_t id);
/* Those from the store; see there. */
void archive_on_named(struct archive *a, uint64_t id, const char *name, size_t n);
void archive_on_ended(struct archive *a, const struct store_ended *n);
void archive_on_expired(struct archive *a, uint64_t id);

/* A job, in memory or not, has the name: its id, or 0. */
uint64_t archive_find_name(const struct archive *a, const char *name);
/* No job has left the memory, or none of these is kept any more. */
bool archive_is_empty(const struct archive *a);
uint64_t archive_past(const struct archive *a); /* how many these are */
/* How many jobs there are in each state, those of the history with them.  Changes
 * that the store does not have yet may be missing or doubled in it. */
void archive_count(const struct archive *a, uint64_t *counts);

/* Jobs out of the history. */
struct past_job {
	struct job job;
	struct receipt *receipt; /* owned */
	uint64_t run_ms;
	bool gone; /* removed or brought back since */
};

/* error: NULL, or why they cannot be looked up: a sentence, safe to show. */
typedef void (*fetch_cb)(const char *error, void *arg);

/* Embedded by the caller, zeroed before use. */
struct fetch {
	struct list link;        /* of the archive's fetches */
	struct archive *archive; /* NULL: not in use */
	struct question question;
	struct past_job *jobs;   /* owned: n_jobs, in the order of ids */
	uint64_t *ids;           /* owned: n_ids, sorted, that were asked for */
	size_t n_jobs, n_ids, bytes;
	uint64_t gone;           /* the id that was removed last while it was asked for */
	bool too_large;
	fetch_cb cb;
	void *arg;
};

/* cb once, from the loop; the ids need not be sorted; at most READ_IDS_MAX. */
void archive_fetch(struct archive *a, struct fetch *f, const uint64_t *ids, size_t n, fetch_cb cb, void *arg);
/* No callback comes any more, and its jobs are freed; safe on one that is not in use. */
void fetch_done(struct fetch *f);
/* NULL: it was not there, or is not any more. */
const struct past_job *fetch_find(const struct fetch *f, uint64_t id);
/* It was asked for, and what was found still holds. */
bool fetch_knows(const struct fetch *f, uint64_t id);
/* As it is shown. */
void past_job_view(const struct past_job *p, struct engine_view *ret);

/* It is in memory again, over as it was; the job must not be there. */
void archive_bring_back(struct archive *a, const struct past_job *p);
/* How often jobs came back: a list that was read meanwhile may have missed one. */
uint64_t archive_returns(const struct archive *a);
