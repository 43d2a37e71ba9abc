/*
 * Random graphs of jobs against a small model: the real engine and scheduler, with
 * transfers and workers that are ours and end when and how a random number says.
 * HAUL_PROPERTY_SEED is the first seed, HAUL_PROPERTY_GRAPHS how many; a seed makes the
 * same graph and the same choices again.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/download.h"
#include "daemon/engine/engine_groups.h"
#include "daemon/engine/events.h"
#include "daemon/engine/limits.h"
#include "daemon/engine/notes.h"
#include "daemon/engine/order_internal.h"
#include "daemon/engine/plan.h"
#include "daemon/engine/reason.h"
#include "daemon/engine/timing.h"
#include "daemon/xfer/route.h"
#include "model/algo.h"
#include "model/request_rate.h"
#include "loop_until.h"
#include "run_suite.h"
#include "temp_dir.h"

enum { JOBS_MAX = 24, EVENTS = 3, GROUPS = 5, HOSTS = 4, EDGES_MAX = 4, DEFAULT_GRAPHS = 1500, UNIT_OF_MEMORY = 1 << 20 };

/* ---- Chance ----------------------------------------------------------------------- */

static uint64_t random_state, seed;

static unsigned
below(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state * UINT64_C(0x2545F4914F6CDD1D) >> 33) % n;
}

static bool
chance(unsigned percent)
{
	return below(100) < percent;
}

/* ---- The model --------------------------------------------------------------------- */

enum nature { WORKS, FAILS, FLAKY, WRITES_FAIL };

struct model_job {
	uint64_t id;
	enum nature nature;
	unsigned after[EDGES_MAX], n_after, failed[EDGES_MAX], n_failed;
	int event; /* -1: none */
	int group; /* -1: none */
	unsigned output, host;
	bool added, open;       /* open: it may end once */
	unsigned ends, retries, tries;
	bool was_done, was_failed, was_cancelled, was_not_needed; /* ever */
	bool cancelled_by_us;
	bool passed;            /* its gates, since it was added or retried */
	bool doomed;            /* a sibling has failed, and their group cancels then */
	bool stumbled;          /* FLAKY has failed since it was added or retried */
	bool brief;             /* its deadline may pass */
	unsigned memory;        /* for its decoder; 0: it has none */
	unsigned hops;          /* redirects since it was added or retried */
	bool on_network;        /* one transfer of it */
	bool at_worker;
	/* What a store would have of it. */
	struct job kept; /* spec and result are not of it */
	struct result kept_result;
	struct buf kept_receipt;
};

static struct model_group {
	int parent; /* -1: none */
	bool cancels, paused;
	bool brief; /* its deadline may pass */
	bool wanted; /* by the configuration */
	unsigned limit, on_network; /* 0: none */
} groups[GROUPS];

static struct model_job jobs[JOBS_MAX];
static unsigned n_jobs, order_of_adding[JOBS_MAX];
static bool event_now[EVENTS], event_cleared[EVENTS];
static unsigned limit_global, limit_host, limit_memory, on_network, on_host[HOSTS];
static uint64_t moves; /* whatever happened */
/* Settings change while jobs run: then the model knows less, and what must be so at the end
 * is the same. */
static bool changing;
static uint64_t every_ms, later_ms; /* 0: none comes again, none waits for a time */
static struct engine *engine;
static struct loop *loop;
static char *root;

#define must(what, ...)                                                                            \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "seed %llu: ", (unsigned long long)seed);                  \
			fprintf(stderr, __VA_ARGS__);                                              \
			fprintf(stderr, "\n");                                                     \
			ck_abort_msg("seed %llu: %s", (unsigned long long)seed, #what);            \
		}                                                                                  \
	} while (0)

static struct model_job *
job_of(const struct spec *s)
{
	return &jobs[atoi(spec_string(s, JOB_NAME) + 1)];
}

static enum job_state
state_now(const struct model_job *m)
{
	return engine_job(engine, m->id)->state;
}

/* The group around this one; -1: none. */
static int
around(int g)
{
	return groups[g].parent;
}

static bool
is_in(const struct model_job *m, int g)
{
	for (int i = m->group; i >= 0; i = around(i))
		if (i == g)
			return true;
	return false;
}

/* A failure elsewhere in its groups may end it; its own, too, when it is retried before the
 * run that this ends is over. */
static bool
may_have_sibling(const struct model_job *m)
{
	for (int g = m->group; g >= 0; g = around(g))
		for (unsigned n = 0; groups[g].cancels && n < n_jobs; n++)
			if ((&jobs[n] != m || m->retries) && jobs[n].was_failed && is_in(&jobs[n], g))
				return true;
	return false;
}

/* A deadline of its own or of its groups may end it at any time. */
static bool
may_be_late(const struct model_job *m)
{
	for (int g = m->group; g >= 0; g = around(g))
		if (groups[g].brief)
			return true;
	return m->brief;
}

static void
count_network(const struct model_job *m, unsigned host, int by)
{
	on_network += (unsigned)by;
	on_host[host] += (unsigned)by;
	for (int g = m->group; g >= 0; g = around(g))
		groups[g].on_network += (unsigned)by;
}

/* ---- Transfers ---------------------------------------------------------------------- */

/* All of transfer.h and pool.h that the engine calls stands here: who adds a function there
 * adds it here ("multiple definition" is what the linker says). */

struct xfer {
	struct xfer_options options;
};

struct transfer {
	struct list link;
	struct model_job *job;
	unsigned host;
	const struct transfer_ops *ops;
	void *arg;
	bool failing;
	struct result why;
};

static struct list transfers;

struct xfer *
xfer_new(struct loop *l UNUSED, const struct xfer_options *o)
{
	struct xfer *x = NEW(struct xfer);

	x->options = *o;
	return x;
}

void
xfer_free(struct xfer *x)
{
	must(list_empty(&transfers), "a transfer is left");
	free(x);
}

void
xfer_set_addresses(struct xfer *x UNUSED, const struct spec *daemon UNUSED)
{
}

void
xfer_prepare(struct xfer *x UNUSED, const struct spec *spec UNUSED, bool https UNUSED)
{
}

void
xfer_check_stalls(struct xfer *x UNUSED)
{
}

void
xfer_connections(const struct xfer *x UNUSED, uint64_t *ret_made, uint64_t *ret_kept)
{
	*ret_made = *ret_kept = 0;
}

uint64_t
xfer_last_byte_ms(const struct xfer *x UNUSED)
{
	return chance(50) ? clock_now_ms() : 0;
}

static unsigned memory_in_use(void);

/* Of what begins to be fetched: all that it comes after is as it must be, and it is alone at
 * its destination. */
