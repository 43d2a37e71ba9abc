/* One job on its way, in the order of its steps; see download.h. */
#include "daemon/engine/download.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/url.h"
#include "daemon/engine/conditional.h"
#include "daemon/engine/errand.h"
#include "daemon/engine/hook.h"
#include "daemon/engine/set.h"
#include "daemon/engine/limits.h"
#include "daemon/engine/sources.h"
#include "daemon/engine/space.h"
#include "daemon/engine/work.h"
#include "daemon/xfer/hop.h"

static void attempt_failed(struct download *d, const struct result *r);
static void clean_up(struct download *d);

static void
fail(struct download *d, enum result_code code, const char *text)
{
	struct result r = { 0 };

	result_set(&r, code, "%s", text);
	attempt_failed(d, &r);
}

/* ---- 1. The ticket was granted ---------------------------------------- */

struct download *
download_new(struct entry *en)
{
	struct download *d = NEW(struct download);

	d->engine = en->engine;
	d->entry = en;
	d->job = &en->job;
	d->generation = en->generation;
	d->staged_output = set_output(en->engine, en->job.spec);
	d->output = d->staged_output ? d->staged_output : spec_string(en->job.spec, JOB_OUTPUT);
	list_init(&d->held_by_set);
	d->url = xstrdup(spec_list(en->job.spec, JOB_URL, en->job.source));
	d->modified = -1;
	list_init(&d->waiting);
	list_init(&d->touched);
	list_init(&d->disk_held);
	list_append(&en->engine->active, &d->link);
	en->download = d;
	rate_flow_init(&d->flow, spec_number(en->job.spec, JOB_LIMIT_RATE), clock_now_ns());
	return d;
}

void
download_free(struct download *d)
{
	assert(!d->transfer && !pool_task_is_busy(&d->main) && !pool_task_is_busy(&d->hash));
	hook_drop(d);
	space_give_back(d);
	hold_leave(d);
	limits_leave(d);
	rate_flow_done(&d->engine->rates, &d->flow);
	part_free(d->part);
	dest_dir_unref(d->dir);
	dest_dir_unref(d->keep_dir);
	list_remove(&d->link);
	list_remove(&d->waiting);
	engine_lock_leave(d);
	free(d->url);
	free(d->host_name);
	conditional_done(d);
	free(d->etag);
	free(d->via);
	free(d->over);
	change_forget_old(d);
	free(d->minted);
	list_remove(&d->held_by_set);
	free(d->outcome);
	free(d->staged_output);
	spec_unref(d->host);
	free(d);
}

/* The network slot is for others while a worker looks. */
static void
check(struct download *d)
{
	scheduler_withdraw(d->engine->scheduler, &d->entry->ticket);
	d->job->phase = PHASE_VERIFY;
	work_check(d);
}

/* Before the network: may the file be made, and is it there already? */
static bool
prepare_destination(struct download *d)
{
	struct result why = { 0 };
	int there;

	if (set_refuses(d->engine, d->job->spec, &why) || !place_open(d, &why)) {
		attempt_failed(d, &why);
		return false;
	}
	if (resume_was_published(d) || set_was_swapped(d))
		return false;
	if (!d->checked && work_can_check(d) && set_looks_at_live(d)) {
		d->checking_live = true;
		check(d);
		return false;
	}
	if (!spec_bool(d->job->spec, JOB_NO_CLOBBER) && (d->checked || !work_can_check(d)))
		return true;
	there = place_is_taken(d);
	/* A second time it may be what a worker published before it died: publishing tells. */
	if (there && !work_can_check(d) && !d->was_again) {
		result_set(&why, RESULT_EXISTS, "%s exists already and no-clobber is set", d->output);
		attempt_failed(d, &why);
		return false;
	}
	if (there == 1 && !d->checked && work_can_check(d)) {
		check(d);
		return false;
	}
	return true;
}

void
download_run(struct entry *en)
{
	struct download *d = en->download ? en->download : download_new(en);

	if (!d->locked && (errand_wait_for_sweep(d) || !engine_lock(d->engine, d))) {
		scheduler_withdraw(d->engine->scheduler, &en->ticket);
		return;
	}
	engine_set_state(en, JOB_ACTIVE);
	d->job->phase = PHASE_CONNECT;
	if (prepare_destination(d) && !resume_adopt(d))
		download_fetch(d);
}

