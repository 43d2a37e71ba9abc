/* A timer on the wall clock; see alarm.h. */
#include "daemon/loop/alarm.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

static int64_t
ahead(void)
{
	return clock_wall_ms() - (int64_t)clock_now_ms();
}

/* Not 0, also when it was set to what it was. */
static int64_t
jump_since(const struct loop_alarm *a)
{
	int64_t jump = ahead() - a->ahead_ms;

	return jump ? jump : 1;
}

static void
on_alarm(int fd, unsigned what UNUSED, void *arg)
{
	struct loop_alarm *a = arg;
	uint64_t times;
	ssize_t n = read(fd, &times, sizeof times);
	int64_t jump = a->jump_ms;

	if (n < 0 && errno != ECANCELED)
		return;
	if (n < 0)
		jump += jump_since(a);
	a->at_ms = a->jump_ms = 0;
	a->cb(jump, a->arg);
}

void
loop_alarm_init(struct loop_alarm *a, struct loop *l, const char *name, alarm_cb cb, void *arg)
{
	*a = (struct loop_alarm){ .loop = l, .name = name, .cb = cb, .arg = arg, .fd = -1 };
}

static void
start(struct loop_alarm *a)
{
	a->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (a->fd < 0)
		fatal(1, "cannot make a timer: %m");
	loop_io_init(&a->io, a->loop, a->fd, a->name, on_alarm, a);
}

/* True when the clock was set since the last time; then the timer will not tell of that any more. */
static bool
arm(struct loop_alarm *a, int64_t wall_ms)
{
	const struct itimerspec at = {
		.it_value = { .tv_sec = wall_ms / 1000, .tv_nsec = wall_ms % 1000 * (int64_t)NSEC_PER_MSEC },
	};

	return timerfd_settime(a->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL) < 0 && errno == ECANCELED;
}

void
loop_alarm_set(struct loop_alarm *a, int64_t wall_ms)
{
	if (a->at_ms == wall_ms)
		return;
	if (a->fd < 0)
		start(a);
	a->at_ms = MAX(wall_ms, INT64_C(1)); /* 0 would be never */
	if (arm(a, a->jump_ms ? 1 : a->at_ms) && a->waits) {
		a->jump_ms += jump_since(a);
		(void)arm(a, 1); /* at once: others may have waited for another time before */
	}
	a->waits = true;
	a->ahead_ms = ahead();
	loop_io_set(&a->io, LOOP_READ);
}

void
loop_alarm_cancel(struct loop_alarm *a)
{
	a->waits = false;
	if (!a->at_ms)
		return;
	a->at_ms = a->jump_ms = 0;
	(void)arm(a, 0);
	loop_io_set(&a->io, 0);
}

void
loop_alarm_done(struct loop_alarm *a)
{
	if (a->fd < 0)
		return;
	loop_io_done(&a->io);
	fd_close(&a->fd);
}
