/* What top knows of hauld; see top.h. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/client.h"
#include "ctl/filters.h"
#include "ctl/top.h"

enum { RANK_ACTIVE, RANK_WAITING, RANK_ENDED };

void
top_jobs_init(struct top *t)
{
	t->active = json_array();
	t->waiting = json_array();
	t->found = json_array();
	t->ended = json_array();
}

void
top_jobs_done(struct top *t)
{
	json_decref(t->figures);
	json_decref(t->active);
	json_decref(t->waiting);
	json_decref(t->found);
	json_decref(t->ended);
	free(t->jobs);
}

/* ---- Questions ------------------------------------------------------------------------- */

void
top_subscribe(struct top *t)
{
	t->subscribe_id = client_send(t->ctl->client, "subscribe",
	    json_pack("{s:I}", "progress_ms", (json_int_t)t->interval_ms));
}

/* The states that wait, as far as --state wants them; NULL: none of them. */
static json_t *
waiting_states(const struct args *a)
{
	static const char *const states[] = { "queued", "blocked", "paused" };
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (filters_take_state(a, states[i]))
			(void)json_array_append_new(list, json_string(states[i]));
	if (json_array_size(list))
		return list;
	json_decref(list);
	return NULL;
}

/* A page of what waits; after: where the one before ended. */
static void
ask_list(struct top *t, uint64_t after)
{
	size_t want = MAX((size_t)TOP_PAGE_LEAST, t->board.selected + 2 * (size_t)t->ctl->term.rows);
	json_t *states = waiting_states(&t->ctl->args), *p;

	if (!states) {
		t->listed = true;
		return;
	}
	p = json_pack("{s:I, s:I, s:o}", "limit", (json_int_t)MIN(want, (size_t)CLIENT_JOBS_MAX), "after",
	    (json_int_t)after, "state", states);
	filters_put(&t->ctl->args, p);
	if (t->list_key) {
		AUTO_FREE char *pattern = xasprintf("*%s*", t->text);

		(void)json_object_set_new(p, t->list_key, json_string(pattern));
	}
	t->list_id = client_send(t->ctl->client, "list", p);
}

void
top_look(struct top *t)
{
	t->next_ms = clock_now_ms() + t->interval_ms;
	if (!t->status_id)
		t->status_id = client_send(t->ctl->client, "status", NULL);
	if (t->list_id)
		return;
	(void)json_array_clear(t->found);
	t->pages = 0;
	/* A text may be in the name or in the destination: two lists. */
	t->list_key = *t->text ? "name" : NULL;
	ask_list(t, 0);
}

/* ---- Answers ------------------------------------------------------------------------------ */

static size_t
find(const json_t *array, uint64_t id)
{
	const json_t *job;
	size_t i;

	json_array_foreach(array, i, job)
		if (member_u64(job, "id") == id)
			return i;
	return SIZE_MAX;
}

static void
take_list(struct top *t, const json_t *result)
{
	uint64_t next = member_u64(result, "next");
	json_t *job;
	size_t i;

	json_array_foreach(json_object_get(result, "jobs"), i, job)
		if (!t->list_key || find(t->found, member_u64(job, "id")) == SIZE_MAX)
			(void)json_array_append(t->found, job);
	t->pages++;
	if (next && t->pages < TOP_PAGES_MAX && json_array_size(t->found) < TOP_PAGE_LEAST) {
		ask_list(t, next);
		return;
	}
	if (text_equal(t->list_key, "name")) {
		t->list_key = "output";
		t->pages = 0;
		ask_list(t, 0);
		return;
	}
	json_decref(t->waiting);
	t->waiting = t->found;
	t->found = json_array();
	t->listed = true;
}

static void
replace(json_t **what, json_t *with)
{
	json_decref(*what);
	*what = json_incref(with);
}

static bool
take_answer(struct top *t, uint64_t id, const json_t *message)
{
	json_t *result = json_object_get(message, "result");
	const json_t *error = json_object_get(message, "error");
	bool ours = id == t->status_id || id == t->list_id || id == t->subscribe_id;

	if (!ours)
		return false;
	if (error) {
		t->ends = true;
		t->status = ctl_error_status(error);
		top_say(t, true, "%s", member_text(error, "message"));
	} else if (id == t->status_id) {
		t->status_id = 0;
		replace(&t->figures, result);
		t->counted = true;
	} else if (id == t->list_id) {
		t->list_id = 0;
		take_list(t, result);
	}
	return true;
}

static void
take_end(struct top *t, json_t *job)
{
	uint64_t id = member_u64(job, "id");
	json_t *const lists[] = { t->active, t->waiting, t->ended };

	if (id == t->selected_id)
		t->selected_id = 0; /* the place stays selected, not the job: it goes to the end */
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		size_t at = find(lists[i], id);

		if (at != SIZE_MAX)
			(void)json_array_remove(lists[i], at);
	}
	(void)json_array_insert(t->ended, 0, job);
	while (json_array_size(t->ended) > TOP_ENDED_MAX)
		(void)json_array_remove(t->ended, json_array_size(t->ended) - 1);
}

void
top_take_job(struct top *t, json_t *job)
{
	json_t *const lists[] = { t->active, t->waiting };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		size_t at = find(lists[i], member_u64(job, "id"));

		if (at != SIZE_MAX)
			(void)json_array_set(lists[i], at, job);
	}
}

