/* The service; see service.h. */
#include "daemon/service.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/engine/engine_groups.h"
#include "daemon/notify/notify.h"
#include "daemon/service_internal.h"
#include "daemon/xfer/library.h"

enum {
	EXIT_OK = 0,
	EXIT_CONFIG = 78,     /* EX_CONFIG of sysexits.h(3head) */
	PARK_MS = 5000,       /* for transfers and workers to let go */
	STATUS_MS = 2000,     /* between two STATUS= of a busy service */
	SAME_SIGNAL_MS = 250, /* of one wish */
};

/* ---- What systemd sees ----------------------------------------------------------- */

static void
tell_status(void *arg)
{
	struct service *s = arg;
	struct engine_numbers n;

	engine_get_numbers(s->engine, &n);
	archive_count(s->archive, n.jobs);
	notify_status("%llu active, %llu waiting, %llu done, %llu failed", (unsigned long long)n.jobs[JOB_ACTIVE],
	    (unsigned long long)(n.jobs[JOB_QUEUED] + n.jobs[JOB_BLOCKED]), (unsigned long long)n.jobs[JOB_DONE],
	    (unsigned long long)n.jobs[JOB_FAILED]);
}

void
service_status_changed(struct service *s)
{
	if (!s->status.set && s->state == RUNNING)
		loop_timer_set(&s->status, STATUS_MS);
}

static void
on_watchdog(void *arg)
{
	struct service *s = arg;

	notify_watchdog();
	loop_timer_set(&s->watchdog, notify_watchdog_ms());
}

/* ---- The end ------------------------------------------------------------------------ */

static void
leave(void *arg)
{
	struct service *s = arg;

	loop_stop(s->loop);
}

static void
on_park_timeout(void *arg)
{
	struct service *s = arg;

	log_warning("not everything let go within %d s; what is under a final name is whole", PARK_MS / 1000);
	_exit(s->exit_status);
}

/* Transfers stop, jobs end as interrupted, on_idle comes. */
void
service_stop(struct service *s)
{
	if (s->state >= STOPPING)
		return;
	notify_stopping();
	s->state = STOPPING;
	loop_timer_set(&s->park, PARK_MS);
	if (s->control) {
		control_set_stopping(s->control, "stopping");
		control_close_listener(s->control);
	}
	if (s->engine)
		engine_interrupt(s->engine);
	else
		leave(s);
}

/* What ended is on the disk before we go. */
static void
on_history_left(void *arg)
{
	struct service *s = arg;

	store_stop(s->store, leave, s);
}

static void
on_workers_left(void *arg)
{
	struct service *s = arg;

	history_stop(s->history, on_history_left, s);
}

void
service_on_idle(void *arg)
{
	struct service *s = arg;

	if (s->state == STARTING) {
		return; /* jobs are being restored */
	} else if (s->state == DRAINING) {
		while (s->n_drains)
			call_ok(s->drains[--s->n_drains]);
		log_info("drained");
		service_stop(s);
	} else if (s->state == STOPPING) {
		s->state = LEAVING;
		log_info("stopped");
		engine_stop(s->engine, on_workers_left, s);
	} else {
		control_on_idle(s->control);
	}
}

/* ---- What clients ask of the whole -------------------------------------------------------- */

static void
control_check(struct call *c, void *arg)
{
	service_check(arg, c);
}

static void
control_reload(struct call *c, void *arg)
{
	service_reload(arg, c);
}

static void
control_drain(struct call *c, void *arg)
{
	struct service *s = arg;

	if (s->n_drains == CALLS_MAX || s->state >= STOPPING) {
		call_fail(c, RPC_DRAINING, "hauld stops already");
		return;
	}
	s->drains[s->n_drains++] = c;
	if (s->state == DRAINING)
		return;
	log_info("draining: nothing new is started");
	control_note_event(s->control, "daemon", NULL, "draining");
	s->state = DRAINING;
	notify_status("draining");
	control_set_stopping(s->control, "draining");
	engine_drain(s->engine);
}

