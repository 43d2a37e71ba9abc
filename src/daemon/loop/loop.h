/*
 * The event loop: descriptors, timers, signals and deferred calls over one
 * libevent base, every callback timed.  One loop per process; all of hauld's
 * code runs in its callbacks, and none of it may wait.
 *
 * A turn is one pass of libevent and then the deferred calls, in the order in
 * which they were asked for.  What must not happen inside a callback (freeing
 * an object that may be on the stack, calling back an owner, calling curl from
 * curl) is deferred.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/list.h"

struct loop;
struct event;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };
enum { LOOP_LATE_MS = 20 }; /* DESIGN I1: longer callbacks are counted */

typedef void (*loop_cb)(void *arg);
typedef void (*loop_io_cb)(int fd, unsigned what, void *arg);

struct loop_stats {
	uint64_t callbacks;
	uint64_t late_wall;   /* took LOOP_LATE_MS or more of wall time */
	uint64_t late_cpu;    /* ... of CPU time of this thread */
	uint64_t max_wall_ns;
	uint64_t max_cpu_ns;  /* of callbacks above 2 ms of wall time */
	const char *max_name; /* of the callback with max_wall_ns */
	uint64_t turns;
	/* Nanoseconds.  Of a turn from its first callback to the end of its last: nothing
	 * that became ready meanwhile waited longer. */
	struct histogram callback_times, turn_times;
};

const char *loop_version(void); /* of libevent */
/* Never NULL; ends the process when no loop can be had. */
struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Runs until loop_stop(), or until nothing could ever happen again. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
const struct loop_stats *loop_get_stats(const struct loop *l);
/* Callbacks that take longer are logged with their name; 0: none. */
void loop_set_slow_ms(struct loop *l, unsigned ms);

/* A descriptor.  The caller owns struct and fd, and calls loop_io_done()
 * before it closes the fd (epoll knows open files, not numbers). */
struct loop_io {
	struct loop *loop;
	struct event *ev; /* owned */
	loop_io_cb cb;
	void *arg;
	const char *name; /* static, for the lag report */
	int fd;
	unsigned what; /* LOOP_READ | LOOP_WRITE that is asked for now */
};

void loop_io_init(struct loop_io *io, struct loop *l, int fd, const char *name, loop_io_cb cb, void *arg);
/* What to wait for from now on; 0: nothing. */
void loop_io_set(struct loop_io *io, unsigned what);
void loop_io_done(struct loop_io *io);

/* A one-shot timer on the monotonic clock. */
struct loop_timer {
	struct loop *loop;
	struct event *ev; /* owned */
	loop_cb cb;
	void *arg;
	const char *name;
	bool set;
};

void loop_timer_init(struct loop_timer *t, struct loop *l, const char *name, loop_cb cb, void *arg);
/* Rings once in ms milliseconds (rounded up), instead of when it was to. */
void loop_timer_set(struct loop_timer *t, uint64_t ms);
void loop_timer_cancel(struct loop_timer *t);
void loop_timer_done(struct loop_timer *t);

/* A call at the end of this turn.  Asking twice is asking once. */
struct loop_deferred {
	struct list link;
	loop_cb cb;
	void *arg;
	const char *name;
};

void loop_deferred_init(struct loop_deferred *d, const char *name, loop_cb cb, void *arg);
void loop_defer(struct loop *l, struct loop_deferred *d);
void loop_undefer(struct loop_deferred *d);

/* A signal, delivered on the loop. */
struct loop_signal {
	struct loop *loop;
	struct event *ev; /* owned */
	loop_cb cb;
	void *arg;
};

void loop_signal_init(struct loop_signal *s, struct loop *l, int signo, loop_cb cb, void *arg);
void loop_signal_done(struct loop_signal *s);
