/* The method `why`: what a job waits for, or what became of it; see why.h. */
#include "daemon/control/why.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "daemon/control/internal.h"

enum {
	WHY_JOBS_MAX = 100,      /* named in a request */
	WHY_SLOW_MAX = 20,
	WHY_LOOKS_MAX = 50000,   /* events looked at for those who paused jobs */
};

/* ---- One job -------------------------------------------------------------------- */

/* "3 (geoip), which is active, 43 %," */
static void
put_other(uint64_t id, bool with_state, struct buf *out, void *arg)
{
	const struct control *c = arg;
	struct engine_view v;

	buf_printf(out, "%llu", (unsigned long long)id);
	if (!engine_view(c->engine, id, &v))
		return;
	buf_printf(out, " (%s)", job_label(v.job));
	if (!with_state)
		return;
	buf_printf(out, ", which is %s", job_state_to_string(v.state));
	if (v.state == JOB_ACTIVE && v.total)
		buf_printf(out, " and has %llu %%", (unsigned long long)(v.received * 100 / v.total));
	buf_append_str(out, ",");
}

static void
put_paused(const struct control *c, const struct job *j, int64_t now_s, unsigned *looks, struct buf *out)
{
	int64_t at_s = 0;
	uint32_t uid = 0;

	if (event_last_command(c, j->id, "pause", looks, &at_s, &uid)) {
		buf_printf(out, "uid %u paused it at ", uid);
		why_put_time(out, at_s, now_s);
	} else {
		buf_append_str(out, "it is paused, from its beginning or since a time that hauld does not remember");
	}
	buf_printf(out, "; `haulctl resume %llu` lets it go on", (unsigned long long)j->id);
}

static void
put_over(const struct engine_view *v, int64_t now_s, struct buf *out)
{
	const struct job *j = v->job;
	char size[32];

	if (j->state == JOB_DONE)
		buf_printf(out, "it is published, %s", format_size(size, sizeof size, j->published));
	else
		buf_printf(out, "%s: %s", result_word(j->result), *j->result->text ? j->result->text : "it was ended");
	if (v->receipt && v->receipt->ended_s) {
		buf_append_str(out, "; that was at ");
		why_put_time(out, v->receipt->ended_s, now_s);
	}
	if (j->attempts)
		buf_printf(out, ", in attempt %u", j->attempts);
	if (v->runs && v->runs->next_ms) {
		buf_append_str(out, "; its next run is at ");
		why_put_time(out, v->runs->next_ms / 1000, now_s);
	}
	if (j->state != JOB_DONE && *why_advice(j->result))
		buf_printf(out, ". What may help: %s", why_advice(j->result));
}

/* Whatever it waits for: this ends it. */
static void
put_deadline(const struct engine_view *v, int64_t now_s, struct buf *out)
{
	char text[32];

	buf_append_str(out, "; its deadline is at ");
	why_put_time(out, (clock_wall_ms() + (int64_t)v->deadline_ms + 500) / 1000, now_s);
	buf_printf(out, ", in %s", format_duration(text, sizeof text, v->deadline_ms));
}

/* Word and sentence of a job; on: ids of those in its way. */
static void
put_why(struct json *w, const struct control *c, const struct engine_view *v, unsigned *looks)
{
	AUTO_BUF struct buf text = { 0 };
	struct engine_reason r = { 0 };
	struct why_facts f = { .view = v, .reason = &r, .now_s = clock_wall_s(), .put_job = put_other, .arg = (void *)(uintptr_t)c };
	bool over = job_is_over(v->job);
	const char *word;

	if (!over)
		(void)engine_reason(c->engine, v->job->id, &r);
	if (over)
		put_over(v, f.now_s, &text);
	else if (v->state == JOB_PAUSED)
		put_paused(c, v->job, f.now_s, looks, &text);
	else if (v->state == JOB_ACTIVE)
		why_put_active(&f, &text);
	else
		why_put_waiting(&f, &text);
	if (!over && v->deadline_ms)
		put_deadline(v, f.now_s, &text);
	word = over ? result_word(v->job->result) : r.word;
	jsonw_key_string(w, "word", word);
	jsonw_key_string(w, "text", buf_cstr(&text));
	jsonw_key_or_null(w, "until", r.wait_ms ? f.now_s + (int64_t)((r.wait_ms + 999) / 1000) : 0);
	jsonw_key(w, "on");
	jsonw_begin_array(w);
	for (unsigned i = 0; i < r.n_jobs; i++)
		jsonw_u64(w, r.jobs[i]);
	jsonw_end_array(w);
}

