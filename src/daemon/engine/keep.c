/* Jobs as the store keeps them; see keep.h. */
#include "daemon/engine/keep.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "daemon/engine/engine_groups.h"

static struct text
text_of_buf(const struct buf *b)
{
	return (struct text){ (const char *)buf_bytes(b), buf_len(b) };
}

void
keep_new(struct store *s, uint64_t id, const struct spec *spec, uint32_t uid, bool from_config, int64_t added_s)
{
	AUTO_BUF struct buf flat = { 0 };
	struct store_job r = {
		.id = id, .uid = uid, .from_config = from_config, .added_s = added_s,
		.state = spec_bool(spec, JOB_BEGIN_PAUSED) ? JOB_PAUSED : JOB_QUEUED,
	};

	/* With its defaults: those of a later configuration are not its own. */
	spec_flatten(spec, &flat);
	r.spec = text_of_buf(&flat);
	store_put(s, &r);
}

/* What is on its way begins anew in another life. */
static enum job_state
lasting(enum job_state s)
{
	return s == JOB_ACTIVE || s == JOB_BLOCKED ? JOB_QUEUED : s;
}

static void
tell(struct store *s, const struct engine *e, const struct job *j, bool whole)
{
	static const struct receipt none;
	const struct receipt *receipt = engine_record(e, j->id);
	const struct runs *runs = engine_kept_runs(e, j->id);
	AUTO_BUF struct buf packed = { 0 }, flat = { 0 };
	struct store_job r = {
		.id = j->id,
		.uid = j->uid,
		.from_config = j->from_config,
		.added_s = j->added_s,
		.state = lasting(j->state),
		.attempts = j->attempts,
		.received = j->received,
		.published = j->published,
		.run_ms = j->started_ms && job_is_over(j) ? j->ended_ms - j->started_ms : 0,
		.result = *j->result,
		/* One that comes again is none of the history. */
		.ended_s = job_is_over(j) && !engine_comes_again(e, j->id) ? receipt ? receipt->ended_s : clock_wall_s() : 0,
	};

	if (runs || (receipt && (job_is_over(j) || receipt->n_attempts || receipt->sources)))
		receipt_pack(receipt ? receipt : &none, runs, &packed);
	r.receipt = text_of_buf(&packed);
	if (!whole) {
		store_update(s, &r);
		return;
	}
	spec_flatten(j->spec, &flat);
	r.spec = text_of_buf(&flat);
	store_put(s, &r);
}

void
keep_update(struct store *s, const struct engine *e, const struct job *j)
{
	tell(s, e, j, false);
}

void
keep_changed(struct store *s, const struct engine *e, const struct job *j)
{
	tell(s, e, j, true);
}

/* A job that is over has one, though only for when it ended; another for its attempts. */
static struct receipt *
read_receipt(const struct store_job *r)
{
	struct receipt *receipt = r->receipt.len ? receipt_unpack(r->receipt.at, r->receipt.len) : NULL;

	if (!receipt)
		receipt = NEW(struct receipt);
	receipt->ended_s = r->ended_s || !receipt->runs ? r->ended_s : receipt->runs->ended_s;
	return receipt;
}

bool
keep_read(const struct store_job *r, struct job *ret, struct receipt **ret_receipt)
{
	AUTO_SPEC struct spec *spec = NULL;

	if (spec_new(SCOPE_JOB, r->spec.at, r->spec.len, NULL, &spec) < 0 || !spec_list(spec, JOB_URL, 0) ||
	    !spec_string(spec, JOB_OUTPUT))
		return false;
	job_init(ret, r->id, spec);
	ret->state = r->state;
	ret->uid = r->uid;
	ret->from_config = r->from_config;
	ret->added_s = r->added_s;
	ret->attempts = r->attempts;
	ret->source = (uint16_t)(r->attempts ? (r->attempts - 1) % spec_list_len(spec, JOB_URL) : 0);
	ret->received = r->received;
	ret->published = r->published;
	job_set_result(ret, &r->result);
	/* The clock of that life is not ours: only how long it took is told. */
	ret->started_ms = 1;
	ret->ended_ms = r->run_ms + 1;
	*ret_receipt = read_receipt(r);
	return true;
}

bool
keep_restore(struct engine *e, const struct store_job *r)
{
	AUTO_SPEC struct spec *spec = NULL;
	AUTO_FREE char *staged = NULL;
	struct job from = {
		.id = r->id,
		.uid = r->uid,
		.from_config = r->from_config,
		.added_s = r->added_s,
		.state = lasting(r->state),
		.attempts = r->attempts,
		.received = r->received,
		.published = r->published,
		.result = &r->result,
	};
	const char *name;

	/* What cannot be a job's must not become one, whoever wrote it. */
	if (spec_new(SCOPE_JOB, r->spec.at, r->spec.len, NULL, &spec) < 0 || !spec_list(spec, JOB_URL, 0) ||
	    !spec_string(spec, JOB_OUTPUT) || engine_job(e, r->id))
		return false;
	name = spec_string(spec, JOB_NAME);
	if (name && engine_job_by_name(e, name))
		return false;
	from.spec = spec;
	staged = engine_stage_of(e, spec);
	engine_sweep(e, staged ? staged : spec_string(spec, JOB_OUTPUT));
	if (spec_string(spec, JOB_KEEP_DOWNLOAD))
		engine_sweep(e, spec_string(spec, JOB_KEEP_DOWNLOAD));
	engine_restore(e, &from, r->run_ms, job_is_over(&from) || r->receipt.len ? read_receipt(r) : NULL);
	return true;
}
