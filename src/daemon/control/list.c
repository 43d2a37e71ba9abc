/*
 * `list`: the jobs in memory and those of the history, together.
 *
 * A page is made of what is in memory when it is asked for and of what the history
 * then has, a moment later: a job leaves the memory when the history has it, so that
 * it is in one of the two, and what is in both is told as it is in memory.  A job that
 * comes back meanwhile (retry) may be in none: then the page is made anew.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/control/internal.h"
#include "daemon/engine/keep.h"

enum {
	LIST_MS = 3,   /* of looking at jobs in memory and writing them, for one page by id; of either, by end, in one turn */
	LIST_BYTES = 1 << 20, /* of a page: what takes it over that is its last job */
	LOOK_EACH = 64, /* jobs between looks at the clock, when one costs next to nothing */
	TRIES_MAX = 3,
};

/* A job of the page: where it stands in the order, and its JSON. */
struct item {
	uint64_t id;
	int64_t ended_s;
	bool past;  /* out of the history */
	char *json; /* owned; NULL: not written yet */
};

struct items {
	struct item *at; /* owned */
	size_t n, size;
};

struct listing {
	struct list link; /* of control->listings, while it waits */
	struct call *call;
	struct read_list wanted; /* of the page; its texts are the params' */
	struct items items;
	struct question question;
	bool more, past_more;    /* of the memory, of the history: there is more behind upto */
	uint64_t past_upto;      /* by id: the history was looked at so far */
	int64_t past_upto_s;     /* and by end */
	uint64_t returns;
	unsigned tries, limit;   /* how often it was begun; jobs of the page, of which wanted may have fewer */
	bool settings;           /* each job with those that are its own */
	struct engine_walk walk; /* by end: over those of the configuration, some in each turn */
	struct loop_deferred step;
};

/* ---- The page ----------------------------------------------------------------------- */

static struct item *
add_item(struct items *l)
{
	if (l->n == l->size) {
		l->size = MAX(l->size * 2, (size_t)64);
		l->at = xrealloc(l->at, l->size * sizeof l->at[0]);
	}
	l->at[l->n] = (struct item){ 0 };
	return &l->at[l->n++];
}

static void
cut_items(struct items *l, size_t n)
{
	while (l->n > n)
		free(l->at[--l->n].json);
}

/* In the order of the list; what is in memory comes before its double. */
static int
compare_by_id(const void *va, const void *vb)
{
	const struct item *a = va, *b = vb;

	return a->id != b->id ? (a->id < b->id ? -1 : 1) : a->past - b->past;
}

static int
compare_by_end(const void *va, const void *vb)
{
	const struct item *a = va, *b = vb;

	if (a->ended_s != b->ended_s)
		return a->ended_s > b->ended_s ? -1 : 1;
	return -compare_by_id(va, vb);
}

static void
sort_items(const struct listing *l)
{
	if (l->items.n)
		qsort(l->items.at, l->items.n, sizeof l->items.at[0], l->wanted.by_end ? compare_by_end : compare_by_id);
}

/* Behind the page before. */
static bool
is_behind(const struct read_list *w, uint64_t id, int64_t ended_s)
{
	if (!w->by_end)
		return id > w->after_id;
	return ended_s != w->after_s ? ended_s < w->after_s : id < w->after_id;
}

/* So far the history was looked at. */
static bool
is_covered(const struct listing *l, const struct item *i)
{
	if (!l->past_more)
		return true;
	if (!l->wanted.by_end)
		return i->id <= l->past_upto;
	return i->ended_s != l->past_upto_s ? i->ended_s > l->past_upto_s : i->id >= l->past_upto;
}

static void
put_job(const struct listing *l, struct json *w, const struct engine_view *v)
{
	if (!v)
		jsonw_null(w);
	else if (l->settings)
		job_json_settings(w, v, l->call->uid);
	else
		job_json(w, v);
}

/* How many bytes it has. */
static size_t
write_item(const struct listing *l, struct item *i)
{
	AUTO_BUF struct buf b = { 0 };
	struct engine_view v;
	struct json w;

	jsonw_init(&w, &b);
	put_job(l, &w, engine_view(l->call->control->engine, i->id, &v) ? &v : NULL);
	i->json = xstrdup(buf_cstr(&b));
	return buf_len(&b);
}

