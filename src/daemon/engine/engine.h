/*
 * The wiring: jobs come in by one door, go through scheduler, transfer, part
 * file and workers, and leave through one finisher.  Callers: once, service,
 * control.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/conf/conf_load.h"
#include "daemon/loop/child.h"
#include "daemon/loop/loop.h"
#include "daemon/pool/pool.h"
#include "daemon/sched/scheduler.h"
#include "daemon/xfer/transfer.h"
#include "model/algo.h"
#include "model/job.h"
#include "wire/work_msg.h"

struct engine;
struct engine_view;
struct json;

struct engine_options {
	const char *worker_path;    /* borrowed */
	const char *spawn_path;     /* of hauld-spawn; borrowed */
	const char *spawn_socket;   /* see spawner.h; borrowed; NULL: none */
	const char *default_proxy;  /* see transfer.h */
	uint64_t slice_timeout_ms;  /* see pool.h */
	bool keep_receipts;         /* engine_receipt() will be asked for */
	bool keep_sources;          /* where bytes came from is noted; sources.h */
	bool wait_for_room;         /* a job for a full disk waits until somebody makes room,
				     * else until no other job can */
	bool patient;               /* an origin, a network or a worker program that is down is waited for */
	const char *instance;       /* of a service; see stage_init(); borrowed; NULL: none */
};

/* What a watcher may want to know of an ended job, besides the job. */
struct job_receipt {
	const struct result_msg *work; /* digests, codec; NULL when no worker ended it */
	const char *proof;             /* "length", "chunked", ...; "" when none */
	struct transfer_times times;
	bool unchanged; /* the file was there already, and none came */
	const struct sources *sources; /* borrowed; NULL: none, or not noted */
};

#define RECEIPT_NOT_MODIFIED "not-modified" /* the proof when the server said so */

enum { ATTEMPTS_KEPT = 8 }; /* of a job: the last ones that failed */

/* An attempt that failed. */
struct attempt {
	unsigned number; /* from 1 */
	int64_t at_s;    /* Unix time of its end */
	enum result_code code;
	uint16_t http_status;
	char *text;      /* owned */
};

enum { RUNS_KEPT = 16 };

/* One that has ended, of a job that comes again. */
struct past_run {
	int64_t began_s, ended_s; /* Unix time; began_s 0: not in the life in which it ended */
	uint64_t bytes;           /* of the file, as far as it was fetched */
	enum result_code code;
	uint16_t http_status;
	bool unchanged;           /* it found no other file, and fetched nothing */
};

/* Of a job that comes again. */
struct runs {
	int64_t next_ms;      /* when the next one is to begin, by the wall clock; 0: none is */
	int64_t ended_s, succeeded_s; /* Unix time: of the last one, of the last that was done; 0: none */
	uint64_t count, failures; /* ended ones; those that failed since one was done */
	uint64_t unchanged;   /* those that found no other file */
	enum result_code code; /* of the last one */
	uint16_t http_status;
	bool waiting;         /* the next one was told as queued, and waits for its time */
	uint8_t n_past;
	struct past_run *past; /* owned: n_past, the oldest first; NULL: none */
};

void runs_free(struct runs *n); /* NULL is fine */
struct runs *runs_copy(const struct runs *n);

struct sources; /* sources.h */

/* The same, kept with the job; also of one that is not over, for its attempts and sources. */
struct receipt {
	struct attempt *attempts; /* owned: n_attempts, the oldest first; NULL: none */
	uint8_t n_attempts;
	struct sources *sources;  /* owned; NULL: nothing was fetched */
	int64_t ended_s;   /* Unix time */
	uint64_t stored;   /* the store's number of the change that told of the end */
	char proof[16];
	enum codec codec;
	struct transfer_times times;
	bool unchanged;
	struct runs *runs; /* owned: as an earlier life knew them; NULL */
	uint8_t n_in, n_out;
	struct digest digests[]; /* n_in of the download, then n_out of the output */
};

/* Packed for a store, with the runs there are (may be NULL), and back: NULL when it
 * makes no sense. */