static void
control_shutdown(struct call *c, void *arg)
{
	struct service *s = arg;

	log_info("shutdown uid=%u", c->uid);
	call_ok(c);
	service_stop(s);
}

static void
control_debug(bool on, void *arg)
{
	struct service *s = arg;

	s->debug = on;
	log_notice("debug is %s", on ? "on" : "off");
	control_note_event(s->control, "daemon", NULL, on ? "debug is on" : "debug is off");
	service_set_log_level(s);
}

static const struct control_ops control_ops = { control_check, control_reload, control_drain, control_shutdown, control_debug };

/* ---- The start ------------------------------------------------------------------------------ */

static void
fail_start(struct service *s, int status)
{
	s->exit_status = status;
	loop_stop(s->loop);
}

/* What our parts are known by stands in the file that we hold locked. */
static bool
know_instance(struct service *s)
{
	ssize_t n = pread(s->lock_fd, s->instance, 16, 0);
	uint64_t id;

	s->instance[n > 0 ? n : 0] = '\0';
	if (strspn(s->instance, "0123456789abcdef") == 16)
		return true;
	if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id)
		id = clock_now_ns() ^ (uint64_t)getpid() << 40;
	(void)snprintf(s->instance, sizeof s->instance, "%016" PRIx64, id);
	if (ftruncate(s->lock_fd, 0) == 0 && fd_pwrite_full(s->lock_fd, s->instance, 16, 0) == 0)
		return true;
	log_err("cannot write to the state directory %s: %s; it must be the service's own, and have some room",
	    log_safe(s->state_dir), strerror(errno));
	return false;
}

/* Whoever may write there could put another database in the place of ours. */
static bool
is_private(const struct service *s)
{
	struct stat st;

	if (stat(s->state_dir, &st) < 0) {
		log_err("cannot look at the state directory %s: %s", log_safe(s->state_dir), strerror(errno));
		return false;
	}
	if (!(st.st_mode & S_IWOTH))
		return true;
	log_err("everybody may write to the state directory %s: take that away (chmod 0700), or set daemon.state-dir",
	    log_safe(s->state_dir));
	return false;
}

/* One hauld a state directory: the lock is the kernel's and goes with us. */
static bool
lock_state(struct service *s)
{
	AUTO_FREE char *path = xasprintf("%s/lock", s->state_dir);
	int r = file_make_dirs(s->state_dir, 0700);

	if (r < 0) {
		log_err("cannot make the state directory %s: %s; make it (0700, the service's own) or set daemon.state-dir",
		    log_safe(s->state_dir), strerror(-r));
		return false;
	}
	if (!is_private(s))
		return false;
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (s->lock_fd < 0) {
		log_err("cannot use the state directory %s: cannot open %s: %s; both must be the service's own (uid %u)",
		    log_safe(s->state_dir), log_safe(path), strerror(errno), (unsigned)geteuid());
		return false;
	}
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return know_instance(s);
	if (errno != EWOULDBLOCK)
		log_err("cannot lock the state directory %s: %s", log_safe(s->state_dir), strerror(errno));
	else
		log_err("another hauld has the state directory %s: stop that one, or set daemon.state-dir", log_safe(s->state_dir));
	return false;
}

/* What to do about a root that cannot be used (DESIGN 7). */
static void
explain_root(const char *root, int error)
{
	log_err("the root %s cannot be used: %s; it must be there and the service's, or not among daemon.roots", log_safe(root),
	    strerror(error));
	if (getenv("INVOCATION_ID")) /* set by systemd */
		log_err("if %s is meant to be a root: chown hauld:hauld %s; systemctl edit hauld, with [Service] and "
		    "ReadWritePaths=%s; systemctl restart hauld", log_safe(root), log_safe(root), log_safe(root));
}

/* Every job beneath a root that may not be written to would fail: a filesystem
 * is read-only for a service that systemd did not tell of the root. */
