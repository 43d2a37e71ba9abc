/*
 * What the parts of control share.  Only src/daemon/control sees this.
 *
 * A request goes: client (bytes to lines) -> control.c (line to call, who may)
 * -> methods.c and add.c (the engine is asked), list.c, await.c (waits for jobs) or
 * watch.c (tells of them); for jobs that have left the memory by past.c, and then
 * again.
 */
#pragma once

#include "base/map.h"
#include "daemon/control/call.h"
#include "daemon/control/client.h"
#include "daemon/control/control.h"
#include "daemon/control/feed.h"
#include "daemon/engine/archive.h"
#include "daemon/engine/engine_groups.h"

enum {
	JOBS_PER_CALL = 1000,   /* ids and names in one request */
	ADDS_PER_CALL = 2000,
	WHYS_MAX = 32,
	LIST_DEFAULT = 200,
	LIST_MAX = 1000,
	LIST_SCAN_MAX = 20000,  /* jobs looked at for one answer */
	KEYS_MAX = 10000,       /* idempotency keys that are remembered */
	KEYS_BYTES_MAX = 16 << 20, /* of them and of the names of their jobs */
	KEY_DAYS = 30,
	KEY_LEN_MAX = 128,
	PATTERN_MAX = FILTER_TEXT_MAX,
	SUBSCRIPTIONS_MAX = 16, /* of one client */
	GROUPS_PER_PAGE = 200,
	GROUP_DEPTH_MAX = 16,   /* of groups in groups, as in a configuration */
};

struct control {
	struct loop *loop;
	struct control_options options;
	const struct control_ops *ops;
	void *arg;
	struct engine *engine;    /* borrowed, as the next three; NULL until control_begin() */
	struct store *store;
	struct archive *archive;  /* from the start on */
	struct history *history;
	const struct conf *conf;  /* borrowed */
	int64_t conf_loaded_s;
	struct intake *intake;    /* owned */
	const char *stopping;     /* NULL, or the word for status */
	bool came_late;           /* jobs were added since it stops: the engine does not have them */
	struct loop_io listener;  /* fd -1: closed */
	struct loop_timer rest;   /* no descriptors: nobody is let in for a while */
	struct loop_timer reaper; /* clients that sent their last and may have gone */
	bool bound;               /* we made the socket and will remove it */
	struct list clients;
	unsigned n_clients;
	uint64_t in_bytes;        /* of unfinished lines */
	/* watch.c, await.c */
	struct map watched;       /* struct watched, by job id */
	struct list everything;   /* subscriptions to all jobs */
	struct list cancellings;  /* struct await: that still cancel */
	uint64_t kept_bytes;      /* of jobs in answers that are not complete yet */
	/* scopes.c */
	struct list scopes;       /* struct scope: commands to groups and to everything */
	struct map scope_names;   /* struct scope_name, owned: what waits for these */
	uint64_t ended[_JOB_STATE_MAX]; /* jobs, since the start */
	uint64_t next_subscription;
	/* keys.c */
	struct map keys;          /* struct key */
	struct list key_order;    /* oldest first */
	size_t n_keys, keys_bytes;
	/* add.c */
	struct list settings;     /* struct set: with the intake; set.c */
	struct list addings;      /* struct adding: with the intake or the store */
	struct list queue_waiting; /* struct backlog_place: backlog.c */
	struct loop_deferred queue_looking;
	uint64_t queue_reserved;  /* jobs that were let in and are not the engine's yet */
	struct map pending_names; /* of jobs that are with the store */
	struct list durables;     /* struct durable: answers that wait for the store */
	/* status.c */
	struct list statuses;     /* struct status: answers that wait for a look at disks */
	struct loop_timer disks_late;
	struct loop_deferred answering;
	struct figures *figures;  /* owned, stats.c */
	struct feed events, lines; /* feed.h, events.c */
	struct list pasts;        /* struct past, past.c */
	struct list listings;     /* struct listing: with the history; list.c */
	struct list verifyings;   /* struct verifying, verify.c */
	struct loop_deferred verify_next;
	uint64_t n_verifies;      /* files that are with workers */
};