/* ---- The memory ----------------------------------------------------------------------- */

static bool
takes(const struct filter *f, const struct job *j, enum job_state state, const struct receipt *r)
{
	return filter_takes(f, state, job_is_over(j) && r ? r->ended_s : 0) && filter_takes_spec(f, j->spec);
}

/* Urls and settings may be many: one job of these takes a millisecond. */
static unsigned
looks_at_once(const struct listing *l)
{
	return l->wanted.filter.url || l->settings ? 1 : LOOK_EACH;
}

static void
take_by_id(struct listing *l)
{
	const struct engine *e = l->call->control->engine;
	struct read_list *w = &l->wanted;
	uint64_t until = clock_now_ms() + LIST_MS, last = w->after_id;
	unsigned each = looks_at_once(l);
	const struct job *j = engine_next(e, last);
	size_t bytes = 0;

	for (unsigned looked = 0; j && bytes < LIST_BYTES; j = engine_next(e, last)) {
		if (l->items.n == w->jobs || looked++ == LIST_SCAN_MAX || (looked > 1 && looked % each == 0 && clock_now_ms() >= until))
			break;
		last = j->id;
		if (takes(&w->filter, j, engine_state(e, j), engine_receipt(e, last))) {
			struct item *i = add_item(&l->items);

			i->id = last;
			bytes += write_item(l, i); /* this is what takes the time */
		}
	}
	l->more = j != NULL;
	w->upto_id = j ? last : STORE_ID_MAX;
}

static void
take_over(const struct job *j, const struct receipt *r, void *arg)
{
	struct listing *l = arg;
	struct read_list *w = &l->wanted;
	struct item *i;
	int64_t ended_s = r ? r->ended_s : 0;

	if (!is_behind(w, j->id, ended_s) || !takes(&w->filter, j, j->state, r))
		return;
	i = add_item(&l->items);
	i->id = j->id;
	i->ended_s = ended_s;
	if (l->items.n < 4 * w->jobs)
		return;
	sort_items(l);
	cut_items(&l->items, w->jobs);
	l->more = true;
}

/* What is too much is another page's, and this one is a shorter one. */
static void
write_items(struct listing *l)
{
	uint64_t until = clock_now_ms() + LIST_MS;
	size_t bytes = 0, i = 0;

	while (i < l->items.n && bytes < LIST_BYTES && (i == 0 || clock_now_ms() < until))
		bytes += write_item(l, &l->items.at[i++]);
	if (i == l->items.n)
		return;
	cut_items(&l->items, i);
	l->wanted.jobs = (unsigned)i;
	l->more = true;
}

/* What has left the memory since it was seen is in the history, and what began again is not over. */
static void
drop_changed(struct listing *l)
{
	const struct engine *e = l->call->control->engine;
	struct items *all = &l->items;
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct job *j = engine_job(e, all->at[i].id);
		const struct receipt *r = engine_receipt(e, all->at[i].id);

		if (j && job_is_over(j) && (r ? r->ended_s : 0) == all->at[i].ended_s)
			all->at[n++] = all->at[i];
	}
	all->n = n;
}

/* False: there are more to look at. */
static bool
walk(struct listing *l)
{
	uint64_t until = clock_now_ms() + LIST_MS;
	unsigned each = looks_at_once(l), n = 0;
	const struct receipt *r;
	const struct job *j;

	while ((j = engine_walk_next(&l->walk, &r))) {
		take_over(j, r, l);
		if (++n % each == 0 && clock_now_ms() >= until)
			return false;
	}
	engine_walk_end(&l->walk);
	return true;
}

static void
end_walk(struct listing *l)
{
	drop_changed(l);
	sort_items(l);
	if (l->more) /* others were let go for those that are dropped: the page ends where these would be */
		l->wanted.jobs = (unsigned)MIN((size_t)l->wanted.jobs, l->items.n);
	l->more |= l->items.n > l->wanted.jobs;
	cut_items(&l->items, l->wanted.jobs);
	write_items(l);
}