void receipt_pack(const struct receipt *r, const struct runs *runs, struct buf *out);
struct receipt *receipt_unpack(const void *data, size_t n);
void receipt_free(struct receipt *r);

struct engine_ops {
	/* A new job, before anything else is told of it.  May be NULL, as the next two. */
	void (*on_add)(const struct job *j, void *arg);
	/* Any change of a job's state, as soon as it is visible. */
	void (*on_change)(const struct job *j, enum job_state from, void *arg);
	/* See engine_tell_event(). */
	void (*on_event)(const char *what, const char *name, const char *text, void *arg);
	void (*on_start)(const struct job *j, void *arg); /* of each attempt */
	/* Paused, queued again by a user, or blocked for want of room.  May be NULL. */
	void (*on_state)(const struct job *j, void *arg);
	void (*on_retry)(const struct job *j, uint64_t delay_ms, void *arg);
	void (*on_end)(const struct job *j, const struct job_receipt *receipt, void *arg);
	/* The ended job is forgotten.  May be NULL. */
	void (*on_forget)(const struct job *j, void *arg);
	/* A small fact for the next life; see notes.h.  NULL: there is no store. */
	void (*on_note)(const char *key, const void *data, size_t n, void *arg);
	/* cb once, from the loop: what was told so far is in the store, or (false) the
	 * store cannot write.  NULL: there is no store. */
	void (*when_kept)(void (*cb)(bool kept, void *cb_arg), void *cb_arg, void *arg);
	/* A job as who asks for it is told, for programs that run for it; full: with its
	 * settings.  May be NULL. */
	void (*describe)(struct json *w, const struct engine_view *v, bool full, void *arg);
	/* Something happened to this group, a clause says what; over: its run ended (group.h).
	 * May be NULL. */
	void (*on_group)(const char *name, bool over, const char *text, void *arg);
	/* The last job has ended, or the last running one of a drained engine. */
	void (*on_idle)(void *arg);
};

/* NULL with *why when a root cannot be used. The conf is borrowed until
 * engine_free() or the next engine_set_conf(). */
struct engine *engine_new(struct loop *l, struct children *c, const struct conf *conf,
    const struct engine_options *o, const struct engine_ops *ops, void *arg, struct result *why);
void engine_free(struct engine *e);

/* Limits and hosts from now on; what SETTING_RESTART says stays as it was. */
void engine_set_conf(struct engine *e, const struct conf *conf);

/* The one door in: the job's id. on_end comes later, never from here.  A name
 * must be free.  uid: see struct job. */
uint64_t engine_add(struct engine *e, struct spec *spec, uint32_t uid, bool from_config);
/* The same for a job whose id was reserved: an id is given once.  Behind engine_interrupt()
 * nothing comes in: such a job is in the store, and the next life begins it.  added_s: as the store
 * has it, so that its times are the same in each life. */
uint64_t engine_reserve(struct engine *e, uint64_t n);
void engine_add_reserved(struct engine *e, uint64_t id, struct spec *spec, uint32_t uid, int64_t added_s);
/* A job of an earlier life of the daemon, as it was then: id, uid, from_config,
 * added_s, state, attempts, received, published, result and the spec of from
 * count.  What was on its way begins anew.  Takes receipt (may be NULL). */
void engine_restore(struct engine *e, const struct job *from, uint64_t run_ms, struct receipt *receipt);
/* Of jobs of clients that are over: how many there are, and the one that ended
 * first, 0: none; stored: of its receipt. */
size_t engine_ended(const struct engine *e);
uint64_t engine_first_ended(const struct engine *e, uint64_t *ret_stored);
/* How many of them the store has, by their states; committed: see store.h. */
void engine_count_stored(const struct engine *e, uint64_t committed, uint64_t *counts);
/* One of these leaves: it is not forgotten, but elsewhere. */
void engine_evict(struct engine *e, uint64_t id);
/* The store was told of the end of this job. */
void engine_note_stored(struct engine *e, uint64_t id, uint64_t number);
/* The attempt whose result the job has is to be remembered. */
void engine_note_attempt(struct engine *e, uint64_t id);
/* What an earlier life may have left beside this destination is looked at: jobs
 * go on with what they can use of it, the rest goes. */