static void
check_start(const struct model_job *m, unsigned host)
{
	unsigned n = (unsigned)(m - jobs);

	must(changing || !m->doomed, "j%u starts, and a sibling has failed", n);
	must(m->open && !m->on_network && !m->at_worker, "j%u starts and is over, or runs", n);
	for (unsigned i = 0; i < m->n_after; i++)
		must(jobs[m->after[i]].added && (state_now(&jobs[m->after[i]]) == JOB_DONE || (changing && jobs[m->after[i]].was_done)),
		    "j%u starts before j%u is done", n, m->after[i]);
	for (unsigned i = 0; i < m->n_failed; i++)
		must(jobs[m->failed[i]].was_failed, "j%u starts though j%u has not failed", n, m->failed[i]);
	must(m->event < 0 || event_now[m->event] || event_cleared[m->event], "j%u starts before its event", n);
	for (unsigned i = 0; i < n_jobs; i++)
		must(i == n || jobs[i].output != m->output || !(jobs[i].on_network || jobs[i].at_worker),
		    "j%u and j%u are at one destination", n, i);
	if (changing)
		return;
	for (int g = m->group; g >= 0; g = around(g)) {
		must(!groups[g].limit || groups[g].on_network < groups[g].limit, "%u transfers in group %d, and the limit is %u",
		    groups[g].on_network + 1, g, groups[g].limit);
		must(!groups[g].paused || m->tries, "j%u starts, and group %d is paused", n, g);
	}
	must(on_network < limit_global, "%u transfers, and the limit is %u", on_network + 1, limit_global);
	must(on_host[host] < limit_host, "%u transfers of a host, and the limit is %u", on_host[host] + 1, limit_host);
	must(memory_in_use() + MIN(m->memory, limit_memory) <= limit_memory, "j%u begins, and there is no memory for its decoder", n);
}

struct transfer *
transfer_start(struct xfer *x UNUSED, const struct transfer_request *req, const struct transfer_ops *ops, void *arg)
{
	struct transfer *t = NEW(struct transfer);

	t->job = job_of(req->spec);
	t->host = (unsigned)atoi(req->url + strlen("http://h"));
	t->ops = ops;
	t->arg = arg;
	check_start(t->job, t->host);
	t->job->on_network = true;
	t->job->tries++;
	count_network(t->job, t->host, 1);
	moves++;
	list_append(&transfers, &t->link);
	return t;
}

void
transfer_cancel(struct transfer *t)
{
	t->job->on_network = false;
	count_network(t->job, t->host, -1);
	moves++;
	list_remove(&t->link);
	free(t);
}

void
transfer_fail(struct transfer *t, const struct result *why)
{
	t->failing = true;
	t->why = *why;
}

void
transfer_hold(struct transfer *t UNUSED, bool held UNUSED)
{
}

void
transfer_rest(struct transfer *t UNUSED)
{
}

bool
transfer_is_shared(const struct transfer *t UNUSED)
{
	return false;
}

uint64_t
transfer_received(const struct transfer *t UNUSED)
{
	return 0;
}

void
transfer_peer(const struct transfer *t UNUSED, struct transfer_peer *ret)
{
	*ret = (struct transfer_peer){ 0 };
}

bool
route_is_there(void)
{
	return true;
}

/* As its job's nature has it. */
static void
end_transfer(struct transfer *t)
{
	struct response response = { .status = 200, .major = 1, .minor = 1, .has_length = true, .last_modified = -1, .date = -1,
		.retry_after_s = -1, .retry_after_at = -1 };
	struct transfer_report end = { .response = &response, .reach = REACH_MADE, .started_ms = clock_now_ms(), .proof = PROOF_LENGTH };
	const struct transfer_ops *ops = t->ops;
	void *arg = t->arg;
	char location[32];

	if (t->job->hops < 3 && chance(15)) {
		t->job->hops++;
		(void)snprintf(location, sizeof location, "http://h%u.test/hop", below(HOSTS));
		response.status = 302;
		response.location = location;
		end.redirect = true;
		end.proof = PROOF_NONE;
	} else if (t->job->nature == FLAKY && !t->job->stumbled && chance(40)) {
		t->job->stumbled = true;
		response.status = 0;
		end.reach = chance(50) ? REACH_NONE : REACH_LOCAL;
		end.rejected = chance(30);
		result_set(&end.result, RESULT_CONNECT, "nobody is there");
		end.proof = PROOF_NONE;
	} else if (t->job->nature == FAILS || (t->job->nature == FLAKY && !t->job->stumbled)) {
		t->job->stumbled = true;
		response.status = end.result.http_status = t->job->nature == FAILS ? 404 : 503;
		result_set(&end.result, RESULT_HTTP, "the server answers %d", response.status);
		end.proof = PROOF_NONE;
	} else {
		ops->on_head(&response, arg);
		if (t->failing)
			end.result = t->why;
	}
	transfer_cancel(t); /* it is gone before its owner hears of it */
	ops->on_done(&end, arg);
}

/* ---- Workers ------------------------------------------------------------------------- */

struct pool {
	struct loop *loop;
	struct loop_deferred stopped;
};

struct fake_task {
	struct list link;
	struct pool_task *task;
	enum task_kind kind;
	struct model_job *job; /* of PROCESS; else NULL */
	char *files[2];
};

static struct list tasks;
static uint64_t last_task;

/* What was told to stop has given its memory back. */
static unsigned
memory_in_use(void)
{
	const struct fake_task *f;
	unsigned sum = 0;

	for (unsigned i = 0; i < n_jobs; i++)
		sum += jobs[i].on_network ? MIN(jobs[i].memory, limit_memory) : 0;
	LIST_FOREACH(f, &tasks, struct fake_task, link)
		sum += f->job && !f->task->cancelled ? MIN(f->job->memory, limit_memory) : 0;
	return sum;
}

struct pool *
pool_new(struct loop *l, struct children *c UNUSED, const struct pool_options *o UNUSED)
{
	struct pool *p = NEW(struct pool);

	p->loop = l;
	return p;
}

void
pool_free(struct pool *p)
{
	must(list_empty(&tasks), "a task is left");
	loop_undefer(&p->stopped);
	free(p);
}

void
pool_stop(struct pool *p, loop_cb on_stopped, void *arg)
{
	loop_deferred_init(&p->stopped, "stopped", on_stopped, arg);
	loop_defer(p->loop, &p->stopped);
}

static char *
path_of(const struct task_msg *m, struct text name)
{
	if (!name.len)
		return NULL;
	return xasprintf("%.*s/%.*s/.haul/%.*s", (int)m->target.root.len, m->target.root.at, (int)m->target.dir.len, m->target.dir.at,
	    (int)name.len, name.at);
}

