/* How often requests of a host begin; see spacing.h. */
#include "daemon/sched/spacing.h"

#include "base/cleanup.h"
#include "base/clock.h"

/* A timer may ring some milliseconds late. */
#define TIMER_NS (10 * NSEC_PER_MSEC)

static uint64_t
slack(const struct spacing *s)
{
	return s->interval_ns < TIMER_NS ? TIMER_NS - s->interval_ns : 0;
}

void
spacing_set(struct spacing *s, uint64_t interval_ns, uint64_t now_ns)
{
	s->interval_ns = interval_ns;
	s->next_ns = interval_ns ? MIN(s->next_ns, now_ns + interval_ns) : 0;
}

uint64_t
spacing_at_ns(const struct spacing *s)
{
	return s->next_ns - MIN(s->next_ns, slack(s));
}

bool
spacing_lets(const struct spacing *s, uint64_t now_ns)
{
	return !s->interval_ns || now_ns >= spacing_at_ns(s);
}

void
spacing_give(struct spacing *s)
{
	s->next_ns -= MIN(s->next_ns, s->interval_ns);
}

void
spacing_take(struct spacing *s, uint64_t now_ns)
{
	if (s->interval_ns)
		s->next_ns = MAX(s->next_ns, now_ns) + s->interval_ns;
}
