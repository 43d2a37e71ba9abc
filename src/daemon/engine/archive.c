/* Jobs of clients that are over; see archive.h. */
#include "daemon/engine/archive.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "daemon/engine/keep.h"

enum { EVICTS_PER_TURN = 1000, RETRY_MS = 1000 };

/* The name of a job that has left the memory. */
struct past_name {
	uint64_t id;
	char name[];
};

/* A job that was deleted, until nobody can tell of it any more. */
struct deleted {
	struct list link; /* of archive->deletions */
	uint64_t id, number; /* number: the store's, of the change */
	uint64_t question; /* committed; the history was asked this one before that was known */
	bool committed;
};

struct archive {
	struct loop *loop;       /* borrowed, as the next three */
	struct engine *engine;
	struct history *history;
	struct store *store;     /* NULL: not yet */
	struct map names, ids;   /* struct past_name, owned: by name, by id */
	struct store_ended ended; /* as the store said last */
	bool left;               /* some of them may be in the history only */
	struct list fetches;     /* struct fetch */
	struct map deleted;      /* struct deleted, by id */
	struct list deletions;   /* the same, in the order of their numbers */
	struct store_wait wait;  /* until more may leave */
	struct loop_timer retry;
	struct loop_deferred evict;
	uint64_t returns;
};

/* ---- Names ---------------------------------------------------------------------- */

static bool
name_is(const void *item, const void *key)
{
	return strcmp(((const struct past_name *)item)->name, key) == 0;
}

static bool
id_is(const void *item, const void *key)
{
	return ((const struct past_name *)item)->id == *(const uint64_t *)key;
}

static void
drop_name(struct archive *a, uint64_t id)
{
	struct past_name *p = map_remove(&a->ids, hash_u64(id), &id);

	if (p)
		(void)map_remove(&a->names, hash_str(p->name), p->name);
	free(p);
}

void
archive_on_named(struct archive *a, uint64_t id, const char *name, size_t n)
{
	struct past_name *p = xcalloc(1, sizeof *p + n + 1);

	p->id = id;
	memcpy(p->name, name, n);
	/* Told twice when the store began anew; of two with one name the older keeps it. */
	if (map_find(&a->ids, hash_u64(id), &id) || map_find(&a->names, hash_str(p->name), p->name)) {
		free(p);
		return;
	}
	map_add(&a->ids, hash_u64(id), p);
	map_add(&a->names, hash_str(p->name), p);
}

uint64_t
archive_find_name(const struct archive *a, const char *name)
{
	const struct job *j = engine_job_by_name(a->engine, name);
	const struct past_name *p = j ? NULL : map_find(&a->names, hash_str(name), name);

	return j ? j->id : p ? p->id : 0;
}

/* ---- Leaving the memory ----------------------------------------------------------- */

static void on_durable(const char *error, void *arg);

static void
on_evict(void *arg)
{
	struct archive *a = arg;
	uint64_t id, stored;

	for (unsigned n = 0; engine_ended(a->engine) > ARCHIVE_IN_MEMORY; n++) {
		const char *name;

		id = engine_first_ended(a->engine, &stored);
		if (stored > store_committed(a->store)) {
			/* One that only ended because we stop the store is not told of. */
			if (stored <= store_last(a->store) && !a->wait.store && !a->retry.set)
				store_when_durable(a->store, &a->wait, on_durable, a);
			return;
		}
		if (n == EVICTS_PER_TURN) {
			loop_defer(a->loop, &a->evict);
			return;
		}
		name = spec_string(engine_job(a->engine, id)->spec, JOB_NAME);
		if (name)
			archive_on_named(a, id, name, strlen(name));
		engine_evict(a->engine, id);
		a->left = true;
	}
}

static void
on_durable(const char *error, void *arg)
{
	struct archive *a = arg;

	if (error)
		loop_timer_set(&a->retry, RETRY_MS);
	else
		on_evict(a);
}

static void
on_retry(void *arg)
{
	on_evict(arg);
}

void
archive_on_end(struct archive *a, const struct job *j)
{
	if (j->state == JOB_FAILED && j->attempts) /* else none was made */
		engine_note_attempt(a->engine, j->id);
}

void
archive_on_stored(struct archive *a, const struct job *j)
{
	if (j->from_config)
		return;
	engine_note_stored(a->engine, j->id, store_last(a->store));
	loop_defer(a->loop, &a->evict);
}

