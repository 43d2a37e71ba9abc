/* `haulctl wait`; see wait.h. */
#include "ctl/wait.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/client.h"

/* ---- How they ended -------------------------------------------------------------- */

static bool
is_wanted(const struct waiting *w, const char *state)
{
	for (const char *at = w->wanted; at && *at; at += at[0] == ',') {
		size_t n = strcspn(at, ",");

		if (strlen(state) == n && memcmp(at, state, n) == 0)
			return true;
		at += n;
	}
	return false;
}

/* That it was to fail, or to be cancelled, and is done: it did not come to that. */
static bool
was_to_end_otherwise(const struct waiting *w)
{
	return (is_wanted(w, "failed") || is_wanted(w, "cancelled")) && !is_wanted(w, "done") && !is_wanted(w, "over") &&
	    !is_wanted(w, "active") && !is_wanted(w, "blocked") && !is_wanted(w, "paused");
}

bool
waiting_is_exception(const json_t *job)
{
	struct brief b;

	brief_read(job, &b);
	return brief_is(&b, "failed") || (brief_is(&b, "cancelled") && !text_equal(b.code, "not-needed"));
}

static void
count(struct waiting *w, const struct brief *b)
{
	if (is_wanted(w, b->state))
		return;
	w->failed |= brief_is(b, "failed") || (brief_is(b, "done") && was_to_end_otherwise(w));
	w->cancelled |= brief_is(b, "cancelled") && !text_equal(b->code, "not-needed");
}

static void
put_line(struct ctl *c, const struct brief *b)
{
	struct summary_row row;
	AUTO_FREE char *label = NULL;

	if (brief_is_over(b)) {
		row = brief_summary(b, NULL);
		summary_format_row(&row, &c->term, &c->out);
		return;
	}
	label = ctl_safe(c, brief_label(b));
	buf_printf(&c->out, "%llu  %s  ", (unsigned long long)b->id, label);
	ctl_put_ink(c, brief_ink(b), "%s", b->state);
	buf_append_str(&c->out, "\n");
}

static void
take_outcomes(struct waiting *w, bool show)
{
	const json_t *job;
	size_t i;

	json_array_foreach(w->results, i, job) {
		struct brief b;

		brief_read(job, &b);
		count(w, &b);
		if (show && w->ctl->args.json)
			ctl_put_json(w->ctl, job);
		else if (show && b.id)
			put_line(w->ctl, &b);
		ctl_flush_large(w->ctl);
	}
}

void
waiting_show(struct waiting *w)
{
	take_outcomes(w, true);
}

void
waiting_count(struct waiting *w)
{
	take_outcomes(w, false);
}

int
waiting_status(const struct waiting *w)
{
	return w->failed ? CTL_FAILED : w->cancelled ? CTL_CANCELLED : CTL_OK;
}

void
waiting_done(struct waiting *w)
{
	json_decref(w->results);
}

/* ---- Requests and answers --------------------------------------------------------- */

static int
tell_error(const struct waiting *w, const json_t *error)
{
	char limit[32];

	if (ctl_error_status(error) != CTL_TIMED_OUT)
		return ctl_tell_error(w->ctl, error);
	(void)format_duration_exact(limit, sizeof limit, w->ctl->args.timeout_ms);
	if (w->ctl->args.n_words == 1 && !w->ctl->args.input && !strstr(w->ctl->args.words[0], "://"))
		ctl_tell(w->ctl, "job %s is not %s after %s; it goes on", w->ctl->args.words[0], w->wanted ? "where it is wanted" : "over", limit);
	else
		ctl_tell(w->ctl, "not all of them are %s after %s; they go on", w->wanted ? "where they are wanted" : "over", limit);
	return CTL_TIMED_OUT;
}

static json_t *
states_of(const char *wanted)
{
	json_t *states = json_array();

	for (const char *at = wanted; *at; at += at[0] == ',') {
		size_t n = strcspn(at, ",");

		(void)json_array_append_new(states, json_stringn(at, n));
		at += n;
	}
	return states;
}

/* Every request goes at once, so that one timeout holds for all of them. */
static void
send_all(struct waiting *w)
{
	size_t n = json_array_size(w->jobs);

	for (size_t i = 0; i < n; i += CLIENT_JOBS_MAX) {
		json_t *jobs = json_array(), *p = json_pack("{s:o}", "jobs", jobs);

		for (size_t k = i; k < MIN(n, i + CLIENT_JOBS_MAX); k++)
			(void)json_array_append(jobs, json_array_get(w->jobs, k));
		if (w->wanted)
			(void)json_object_set_new(p, "for", states_of(w->wanted));
		if (w->return_when)
			(void)json_object_set_new(p, "return_when", json_string(w->return_when));
		if (w->ctl->args.has_timeout)
			(void)json_object_set_new(p, "timeout_ms", json_integer((json_int_t)w->ctl->args.timeout_ms));
		(void)client_send(w->ctl->client, "wait", p);
	}
}

