/*
 * Requests of a client, from its bytes to its answers: the real control, over
 * a socket of its own, with an engine and an intake that are made of paper.
 * Whatever comes in, each line that goes out is one whole JSON object, and
 * what a client leaves behind goes with it.
 */
#include <fcntl.h>
#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/control/internal.h"
#include "daemon/engine/reason.h"
#include "daemon/engine/sources.h"
#include "daemon/engine/events.h"
#include "daemon/engine/keep.h"
#include "daemon/engine/limits.h"
#include "daemon/engine/verify.h"
#include "fuzz.h"
#include "model/timetable.h"
#include "model/values.h"

const char fuzz_name[] = "request";

enum { PAPER_JOBS = 3, TURNS_MAX = 100000, QUIET_TURNS = 4 };

/* ---- An engine with three jobs ------------------------------------------------ */

struct engine {
	struct job jobs[PAPER_JOBS]; /* ids 1 to 3; the first is "a" */
	bool gone[PAPER_JOBS];
};

static struct engine paper;

static struct spec *
job_spec(const char *name)
{
	AUTO_BUF struct buf b = { 0 };
	struct spec *s;
	int r;

	if (name)
		spec_put_string(&b, JOB_NAME, name);
	spec_put_string(&b, JOB_URL, "http://me:secret@127.0.0.1/x?y");
	spec_put_string(&b, JOB_OUTPUT, "/srv/x");
	r = spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &s);
	assert(r == 0);
	return s;
}

static void
end_with(struct job *j, enum result_code code, const char *text)
{
	struct result r = { 0 };

	result_set(&r, code, "%s", text);
	job_set_result(j, &r);
}

static void
paper_begin(void)
{
	static const enum job_state states[PAPER_JOBS] = { JOB_QUEUED, JOB_ACTIVE, JOB_QUEUED };

	for (unsigned i = 0; i < PAPER_JOBS; i++) {
		AUTO_SPEC struct spec *s = job_spec(i ? NULL : "a");

		job_init(&paper.jobs[i], i + 1, s);
		paper.gone[i] = false;
		if (states[i] != JOB_QUEUED)
			job_set_state(&paper.jobs[i], states[i]);
	}
	job_set_state(&paper.jobs[2], JOB_ACTIVE);
	end_with(&paper.jobs[2], RESULT_TIMEOUT, "it took \"too long\"\n");
	job_set_state(&paper.jobs[2], JOB_FAILED);
}

static void
paper_end(void)
{
	for (unsigned i = 0; i < PAPER_JOBS; i++)
		job_done(&paper.jobs[i]);
}

const struct job *
engine_job(const struct engine *e, uint64_t id)
{
	return id >= 1 && id <= PAPER_JOBS && !e->gone[id - 1] ? &e->jobs[id - 1] : NULL;
}

const struct job *
engine_next(const struct engine *e, uint64_t id)
{
	for (; id < PAPER_JOBS; id++)
		if (!e->gone[id])
			return &e->jobs[id];
	return NULL;
}

const struct job *
engine_job_by_name(const struct engine *e, const char *name)
{
	return strcmp(name, "a") == 0 ? engine_job(e, 1) : NULL;
}

static struct job *
changeable(struct engine *e, uint64_t id)
{
	assert(engine_job(e, id));
	return &e->jobs[id - 1];
}

static struct control *control;

static enum engine_answer
paper_set(struct engine *e, uint64_t id, enum job_state to)
{
	struct job *j = changeable(e, id);

	if (job_is_over(j) && to != JOB_QUEUED)
		return ENGINE_OVER;
	if (!job_state_can(j->state, to))
		return ENGINE_AS_IS;
	job_set_state(j, to);
	if (job_is_over(j))
		control_on_end(control, j);
	else
		control_on_state(control, j);
	return ENGINE_OK;
}