void
pool_submit(struct pool *p UNUSED, struct pool_task *t, const struct task_msg *m, bool heavy UNUSED, const struct pool_task_ops *ops,
    void *arg)
{
	struct fake_task *f = NEW(struct fake_task);

	must(!t->id, "a task is given out twice");
	f->task = t;
	f->kind = m->kind;
	f->files[0] = path_of(m, m->part);
	f->files[1] = path_of(m, m->map);
	if (m->kind == TASK_PROCESS) {
		f->job = job_of(((const struct download *)arg)->job->spec);
		must(!f->job->at_worker && !f->job->on_network, "two tasks of one job");
		f->job->at_worker = true;
	}
	t->id = ++last_task;
	t->ops = ops;
	t->arg = arg;
	t->cancelled = false;
	moves++;
	list_append(&tasks, &f->link);
}

void
pool_front(struct pool_task *t UNUSED, const struct front_msg *front UNUSED)
{
}

void
pool_publish(struct pool_task *t UNUSED)
{
}

void
pool_cancel(struct pool_task *t)
{
	t->cancelled = true;
}

void
pool_hurry(struct pool_task *t UNUSED)
{
}

void
pool_park(struct pool_task *t)
{
	t->cancelled = true;
}

unsigned
pool_workers(const struct pool *p UNUSED)
{
	return 1;
}

unsigned
pool_workers_max(const struct pool *p UNUSED)
{
	return 1;
}

unsigned
pool_deaths(const struct pool *p UNUSED)
{
	return 0;
}

void
pool_each_worker(const struct pool *p UNUSED, pool_worker_cb cb UNUSED, void *arg UNUSED)
{
}

static void
end_task(struct fake_task *f)
{
	struct pool_task *t = f->task;
	struct result_msg r = { .inode = 1 };
	bool published = f->kind == TASK_PROCESS;

	if (f->kind == TASK_SPACE) {
		r.in = r.out = UINT64_C(1) << 40;
	} else if (t->cancelled && f->kind != TASK_DISCARD && !(published && chance(30))) { /* else it is too late for that */
		result_set(&r.result, RESULT_CANCELLED, "cancelled");
		published = false;
	} else if (f->job && f->job->nature == WRITES_FAIL) {
		result_set(&r.result, RESULT_WRITE, "no");
		published = false;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(f->files); i++) {
		if (f->files[i] && (published || f->kind == TASK_DISCARD))
			(void)unlink(f->files[i]);
		free(f->files[i]);
	}
	if (f->job)
		f->job->at_worker = false;
	list_remove(&f->link);
	free(f);
	t->id = 0;
	moves++;
	t->ops->on_result(&r, t->arg);
}

/* ---- The arrows of the engine ---------------------------------------------------------- */

static void
on_start(const struct job *j UNUSED, void *arg UNUSED)
{
	moves++;
}

static bool killed; /* nothing of it is known to anybody any more */
static bool stopping; /* hauld was told to end: nothing fails any more */

/* As keep.c does. */
static void
keep(const struct job *j)
{
	static const struct receipt none;
	const struct receipt *receipt = engine_record(engine, j->id);
	const struct runs *runs = engine_kept_runs(engine, j->id);
	struct model_job *m = job_of(j->spec);

	if (killed)
		return;
	m->kept = *j;
	m->kept_result = *j->result;
	if (j->state == JOB_ACTIVE || j->state == JOB_BLOCKED)
		m->kept.state = JOB_QUEUED;
	buf_consume(&m->kept_receipt, buf_len(&m->kept_receipt));
	if (runs || receipt)
		receipt_pack(receipt ? receipt : &none, runs, &m->kept_receipt);
}

enum { NOTES_MAX = 200 };
static struct kept_note {
	char *key; /* owned */
	struct buf data;
} notes[NOTES_MAX];
static unsigned n_notes;

static void
on_note(const char *key, const void *data, size_t n, void *arg UNUSED)
{
	unsigned i = 0;

	if (killed)
		return;
	while (i < n_notes && !text_equal(notes[i].key, key))
		i++;
	must(i < NOTES_MAX, "too many notes");
	if (i == n_notes)
		notes[n_notes++] = (struct kept_note){ .key = xstrdup(key) };
	buf_consume(&notes[i].data, buf_len(&notes[i].data));
	buf_append(&notes[i].data, data, n);
}

static void
forget_all(void)
{
	for (unsigned i = 0; i < n_notes; i++) {
		free(notes[i].key);
		buf_done(&notes[i].data);
	}
	n_notes = 0;
	for (unsigned i = 0; i < n_jobs; i++)
		buf_done(&jobs[i].kept_receipt);
}

static void
on_retry(const struct job *j, uint64_t delay_ms UNUSED, void *arg UNUSED)
{
	engine_note_attempt(engine, j->id);
	keep(j);
	moves++;
}

static void
on_state(const struct job *j, void *arg UNUSED)
{
	keep(j);
	moves++;
}

static void
doom_siblings(const struct model_job *failed)
{
	for (int g = failed->group; g >= 0; g = around(g))
		for (unsigned n = 0; groups[g].cancels && n < n_jobs; n++)
			jobs[n].doomed |= jobs[n].open && is_in(&jobs[n], g);
}

static void
on_end(const struct job *j, const struct job_receipt *r UNUSED, void *arg UNUSED)
{
	struct model_job *m = job_of(j->spec);

	must(m->open, "j%u ends twice", (unsigned)(m - jobs));
	must(!m->on_network && !m->at_worker, "j%u ends and still runs", (unsigned)(m - jobs));
	must(!stopping || j->state != JOB_FAILED, "j%u fails while hauld stops", (unsigned)(m - jobs));
	if (j->result->code == RESULT_INTERRUPTED || killed)
		return;
	keep(j);
	m->open = false;
	m->ends++;
	m->was_done |= j->state == JOB_DONE;
	m->was_failed |= j->state == JOB_FAILED;
	if (j->state == JOB_FAILED)
		doom_siblings(m);
	m->was_not_needed |= j->result->code == RESULT_NOT_NEEDED;
	m->was_cancelled |= j->state == JOB_CANCELLED && j->result->code != RESULT_NOT_NEEDED;
	moves++;
}

/* At this very moment all that it comes after must be as it is to be. */
static void
check_pass(struct model_job *m)
{
	unsigned n = (unsigned)(m - jobs);

	for (unsigned i = 0; i < m->n_after; i++)
		must(state_now(&jobs[m->after[i]]) == JOB_DONE, "j%u passes, and j%u is not done", n, m->after[i]);
	for (unsigned i = 0; i < m->n_failed; i++)
		must(state_now(&jobs[m->failed[i]]) == JOB_FAILED, "j%u passes, and j%u has not failed", n, m->failed[i]);
	must(m->event < 0 || event_now[m->event], "j%u passes, and its event is not set", n);
	m->passed = true;
}

