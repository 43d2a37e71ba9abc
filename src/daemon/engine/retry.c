/* What becomes of a job behind a failed attempt: again, from another of its sources,
 * or for good.  The rules are in model/retry.h; here are the sources, and what an
 * attempt counts. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/engine/hook.h"
#include "model/retry.h"

/* ---- What counts as a try ----------------------------------------------------- */

static uint64_t
bit_of(unsigned source)
{
	return UINT64_C(1) << MIN(source, 63U);
}

void
retry_begin(struct download *d)
{
	d->tried_sources |= bit_of(d->job->source);
	d->job->attempts++;
	d->attempted = true;
	if (!d->began_ms)
		d->began_ms = clock_now_ms();
	d->engine->ops->on_start(d->job, d->engine->arg);
}

void
retry_spare(struct download *d)
{
	d->job->attempts -= d->attempted;
	d->attempted = false;
}

/* ---- Sources -------------------------------------------------------------------- */

static unsigned
n_sources(const struct job *j)
{
	return spec_list_len(j->spec, JOB_URL);
}

/* It gave wrong bytes: it is not asked again while there are others. */
static bool
is_wrong(const struct download *d, unsigned source)
{
	return d && (d->wrong_sources & bit_of(source));
}

static bool
is_down(const struct engine *e, const struct job *j, unsigned source)
{
	AUTO_FREE char *origin = engine_origin(spec_list(j->spec, JOB_URL, source));

	return scheduler_origin_is_down(e->scheduler, origin);
}

/* The next source that gave no wrong bytes, in turn, `from` itself the last: one whose
 * origin is up, if only_up; n_sources(): there is none. */
static unsigned
find_source(const struct entry *en, unsigned from, bool only_up)
{
	unsigned n = n_sources(&en->job);

	for (unsigned i = 1; i <= n; i++) {
		unsigned s = (from + i) % n;

		if (!is_wrong(en->download, s) && !(only_up && is_down(en->engine, &en->job, s)))
			return s;
	}
	return n;
}

static void
take_source(struct entry *en, unsigned source)
{
	struct download *d = en->download;

	if (d && d->part && source != en->job.source)
		d->foreign = true;
	en->job.source = (uint16_t)source;
	if (!d)
		return;
	free(d->url);
	d->url = xstrdup(hook_url(d, source));
	d->hops = 0;
}

static bool
is_untried(const struct download *d)
{
	return !(d->tried_sources & bit_of(d->job->source));
}

bool
retry_same_source(struct download *d)
{
	take_source(d->entry, d->job->source);
	return is_untried(d);
}

bool
retry_next_source(struct download *d)
{
	unsigned n = n_sources(d->job), was = d->job->source, now = find_source(d->entry, was, true);

	if (now == n)
		now = find_source(d->entry, was, false);
	take_source(d->entry, now == n ? was : now);
	return is_untried(d);
}

const char *
retry_first_source(struct entry *en)
{
	unsigned n = n_sources(&en->job), first = 0;

	if (n > 1 && is_down(en->engine, &en->job, 0))
		first = find_source(en, 0, true) % n;
	take_source(en, first);
	return spec_list(en->job.spec, JOB_URL, first);
}

bool
retry_elsewhere(struct ticket *t, void *arg UNUSED)
{
	struct entry *en = CONTAINER_OF(t, struct entry, ticket);
	struct download *d = en->download;
	unsigned to = find_source(en, en->job.source, true);

	if (to == n_sources(&en->job) || to == en->job.source)
		return false;
	scheduler_withdraw(en->engine->scheduler, t);
	if (d && d->part && !resume_is_portable(d)) {
		d->moving = true;
		download_start_over(d);
		return true;
	}
	take_source(en, to);
	engine_requeue(en, d ? d->url : spec_list(en->job.spec, JOB_URL, to), 0);
	return true;
}

/* ---- Again ------------------------------------------------------------------------ */

