/*
 * One job on its way: from the ticket that was granted to the result that the
 * finisher gets.  The steps stand in download.c in the order in which a job
 * takes them; each callback is one arrow of DESIGN section 2.  Only src/daemon/engine
 * sees this.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "daemon/engine/engine.h"
#include "daemon/engine/registry.h"
#include "daemon/loop/alarm.h"
#include "daemon/pool/pool.h"
#include "daemon/sched/netwatch.h"
#include "daemon/sched/rate.h"
#include "daemon/sched/scheduler.h"
#include "daemon/stage/part.h"
#include "daemon/stage/space.h"
#include "daemon/xfer/transfer.h"
#include "model/job.h"
#include "wire/seen.h"

struct group; /* group.h */
struct plan; /* plan.h */
struct room; /* space.c */
struct hook; /* hook.c */
struct spawner;

struct host_limit; /* limits.c */

/* What the parts of one engine share. */
struct engine {
	struct loop *loop;         /* borrowed, as all without a note */
	const struct conf *conf;
	struct engine_options options;
	const struct engine_ops *ops;
	void *arg;
	struct scheduler *scheduler; /* owned */
	struct pool *pool;           /* owned */
	struct spawner *spawner;     /* owned */
	struct xfer *xfer;           /* owned */
	struct roots *roots;         /* owned */
	struct dirty *dirty;         /* owned */
	struct stage stage;
	struct list active;  /* struct download */
	struct list touched; /* downloads that got bytes in this call into curl */
	struct map locks;    /* struct lock, owned, by destination: one job at a time; lock.c */
	struct list locks_free, locks_due; /* struct lock: some wait, nobody has it; due: who is next is being woken */
	struct loop_timer wake_more;
	struct loop_deferred waking;
	uint64_t lock_orders; /* given so far */
	struct {
		struct list opening; /* struct plan: to be asked again */
		struct loop_deferred open;
		struct deadlines *deadlines; /* owned */
	} plans;
	struct {
		struct group **sorted; /* owned: and each of them; by name */
		size_t n, size;
		unsigned adding;     /* runs do not end meanwhile; see engine_adding() */
		bool ready;          /* the jobs of the earlier life are there, and we are not at the end */
		bool all_paused;
		size_t n_sets;       /* groups that are published as a whole */
	} groups;
	struct {
		struct heap heap; /* struct timing */
		struct loop_alarm alarm;
		struct loop_deferred due, reset;
		int64_t set_back_ms;  /* by how much the clock was, until all have heard of it; less than 0 */
		uint64_t last_reset;  /* id: so far they have */
	} timings;
	struct rates rates;  /* those who wait for one */
	struct rate total;   /* of all transfers together */
	struct client_limit *client_total; /* owned: the limit of the total that a client set; NULL */
	struct timetable *timetable; /* owned: of the configuration; NULL: none */
	int64_t timetable_minute;  /* Unix time: when it was looked at */
	int64_t timetable_next_s;  /* when it says something else; 0: never */
	struct map hosts_by_name; /* struct host_limit, owned */
	struct list host_limits;  /* the same */
	struct list disk_held; /* struct download: until the disk has caught up */
	uint64_t disk_looks;
	struct orders *orders; /* owned */
	struct netwatch netwatch;
	struct loop_timer tick;    /* stalls, held transfers: while there are any */
	struct loop_timer release; /* the next transfer that waits for a rate may go on */
	struct loop_timer disk_look;
	struct loop_deferred idle, interrupting, forgetting;
	struct registry jobs;
	struct list ended;   /* struct entry: those added by clients, oldest first */
	struct list ended_config; /* struct entry: those of the configuration that are over */
	struct list gone;    /* struct entry: to be forgotten at the end of the turn */
	size_t n_ended;
	uint64_t n_open;     /* jobs of clients that are not over */
	struct list errands; /* struct errand: with workers, or waiting for the store */
	struct list verifies; /* struct verify: files that somebody asked about */
	unsigned n_sweeps;   /* that were begun */
	uint64_t *swept;     /* owned; NULL until needed: hashes of directories */
	struct map kept;     /* struct kept, owned: downloads that stand still */
	bool restored;       /* all jobs of the earlier life are there */
	struct list rooms;   /* struct room: filesystems */
	void (*on_disk)(void *arg); /* there are new numbers of one; may be NULL */
	void *on_disk_arg;
	uint64_t last_interrupted; /* id */
	loop_cb on_stopped;  /* of engine_stop() */
	void *on_stopped_arg;
	uint64_t received, counted, speed; /* bytes of all transfers; as in struct download */
	uint64_t tick_ms;    /* when the tick was */
	uint64_t release_ns; /* when `release` rings */
	bool interrupted, draining, stopping;
};