enum engine_answer
engine_cancel(struct engine *e, uint64_t id, const char *text)
{
	if (!job_is_over(changeable(e, id)))
		end_with(changeable(e, id), RESULT_CANCELLED, text);
	return paper_set(e, id, JOB_CANCELLED);
}

enum engine_answer
engine_pause(struct engine *e, uint64_t id)
{
	return paper_set(e, id, JOB_PAUSED);
}

enum engine_answer
engine_resume(struct engine *e, uint64_t id)
{
	return changeable(e, id)->state == JOB_PAUSED ? paper_set(e, id, JOB_QUEUED) : ENGINE_AS_IS;
}

enum engine_answer
engine_retry(struct engine *e, uint64_t id)
{
	return job_is_over(changeable(e, id)) ? paper_set(e, id, JOB_QUEUED) : ENGINE_RUNS;
}

/* Which of them come again goes by their ids. */
bool
engine_comes_again(const struct engine *e, uint64_t id)
{
	const struct job *j = engine_job(e, id);

	return j && job_is_over(j) && id % 3 == 0;
}

bool
engine_can_run(const struct engine *e, uint64_t id)
{
	return engine_comes_again(e, id);
}

void
engine_run(struct engine *e, uint64_t id)
{
	assert(engine_can_run(e, id));
}

enum engine_answer
engine_remove(struct engine *e, uint64_t id)
{
	assert(job_is_over(changeable(e, id)));
	e->gone[id - 1] = true;
	return ENGINE_OK;
}

uint64_t
engine_open(const struct engine *e UNUSED)
{
	return 3;
}

/* ---- Events: one ------------------------------------------------------------------ */

static bool paper_event;

bool
event_set(struct engine *e UNUSED, const char *name)
{
	assert(!value_refuse_name(name));
	paper_event |= strcmp(name, "a") == 0;
	return strcmp(name, "full") != 0;
}

void
event_clear(struct engine *e UNUSED, const char *name)
{
	paper_event &= strcmp(name, "a") != 0;
}

bool
events_each(const struct engine *e UNUSED, void (*cb)(const struct event_view *v, void *arg), void *arg)
{
	struct event_view v = { .name = "a", .set = paper_event, .waiting = 2, .first = { 1, 2 }, .n_first = 2 };

	cb(&v, arg);
	return true;
}

static uint64_t last_id = 1000;

uint64_t
engine_reserve(struct engine *e UNUSED, uint64_t n)
{
	last_id += n;
	return last_id - n + 1;
}

void
engine_add_reserved(struct engine *e UNUSED, uint64_t id, struct spec *spec, uint32_t uid UNUSED,
    int64_t added_s UNUSED)
{
	assert(spec && id <= last_id);
}

/* ---- A store that has everything at the end of the turn, or says that it cannot -- */

static struct list waits = LIST_INIT(waits);
static struct loop_deferred durable;
static unsigned n_waits;

const char *
engine_refuse_change(const struct engine *e, uint64_t id, const struct spec *spec)
{
	const struct job *j = engine_job(e, id);

	assert(j && spec);
	return job_is_over(j) ? "it is over" : NULL;
}

void
engine_change(struct engine *e, uint64_t id, struct spec *spec)
{
	struct job *j = (struct job *)(uintptr_t)engine_job(e, id);

	spec_unref(j->spec);
	j->spec = spec_ref(spec);
}

void
keep_changed(struct store *s UNUSED, const struct engine *e, const struct job *j)
{
	assert(engine_job(e, j->id) == j);
}

void
keep_update(struct store *s UNUSED, const struct engine *e, const struct job *j)
{
	assert(engine_job(e, j->id) == j);
}

void
keep_new(struct store *s UNUSED, uint64_t id, const struct spec *spec, uint32_t uid UNUSED, bool from_config,
    int64_t added_s UNUSED)
{
	assert(spec && !from_config && id <= last_id);
}

void
store_delete(struct store *s UNUSED, uint64_t id)
{
	assert(id <= last_id);
}