/* Is one of these what it waits for, where that is one only? */
static bool
is_enough(const struct waiting *w, const json_t *job)
{
	struct brief b;

	brief_read(job, &b);
	if (text_equal(w->return_when, "first-completed"))
		return brief_is_over(&b) || is_wanted(w, b.state);
	return text_equal(w->return_when, "first-exception") && waiting_is_exception(job);
}

static void
take_answer(struct waiting *w, size_t chunk, const json_t *result)
{
	const json_t *jobs = json_object_get(result, "jobs");
	json_t *job;
	size_t i;

	json_array_foreach(jobs, i, job) {
		(void)json_array_set(w->results, chunk * CLIENT_JOBS_MAX + i, job);
		w->enough |= is_enough(w, job);
	}
}

int
waiting_run(struct waiting *w)
{
	size_t n = json_array_size(w->jobs), left = (n + CLIENT_JOBS_MAX - 1) / CLIENT_JOBS_MAX;
	uint64_t first = w->ctl->client->last_id + 1, last = first + left;

	w->results = json_array();
	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(w->results, json_null());
	send_all(w);
	while (left && !w->enough) {
		AUTO_JSON json_t *message = NULL;
		int r = client_wait(w->ctl->client, &message);
		uint64_t id = r < 0 ? 0 : client_answer_id(message);
		const json_t *error = json_object_get(message, "error");

		if (r < 0)
			return ctl_tell_lost(w->ctl, r);
		if (error)
			return tell_error(w, error);
		if (id < first || id >= last)
			return ctl_tell_lost(w->ctl, -EPROTO);
		take_answer(w, (size_t)(id - first), json_object_get(message, "result"));
		left--;
	}
	return CTL_OK;
}

/* ---- The verb ----------------------------------------------------------------------- */

/* "group nightly: 3 done, 1 failed, 0 cancelled" */
static int
show_scope(struct ctl *c, const json_t *result)
{
	const json_t *group = json_object_get(result, "group"), *n = group ? json_object_get(group, "jobs") : result;
	uint64_t failed = member_u64(n, "failed"), cancelled = member_u64(n, "cancelled");

	if (c->args.json)
		ctl_put_json(c, result);
	else
		buf_printf(&c->out, "%s%s%s%llu done, %llu failed, %llu cancelled\n", group ? "group " : "",
		    group ? member_text(group, "name") : "", group ? ": " : "", (unsigned long long)member_u64(n, "done"),
		    (unsigned long long)failed, (unsigned long long)cancelled);
	return failed ? CTL_FAILED : cancelled ? CTL_CANCELLED : CTL_OK;
}

static int
wait_for_scope(struct ctl *c, json_t *params)
{
	AUTO_JSON json_t *message = NULL;
	struct waiting w = { .ctl = c };
	const json_t *error;
	int r;

	if (c->args.wanted || c->args.return_when) {
		ctl_tell(c, "--for and --return-when are about jobs: a group, and everything, is waited for until all are over");
		json_decref(params);
		return CTL_USAGE;
	}
	if (c->args.has_timeout)
		(void)json_object_set_new(params, "timeout_ms", json_integer((json_int_t)c->args.timeout_ms));
	(void)client_send(c->client, "wait", params);
	r = client_wait(c->client, &message);
	if (r < 0)
		return ctl_tell_lost(c, r);
	error = json_object_get(message, "error");
	return error ? tell_error(&w, error) : show_scope(c, json_object_get(message, "result"));
}

int
verb_wait(struct ctl *c)
{
	struct waiting w = { .ctl = c, .return_when = c->args.return_when, .wanted = c->args.wanted };
	AUTO_JSON json_t *params = NULL;
	json_t *scope;
	int r;

	if (!ctl_names_one_kind(c))
		return CTL_USAGE;
	r = ctl_connect(c);
	if (r != CTL_OK)
		return r;
	scope = ctl_scope_params(c);
	if (scope)
		return wait_for_scope(c, scope);
	params = ctl_job_params(c->args.words, c->args.n_words);
	w.jobs = json_object_get(params, "jobs");
	r = waiting_run(&w);
	if (r == CTL_OK) {
		waiting_show(&w);
		r = waiting_status(&w);
	}
	waiting_done(&w);
	return r;
}