/* ---- The answer ------------------------------------------------------------------------ */

static void
listing_free(struct listing *l)
{
	history_forget(&l->question);
	engine_walk_end(&l->walk);
	loop_undefer(&l->step);
	list_remove(&l->link);
	cut_items(&l->items, 0);
	free(l->items.at);
	free(l);
}

static void
put_next(struct buf *out, const struct listing *l, uint64_t id, int64_t ended_s)
{
	if (l->wanted.by_end)
		buf_printf(out, "\"%" PRId64 "/%" PRIu64 "\"", ended_s, id);
	else
		buf_printf(out, "%" PRIu64, id);
}

/* Those that are covered, at most so many; the rest is for the next page. */
static void
answer(struct listing *l)
{
	struct call *c = l->call;
	struct json w = call_begin(c);
	uint64_t last = 0;
	int64_t last_s = 0;
	size_t i, n = 0;

	sort_items(l);
	buf_append_str(w.out, "{\"jobs\":[");
	for (i = 0; i < l->items.n && n < l->wanted.jobs && is_covered(l, &l->items.at[i]); i++) {
		const struct item *it = &l->items.at[i];

		if (it->id == last)
			continue;
		buf_append_str(w.out, n ? "," : ""); /* half a megabyte in all: not by printf */
		buf_append_str(w.out, it->json);
		last = it->id;
		last_s = it->ended_s;
		n++;
	}
	buf_append_str(w.out, "],\"next\":");
	if (n == l->wanted.jobs && (i < l->items.n || l->more || l->past_more))
		put_next(w.out, l, last, last_s);
	else if (l->past_more)
		put_next(w.out, l, l->past_upto, l->past_upto_s);
	else if (l->more) /* by id: there is room on a page by end */
		put_next(w.out, l, l->wanted.upto_id, 0);
	else
		buf_append_str(w.out, "null");
	buf_append_str(w.out, "}");
	c->on_orphaned = NULL;
	listing_free(l);
	call_end(c, &w);
}

/* ---- The history ------------------------------------------------------------------------ */

static void
on_past_job(const struct store_job *r, void *arg)
{
	struct listing *l = arg;
	struct past_job p = { .run_ms = r->run_ms };
	AUTO_BUF struct buf b = { 0 };
	struct engine_view v;
	struct item *i;
	struct json w;

	const struct control *c = l->call->control;

	/* What is in memory was taken as it is there, if it was wanted. */
	if (engine_job(c->engine, r->id) || archive_is_deleted(c->archive, r->id) || l->items.n >= 2 * (size_t)LIST_MAX || !keep_read(r, &p.job, &p.receipt))
		return;
	past_job_view(&p, &v);
	jsonw_init(&w, &b);
	put_job(l, &w, &v);
	i = add_item(&l->items);
	*i = (struct item){ .id = r->id, .ended_s = r->ended_s, .past = true, .json = xstrdup(buf_cstr(&b)) };
	job_done(&p.job);
	receipt_free(p.receipt);
}

static void begin(struct listing *l);

static void
on_past_end(const struct read_end *end, const char *error, void *arg)
{
	struct listing *l = arg;
	struct call *c = l->call;

	if (error) {
		c->on_orphaned = NULL;
		call_fail(c, RPC_FAILED, "jobs that ended earlier cannot be listed now: %s", error);
		listing_free(l);
		return;
	}
	if (archive_returns(c->control->archive) != l->returns && l->tries < TRIES_MAX) {
		begin(l);
		return;
	}
	l->past_more = end->more;
	l->past_upto = end->id;
	l->past_upto_s = end->ended_s;
	answer(l);
}

static const struct history_ops list_ops = { on_past_job, on_past_end };

static void
ask_history(struct listing *l)
{
	struct control *c = l->call->control;

	if (filter_is_of_waiting(&l->wanted.filter) || archive_is_empty(c->archive))
		answer(l);
	else
		history_list(c->history, &l->question, &l->wanted, &list_ops, l);
}