/* A worker looked at the file that stands at the destination. */
void
work_checked(struct download *d, const struct result_msg *r)
{
	d->checked = true;
	if (d->verdict != VERDICT_NONE) {
		clean_up(d);
		return;
	}
	if (r->result.code == RESULT_OK) {
		struct job_receipt receipt = { .work = r, .proof = "", .unchanged = true };

		d->job->published = r->in;
		d->is_live = d->checking_live;
		engine_finish(d, &r->result, &receipt);
		return;
	}
	if (d->checking_live) /* then what is in the stage */
		d->checking_live = d->checked = false;
	if (spec_bool(d->job->spec, JOB_NO_CLOBBER)) {
		struct result why = { 0 };

		result_set(&why, RESULT_EXISTS, "%s exists already with other content, and no-clobber is set", d->output);
		attempt_failed(d, &why);
		return;
	}
	d->unconditional = true; /* what stands there is not it, whatever the server says of it */
	engine_go_on(d->entry, d->url);
}

/* ---- 2. The transfer ---------------------------------------------------- */

static void on_front(uint64_t front, void *arg);
static void on_write_error(const struct result *why, void *arg);
const struct part_ops download_part_ops = { on_front, on_write_error };

/* The answer is the file: it gets a part. */
static bool
make_part(struct download *d, struct result *why)
{
	if (d->part)
		return true;
	return part_new(&d->engine->stage, d->dir, d->job->id, ++d->generation, &download_part_ops, d, &d->part, why);
}

void
download_plan_part(struct download *d)
{
	d->part = part_plan(&d->engine->stage, d->dir, d->job->id, ++d->generation);
}

static void
on_head(const struct response *r, void *arg)
{
	struct download *d = arg;
	struct result why = { 0 };

	reach_answered(d);
	d->job->phase = PHASE_DOWNLOAD;
	d->total = d->rest.start ? d->rest.total : r->has_length && !r->chunked ? r->length : 0;
	resume_note(d, r);
	sources_note(d, r);
	conditional_note(d, r);
	/* An end that nothing announces: only a codec may prove it, see on_ready(). */
	if (!d->rest.start)
		d->codec_must_prove = (r->major >= 2 ? !r->has_length : !r->has_length && !r->chunked);
	if (!space_admit(d, &why) || !make_part(d, &why))
		transfer_fail(d->transfer, &why);
}

static void
on_body(const void *data, size_t n, void *arg)
{
	struct download *d = arg;

	d->fresh += n;
	d->engine->received += n;
	hold_touch(d);
	stage_write(d->part, data, n);
	if (d->bite && d->fresh >= d->bite)
		transfer_rest(d->transfer);
}

static void
on_write_error(const struct result *why, void *arg)
{
	struct download *d = arg;

	if (d->transfer)
		transfer_fail(d->transfer, why);
}

/* Bytes up to front are in the file: whoever follows may read them. */
static void
on_front(uint64_t front, void *arg)
{
	struct download *d = arg;

	d->job->received = front;
	space_front(d, front);
	if (d->whole || d->cleaning)
		return;
	resume_map(d);
	if (!work_is_started(d)) {
		if (!work_wants_to_follow(d, front))
			return;
		work_start(d, true);
	}
	work_front(d, false);
}

static void on_transfer_done(const struct transfer_report *end, void *arg);
static const struct transfer_ops transfer_ops = { on_head, on_body, on_transfer_done };

static bool
url_is_at_origin(const struct download *d)
{
	struct url origin, now;
	const char *why;

	if (d->hops == 0 && !d->minted)
		return true;
	return url_parse(spec_list(d->job->spec, JOB_URL, d->job->source), &origin, &why) == 0 &&
	    url_parse(d->url, &now, &why) == 0 && url_same_origin(&origin, &now);
}

/* A reload may let go of the entry while this job still uses it. */
static void
set_host(struct download *d, struct spec *host)
{
	spec_unref(d->host);
	d->host = host ? spec_ref(host) : NULL;
}