static void
put_job(struct json *w, const struct control *c, const struct engine_view *v, unsigned *looks)
{
	jsonw_begin_object(w);
	jsonw_key_u64(w, "id", v->job->id);
	jsonw_key_string(w, "name", spec_string(v->job->spec, JOB_NAME));
	jsonw_key_string(w, "output", spec_string(v->job->spec, JOB_OUTPUT));
	jsonw_key_string(w, "state", job_state_to_string(v->state));
	jsonw_key_string(w, "phase", job_phase_to_string(v->job->phase));
	put_why(w, c, v, looks);
	jsonw_end_object(w);
}

/* ---- All of them ----------------------------------------------------------------- */

static void
put_slow(const struct engine_view *v, void *arg)
{
	void **args = arg;
	unsigned *n = args[1];
	const struct control *c = args[2];
	struct engine_reason r;

	if (v->state != JOB_ACTIVE || *n >= WHY_SLOW_MAX || !engine_reason(c->engine, v->job->id, &r) || !*r.word)
		return;
	(*n)++;
	put_job(args[0], c, v, args[3]);
}

static void
put_summary(struct json *w, const struct control *c)
{
	unsigned n_slow = 0, looks = WHY_LOOKS_MAX;
	void *args[] = { w, &n_slow, (void *)(uintptr_t)c, &looks };
	struct engine_view v;
	struct whys whys;

	status_count_whys(c->engine, true, &whys);
	jsonw_key_u64(w, "waiting", whys.waiting);
	jsonw_key_bool(w, "sampled", whys.sampled);
	jsonw_key(w, "reasons");
	jsonw_begin_array(w);
	for (unsigned i = 0; i < whys.n; i++) {
		jsonw_begin_object(w);
		jsonw_key_string(w, "word", whys.at[i].why);
		jsonw_key_u64(w, "count", whys.at[i].n);
		jsonw_key(w, "example");
		if (engine_view(c->engine, whys.at[i].example, &v))
			put_job(w, c, &v, &looks);
		else
			jsonw_null(w);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
	jsonw_key(w, "slow");
	jsonw_begin_array(w);
	engine_each_active(c->engine, put_slow, args);
	jsonw_end_array(w);
}

void
method_why(struct call *c)
{
	bool some = json_object_get(c->params, "jobs") || json_object_get(c->params, "job");
	AUTO_FREE uint64_t *ids = NULL;
	unsigned looks = WHY_LOOKS_MAX;
	struct engine_view v;
	struct json w;
	size_t n = 0;

	if (some && !(ids = call_jobs(c, &n)))
		return;
	if (n > WHY_JOBS_MAX) {
		call_fail(c, RPC_INVALID_PARAMS, "why takes at most %d jobs at once", WHY_JOBS_MAX);
		return;
	}
	w = call_begin(c);
	jsonw_begin_object(&w);
	if (some) {
		jsonw_key(&w, "jobs");
		jsonw_begin_array(&w);
		for (size_t i = 0; i < n; i++)
			if (call_view(c, ids[i], &v))
				put_job(&w, c->control, &v, &looks);
			else
				jsonw_null(&w);
		jsonw_end_array(&w);
	} else {
		put_summary(&w, c->control);
	}
	jsonw_end_object(&w);
	call_end(c, &w);
}