static void
on_change(const struct job *j, enum job_state from, void *arg UNUSED)
{
	struct model_job *m = job_of(j->spec);

	if (m->id && !m->passed && j->state == JOB_QUEUED && (from == JOB_BLOCKED || from == JOB_PAUSED))
		check_pass(m);
}

static bool stopped;

static void
on_idle(void *arg UNUSED)
{
}

static void
on_stopped(void *arg UNUSED)
{
	stopped = true;
}

static const struct engine_ops ops = { .on_note = on_note, .on_change = on_change, .on_start = on_start, .on_state = on_state, .on_retry = on_retry, .on_end = on_end, .on_idle = on_idle };

/* ---- A graph ------------------------------------------------------------------------------ */

static void
put(struct buf *b, enum setting_id id, const char *before, unsigned n, const char *behind)
{
	char text[300];

	(void)snprintf(text, sizeof text, "%s%u%s", before, n, behind);
	spec_put_string(b, id, text);
}

/* By its name or, if it is there already, its id. */
static void
put_job(struct buf *b, enum setting_id id, unsigned n)
{
	if (jobs[n].added && chance(50))
		put(b, id, "", (unsigned)jobs[n].id, "");
	else
		put(b, id, "j", n, "");
}

/* Only on those with smaller numbers, so that there is no cycle; they are added in any order. */
static void
choose_edges(struct model_job *m, unsigned n)
{
	for (unsigned k = 0; n && k < EDGES_MAX; k++) {
		unsigned to = below(n);
		bool known = !chance(30);

		for (unsigned i = 0; i < m->n_after; i++)
			known |= m->after[i] == to;
		for (unsigned i = 0; i < m->n_failed; i++)
			known |= m->failed[i] == to;
		if (known)
			continue;
		if (chance(75))
			m->after[m->n_after++] = to;
		else
			m->failed[m->n_failed++] = to;
	}
}

static void
choose_parents(void)
{
	int order[GROUPS];

	for (int g = 0; g < GROUPS; g++) {
		int to = (int)below((unsigned)g + 1);

		order[g] = order[to];
		order[to] = g;
	}
	for (int i = 0; i < GROUPS; i++)
		groups[order[i]].parent = i && chance(60) ? order[below((unsigned)i)] : -1;
}

static void
make_model(void)
{
	n_jobs = 2 + below(JOBS_MAX - 1);
	memset(jobs, 0, sizeof jobs);
	memset(event_now, 0, sizeof event_now);
	memset(event_cleared, 0, sizeof event_cleared);
	memset(on_host, 0, sizeof on_host);
	memset(groups, 0, sizeof groups);
	for (int g = 0; g < GROUPS; g++)
		groups[g] = (struct model_group){ .cancels = chance(20), .limit = chance(60) ? 1 + below(3) : 0, .brief = chance(3), .wanted = true };
	choose_parents();
	on_network = 0;
	limit_global = 1 + below(6);
	limit_host = 1 + below(3);
	limit_memory = 1 + below(4);
	for (unsigned n = 0; n < n_jobs; n++) {
		struct model_job *m = &jobs[n];

		m->nature = chance(70) ? WORKS : chance(15) ? FLAKY : chance(60) ? FAILS : WRITES_FAIL;
		m->event = chance(15) ? (int)below(EVENTS) : -1;
		m->group = chance(50) ? (int)below(GROUPS) : -1;
		m->output = chance(20) ? below(3) : 100 + n;
		m->host = below(HOSTS);
		m->brief = chance(4);
		m->memory = chance(30) ? 1 + below(4) : 0;
		choose_edges(m, n);
		order_of_adding[n] = n;
	}
	for (unsigned n = n_jobs - 1; n; n--) {
		unsigned to = below(n + 1), was = order_of_adding[n];

		order_of_adding[n] = order_of_adding[to];
		order_of_adding[to] = was;
	}
}

static void
add_job(struct model_job *m)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_SPEC struct spec *s = NULL;
	unsigned n = (unsigned)(m - jobs);
	char output[300];

	put(&b, JOB_NAME, "j", n, "");
	put(&b, JOB_URL, "http://h", m->host, ".test/");
	if (chance(20))
		put(&b, JOB_URL, "http://h", below(HOSTS), ".test/mirror");
	if (m->memory) {
		spec_put_number(&b, JOB_DECOMPRESS, CODEC_ZSTD);
		spec_put_number(&b, JOB_DECODER_MEMORY, (uint64_t)m->memory * UNIT_OF_MEMORY);
	}
	(void)snprintf(output, sizeof output, "%s/o%u", root, m->output);
	spec_put_string(&b, JOB_OUTPUT, output);
	spec_put_number(&b, JOB_PRIORITY, (uint64_t)((int64_t)below(5) - 2));
	spec_put_number(&b, JOB_RETRY, 1);
	spec_put_number(&b, JOB_RETRY_DELAY, 1);
	if (m->group >= 0)
		put(&b, JOB_GROUP, "g", (unsigned)m->group, "");
	for (unsigned i = 0; i < m->n_after; i++)
		put_job(&b, JOB_AFTER, m->after[i]);
	if (m->event >= 0)
		put(&b, JOB_AFTER, "event:e", (unsigned)m->event, "");
	for (unsigned i = 0; i < m->n_failed; i++)
		put_job(&b, JOB_AFTER_FAILED, m->failed[i]);
	if (m->brief)
		put(&b, JOB_DEADLINE, "", 1 + below(5), "ms");
	else if (chance(10))
		spec_put_string(&b, JOB_DEADLINE, chance(50) ? "1h" : "2099-12-01T12:00:00Z");
	if (every_ms || (changing && chance(20)))
		spec_put_number(&b, JOB_EVERY, every_ms ? every_ms : 3600 * 1000);
	if (later_ms)
		spec_put_number(&b, JOB_DELAY, later_ms);
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &s), 0);
	m->open = m->added = true;
	m->id = engine_add(engine, s, 0, false);
	keep(engine_job(engine, m->id));
	if (state_now(m) != JOB_BLOCKED)
		check_pass(m);
}

/* ---- What happens --------------------------------------------------------------------------- */

static unsigned
length(const struct list *l)
{
	unsigned n = 0;

	for (const struct list *i = l->next; i != l; i = i->next)
		n++;
	return n;
}

static struct list *
any(struct list *l)
{
	struct list *i = l->next;

	for (unsigned n = below(length(l)); n; n--)
		i = i->next;
	return i;
}

/* Something out there ends.  False: nothing is on its way. */
static bool
one_end(void)
{
	unsigned t = length(&transfers), w = length(&tasks);

	if (!t && !w)
		return false;
	if (below(t + w) < t)
		end_transfer(LIST_ENTRY(any(&transfers), struct transfer, link));
	else
		end_task(LIST_ENTRY(any(&tasks), struct fake_task, link));
	return true;
}

