/* The service reads its configuration again: to take it, or to check it. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/notify/notify.h"
#include "daemon/service_internal.h"

void
service_set_log_level(struct service *s)
{
	log_set_level(s->debug ? LOG_LEVEL_DEBUG :
	    (enum log_level)(LOG_LEVEL_ERR + spec_number(s->conf->daemon, DAEMON_LOG_LEVEL)));
	loop_set_slow_ms(s->loop, s->debug ? SERVICE_SLOW_MS : 0);
}

static void
begin_errors(struct reading *r)
{
	buf_consume(&r->errors, buf_len(&r->errors));
	jsonw_init(&r->w, &r->errors);
	jsonw_begin_array(&r->w);
	r->n_errors = 0;
}

static void
add_error(struct reading *r, const char *text)
{
	if (r->n_errors++ < 1000)
		jsonw_string(&r->w, text);
}

static struct call *
take_call(struct reading *r)
{
	return r->n_calls ? r->calls[--r->n_calls] : NULL;
}

static void
answer_bad(struct reading *r, const char *what)
{
	char message[160];
	struct call *c;

	jsonw_end_array(&r->w);
	(void)snprintf(message, sizeof message, "%zu error%s in the configuration; %s", r->n_errors, r->n_errors == 1 ? "" : "s", what);
	while ((c = take_call(r)))
		call_fail_errors(c, RPC_CONFIGURATION, message, buf_cstr(&r->errors));
}

/* The reload is over: those who asked in the meantime get one of their own. */
static void
reload_over(struct service *s)
{
	if (s->state == RUNNING)
		notify_ready(NULL);
	loop_defer(s->loop, &s->collected);
}

void
service_on_reloaded(const struct reload_report *report, void *arg)
{
	struct service *s = arg;
	struct reading *r = &s->reload_reading;
	struct call *c;

	log_info("configuration loaded added=%llu changed=%llu retired=%llu unchanged=%llu", (unsigned long long)report->added,
	    (unsigned long long)report->changed, (unsigned long long)report->retired, (unsigned long long)report->unchanged);
	control_note_event(s->control, "daemon", NULL, "configuration loaded");
	while ((c = take_call(r))) {
		struct json w = call_begin(c);

		buf_printf(w.out, "{\"added\":%llu,\"changed\":%llu,\"retired\":%llu,\"unchanged\":%llu,\"refused\":%llu,\"restart\":%s}",
		    (unsigned long long)report->added, (unsigned long long)report->changed, (unsigned long long)report->retired,
		    (unsigned long long)report->unchanged, (unsigned long long)report->refused, buf_cstr(&s->restart));
		call_end(c, &w);
	}
	reload_free(TAKE_PTR(s->reload));
	reload_over(s);
}

/* Settings that were changed and take effect at the next start. */
static void
note_restart(struct service *s, const struct conf *next)
{
	unsigned n;
	const struct setting *rows = settings_all(&n);
	struct json w;

	buf_consume(&s->restart, buf_len(&s->restart));
	jsonw_init(&w, &s->restart);
	jsonw_begin_array(&w);
	for (unsigned i = 0; i < n; i++)
		if (rows[i].scope == SCOPE_DAEMON && (rows[i].flags & SETTING_RESTART) &&
		    !spec_same_value(s->conf->daemon, next->daemon, rows[i].id)) {
			jsonw_string(&w, rows[i].name);
			log_notice("a setting takes effect at the next start key=%s", rows[i].name);
		}
	jsonw_end_array(&w);
}

static void
on_reload_error(const char *text, void *arg)
{
	struct service *s = arg;

	log_err("%s", text);
	add_error(&s->reload_reading, text);
}

static void
set_daemon(struct conf *conf, const struct buf *b)
{
	struct spec *daemon;

	if (spec_new(SCOPE_DAEMON, buf_bytes(b), buf_len(b), NULL, &daemon) < 0)
		return; /* too long; it cannot be, of what was not before */
	spec_unref(conf->daemon);
	conf->daemon = daemon;
}

void
service_settle_conf(const struct service *s, struct conf *conf)
{
	AUTO_FREE char *socket = NULL, *state_dir = NULL;
	AUTO_BUF struct buf b = { 0 };
	unsigned n;
	const struct setting *rows = settings_all(&n);

	if (!s->options->user)
		return;
	socket = xasprintf("%s/hauld/control.sock", s->options->runtime_dir);
	state_dir = xasprintf("%s/hauld", s->options->user_state_dir);
	for (unsigned i = 0; i < n; i++) {
		if (rows[i].scope != SCOPE_DAEMON)
			continue;
		if (rows[i].id == DAEMON_SOCKET && !spec_has(conf->daemon, DAEMON_SOCKET))
			spec_put_string(&b, DAEMON_SOCKET, socket);
		else if (rows[i].id == DAEMON_STATE_DIR && !spec_has(conf->daemon, DAEMON_STATE_DIR))
			spec_put_string(&b, DAEMON_STATE_DIR, state_dir);
		else
			spec_copy_value(&b, conf->daemon, &rows[i]);
	}
	set_daemon(conf, &b);
}

