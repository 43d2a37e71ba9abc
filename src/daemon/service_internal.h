/*
 * What the parts of the service share: service.c (start, signals, the end),
 * service_jobs.c (what the engine tells), service_store.c (what the store tells) and service_conf.c (reload, check).  Only
 * these see it.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "daemon/conf/conf_load.h"
#include "daemon/control/call.h"
#include "daemon/control/control.h"
#include "daemon/engine/archive.h"
#include "daemon/engine/engine.h"
#include "daemon/reload.h"
#include "daemon/service.h"

enum { SERVICE_SLOW_MS = 100 }; /* callbacks that take longer are named, in debug mode */
enum { CALLS_MAX = 64 }; /* that wait for one reload, or for the end of draining */

enum { SERVICE_EXIT_FAILED = 1 }; /* at run time */

/* One run of hauld-conf for a reload or a check, and who asked for it. */
struct reading {
	struct conf_load *load; /* owned; NULL: none runs */
	struct buf errors;      /* a JSON array in the making */
	struct json w;
	size_t n_errors;
	struct call *calls[CALLS_MAX], *later[CALLS_MAX]; /* asked for this one, and for the next */
	unsigned n_calls, n_later;
	bool again;
};

struct service {
	const struct options *options;
	struct loop *loop;
	struct children *children;
	struct engine *engine;
	struct control *control;
	struct store *store;   /* owned */
	struct list kept_waits; /* struct kept_wait, owned: for the store */
	struct history *history; /* owned */
	struct archive *archive; /* owned */
	uint64_t n_restored;
	struct conf *conf;     /* owned: the one in use */
	struct reload *reload; /* owned; NULL: none runs */
	struct reading reload_reading, check_reading;
	struct buf restart;    /* JSON array: keys that differ and need a restart */
	struct loop_signal sigterm, sigint, sighup;
	struct loop_timer watchdog, status, park;
	struct loop_deferred collected; /* what ended in this turn is freed */
	struct call *drains[CALLS_MAX];
	unsigned n_drains;
	char *socket, *state_dir; /* owned */
	int lock_fd;           /* owned: held for life */
	char instance[17];     /* what its parts are known by, in all its lives */
	enum { STARTING, RUNNING, DRAINING, STOPPING, LEAVING } state;
	bool debug;            /* by --debug, or by a client */
	uint64_t started_ms, signal_ms;
	int exit_status;
};

/* service_kept.c: as in struct engine_ops. */
void service_when_kept(void (*cb)(bool kept, void *cb_arg), void *cb_arg, void *service);
void service_free_waits(struct service *s);

/* service.c: systemd is told the new numbers, a little later. */
void service_status_changed(struct service *s);
/* See struct engine_ops. */
void service_on_idle(void *service);
/* service_jobs.c: the arrows from the engine. */
extern const struct engine_ops service_engine_ops;
/* service.c: transfers stop, jobs end as interrupted, and then it ends. */
void service_stop(struct service *s);

/* service_store.c */
extern const struct store_ops service_store_ops;
/* How many ended jobs are kept, and how long. */
void service_set_limits(struct service *s);

/* service_conf.c */
void service_set_log_level(struct service *s);
/* A user's own service takes its user's socket and state directory instead of the system's, unless the
 * configuration has others. */
void service_settle_conf(const struct service *s, struct conf *conf);
bool service_start_reading(struct service *s, struct reading *r, const struct conf_load_ops *ops);
/* What finished runs of hauld-conf leave behind cannot go inside their calls. */
void service_collect(void *service);
void service_on_reloaded(const struct reload_report *report, void *service);
/* call may be NULL: a signal asks. */
void service_reload(struct service *s, struct call *call);
void service_check(struct service *s, struct call *call);