static void
set_event(unsigned n, bool set)
{
	char name[8];

	(void)snprintf(name, sizeof name, "e%u", n);
	if (set)
		(void)event_set(engine, name);
	else
		event_clear(engine, name);
	event_cleared[n] |= event_now[n] && !set;
	event_now[n] = set;
	moves++;
}

static void
pause_group(unsigned n, bool paused)
{
	struct group_view v;
	char name[8];

	(void)snprintf(name, sizeof name, "g%u", n);
	groups[n].paused = paused;
	if (!changing || engine_group(engine, name, &v))
		engine_pause_group(engine, name, paused);
	moves++;
}

static void
turns(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		loop_turn(loop);
}

/* The next run of one that is over. */
static void
begin_again(struct model_job *m)
{
	m->open = true;
	m->stumbled = m->passed = m->doomed = false;
	m->hops = 0;
	m->retries++;
}

static void
retry(struct model_job *m)
{
	struct entry *en = registry_find(&engine->jobs, m->id);

	if (m->open || en->download || state_now(m) == JOB_DONE)
		return;
	begin_again(m);
	must(engine_retry(engine, m->id) == ENGINE_OK, "retry");
	if (state_now(m) == JOB_QUEUED)
		check_pass(m);
}

/* ---- Settings that change ---------------------------------------------------------- */

static struct conf *conf_now;

/* Another url (at any host), priority, rate, deadline or digest; or the same again. */
static void
change_job(struct model_job *m)
{
	const struct job *j = engine_job(engine, m->id);
	AUTO_BUF struct buf b = { 0 };
	AUTO_SPEC struct spec *s = NULL;
	unsigned n_rows, what = below(6);
	const struct setting *rows = settings_all(&n_rows);
	static const enum setting_id ids[] = { JOB_URL, JOB_PRIORITY, JOB_LIMIT_RATE, JOB_DEADLINE, JOB_CHECKSUM, JOB_RETRY };

	for (unsigned i = 0; i < n_rows; i++)
		if (rows[i].scope == SCOPE_JOB && rows[i].id != ids[what])
			spec_copy_value(&b, j->spec, &rows[i]);
	if (ids[what] == JOB_URL)
		put(&b, JOB_URL, "http://h", below(HOSTS), chance(50) ? ".test/" : ".test/other");
	else if (ids[what] == JOB_PRIORITY)
		spec_put_number(&b, JOB_PRIORITY, (uint64_t)((int64_t)below(5) - 2));
	else if (ids[what] == JOB_LIMIT_RATE)
		spec_put_number(&b, JOB_LIMIT_RATE, chance(50) ? 0 : 1 + below(1000000));
	else if (ids[what] == JOB_DEADLINE)
		spec_put_string(&b, JOB_DEADLINE, chance(50) ? "0" : chance(50) ? "1h" : "2099-12-01T12:00:00Z");
	else if (ids[what] == JOB_CHECKSUM && !m->memory && chance(50)) /* else that would be a second task */
		spec_put_string(&b, JOB_CHECKSUM, "md5:d41d8cd98f00b204e9800998ecf8427e");
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &s), 0);
	if (!engine_refuse_change(engine, m->id, s))
		engine_change(engine, m->id, s);
}

static struct spec *group_spec(unsigned n);

/* When an origin counts as down, and how often hosts are asked. */
static void
put_troubles(struct buf *b)
{
	uint64_t rate = 0;
	char text[16];

	(void)snprintf(text, sizeof text, "1/%ums", chance(5) ? 12 : 1 + below(3));
	ck_assert_int_eq(request_rate_parse(text, &rate), 0);
	spec_put_number(b, DAEMON_MAX_ORIGIN_FAILURES, chance(50) ? 0 : 1 + below(3));
	spec_put_number(b, DAEMON_MAX_PROBE_DELAY, 1 + below(3));
	spec_put_number(b, DAEMON_REQUEST_RATE_PER_HOST, chance(80) ? 0 : rate);
}

/* Groups get other parents and limits, go and come back; the limits of all change. */
static void
reload(void)
{
	static struct conf confs[2];
	struct conf *old = conf_now, *new = &confs[conf_now == &confs[0]];
	AUTO_BUF struct buf b = { 0 };

	*new = (struct conf){ .groups = { .items = xcalloc(GROUPS, sizeof(struct spec *)), .size = GROUPS } };
	for (unsigned n = 0; n < GROUPS; n++) {
		groups[n] = (struct model_group){ .cancels = groups[n].cancels | chance(10), .wanted = chance(80), .brief = chance(3),
			.limit = chance(60) ? 1 + below(3) : 0, .paused = groups[n].paused, .on_network = groups[n].on_network };
	}
	choose_parents();
	for (unsigned n = 0; n < GROUPS; n++)
		if (groups[n].wanted)
			new->groups.items[new->groups.len++] = group_spec(n);
	spec_put_string(&b, DAEMON_ROOTS, root);
	spec_put_number(&b, DAEMON_MAX_CONCURRENT_DOWNLOADS, 1 + below(6));
	spec_put_number(&b, DAEMON_MAX_CONNECTIONS_PER_HOST, 1 + below(3));
	spec_put_number(&b, DAEMON_MIN_FREE, 0);
	spec_put_number(&b, DAEMON_MAX_CONCURRENT_VERIFICATIONS, 1 + below(3));
	put_troubles(&b);
	spec_put_number(&b, DAEMON_MAX_OVERALL_DOWNLOAD_LIMIT, chance(50) ? 0 : 1 + below(1000000));
	ck_assert_int_eq(spec_new(SCOPE_DAEMON, buf_bytes(&b), buf_len(&b), NULL, &new->daemon), 0);
	new->defaults = spec_ref(old->defaults);
	engine_set_conf(engine, new);
	engine_adding(engine, true);
	turns(below(3));
	engine_adding(engine, false);
	conf_now = new;
	for (unsigned n = 0; n < old->groups.len; n++)
		spec_unref(old->groups.items[n]);
	free(old->groups.items);
	spec_unref(old->daemon);
	spec_unref(old->defaults);
}

static void
run(struct model_job *m)
{
	if (!engine_can_run(engine, m->id))
		return;
	if (engine_comes_again(engine, m->id))
		begin_again(m);
	engine_run(engine, m->id);
	if (state_now(m) == JOB_QUEUED)
		check_pass(m);
}

static void
one_change(void)
{
	struct model_job *m = &jobs[below(n_jobs)];
	struct engine_reason why;
	char name[8];

	if (!m->added)
		return;
	(void)snprintf(name, sizeof name, "g%u", below(GROUPS));
	switch (below(7)) {
	case 6:
		run(m);
		break;
	case 0:
		change_job(m);
		break;
	case 1:
		reload();
		break;
	case 2:
		engine_pause_all(engine, chance(50));
		break;
	case 3:
		(void)engine_reason(engine, m->id, &why);
		break;
	case 4:
		(void)engine_remove_group(engine, name);
		break;
	default:
		limits_set(engine, chance(50) ? NULL : "h1.test", chance(30) ? NULL : chance(50) ? "off" : "1M");
		break;
	}
	moves++;
}

