/*
 * The method `stats`: what hauld has counted since its start, and how things are.
 * Families of figures as in Prometheus' data model: a name, a type, what it means,
 * and samples with labels of few values; never a job, a name or a url.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"

enum { STATUSES_FROM = 100, STATUSES = 500 };

/* Seconds, in milliseconds. */
static const uint64_t run_bounds[] = { 100, 300, 1000, 3000, 10000, 30000, 100000, 300000, 1000000, 3600000, 21600000, 86400000 };
static const uint64_t answer_bounds[] = { 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000 };

struct figures {
	uint64_t added, attempts, published;
	uint64_t ends[_JOB_STATE_MAX][_RESULT_CODE_MAX], retries[_RESULT_CODE_MAX];
	uint32_t end_statuses[STATUSES], retry_statuses[STATUSES]; /* of RESULT_HTTP */
	struct histogram runs, answers;
};

/* ---- Counting ------------------------------------------------------------------- */

void
stats_init(struct control *c)
{
	c->figures = NEW(struct figures);
	c->figures->runs = (struct histogram){ .bounds = run_bounds, .n = ARRAY_SIZE(run_bounds) };
	c->figures->answers = (struct histogram){ .bounds = answer_bounds, .n = ARRAY_SIZE(answer_bounds) };
}

void
stats_done(struct control *c)
{
	free(c->figures);
}

static void
count_status(uint32_t *statuses, const struct result *r)
{
	if (r->code == RESULT_HTTP && r->http_status >= STATUSES_FROM && r->http_status < STATUSES_FROM + STATUSES)
		statuses[r->http_status - STATUSES_FROM]++;
}

void
stats_on_add(struct control *c)
{
	c->figures->added++;
}

void
stats_on_start(struct control *c)
{
	c->figures->attempts++;
}

void
stats_on_retry(struct control *c, const struct job *j)
{
	c->figures->retries[j->result->code]++;
	count_status(c->figures->retry_statuses, j->result);
}

void
stats_on_end(struct control *c, const struct job *j)
{
	const struct receipt *r = j->state == JOB_DONE ? engine_receipt(c->options.engine, j->id) : NULL;
	struct figures *f = c->figures;

	f->ends[j->state][j->result->code]++;
	count_status(f->end_statuses, j->result);
	if (j->started_ms)
		histogram_add(&f->runs, j->ended_ms - j->started_ms);
	if (j->state == JOB_DONE)
		f->published += j->published;
	if (r && r->times.first_byte)
		histogram_add(&f->answers, r->times.first_byte);
}

/* ---- Families ------------------------------------------------------------------- */

static void
begin_family(struct json *w, const char *name, const char *type, const char *help)
{
	jsonw_begin_object(w);
	jsonw_key_string(w, "name", name);
	jsonw_key_string(w, "type", type);
	jsonw_key_string(w, "help", help);
	jsonw_key(w, "samples");
	jsonw_begin_array(w);
}

static void
end_family(struct json *w)
{
	jsonw_end_array(w);
	jsonw_end_object(w);
}

/* A sample with at most two labels; NULL: none. */
static void
begin_sample(struct json *w, const char *label, const char *value, const char *label2, const char *value2)
{
	jsonw_begin_object(w);
	jsonw_key(w, "labels");
	jsonw_begin_object(w);
	if (label)
		jsonw_key_string(w, label, value);
	if (label2)
		jsonw_key_string(w, label2, value2);
	jsonw_end_object(w);
}

static void
put_sample(struct json *w, const char *label, const char *value, uint64_t v)
{
	begin_sample(w, label, value, NULL, NULL);
	jsonw_key_u64(w, "value", v);
	jsonw_end_object(w);
}

static void
put_one(struct json *w, const char *name, const char *type, const char *help, uint64_t v)
{
	begin_family(w, name, type, help);
	put_sample(w, NULL, NULL, v);
	end_family(w);
}

static void
put_seconds(struct json *w, const char *name, const char *type, const char *help, double v)
{
	begin_family(w, name, type, help);
	begin_sample(w, NULL, NULL, NULL, NULL);
	jsonw_key(w, "value");
	jsonw_double(w, v);
	jsonw_end_object(w);
	end_family(w);
}

/* Values are so many to a second. */
static void
put_histogram(struct json *w, const char *name, const char *help, const struct histogram *h, double per_s)
{
	uint64_t n = 0;

	begin_family(w, name, "histogram", help);
	begin_sample(w, NULL, NULL, NULL, NULL);
	jsonw_key(w, "buckets");
	jsonw_begin_array(w);
	for (unsigned i = 0; i < h->n; i++) {
		jsonw_begin_array(w);
		jsonw_double(w, (double)h->bounds[i] / per_s);
		jsonw_u64(w, n += h->counts[i]);
		jsonw_end_array(w);
	}
	jsonw_end_array(w);
	jsonw_key(w, "sum");
	jsonw_double(w, (double)h->sum / per_s);
	jsonw_key_u64(w, "count", h->count);
	jsonw_end_object(w);
	end_family(w);
}