void
download_try_again(struct download *d, uint64_t delay)
{
	uint64_t probe_in = 0;

	if (d->unreached) { /* no fault of anything that it tried: it costs nothing */
		retry_spare(d);
		(void)scheduler_network(d->engine->scheduler, &probe_in);
	}
	d->attempted = d->moving = false;
	d->verdict = VERDICT_NONE;
	job_set_result(d->job, &d->result);
	d->retry_at_ms = clock_now_ms() + delay;
	d->engine->ops->on_retry(d->job, MAX(delay, probe_in), d->engine->arg);
	d->unreached = false;
	if (delay)
		engine_requeue(d->entry, d->url, delay);
	else
		engine_go_on(d->entry, d->url);
}

static enum retry_verdict
decide(const struct download *d, const struct result *r, uint64_t *ret_delay)
{
	struct retry_policy policy = retry_policy_of(d->job->spec);
	struct retry_state state = {
		.attempts = d->job->attempts,
		.elapsed_ms = d->began_ms ? clock_now_ms() - d->began_ms : 0,
		.retry_after_ms = d->retry_after_ms,
		.random = random_bits(),
	};

	if (d->unreached && (!policy.time_ms || state.elapsed_ms <= policy.time_ms)) {
		*ret_delay = 0;
		return RETRY_AGAIN;
	}
	return retry_decide(&policy, r, &state, ret_delay);
}

bool
download_may_retry(const struct download *d, const struct result *r, uint64_t *ret_delay)
{
	return decide(d, r, ret_delay) == RETRY_AGAIN;
}

bool
retry_is_stale(struct download *d, const struct transfer_report *end)
{
	if (!end->stale_connection || d->fresh_connection)
		return false;
	d->fresh_connection = true;
	engine_go_on(d->entry, d->url);
	return true;
}

/* ---- For good ------------------------------------------------------------------------ */

static void
end_for_good(struct download *d, enum retry_verdict verdict)
{
	unsigned sources = (unsigned)__builtin_popcountll(d->wrong_sources);
	struct result r = d->result;

	if (d->n_wrong > 1 && result_class(&r) == CLASS_FETCH_ANEW)
		result_lead(&r, "wrong in %u downloads from %u source%s: ", d->n_wrong, sources, sources == 1 ? "" : "s");
	else if (verdict == RETRY_TOO_LATE)
		result_lead(&r, "no repeat within retry-max-time: ");
	engine_finish(d, &r, NULL);
}

/* Wrong bytes: a source that gave them is asked once more when it is the only one. */
static bool
is_worth_another(struct download *d)
{
	bool file = has_prefix(d->url, "file:");

	d->n_wrong++;
	d->wrong_sources |= bit_of(d->job->source);
	if (n_sources(d->job) == 1)
		return d->n_wrong < 2 && !file;
	return find_source(d->entry, d->job->source, false) != n_sources(d->job);
}

/* Of several sources: which one it was. */
static void
say_source(struct download *d)
{
	AUTO_FREE char *origin = NULL;

	if (n_sources(d->job) < 2)
		return;
	origin = engine_origin(spec_list(d->job->spec, JOB_URL, d->job->source));
	result_add(&d->result, ", at %s", origin);
}

void
retry_conclude(struct download *d)
{
	struct retry_policy policy = retry_policy_of(d->job->spec);
	enum result_class class = retry_class(&policy, &d->result);
	bool elsewhere = class != CLASS_PERMANENT || (result_code_flags(d->result.code) & RESULT_OF_SOURCE);
	enum retry_verdict verdict;
	uint64_t delay;

	if (d->moving) {
		(void)retry_next_source(d);
		download_try_again(d, 0);
		return;
	}
	if (elsewhere)
		say_source(d);
	verdict = decide(d, &d->result, &delay);
	if (d->unreached && verdict == RETRY_AGAIN) {
		(void)retry_same_source(d);
		download_try_again(d, 0);
		return;
	}
	if (class == CLASS_FETCH_ANEW && !is_worth_another(d))
		end_for_good(d, RETRY_ENOUGH);
	else if (elsewhere && retry_next_source(d))
		download_try_again(d, 0);
	else if (verdict == RETRY_AGAIN)
		download_try_again(d, delay);
	else
		end_for_good(d, verdict);
}