static void
take_event(struct top *t, const json_t *event)
{
	const char *kind = member_text(event, "event");
	json_t *job = json_object_get(event, "job");
	size_t at;

	if (text_equal(kind, "progress")) {
		replace(&t->active, json_object_get(event, "jobs"));
		t->told = true;
	} else if (text_equal(kind, "end")) {
		take_end(t, job);
	} else if (text_equal(kind, "state") && (at = find(t->waiting, member_u64(job, "id"))) != SIZE_MAX) {
		(void)json_array_set(t->waiting, at, job);
	}
}

bool
top_take(struct top *t, const json_t *message)
{
	uint64_t id = client_answer_id(message);

	t->dirty = true;
	if (text_equal(member_text(message, "method"), "event")) {
		take_event(t, json_object_get(message, "params"));
		return true;
	}
	return id && take_answer(t, id, message);
}

bool
top_is_whole(const struct top *t)
{
	return t->listed && t->told && t->counted;
}

/* ---- The jobs that are shown --------------------------------------------------------------- */

static bool
matches(const char *pattern, const char *text)
{
	return !pattern || glob_match(pattern, text);
}

/* The filters of the command line, and the text. */
static bool
is_wanted(const struct top *t, const struct brief *b, const json_t *job)
{
	const struct args *a = &t->ctl->args;
	AUTO_FREE char *text = xasprintf("*%s*", t->text);

	if (!filters_take_state(a, b->state))
		return false;
	if (!matches(filters_get(a, OPTION_NAME), b->name) || !matches(filters_get(a, OPTION_LIST_OUTPUT), b->output) ||
	    !matches(filters_get(a, OPTION_URL), b->url))
		return false;
	if (filters_get(a, OPTION_GROUP) && !text_equal(filters_get(a, OPTION_GROUP), member_text(job, "group")))
		return false;
	return !*t->text || glob_match(text, b->name) || glob_match(text, b->output) || glob_match(text, b->url);
}

/* Was it told of by a list that knows better? */
static bool
is_known(const struct top *t, size_t n, uint64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (t->jobs[i].brief.id == id)
			return true;
	return false;
}

static void
add(struct top *t, const json_t *list, unsigned rank)
{
	size_t before = t->n_jobs, i;
	const json_t *job;

	json_array_foreach(list, i, job) {
		struct top_job j = { .json = job, .rank = rank };

		brief_read(job, &j.brief);
		if (is_known(t, before, j.brief.id) || !is_wanted(t, &j.brief, job))
			continue;
		if (rank == RANK_ACTIVE && !brief_is(&j.brief, "active"))
			j.rank = RANK_WAITING; /* for its next try */
		j.order = t->n_jobs;
		if (t->n_jobs == t->size_jobs) {
			t->size_jobs = MAX(t->size_jobs * 2, (size_t)256);
			t->jobs = xrealloc(t->jobs, t->size_jobs * sizeof t->jobs[0]);
		}
		t->jobs[t->n_jobs++] = j;
	}
}

static int
compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static double
share(const struct brief *b)
{
	return b->total ? (double)b->received / (double)b->total : 0;
}

static int
compare_by(const char *sort, const struct top_job *a, const struct top_job *b)
{
	if (text_equal(sort, "rate"))
		return compare_u64(b->brief.rate, a->brief.rate);
	if (text_equal(sort, "size"))
		return compare_u64(brief_size(&b->brief), brief_size(&a->brief));
	if (text_equal(sort, "name"))
		return strcmp(brief_label(&a->brief), brief_label(&b->brief));
	if (text_equal(sort, "done"))
		return share(&a->brief) > share(&b->brief) ? -1 : share(&a->brief) < share(&b->brief);
	if (text_equal(sort, "priority"))
		return (a->brief.priority < b->brief.priority) - (a->brief.priority > b->brief.priority);
	if (text_equal(sort, "id"))
		return compare_u64(a->brief.id, b->brief.id);
	return 0;
}

/* --sort state is the order of ranks; for every other key it comes behind the key. */
static int
compare(const void *va, const void *vb, void *arg)
{
	const struct top_job *a = va, *b = vb;
	const struct top *t = arg;
	int r = compare_by(t->sort, a, b);

	if (!r)
		r = compare_u64(a->rank, b->rank);
	if (!r)
		r = a->rank == RANK_ENDED ? compare_u64(a->order, b->order) : compare_u64(a->brief.id, b->brief.id);
	return r;
}

void
top_sort(struct top *t)
{
	t->n_jobs = 0;
	add(t, t->ended, RANK_ENDED); /* an end is final; what runs is newer than a list */
	add(t, t->active, RANK_ACTIVE);
	add(t, t->waiting, RANK_WAITING);
	if (t->n_jobs)
		qsort_r(t->jobs, t->n_jobs, sizeof t->jobs[0], compare, t);
	for (size_t i = 0; i < t->n_jobs; i++)
		if (t->jobs[i].brief.id == t->selected_id)
			t->board.selected = i;
	t->board.selected = t->n_jobs ? MIN(t->board.selected, t->n_jobs - 1) : 0;
}

uint64_t
top_count(const struct top *t, const char *state)
{
	return member_u64(json_object_get(t->figures, "jobs"), state);
}

json_t *
top_snapshot(struct top *t)
{
	json_t *jobs = json_array();

	top_sort(t);
	for (size_t i = 0; i < t->n_jobs && (!t->ctl->args.limit || i < t->ctl->args.limit); i++)
		(void)json_array_append(jobs, (json_t *)(uintptr_t)t->jobs[i].json);
	return json_pack("{s:I, s:O, s:o}", "time", (json_int_t)clock_wall_s(), "status", t->figures, "jobs", jobs);
}
