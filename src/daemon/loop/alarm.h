/*
 * A timer on the wall clock: rings at a time of day, also when the clock is set or
 * the machine slept meanwhile (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).  It costs
 * nothing while it waits, and no descriptor before it is set first.
 */
#pragma once

#include <stdint.h>

#include "daemon/loop/loop.h"

/* jump_ms: 0: it rings; else the clock was set by so much, and whoever waits for a
 * time looks again; it must be set anew in both cases. */
typedef void (*alarm_cb)(int64_t jump_ms, void *arg);

struct loop_alarm {
	struct loop *loop;
	struct loop_io io;
	const char *name;
	alarm_cb cb;
	void *arg;
	int fd;            /* owned; -1: not set yet */
	int64_t at_ms;     /* 0: it is not set */
	int64_t ahead_ms;  /* of the wall clock before the monotonic one, when it was set */
	int64_t jump_ms;   /* setting it anew has shown this, and it rings at once to tell of it */
	bool waits;        /* somebody has waited since it was set first, or set behind a cancel */
};

void loop_alarm_init(struct loop_alarm *a, struct loop *l, const char *name, alarm_cb cb, void *arg);
/* Rings once at wall_ms (clock_wall_ms()), or at once, instead of when it was to. */
void loop_alarm_set(struct loop_alarm *a, int64_t wall_ms);
void loop_alarm_cancel(struct loop_alarm *a);
void loop_alarm_done(struct loop_alarm *a);