static void
on_durable(void *arg UNUSED)
{
	while (!list_empty(&waits)) {
		struct store_wait *w = LIST_FIRST(&waits, struct store_wait, link);

		store_forget_wait(w);
		w->cb(++n_waits % 8 ? NULL : "the paper is full", w->arg);
	}
}

void
store_when_durable(struct store *s UNUSED, struct store_wait *w, store_durable_cb cb, void *arg)
{
	w->cb = cb;
	w->arg = arg;
	list_append(&waits, &w->link);
	loop_defer(control->loop, &durable);
}

bool
store_is_failed(const struct store *s UNUSED, const char **ret_why)
{
	static unsigned asked;

	if (ret_why)
		*ret_why = "the paper is full";
	return ++asked % 16 == 0;
}

void
store_forget_wait(struct store_wait *w)
{
	list_remove(&w->link);
}

bool
engine_view(const struct engine *e, uint64_t id, struct engine_view *ret)
{
	*ret = (struct engine_view){ .job = engine_job(e, id), .blocked = "host-limit" };
	if (ret->job)
		ret->state = ret->job->state;
	return ret->job;
}

/* Half of the files lie beneath a root; their tasks never end. */
struct verify *
verify_start(struct engine *e, const char *path, const struct digest *digests UNUSED, unsigned n UNUSED, uint32_t uid UNUSED,
    verify_cb cb UNUSED, void *arg UNUSED)
{
	return strlen(path) % 2 ? (struct verify *)(void *)e : NULL;
}

void
verify_drop(struct verify *v UNUSED)
{
}

int
engine_open_part(const struct engine *e UNUSED, uint64_t id)
{
	int fd = id % 2 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;

	return fd < 0 ? -ENOENT : fd;
}

void
times_to_json(struct json *w, const struct transfer_times *t, bool whole UNUSED)
{
	jsonw_key_u64(w, "times_ms", t->total);
}

void
sources_to_json(struct json *w, const struct sources *s UNUSED, uint64_t received)
{
	jsonw_key_u64(w, "sources_lost", received);
}

bool
engine_reason(const struct engine *e, uint64_t id, struct engine_reason *ret)
{
	*ret = (struct engine_reason){ .word = "host-limit", .jobs = { 1, 2 }, .n_jobs = 2 };
	return engine_job(e, id);
}

void
engine_each_active(struct engine *e, void (*cb)(const struct engine_view *v, void *arg), void *arg)
{
	struct engine_view v;

	if (engine_view(e, 2, &v))
		cb(&v, arg);
}

enum job_state
engine_state(const struct engine *e UNUSED, const struct job *j)
{
	return j->state;
}

uint64_t
engine_each_origin(const struct engine *e UNUSED, uint64_t most, void (*cb)(const struct sched_origin_view *v, void *arg),
    void *arg)
{
	assert(most > 0);
	cb(&(struct sched_origin_view){ .origin = "https://h:443", .host = "h", .state = BREAKER_OPEN, .cause = "dns: \x1b" }, arg);
	return 1;
}

enum breaker_state
engine_network(const struct engine *e UNUSED, uint64_t *ret_probe_in_ms)
{
	*ret_probe_in_ms = 1;
	return BREAKER_HALF_OPEN;
}

void
engine_get_numbers(const struct engine *e UNUSED, struct engine_numbers *ret)
{
	*ret = (struct engine_numbers){ .jobs = { 1, 1 } };
}

uint64_t
engine_count(const struct engine *e UNUSED)
{
	return 2;
}

/* One group, g, in which the first job is. */
bool
engine_group(const struct engine *e UNUSED, const char *name, struct group_view *ret)
{
	static struct spec *spec;
	static const uint64_t counts[_JOB_STATE_MAX] = { 1 };
	uint8_t none = 0;

	if (strcmp(name, "g") != 0)
		return false;
	if (!spec && spec_new(SCOPE_GROUP, &none, 0, NULL, &spec) < 0)
		abort();
	*ret = (struct group_view){ .name = "g", .spec = spec, .configured = true, .live = 1, .counts = counts };
	return true;
}

