/* How long to wait before the next attempt; see backoff.h. */
#include "model/backoff.h"

uint64_t
backoff_delay_ms(enum result_class c, unsigned attempt, uint64_t retry_after_ms, uint64_t random)
{
	uint64_t step = c == CLASS_RETRY_LATER ? BACKOFF_LATER_MS : BACKOFF_NOW_MS;
	uint64_t delay;

	while (attempt-- > 0 && step < BACKOFF_CAP_MS)
		step *= 2;
	step = MIN(step, (uint64_t)BACKOFF_CAP_MS);
	delay = random % (step + 1);
	retry_after_ms = MIN(retry_after_ms, (uint64_t)RETRY_AFTER_CAP_MS);
	return MAX(delay, retry_after_ms);
}
