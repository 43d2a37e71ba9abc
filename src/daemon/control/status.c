/* What runs, how fast, what waits for what: the answer to `status`. */
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "daemon/control/internal.h"

enum { STATUS_WAITING_MAX = 10000, STATUS_SCAN_MAX = 50000, WHYS_MAX = 16 };

struct why_count {
	const char *why;
	uint64_t n;
};

/* Which reasons hold how many jobs; returns how many reasons. */
static unsigned
count_whys(const struct engine *e, struct why_count *whys, bool *ret_sampled)
{
	unsigned n = 0, looked = 0, waiting = 0;
	struct engine_view v;

	for (const struct job *j = engine_next(e, 0); j; j = engine_next(e, j->id)) {
		unsigned i = 0;

		if (looked++ == STATUS_SCAN_MAX || waiting == STATUS_WAITING_MAX) {
			*ret_sampled = true;
			break;
		}
		if (j->state != JOB_QUEUED && j->state != JOB_BLOCKED)
			continue;
		waiting++;
		if (!engine_view(e, j->id, &v) || !v.blocked)
			continue;
		while (i < n && strcmp(whys[i].why, v.blocked) != 0)
			i++;
		if (i == WHYS_MAX)
			continue;
		if (i == n)
			whys[n++] = (struct why_count){ v.blocked, 0 };
		whys[i].n++;
	}
	return n;
}

/* The setting that most of those who wait are held by. */
static const char *
binding_limit(const struct why_count *whys, unsigned n, const struct engine_numbers *numbers)
{
	static const char *const settings[][2] = {
		{ "global-limit", "max-concurrent-downloads" },
		{ "host-limit", "max-connections-per-host" },
		{ "worker-backlog", "max-concurrent-verifications" },
		{ "decoder-memory", "max-overall-decoder-memory" },
	};
	const char *found = NULL;
	uint64_t most = 0;

	if (numbers->rate_limit && numbers->rate >= numbers->rate_limit / 20 * 19)
		return "max-overall-download-limit";
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < ARRAY_SIZE(settings); k++)
			if (whys[i].n > most && strcmp(whys[i].why, settings[k][0]) == 0) {
				most = whys[i].n;
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
put_limits(struct json *w, const struct engine_numbers *n)
{
	jsonw_key(w, "limits");
	jsonw_begin_array(w);
	put_limit(w, "max-concurrent-downloads", n->transfers, n->transfers_max);
	put_limit(w, "max-concurrent-verifications", n->verifying, n->verifying_max);
	put_limit(w, "max-overall-download-limit", n->rate, n->rate_limit);
	jsonw_end_array(w);
}

static void
put_disks(struct json *w, const struct control *c)
{
	const char *root;

	jsonw_key(w, "disks");
	jsonw_begin_array(w);
	for (unsigned i = 0; (root = spec_list(c->conf->daemon, DAEMON_ROOTS, i)); i++) {
		struct statvfs fs = { 0 };
		struct stat st = { 0 };
		uint64_t limit, unflushed;

		if (stat(root, &st) < 0 || statvfs(root, &fs) < 0)
			continue;
		unflushed = engine_unflushed(c->engine, st.st_dev, &limit);
		jsonw_begin_object(w);
		jsonw_key_string(w, "root", root);
		jsonw_key_u64(w, "free", (uint64_t)fs.f_bavail * fs.f_frsize);
		jsonw_key_u64(w, "unflushed", unflushed);
		jsonw_key_u64(w, "limit", limit);
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
	struct why_count whys[WHYS_MAX];
	bool sampled = false;
	unsigned n = count_whys(e, whys, &sampled);

	jsonw_key(w, "waiting");
	jsonw_begin_object(w);
	for (unsigned i = 0; i < n; i++)
		jsonw_key_u64(w, whys[i].why, whys[i].n);
	jsonw_end_object(w);
	jsonw_key_bool(w, "waiting_sampled", sampled);
	jsonw_key_string(w, "binding", binding_limit(whys, n, numbers));
}

void
method_status(struct call *c)
{
	struct control *control = c->control;
	struct engine_numbers numbers;
	struct json w;

	engine_get_numbers(control->engine, &numbers);
	w = call_begin(c);
	jsonw_begin_object(&w);
	jsonw_key_string(&w, "state", control->stopping ? control->stopping : "running");
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
	put_limits(&w, &numbers);
	jsonw_key(&w, "workers");
	jsonw_begin_object(&w);
	jsonw_key_u64(&w, "running", numbers.workers);
	jsonw_key_u64(&w, "limit", numbers.workers_max);
	jsonw_key_u64(&w, "deaths", numbers.worker_deaths);
	jsonw_end_object(&w);
	put_disks(&w, control);
	put_loop(&w, loop_get_stats(control->loop));
	jsonw_key_u64(&w, "clients", control->n_clients);
	jsonw_end_object(&w);
	call_end(c, &w);
}
