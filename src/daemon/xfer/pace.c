/* The bounds on slowness; see pace.h. */
#include "daemon/xfer/pace.h"

void
pace_start(struct pace *p, uint64_t now)
{
	*p = (struct pace){ .started = now, .last = now };
}

void
pace_header(struct pace *p, uint64_t now)
{
	if (p->in_header || p->window)
		return; /* trailers are no life sign either */
	p->in_header = true;
	p->last = now;
}

void
pace_begin(struct pace *p, uint64_t now, uint64_t bytes)
{
	p->in_header = false;
	p->last = p->window = now;
	p->window_bytes = bytes;
}

static bool
is_silent(const struct pace *p, uint64_t now, uint64_t bytes, const struct spec *job, const char *host,
    struct result *why)
{
	uint64_t stall = spec_number(job, JOB_STALL_TIMEOUT);

	if (now <= p->last || now - p->last <= stall)
		return false;
	if (p->in_header)
		result_set(why, RESULT_STALLED, "the header of %s did not end within %llu ms (stall-timeout)", host,
		    (unsigned long long)stall);
	else
		result_set(why, RESULT_STALLED, "no byte from %s for %llu ms (stall-timeout), %llu bytes came", host,
		    (unsigned long long)stall, (unsigned long long)bytes);
	return true;
}

static bool
is_slow(struct pace *p, uint64_t now, uint64_t bytes, const struct spec *job, const char *host, struct result *why)
{
	uint64_t limit = spec_number(job, JOB_SPEED_LIMIT), ms = now - p->window, came = bytes - p->window_bytes;

	if (!limit || !p->window || ms < spec_number(job, JOB_SPEED_TIME))
		return false;
	p->window = now;
	p->window_bytes = bytes;
	if ((double)came >= (double)limit * (double)ms / 1000)
		return false;
	result_set(why, RESULT_STALLED, "only %llu bytes came from %s in %llu ms, less than speed-limit (%llu a second)",
	    (unsigned long long)came, host, (unsigned long long)ms, (unsigned long long)limit);
	return true;
}

bool
pace_is_late(struct pace *p, uint64_t now, uint64_t bytes, bool held, const struct spec *job, const char *host,
    struct result *why)
{
	uint64_t max = spec_number(job, JOB_MAX_TIME);

	if (max && now - p->started > max) {
		result_set(why, RESULT_TIMEOUT, "the attempt took longer than max-time (%llu ms), %llu bytes came",
		    (unsigned long long)max, (unsigned long long)bytes);
		return true;
	}
	if (held)
		return false;
	return is_silent(p, now, bytes, job, host, why) || is_slow(p, now, bytes, job, host, why);
}