void
archive_on_ended(struct archive *a, const struct store_ended *n)
{
	uint64_t all = n->done + n->failed + n->cancelled;

	a->ended = *n;
	if (all == 0)
		a->left = false;
	else if (all > engine_ended(a->engine))
		a->left = true; /* of an earlier life, or about to be deleted */
}

void
archive_on_expired(struct archive *a, uint64_t id)
{
	const struct job *j = engine_job(a->engine, id);

	drop_name(a, id);
	/* One that was queued again is put again, too. */
	if (j && job_is_over(j) && !j->from_config)
		engine_evict(a->engine, id);
}

/* Those that the store has and the memory does not. */
static struct store_ended
count_past(const struct archive *a)
{
	uint64_t here[_JOB_STATE_MAX] = { 0 };
	struct store_ended n = a->ended;

	if (a->store)
		engine_count_stored(a->engine, store_committed(a->store), here);
	n.done -= MIN(n.done, here[JOB_DONE]);
	n.failed -= MIN(n.failed, here[JOB_FAILED]);
	n.cancelled -= MIN(n.cancelled, here[JOB_CANCELLED]);
	return n;
}

uint64_t
archive_past(const struct archive *a)
{
	struct store_ended n = count_past(a);

	return n.done + n.failed + n.cancelled;
}

bool
archive_is_empty(const struct archive *a)
{
	return !a->left;
}

void
archive_count(const struct archive *a, uint64_t *counts)
{
	struct store_ended n = count_past(a);

	counts[JOB_DONE] += n.done;
	counts[JOB_FAILED] += n.failed;
	counts[JOB_CANCELLED] += n.cancelled;
}

/* ---- Deleting ------------------------------------------------------------------------ */

static bool
deleted_is(const void *item, const void *key)
{
	return ((const struct deleted *)item)->id == *(const uint64_t *)key;
}

static void
forget_deleted(struct archive *a, struct deleted *d)
{
	list_remove(&d->link);
	(void)map_remove(&a->deleted, hash_u64(d->id), &d->id);
	free(d);
}

/* What was asked before it was committed may be answered with what was. */
static void
prune(struct archive *a)
{
	while (!list_empty(&a->deletions)) {
		struct deleted *d = LIST_FIRST(&a->deletions, struct deleted, link);

		if (!d->committed && d->number > store_committed(a->store))
			return;
		if (!d->committed)
			d->question = history_last(a->history);
		d->committed = true;
		if (history_first(a->history) <= d->question)
			return;
		forget_deleted(a, d);
	}
}

bool
archive_is_deleted(const struct archive *a, uint64_t id)
{
	return map_find(&a->deleted, hash_u64(id), &id);
}

static void mark_gone(struct archive *a, uint64_t id);

void
archive_delete(struct archive *a, uint64_t id)
{
	struct deleted *d;

	drop_name(a, id);
	mark_gone(a, id);
	store_delete(a->store, id);
	prune(a);
	if (archive_is_deleted(a, id))
		return;
	d = NEW(struct deleted);
	d->id = id;
	d->number = store_last(a->store);
	map_add(&a->deleted, hash_u64(id), d);
	list_append(&a->deletions, &d->link);
}

/* ---- Looking them up ---------------------------------------------------------------- */

static void
free_jobs(struct fetch *f)
{
	for (size_t i = 0; i < f->n_jobs; i++) {
		job_done(&f->jobs[i].job);
		receipt_free(f->jobs[i].receipt);
	}
	free(TAKE_PTR(f->jobs));
	f->n_jobs = f->bytes = 0;
}

static void
on_past_job(const struct store_job *r, void *arg)
{
	struct fetch *f = arg;
	struct past_job *p;

	if (archive_is_deleted(f->archive, r->id))
		return;
	f->bytes += sizeof *p + r->spec.len + r->receipt.len;
	f->too_large |= f->bytes > ARCHIVE_FETCH_BYTES;
	/* Ids are sorted, and so are the answers. */
	if (f->too_large || f->n_jobs == f->n_ids || (f->n_jobs && r->id <= f->jobs[f->n_jobs - 1].job.id))
		return;
	p = &f->jobs[f->n_jobs];
	*p = (struct past_job){ .run_ms = r->run_ms };
	if (keep_read(r, &p->job, &p->receipt))
		f->n_jobs++;
}