bool
engine_next_group(const struct engine *e, const char *name, struct group_view *ret)
{
	return strcmp(name, "g") < 0 && engine_group(e, "g", ret);
}

bool
engine_is_in_group(const struct engine *e UNUSED, uint64_t id, const char *group UNUSED)
{
	return id == 1;
}

bool
engine_refuses_job(const struct engine *e UNUSED, const struct spec *job, struct result *why)
{
	const char *output = spec_string(job, JOB_OUTPUT);

	if (!output || strcmp(output, "/owned") != 0)
		return false;
	result_set(why, RESULT_PATH_REFUSED, "a group owns it");
	return true;
}

bool
engine_refuses_member(const struct engine *e UNUSED, const char *group, uint32_t uid UNUSED, struct result *why)
{
	if (strcmp(group, "shut") != 0)
		return false;
	result_set(why, RESULT_PATH_REFUSED, "it is shut");
	return true;
}

size_t
engine_groups_made(const struct engine *e UNUSED)
{
	return 0;
}

void
engine_set_group(struct engine *e UNUSED, const char *name, const struct spec *settings, const bool *drop UNUSED)
{
	assert(*name && settings);
}

void
engine_make_scope(struct engine *e UNUSED, const char *name, const struct spec *settings, uint32_t uid UNUSED)
{
	assert(*name && settings);
}

void
engine_leave_scope(struct engine *e UNUSED, const char *name)
{
	assert(*name);
}

bool
engine_remove_group(struct engine *e UNUSED, const char *name UNUSED)
{
	return false;
}

void
engine_pause_group(struct engine *e UNUSED, const char *name, bool paused UNUSED)
{
	assert(strcmp(name, "g") == 0);
}

void
engine_pause_all(struct engine *e UNUSED, bool paused UNUSED)
{
}

bool
engine_is_paused(const struct engine *e UNUSED)
{
	return false;
}

/* Limits: what a client gives was looked at before. */
void
limits_set(struct engine *e UNUSED, const char *host, const char *text)
{
	AUTO_FREE char *why = text ? timetable_refuse_limit(text, !host) : NULL;

	assert(!why);
}

bool
limits_have_room(const struct engine *e UNUSED, const char *host)
{
	return strlen(host) < 5;
}

void
limits_view_total(struct engine *e UNUSED, struct limit_view *ret)
{
	*ret = (struct limit_view){ .limit = 1, .client = "1", .timetable = "00:00,1b", .next_s = 7 };
}

void
limits_view_host(struct engine *e UNUSED, const char *host, struct limit_view *ret)
{
	*ret = (struct limit_view){ .name = host };
}

bool
limits_view_group(struct engine *e UNUSED, const char *name, struct limit_view *ret)
{
	*ret = (struct limit_view){ .name = name, .is_group = true };
	return strcmp(name, "g") == 0;
}

void
limits_each_group(struct engine *e UNUSED, void (*cb)(const struct limit_view *v, void *arg), void *arg)
{
	static const struct limit_view v = { .name = "g", .is_group = true };

	cb(&v, arg);
}

void
limits_each_host(struct engine *e UNUSED, void (*cb)(const struct limit_view *v, void *arg), void *arg)
{
	static const struct limit_view v = { .name = "h" };

	cb(&v, arg);
}

bool
engine_disk(struct engine *e UNUSED, unsigned i, struct engine_disk *ret)
{
	*ret = (struct engine_disk){ .root = "/", .known = true, .unflushed_max = 1 };
	return i == 0;
}

bool
engine_look_at_disks(struct engine *e UNUSED)
{
	return false;
}