static bool
probe_roots(const struct service *s)
{
	const char *root;
	bool good = true;

	for (unsigned i = 0; (root = spec_list(s->conf->daemon, DAEMON_ROOTS, i)); i++)
		if (faccessat(AT_FDCWD, root, W_OK | X_OK, AT_EACCESS) < 0) {
			explain_root(root, errno);
			good = false;
		}
	return good;
}

/* Where a user's own runtime directories lie none is made for hauld. */
static bool
make_socket_dir(const struct service *s)
{
	AUTO_FREE char *dir = xasprintf("%s/hauld", s->options->runtime_dir);
	int r = file_make_dirs(dir, 0700);

	if (r < 0)
		log_err("cannot make the directory %s of the control socket: %s", log_safe(dir), strerror(-r));
	return r == 0;
}

static bool
start_control(struct service *s)
{
	struct control_options o = {
		.path = s->socket,
		.listen_fd = -1,
		.conf_file = s->options->conf_file,
		.started_ms = s->started_ms,
		.libraries = xfer_versions(),
		.conf_path = s->options->conf_path,
		.event_memory = spec_number(s->conf->daemon, DAEMON_EVENT_MEMORY),
		.log_memory = spec_number(s->conf->daemon, DAEMON_LOG_MEMORY),
		.engine = s->engine,
		.archive = s->archive,
		.history = s->history,
	};
	int r = notify_listen_fd("control", &o.listen_fd);

	if (r < 0 && r != -ENOENT) {
		log_err("the socket that was handed over cannot be used: %s", strerror(-r));
		return false;
	}
	if (r < 0 && s->options->user && !make_socket_dir(s))
		return false;
	s->control = control_new(s->loop, s->children, &o, &control_ops, s);
	return s->control != NULL;
}

static bool
start_engine(struct service *s)
{
	struct engine_options o = {
		.worker_path = s->options->worker_path,
		.spawn_path = s->options->spawn_path,
		.spawn_socket = spec_string(s->conf->daemon, DAEMON_SPAWN_SOCKET),
		.slice_timeout_ms = s->options->slice_timeout_ms,
		.keep_receipts = true,
		.keep_sources = true,
		.wait_for_room = true,
		.patient = true,
		.instance = s->instance,
	};
	struct result why = { 0 };

	/* The system's is not for a user's own service. */
	if (s->options->user && !spec_has(s->conf->daemon, DAEMON_SPAWN_SOCKET))
		o.spawn_socket = NULL;
	if (!probe_roots(s))
		return false;
	s->engine = engine_new(s->loop, s->children, s->conf, &o, &service_engine_ops, s, &why);
	if (!s->engine) {
		log_err("%s", why.text);
		return false;
	}
	engine_adding(s->engine, true); /* until the first jobs are all there */
	s->history = history_new(s->loop, s->children, s->options->store_path, s->state_dir);
	s->archive = archive_new(s->loop, s->engine, s->history);
	engine_set_archive(s->engine, s->archive);
	return true;
}

static void
on_first_error(const char *text, void *arg UNUSED)
{
	log_err("%s", text);
}

static void
on_first_conf(enum conf_outcome outcome, struct conf *conf, void *arg)
{
	struct service *s = arg;

	loop_defer(s->loop, &s->collected);
	s->conf = conf;
	if (outcome != CONF_OK) {
		fail_start(s, outcome == CONF_FAILED ? SERVICE_EXIT_FAILED : EXIT_CONFIG);
		return;
	}
	service_set_log_level(s);
	service_settle_conf(s, conf);
	s->socket = xstrdup(spec_string(conf->daemon, DAEMON_SOCKET));
	s->state_dir = xstrdup(spec_string(conf->daemon, DAEMON_STATE_DIR));
	if (!lock_state(s)) {
		fail_start(s, SERVICE_EXIT_FAILED);
		return;
	}
	if (!start_engine(s)) {
		fail_start(s, EXIT_CONFIG);
		return;
	}
	if (!start_control(s)) {
		fail_start(s, SERVICE_EXIT_FAILED);
		return;
	}
	control_set_conf(s->control, conf);
	s->store = store_new(s->loop, s->children, s->options->store_path, s->state_dir, &service_store_ops, s);
	archive_set_store(s->archive, s->store);
	service_set_limits(s);
	if (notify_watchdog_ms())
		on_watchdog(s);
}