static struct past_job *
find(const struct fetch *f, uint64_t id)
{
	size_t low = 0, high = f->n_jobs;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->jobs[middle].job.id == id)
			return &f->jobs[middle];
		if (f->jobs[middle].job.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void ask(struct fetch *f);

static void
on_fetched(const struct read_end *end UNUSED, const char *error, void *arg)
{
	struct fetch *f = arg;

	/* What it says of that one may be of before. */
	if (!error && f->gone) {
		f->gone = 0;
		free_jobs(f);
		ask(f);
		return;
	}
	if (!error && f->too_large)
		error = "these jobs are too large to be looked up at once: name fewer of them";
	f->cb(error, f->arg);
}

static const struct history_ops fetch_ops = { on_past_job, on_fetched };

static void
ask(struct fetch *f)
{
	f->jobs = xcalloc(f->n_ids, sizeof f->jobs[0]);
	history_find(f->archive->history, &f->question, f->ids, f->n_ids, &fetch_ops, f);
}

void
archive_fetch(struct archive *a, struct fetch *f, const uint64_t *ids, size_t n, fetch_cb cb, void *arg)
{
	assert(!f->archive && n && n <= READ_IDS_MAX);
	f->archive = a;
	f->cb = cb;
	f->arg = arg;
	f->ids = xmemdup(ids, n * sizeof ids[0]);
	f->n_ids = n;
	qsort(f->ids, n, sizeof ids[0], job_compare_ids);
	list_append(&a->fetches, &f->link);
	ask(f);
}

void
fetch_done(struct fetch *f)
{
	if (!f->archive)
		return;
	history_forget(&f->question);
	free_jobs(f);
	free(f->ids);
	list_remove(&f->link);
	*f = (struct fetch){ 0 };
}

const struct past_job *
fetch_find(const struct fetch *f, uint64_t id)
{
	const struct past_job *p = find(f, id);

	return p && !p->gone ? p : NULL;
}

static bool
is_asked(const struct fetch *f, uint64_t id)
{
	return f->archive && bsearch(&id, f->ids, f->n_ids, sizeof id, job_compare_ids);
}

bool
fetch_knows(const struct fetch *f, uint64_t id)
{
	const struct past_job *p = find(f, id);

	return is_asked(f, id) && !(p && p->gone);
}

void
past_job_view(const struct past_job *p, struct engine_view *ret)
{
	*ret = (struct engine_view){
		.job = &p->job,
		.state = p->job.state,
		.received = p->job.received,
		.total = p->job.state == JOB_DONE ? p->job.received : 0,
		.receipt = p->receipt,
		.runs = p->receipt ? p->receipt->runs : NULL,
	};
}

/* Whoever has looked it up has what was. */
static void
mark_gone(struct archive *a, uint64_t id)
{
	struct fetch *f;

	LIST_FOREACH(f, &a->fetches, struct fetch, link) {
		struct past_job *p = find(f, id);

		if (f->question.history && is_asked(f, id))
			f->gone = id;
		if (p)
			p->gone = true;
	}
}

void
archive_bring_back(struct archive *a, const struct past_job *p)
{
	struct receipt *receipt = NEW(struct receipt);

	receipt->ended_s = p->receipt->ended_s;
	receipt->runs = p->receipt->runs ? runs_copy(p->receipt->runs) : NULL;
	drop_name(a, p->job.id);
	a->returns++;
	engine_restore(a->engine, &p->job, p->run_ms, receipt);
	mark_gone(a, p->job.id);
}

uint64_t
archive_returns(const struct archive *a)
{
	return a->returns;
}

/* ---- Life ----------------------------------------------------------------------------- */

struct archive *
archive_new(struct loop *l, struct engine *e, struct history *h)
{
	struct archive *a = NEW(struct archive);

	a->loop = l;
	a->engine = e;
	a->history = h;
	map_init(&a->names, name_is);
	map_init(&a->ids, id_is);
	list_init(&a->fetches);
	map_init(&a->deleted, deleted_is);
	list_init(&a->deletions);
	loop_timer_init(&a->retry, l, "archive", on_retry, a);
	loop_deferred_init(&a->evict, "archive", on_evict, a);
	return a;
}

void
archive_set_store(struct archive *a, struct store *s)
{
	a->store = s;
}

void
archive_free(struct archive *a)
{
	size_t at = 0;
	struct past_name *p;

	if (!a)
		return;
	assert(list_empty(&a->fetches));
	store_forget_wait(&a->wait);
	while ((p = map_next(&a->ids, &at)))
		free(p);
	map_done(&a->ids);
	map_done(&a->names);
	while (!list_empty(&a->deletions))
		forget_deleted(a, LIST_FIRST(&a->deletions, struct deleted, link));
	map_done(&a->deleted);
	loop_timer_done(&a->retry);
	loop_undefer(&a->evict);
	free(a);
}
