/* The event loop; see loop.h. */
#include "daemon/loop/loop.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { CPU_READ_NS = 2 * 1000 * 1000 };

static const uint64_t time_bounds[] = { 10000, 30000, 100000, 300000, 1000000, 2500000, 5000000, 10000000, 20000000, 50000000,
	100000000, 250000000, 1000000000, 5000000000 };

struct loop {
	struct event_base *base; /* owned */
	struct list deferred;
	struct loop_stats stats;
	uint64_t slow_ns;  /* 0: do not report */
	uint64_t cpu_mark; /* thread CPU time at the last reading */
	bool cpu_known;    /* it was read in this turn */
	uint64_t turn_begun, turn_ended; /* its first callback, its last; clock_now_ns(); 0: none yet */
	bool stop;
};

static void
libevent_log(int severity, const char *msg)
{
	if (severity >= EVENT_LOG_WARN)
		log_warning("libevent: %s", log_safe(msg));
	else
		log_debug("libevent: %s", log_safe(msg));
}

const char *
loop_version(void)
{
	return event_get_version();
}

struct loop *
loop_new(void)
{
	struct loop *l = NEW(struct loop);
	struct event_config *cfg = event_config_new();

	event_set_log_callback(libevent_log);
	list_init(&l->deferred);
	l->stats.callback_times = (struct histogram){ .bounds = time_bounds, .n = ARRAY_SIZE(time_bounds) };
	l->stats.turn_times = l->stats.callback_times;
	if (!cfg)
		fatal(1, "no memory for the event loop");
	/* Not EPOLL_USE_CHANGELIST: descriptors are reused at once (STYLE 4.3). */
	l->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (!l->base)
		fatal(1, "cannot make the event loop: %m");
	return l;
}

void
loop_free(struct loop *l)
{
	if (!l)
		return;
	event_base_free(l->base);
	free(l);
}

const struct loop_stats *
loop_get_stats(const struct loop *l)
{
	return &l->stats;
}

void
loop_set_slow_ms(struct loop *l, unsigned ms)
{
	l->slow_ns = ms * NSEC_PER_MSEC;
}

static uint64_t
callback_begin(struct loop *l)
{
	uint64_t now;

	if (!l->cpu_known) {
		l->cpu_mark = clock_thread_cpu_ns();
		l->cpu_known = true;
	}
	now = clock_now_ns();
	if (!l->turn_begun)
		l->turn_begun = now;
	return now;
}

/*
 * The CPU clock is a system call, so it is read only behind a callback that
 * took a while.  What short ones used since the last reading is counted to the
 * long one, but never more than its wall time.
 */
static void
callback_end(struct loop *l, uint64_t begun, const char *name)
{
	uint64_t ended = clock_now_ns(), wall = ended - begun, now, cpu;

	l->turn_ended = ended;
	l->stats.callbacks++;
	histogram_add(&l->stats.callback_times, wall);
	if (wall > l->stats.max_wall_ns) {
		l->stats.max_wall_ns = wall;
		l->stats.max_name = name;
	}
	if (wall < CPU_READ_NS)
		return;
	now = clock_thread_cpu_ns();
	cpu = MIN(now - l->cpu_mark, wall);
	l->cpu_mark = now;
	l->stats.max_cpu_ns = MAX(l->stats.max_cpu_ns, cpu);
	l->stats.late_wall += wall >= LOOP_LATE_MS * NSEC_PER_MSEC;
	l->stats.late_cpu += cpu >= LOOP_LATE_MS * NSEC_PER_MSEC;
	if (l->slow_ns && wall >= l->slow_ns)
		log_warning("slow callback callback=%s wall_ms=%llu cpu_ms=%llu", name,
		    (unsigned long long)(wall / NSEC_PER_MSEC), (unsigned long long)(cpu / NSEC_PER_MSEC));
}

/* Only the calls that were there when the turn ended: one that defers itself
 * again lets the loop turn first. */
static void
run_deferred(struct loop *l)
{
	struct list todo;

	if (list_empty(&l->deferred))
		return;
	list_init(&todo);
	todo = l->deferred;
	todo.next->prev = &todo;
	todo.prev->next = &todo;
	list_init(&l->deferred);
	while (!list_empty(&todo)) {
		struct loop_deferred *d = LIST_FIRST(&todo, struct loop_deferred, link);
		const char *name = d->name;
		uint64_t begun = callback_begin(l);

		list_remove(&d->link);
		d->cb(d->arg);
		callback_end(l, begun, name);
	}
}