struct watched {
	uint64_t id;
	struct list links; /* struct watch */
};

/* One job of one wait or subscription. */
struct watch {
	struct list link; /* of struct watched */
	struct watched *at;
	size_t index;     /* its place in the request */
	struct await *await; /* one of the three */
	struct subscription *sub;
	struct scope *scope;
};

struct method {
	const char *name;
	enum control_policy policy; /* the least that may call it */
	const char *params;         /* names that it takes, separated by spaces */
	void (*run)(struct call *c);
};

/* methods.c, status.c, hosts.c, add.c, list.c, watch.c, await.c */
const struct method *method_find(const char *name);
const char *method_suggest(const char *name);
void method_add(struct call *c);
void method_list(struct call *c);
void method_cat(struct call *c); /* cat.c */
void method_verify(struct call *c); /* verify.c */
void verifyings_init(struct control *c);
/* Forgets those that run; clients have gone. */
void verifyings_done(struct control *c);
void method_status(struct call *c);
void statuses_init(struct control *c);
/* The engine is there: it tells of looks at disks. */
void statuses_begin(struct control *c);
/* Forgets those that wait; clients have gone. */
void statuses_done(struct control *c);
void method_event(struct call *c);
void method_hosts(struct call *c);
void method_limit(struct call *c); /* limit.c */
void method_wait(struct call *c);
void method_subscribe(struct call *c);
void method_unsubscribe(struct call *c);
/* status.c: which reasons hold how many jobs; all: paused ones too, and those whose turn comes. */
struct why_count {
	char why[40]; /* of "after:geoip" only "after" */
	uint64_t n, example; /* example: id of the first */
};
struct whys {
	struct why_count at[WHYS_MAX];
	unsigned n;
	uint64_t waiting; /* jobs */
	bool sampled;     /* not all were looked at */
};
void status_count_whys(const struct engine *e, bool all, struct whys *ret);
/* stats.c */
void stats_init(struct control *c);
void stats_done(struct control *c);
void stats_on_add(struct control *c);
void stats_on_start(struct control *c);
void stats_on_retry(struct control *c, const struct job *j);
void stats_on_end(struct control *c, const struct job *j);
void method_stats(struct call *c);
/* feed.c: the answer to `events` and `log`. */
void method_feed(struct call *c, struct feed *f);
/* events.c */
void method_events(struct call *c);
void method_log(struct call *c);
void method_why(struct call *c); /* why.c */
void event_start(struct control *c, const struct job *j);
void event_retry(struct control *c, const struct job *j, uint64_t delay_ms);
void event_end(struct control *c, const struct job *j);
/* A client asks this of a job. */
void event_command(struct call *c, uint64_t id);
/* The last command of that name; false: it is not in the journal, as far as that was
 * looked at: so many records, which are taken off *looks. */
bool event_last_command(const struct control *c, uint64_t id, const char *name, unsigned *looks, int64_t *ret_at_s,
    uint32_t *ret_uid);
void events_init(struct control *c);
void events_done(struct control *c);
/* watch.c: a new subscription that follows; its number.  Takes what filter has. */
uint64_t subscription_follow(struct client *client, struct feed *f, uint64_t after, struct feed_filter *filter);
/* A notification: its params, begun; ended, and not sent before subscription_push(). */
struct json subscription_event(struct subscription *s, const char *event);
void subscription_event_end(struct json *w);
void subscription_push(struct subscription *s);
bool subscription_has_room(const struct subscription *s);
/* keys.c: requests to add jobs that have a key: the same one again adds nothing.
 * Keys are the store's as well, and so last. */
struct key;
void keys_init(struct control *c);
void keys_done(struct control *c);
/* The key of the request, pending from now on (*ret; NULL: it has none); false after
 * the answer, or when it will be answered together with the first of its kind. */