static void
on_step(void *arg)
{
	struct listing *l = arg;

	if (!walk(l)) {
		loop_defer(l->call->control->loop, &l->step);
		return;
	}
	end_walk(l);
	if (l->more && !l->items.n)
		begin(l); /* all that it had went meanwhile */
	else
		ask_history(l);
}

static void
begin(struct listing *l)
{
	struct control *c = l->call->control;

	l->tries++;
	l->returns = archive_returns(c->archive);
	l->wanted.jobs = l->limit;
	l->more = false;
	cut_items(&l->items, 0);
	if (l->wanted.by_end) {
		engine_each_ended(c->engine, take_over, l);
		engine_walk_begin(c->engine, &l->walk);
		on_step(l);
	} else {
		take_by_id(l);
		ask_history(l);
	}
}

static void
on_orphaned(struct call *c, void *arg)
{
	listing_free(arg);
	call_free(c);
}

void
listings_done(struct control *c)
{
	while (!list_empty(&c->listings)) {
		struct listing *l = LIST_FIRST(&c->listings, struct listing, link);

		call_free(l->call);
		listing_free(l);
	}
}

/* ---- The call --------------------------------------------------------------------------- */

/* "1700000000/7", what put_next() gave. */
static bool
parse_after_end(const char *text, struct read_list *w)
{
	const char *slash = text ? strchr(text, '/') : NULL;
	uint64_t s;

	if (!slash || parse_u64_n(text, (size_t)(slash - text), 10, &s) < 0 || s > (uint64_t)STORE_TIME_MAX ||
	    parse_u64(slash + 1, &w->after_id) < 0 || w->after_id > STORE_ID_MAX)
		return false;
	w->after_s = (int64_t)s;
	return true;
}

static bool
get_after(struct call *c, struct read_list *w)
{
	const json_t *v = json_object_get(c->params, "after");

	w->after_s = INT64_MAX; /* by end: from the latest on */
	w->after_id = 0;
	if (!v)
		return true;
	if (json_is_integer(v) && json_integer_value(v) >= 0 && !(w->by_end && json_integer_value(v))) {
		w->after_id = (uint64_t)json_integer_value(v); /* 0 is the beginning of any order */
		return true;
	}
	if (w->by_end && parse_after_end(json_string_value(v), w))
		return true;
	call_fail(c, RPC_INVALID_PARAMS, w->by_end ? "after is what the last page gave as next" :
	    "after is the id that the last page gave as next");
	return false;
}

static bool
get_order(struct call *c, struct read_list *w)
{
	const json_t *v = json_object_get(c->params, "order");

	w->by_end = v && text_equal(json_string_value(v), "ended");
	if (!v || w->by_end || text_equal(json_string_value(v), "id"))
		return true;
	call_fail(c, RPC_INVALID_PARAMS, "order is \"id\" or \"ended\"");
	return false;
}

static bool
get_limit(struct call *c, struct read_list *w)
{
	const json_t *v = json_object_get(c->params, "limit");

	w->jobs = LIST_DEFAULT;
	if (!v)
		return true;
	if (json_is_integer(v) && json_integer_value(v) > 0 && json_integer_value(v) <= LIST_MAX) {
		w->jobs = (unsigned)json_integer_value(v);
		return true;
	}
	call_fail(c, RPC_INVALID_PARAMS, "limit is a number from 1 to %d", LIST_MAX);
	return false;
}

void
method_list(struct call *c)
{
	struct read_list w = { .after_id = 0 };
	struct listing *l;

	if (!get_limit(c, &w) || !get_order(c, &w) || !get_after(c, &w) || !call_filter(c, &w.filter))
		return;
	if (json_object_get(c->params, "settings") && !json_is_boolean(json_object_get(c->params, "settings"))) {
		call_fail(c, RPC_INVALID_PARAMS, "settings is true or false");
		return;
	}
	l = NEW(struct listing);
	l->call = c;
	l->wanted = w;
	l->limit = w.jobs;
	loop_deferred_init(&l->step, "list", on_step, l);
	l->settings = json_is_true(json_object_get(c->params, "settings"));
	list_append(&c->control->listings, &l->link);
	c->on_orphaned = on_orphaned;
	c->arg = l;
	begin(l);
}
