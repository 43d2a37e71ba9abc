/*
 * Steps a loop for a unit test: nothing sleeps, a test waits until what it
 * asked for is there, or fails when it does not come.
 */
#pragma once

#include <check.h>
#include <stdbool.h>

#include "base/clock.h"
#include "daemon/loop/loop.h"

struct loop_wait {
	struct loop *loop;
	struct loop_timer tick;
	bool (*is_there)(void *arg);
	void *arg;
	uint64_t until_ms;
};

static inline void
loop_wait_stop(void *arg)
{
	loop_stop(arg);
}

/* One turn that waits for nothing: what is ready, then what is deferred. */
static inline void
loop_turn(struct loop *l)
{
	struct loop_deferred stop;

	loop_deferred_init(&stop, "stop", loop_wait_stop, l);
	loop_defer(l, &stop);
	loop_run(l);
}

static inline void
loop_wait_tick(void *arg)
{
	struct loop_wait *w = arg;

	if (w->is_there(w->arg) || clock_now_ms() >= w->until_ms)
		loop_stop(w->loop);
	else
		loop_timer_set(&w->tick, 1);
}

/* Runs the loop until is_there(), at most ms milliseconds: whether it came. */
static inline bool
loop_until(struct loop *l, bool (*is_there)(void *arg), void *arg, uint64_t ms)
{
	struct loop_wait w = { .loop = l, .is_there = is_there, .arg = arg, .until_ms = clock_now_ms() + ms };

	loop_timer_init(&w.tick, l, "test", loop_wait_tick, &w);
	loop_timer_set(&w.tick, 0);
	loop_run(l);
	loop_timer_done(&w.tick);
	return is_there(arg);
}

static inline bool
loop_wait_never(void *arg)
{
	(void)arg;
	return false;
}

/* Lets the loop run for ms milliseconds, to see that something does not come. */
static inline void
loop_for(struct loop *l, uint64_t ms)
{
	(void)loop_until(l, loop_wait_never, NULL, ms);
}

/* A predicate over one flag or counter. */
static inline bool
is_set(void *arg)
{
	return *(bool *)arg;
}

static inline bool
is_counted(void *arg)
{
	return *(unsigned *)arg > 0;
}