/* A job with its place in the queue; the engine's table holds these. */
struct entry {
	struct job job;
	struct ticket ticket;
	struct engine *engine;
	struct download *download; /* owned; NULL until it starts, and afterwards */
	struct list ended;   /* engine->ended, ->ended_config or ->gone; while it is blocked, those that
			      * wait for room (space.c) */
	uint64_t need;       /* bytes that it waits for; 0: any */
	struct receipt *receipt; /* owned; NULL: none is kept */
	struct plan *plan;   /* owned; NULL: a plain job */
	unsigned generation; /* of the last part of a download that went; names are not used twice */
	bool named;          /* found by its name */
	bool retired;        /* to be forgotten when it ends */
	bool counted;        /* in engine->n_ended */
};

/* Why the attempt ends, kept while its workers let go. */
enum verdict {
	VERDICT_NONE,
	VERDICT_AGAIN,
	VERDICT_PAUSE, /* of a user */
	VERDICT_PARK,  /* of its group, or of everything: back into the queue */
	VERDICT_FINAL,
};

struct download {
	struct list link;    /* engine->active */
	struct list touched; /* engine->touched */
	struct list disk_held; /* engine->disk_held */
	uint64_t disk_look;  /* the last one that it was in */
	struct list waiting; /* for the sweep of its directory, */
	bool ends_swept;     /* and ends then with what is in result; see kept_ends() */
	struct heap_node lock_node;
	struct lock *lock;   /* its destination is another's; NULL: it does not wait for that */
	int32_t lock_priority;
	uint64_t lock_order; /* when it came to wait; 0: not yet */
	struct engine *engine;
	struct entry *entry;
	struct job *job;
	struct spec *host;       /* ref: the hosts entry that matches, or NULL */
	char *url, *host_name;   /* owned: of this hop */
	char *via;               /* owned: urls of the hops before it, for the receipt; sources.h */
	const char *output;      /* borrowed from the spec */
	unsigned hops, generation;
	bool locked, checked;
	bool led_public; /* a public host led to this hop */
	struct transfer *transfer; /* until its on_done */
	struct part *part;         /* owned */
	struct dest_dir *dir, *keep_dir; /* refs; keep_dir: of keep-download */
	const char *name, *keep_name;    /* borrowed from the spec */
	struct pool_task main;     /* hash, decode, publish; also copy, check, discard */
	struct pool_task hash;     /* the digest of the download, beside a decoder */
	bool split, hash_ok, main_ready, whole, codec_must_prove;
	struct result_msg verified; /* digests of the hash task */
	enum proof proof;
	struct transfer_times times;
	uint64_t total, processed, unpacked; /* for those who draw */
	uint64_t hash_told; /* the front that the digest's task knows of */
	struct rate_flow flow;   /* its rates */
	struct host_limit *host_limit; /* borrowed, of flow.host; NULL: none */
	uint64_t bite;           /* bytes in one turn; 0: any number */
	uint64_t fresh;          /* bytes since the rate was asked */
	uint64_t counted, speed; /* bytes at the last tick; bytes a second since the one before */
	struct complete_rest rest; /* of the transfer that runs; start 0: the whole file */
	char *etag;              /* owned: of the file that the part is of; NULL: none, or weak */
	int64_t modified;        /* the same of Last-Modified; -1 */
	uint64_t size;           /* of that file; 0: not known, or it cannot be continued */
	struct seen *asked;      /* owned: what this request is about, if it has not changed; NULL */
	struct buf seen;         /* what the file will remember; see conditional.h */
	bool unconditional;      /* it was asked, and the answer was of no use */
	bool continued;          /* the part has bytes of more than one answer */
	bool plain;              /* the next one is asked for without If-Range */
	uint64_t adopted;        /* bytes of the part that came from an earlier download */
	bool map_told;           /* its worker knows of the map, and drops it where there is no store */
	char *over;              /* owned: a map that an earlier life left of it; NULL */
	bool parking;            /* what there is of it stays when its workers let go */
	bool saving;             /* they were asked to save it */
	struct room *room;       /* filesystem of its part; NULL: not asked yet */
	struct space_claim claim;
	uint64_t need;           /* bytes that it wanted to claim */
	uint64_t fronted;        /* the front that was counted as written */
	bool admitted;           /* with numbers to judge by */
	bool hopeless;           /* the filesystem is smaller than the file */
	bool presumed;           /* that there is no room for it is what other jobs were told */
	bool attempted;          /* this attempt is in job->attempts */
	uint8_t hooks_ran;       /* hook.c's: a bit each */
	uint16_t minted_source;
	unsigned n_minted;       /* how often url-command was asked */
	char *minted;            /* owned: what it said last, for minted_source; NULL */
	struct hook *hook;       /* owned: the program that it waits for; NULL */
	bool held;
	bool starting, may_start; /* it waits for a rate before its request; its turn has come */
	bool cleaning, discarding; /* after a failure: see clean_up() */
	bool resume; /* VERDICT_PAUSE: a user wants it to go on after all */
	char *staged_output; /* owned: of a member of a group that is published as a whole; set.h */
	struct outcome *outcome; /* owned: how it ends when the others are there, too; NULL */
	struct list held_by_set; /* set->staged, while it waits for them */
	bool looked_at_live, checking_live, is_live; /* what stands in the group's directory */
	bool set_over;       /* the set was published, or is not to be */
	bool again, was_again; /* fetch it anew once, whatever the failure's class says */
	bool fresh_connection; /* the next request makes one of its own */
	bool ranges;           /* the server says that it has them, or sent one */
	bool unreached;        /* the network was down when the last attempt failed */
	bool moving;           /* it leaves an origin that is down */
	bool foreign;          /* its part is of another url: only a digest can tell that it may go on */
	struct spec **old_specs; /* owned refs: what the job had when this began */
	unsigned n_old_specs;
	size_t old_bytes;      /* of these, about */
	unsigned n_wrong;      /* downloads whose bytes were wrong */
	uint64_t wrong_sources; /* they were from these: a bit each, the last for all above */
	uint64_t tried_sources; /* likewise */
	uint64_t began_ms;     /* the first attempt since it was queued or resumed */
	enum verdict verdict;
	struct result result;    /* of the attempt */
	uint64_t retry_after_ms, retry_at_ms;
};

