/* When a job runs; see schedule.h. */
#include "model/schedule.h"

#include <stdlib.h>

#include "base/mem.h"
#include "model/moment.h"

/* A clock that is put back by less was a little wrong: what has run does not run
 * again.  By more: it is another time now, as cron sees it. */
enum { CORRECTION_MS = 3 * 3600 * 1000 };

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

bool
schedule_recurs(const struct spec *s)
{
	return spec_has_between(s, JOB_EVERY, JOB_EVERY) || spec_has_between(s, JOB_CRON, JOB_CRON);
}

/* splitmix64, Vigna 2015: neighbours are far apart. */
static uint64_t
spread(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* A zone that has gone since is UTC: better a run at another hour than none. */
static void
take_cron(struct schedule *s, const char *text)
{
	AUTO_FREE char *why = NULL;

	if (calendar_parse(text, &s->cron, &why) < 0)
		return; /* of a store that another hauld wrote */
	if (zone_new(*s->cron.zone ? s->cron.zone : NULL, &s->zone) == 0 || zone_new("UTC", &s->zone) == 0)
		s->has_cron = true;
}

void
schedule_init(struct schedule *s, const struct spec *spec, int64_t added_s, uint64_t of)
{
	const char *at = spec_string(spec, JOB_START_AT), *cron = spec_string(spec, JOB_CRON);
	uint64_t jitter = spec_number(spec, JOB_JITTER);
	AUTO_FREE char *why = NULL;
	int64_t moment;

	*s = (struct schedule){
		.added_ms = added_s * 1000,
		.every_ms = spec_number(spec, JOB_EVERY),
		.offset_ms = (int64_t)(spread(of) % (jitter + 1)),
	};
	s->at_once = !at && !spec_has(spec, JOB_DELAY);
	s->base_ms = s->added_ms + (int64_t)spec_number(spec, JOB_DELAY);
	s->is_absolute = at && moment_parse(at, MOMENT_FUTURE, added_s, &moment, &why) == 0;
	if (s->is_absolute)
		s->base_ms = moment * 1000;
	if (cron)
		take_cron(s, cron);
}

void
schedule_done(struct schedule *s)
{
	zone_free(TAKE_PTR(s->zone));
}

/* Of cron, behind after, without jitter. */
static int64_t
next_cron(const struct schedule *s, int64_t after_ms)
{
	int64_t t = calendar_next(&s->cron, s->zone, floor_div(after_ms, 1000));

	return t == CALENDAR_NEVER ? SCHEDULE_NEVER : t * 1000;
}

static int64_t
later(int64_t t, int64_t offset)
{
	return t == SCHEDULE_NEVER ? t : t + offset;
}

int64_t
schedule_first(const struct schedule *s)
{
	int64_t every = (int64_t)s->every_ms, from = MAX(s->base_ms, s->added_ms);

	if (s->has_cron)
		return later(next_cron(s, from - 1), s->offset_ms);
	if (every && s->base_ms < s->added_ms) /* what was before it was added was not missed */
		return s->base_ms - floor_div(s->base_ms - s->added_ms, every) * every + s->offset_ms;
	return s->base_ms + (s->at_once ? 0 : s->offset_ms);
}

int64_t
schedule_next(const struct schedule *s, int64_t after_ms)
{
	int64_t every = (int64_t)s->every_ms, first = schedule_first(s), step;

	if (s->has_cron)
		return MAX(later(next_cron(s, after_ms - s->offset_ms), s->offset_ms), first);
	if (!every)
		return SCHEDULE_NEVER;
	if (after_ms < first)
		return first;
	step = floor_div(after_ms - s->base_ms - s->offset_ms, every) + 1;
	return s->base_ms + s->offset_ms + MAX(step, INT64_C(1)) * every;
}

int64_t
schedule_reset(const struct schedule *s, int64_t next_ms, int64_t now_ms, int64_t jump_ms)
{
	bool first = next_ms == schedule_first(s);
	int64_t longest;

	if (s->has_cron)
		return jump_ms < -CORRECTION_MS && !(first && s->is_absolute)
		    ? MIN(next_ms, later(next_cron(s, now_ms - s->offset_ms), s->offset_ms)) : next_ms;
	if (first && s->is_absolute)
		return next_ms;
	longest = first ? s->base_ms - s->added_ms : (int64_t)s->every_ms;
	return MIN(next_ms, now_ms + longest + s->offset_ms);
}
