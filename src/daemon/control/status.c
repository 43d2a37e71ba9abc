/* What runs, how fast, what waits for what: the answer to `status`. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "daemon/control/internal.h"

enum {
	STATUS_WAITING_MAX = 10000,
	STATUS_SCAN_MAX = 50000,
	ANSWERING_MS = 4, /* of a turn of the loop */
	DISKS_MS = 500, /* that a look at the disks may take; then the numbers are older ones */
};

static void
count(struct whys *whys, const char *word, uint64_t id)
{
	size_t len = MIN(strcspn(word, ":"), sizeof whys->at[0].why - 1);
	unsigned i = 0;

	while (i < whys->n && !(strncmp(whys->at[i].why, word, len) == 0 && !whys->at[i].why[len]))
		i++;
	if (i == WHYS_MAX)
		return;
	if (i == whys->n) {
		whys->at[whys->n++] = (struct why_count){ .example = id };
		memcpy(whys->at[i].why, word, len);
	}
	whys->at[i].n++;
}

void
status_count_whys(const struct engine *e, bool all, struct whys *ret)
{
	unsigned looked = 0;
	struct engine_view v;

	*ret = (struct whys){ .n = 0 };
	for (const struct job *j = engine_next(e, 0); j; j = engine_next(e, j->id)) {
		ret->sampled = looked++ == STATUS_SCAN_MAX || ret->waiting == STATUS_WAITING_MAX;
		if (ret->sampled)
			break;
		if (j->state != JOB_QUEUED && j->state != JOB_BLOCKED && !(all && j->state == JOB_PAUSED))
			continue;
		ret->waiting++;
		if (j->state == JOB_PAUSED)
			count(ret, "paused", j->id);
		else if (engine_view(e, j->id, &v) && (v.blocked || all))
			count(ret, v.blocked ? v.blocked : "turn", j->id);
	}
}

/* The setting that most of those who wait are held by. */
static const char *
binding_limit(const struct whys *whys, const struct engine_numbers *numbers)
{
	static const char *const settings[][2] = {
		{ "global-limit", "max-concurrent-downloads" },
		{ "host-limit", "max-connections-per-host" },
		{ "request-rate", "request-rate-per-host" },
		{ "worker-backlog", "max-concurrent-verifications" },
		{ "decoder-memory", "max-overall-decoder-memory" },
	};
	const char *found = NULL;
	uint64_t most = 0;

	if (numbers->rate_limit && numbers->rate >= numbers->rate_limit / 20 * 19)
		return "max-overall-download-limit";
	for (unsigned i = 0; i < whys->n; i++)
		for (unsigned k = 0; k < ARRAY_SIZE(settings); k++)
			if (whys->at[i].n > most && strcmp(whys->at[i].why, settings[k][0]) == 0) {
				most = whys->at[i].n;
				found = settings[k][1];
			}
	return found;
}

static void
put_limit(struct json *w, const char *name, uint64_t used, uint64_t limit)
{
	jsonw_begin_object(w);
	jsonw_key_string(w, "name", name);
	jsonw_key_u64(w, "used", used);
	jsonw_key_u64(w, "limit", limit);
	jsonw_end_object(w);
}

static void
put_limits(struct json *w, const struct engine_numbers *n, uint64_t queued_max)
{
	jsonw_key(w, "limits");
	jsonw_begin_array(w);
	put_limit(w, "max-concurrent-downloads", n->transfers, n->transfers_max);
	put_limit(w, "max-concurrent-verifications", n->verifying, n->verifying_max);
	put_limit(w, "max-overall-download-limit", n->rate, n->rate_limit);
	if (queued_max)
		put_limit(w, "max-queued", n->open, queued_max);
	jsonw_end_array(w);
}

/* Null where nobody could look yet. */
static void
put_known(struct json *w, const char *name, const struct engine_disk *d, uint64_t v)
{
	jsonw_key(w, name);
	if (d->known)
		jsonw_u64(w, v);
	else
		jsonw_null(w);
}