void
download_fetch(struct download *d)
{
	struct transfer_request req = { .url = d->url, .spec = d->job->spec };
	struct url u;
	const char *why;

	if (url_parse(d->url, &u, &why) < 0) {
		fail(d, RESULT_UNSUPPORTED, why);
		return;
	}
	if (d->hops == 0 && (!space_may_start(d) || hook_before_request(d)))
		return;
	if (!url_scheme_is(&u, "file")) {
		free(d->host_name);
		d->host_name = url_host(&u);
		if (hold_start(d))
			return;
	}
	if (d->hops == 0)
		d->led_public = false;
	if (d->hops == 0 && !d->fresh_connection)
		retry_begin(d);
	if (url_scheme_is(&u, "file")) {
		work_copy(d);
		return;
	}
	set_host(d, engine_host_spec(d->engine, d->host_name));
	req.host = d->host;
	req.led_by_client = engine_is_led_by_client(d->engine, d->job);
	req.led_public = d->led_public;
	req.at_origin = url_is_at_origin(d);
	req.limit_rate = rate_flow_limit(&d->flow);
	req.bite = d->bite;
	resume_fill(d, &req);
	conditional_fill(d, &req);
	req.has_digest = work_has_digest(d);
	req.has_codec = spec_number(d->job->spec, JOB_DECOMPRESS) != CODEC_OFF;
	req.fresh = d->fresh_connection;
	req.alone = d->fresh_connection || d->job->attempts > 1;
	d->transfer = transfer_start(d->engine->xfer, &req, &transfer_ops, d);
	engine_need_tick(d->engine);
}

/* Each hop is a new request under its own host's semaphore (DESIGN 2.6). */
static void
follow_redirect(struct download *d, const char *location)
{
	struct result why = { 0 };
	char *target = NULL;

	if (++d->hops > HOPS_MAX)
		result_set(&why, RESULT_REDIRECT_REFUSED, "more than %d redirects", HOPS_MAX);
	else
		target = hop_target(d->url, location, &why);
	if (!target) {
		attempt_failed(d, &why);
		return;
	}
	sources_hop(d, d->url);
	free(d->url);
	d->url = target;
	engine_go_on(d->entry, d->url);
}

static void
transfer_is_gone(struct download *d)
{
	d->transfer = NULL;
	hold_leave(d);
}

void
download_stop_transfer(struct download *d)
{
	if (d->transfer)
		transfer_cancel(d->transfer);
	transfer_is_gone(d);
}

static void
on_transfer_done(const struct transfer_report *end, void *arg)
{
	struct download *d = arg;
	int64_t wait = response_retry_after(end->response, clock_wall_s());

	transfer_is_gone(d);
	d->times = end->times;
	sources_ended(d, &end->times);
	d->retry_after_ms = wait > 0 ? (uint64_t)wait * 1000 : 0;
	if (retry_is_stale(d, end))
		return;
	d->fresh_connection = false;
	reach_ended(d, end);
	d->led_public |= end->is_public;
	if (end->redirect) {
		follow_redirect(d, end->response->location);
		return;
	}
	if (end->result.code != RESULT_OK) {
		/* It is another file now, or cannot be continued: from its first byte. */
		if (resume_without_condition(d, end))
			return;
		if (hook_mint(d, &end->result))
			return;
		d->again = d->rest.start && end->result.code == RESULT_RANGE_CHANGED;
		if (!space_later(d, &end->result) && !resume_later(d, &end->result))
			attempt_failed(d, &end->result);
		return;
	}
	if (end->unchanged) {
		conditional_unchanged(d, end->response);
		return;
	}
	/* Whatever was dropped on the way, a hole is never called whole. */
	if (d->rest.start && part_front(d->part) != d->rest.total) {
		fail(d, RESULT_INTERNAL, "not all of what came is in the part file");
		return;
	}
	d->proof = end->proof;
	d->result = end->result;
	/* A proven end needs no further proof from a codec. */
	if (end->proof != PROOF_NONE)
		d->codec_must_prove = false;
	work_input_is_whole(d);
}

/* ---- 3. Verify, unpack, publish: work.c; it reports here ---------------- */

/* A worker copied a file: url into a part of its own making, or failed. */
void
work_copied(struct download *d, const struct result_msg *r)
{
	if (d->verdict != VERDICT_NONE)
		clean_up(d);
	else if (r->result.code != RESULT_OK)
		attempt_failed(d, &r->result);
	else
		work_input_is_whole(d);
}

void
work_failed(struct download *d, const struct result *r)
{
	if (resume_is_suspect(d, r)) {
		d->again = true;
		d->n_wrong++;
	}
	/* A sync that failed, say: then nothing of it is worth keeping.  (A digest may be ready
	 * as the word to stop comes.) */
	d->parking &= r->code == RESULT_CANCELLED || r->code == RESULT_OK;
	if (d->verdict != VERDICT_NONE)
		clean_up(d);
	else
		attempt_failed(d, r);
}