void engine_sweep(struct engine *e, const char *output);
/* What the next job that is added asks for was published in an earlier life, and
 * the caller has seen that it stands there: nothing is fetched.  Bytes of the
 * download and of the file. */
void engine_note_published(struct engine *e, uint64_t in, uint64_t out);
/* All jobs of the earlier life are there: what is of others goes. */
void engine_restored(struct engine *e);
/* Jobs of the configuration come and go (false, as at first), or all are there: who waits for
 * one that is not, waits for nothing. */
void engine_jobs_complete(struct engine *e, bool complete);
/* Where jobs are that have left the memory; NULL: nowhere any more. */
struct archive;
void engine_set_archive(struct engine *e, struct archive *a);
/* Ids up to this one were given before. */
void engine_set_last_id(struct engine *e, uint64_t id);

/* For the journal of events: something that is no job's happened to a group, a limit,
 * a named event, an origin, the network.  what: a word of those, static; name: whose,
 * may be NULL; fmt: a clause. */
void engine_tell_event(const struct engine *e, const char *what, const char *name, const char *fmt, ...) PRINTF_LIKE(4, 5);

enum engine_answer {
	ENGINE_OK,      /* done, or on its way: on_end or on_state tells */
	ENGINE_OVER,    /* the job has ended already */
	ENGINE_RUNS,    /* the job has not ended yet */
	ENGINE_AS_IS,   /* there was nothing to do */
};
/* Ends the job as cancelled; text says why.  on_end may come before this
 * returns, or when its workers have let go. */
enum engine_answer engine_cancel(struct engine *e, uint64_t id, const char *text);
/* The same, and nobody shall see it any more: its name is free at once. */
void engine_retire(struct engine *e, uint64_t id, const char *text);
enum engine_answer engine_pause(struct engine *e, uint64_t id);
enum engine_answer engine_resume(struct engine *e, uint64_t id);
/* A failed or cancelled job is queued again, and one that comes again in any case.
 * ENGINE_OVER: it is done. */
enum engine_answer engine_retry(struct engine *e, uint64_t id);
/* It waits for a time: blocked, or over and to come again. */
bool engine_can_run(const struct engine *e, uint64_t id);
/* It begins now. */
void engine_run(struct engine *e, uint64_t id);
/* NULL, or why this job cannot have that spec, which differs from its own in settings
 * that may be set: "it is over". */
const char *engine_refuse_change(const struct engine *e, uint64_t id, const struct spec *spec);
/* It has it from now on; on_state and on_end may come before this returns. */
void engine_change(struct engine *e, uint64_t id, struct spec *spec);
/* An ended job is forgotten. */
enum engine_answer engine_remove(struct engine *e, uint64_t id);
/* Ends all jobs as interrupted; running ones let go of their files first. */
void engine_interrupt(struct engine *e);
/* Starts nothing more; on_idle when what runs has ended. */
void engine_drain(struct engine *e);
/* Empty .haul directories go and workers are told to leave; on_stopped comes
 * when the last one has left. */
void engine_stop(struct engine *e, loop_cb on_stopped, void *arg);

/* Jobs of clients that are not over. */
uint64_t engine_open(const struct engine *e);
/* Jobs that are there: in the order they came, engine_next(e, 0) is the first. */
uint64_t engine_count(const struct engine *e);
const struct job *engine_next(const struct engine *e, uint64_t id);
const struct job *engine_job(const struct engine *e, uint64_t id);
const struct job *engine_job_by_name(const struct engine *e, const char *name);
/* NULL: it has none (yet).  Borrowed while the job is there and over. */
const struct receipt *engine_receipt(const struct engine *e, uint64_t id);
/* The same of any job: its attempts so far. */
const struct receipt *engine_record(const struct engine *e, uint64_t id);
/* For the store; NULL: it is none that comes again.  Also of one that was told to run before
 * its time. */