/* A user does something to any job. */
static void
one_command(void)
{
	struct model_job *m = &jobs[below(n_jobs)];

	if (!m->added)
		return;
	switch (below(7)) {
	case 6:
		pause_group(below(GROUPS), chance(50));
		break;
	case 0:
		if (chance(30) && m->open) {
			m->cancelled_by_us = true;
			(void)engine_cancel(engine, m->id, "cancelled by a user");
		}
		break;
	case 1:
		if (engine_comes_again(engine, m->id))
			begin_again(m);
		(void)engine_pause(engine, m->id);
		break;
	case 2:
		(void)engine_resume(engine, m->id);
		break;
	case 3:
		retry(m);
		break;
	default:
		set_event(below(EVENTS), chance(60));
		break;
	}
}

static bool
all_over(void)
{
	for (unsigned n = 0; n < n_jobs; n++)
		if (jobs[n].open)
			return false;
	return true;
}

static const char *
first_open(void)
{
	static char text[400];
	struct engine_view v;

	for (unsigned n = 0; n < n_jobs; n++)
		if (jobs[n].open && engine_view(engine, jobs[n].id, &v)) {
			(void)snprintf(text, sizeof text, "j%u is %s, %s", n, job_state_to_string(v.state), v.blocked ? v.blocked : "-");
			return text;
		}
	return "?";
}

/* One that is paused and can never begin has ended all the same. */
static void
check_paused(void)
{
	for (unsigned n = 0; n < n_jobs; n++) {
		const struct model_job *m = &jobs[n];

		if (!m->open || m->passed || m->tries || state_now(m) != JOB_PAUSED)
			continue;
		for (unsigned i = 0; i < m->n_after; i++)
			must(state_now(&jobs[m->after[i]]) != JOB_FAILED, "j%u is paused, and j%u has failed", n, m->after[i]);
		for (unsigned i = 0; i < m->n_failed; i++)
			must(state_now(&jobs[m->failed[i]]) != JOB_DONE, "j%u is paused, and j%u is done", n, m->failed[i]);
	}
}

/* Nobody interferes any more: whatever may begin does, and all of it ends. */
static void
let_all_end(void)
{
	uint64_t since = clock_now_ms(), was = 0;

	turns(3 * JOBS_MAX); /* one after the other they hear of it */
	check_paused();
	for (unsigned n = 0; n < EVENTS; n++)
		set_event(n, true);
	for (unsigned n = 0; n < GROUPS; n++)
		pause_group(n, false);
	engine_pause_all(engine, false);
	while (!all_over() || !list_empty(&tasks) || !list_empty(&transfers)) {
		for (unsigned n = 0; n < n_jobs; n++) {
			(void)engine_resume(engine, jobs[n].id);
			if (jobs[n].open) /* between two runs, and was paused there */
				run(&jobs[n]);
		}
		turns(1);
		if (!one_end() && moves == was)
			loop_for(loop, 1); /* a retry comes with time */
		if (moves != was)
			since = clock_now_ms();
		was = moves;
		must(clock_now_ms() - since < 60000, "nothing happens any more: %s", first_open());
	}
	turns(3);
}

/* ---- What must be so at the end ----------------------------------------------------------------- */

static enum result_code
by_nature(const struct model_job *m)
{
	return m->nature == FAILS ? RESULT_HTTP : m->nature == WRITES_FAIL ? RESULT_WRITE : RESULT_OK;
}

static void
check_ended(const struct model_job *m)
{
	must(m->ends == 1 + m->retries, "j%u ended %u times, and was retried %u times", (unsigned)(m - jobs), m->ends, m->retries);
}

/* From what became of those that it comes after, at any time. */
static void
check_end(const struct model_job *m)
{
	const struct job *j = engine_job(engine, m->id);
	bool may_fail = false, may_be_spare = false;
	unsigned n = (unsigned)(m - jobs);

	for (unsigned i = 0; i < m->n_after; i++) {
		const struct model_job *to = &jobs[m->after[i]];

		may_fail |= to->was_failed || to->was_cancelled;
		may_be_spare |= to->was_not_needed;
	}
	for (unsigned i = 0; i < m->n_failed; i++) {
		const struct model_job *to = &jobs[m->failed[i]];

		may_be_spare |= to->was_done || to->was_cancelled || to->was_not_needed;
	}
	must(m->ends == 1 + m->retries, "j%u ended %u times, and was retried %u times", n, m->ends, m->retries);
	switch ((int)j->result->code) {
	case RESULT_DEPENDENCY_FAILED:
		must(may_fail, "j%u: nothing before it failed: %s", n, j->result->text);
		break;
	case RESULT_NOT_NEEDED:
		must(may_be_spare, "j%u is needed: %s", n, j->result->text);
		break;
	case RESULT_SIBLING_FAILED:
		must(may_have_sibling(m), "j%u: nothing in its groups failed: %s", n, j->result->text);
		break;
	case RESULT_DEADLINE:
		must(may_be_late(m), "j%u has time: %s", n, j->result->text);
		break;
	case RESULT_CANCELLED:
		must(m->cancelled_by_us, "j%u was not cancelled by us: %s", n, j->result->text);
		break;
	default:
		must(j->result->code == by_nature(m), "j%u ended as %s: %s", n, result_word(j->result), j->result->text);
		break;
	}
	if (!may_fail && !may_be_spare && !m->cancelled_by_us && !may_have_sibling(m) && !may_be_late(m))
		must(j->result->code == by_nature(m), "j%u was in nobody's way: %s", n, result_word(j->result));
	/* Nobody did anything: then the reason is there, and no other end is possible. */
	if ((may_fail || may_be_spare) && !m->retries && !m->cancelled_by_us && m->tries == 0 && !may_have_sibling(m) && !may_be_late(m))
		must(j->result->code == RESULT_DEPENDENCY_FAILED || j->result->code == RESULT_NOT_NEEDED, "j%u ended as %s", n,
		    result_word(j->result));
}

static void
check_origin(const struct sched_origin_view *v, void *arg UNUSED)
{
	must(!v->running && !v->waiting && !v->used, "%s has %llu that run, %llu that wait", v->origin, (unsigned long long)v->running,
	    (unsigned long long)v->waiting);
}