/* What cannot change while we run stays, for all who look at it. */
static void
keep_what_needs_restart(const struct conf *old, struct conf *conf)
{
	AUTO_BUF struct buf b = { 0 };
	unsigned n;
	const struct setting *rows = settings_all(&n);

	for (unsigned i = 0; i < n; i++)
		if (rows[i].scope == SCOPE_DAEMON)
			spec_copy_value(&b, rows[i].flags & SETTING_RESTART ? old->daemon : conf->daemon, &rows[i]);
	set_daemon(conf, &b);
}

static void
take_conf(struct service *s, struct conf *conf)
{
	struct conf *old = s->conf;

	keep_what_needs_restart(old, conf);
	s->conf = conf;
	service_set_log_level(s);
	engine_set_conf(s->engine, conf);
	service_set_limits(s);
	control_set_conf(s->control, conf);
	conf_free(old);
	s->reload = reload_start(s->loop, s->engine, s->store, s->archive, s->control, conf, service_on_reloaded, s);
}

static void
answer_stopping(struct reading *r)
{
	struct call *c;

	while ((c = take_call(r)))
		call_fail(c, RPC_DRAINING, "hauld does not reload any more: it stops");
}

static void
on_reload_read(enum conf_outcome outcome, struct conf *conf, void *arg)
{
	struct service *s = arg;
	struct reading *r = &s->reload_reading;

	if (outcome == CONF_OK && s->state == RUNNING) {
		service_settle_conf(s, conf);
		note_restart(s, conf);
		take_conf(s, conf);
		return;
	}
	conf_free(conf);
	if (outcome == CONF_OK) {
		answer_stopping(r);
	} else {
		if (!r->n_errors)
			add_error(r, "hauld-conf could not read it; the log says why");
		log_err("configuration not loaded: nothing was changed");
		answer_bad(r, "nothing was changed");
	}
	reload_over(s);
}

static const struct conf_load_ops reload_ops = { on_reload_error, on_reload_read };

bool
service_start_reading(struct service *s, struct reading *r, const struct conf_load_ops *ops)
{
	int error;

	begin_errors(r);
	r->load = conf_load_start(s->loop, s->children, s->options->conf_path, s->options->conf_argv, ops, s, &error);
	if (r->load)
		return true;
	log_err("cannot run %s: %s", s->options->conf_path, strerror(-error));
	add_error(r, "hauld-conf cannot be run");
	return false;
}

static void
start_reload(struct service *s)
{
	notify_reloading();
	if (!service_start_reading(s, &s->reload_reading, &reload_ops)) {
		answer_bad(&s->reload_reading, "nothing was changed");
		reload_over(s);
	}
}

static void start_check(struct service *s);

/* Those who asked while one was at work. */
static void
take_later(struct reading *r)
{
	memcpy(r->calls, r->later, sizeof r->calls);
	r->n_calls = r->n_later;
	r->n_later = 0;
	r->again = false;
}

/* Takes its place among those that the next run answers; false after the answer. */
static bool
come_later(struct reading *r, struct call *c)
{
	if (c && r->n_later == CALLS_MAX) {
		call_fail(c, RPC_TOO_MANY, "%d wait for the configuration to be read already: try again", CALLS_MAX);
		return false;
	}
	if (c)
		r->later[r->n_later++] = c;
	r->again = true;
	return true;
}

void
service_collect(void *arg)
{
	struct service *s = arg;
	struct reading *all[] = { &s->reload_reading, &s->check_reading };

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i]->load && conf_load_is_over(all[i]->load))
			conf_load_free(TAKE_PTR(all[i]->load));
	if (s->reload_reading.again && !s->reload_reading.load && !s->reload && s->state != STARTING) {
		take_later(&s->reload_reading);
		if (s->state == RUNNING)
			start_reload(s);
		else
			answer_stopping(&s->reload_reading);
	}
	if (s->check_reading.again && !s->check_reading.load) {
		take_later(&s->check_reading);
		start_check(s);
	}
}

void
service_reload(struct service *s, struct call *c)
{
	if (s->state > RUNNING) {
		if (c)
			call_fail(c, RPC_DRAINING, "hauld does not reload any more: it stops");
		return;
	}
	/* The file may have changed since the one that runs read it, or the start. */
	if (come_later(&s->reload_reading, c))
		loop_defer(s->loop, &s->collected);
}

static void
on_check_error(const char *text, void *arg)
{
	add_error(&((struct service *)arg)->check_reading, text);
}

static void
on_check_read(enum conf_outcome outcome, struct conf *conf, void *arg)
{
	struct service *s = arg;
	struct reading *r = &s->check_reading;
	struct call *c;

	conf_free(conf);
	loop_defer(s->loop, &s->collected);
	if (outcome != CONF_OK) {
		if (!r->n_errors)
			add_error(r, "hauld-conf could not read it; the log says why");
		answer_bad(r, "the running one stays");
		return;
	}
	while ((c = take_call(r)))
		call_text(c, "{\"ok\":true}");
}

static const struct conf_load_ops check_ops = { on_check_error, on_check_read };

static void
start_check(struct service *s)
{
	if (!service_start_reading(s, &s->check_reading, &check_ops))
		answer_bad(&s->check_reading, "the running one stays");
}

void
service_check(struct service *s, struct call *c)
{
	if (come_later(&s->check_reading, c))
		loop_defer(s->loop, &s->collected);
}
