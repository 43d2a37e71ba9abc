/* A job; see job.h. */
#include "model/job.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define BIT(s) (1U << (s))
#define ENDS (BIT(JOB_DONE) | BIT(JOB_FAILED) | BIT(JOB_CANCELLED))

static const struct {
	const char *name;
	unsigned next; /* allowed states, as bits */
} states[_JOB_STATE_MAX] = {
	[JOB_QUEUED] = { "queued", BIT(JOB_BLOCKED) | BIT(JOB_PAUSED) | BIT(JOB_ACTIVE) | BIT(JOB_FAILED) | BIT(JOB_CANCELLED) },
	[JOB_BLOCKED] = { "blocked", BIT(JOB_QUEUED) | BIT(JOB_PAUSED) | BIT(JOB_ACTIVE) | BIT(JOB_FAILED) | BIT(JOB_CANCELLED) },
	[JOB_ACTIVE] = { "active", BIT(JOB_QUEUED) | BIT(JOB_BLOCKED) | BIT(JOB_PAUSED) | ENDS },
	[JOB_PAUSED] = { "paused", BIT(JOB_QUEUED) | BIT(JOB_BLOCKED) | BIT(JOB_FAILED) | BIT(JOB_CANCELLED) },
	[JOB_DONE] = { "done", BIT(JOB_QUEUED) }, /* of a job that comes again */
	[JOB_FAILED] = { "failed", BIT(JOB_QUEUED) },
	[JOB_CANCELLED] = { "cancelled", BIT(JOB_QUEUED) },
};

/* Of all jobs that have not tried yet, and of those that are done. */
static const struct result no_result;

void
job_init(struct job *j, uint64_t id, struct spec *spec)
{
	*j = (struct job){ .id = id, .spec = spec_ref(spec), .result = &no_result, .state = JOB_QUEUED, .uid = JOB_NO_UID };
}

void
job_done(struct job *j)
{
	job_share_result(j, &no_result);
	spec_unref(j->spec);
	j->spec = NULL;
}

void
job_share_result(struct job *j, const struct result *r)
{
	if (j->owns_result)
		free((void *)(uintptr_t)j->result);
	j->result = r;
	j->owns_result = false;
}

void
job_set_result(struct job *j, const struct result *r)
{
	bool empty = r->code == RESULT_OK && !r->http_status && !r->os_error && !*r->text;
	const struct result *own = empty ? &no_result : xmemdup(r, sizeof *r);

	job_share_result(j, own);
	j->owns_result = !empty;
}

void
job_restart(struct job *j)
{
	j->attempts = j->source = 0;
	j->received = j->published = 0;
	j->started_ms = j->ended_ms = 0;
	job_share_result(j, &no_result);
}

bool
job_state_can(enum job_state from, enum job_state to)
{
	return from < _JOB_STATE_MAX && to < _JOB_STATE_MAX && (states[from].next & BIT(to));
}

int
job_compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

bool
job_is_over(const struct job *j)
{
	return BIT(j->state) & ENDS;
}

void
job_set_state(struct job *j, enum job_state to)
{
	if (j->state == to)
		return;
	assert(job_state_can(j->state, to));
	j->state = to;
	if (to == JOB_ACTIVE && !j->started_ms)
		j->started_ms = clock_now_ms();
	if (to != JOB_ACTIVE)
		j->phase = PHASE_NONE;
	if (job_is_over(j))
		j->ended_ms = clock_now_ms();
}

const char *
job_state_to_string(enum job_state s)
{
	return s < _JOB_STATE_MAX ? states[s].name : "?";
}

const char *
job_phase_to_string(enum job_phase p)
{
	static const char *const names[_PHASE_MAX] = { "", "connect", "download", "verify", "decompress", "publish", "hook" };

	return p < _PHASE_MAX ? names[p] : "?";
}

const char *
job_label(const struct job *j)
{
	const char *name = spec_string(j->spec, JOB_NAME), *path = spec_string(j->spec, JOB_OUTPUT);
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (name)
		return name;
	return slash ? slash + 1 : path ? path : "?";
}
