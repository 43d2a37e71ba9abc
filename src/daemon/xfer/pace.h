/*
 * Is a transfer too slow?  Four bounds, all of them on unless the job says
 * otherwise: silence (stall-timeout), a header that does not end (likewise), a
 * body that drips (speed-limit over speed-time), and the attempt as a whole
 * (max-time).  Pure: the times are the caller's.  Caller: transfer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/result.h"
#include "model/spec.h"

struct pace { /* milliseconds of clock_now_ms() */
	uint64_t started, last; /* last: of the last byte, but of a header its first */
	uint64_t window, window_bytes; /* since then, and that many had come; 0: no body yet */
	bool in_header;
};

void pace_start(struct pace *p, uint64_t now);
/* A line of a header came; many answers of 1xx are one header. */
void pace_header(struct pace *p, uint64_t now);
/* The header ended, or a hold did, after so many bytes. */
void pace_begin(struct pace *p, uint64_t now, uint64_t bytes);
/* Bytes came. */
static inline void
pace_touch(struct pace *p, uint64_t now)
{
	p->last = now;
}
/*
 * To be asked now and then, of one that is not held (held: only max-time counts).
 * bytes: that came so far.  true: *why says which bound (stalled, timeout).
 */
bool pace_is_late(struct pace *p, uint64_t now, uint64_t bytes, bool held, const struct spec *job,
    const char *host, struct result *why);
