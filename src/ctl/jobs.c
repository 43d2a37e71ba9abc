/* Verbs about jobs that are named, or about a group or all: cancel, pause, resume, remove,
 * retry, run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/chosen.h"
#include "ctl/client.h"
#include "ctl/ctl.h"

typedef void (*answer_cb)(struct ctl *c, const json_t *result, void *arg);

/* Asks for all jobs of the command line, CLIENT_JOBS_MAX at a time, one request
 * behind the other, until one fails. */
static int
ask_about_jobs(struct ctl *c, const char *method, answer_cb answer, void *arg)
{
	for (size_t i = 0; i < c->args.n_words; i += CLIENT_JOBS_MAX) {
		size_t n = MIN(c->args.n_words - i, (size_t)CLIENT_JOBS_MAX);
		AUTO_JSON json_t *result = NULL;
		int r = ctl_call(c, method, ctl_job_params(c->args.words + i, n), &result);

		if (r != CTL_OK)
			return r;
		if (c->args.json)
			ctl_put_json(c, result);
		else
			answer(c, result, arg);
	}
	return CTL_OK;
}

/* "7 geoip cancelled": a line a job. */
static void
put_states(struct ctl *c, const json_t *result, void *arg UNUSED)
{
	const json_t *job;
	size_t i;

	json_array_foreach(json_object_get(result, "jobs"), i, job) {
		struct brief b;
		AUTO_FREE char *label = NULL;

		brief_read(job, &b);
		label = ctl_safe(c, brief_label(&b));
		buf_printf(&c->out, "%llu  %s  ", (unsigned long long)b.id, label);
		ctl_put_ink(c, brief_ink(&b), "%s", b.state);
		buf_append_str(&c->out, "\n");
	}
	ctl_flush_large(c);
}

static void
count_removed(struct ctl *c UNUSED, const json_t *result, void *arg)
{
	*(uint64_t *)arg += member_u64(result, "removed");
}

/* "12 cancelled", "group nightly paused". */
static void
put_scope(struct ctl *c, const char *method, const json_t *result)
{
	const char *group = c->args.filters[OPTION_GROUP - OPTION_SINCE];

	if (text_equal(method, "cancel"))
		buf_printf(&c->out, "%llu cancelled\n", (unsigned long long)member_u64(result, "cancelled"));
	else
		buf_printf(&c->out, "%s%s %s\n", group ? "group " : "", group ? group : "everything",
		    text_equal(method, "pause") ? "paused" : "resumed");
}

static int
command_chosen(struct ctl *c, const char *method, const char *states, const char *done)
{
	AUTO_FREE char *all = xasprintf("%s,done,failed,cancelled", states);
	bool over = !c->args.state && !text_equal(method, "resume"); /* between two runs it is about the next one */

	return chosen_command(c, method, over ? all : states, over ? brief_is_there : NULL, done);
}

/* Of the jobs that are named, or of the group, or of everything. */
static int
command(struct ctl *c, const char *method, const char *states, const char *done)
{
	AUTO_JSON json_t *result = NULL, *params = ctl_scope_params(c);
	int r;

	if (chosen_is_asked(c, false))
		return command_chosen(c, method, states, done);
	if (!ctl_names_one_kind(c))
		return CTL_USAGE;
	if (!params)
		return ask_about_jobs(c, method, put_states, NULL);
	r = ctl_call(c, method, json_incref(params), &result);
	if (r == CTL_OK && c->args.json)
		ctl_put_json(c, result);
	else if (r == CTL_OK)
		put_scope(c, method, result);
	return r;
}

int
verb_cancel(struct ctl *c)
{
	return command(c, "cancel", "queued,blocked,active,paused", "cancelled");
}

int
verb_pause(struct ctl *c)
{
	return command(c, "pause", "queued,blocked,active", "paused");
}

int
verb_resume(struct ctl *c)
{
	return command(c, "resume", "paused", "resumed");
}

/* Neither jobs nor filters were given; told. */
static bool
needs_jobs(const struct ctl *c)
{
	if (!c->args.n_words)
		ctl_tell(c, "%s needs a job, a filter such as --state, or --all: haulctl help %s", c->args.verb->name, c->args.verb->name);
	return !c->args.n_words;
}

int
verb_retry(struct ctl *c)
{
	if (chosen_is_asked(c, true))
		return chosen_command(c, "retry", "failed,cancelled", NULL, "queued again");
	return needs_jobs(c) ? CTL_USAGE : ask_about_jobs(c, "retry", put_states, NULL);
}

static bool
waits_for_time(const json_t *job)
{
	return text_equal(member_text(job, "why"), "start-at") || json_is_integer(json_object_get(job, "next_run"));
}

int
verb_run(struct ctl *c)
{
	if (chosen_is_asked(c, true))
		return chosen_command(c, "run", "blocked,done,failed,cancelled", waits_for_time, "begun");
	return needs_jobs(c) ? CTL_USAGE : ask_about_jobs(c, "run", put_states, NULL);
}

int
verb_remove(struct ctl *c)
{
	uint64_t n = 0;
	int r;

	if (chosen_is_asked(c, true))
		return chosen_command(c, "remove", "done,failed,cancelled", NULL, "removed");
	if (needs_jobs(c))
		return CTL_USAGE;
	r = ask_about_jobs(c, "remove", count_removed, &n);
	if (!c->args.json && (n || r == CTL_OK))
		buf_printf(&c->out, "%llu removed\n", (unsigned long long)n);
	return r;
}