void
engine_on_disk(struct engine *e UNUSED, void (*cb)(void *arg) UNUSED, void *arg UNUSED)
{
}

void
engine_each_worker(const struct engine *e UNUSED, pool_worker_cb cb, void *arg)
{
	struct pool_worker_view v = { .pid = 1 };

	cb(&v, arg);
}

const struct receipt *
engine_receipt(const struct engine *e UNUSED, uint64_t id UNUSED)
{
	return NULL;
}

void
engine_each_ended(const struct engine *e, void (*cb)(const struct job *j, const struct receipt *r, void *arg), void *arg)
{
	for (unsigned i = 0; i < PAPER_JOBS; i++)
		if (!e->gone[i] && job_is_over(&e->jobs[i]))
			cb(&e->jobs[i], NULL, arg);
}

/* All of these are clients' jobs. */
void
engine_walk_begin(struct engine *e UNUSED, struct engine_walk *w UNUSED)
{
}

const struct job *
engine_walk_next(struct engine_walk *w UNUSED, const struct receipt **ret UNUSED)
{
	return NULL;
}

void
engine_walk_end(struct engine_walk *w UNUSED)
{
}

/* ---- More of the store, and a history with the jobs 4 and 5 ("old") ------------------ */

static unsigned n_keys;

void
store_put_key(struct store *s UNUSED, const struct store_key *k)
{
	assert(store_key_is_sane(k));
	n_keys++;
}

void
store_drop_key(struct store *s UNUSED, uint64_t first_id)
{
	assert(first_id > 1000 && n_keys--);
}

bool
store_is_stopping(const struct store *s UNUSED)
{
	static unsigned asked;

	return ++asked % 64 == 0;
}

bool
store_is_full(const struct store *s UNUSED)
{
	static unsigned asked;

	return ++asked % 32 == 0;
}

uint64_t
store_commits(const struct store *s UNUSED)
{
	return 3;
}

uint64_t
store_committed(const struct store *s UNUSED)
{
	return 5;
}

size_t
store_queued(const struct store *s UNUSED)
{
	return 1;
}

uint64_t
store_silent_ms(const struct store *s UNUSED)
{
	return 5000;
}

enum { PAST_FIRST = 4, PAST_JOBS = 2 };

static struct past_job past[PAST_JOBS];
static bool past_gone[PAST_JOBS];
static struct list asked = LIST_INIT(asked); /* struct question */
static struct loop_deferred history_answers;
static unsigned n_asked;

static void
past_begin(void)
{
	for (unsigned i = 0; i < PAST_JOBS; i++) {
		AUTO_SPEC struct spec *s = job_spec(i ? "old" : NULL);

		job_init(&past[i].job, PAST_FIRST + i, s);
		past[i].job.state = i ? JOB_FAILED : JOB_DONE;
		past[i].receipt = NEW(struct receipt);
		past[i].receipt->ended_s = 1700000000;
		past_gone[i] = false;
	}
}

static void
past_end(void)
{
	for (unsigned i = 0; i < PAST_JOBS; i++) {
		job_done(&past[i].job);
		free(past[i].receipt);
	}
}

static bool
is_past(uint64_t id)
{
	return id >= PAST_FIRST && id < PAST_FIRST + PAST_JOBS && !past_gone[id - PAST_FIRST];
}

uint64_t
archive_find_name(const struct archive *a UNUSED, const char *name)
{
	const struct job *j = engine_job_by_name(&paper, name);

	return j ? j->id : strcmp(name, "old") == 0 && is_past(PAST_FIRST + 1) ? PAST_FIRST + 1 : 0;
}

bool
archive_is_empty(const struct archive *a UNUSED)
{
	return past_gone[0] && past_gone[1];
}

uint64_t
archive_past(const struct archive *a UNUSED)
{
	return !past_gone[0];
}

void
archive_count(const struct archive *a UNUSED, uint64_t *counts)
{
	counts[JOB_DONE] += !past_gone[0];
}