bool key_begin(struct call *c, struct key **ret);
/* Its jobs are about to be put: n of them, with these specs.  The store is told. */
void key_put(struct control *c, struct key *k, uint64_t first_id, size_t n, struct spec *const *specs);
/* They are durable and the engine's: it is remembered. */
void key_keep(struct control *c, struct key *k);
/* Nothing was added under it. */
void key_drop(struct control *c, struct key *k);
/* add.c: what no key takes goes there too, and comes back as a sentence. */
void intake_put_json(struct intake_batch *b, const char *name, const json_t *v);
/* The answer for what the intake refused. */
void call_fail_checked(struct call *c, const struct intake_result *results, size_t n, size_t n_bad, const char *first);
/* set.c */
void method_set(struct call *c);
void set_init(struct control *c);
void set_done(struct control *c);
void add_init(struct control *c);
/* Forgets what is with the intake; clients have gone. */
void add_done(struct control *c);
/* backlog.c: the place of a request's jobs in the queue. */
struct backlog_place {
	struct list link;  /* control->queue_waiting */
	struct control *control; /* NULL: it has none */
	size_t n;
	bool reserved;
	void (*go)(void *arg); /* there is room now, or nobody is let in any more */
	void *arg;
};
enum backlog_answer {
	BACKLOG_ROOM,    /* the place is kept until backlog_leave() */
	BACKLOG_WAITS,   /* go() comes, from the loop */
	BACKLOG_REFUSED, /* and answered */
};
enum backlog_answer backlog_enter(struct backlog_place *p, struct call *call, size_t n, void (*go)(void *arg), void *arg);
/* Its jobs are the engine's, or will not be; safe on a zeroed one. */
void backlog_leave(struct backlog_place *p);
/* A job has ended, or the limit is another one. */
void backlog_look(struct control *c);
void backlog_init(struct control *c);
void backlog_done(struct control *c);
/* add_may.c: what only root and the service's user may say of a job, in its keys and in
 * what these came to be; false after the answer. */
bool add_may_ask(struct call *c, const json_t *job, size_t index);
bool add_may_have(struct call *c, const struct intake_result *results, size_t n);
/* add_order.c: all that the new jobs come after is there, and none waits for itself; false
 * after the answer. */
bool add_check_order(struct call *c, struct spec *const *specs, size_t n);
/* True: jobs that they name are looked up first, and the method will run again. */
bool add_look_up(struct call *c, const json_t *one, const json_t *many);
void watch_init(struct control *c);
void watch_done(struct control *c);
void watch_client_end(struct client *c);
void watch_job(struct control *c, struct watch *w, uint64_t id);
void unwatch_job(struct control *c, struct watch *w);
/* await.c */
void awaits_init(struct control *c);
/* Clients have gone: what they left to be done is dropped. */
void awaits_done(struct control *c);
/* Cancels them, some in each turn, and answers with them when all are over and the
 * store has it. */
void await_cancel(struct call *c, const uint64_t *ids, size_t n);
/* Pauses them, and answers with them when their workers have let go and the store
 * has it. */
void await_pause(struct call *c, const uint64_t *ids, size_t n);
/* Is the job where this one wants it?  Then it is told, once for each index. */
bool await_is_for(const struct await *a, const struct job *j);
void await_tell(struct await *a, size_t index, uint64_t id);

/* scopes.c: the request is about a group or about everything. */
bool call_names_scope(const struct call *c);
void scope_wait(struct call *c, uint64_t timeout_ms);
void scope_cancel(struct call *c);
/* One job, whether it can be cancelled or not: its reason is who asked. */
void scope_cancel_job(struct control *c, uint64_t id, uint32_t uid);
void scope_pause(struct call *c);
void scope_resume(struct call *c);
void scopes_init(struct control *c);
/* Clients have gone: what they left to be done is dropped. */
void scopes_done(struct control *c);
/* Is the job where this one wants it?  Then it is told, and the watch goes. */
bool scope_is_for(const struct watch *w, const struct job *j);
void scope_tell(struct watch *w, const struct job *j);