static const struct conf_load_ops first_ops = { on_first_error, on_first_conf };

/* ---- Signals ------------------------------------------------------------------------------------ */

/* Once: let go of everything, in order.  Twice: leave at once. */
static void
on_stop_signal(void *arg)
{
	struct service *s = arg;
	uint64_t now = clock_now_ms();

	if (s->state >= STOPPING && now - s->signal_ms < SAME_SIGNAL_MS)
		return;
	if (s->state >= STOPPING && s->signal_ms)
		_exit(EXIT_OK);
	s->signal_ms = now;
	log_info("stopping");
	service_stop(s);
}

static void
on_reload_signal(void *arg)
{
	service_reload(arg, NULL);
}

/* ---- Life ----------------------------------------------------------------------------------------- */

static void
init(struct service *s)
{
	s->loop = loop_new();
	s->debug = s->options->debug;
	loop_set_slow_ms(s->loop, s->debug ? SERVICE_SLOW_MS : 0);
	s->children = children_new(s->loop);
	list_init(&s->kept_waits);
	loop_timer_init(&s->watchdog, s->loop, "watchdog", on_watchdog, s);
	loop_timer_init(&s->status, s->loop, "status", tell_status, s);
	loop_timer_init(&s->park, s->loop, "park", on_park_timeout, s);
	loop_deferred_init(&s->collected, "collect", service_collect, s);
	loop_signal_init(&s->sigterm, s->loop, SIGTERM, on_stop_signal, s);
	loop_signal_init(&s->sigint, s->loop, SIGINT, on_stop_signal, s);
	loop_signal_init(&s->sighup, s->loop, SIGHUP, on_reload_signal, s);
}

/* Those who waited when the end came. */
static void
free_calls(struct service *s)
{
	struct reading *all[] = { &s->reload_reading, &s->check_reading };

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		while (all[i]->n_calls)
			call_free(all[i]->calls[--all[i]->n_calls]);
		while (all[i]->n_later)
			call_free(all[i]->later[--all[i]->n_later]);
	}
	while (s->n_drains)
		call_free(s->drains[--s->n_drains]);
}

/* What comes now has come too late: it must not kill us where a handler was. */
static void
block_signals(void)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
}

static void
done(struct service *s)
{
	block_signals();
	loop_undefer(&s->collected);
	conf_load_free(s->reload_reading.load);
	conf_load_free(s->check_reading.load);
	reload_free(s->reload);
	free_calls(s);
	control_free(s->control);
	if (s->engine)
		engine_set_archive(s->engine, NULL);
	archive_free(s->archive);
	engine_free(s->engine);
	service_free_waits(s);
	history_free(s->history);
	store_free(s->store);
	conf_free(s->conf);
	buf_done(&s->reload_reading.errors);
	buf_done(&s->check_reading.errors);
	buf_done(&s->restart);
	loop_timer_done(&s->watchdog);
	loop_timer_done(&s->status);
	loop_timer_done(&s->park);
	loop_signal_done(&s->sigterm);
	loop_signal_done(&s->sigint);
	loop_signal_done(&s->sighup);
	children_free(s->children);
	loop_free(s->loop);
	free(s->socket);
	free(s->state_dir);
	fd_close(&s->lock_fd);
}

int
service_run(const struct options *o)
{
	struct service s = { .options = o, .started_ms = clock_now_ms(), .lock_fd = -1 };
	int r;

	r = notify_open();
	if (r < 0)
		log_warning("the service manager cannot be told anything: %s", strerror(-r));
	init(&s);
	buf_append_str(&s.restart, "[]");
	if (service_start_reading(&s, &s.reload_reading, &first_ops))
		loop_run(s.loop);
	else
		s.exit_status = SERVICE_EXIT_FAILED;
	done(&s);
	return s.exit_status;
}
