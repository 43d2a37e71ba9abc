/* A smoothed speed; see meter.h. */
#include "term/meter.h"

static const double fade_ms = 5000;

void
meter_update(struct meter *m, uint64_t now_ms, uint64_t bytes)
{
	double dt, keep;

	if (!m->is_running || bytes < m->last_bytes || now_ms < m->last_ms) {
		*m = (struct meter){ .last_bytes = bytes, .last_ms = now_ms, .is_running = true };
		return;
	}
	dt = (double)(now_ms - m->last_ms);
	/* exp(-dt/fade) to first order, positive for every dt: no libm for this. */
	keep = fade_ms / (fade_ms + dt);
	m->bytes = m->bytes * keep + (double)(bytes - m->last_bytes);
	m->ms = m->ms * keep + dt;
	m->last_bytes = bytes;
	m->last_ms = now_ms;
}

uint64_t
meter_rate(const struct meter *m)
{
	if (m->ms < 1)
		return 0;
	return (uint64_t)(m->bytes * 1000 / m->ms);
}