/* ---- What there is ----------------------------------------------------------------- */

static void
put_ended(struct json *w, enum job_state state, const char *cause, uint64_t n)
{
	if (!n)
		return;
	begin_sample(w, "state", job_state_to_string(state), "cause", cause);
	jsonw_key_u64(w, "value", n);
	jsonw_end_object(w);
}

static void
put_ends(struct json *w, const struct figures *f)
{
	begin_family(w, "hauld_jobs_ended_total", "counter", "Jobs that ended, by state and cause.");
	for (unsigned s = 0; s < _JOB_STATE_MAX; s++)
		for (unsigned code = 0; code < _RESULT_CODE_MAX; code++)
			if (code != RESULT_HTTP)
				put_ended(w, (enum job_state)s, result_code_to_string((enum result_code)code), f->ends[s][code]);
	for (unsigned i = 0; i < STATUSES; i++) {
		struct result r = { .code = RESULT_HTTP, .http_status = (int)i + STATUSES_FROM };

		put_ended(w, JOB_FAILED, result_word(&r), f->end_statuses[i]);
	}
	end_family(w);
}

static void
put_retries(struct json *w, const struct figures *f)
{
	begin_family(w, "hauld_retries_total", "counter", "Attempts that failed and were or will be repeated, by cause.");
	for (unsigned code = 0; code < _RESULT_CODE_MAX; code++)
		if (code != RESULT_HTTP && f->retries[code])
			put_sample(w, "cause", result_code_to_string((enum result_code)code), f->retries[code]);
	for (unsigned i = 0; i < STATUSES; i++) {
		struct result r = { .code = RESULT_HTTP, .http_status = (int)i + STATUSES_FROM };

		if (f->retry_statuses[i])
			put_sample(w, "cause", result_word(&r), f->retry_statuses[i]);
	}
	end_family(w);
}

static void
put_jobs(struct json *w, const struct control *c, const struct engine_numbers *numbers)
{
	struct whys whys;

	status_count_whys(c->engine, false, &whys);
	begin_family(w, "hauld_jobs", "gauge", "Jobs by state; ended ones as long as they are remembered.");
	for (unsigned s = 0; s < _JOB_STATE_MAX; s++)
		put_sample(w, "state", job_state_to_string((enum job_state)s), numbers->jobs[s]);
	end_family(w);
	begin_family(w, "hauld_jobs_waiting", "gauge", "Jobs that wait, by reason; at most the first 10000 that wait are counted.");
	for (unsigned i = 0; i < whys.n; i++)
		put_sample(w, "reason", whys.at[i].why, whys.at[i].n);
	end_family(w);
}

static void
put_transfers(struct json *w, const struct control *c, const struct engine_numbers *n)
{
	const struct figures *f = c->figures;

	put_one(w, "hauld_jobs_added_total", "counter", "Jobs that were added.", f->added);
	put_ends(w, f);
	put_one(w, "hauld_attempts_total", "counter", "Attempts that were begun.", f->attempts);
	put_retries(w, f);
	put_one(w, "hauld_received_bytes_total", "counter", "Bytes of bodies that were received.", n->received);
	put_one(w, "hauld_published_bytes_total", "counter", "Bytes of files that were published.", f->published);
	begin_family(w, "hauld_connections_total", "counter", "Requests by the connection they went over: a new one, or one that was kept.");
	put_sample(w, "connection", "new", n->connections_made);
	put_sample(w, "connection", "kept", n->connections_kept);
	end_family(w);
	put_one(w, "hauld_transfers", "gauge", "Transfers that hold a network slot.", n->transfers);
	put_one(w, "hauld_transfers_limit", "gauge", "Network slots, max-concurrent-downloads.", n->transfers_max);
	put_one(w, "hauld_verifications", "gauge", "Jobs past their download that are verified, unpacked or published.", n->verifying);
	put_one(w, "hauld_verifications_limit", "gauge", "How many of these there may be.", n->verifying_max);
	put_one(w, "hauld_receive_rate_bytes_per_second", "gauge", "Bytes that come in now.", n->rate);
	put_one(w, "hauld_receive_rate_limit_bytes_per_second", "gauge", "max-overall-download-limit; 0: none.", n->rate_limit);
	put_histogram(w, "hauld_job_duration_seconds", "From the first attempt of a job to its end.", &f->runs, 1000);
	put_histogram(w, "hauld_first_byte_seconds", "From a request to the first byte of its answer, of jobs that are done.", &f->answers, 1000);
}

enum disk_figure { DISK_FREE, DISK_SIZE, DISK_RESERVED, DISK_UNFLUSHED };

