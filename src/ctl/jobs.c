/* Verbs about jobs that are named: wait, cancel, pause, resume, remove, retry, run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
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

int
verb_cancel(struct ctl *c)
{
	return ask_about_jobs(c, "cancel", put_states, NULL);
}

int
verb_pause(struct ctl *c)
{
	return ask_about_jobs(c, "pause", put_states, NULL);
}

int
verb_resume(struct ctl *c)
{
	return ask_about_jobs(c, "resume", put_states, NULL);
}

int
verb_retry(struct ctl *c)
{
	return ask_about_jobs(c, "retry", put_states, NULL);
}

int
verb_run(struct ctl *c)
{
	return ask_about_jobs(c, "run", put_states, NULL);
}

int
verb_remove(struct ctl *c)
{
	uint64_t n = 0;
	int r = ask_about_jobs(c, "remove", count_removed, &n);

	if (!c->args.json && (n || r == CTL_OK))
		buf_printf(&c->out, "%llu removed\n", (unsigned long long)n);
	return r;
}

/* ---- wait ---------------------------------------------------------------------- */

struct waiting {
	struct ctl *ctl;
	bool failed, cancelled;
};

static void
take_outcome(struct waiting *w, const json_t *job)
{
	struct summary_row row;
	struct brief b;

	brief_read(job, &b);
	w->failed |= brief_is(&b, "failed");
	w->cancelled |= brief_is(&b, "cancelled") && !text_equal(b.code, "not-needed");
	if (w->ctl->args.json) {
		ctl_put_json(w->ctl, job);
		return;
	}
	row = brief_summary(&b, NULL);
	summary_format_row(&row, &w->ctl->term, &w->ctl->out);
	ctl_flush_large(w->ctl);
}

static int
tell_wait_error(const struct ctl *c, const json_t *error)
{
	char limit[32];

	if (ctl_error_status(error) != CTL_TIMED_OUT)
		return ctl_tell_error(c, error);
	(void)format_duration(limit, sizeof limit, c->args.timeout_ms);
	ctl_tell(c, "not all of them are over after %s; they go on", limit);
	return CTL_TIMED_OUT;
}

/* Answers may come in any order; the jobs are told in the order given. */
static int
take_answers(struct waiting *w, uint64_t first, size_t n)
{
	json_t **results = xcalloc(n, sizeof *results), *job;
	int status = CTL_OK;

	for (size_t left = n; left && status == CTL_OK; left--) {
		AUTO_JSON json_t *message = NULL;
		const json_t *error;
		uint64_t id;
		int r = client_wait(w->ctl->client, &message);

		if (r < 0) {
			status = ctl_tell_lost(w->ctl, r);
			break;
		}
		id = client_answer_id(message);
		error = json_object_get(message, "error");
		if (error)
			status = tell_wait_error(w->ctl, error);
		else if (id >= first && id < first + n && !results[id - first])
			results[id - first] = json_incref(json_object_get(message, "result"));
		else
			status = ctl_tell_lost(w->ctl, -EPROTO);
	}
	for (size_t k = 0, i; k < n; k++) {
		json_array_foreach(json_object_get(results[k], "jobs"), i, job)
			take_outcome(w, job);
		json_decref(results[k]);
	}
	free(results);
	return status;
}

/* Every request goes at once, so that one timeout holds for all of them. */
int
verb_wait(struct ctl *c)
{
	size_t n = (c->args.n_words + CLIENT_JOBS_MAX - 1) / CLIENT_JOBS_MAX;
	struct waiting w = { .ctl = c };
	uint64_t first;
	int r = ctl_connect(c);

	if (r != CTL_OK)
		return r;
	first = c->client->last_id + 1;
	for (size_t i = 0; i < c->args.n_words; i += CLIENT_JOBS_MAX) {
		json_t *p = ctl_job_params(c->args.words + i, MIN(c->args.n_words - i, (size_t)CLIENT_JOBS_MAX));

		if (c->args.has_timeout)
			(void)json_object_set_new(p, "timeout_ms", json_integer((json_int_t)c->args.timeout_ms));
		(void)client_send(c->client, "wait", p);
	}
	r = take_answers(&w, first, n);
	if (r != CTL_OK)
		return r;
	return w.failed ? CTL_FAILED : w.cancelled ? CTL_CANCELLED : CTL_OK;
}