/* Of an entry that has none. */
struct download *download_new(struct entry *en);
/* The ticket was granted. */
void download_run(struct entry *en);
/* Throws away what has come; retry_conclude() is next. */
void download_start_over(struct download *d);
/* Ends it with this result, whatever its class, after its workers let go. */
void download_stop(struct download *d, const struct result *r);
/* The same, but the job can be resumed. */
void download_pause(struct download *d);
/* The same, but it goes back into the queue, where it is held. */
void download_park(struct download *d);
/* Makes the request for its url. */
void download_fetch(struct download *d);
void download_free(struct download *d);
extern const struct part_ops download_part_ops;
/* Names the part of this attempt; a worker will make the file. */
void download_plan_part(struct download *d);

/* place.c: the directories that the job writes to, made when they are missing. */
bool place_open(struct download *d, struct result *why);
/* Is there anything under the final name?  1: a file, 2: something else. */
int place_is_taken(const struct download *d);

/* retry.c: a request that is not one of several hops begins. */
void retry_begin(struct download *d);
/* The attempt that is under way costs no try after all. */
void retry_spare(struct download *d);
/* Its request ends, without a word about how. */
void download_stop_transfer(struct download *d);
/* Is queued again, to begin in delay milliseconds. */
void download_try_again(struct download *d, uint64_t delay);
/* The delay before the next try after this result; false: there were enough. */
bool download_may_retry(const struct download *d, const struct result *r, uint64_t *ret_delay);
/* A connection that had been kept was closed before it answered: the request is made
 * again at once.  False: that is not what happened. */
bool retry_is_stale(struct download *d, const struct transfer_report *end);
/* All of a failed attempt was let go: again, elsewhere, or for good. */
void retry_conclude(struct download *d);
/* The url to begin with: the first, or the first whose origin is up. */
const char *retry_first_source(struct entry *en);
/* sched_ops.on_origin_down */
bool retry_elsewhere(struct ticket *t, void *arg);
/* The next request is for the url that its source has now; or for that of the next source,
 * where there is another.  True when that was not tried yet. */
bool retry_same_source(struct download *d);
bool retry_next_source(struct download *d);

/* reach.c: the header of the file came. */
void reach_answered(struct download *d);
/* The transfer ended; the ticket still has its slot.  d->unreached is its finding. */
void reach_ended(struct download *d, const struct transfer_report *end);

/* resume.c: the header of the file came, and its part is begun. */
void resume_note(struct download *d, const struct response *r);
/* The transfer broke, but what came can be continued: it waits for its next try
 * with its part and its workers.  false: it is to be cleaned up. */
bool resume_later(struct download *d, const struct result *r);
/* What came in several answers is not what it should be: perhaps a server sent
 * another file under the same validator, and all of it in one answer is right. */
bool resume_is_suspect(const struct download *d, const struct result *r);
/* The same file came whole although its rest was asked for, from a server that says
 * it has ranges: perhaps it is only the condition that it does not understand. */
bool resume_without_condition(struct download *d, const struct transfer_report *end);
/* It came over a connection that others are on, too: the rest is asked for over one of
 * its own.  false: it cannot be; nothing was done. */
bool resume_alone(struct download *d);
/* What came may be gone on with from another source, if that shows the same validator:
 * a digest will tell whether it was the same file. */