void
loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop) {
		int flags = EVLOOP_ONCE | (list_empty(&l->deferred) ? 0 : EVLOOP_NONBLOCK);
		int r = event_base_loop(l->base, flags);

		if (r < 0)
			fatal(1, "the event loop failed: %m");
		run_deferred(l);
		l->stats.turns++;
		if (l->turn_begun)
			histogram_add(&l->stats.turn_times, l->turn_ended - l->turn_begun);
		l->turn_begun = 0;
		l->cpu_known = false;
		if (r == 1 && list_empty(&l->deferred))
			break; /* nothing is waited for */
	}
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
}

static void
on_io(evutil_socket_t fd, short what, void *arg)
{
	struct loop_io *io = arg;
	struct loop *l = io->loop;
	const char *name = io->name;
	uint64_t begun = callback_begin(l);

	io->cb(fd, (what & EV_READ ? LOOP_READ : 0U) | (what & EV_WRITE ? LOOP_WRITE : 0U), io->arg);
	callback_end(l, begun, name); /* io may be gone */
}

void
loop_io_init(struct loop_io *io, struct loop *l, int fd, const char *name, loop_io_cb cb, void *arg)
{
	*io = (struct loop_io){ .loop = l, .fd = fd, .name = name, .cb = cb, .arg = arg };
	io->ev = event_new(l->base, fd, EV_READ | EV_PERSIST, on_io, io);
	if (!io->ev)
		fatal(1, "no memory for an event");
}

void
loop_io_set(struct loop_io *io, unsigned what)
{
	if (what == io->what)
		return;
	if (io->what)
		(void)event_del(io->ev); /* cannot fail for an added event */
	io->what = what;
	if (!what)
		return;
	if (event_assign(io->ev, io->loop->base, io->fd,
		(short)((what & LOOP_READ ? EV_READ : 0) | (what & LOOP_WRITE ? EV_WRITE : 0) | EV_PERSIST),
		on_io, io) < 0 ||
	    event_add(io->ev, NULL) < 0)
		fatal(1, "cannot watch a descriptor: %m");
}

void
loop_io_done(struct loop_io *io)
{
	if (io->ev)
		event_free(io->ev);
	io->ev = NULL;
	io->what = 0;
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct loop_timer *t = arg;
	struct loop *l = t->loop;
	const char *name = t->name;
	uint64_t begun = callback_begin(l);

	t->set = false;
	t->cb(t->arg);
	callback_end(l, begun, name);
}

void
loop_timer_init(struct loop_timer *t, struct loop *l, const char *name, loop_cb cb, void *arg)
{
	*t = (struct loop_timer){ .loop = l, .name = name, .cb = cb, .arg = arg };
	t->ev = event_new(l->base, -1, 0, on_timer, t);
	if (!t->ev)
		fatal(1, "no memory for a timer");
}

void
loop_timer_set(struct loop_timer *t, uint64_t ms)
{
	struct timeval tv;

	ms = MIN(ms, UINT64_C(1000) * 3600 * 24 * 3650);
	/* From now, and not from when this turn began.  libevent's clock is the
	 * coarse one, so that it may still be early by a tick of that. */
	if (ms)
		(void)event_base_update_cache_time(t->loop->base);
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	if (event_add(t->ev, &tv) < 0)
		fatal(1, "cannot set a timer: %m");
	t->set = true;
}

void
loop_timer_cancel(struct loop_timer *t)
{
	if (t->set)
		(void)event_del(t->ev);
	t->set = false;
}

void
loop_timer_done(struct loop_timer *t)
{
	if (t->ev)
		event_free(t->ev);
	t->ev = NULL;
	t->set = false;
}

void
loop_deferred_init(struct loop_deferred *d, const char *name, loop_cb cb, void *arg)
{
	*d = (struct loop_deferred){ .name = name, .cb = cb, .arg = arg };
	list_init(&d->link);
}

void
loop_defer(struct loop *l, struct loop_deferred *d)
{
	if (!list_linked(&d->link))
		list_append(&l->deferred, &d->link);
}

void
loop_undefer(struct loop_deferred *d)
{
	list_remove(&d->link);
}

static void
on_signal(evutil_socket_t signo UNUSED, short what UNUSED, void *arg)
{
	struct loop_signal *s = arg;
	struct loop *l = s->loop;
	uint64_t begun = callback_begin(l);

	s->cb(s->arg);
	callback_end(l, begun, "signal");
}

void
loop_signal_init(struct loop_signal *s, struct loop *l, int signo, loop_cb cb, void *arg)
{
	*s = (struct loop_signal){ .loop = l, .cb = cb, .arg = arg };
	s->ev = evsignal_new(l->base, signo, on_signal, s);
	if (!s->ev || event_add(s->ev, NULL) < 0)
		fatal(1, "cannot wait for signal %d: %m", signo);
}

void
loop_signal_done(struct loop_signal *s)
{
	if (s->ev)
		event_free(s->ev);
	s->ev = NULL;
}
