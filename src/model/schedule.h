/*
 * When a job runs: what start-at, delay, every, cron and jitter say together.  Pure
 * but for the zone that is read; times are milliseconds since 1970 by the wall clock.
 * Caller: the engine's timing.
 *
 * - start-at and delay: the first time; every counts from it, cron begins with it.
 * - every without them: at once, and then in steps from when the job was added,
 *   whatever a run takes.
 * - jitter puts all of a job's times off by the same, so that a period stays what it
 *   is; the first time of a job that is to run at once is not put off.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/calendar.h"
#include "model/spec.h"

#define SCHEDULE_NEVER INT64_MAX

struct schedule {
	int64_t base_ms, added_ms;
	bool at_once;         /* neither start-at nor delay */
	bool is_absolute;     /* start-at */
	uint64_t every_ms;    /* 0: it does not */
	bool has_cron;
	struct calendar cron;
	struct zone *zone;    /* owned; of cron */
	int64_t offset_ms;    /* of jitter */
};

/* The job has any of these settings. */
static inline bool
schedule_is_set(const struct spec *s)
{
	return spec_has_between(s, JOB_START_AT, JOB_CRON);
}
/* It comes again. */
bool schedule_recurs(const struct spec *s);
/* of: what jitter is spread by, the job's own. */
void schedule_init(struct schedule *s, const struct spec *spec, int64_t added_s, uint64_t of);
void schedule_done(struct schedule *s);
int64_t schedule_first(const struct schedule *s);
/* Behind after; SCHEDULE_NEVER: it does not come again. */
int64_t schedule_next(const struct schedule *s, int64_t after_ms);
/* The clock was set, to now, by jump milliseconds: what becomes of a time that was
 * waited for.  What is to come after some time never waits longer than that. */
int64_t schedule_reset(const struct schedule *s, int64_t next_ms, int64_t now_ms, int64_t jump_ms);
