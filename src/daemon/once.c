/* `hauld --once`; see once.h. */
#include "daemon/once.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/conf/conf_load.h"
#include "daemon/control/control.h"
#include "daemon/engine/engine_groups.h"
#include "daemon/once_state.h"
#include "daemon/show.h"
#include "model/values.h"

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_CONFIG = 78, /* EX_CONFIG of sysexits.h(3head) */
	EXIT_INTERRUPTED = 130,
	ADDS_PER_TURN = 1000,
	FAREWELL_MS = 3000, /* for workers to leave */
	SAME_SIGNAL_MS = 250,
};

struct once {
	const struct options *options;
	struct loop *loop;
	struct children *children;
	struct conf_load *load;
	struct conf *conf;
	struct engine *engine;
	struct show *show;
	struct loop_signal sigterm, sigint, sighup;
	struct loop_deferred add, note;
	struct once_state state;
	struct loop_timer farewell;
	size_t n_added;
	uint64_t n_not_needed; /* jobs: no failure of anything */
	bool interrupted;
	uint64_t signal_ms; /* when */
	int status; /* of the exit */
};

/* ---- The jobs come in ---------------------------------------------------------- */

static void
add_job(struct once *o)
{
	struct spec *spec = o->conf->jobs.items[o->n_added++];
	const char *output = spec_string(spec, JOB_OUTPUT);
	AUTO_FREE char *staged = engine_stage_of(o->engine, spec);
	uint64_t in, out;

	if (o->state.goes_on && once_state_was_done(&o->state, o->n_added, output, &in, &out))
		engine_note_published(o->engine, in, out);
	else if (o->state.goes_on)
		engine_sweep(o->engine, staged ? staged : output);
	(void)engine_add(o->engine, spec, JOB_NO_UID, true);
}

/* Some in each turn, so that 200,000 of them do not hold the loop. */
static void
add_jobs(void *arg)
{
	struct once *o = arg;

	for (unsigned n = 0; n < ADDS_PER_TURN && o->n_added < o->conf->jobs.len && !o->interrupted; n++)
		add_job(o);
	if (o->n_added == o->conf->jobs.len) {
		engine_restored(o->engine);
		engine_jobs_complete(o->engine, true);
		engine_adding(o->engine, false);
	} else if (!o->interrupted) {
		loop_defer(o->loop, &o->add);
	}
}

static void
on_note(void *arg)
{
	once_state_flush(&((struct once *)arg)->state);
}

static void
on_start(const struct job *j, void *arg)
{
	show_start(((struct once *)arg)->show, j);
}

static void
on_retry(const struct job *j, uint64_t delay_ms, void *arg)
{
	show_retry(((struct once *)arg)->show, j, delay_ms);
}

static void
on_end(const struct job *j, const struct job_receipt *r, void *arg)
{
	struct once *o = arg;

	show_end(o->show, j, r);
	o->n_not_needed += j->result->code == RESULT_NOT_NEEDED;
	if (j->state != JOB_DONE || !r->work || !r->work->inode || !o->state.dir)
		return;
	once_state_note(&o->state, j->id, r->work->inode, r->work->in, j->published);
	loop_defer(o->loop, &o->note);
}

static void
leave(void *arg)
{
	struct once *o = arg;

	loop_stop(o->loop);
}

static void
on_idle(void *arg)
{
	struct once *o = arg;

	if (o->n_added < o->conf->jobs.len && !o->interrupted)
		return;
	show_finish(o->show, loop_get_stats(o->loop));
	if (o->interrupted && o->state.dir)
		log_info("the same command goes on where this one stopped");
	if (o->interrupted)
		o->status = EXIT_INTERRUPTED;
	else if (show_count(o->show, JOB_DONE) + o->n_not_needed < engine_count(o->engine))
		o->status = EXIT_FAILED;
	loop_timer_set(&o->farewell, FAREWELL_MS);
	engine_stop(o->engine, leave, o);
}

static void
on_describe(struct json *w, const struct engine_view *v, bool full, void *arg UNUSED)
{
	control_describe(w, v, full);
}

static const struct engine_ops engine_ops = {
	.describe = on_describe,
	.on_start = on_start, .on_retry = on_retry, .on_end = on_end, .on_idle = on_idle,
};

/* Nobody could resume it, and we would never end. */
static bool
waits_for_ever(const struct once *o)
{
	for (size_t i = 0; i < o->conf->groups.len; i++) {
		const struct spec *g = o->conf->groups.items[i];

		if (!spec_bool(g, GROUP_PAUSED))
			continue;
		log_err("group %s is paused, and with --once nobody can resume it: take paused = true out",
		    spec_string(g, GROUP_NAME));
		return true;
	}
	return false;
}