static void
on_history_answers(void *arg UNUSED)
{
	while (!list_empty(&asked)) {
		struct question *q = LIST_FIRST(&asked, struct question, link);
		struct read_end end = { .more = n_asked % 3 == 0, .id = PAST_FIRST, .ended_s = 1700000000 };
		struct store_job j = { .id = PAST_FIRST };
		bool fails = ++n_asked % 8 == 0;

		list_remove(&q->link);
		q->history = NULL;
		if (!fails && is_past(j.id) && q->ops->on_job)
			q->ops->on_job(&j, q->arg);
		q->ops->on_end(fails ? NULL : &end, fails ? "the paper is torn" : NULL, q->arg);
	}
}

static void
ask(struct question *q, const struct history_ops *question_ops, void *arg)
{
	q->history = (struct history *)&paper; /* anything but NULL */
	q->ops = question_ops;
	q->arg = arg;
	list_append(&asked, &q->link);
	loop_defer(control->loop, &history_answers);
}

void
history_list(struct history *h UNUSED, struct question *q, const struct read_list *l, const struct history_ops *question_ops,
    void *arg)
{
	assert(l->jobs && l->jobs <= READ_JOBS_MAX && l->upto_id <= STORE_ID_MAX);
	ask(q, question_ops, arg);
}

void
history_forget(struct question *q)
{
	list_remove(&q->link);
	q->history = NULL;
}

bool
keep_read(const struct store_job *r, struct job *ret, struct receipt **ret_receipt)
{
	job_init(ret, r->id, past[0].job.spec);
	ret->state = JOB_DONE;
	*ret_receipt = NEW(struct receipt);
	return true;
}

void
receipt_free(struct receipt *r)
{
	free(r);
}

static void
on_fetched(const struct read_end *end UNUSED, const char *error, void *arg)
{
	struct fetch *f = arg;

	f->cb(error, f->arg);
}

static const struct history_ops fetch_ops = { NULL, on_fetched };

void
archive_fetch(struct archive *a UNUSED, struct fetch *f, const uint64_t *ids, size_t n, fetch_cb cb, void *arg)
{
	assert(n && n <= READ_IDS_MAX);
	f->ids = xmemdup(ids, n * sizeof ids[0]);
	f->n_ids = n;
	f->cb = cb;
	f->arg = arg;
	f->question.ops = &fetch_ops;
	f->question.arg = f;
	f->question.history = (struct history *)&paper;
	list_append(&asked, &f->question.link);
	loop_defer(control->loop, &history_answers);
}

void
fetch_done(struct fetch *f)
{
	history_forget(&f->question);
	free(f->ids);
	*f = (struct fetch){ 0 };
}

bool
fetch_knows(const struct fetch *f, uint64_t id)
{
	for (size_t i = 0; i < f->n_ids; i++)
		if (f->ids[i] == id)
			return true;
	return false;
}

const struct past_job *
fetch_find(const struct fetch *f, uint64_t id)
{
	return fetch_knows(f, id) && is_past(id) ? &past[id - PAST_FIRST] : NULL;
}

void
past_job_view(const struct past_job *p, struct engine_view *ret)
{
	*ret = (struct engine_view){ .job = &p->job, .receipt = p->receipt };
}

bool
archive_is_deleted(const struct archive *a UNUSED, uint64_t id)
{
	return id >= PAST_FIRST && !is_past(id);
}

void
archive_delete(struct archive *a UNUSED, uint64_t id)
{
	assert(is_past(id));
	past_gone[id - PAST_FIRST] = true;
}

/* It is lost on the way, which may not trouble anybody. */
void
archive_bring_back(struct archive *a UNUSED, const struct past_job *p)
{
	assert(is_past(p->job.id));
	past_gone[p->job.id - PAST_FIRST] = true;
}

