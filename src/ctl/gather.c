/*
 * `haulctl gather`: URLs are added, jobs are there; all of them are waited for as one
 * thing, as asyncio.gather() does, and told in the order given.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/batch.h"
#include "ctl/brief.h"
#include "ctl/client.h"
#include "ctl/wait.h"

struct gather {
	struct ctl *ctl;
	struct batch batch;
	char **words;     /* owned: the command line's, in order */
	size_t n_words;
	json_t *jobs;     /* owned: ids and names, in order */
};

static bool
is_url(const char *word)
{
	return strstr(word, "://");
}

/* write(2) and _exit(2) are all that may be called from here. */
static void
on_signal(int number)
{
	static const char text[] = "haulctl: detached; the jobs go on\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);

	(void)n;
	_exit(CTL_SIGNAL + number);
}

static void
catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction on = { .sa_handler = on_signal }, was;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (sigaction(numbers[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
			(void)sigaction(numbers[i], &on, NULL);
}

/* ---- What is added ---------------------------------------------------------------- */

/* Their own group lies in the one that they are to be in. */
static const char *
take_group(struct args *a)
{
	const char *group = NULL;
	size_t n = 0;

	for (size_t i = 0; i < a->n_values; i++)
		if (a->values[i].row->id == JOB_GROUP)
			group = a->values[i].text;
		else
			a->values[n++] = a->values[i];
	a->n_values = n;
	return group;
}

static char *
make_scope(struct args *a)
{
	AUTO_FREE char *name = xasprintf("gather-%016" PRIx64, random_bits());
	const char *parent = take_group(a);
	json_t *scope = json_pack("{s:s}", "name", name);
	char *text;

	if (a->max_concurrent)
		(void)json_object_set_new(scope, "max-concurrent", json_integer((json_int_t)a->max_concurrent));
	if (a->cancel)
		(void)json_object_set_new(scope, "on-failure", json_string("cancel"));
	if (parent)
		(void)json_object_set_new(scope, "parent", json_string(parent));
	text = json_dumps(scope, JSON_COMPACT);
	json_decref(scope);
	return text;
}

/* Before anything is added, the jobs that are named have to be there; with a list it may bring them. */
static int
find_jobs(const struct gather *g)
{
	for (size_t i = 0; i < g->n_words; i++) {
		AUTO_JSON json_t *job = NULL;
		int r = CTL_OK;

		if (!is_url(g->words[i]))
			r = ctl_call(g->ctl, "show", json_pack("{s:o}", "job", ctl_job_name(g->words[i])), &job);
		if (r != CTL_OK) {
			ctl_tell(g->ctl, "nothing was added");
			return r;
		}
	}
	return CTL_OK;
}

static int
add_urls(struct gather *g)
{
	struct args *a = &g->ctl->args;
	int r;

	for (size_t i = 0; i < a->n_words; i++)
		g->words[g->n_words++] = a->words[i];
	a->n_words = 0;
	for (size_t i = 0; i < g->n_words; i++)
		if (is_url(g->words[i]))
			a->words[a->n_words++] = g->words[i];
	if (!a->n_words && !a->input) {
		if (a->n_values || a->max_concurrent) {
			ctl_tell(g->ctl, "settings and --max-concurrent are for urls, and there are none");
			return CTL_USAGE;
		}
		return ctl_connect(g->ctl);
	}
	if (a->max_concurrent || a->cancel)
		g->batch.scope = make_scope(a);
	r = batch_read(&g->batch);
	if (r == CTL_OK && !a->input)
		r = find_jobs(g);
	return r == CTL_OK ? batch_send(&g->batch, false) : r;
}

/* Ids and names in the order given; those of the list behind them. */
static void
put_in_order(struct gather *g)
{
	size_t next = 0;

	g->jobs = json_array();
	for (size_t i = 0; i < g->n_words; i++)
		if (!is_url(g->words[i]))
			(void)json_array_append_new(g->jobs, ctl_job_name(g->words[i]));
		else if (next < g->batch.n_ids)
			(void)json_array_append_new(g->jobs, json_integer((json_int_t)g->batch.ids[next++]));
	while (next < g->batch.n_ids)
		(void)json_array_append_new(g->jobs, json_integer((json_int_t)g->batch.ids[next++]));
}

/* ---- The outcome -------------------------------------------------------------------- */

/* On a new connection: on this one waits are still to be answered. */
static int
cancel_all(struct gather *g)
{
	struct ctl *c = g->ctl;
	size_t n = json_array_size(g->jobs);
	int r;

	client_free(TAKE_PTR(c->client));
	for (size_t i = 0; i < n; i += CLIENT_JOBS_MAX) {
		AUTO_JSON json_t *result = NULL;
		json_t *jobs = json_array();

		for (size_t k = i; k < MIN(n, i + CLIENT_JOBS_MAX); k++)
			(void)json_array_append(jobs, json_array_get(g->jobs, k));
		r = ctl_call(c, "cancel", json_pack("{s:o}", "jobs", jobs), &result);
		if (r != CTL_OK)
			return r;
	}
	return CTL_OK;
}

/* The first failure is the result. */
static int
fail_first(struct gather *g, const json_t *job)
{
	struct ctl *c = g->ctl;
	struct brief b;
	int r = CTL_OK;

	brief_read(job, &b);
	if (c->args.cancel)
		r = cancel_all(g);
	if (r != CTL_OK)
		return r;
	if (c->args.json)
		ctl_put_json(c, job);
	ctl_tell(c, "%s (id %llu) %s: %s%s%s; the others %s", brief_label(&b), (unsigned long long)b.id, b.state, b.code,
	    *b.reason ? ": " : "", b.reason, c->args.cancel ? "were cancelled" : "go on");
	return brief_is(&b, "failed") ? CTL_FAILED : CTL_CANCELLED;
}

/* Siblings end because of another: that one is the failure. */
static const json_t *
first_failure(const struct waiting *w)
{
	const json_t *job, *other = NULL;
	size_t i;

	json_array_foreach(w->results, i, job) {
		if (!waiting_is_exception(job))
			continue;
		if (!text_equal(member_text(job, "code"), "sibling-failed"))
			return job;
		other = other ? other : job;
	}
	return other;
}

static int
wait_for_all(struct gather *g)
{
	bool all = g->ctl->args.return_exceptions;
	struct waiting w = { .ctl = g->ctl, .jobs = g->jobs, .return_when = all ? NULL : "first-exception" };
	const json_t *failure;
	int r = waiting_run(&w);

	failure = r == CTL_OK && !all ? first_failure(&w) : NULL;
	if (failure) {
		r = fail_first(g, failure);
	} else if (r == CTL_OK) {
		waiting_show(&w);
		r = waiting_status(&w);
	}
	waiting_done(&w);
	return r;
}

int
verb_gather(struct ctl *c)
{
	struct gather g = { .ctl = c };
	int r;

	if (!c->args.n_words && !c->args.input) {
		ctl_tell(c, "there is nothing to gather: give urls, jobs, or a list with -i");
		return CTL_USAGE;
	}
	if (c->args.return_exceptions && c->args.cancel) {
		ctl_tell(c, "--return-exceptions waits for all of them, and --cancel does not: give one of these");
		return CTL_USAGE;
	}
	g.words = xcalloc(c->args.n_words + 1, sizeof g.words[0]);
	batch_init(&g.batch, c);
	r = add_urls(&g);
	if (r == CTL_OK) {
		catch_signals();
		put_in_order(&g);
		r = wait_for_all(&g);
	}
	json_decref(g.jobs);
	batch_done(&g.batch);
	free(g.words);
	return r;
}