/* groups.c */
void method_group(struct call *c);
/* null: there is none. */
void group_json_name(struct json *w, const struct engine *e, const char *name);
/* False after the answer. */
bool call_group(struct call *c, const char *name, struct group_view *ret);
/* What a request says of state, since, until, group, name, output and url; its strings are the
 * params'.  False after the answer. */
bool call_filter(struct call *c, struct filter *ret);
bool call_may_command_all(struct call *c);
/* False after the answer: jobs end for the sake of the next life, which is to know nothing of that. */
bool call_may_change_groups(struct call *c);
/* The same: what is changed goes to the store, which is full, or takes nothing any more. */
bool call_may_store(struct call *c);
/* Settings of a group out of an object (NULL: none); those that are null are noted in
 * drop (by id; NULL: they are refused).  NULL after the answer. */
struct spec *call_group_settings(struct call *c, const json_t *settings, bool exists, bool *drop);

/* past.c: */
/* A job of the engine's, or of those out of the history that this call has; NULL:
 * there is none.  Borrowed until the turn is over. */
const struct job *call_job(const struct call *c, uint64_t id);
bool call_view(const struct call *c, uint64_t id, struct engine_view *ret);
/* One that is only in the history; NULL: it is none. */
const struct past_job *call_past_job(const struct call *c, uint64_t id);
/* It may be there, and was not asked for. */
bool call_may_be_past(const struct call *c, uint64_t id);
/* Looks these up; then the call's method runs again. */
void call_look_up(struct call *c, const uint64_t *ids, size_t n);
void call_drop_past(struct call *c);
/* Those that are history are in memory again; false: not all yet, and the method will
 * run again. */
bool call_bring_back(struct call *c, const uint64_t *ids, size_t n);
/* Calls that wait for the history are freed. */
void pasts_done(struct control *c);
void listings_done(struct control *c);

/* The jobs that a request names, in its order: ids, newly allocated (*ret_n of
 * them, at least one); NULL after the call was answered with what is wrong, or when
 * it was given to call_look_up(). */
uint64_t *call_jobs(struct call *c, size_t *ret_n);
/* The id that a job's id or name means, also of one that is gone; false after the
 * answer: nobody has the name. */
bool call_job_number(struct call *c, const json_t *ref, uint64_t *ret);
/* A non-negative whole number of the request, 0 when it is not there; false after
 * the answer. */
bool call_number(struct call *c, const char *name, uint64_t *ret);
/* False after the answer: what would have to begin will not any more. */
bool call_may_begin(struct call *c);
/* May this client command that job?  False after the answer. */
bool call_may_touch(struct call *c, const uint64_t *ids, size_t n);
/* {"jobs":[...]} as they are now, told when the store has what was changed. */
void call_answer_jobs(struct call *c, const uint64_t *ids, size_t n);

/* durable.c: answers with a result (newly allocated JSON, taken) when the store
 * has all that was changed so far. */
void call_text_durably(struct call *c, char *json);
void durable_done(struct control *c);

/* job_json.c */
void job_json(struct json *w, const struct engine_view *v);
/* The same with all settings of its own, from which it could be added again; uid: who
 * gets it.  Its owner, root and the service's user get urls with their queries. */
void job_json_settings(struct json *w, const struct engine_view *v, uint32_t uid);
/* As it is now; null when it is not there. */
void job_json_id(struct json *w, const struct engine *e, uint64_t id);
/* The same of a call's. */
void job_json_of(struct json *w, const struct call *c, uint64_t id);
/* The member "jobs" with n of them. */
void job_json_jobs(struct json *w, const struct call *c, const uint64_t *ids, size_t n);
void job_json_full(struct json *w, const struct engine_view *v);
/* All of a spec's own settings, and those of its defaults when all is set. */
void spec_json(struct json *w, const struct spec *s, enum setting_scope scope, bool all);
void counts_json(struct json *w, const uint64_t *counts);
