/*
 * The control socket (DESIGN 6, haul-rpc(7)): clients, their requests, who may
 * do what, waiting and watching.  Jobs are the engine's; what concerns the
 * whole daemon is asked of the service by control_ops.  Caller: service.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/conf/conf_load.h"
#include "daemon/conf/intake.h"
#include "daemon/engine/archive.h"
#include "daemon/engine/engine.h"
#include "daemon/loop/loop.h"
#include "daemon/store/store.h"

struct call;
struct control;

enum {
	CONTROL_CLIENTS_MAX = 512,
	CONTROL_CLIENTS_KEPT = 16, /* of them: for root and the service's user alone */
	CONTROL_BACKLOG = 128,
};

/* Asked by clients that may; the service answers the call (call.h), later. */
struct control_ops {
	void (*check)(struct call *c, void *arg);
	void (*reload)(struct call *c, void *arg);
	void (*drain)(struct call *c, void *arg);
	void (*shutdown)(struct call *c, void *arg);
	/* The log has everything, and slow callbacks are named; until the end, or off again. */
	void (*debug)(bool on, void *arg);
};

struct control_options {
	const char *path;        /* of the socket; borrowed */
	int listen_fd;           /* a listening socket of the system's; -1: bind path */
	const char *conf_file;   /* for config and status; borrowed; NULL: none */
	uint64_t started_ms;     /* when the daemon began */
	uint64_t event_memory, log_memory; /* bytes that `events` and `log` may keep */
	const char *libraries;   /* for version; borrowed */
	const char *conf_path;   /* of hauld-conf; borrowed */
	const struct engine *engine; /* borrowed, as the next two; its arrows may come before control_begin() */
	struct archive *archive;
	struct history *history;
};

/* NULL after saying why (a socket that another hauld serves, no directory). */
struct control *control_new(struct loop *l, struct children *c, const struct control_options *o,
    const struct control_ops *ops, void *arg);
/* The socket goes away, clients are let go. */
void control_free(struct control *c);
/* Nobody is let in any more. */
void control_close_listener(struct control *c);
/* Before the first client is served, and after each reload; borrowed. */
void control_set_conf(struct control *c, const struct conf *conf);
/* Before they are: a key that is remembered. */
void control_on_key(struct control *c, const struct store_key *k);
/* Clients are served from now on.  What they change is answered when the store
 * has it. */
void control_begin(struct control *c, struct engine *e, struct store *store);
/* New jobs and changes are refused from now on; word is status' state. */
void control_set_stopping(struct control *c, const char *word);
unsigned control_clients(const struct control *c);
/* A job of that name is with the store, and about to be the engine's. */
bool control_is_adding(const struct control *c, const char *name);

/* A job as `show` tells it, or (not full) as `list` does. */
void control_describe(struct json *w, const struct engine_view *v, bool full);

/* The arrows from the engine. */
void control_on_start(struct control *c, const struct job *j);
void control_on_state(struct control *c, const struct job *j);
void control_on_retry(struct control *c, const struct job *j, uint64_t delay_ms);
void control_on_end(struct control *c, const struct job *j);
/* These only are events of the journal (`events`); the ones above are, too. */
void control_on_add(struct control *c, const struct job *j);
void control_on_change(struct control *c, const struct job *j, enum job_state from);
void control_on_forget(struct control *c, const struct job *j);
/* Something happened that is no job's.  what, static, is a word of haul-rpc(7):
 * "group" "limit" "event" "origin" "network" "daemon"; name: whose; text: a clause. */
void control_note_event(struct control *c, const char *what, const char *name, const char *text);
/* A run of the group is over. */
void control_on_group(struct control *c, const char *name);
/* No job is left that is not over, perhaps. */
void control_on_idle(struct control *c);