uint64_t
archive_returns(const struct archive *a UNUSED)
{
	return n_asked / 4;
}

/* ---- An intake that takes a job with a url, and refuses others --------------------- */

struct intake {
	struct loop *loop;
};

struct intake_batch {
	struct loop_deferred done;
	intake_done_cb cb;
	void *arg;
	struct intake_result results[ADDS_PER_CALL];
	size_t n;
	bool has_url;
};

static struct intake paper_intake;

struct intake *
intake_new(struct loop *l, struct children *c UNUSED, const char *conf_path UNUSED)
{
	paper_intake.loop = l;
	return &paper_intake;
}

void
intake_free(struct intake *i UNUSED)
{
}

void
intake_set_context(struct intake *i UNUSED, const struct conf *conf UNUSED)
{
}

static void
on_batch(void *arg)
{
	struct intake_batch *b = arg;

	b->cb(b->results, b->n, b->arg);
}

struct intake_batch *
intake_batch_new(intake_done_cb cb, void *arg)
{
	struct intake_batch *b = NEW(struct intake_batch);

	b->cb = cb;
	b->arg = arg;
	loop_deferred_init(&b->done, "batch", on_batch, b);
	return b;
}

void
intake_batch_free(struct intake_batch *b)
{
	loop_undefer(&b->done);
	for (size_t i = 0; i < b->n; i++) {
		spec_unref(b->results[i].spec);
		free(b->results[i].errors);
	}
	free(b);
}

static void
put(struct intake_batch *b, const char *key)
{
	b->has_url = b->has_url || strcmp(key, "url") == 0;
}

void
intake_put_text(struct intake_batch *b, const char *key, const char *text)
{
	put(b, key);
	assert(strlen(text) <= CLIENT_LINE_MAX);
}

void
intake_put_number(struct intake_batch *b, const char *key, int64_t number UNUSED)
{
	put(b, key);
}

void
intake_put_bool(struct intake_batch *b, const char *key, bool v UNUSED)
{
	put(b, key);
}

void
intake_put_kind(struct intake_batch *b, const char *key, enum conf_kind kind)
{
	assert(kind == CONF_KIND_LIST || kind == CONF_KIND_FRACTION || kind == CONF_KIND_OTHER);
	put(b, key);
}

void
intake_end_job(struct intake_batch *b)
{
	assert(b->n < ADDS_PER_CALL);
	b->results[b->n++] = b->has_url ? (struct intake_result){ .spec = job_spec(b->n == 1 ? "b" : NULL) } :
	    (struct intake_result){ .errors = xstrdup("url is missing") };
	b->has_url = false;
}

void
intake_submit(struct intake *i, struct intake_batch *b)
{
	assert(b->n);
	loop_defer(i->loop, &b->done);
}

/* ---- Control, over a socket of its own ---------------------------------------------- */

static void
answer_ok(struct call *c, void *arg UNUSED)
{
	call_ok(c);
}

static void
set_debug(bool on UNUSED, void *arg UNUSED)
{
}

static const struct control_ops ops = { answer_ok, answer_ok, answer_ok, answer_ok, set_debug };
static struct loop *loop;
static struct conf conf;
static struct sockaddr_un address;
static socklen_t address_len = sizeof address;

static struct spec *
empty_spec(enum setting_scope scope)
{
	struct spec *s;
	int r = spec_new(scope, NULL, 0, NULL, &s);

	assert(r == 0);
	return s;
}