static void
check_nothing_is_left(void)
{
	struct sched_use use = scheduler_use(engine->scheduler);

	must(!use.global.used && !use.verifying.used && !use.memory.used, "semaphores: %llu %llu %llu", (unsigned long long)use.global.used,
	    (unsigned long long)use.verifying.used, (unsigned long long)use.memory.used);
	must(!scheduler_waiting(engine->scheduler), "tickets wait");
	(void)scheduler_each_origin(engine->scheduler, 100, check_origin, NULL);
	must(!on_network, "%u on the network", on_network);
	for (unsigned n = 0; n < GROUPS; n++) {
		struct group_view v;
		char name[8];

		(void)snprintf(name, sizeof name, "g%u", n);
		must((engine_group(engine, name, &v) || changing), "there is no group %u", n);
		if (!engine_group(engine, name, &v))
			continue;
		must(!v.live && !v.running && !v.ending && !v.started_s, "group %u is not over", n);
		must(!groups[n].wanted || (v.parent ? v.parent[1] - '0' : -1) == groups[n].parent, "the parent of group %u is %s, and it wants %d",
		    n, v.parent ? v.parent : "none", groups[n].parent);
	}
	must(list_empty(&engine->active) && list_empty(&engine->plans.opening), "downloads or plans are left");
	must(!engine->locks.len, "destinations are locked");
	must(!engine->orders->targets.len, "somebody is still waited for");
}

static struct spec *
group_spec(unsigned n)
{
	AUTO_BUF struct buf b = { 0 };
	struct spec *s;

	put(&b, GROUP_NAME, "g", n, "");
	spec_put_number(&b, GROUP_MAX_CONCURRENT, groups[n].limit);
	spec_put_number(&b, GROUP_ON_FAILURE, groups[n].cancels);
	if (groups[n].parent >= 0)
		put(&b, GROUP_PARENT, "g", (unsigned)groups[n].parent, "");
	if (groups[n].brief)
		put(&b, GROUP_DEADLINE, "", 1 + below(5), "ms");
	ck_assert_int_eq(spec_new(SCOPE_GROUP, buf_bytes(&b), buf_len(&b), NULL, &s), 0);
	return s;
}

static struct engine *
open_engine(const struct conf *conf)
{
	struct engine_options o = { .worker_path = "", .spawn_path = "", .default_proxy = "", .slice_timeout_ms = 1000, .keep_receipts = true,
		.wait_for_room = true, .patient = true };
	struct result why = { 0 };
	struct engine *e = engine_new(loop, NULL, conf, &o, &ops, NULL, &why);

	ck_assert_msg(e, "%s", why.text);
	return e;
}

static struct engine *
make_engine(struct conf *conf)
{
	AUTO_BUF struct buf b = { 0 }, none = { 0 };

	spec_put_string(&b, DAEMON_ROOTS, root);
	spec_put_number(&b, DAEMON_MAX_CONCURRENT_DOWNLOADS, limit_global);
	spec_put_number(&b, DAEMON_MAX_CONNECTIONS_PER_HOST, limit_host);
	spec_put_number(&b, DAEMON_MIN_FREE, 0);
	spec_put_number(&b, DAEMON_MAX_CONCURRENT_VERIFICATIONS, 1 + below(3));
	spec_put_number(&b, DAEMON_MAX_OVERALL_DECODER_MEMORY, (uint64_t)limit_memory * UNIT_OF_MEMORY);
	put_troubles(&b);
	*conf = (struct conf){ .groups = { .items = xcalloc(GROUPS, sizeof(struct spec *)), .len = GROUPS, .size = GROUPS } };
	for (unsigned n = 0; n < GROUPS; n++)
		conf->groups.items[n] = group_spec(n);
	ck_assert_int_eq(spec_new(SCOPE_DAEMON, buf_bytes(&b), buf_len(&b), NULL, &conf->daemon), 0);
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&none), 0, NULL, &conf->defaults), 0);
	return open_engine(conf);
}

static void
close_engine(void)
{
	stopped = false;
	engine_stop(engine, on_stopped, NULL);
	while (!stopped || one_end())
		turns(1);
	engine_free(engine);
}

static bool
has_passed_note(const struct model_job *m)
{
	AUTO_FREE char *key = xasprintf("passed:%llu", (unsigned long long)m->id);

	for (unsigned i = 0; i < n_notes; i++)
		if (text_equal(notes[i].key, key))
			return buf_len(&notes[i].data) > 0;
	return false;
}

/* hauld stops in the midst of it all, or is killed, and another goes on. */
static void
begin_another_life(const struct conf *conf)
{
	struct spec *specs[JOBS_MAX] = { NULL };

	for (unsigned n = 0; n < n_jobs; n++)
		specs[n] = jobs[n].added ? spec_ref(engine_job(engine, jobs[n].id)->spec) : NULL;
	killed = chance(50);
	engine_interrupt(engine);
	stopping = true;
	while (chance(70)) /* answers that are there already */
		(void)one_end();
	do
		turns(3);
	while (one_end() || !list_empty(&engine->active));
	close_engine();
	killed = stopping = false;
	on_network = 0;
	engine = open_engine(conf);
	engine_adding(engine, true);
	for (unsigned i = 0; i < n_notes; i++)
		if (buf_len(&notes[i].data))
			must(note_restore(engine, notes[i].key, buf_bytes(&notes[i].data), buf_len(&notes[i].data)), "%s is nobody's",
			    notes[i].key);
	for (uint64_t id = 1; id <= n_jobs; id++)
		for (unsigned n = 0; n < n_jobs; n++) {
			struct model_job *m = &jobs[n];
			struct job from = m->kept;

			if (!m->added || m->id != id)
				continue;
			from.spec = specs[n];
			from.result = &m->kept_result;
			must(job_is_over(&from) != m->open, "j%u is kept as %s", n, job_state_to_string(from.state));
			engine_restore(engine, &from, 0, buf_len(&m->kept_receipt) ?
			    receipt_unpack(buf_bytes(&m->kept_receipt), buf_len(&m->kept_receipt)) : NULL);
		}
	engine_restored(engine);
	engine_adding(engine, false);
	engine_jobs_complete(engine, true);
	for (unsigned n = 0; n < n_jobs; n++) {
		spec_unref(specs[n]);
		if (!jobs[n].open)
			continue;
		jobs[n].passed = has_passed_note(&jobs[n]); /* else it is to pass its gates again */
		if (!jobs[n].passed && state_now(&jobs[n]) == JOB_QUEUED)
			check_pass(&jobs[n]);
	}
	moves++;
}

static void
drop_engine(struct conf *conf)
{
	close_engine();
	forget_all();
	if (conf_now)
		conf = conf_now;
	conf_now = NULL;
	for (unsigned n = 0; n < conf->groups.len; n++)
		spec_unref(conf->groups.items[n]);
	free(conf->groups.items);
	spec_unref(conf->daemon);
	spec_unref(conf->defaults);
}