static void
put_disk(struct json *w, const struct control *c, const char *name, const char *help, enum disk_figure what)
{
	struct engine_disk d;

	begin_family(w, name, "gauge", help);
	for (unsigned i = 0; engine_disk(c->engine, i, &d); i++) {
		uint64_t v = what == DISK_FREE ? d.free : what == DISK_SIZE ? d.size : what == DISK_RESERVED ? d.reserved : d.unflushed;

		if (d.known || what >= DISK_RESERVED)
			put_sample(w, "root", d.root, v);
	}
	end_family(w);
}

static void
put_disks(struct json *w, const struct control *c)
{
	put_disk(w, c, "hauld_filesystem_free_bytes", "Free on the filesystem of a root, at the last look.", DISK_FREE);
	put_disk(w, c, "hauld_filesystem_size_bytes", "Its size.", DISK_SIZE);
	put_disk(w, c, "hauld_filesystem_reserved_bytes", "Bytes that jobs which run will still write there.", DISK_RESERVED);
	put_disk(w, c, "hauld_filesystem_unflushed_bytes", "Bytes received and not written back yet.", DISK_UNFLUSHED);
}

static void
put_helpers(struct json *w, const struct control *c, const struct engine_numbers *n)
{
	put_one(w, "hauld_workers", "gauge", "Worker processes that run.", n->workers);
	put_one(w, "hauld_worker_deaths_total", "counter", "Workers that died or were replaced.", n->worker_deaths);
	put_one(w, "hauld_store_commits_total", "counter", "Transactions of the job database.", store_commits(c->store));
	put_one(w, "hauld_store_changes_total", "counter", "Changes of jobs that these have made durable.", store_committed(c->store));
	put_one(w, "hauld_store_queued_changes", "gauge", "Changes that wait for the disk.", store_queued(c->store));
	put_one(w, "hauld_store_failing", "gauge", "1: the job database cannot be written now.", store_is_failed(c->store, NULL));
	put_one(w, "hauld_clients", "gauge", "Clients of the control socket.", c->n_clients);
	put_one(w, "hauld_events_total", "counter", "Events of the journal, the number of the last one.", c->events.ring.next - 1);
}

static void
put_loop(struct json *w, const struct control *c)
{
	const struct loop_stats *s = loop_get_stats(c->loop);

	put_histogram(w, "hauld_loop_lag_seconds", "What happened had to wait for the event loop at most so long: the length of its turns.",
	    &s->turn_times, 1e9);
	put_histogram(w, "hauld_loop_callback_seconds", "The length of its callbacks.", &s->callback_times, 1e9);
	put_one(w, "hauld_loop_late_callbacks_total", "counter", "Callbacks that took 20 ms or more.", s->late_wall);
}

/* The second figure of statm(5) is resident pages; 0: it cannot be read. */
static uint64_t
resident_bytes(void)
{
	char text[128];
	AUTO_CLOSE int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	uint64_t pages;
	const char *at;

	text[MAX(n, (ssize_t)0)] = '\0';
	at = strchr(text, ' ');
	if (!at || parse_u64_n(at + 1, strcspn(at + 1, " "), 10, &pages) < 0)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double
seconds_of(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void
put_process(struct json *w, const struct control *c)
{
	struct rusage u = { 0 };

	(void)getrusage(RUSAGE_SELF, &u);
	begin_family(w, "hauld_build_info", "gauge", "The version of hauld, in a label; its value is 1.");
	put_sample(w, "version", PACKAGE_VERSION, 1);
	end_family(w);
	put_seconds(w, "process_start_time_seconds", "gauge", "When hauld was started, in seconds since 1970.",
	    (double)(clock_wall_ms() - (int64_t)(clock_now_ms() - c->options.started_ms)) / 1000);
	put_seconds(w, "process_cpu_seconds_total", "counter", "CPU time of hauld, without its helpers.",
	    seconds_of(&u.ru_utime) + seconds_of(&u.ru_stime));
	put_one(w, "process_resident_memory_bytes", "gauge", "Memory of hauld, without its helpers.", resident_bytes());
}

void
method_stats(struct call *c)
{
	const struct control *control = c->control;
	struct engine_numbers numbers;
	struct json w;

	(void)engine_look_at_disks(control->engine); /* for who asks next */
	engine_get_numbers(control->engine, &numbers);
	archive_count(control->archive, numbers.jobs);
	w = call_begin(c);
	jsonw_begin_object(&w);
	jsonw_key(&w, "families");
	jsonw_begin_array(&w);
	put_process(&w, control);
	put_jobs(&w, control, &numbers);
	put_transfers(&w, control, &numbers);
	put_disks(&w, control);
	put_helpers(&w, control, &numbers);
	put_loop(&w, control);
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	call_end(c, &w);
}