static void
start_once(void)
{
	struct control_options o = { .path = "fuzz", .event_memory = 65536, .log_memory = 65536, .libraries = "none", .conf_file = "none" };
	const sa_family_t family = AF_UNIX;
	int r;

	if (control)
		return;
	log_init("fuzz", false);
	log_set_level(LOG_LEVEL_ERR);
	loop = loop_new();
	o.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = bind(o.listen_fd, (const struct sockaddr *)&family, sizeof family); /* the kernel names it */
	assert(r == 0 && listen(o.listen_fd, 4) == 0);
	r = getsockname(o.listen_fd, (struct sockaddr *)&address, &address_len);
	assert(r == 0);
	conf.daemon = empty_spec(SCOPE_DAEMON);
	conf.defaults = empty_spec(SCOPE_JOB);
	control = control_new(loop, NULL, &o, &ops, NULL);
	assert(control);
	control_set_conf(control, &conf);
	loop_deferred_init(&durable, "paper store", on_durable, NULL);
	loop_deferred_init(&history_answers, "paper history", on_history_answers, NULL);
	control_begin(control, &paper, NULL);
}

static void
stop_loop(void *arg)
{
	loop_stop(arg);
}

/* One turn that waits for nothing: what is ready, then what is deferred. */
static void
turn(void)
{
	struct loop_deferred stop;

	loop_deferred_init(&stop, "stop", stop_loop, loop);
	loop_defer(loop, &stop);
	loop_run(loop);
}

static bool told_secret; /* by the client: it may see it again */

/* One whole object of the protocol, and no secret in it. */
static void
check_answer(const char *line, size_t n)
{
	json_t *root = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *error = json_object_get(root, "error");

	assert(json_is_object(root) && (told_secret || !memmem(line, n, "secret", 6)));
	assert(strcmp(json_string_value(json_object_get(root, "jsonrpc")), "2.0") == 0);
	if (json_object_get(root, "method")) {
		assert(json_object_get(json_object_get(root, "params"), "event") && !json_object_get(root, "id"));
	} else {
		assert(json_object_get(root, "id"));
		assert(!error == !!json_object_get(root, "result"));
	}
	if (error)
		assert(json_string_length(json_object_get(error, "message")) > 0 &&
		    json_is_string(json_object_get(json_object_get(error, "data"), "word")));
	json_decref(root);
}

/* Takes what came; false when there was nothing. */
static bool
take_answers(int fd, struct buf *in)
{
	ssize_t n = recv(fd, buf_reserve(in, 1 << 16), 1 << 16, MSG_DONTWAIT);
	uint8_t *end;

	if (n <= 0)
		return false;
	buf_commit(in, (size_t)n);
	while (buf_len(in) && (end = memchr(buf_bytes(in), '\n', buf_len(in)))) {
		size_t len = (size_t)(end - buf_bytes(in));

		check_answer((const char *)buf_bytes(in), len);
		buf_consume(in, len + 1);
	}
	return true;
}

static void
drive(int fd, const uint8_t *data, size_t n)
{
	AUTO_BUF struct buf in = { 0 };
	unsigned quiet = 0;
	size_t sent = 0;

	for (unsigned turns = 0; quiet < QUIET_TURNS; turns++) {
		ssize_t put = sent < n ? send(fd, data + sent, n - sent, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

		assert(turns < TURNS_MAX);
		if (put < 0 && errno != EAGAIN)
			n = sent; /* it was let go */
		sent += put > 0 ? (size_t)put : 0;
		turn();
		quiet = take_answers(fd, &in) || sent < n ? 0 : quiet + 1;
	}
	assert(buf_len(&in) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	start_once();
	told_secret = memmem(data, n, "secr", 4) || memchr(data, '\\', n);
	paper_begin();
	past_begin();
	r = connect(fd, (const struct sockaddr *)&address, address_len);
	assert(r == 0);
	turn();
	drive(fd, data, n);
	while (!list_empty(&control->clients))
		client_free(LIST_FIRST(&control->clients, struct client, link));
	turn();
	assert(control_clients(control) == 0 && control->watched.len == 0 && list_empty(&control->everything));
	assert(list_empty(&control->addings) && control->in_bytes == 0);
	if (told_secret) { /* the next input did not tell it, and is not to see it */
		events_done(control);
		events_init(control);
	}
	paper_end();
	past_end();
	return 0;
}