/* calm: nobody interferes; then all is as it must be without any "ever". */
static void
run_graph(bool calm)
{
	struct conf conf;

	list_init(&transfers);
	list_init(&tasks);
	make_model();
	engine = make_engine(&conf);
	conf_now = changing ? &conf : NULL;
	engine_restored(engine);
	for (unsigned n = 0; n < n_jobs; n++) {
		add_job(&jobs[order_of_adding[n]]);
		if (chance(20))
			turns(1);
		if (chance(20))
			(void)one_end();
	}
	engine_jobs_complete(engine, true);
	for (unsigned n = calm ? 0 : 20 + below(200); n; n--) {
		if (chance(40))
			one_command();
		if (changing && chance(30))
			one_change();
		if (chance(60))
			(void)one_end();
		if (chance(50))
			turns(1);
		if (chance(2))
			begin_another_life(conf_now ? conf_now : &conf);
	}
	let_all_end();
	for (unsigned n = 0; n < n_jobs; n++)
		changing ? check_ended(&jobs[n]) : check_end(&jobs[n]);
	check_nothing_is_left();
	drop_engine(&conf);
}

static uint64_t
number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	uint64_t v;

	return text && parse_u64(text, &v) == 0 ? v : otherwise;
}

static void
run_graphs(bool calm)
{
	uint64_t first = number_of("HAUL_PROPERTY_SEED", 1), n = number_of("HAUL_PROPERTY_GRAPHS", DEFAULT_GRAPHS);

	loop = loop_new();
	log_set_level(LOG_LEVEL_ERR);
	root = temp_dir_new();
	for (uint64_t i = 0; i < n; i++) {
		seed = first + i;
		random_state = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
		run_graph(calm);
	}
	temp_dir_remove(root);
	loop_free(loop);
}

START_TEST(graphs_that_nobody_disturbs)
{
	run_graphs(true);
}
END_TEST

START_TEST(graphs_whose_settings_change_at_any_time)
{
	changing = true;
	run_graphs(false);
}
END_TEST

START_TEST(graphs_that_users_command_at_any_time)
{
	run_graphs(false);
}
END_TEST

/* ---- One job ------------------------------------------------------------------------ */

/* An engine, and a model of one job of this nature that is not added yet. */
static void
begin_one(struct conf *conf, enum nature nature)
{
	loop = loop_new();
	log_set_level(LOG_LEVEL_ERR);
	root = temp_dir_new();
	random_state = seed = 1;
	list_init(&transfers);
	list_init(&tasks);
	make_model();
	n_jobs = 1;
	jobs[0] = (struct model_job){ .nature = nature, .event = -1, .group = -1 };
	engine = make_engine(conf);
	engine_restored(engine);
	engine_jobs_complete(engine, true);
}

static void
end_one(struct conf *conf)
{
	every_ms = later_ms = 0;
	drop_engine(conf);
	temp_dir_remove(root);
	loop_free(loop);
}

static void
let_it_end(void)
{
	while (jobs[0].open) {
		turns(1);
		(void)one_end();
	}
	turns(3);
}

/* Both come in one turn: the command first, then the alarm. */
START_TEST(who_is_removed_as_its_next_run_is_due_does_not_run)
{
	struct conf conf;
	int64_t due;

	begin_one(&conf, FAILS);
	every_ms = 1000;
	add_job(&jobs[0]);
	let_it_end();
	due = timing_runs(registry_find(&engine->jobs, jobs[0].id))->next_ms;
	while (clock_wall_ms() <= due)
		(void)usleep(1000);
	ck_assert_int_eq(engine_remove(engine, jobs[0].id), ENGINE_OK);
	turns(10);
	ck_assert(list_empty(&transfers) && !engine->jobs.counts[JOB_QUEUED] && !engine->jobs.counts[JOB_ACTIVE]);
	end_one(&conf);
}
END_TEST

/* Its time has come, the alarm has not rung yet, and somebody looks. */
START_TEST(who_is_looked_at_as_its_time_comes_begins_all_the_same)
{
	struct engine_view v;
	struct conf conf;
	int64_t due;

	begin_one(&conf, WORKS);
	later_ms = 1000;
	due = clock_wall_ms() + 1000;
	add_job(&jobs[0]);
	ck_assert_int_eq(state_now(&jobs[0]), JOB_BLOCKED);
	while (clock_wall_ms() <= due)
		(void)usleep(1000);
	ck_assert(engine_view(engine, jobs[0].id, &v));
	turns(10);
	ck_assert_int_ne(state_now(&jobs[0]), JOB_BLOCKED);
	let_it_end();
	end_one(&conf);
}
END_TEST

/* The machine was started anew since it was added, and its deadline counts from before that. */
START_TEST(a_deadline_that_is_set_may_be_before_the_machine_was_started)
{
	uint64_t long_ms = clock_now_ms() * 10 + 7200 * 1000;
	struct model_job *m = &jobs[0];
	AUTO_FREE char *output = NULL;
	struct job from;
	struct conf conf;

	begin_one(&conf, WORKS);
	output = xasprintf("%s/o", root);
	for (int i = 0; i < 2; i++) {
		AUTO_BUF struct buf b = { 0 };
		AUTO_SPEC struct spec *s = NULL;

		put(&b, JOB_NAME, "j", 0, "");
		put(&b, JOB_URL, "http://h", 0, ".test/");
		put(&b, JOB_OUTPUT, output, 0, "");
		put(&b, JOB_DEADLINE, "", i == 0 ? (unsigned)(long_ms / 1000) : 3600, "s");
		ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &s), 0);
		if (i == 1) {
			engine_change(engine, m->id, s);
			break;
		}
		job_init(&from, m->id = 1, s);
		from.added_s = clock_wall_s() - (int64_t)(long_ms / 1000) + 3600;
		m->open = m->added = true;
		engine_restore(engine, &from, 0, NULL);
		job_done(&from);
	}
	turns(5);
	while (!list_empty(&tasks) || !list_empty(&transfers)) {
		(void)one_end();
		turns(1);
	}
	ck_assert_int_eq(state_now(m), JOB_FAILED);
	ck_assert_int_eq(engine_job(engine, m->id)->result->code, RESULT_DEADLINE);
	end_one(&conf);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("engine");
	TCase *t = add_case(s, "graphs", NULL, NULL, 300);

	tcase_add_test(t, graphs_that_nobody_disturbs);
	tcase_add_test(t, graphs_that_users_command_at_any_time);
	tcase_add_test(t, graphs_whose_settings_change_at_any_time);
	tcase_add_test(t, who_is_removed_as_its_next_run_is_due_does_not_run);
	tcase_add_test(t, who_is_looked_at_as_its_time_comes_begins_all_the_same);
	tcase_add_test(t, a_deadline_that_is_set_may_be_before_the_machine_was_started);
	return run_suite(s);
}