static void
put_disks(struct json *w, const struct control *c)
{
	struct engine_disk d;

	jsonw_key(w, "disks");
	jsonw_begin_array(w);
	for (unsigned i = 0; engine_disk(c->engine, i, &d); i++) {
		jsonw_begin_object(w);
		jsonw_key_string(w, "root", d.root);
		put_known(w, "free", &d, d.free);
		put_known(w, "size", &d, d.size);
		put_known(w, "kept", &d, d.kept);
		jsonw_key_u64(w, "reserved", d.reserved);
		put_known(w, "age_ms", &d, d.age_ms);
		jsonw_key_u64(w, "unflushed", d.unflushed);
		jsonw_key_u64(w, "limit", d.unflushed_max);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

static void
put_loop(struct json *w, const struct loop_stats *s)
{
	jsonw_key(w, "loop");
	jsonw_begin_object(w);
	jsonw_key_u64(w, "callbacks", s->callbacks);
	jsonw_key_u64(w, "late", s->late_wall);
	jsonw_key_u64(w, "late_cpu", s->late_cpu);
	jsonw_key_u64(w, "max_us", s->max_wall_ns / 1000);
	jsonw_key_u64(w, "max_cpu_us", s->max_cpu_ns / 1000);
	jsonw_key_string(w, "max_name", s->max_name);
	jsonw_end_object(w);
}

static void
put_waiting(struct json *w, const struct engine *e, const struct engine_numbers *numbers)
{
	struct whys whys;

	status_count_whys(e, false, &whys);
	jsonw_key(w, "waiting");
	jsonw_begin_object(w);
	for (unsigned i = 0; i < whys.n; i++)
		jsonw_key_u64(w, whys.at[i].why, whys.at[i].n);
	jsonw_end_object(w);
	jsonw_key_bool(w, "waiting_sampled", whys.sampled);
	jsonw_key_string(w, "binding", binding_limit(&whys, numbers));
}

/* How the store does; what it is about is told in clients' errors, too. */
static void
put_store(struct json *w, const struct control *c)
{
	uint64_t silent = store_silent_ms(c->store);
	const char *why = NULL;
	bool failed = store_is_failed(c->store, &why);

	jsonw_key(w, "store");
	jsonw_begin_object(w);
	jsonw_key_string(w, "state", failed ? "failing" : silent ? "silent" : "working");
	jsonw_key_string(w, "reason", failed ? why : silent ?
	    "it does not answer: the disk of the state directory may be dead or very slow" : NULL);
	jsonw_key_u64(w, "silent_s", silent / 1000);
	jsonw_key_u64(w, "queued", store_queued(c->store));
	jsonw_key_u64(w, "history", archive_past(c->archive));
	jsonw_end_object(w);
}

static void
write_status(const struct control *control, struct buf *out)
{
	struct engine_numbers numbers;
	struct json w;

	engine_get_numbers(control->engine, &numbers);
	archive_count(control->archive, numbers.jobs);
	jsonw_init(&w, out);
	jsonw_begin_object(&w);
	jsonw_key_string(&w, "state", control->stopping ? control->stopping : "running");
	jsonw_key_bool(&w, "paused", engine_is_paused(control->engine));
	jsonw_key_u64(&w, "pid", (uint64_t)getpid());
	jsonw_key_string(&w, "version", PACKAGE_VERSION);
	jsonw_key_u64(&w, "uptime_s", (clock_now_ms() - control->options.started_ms) / 1000);
	jsonw_key_string(&w, "config", control->options.conf_file);
	jsonw_key_string(&w, "socket", control->options.path);
	jsonw_key(&w, "jobs");
	counts_json(&w, numbers.jobs);
	jsonw_key_u64(&w, "rate", numbers.rate);
	jsonw_key_u64(&w, "received", numbers.received);
	put_waiting(&w, control->engine, &numbers);
	put_limits(&w, &numbers, spec_number(control->conf->daemon, DAEMON_MAX_QUEUED));
	jsonw_key(&w, "workers");
	jsonw_begin_object(&w);
	jsonw_key_u64(&w, "running", numbers.workers);
	jsonw_key_u64(&w, "limit", numbers.workers_max);
	jsonw_key_u64(&w, "deaths", numbers.worker_deaths);
	jsonw_end_object(&w);
	put_disks(&w, control);
	put_store(&w, control);
	put_loop(&w, loop_get_stats(control->loop));
	jsonw_key_u64(&w, "clients", control->n_clients);
	jsonw_end_object(&w);
}

/* ---- Disks are looked at by workers, and one of them may be dead ----------------- */

struct status {
	struct list link; /* of control->statuses */
	struct call *call;
};

static void
status_free(struct status *s)
{
	list_remove(&s->link);
	free(s);
}

/* Some in each turn: hundreds of clients may wait for one look. */
static void
answer_some(void *arg)
{
	struct control *control = arg;
	AUTO_BUF struct buf text = { 0 };
	uint64_t until;

	loop_timer_cancel(&control->disks_late);
	if (!list_empty(&control->statuses))
		write_status(control, &text);
	/* From now on: however long that took, somebody is answered each time. */
	until = clock_now_ms() + ANSWERING_MS;
	while (!list_empty(&control->statuses)) {
		struct status *s = LIST_FIRST(&control->statuses, struct status, link);
		struct call *c = s->call;

		if (clock_now_ms() >= until) {
			loop_defer(control->loop, &control->answering);
			return;
		}
		status_free(s);
		call_text(c, buf_cstr(&text));
	}
}

static void
on_disk(void *arg)
{
	struct control *control = arg;

	if (!list_empty(&control->statuses) && !engine_look_at_disks(control->engine))
		answer_some(control);
}

void
method_status(struct call *c)
{
	struct control *control = c->control;
	struct status *s;

	if (!engine_look_at_disks(control->engine)) {
		AUTO_BUF struct buf text = { 0 };

		write_status(control, &text);
		call_text(c, buf_cstr(&text));
		return;
	}
	s = NEW(struct status);
	s->call = c;
	list_append(&control->statuses, &s->link);
	if (!control->disks_late.set)
		loop_timer_set(&control->disks_late, DISKS_MS);
}

void
statuses_init(struct control *control)
{
	list_init(&control->statuses);
	loop_timer_init(&control->disks_late, control->loop, "status", answer_some, control);
	loop_deferred_init(&control->answering, "answer status", answer_some, control);
}

void
statuses_begin(struct control *control)
{
	engine_on_disk(control->engine, on_disk, control);
}

void
statuses_done(struct control *control)
{
	while (!list_empty(&control->statuses)) {
		struct status *s = LIST_FIRST(&control->statuses, struct status, link);

		call_free(s->call);
		status_free(s);
	}
	if (control->engine)
		engine_on_disk(control->engine, NULL, NULL);
	loop_timer_done(&control->disks_late);
	loop_undefer(&control->answering);
}