void
work_published(struct download *d, const struct result_msg *r)
{
	struct job_receipt receipt = {
		.work = r,
		.proof = d->proof == PROOF_NONE ? "" : proof_to_string(d->proof),
		.times = d->times,
	};

	/* Too late to cancel: it stands under its name. */
	d->job->published = r->codec != CODEC_OFF ? r->out : r->in;
	engine_finish(d, &r->result, &receipt);
}

/* ---- 4. An attempt failed ------------------------------------------------ */

/* Everything let go: again, or for good. */
static void
conclude(struct download *d)
{
	bool again = d->again, final = d->verdict == VERDICT_FINAL;

	if (d->verdict == VERDICT_PAUSE || d->verdict == VERDICT_PARK) {
		engine_paused(d);
		return;
	}
	if (!final && space_park(d))
		return;
	space_give_back(d);
	d->cleaning = d->again = d->continued = d->plain = d->parking = d->saving = false;
	d->adopted = 0;
	d->foreign = false;
	d->whole = d->split = d->hash_ok = d->main_ready = false;
	d->total = d->processed = d->unpacked = d->hash_told = 0;
	if (final) {
		engine_finish(d, &d->result, NULL);
	} else if (again) {
		d->was_again = true;
		(void)retry_same_source(d); /* it may have been set to another url */
		download_try_again(d, 0);
	} else {
		retry_conclude(d);
	}
}

/* Cancels what still runs and throws the part away, a step each time it is
 * called; conclude() when nothing is left. */
static void
clean_up(struct download *d)
{
	d->cleaning = true;
	if (!d->discarding)
		work_let_go(d);
	if (pool_task_is_busy(&d->main) || pool_task_is_busy(&d->hash))
		return;
	if (d->parking)
		resume_keep(d);
	d->discarding = d->part != NULL;
	if (d->discarding)
		work_discard(d);
	else
		conclude(d);
}

void
download_start_over(struct download *d)
{
	d->verdict = VERDICT_AGAIN;
	clean_up(d);
}

static void
end_attempt(struct download *d, const struct result *r, enum verdict verdict)
{
	d->result = *r;
	d->verdict = verdict;
	space_leave(d->entry);
	hook_drop(d); /* url-command, while a worker found the fault */
	download_stop_transfer(d); /* a worker may have found the fault in what came so far */
	scheduler_withdraw(d->engine->scheduler, &d->entry->ticket);
	clean_up(d);
}

static void
attempt_failed(struct download *d, const struct result *r)
{
	end_attempt(d, r, result_class(r) == CLASS_CANCELLED ? VERDICT_FINAL : VERDICT_AGAIN);
}

void
work_discarded(struct download *d)
{
	clean_up(d);
}

void
download_stop(struct download *d, const struct result *r)
{
	if (d->outcome) { /* nothing of it is anywhere else */
		if (set_drop(d))
			engine_finish(d, r, NULL);
		return;
	}
	if (hook_stop(d, r) || d->verdict == VERDICT_FINAL)
		return;
	download_stop_transfer(d);
	list_remove(&d->waiting);
	engine_lock_leave(d);
	/* A hook that failed before the first request is no fault of what there is. */
	d->parking = (r->code == RESULT_INTERRUPTED || r->code == RESULT_HOOK_FAILED) && (d->cleaning ? d->parking : resume_can_wait(d));
	if (!d->cleaning) {
		end_attempt(d, r, VERDICT_FINAL);
		return;
	}
	/* It is cleaning up already: only the verdict changes. */
	d->result = *r;
	d->verdict = VERDICT_FINAL;
}

static void
halt(struct download *d, enum verdict verdict)
{
	if (hook_ends(d) || d->verdict == VERDICT_FINAL)
		return;
	hook_drop(d);
	download_stop_transfer(d);
	list_remove(&d->waiting);
	engine_lock_leave(d);
	space_leave(d->entry);
	d->verdict = verdict;
	if (d->cleaning)
		return;
	retry_spare(d); /* it did not fail */
	d->parking = resume_can_wait(d);
	scheduler_withdraw(d->engine->scheduler, &d->entry->ticket);
	clean_up(d);
}

void
download_pause(struct download *d)
{
	if (d->verdict == VERDICT_PARK)
		d->verdict = VERDICT_PAUSE;
	else if (d->verdict != VERDICT_PAUSE)
		halt(d, VERDICT_PAUSE);
}

void
download_park(struct download *d)
{
	if (d->verdict != VERDICT_PAUSE && d->verdict != VERDICT_PARK) /* a user's own pause stays one */
		halt(d, VERDICT_PARK);
}
