/* Why a job waits or is slow; see reason.h. */
#include "daemon/engine/reason.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "daemon/engine/group.h"
#include "daemon/engine/hook.h"
#include "daemon/engine/plan.h"
#include "daemon/engine/room.h"
#include "daemon/sched/origins.h"
#include "daemon/sched/sched_group.h"

static void
add_job(struct engine_reason *r, uint64_t id)
{
	if (r->n_jobs < REASON_JOBS_MAX)
		r->jobs[r->n_jobs++] = id;
	else
		r->more_jobs = true;
}

static bool
is_of_group(const struct sched_group *of, const struct sched_group *g)
{
	for (; of; of = of->parent)
		if (of == g)
			return true;
	return false;
}

/* Those that hold what it waits for. */
static void
find_holders(const struct entry *en, const struct sched_group *full, struct engine_reason *r)
{
	bool host = strcmp(r->word, "host-limit") == 0, global = strcmp(r->word, "global-limit") == 0;
	bool group = strcmp(r->word, "group-limit") == 0, backlog = strcmp(r->word, "worker-backlog") == 0;
	bool memory = strcmp(r->word, "decoder-memory") == 0;
	const struct sched_origin *o = en->ticket.origin;
	struct download *d;

	if (!host && !global && !group && !backlog && !memory)
		return;
	LIST_FOREACH(d, &en->engine->active, struct download, link) {
		const struct ticket *t = &d->entry->ticket;

		if ((backlog && t->holds_verify) || (memory && t->holds_memory) ||
		    (t->holds_network && (global || (host && o && t->origin && t->origin->host == o->host) ||
		    (group && is_of_group(t->group, full)))))
			add_job(r, d->job->id);
	}
}

/* Who has the lock of its destination. */
static void
find_lock(const struct entry *en, struct engine_reason *r)
{
	const struct download *d = en->download ? engine_lock_holder(en->download) : NULL;

	if (d)
		add_job(r, d->job->id);
}

/* A gate names another job by its name or id. */
static void
find_predecessor(const struct entry *en, struct engine_reason *r)
{
	const char *name = strchr(r->word, ':');
	const struct engine *e = en->engine;
	const struct job *j;
	uint64_t id;

	if (!name++ || !(has_prefix(r->word, "after:") || has_prefix(r->word, "after-failed:")))
		return;
	j = parse_u64(name, &id) == 0 ? engine_job(e, id) : engine_job_by_name(e, name);
	if (j)
		add_job(r, j->id);
}

/* The group in its way: the one that is full, or paused. */
static const char *
find_group(const struct entry *en, const struct sched_group *full)
{
	const struct group *g = en->plan ? en->plan->group : NULL;

	for (; g; g = g->parent)
		if (full ? g->sched == full : g->paused)
			return g->name;
	return NULL;
}

static void
fill_room(const struct entry *en, struct engine_reason *r)
{
	const struct room *room = room_of(en->engine, spec_string(en->job.spec, JOB_OUTPUT));

	if (!room)
		return;
	r->root = room->root;
	r->need = en->need;
	r->available = space_available(&room->space);
	r->kept = space_kept(&room->space);
	r->unflushed = dirty_bytes(en->engine->dirty, room->dev, &r->unflushed_max);
}

/* The bucket that it waits at now, or that is used up; NULL: no rate holds it. */
static const struct rate *
binding_rate(const struct download *d, uint64_t now_ns)
{
	const struct rate *all[] = { &d->flow.own, d->flow.host, d->flow.group };

	if (rate_flow_waits(&d->flow))
		return d->flow.at;
	for (size_t i = 0; i < ARRAY_SIZE(all) && d->transfer; i++)
		for (const struct rate *r = all[i]; r; r = r->parent)
			if (r->limit && rate_is_in_debt(r, now_ns))
				return r;
	return NULL;
}

/* What slows a job down that runs. */
static void
fill_active(const struct entry *en, uint64_t now_ns, struct engine_reason *r)
{
	const struct download *d = en->download;
	const struct rate *rate;

	if (!d)
		return;
	r->hook = hook_name(d, &r->hook_waits, &r->hooks);
	rate = binding_rate(d, now_ns);
	r->word[0] = '\0';
	if (list_linked(&d->disk_held))
		(void)snprintf(r->word, sizeof r->word, "disk-speed");
	else if (rate)
		(void)snprintf(r->word, sizeof r->word, "rate");
	if (!rate)
		return;
	r->rate = rate->limit;
	r->rate_of = rate == &d->flow.own ? REASON_RATE_OWN : rate == d->flow.host ? REASON_RATE_HOST :
	    rate == &en->engine->total ? REASON_RATE_ALL : REASON_RATE_GROUP;
}

static void
fill_limits(const struct entry *en, struct engine_reason *r)
{
	const struct sched_use use = scheduler_use(en->engine->scheduler);
	struct engine_numbers numbers;

	engine_get_numbers(en->engine, &numbers);
	r->transfers = numbers.transfers;
	r->transfers_max = numbers.transfers_max;
	r->verifying = numbers.verifying;
	r->verifying_max = numbers.verifying_max;
	r->memory = en->ticket.decoder_memory;
	r->memory_used = use.memory.used;
	r->memory_limit = use.memory.limit;
}

bool
engine_reason(const struct engine *e, uint64_t id, struct engine_reason *ret)
{
	const struct entry *en = registry_find(&e->jobs, id);
	const struct sched_group *full;
	struct engine_view v;

	if (!en || !engine_view(e, id, &v))
		return false;
	*ret = (struct engine_reason){ .wait_ms = v.wait_ms };
	(void)snprintf(ret->word, sizeof ret->word, "%s", v.blocked ? v.blocked : "");
	if (job_is_over(&en->job))
		return true;
	fill_limits(en, ret);
	fill_room(en, ret);
	ret->has_origin = scheduler_origin_of(&en->ticket, &ret->origin);
	if (en->job.state == JOB_ACTIVE) {
		fill_active(en, clock_now_ns(), ret);
		return true;
	}
	full = sched_group_closed(en->ticket.group);
	ret->group = find_group(en, full);
	if (full) {
		ret->group_used = full->slots.used;
		ret->group_limit = full->slots.limit;
	}
	find_holders(en, full, ret);
	find_predecessor(en, ret);
	if (strcmp(ret->word, "destination-busy") == 0)
		find_lock(en, ret);
	return true;
}
