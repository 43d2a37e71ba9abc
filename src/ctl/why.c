/* `haulctl why [JOB...]`: what jobs wait for, and what became of them. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "ctl/brief.h"
#include "ctl/ctl.h"

enum { INDENT = 2, JOBS_PER_CALL = 100 };

static size_t
width_of(const struct ctl *c)
{
	return c->term.is_tty ? c->term.columns : SIZE_MAX;
}

static void
put_sentence(struct ctl *c, const char *text)
{
	AUTO_FREE char *safe = ctl_safe(c, text);

	buf_printf(&c->out, "%*s", INDENT, "");
	ctl_put_wrapped(c, safe, width_of(c), INDENT, INDENT);
}

/* "job 7 geoip is blocked: retry-at", and the sentence under it. */
static void
put_job(struct ctl *c, const json_t *job)
{
	const char *word = member_text(job, "word"), *phase = member_text(job, "phase");
	AUTO_FREE char *label = NULL;
	struct brief b;
	size_t rest;

	if (json_is_null(job))
		return;
	brief_read(job, &b);
	/* "job 1234567 " and " is active, download: " beside it */
	rest = strlen(b.state) + strlen(phase) + strlen(word) + 24;
	label = ctl_cut(c, brief_label(&b), c->term.columns > rest + 12 ? c->term.columns - rest : 12);
	ctl_put_ink(c, TERM_INK_STRONG, "job %llu %s", (unsigned long long)b.id, label);
	buf_append_str(&c->out, brief_is_over(&b) && !brief_is(&b, "done") ? " " : " is ");
	ctl_put_ink(c, brief_ink(&b), "%s%s%s", b.state, *phase ? ", " : "", phase);
	if (*word && !brief_is(&b, "done"))
		ctl_put_ink(c, TERM_INK_PLAIN, ": %s", word);
	buf_append_str(&c->out, "\n");
	put_sentence(c, member_text(job, "text"));
	ctl_flush_large(c);
}

static void
put_summary(struct ctl *c, const json_t *result)
{
	const json_t *reasons = json_object_get(result, "reasons"), *slow = json_object_get(result, "slow"), *r;
	size_t i;

	json_array_foreach(reasons, i, r) {
		const json_t *example = json_object_get(r, "example");
		uint64_t n = member_u64(r, "count");
		AUTO_FREE char *text = xasprintf("job %llu: %s", (unsigned long long)member_u64(example, "id"),
		    member_text(example, "text"));

		ctl_put_ink(c, TERM_INK_STRONG, "%llu job%s: %s", (unsigned long long)n, n == 1 ? "" : "s", member_text(r, "word"));
		buf_append_str(&c->out, "\n");
		put_sentence(c, text);
	}
	if (json_is_true(json_object_get(result, "sampled")))
		ctl_tell(c, "there are more: only the first %llu that wait were looked at", (unsigned long long)member_u64(result, "waiting"));
	json_array_foreach(slow, i, r)
		put_job(c, r);
	if (!json_array_size(reasons) && !json_array_size(slow))
		buf_append_str(&c->out, "no job waits, and none that runs is held back\n");
}

int
verb_why(struct ctl *c)
{
	size_t at = 0;

	do {
		size_t n = MIN(c->args.n_words - at, (size_t)JOBS_PER_CALL);
		AUTO_JSON json_t *result = NULL;
		const json_t *job;
		size_t i;
		int r = ctl_call(c, "why", n ? ctl_job_params(c->args.words + at, n) : NULL, &result);

		if (r != CTL_OK)
			return r;
		if (c->args.json && !n)
			ctl_put_json(c, result);
		else if (!n)
			put_summary(c, result);
		json_array_foreach(json_object_get(result, "jobs"), i, job) {
			if (c->args.json)
				ctl_put_json(c, job);
			else
				put_job(c, job);
		}
		at += n;
	} while (at < c->args.n_words);
	return CTL_OK;
}
