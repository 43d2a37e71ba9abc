/*
 * What the parts of control share.  Only src/daemon/control sees this.
 *
 * A request goes: client (bytes to lines) -> control.c (line to call, who may)
 * -> methods.c and add.c (the engine is asked), await.c (waits for jobs) or
 * watch.c (tells of them).
 */
#pragma once

#include "base/map.h"
#include "daemon/control/call.h"
#include "daemon/control/client.h"
#include "daemon/control/control.h"

enum {
	JOBS_PER_CALL = 1000,   /* ids and names in one request */
	ADDS_PER_CALL = 2000,
	LIST_DEFAULT = 200,
	LIST_MAX = 1000,
	LIST_SCAN_MAX = 20000,  /* jobs looked at for one answer */
	KEYS_MAX = 10000,       /* idempotency keys that are remembered */
	KEY_LEN_MAX = 128,
	SUBSCRIPTIONS_MAX = 16, /* of one client */
};

struct control {
	struct loop *loop;
	struct control_options options;
	const struct control_ops *ops;
	void *arg;
	struct engine *engine;    /* borrowed, as the store; NULL until control_begin() */
	struct store *store;
	const struct conf *conf;  /* borrowed */
	int64_t conf_loaded_s;
	struct intake *intake;    /* owned */
	const char *stopping;     /* NULL, or the word for status */
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
	uint64_t next_subscription;
	/* add.c */
	struct map keys;          /* struct key */
	struct list key_order;    /* oldest first */
	size_t n_keys;
	struct list addings;      /* struct adding: with the intake or the store */
	struct map pending_names; /* of jobs that are with the store */
	struct list durables;     /* struct durable: answers that wait for the store */
	/* status.c */
	struct list statuses;     /* struct status: answers that wait for a look at disks */
	struct loop_timer disks_late;
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
	struct await *await; /* one of the two */
	struct subscription *sub;
};

struct method {
	const char *name;
	enum control_policy policy; /* the least that may call it */
	const char *params;         /* names that it takes, separated by spaces */
	void (*run)(struct call *c);
};

/* methods.c, status.c, hosts.c, add.c, watch.c, await.c */
const struct method *method_find(const char *name);
const char *method_suggest(const char *name);
void method_add(struct call *c);
void method_status(struct call *c);
void statuses_init(struct control *c);
/* The engine is there: it tells of looks at disks. */
void statuses_begin(struct control *c);
/* Forgets those that wait; clients have gone. */
void statuses_done(struct control *c);
void method_hosts(struct call *c);
void method_wait(struct call *c);
void method_subscribe(struct call *c);
void method_unsubscribe(struct call *c);
void keys_init(struct control *c);
void keys_done(struct control *c);
/* Forgets what is with the intake; clients have gone. */
void add_done(struct control *c);
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

/* The jobs that a request names, in its order: ids, newly allocated (*ret_n of
 * them, at least one); NULL after the call was answered with what is wrong. */
uint64_t *call_jobs(struct call *c, size_t *ret_n);
/* A non-negative whole number of the request, 0 when it is not there; false after
 * the answer. */
bool call_number(struct call *c, const char *name, uint64_t *ret);
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
/* As it is now; null when it is not there. */
void job_json_id(struct json *w, const struct engine *e, uint64_t id);
void job_json_full(struct json *w, const struct engine *e, const struct engine_view *v);
/* All of a spec's own settings, and those of its defaults when all is set. */
void spec_json(struct json *w, const struct spec *s, enum setting_scope scope, bool all);
void counts_json(struct json *w, const uint64_t *counts);