static void
run_jobs(struct once *o)
{
	struct engine_options eo = {
		.worker_path = o->options->worker_path,
		.spawn_path = o->options->spawn_path,
		.default_proxy = "env",
		.slice_timeout_ms = o->options->slice_timeout_ms,
		.keep_sources = o->options->json,
	};
	struct show_options so = { .json = o->options->json, .progress = !o->options->no_progress };
	struct result why = { 0 };

	log_set_level(o->options->debug ? LOG_LEVEL_DEBUG :
	    (enum log_level)(LOG_LEVEL_ERR + spec_number(o->conf->daemon, DAEMON_LOG_LEVEL)));
	if (waits_for_ever(o)) {
		o->status = EXIT_CONFIG;
		loop_stop(o->loop);
		return;
	}
	once_state_open(&o->state, o->options->user_state_dir, o->conf);
	if (o->state.dir)
		eo.instance = o->state.instance;
	o->engine = engine_new(o->loop, o->children, o->conf, &eo, &engine_ops, o, &why);
	if (!o->engine) {
		log_err("%s", why.text);
		o->status = EXIT_CONFIG;
		loop_stop(o->loop);
		return;
	}
	o->show = show_new(o->loop, &so);
	show_begin(o->show, o->engine);
	engine_adding(o->engine, true);
	if (o->conf->jobs.len)
		add_jobs(o);
	else
		on_idle(o);
}

/* ---- The configuration ------------------------------------------------------------ */

static void
on_conf_error(const char *text, void *arg UNUSED)
{
	(void)fprintf(stderr, "%s\n", text);
}

/* Nobody could set an event, and the run would never end. */
static bool
waits_for_events(const struct once *o)
{
	bool any = false;
	const char *one;

	for (size_t i = 0; i < o->conf->jobs.len; i++)
		for (unsigned k = 0; (one = spec_list(o->conf->jobs.items[i], JOB_AFTER, k)); k++)
			if (value_is_event(one)) {
				(void)fprintf(stderr, "jobs[%zu]: after \"%s\" is for a service: with --once nobody could set the event\n", i, one);
				any = true;
			}
	return any;
}

static void
on_conf(enum conf_outcome outcome, struct conf *conf, void *arg)
{
	struct once *o = arg;

	o->conf = conf;
	switch (outcome) {
	case CONF_OK:
		if (!waits_for_events(o)) {
			run_jobs(o);
			return;
		}
		o->status = EXIT_CONFIG;
		break;
	case CONF_BAD:
		o->status = EXIT_CONFIG;
		break;
	case CONF_USAGE:
		o->status = EXIT_USAGE;
		break;
	case CONF_FAILED:
		o->status = EXIT_FAILED;
		break;
	}
	loop_stop(o->loop);
}

static const struct conf_load_ops conf_ops = { on_conf_error, on_conf };

/* ---- Signals ------------------------------------------------------------------------- */

/* Once: let go of everything, in order.  Twice: leave at once; what is under a
 * final name is whole all the same. */
static void
on_signal(void *arg)
{
	struct once *o = arg;
	uint64_t now = clock_now_ms();

	/* timeout(1) and shells signal a process and then its group: one wish. */
	if (o->interrupted && now - o->signal_ms < SAME_SIGNAL_MS)
		return;
	if (o->interrupted || !o->engine)
		_exit(EXIT_INTERRUPTED);
	o->signal_ms = now;
	o->interrupted = true;
	if (engine_count(o->engine))
		engine_interrupt(o->engine);
	else
		on_idle(o);
}

/* ---- Life ------------------------------------------------------------------------------ */

static bool
start(struct once *o)
{
	int error;

	o->load = conf_load_start(o->loop, o->children, o->options->conf_path, o->options->conf_argv, &conf_ops, o, &error);
	if (o->load)
		return true;
	log_err("cannot run %s: %s", o->options->conf_path, strerror(-error));
	o->status = EXIT_FAILED;
	return false;
}

int
once_run(const struct options *options)
{
	struct once o = { .options = options, .state = { .lock_fd = -1, .done_fd = -1 } };

	o.loop = loop_new();
	if (options->debug)
		loop_set_slow_ms(o.loop, 100);
	o.children = children_new(o.loop);
	loop_deferred_init(&o.add, "add jobs", add_jobs, &o);
	loop_deferred_init(&o.note, "note done jobs", on_note, &o);
	loop_timer_init(&o.farewell, o.loop, "farewell", leave, &o);
	loop_signal_init(&o.sigterm, o.loop, SIGTERM, on_signal, &o);
	loop_signal_init(&o.sigint, o.loop, SIGINT, on_signal, &o);
	loop_signal_init(&o.sighup, o.loop, SIGHUP, on_signal, &o);
	if (start(&o))
		loop_run(o.loop);
	loop_undefer(&o.add);
	loop_undefer(&o.note);
	once_state_close(&o.state, !o.interrupted);
	loop_timer_done(&o.farewell);
	show_free(o.show);
	engine_free(o.engine);
	conf_load_free(o.load);
	conf_free(o.conf);
	loop_signal_done(&o.sigterm);
	loop_signal_done(&o.sigint);
	loop_signal_done(&o.sighup);
	children_free(o.children);
	loop_free(o.loop);
	return o.status;
}