const struct runs *engine_kept_runs(const struct engine *e, uint64_t id);
/* It is over, and has a next run. */
bool engine_comes_again(const struct engine *e, uint64_t id);
/* Clients' jobs that are over and in memory, in no order: the archive bounds how many. */
void engine_each_ended(const struct engine *e, void (*cb)(const struct job *j, const struct receipt *r, void *arg), void *arg);
/* The others that are over, those of the configuration and those that come again, however many:
 * some in each turn, for jobs may come and go between two steps.  One that ends meanwhile may
 * be seen, or not, or twice. */
struct engine_walk {
	struct list *list;
	struct entry *mark; /* owned */
};
void engine_walk_begin(struct engine *e, struct engine_walk *w);
const struct job *engine_walk_next(struct engine_walk *w, const struct receipt **ret); /* NULL: that was the last */
void engine_walk_end(struct engine_walk *w); /* also of one that is zeroed, or ended */

/* For status. */
struct engine_numbers {
	uint64_t jobs[_JOB_STATE_MAX];
	uint64_t open;                     /* jobs of clients that are not over */
	uint64_t transfers, transfers_max; /* network slots */
	uint64_t verifying, verifying_max;
	uint64_t rate_limit;               /* bytes per second, 0: none */
	unsigned workers, workers_max, worker_deaths;
	uint64_t connections_made, connections_kept; /* that requests went over */
	uint64_t received, rate;           /* bytes of all transfers since the start; a second */
	bool draining;
};
void engine_get_numbers(const struct engine *e, struct engine_numbers *ret);

/* The filesystem of a root, as it was at the last look of a worker. */
struct engine_disk {
	const char *root; /* borrowed */
	bool known;       /* somebody has looked, and it said something */
	uint64_t free, size, kept, reserved; /* bytes; kept: by min-free; reserved: by jobs that run */
	uint64_t age_ms;  /* of these numbers */
	uint64_t unflushed, unflushed_max;   /* bytes that are not written back yet */
};
/* Of the i-th root; false: there are fewer. */
bool engine_disk(struct engine *e, unsigned i, struct engine_disk *ret);
/* Asks workers for new numbers where they are old; true: some are on their way, and
 * may never come. */
bool engine_look_at_disks(struct engine *e);
/* Who is told when one of them has come; NULL: nobody. */
void engine_on_disk(struct engine *e, void (*cb)(void *arg), void *arg);
void engine_each_worker(const struct engine *e, pool_worker_cb cb, void *arg);

/* One job on its way, for those who draw. */
struct engine_view {
	const struct job *job;
	enum job_state state; /* as users see it: one that waits for its origin is blocked */
	uint64_t total;     /* of the download; 0: not known */
	uint64_t received;
	uint64_t processed; /* bytes of it that were verified or unpacked */
	uint64_t unpacked;  /* bytes of output */
	uint64_t rate;      /* bytes per second that come in */
	uint64_t deadline_ms; /* until its deadline passes; 0: it has none, or is over */
	const char *blocked; /* why it waits ("retry-at"), or NULL */
	const struct result *last; /* of a job that waits for a retry */
	const struct receipt *receipt; /* NULL: none; of one that is not over only its attempts count */
	uint64_t wait_ms;    /* until the retry, or the probe that it waits for */
	const struct runs *runs; /* of one that comes again; NULL */
};
/* The state of a job as users see it. */
enum job_state engine_state(const struct engine *e, const struct job *j);
/* See scheduler_each_origin() and scheduler_network(). */
uint64_t engine_each_origin(const struct engine *e, uint64_t most,
    void (*cb)(const struct sched_origin_view *v, void *arg), void *arg);
enum breaker_state engine_network(const struct engine *e, uint64_t *ret_probe_in_ms);
/* False: there is no such job. */
bool engine_view(const struct engine *e, uint64_t id, struct engine_view *ret);
/* A descriptor of its own (the caller's), for reading, of the part file of a job that
 * runs; -ENOENT: there is none now.  It grows, in order, from its beginning. */
int engine_open_part(const struct engine *e, uint64_t id) MUST_CHECK;
/* Calls back for each job that is active or waits for a retry. */
void engine_each_active(struct engine *e, void (*cb)(const struct engine_view *v, void *arg), void *arg);
