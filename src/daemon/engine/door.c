/* The one door in: jobs become entries, and entries are queued; see engine.h. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/url.h"
#include "daemon/engine/deadline.h"
#include "daemon/engine/group.h"
#include "daemon/engine/order.h"
#include "daemon/engine/space.h"
#include "daemon/engine/timing.h"
#include "model/algo.h"

char *
engine_origin(const char *url)
{
	AUTO_FREE char *host = NULL;
	struct url u;
	const char *why;

	/* A file: url has no host; its copies share one queue. */
	if (url_parse(url, &u, &why) < 0 || url_scheme_is(&u, "file"))
		return xstrdup("");
	host = url_host(&u);
	return xasprintf("%s://%s:%u", url_scheme_is(&u, "https") ? "https" : "http", host, url_effective_port(&u));
}

/* What a job's decoder may come to need.  The formats with a fixed window do
 * not wait for memory that only others use. */
static uint64_t
decoder_memory(const struct spec *s)
{
	uint64_t bound = spec_number(s, JOB_DECODER_MEMORY);

	switch ((enum codec)spec_number(s, JOB_DECOMPRESS)) {
	case CODEC_OFF:
		return 0;
	case CODEC_GZIP:
		return MIN(bound, UINT64_C(1) << 20);
	case CODEC_BZIP2:
	case CODEC_LZ4:
		return MIN(bound, UINT64_C(10) << 20);
	default:
		return bound;
	}
}

static void
enqueue(struct entry *en, const char *url, uint64_t delay_ms)
{
	AUTO_FREE char *origin = engine_origin(url);

	scheduler_enqueue(en->engine->scheduler, &en->ticket, origin, delay_ms);
}

static struct entry *
new_entry(struct engine *e, uint64_t id, struct spec *spec)
{
	struct entry *en = NEW(struct entry);

	en->engine = e;
	list_init(&en->ended);
	en->ticket.priority = (int32_t)spec_number(spec, JOB_PRIORITY);
	en->ticket.decoder_memory = MIN(decoder_memory(spec), TICKET_MEMORY_MAX);
	en->ticket.elsewhere = spec_list_len(spec, JOB_URL) > 1;
	registry_add(&e->jobs, en, id, spec);
	if (plan_is_needed(en))
		(void)plan_get(en);
	timing_init(en);
	return en;
}

static void
begin(struct entry *en)
{
	const char *url = retry_first_source(en);

	xfer_prepare(en->engine->xfer, en->job.spec, has_prefix(url, "https:"));
	if (!plan_holds(en))
		enqueue(en, url, 0);
}

static struct entry *
add(struct engine *e, uint64_t id, struct spec *spec, uint32_t uid, bool from_config, int64_t added_s)
{
	struct entry *en = new_entry(e, id, spec);

	en->job.uid = uid;
	en->job.from_config = from_config;
	en->job.added_s = added_s;
	e->n_open += !from_config;
	if (e->ops->on_add)
		e->ops->on_add(&en->job, e->arg);
	group_join(en, false);
	order_attach(en, false);
	if (!timing_is_waiting(en))
		deadline_begin(en);
	order_job_added(en);
	if (spec_bool(spec, JOB_BEGIN_PAUSED) && e->options.patient)
		engine_set_state(en, JOB_PAUSED);
	else
		begin(en);
	order_paused(en);
	return en;
}

uint64_t
engine_add(struct engine *e, struct spec *spec, uint32_t uid, bool from_config)
{
	return add(e, registry_reserve(&e->jobs, 1), spec, uid, from_config, clock_wall_s())->job.id;
}

uint64_t
engine_reserve(struct engine *e, uint64_t n)
{
	return registry_reserve(&e->jobs, n);
}

void
engine_add_reserved(struct engine *e, uint64_t id, struct spec *spec, uint32_t uid, int64_t added_s)
{
	if (!e->interrupted)
		(void)add(e, id, spec, uid, false, added_s);
}

void
engine_set_last_id(struct engine *e, uint64_t id)
{
	e->jobs.last_id = MAX(e->jobs.last_id, id);
}

void
engine_restore(struct engine *e, const struct job *from, uint64_t run_ms, struct receipt *receipt)
{
	struct entry *en = new_entry(e, from->id, from->spec);
	struct job *j = &en->job;

	j->uid = from->uid;
	j->from_config = from->from_config;
	j->added_s = from->added_s;
	j->attempts = from->attempts;
	j->source = (uint16_t)(from->attempts ? (from->attempts - 1) % spec_list_len(from->spec, JOB_URL) : 0);
	en->receipt = receipt;
	if (receipt && !job_is_over(from))
		timing_restore(en, TAKE_PTR(receipt->runs));
	if (!job_is_over(from)) {
		e->n_open += !from->from_config;
		order_restore(en);
		if (deadline_is_noted(en)) /* that was made when its time had come */
			timing_starts(en);
		if (!timing_is_waiting(en))
			deadline_restore(en);
		order_job_added(en);
	}
	if (from->state == JOB_PAUSED)
		registry_set_state(&e->jobs, en, JOB_PAUSED);
	group_join(en, job_is_over(from));
	if (from->state == JOB_PAUSED) {
		order_paused(en);
		return;
	}
	if (!job_is_over(from)) {
		begin(en);
		return;
	}
	/* The clock of that life is not ours: only how long it took is told. */
	j->started_ms = 1;
	registry_restore_state(&e->jobs, en, from->state);
	j->ended_ms = run_ms + 1;
	j->received = from->received;
	j->published = from->published;
	job_set_result(j, from->result);
	if (receipt)
		timing_restore(en, TAKE_PTR(receipt->runs));
	engine_retain(en);
}

void
engine_set_state(struct entry *en, enum job_state to)
{
	const struct engine_ops *ops = en->engine->ops;
	enum job_state from = en->job.state;

	registry_set_state(&en->engine->jobs, en, to);
	if (en->plan && en->plan->in_group)
		group_member_moved(en, from);
	if (from != to && ops->on_change)
		ops->on_change(&en->job, from, en->engine->arg);
}

void
engine_requeue(struct entry *en, const char *url, uint64_t delay_ms)
{
	scheduler_withdraw(en->engine->scheduler, &en->ticket);
	space_leave(en);
	enqueue(en, url, delay_ms);
	engine_set_state(en, delay_ms ? JOB_BLOCKED : JOB_QUEUED);
	engine_check_idle(en->engine);
}

void
engine_go_on(struct entry *en, const char *url)
{
	struct scheduler *s = en->engine->scheduler;
	AUTO_FREE char *origin = engine_origin(url);

	scheduler_withdraw(s, &en->ticket);
	/* A drain does not wait for what waits for a probe. */
	en->ticket.begun = !scheduler_origin_is_down(s, origin) && !(*origin && scheduler_network_is_down(s));
	engine_requeue(en, url, 0);
}