bool resume_is_portable(const struct download *d);
/* Its job has another url now, and nothing would prove that the part is of the same file. */
bool resume_is_stranger(const struct download *d);
/* What the next request asks for. */
void resume_fill(struct download *d, struct transfer_request *req);
/* Bytes came into the part: a later life will want to know. */
void resume_map(struct download *d);
/* An earlier life published it and could not say so: true, and it has ended. */
bool resume_was_published(struct download *d);
/* What was verified and published then is what the job asks for: it ends so. */
void resume_end_published(struct download *d, struct result_msg *work);
/* All of it is there, and its part not closed yet. */
void resume_map_end(struct download *d);
/* Before the first request: what an earlier life left of it.  true: nothing is
 * left to fetch, and this has seen to the rest. */
bool resume_adopt(struct download *d);
/* What came can wait for another time, in this life or the next. */
bool resume_can_wait(struct download *d);
/* It does: its workers have let go. */
void resume_keep(struct download *d);
/* It is published: its map goes when the end is in the store. */
void resume_over(struct download *d);

/* engine.c */
void engine_finish(struct download *d, const struct result *r, const struct job_receipt *receipt);
/* Ends a job that has no download. */
void engine_end_waiting(struct entry *en, const struct result *r);
/* Ends any, now or when its workers have let go. */
void engine_end(struct entry *en, const struct result *r);
/* Bytes a second since the last look, half of it from the look before: ms is how long that is
 * ago, *counted what the bytes were then. */
void engine_measure(uint64_t bytes, uint64_t *counted, uint64_t *speed, uint64_t ms);
/* commands.c: a job that is over is queued anew. */
void engine_begin_again(struct entry *en);
/* ended.c */
void engine_keep_receipt(struct entry *en, const struct job_receipt *r);
/* It has just ended: it stays to be asked about, or goes. */
void engine_retain(struct entry *en);
void engine_free_entry(struct entry *en);
/* Frees those that went in this turn. */
void engine_free_gone(void *engine);
/* An ended job goes: nobody finds it any more. */
void engine_forget(struct entry *en);
/* It is not among those that may be forgotten. */
void engine_unforget(struct entry *en);
void engine_tell_state(const struct entry *en);
/* Something ended: perhaps it was the last. */
void engine_check_idle(struct engine *e);
/* It begins again: at its gates, then in the queue. */
void engine_queue_again(struct entry *en);
/* All was let go: the job waits for a user. */
void engine_paused(struct download *d);
/* All was let go: the download goes, the job is blocked. */
void engine_let_go(struct download *d);
/* Moves the job; see registry.h. */
void engine_set_state(struct entry *en, enum job_state to);
/* The scheduler starts nothing while it is drained, interrupted or paused. */
void engine_set_hold(struct engine *e);
/* Puts the job back into the queue for its current source. */
void engine_requeue(struct entry *en, const char *url, uint64_t delay_ms);
/* The same at once, for a job that runs: nothing but a limit holds it up. */
void engine_go_on(struct entry *en, const char *url);
/* "https://files.example:443", newly allocated; "": the url has none. */
char *engine_origin(const char *url);
/* The hosts entry for a host name, or NULL. */
struct spec *engine_host_spec(const struct engine *e, const char *host);
/* Its proxy is that of a client to whom the headers of a hosts entry are not to be shown. */
bool engine_is_led_by_client(const struct engine *e, const struct job *j);
/* lock.c.  False: another download has this destination; d waits for it. */
bool engine_lock(struct engine *e, struct download *d);
/* It waits no more; of those that wait for what it had the next one is queued again. */
void engine_unlock(struct engine *e, struct download *d);
void engine_lock_leave(struct download *d);
/* The priority of its ticket is another: so is its place among those that wait. */
void engine_lock_priority(struct download *d);
/* Who has the destination that it waits for; NULL: it does not wait, or nobody now. */
const struct download *engine_lock_holder(const struct download *d);
void engine_locks_init(struct engine *e);
void engine_locks_done(struct engine *e);
/* A transfer is active or held from now on: the tick must run. */
void engine_need_tick(struct engine *e);

/* change.c: the same file but for the query. */
bool change_is_same_resource(const char *a, const char *b);
void change_forget_old(struct download *d);

/* hold.c */
void hold_init(struct engine *e);
void hold_done(struct engine *e);
/* Some of those who wait may have to wait less. */
void hold_arm(struct engine *e);
/* Bytes came, or a limit changed: hold_check_touched() is next. */
void hold_touch(struct download *d);
/* Bytes were written: rates and disk decide who is held.  May end any download. */
void hold_check_touched(struct engine *e);
/* A request to d->host_name is to be made.  True: not now, its limits are in debt;
 * download_fetch() comes when its turn has. */
bool hold_start(struct download *d);
/* Its transfer is gone: it waits for nothing. */
void hold_leave(struct download *d);
