/* The event loop: deferred calls, timers, descriptors, signals, lag. */
#include "daemon/loop/loop.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/loop/alarm.h"
#include "loop_until.h"
#include "run_suite.h"

static struct loop *loop;

/* What happened, in its order: a letter each. */
static char said[64];

static void
setup(void)
{
	said[0] = '\0';
	log_init("check", false);
	loop = loop_new();
}

static void
teardown(void)
{
	loop_free(loop);
}

static void
say(char c)
{
	size_t n = strlen(said);

	ck_assert_uint_lt(n, sizeof said - 1);
	said[n] = c;
	said[n + 1] = '\0';
}

/* A deferred call with a letter; up to `again` times it asks for itself. */
struct caller {
	struct loop_deferred d;
	char letter;
	unsigned again;
	struct caller *defers, *undefers;
	bool frees;
};

static void
on_call(void *arg)
{
	struct caller *c = arg;

	say(c->letter);
	if (c->again) {
		c->again--;
		loop_defer(loop, &c->d);
	}
	if (c->defers)
		loop_defer(loop, &c->defers->d);
	if (c->undefers)
		loop_undefer(&c->undefers->d);
	if (c->frees)
		free(c);
}

static void
caller_init(struct caller *c, char letter)
{
	*c = (struct caller){ .letter = letter };
	loop_deferred_init(&c->d, "caller", on_call, c);
}

START_TEST(deferred_calls_come_in_the_order_they_were_asked_for)
{
	struct caller c[4];

	for (int i = 0; i < 4; i++)
		caller_init(&c[i], (char)('a' + i));
	loop_defer(loop, &c[2].d);
	loop_defer(loop, &c[0].d);
	loop_defer(loop, &c[3].d);
	loop_defer(loop, &c[1].d);
	ck_assert_str_eq(said, "");
	loop_turn(loop);
	ck_assert_str_eq(said, "cadb");
	loop_turn(loop);
	ck_assert_str_eq(said, "cadb");
}
END_TEST

START_TEST(asking_twice_is_asking_once)
{
	struct caller a, b;

	caller_init(&a, 'a');
	caller_init(&b, 'b');
	loop_defer(loop, &a.d);
	loop_defer(loop, &b.d);
	loop_defer(loop, &a.d);
	loop_turn(loop);
	ck_assert_str_eq(said, "ab");
}
END_TEST

START_TEST(one_that_asks_again_comes_in_the_next_turn)
{
	struct caller a, b;

	caller_init(&a, 'a');
	caller_init(&b, 'b');
	a.again = 2;
	loop_defer(loop, &a.d);
	loop_defer(loop, &b.d);
	loop_turn(loop);
	ck_assert_str_eq(said, "ab");
	loop_turn(loop);
	ck_assert_str_eq(said, "aba");
	loop_turn(loop);
	ck_assert_str_eq(said, "abaa");
}
END_TEST

START_TEST(one_that_asks_for_another_lets_the_loop_turn_first)
{
	struct caller a, b;

	caller_init(&a, 'a');
	caller_init(&b, 'b');
	a.defers = &b;
	loop_defer(loop, &a.d);
	loop_turn(loop);
	ck_assert_str_eq(said, "a");
	loop_turn(loop);
	ck_assert_str_eq(said, "ab");
}
END_TEST

START_TEST(a_call_can_be_taken_back_even_by_one_of_the_same_turn)
{
	struct caller a, b, c;

	caller_init(&a, 'a');
	caller_init(&b, 'b');
	caller_init(&c, 'c');
	loop_undefer(&a.d); /* of one that was not asked for: nothing */
	loop_defer(loop, &c.d);
	loop_undefer(&c.d);
	a.undefers = &b;
	loop_defer(loop, &a.d);
	loop_defer(loop, &b.d);
	loop_turn(loop);
	ck_assert_str_eq(said, "a");
}
END_TEST

START_TEST(a_deferred_call_may_free_its_owner)
{
	struct caller *a = NEW(struct caller);

	caller_init(a, 'a');
	a->frees = true;
	loop_defer(loop, &a->d);
	loop_turn(loop);
	ck_assert_str_eq(said, "a");
}
END_TEST

START_TEST(the_loop_ends_when_nothing_could_ever_happen)
{
	struct caller a;

	loop_run(loop); /* nothing at all */
	caller_init(&a, 'a');
	a.again = 5;
	loop_defer(loop, &a.d);
	loop_run(loop);
	ck_assert_str_eq(said, "aaaaaa");
}
END_TEST

static void
on_stop(void *arg)
{
	(void)arg;
	say('s');
	loop_stop(loop);
}

START_TEST(stop_ends_the_run_after_the_turn)
{
	struct loop_deferred stop;
	struct caller a;

	loop_deferred_init(&stop, "stop", on_stop, NULL);
	caller_init(&a, 'a');
	loop_defer(loop, &stop);
	loop_defer(loop, &a.d);
	loop_run(loop);
	ck_assert_str_eq(said, "sa");
}
END_TEST

/* Timers. */

static void
on_letter(void *arg)
{
	say(*(const char *)arg);
}

START_TEST(timers_ring_once_in_the_order_of_their_times)
{
	struct loop_timer a, b, c;
	uint64_t begun = clock_now_ns();

	loop_timer_init(&a, loop, "a", on_letter, (void *)(uintptr_t)"a");
	loop_timer_init(&b, loop, "b", on_letter, (void *)(uintptr_t)"b");
	loop_timer_init(&c, loop, "c", on_letter, (void *)(uintptr_t)"c");
	loop_timer_set(&c, 600);
	loop_timer_set(&a, 10);
	loop_timer_set(&b, 300);
	ck_assert(a.set && b.set && c.set);
	loop_run(loop);
	ck_assert_str_eq(said, "abc");
	/* libevent looks at a clock that ticks every 4 ms. */
	ck_assert_uint_ge(clock_now_ns() - begun, 595 * NSEC_PER_MSEC);
	ck_assert(!a.set && !b.set && !c.set);
	loop_timer_done(&a);
	loop_timer_done(&b);
	loop_timer_done(&c);
}
END_TEST

START_TEST(setting_a_timer_again_moves_it)
{
	struct loop_timer a, b;
	uint64_t begun = clock_now_ms();

	loop_timer_init(&a, loop, "a", on_letter, (void *)(uintptr_t)"a");
	loop_timer_init(&b, loop, "b", on_letter, (void *)(uintptr_t)"b");
	loop_timer_set(&a, 5);
	loop_timer_set(&b, 20);
	loop_timer_set(&a, 40);
	loop_run(loop);
	ck_assert_str_eq(said, "ba");
	loop_timer_set(&a, 100 * 1000);
	loop_timer_set(&a, 1);
	loop_run(loop);
	ck_assert_str_eq(said, "baa");
	ck_assert_uint_lt(clock_now_ms() - begun, 50 * 1000);
	loop_timer_done(&a);
	loop_timer_done(&b);
}
END_TEST

static void
on_alarm(int64_t jump, void *arg)
{
	ck_assert_int_eq(jump, 0);
	on_letter(arg);
}

static bool
has_said(void *arg)
{
	return strcmp(said, arg) == 0;
}

START_TEST(an_alarm_rings_at_a_time_of_the_wall_clock)
{
	struct loop_alarm a, b, never;
	int64_t begin = clock_wall_ms();

	loop_alarm_init(&never, loop, "never", on_alarm, (void *)(uintptr_t)"n");
	loop_alarm_init(&a, loop, "a", on_alarm, (void *)(uintptr_t)"a");
	loop_alarm_init(&b, loop, "b", on_alarm, (void *)(uintptr_t)"b");
	ck_assert_int_lt(a.fd, 0); /* costs nothing yet */
	loop_alarm_set(&a, begin + 3600 * 1000);
	loop_alarm_set(&a, begin + 500);
	loop_alarm_set(&b, begin - 1000); /* over: at once */
	ck_assert(loop_until(loop, has_said, (void *)(uintptr_t)"ba", 30000));
	ck_assert_int_ge(clock_wall_ms(), begin + 500);
	loop_alarm_set(&a, clock_wall_ms() + 20);
	loop_alarm_cancel(&a);
	loop_alarm_set(&b, clock_wall_ms() + 60);
	ck_assert(loop_until(loop, has_said, (void *)(uintptr_t)"bab", 30000));
	loop_alarm_done(&a);
	loop_alarm_done(&b);
	loop_alarm_done(&never);
}
END_TEST

/* What timerfd_settime(2) does when the clock was set since: armed, told, and then forgotten. */
static bool clock_was_set;

int timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old);
int
timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old)
{
	int r = (int)syscall(SYS_timerfd_settime, fd, flags, at, old);
	bool armed = at->it_value.tv_sec || at->it_value.tv_nsec;

	if (r < 0 || !armed || !clock_was_set)
		return r;
	clock_was_set = false;
	errno = ECANCELED;
	return -1;
}

static int64_t told_jump;

static void
on_jump(int64_t jump, void *arg)
{
	told_jump = jump;
	on_letter(arg);
}

START_TEST(a_clock_that_is_set_just_before_the_alarm_is_told)
{
	const int64_t hour = 3600 * 1000;
	struct loop_alarm a;
	int64_t begin = clock_wall_ms();

	loop_alarm_init(&a, loop, "a", on_jump, (void *)(uintptr_t)"a");
	clock_was_set = true; /* nobody waits yet */
	loop_alarm_set(&a, begin + hour);
	ck_assert(!clock_was_set);
	a.ahead_ms += 5000;   /* as if it was set back since */
	clock_was_set = true;
	loop_alarm_set(&a, begin + 2 * hour);
	loop_alarm_set(&a, begin + 3 * hour); /* does not push it away */
	ck_assert(loop_until(loop, has_said, (void *)(uintptr_t)"a", 30000));
	ck_assert_int_lt(told_jump, -4000);
	/* It has rung, and those that wait still do. */
	a.ahead_ms -= 5000;
	clock_was_set = true;
	loop_alarm_set(&a, begin + hour);
	ck_assert(loop_until(loop, has_said, (void *)(uintptr_t)"aa", 30000));
	ck_assert_int_gt(told_jump, 4000);
	/* Who begins to wait behind it has seen the new clock. */
	loop_alarm_cancel(&a);
	clock_was_set = true;
	loop_alarm_set(&a, clock_wall_ms() + 20);
	ck_assert(loop_until(loop, has_said, (void *)(uintptr_t)"aaa", 30000));
	ck_assert_int_eq(told_jump, 0);
	loop_alarm_done(&a);
}
END_TEST

START_TEST(a_cancelled_timer_does_not_ring)
{
	struct loop_timer a;

	loop_timer_init(&a, loop, "a", on_letter, (void *)(uintptr_t)"a");
	loop_timer_cancel(&a);
	loop_timer_set(&a, 5);
	loop_timer_cancel(&a);
	ck_assert(!a.set);
	loop_run(loop); /* ends at once: nothing is waited for */
	ck_assert_str_eq(said, "");
	loop_timer_set(&a, UINT64_MAX); /* a very long time is cut, not wrapped */
	loop_turn(loop);
	ck_assert_str_eq(said, "");
	ck_assert(a.set);
	loop_timer_done(&a);
	loop_timer_done(&a);
}
END_TEST

struct repeater {
	struct loop_timer t;
	unsigned left;
};

static void
on_repeat(void *arg)
{
	struct repeater *r = arg;

	ck_assert(!r->t.set);
	say('r');
	if (--r->left) {
		loop_timer_set(&r->t, 0);
	} else {
		loop_timer_done(&r->t);
		free(r);
	}
}

START_TEST(a_timer_may_be_set_again_and_freed_inside_its_callback)
{
	struct repeater *r = NEW(struct repeater);

	loop_timer_init(&r->t, loop, "r", on_repeat, r);
	r->left = 3;
	loop_timer_set(&r->t, 0);
	loop_run(loop);
	ck_assert_str_eq(said, "rrr");
}
END_TEST

/* Descriptors. */

struct pair {
	struct loop_io io;
	int fds[2];
	unsigned what; /* of the last call */
	unsigned calls;
	bool frees;
};

static void
on_pair(int fd, unsigned what, void *arg)
{
	struct pair *p = arg;
	char c;

	ck_assert_int_eq(fd, p->fds[0]);
	p->what = what;
	p->calls++;
	if (what & LOOP_READ)
		(void)!read(fd, &c, 1);
	if (!p->frees)
		return;
	loop_io_done(&p->io);
	fd_close(&p->fds[0]);
	fd_close(&p->fds[1]);
	free(p);
}

static struct pair *
pair_new(void)
{
	struct pair *p = NEW(struct pair);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p->fds), 0);
	loop_io_init(&p->io, loop, p->fds[0], "pair", on_pair, p);
	return p;
}

static void
pair_free(struct pair *p)
{
	loop_io_done(&p->io);
	loop_io_done(&p->io);
	fd_close(&p->fds[0]);
	fd_close(&p->fds[1]);
	free(p);
}

START_TEST(a_descriptor_is_heard_for_what_was_asked_and_no_more)
{
	struct pair *p = pair_new();

	ck_assert_int_eq(write(p->fds[1], "xy", 2), 2);
	loop_turn(loop);
	ck_assert_uint_eq(p->calls, 0); /* nothing was asked for */
	loop_io_set(&p->io, LOOP_READ);
	loop_turn(loop);
	ck_assert_uint_eq(p->calls, 1);
	ck_assert_uint_eq(p->what, LOOP_READ);
	loop_turn(loop);
	ck_assert_uint_eq(p->calls, 2); /* it persists, level-triggered */
	loop_turn(loop);
	ck_assert_uint_eq(p->calls, 2);
	loop_io_set(&p->io, LOOP_WRITE);
	loop_turn(loop);
	ck_assert_uint_eq(p->calls, 3);
	ck_assert_uint_eq(p->what, LOOP_WRITE);
	ck_assert_int_eq(write(p->fds[1], "z", 1), 1);
	loop_io_set(&p->io, LOOP_READ | LOOP_WRITE);
	loop_turn(loop);
	ck_assert_uint_eq(p->what, LOOP_READ | LOOP_WRITE);
	loop_io_set(&p->io, 0);
	p->calls = 0;
	ck_assert_int_eq(write(p->fds[1], "z", 1), 1);
	loop_turn(loop);
	ck_assert_uint_eq(p->calls, 0);
	pair_free(p);
}
END_TEST

START_TEST(taking_events_away_is_for_good_until_they_are_asked_for)
{
	struct pair *p = pair_new();

	for (int i = 0; i < 100; i++) {
		loop_io_set(&p->io, LOOP_READ);
		loop_io_set(&p->io, LOOP_READ);
		loop_io_set(&p->io, 0);
		loop_io_set(&p->io, 0);
	}
	ck_assert_int_eq(write(p->fds[1], "x", 1), 1);
	loop_run(loop); /* ends: nothing is waited for */
	ck_assert_uint_eq(p->calls, 0);
	loop_io_set(&p->io, LOOP_READ);
	loop_turn(loop);
	ck_assert_uint_eq(p->calls, 1);
	pair_free(p);
}
END_TEST

START_TEST(a_descriptor_may_be_closed_and_freed_inside_its_callback)
{
	struct pair *p = pair_new();

	p->frees = true;
	ck_assert_int_eq(write(p->fds[1], "x", 1), 1);
	loop_io_set(&p->io, LOOP_READ);
	loop_run(loop);
}
END_TEST

START_TEST(a_number_that_comes_back_is_another_descriptor)
{
	struct pair *p = pair_new(), *q;
	int was = p->fds[0];

	loop_io_set(&p->io, LOOP_READ);
	loop_turn(loop);
	pair_free(p);
	q = pair_new();
	ck_assert_int_eq(q->fds[0], was);
	loop_io_set(&q->io, LOOP_READ);
	ck_assert_int_eq(write(q->fds[1], "x", 1), 1);
	loop_turn(loop);
	ck_assert_uint_eq(q->calls, 1);
	pair_free(q);
}
END_TEST

START_TEST(deferred_calls_come_after_the_events_of_the_turn)
{
	struct pair *p = pair_new();
	struct caller a;

	caller_init(&a, 'a');
	loop_io_set(&p->io, LOOP_WRITE);
	loop_defer(loop, &a.d);
	loop_turn(loop);
	ck_assert_str_eq(said, "a");
	ck_assert_uint_eq(p->calls, 1); /* a full list of calls starves no one */
	pair_free(p);
}
END_TEST

/* Signals. */

START_TEST(a_signal_is_delivered_on_the_loop)
{
	struct loop_signal s;

	loop_signal_init(&s, loop, SIGUSR1, on_letter, (void *)(uintptr_t)"u");
	ck_assert_int_eq(raise(SIGUSR1), 0);
	ck_assert_str_eq(said, ""); /* not from the handler */
	loop_turn(loop);
	loop_turn(loop);
	ck_assert_str_eq(said, "u");
	ck_assert_int_eq(raise(SIGUSR1), 0);
	loop_turn(loop);
	loop_turn(loop);
	ck_assert_str_eq(said, "uu");
	loop_signal_done(&s);
	loop_signal_done(&s);
	loop_run(loop); /* ends: the signal is not waited for */
}
END_TEST

/* Lag. */

static void
burn(void *arg)
{
	uint64_t end = clock_thread_cpu_ns() + *(const uint64_t *)arg * NSEC_PER_MSEC;

	while (clock_thread_cpu_ns() < end)
		;
}

static void
wait_a_while(void *arg)
{
	struct timespec t = { .tv_nsec = (long)(*(const uint64_t *)arg * NSEC_PER_MSEC) };

	(void)nanosleep(&t, NULL);
}

static void
call_once(const char *name, loop_cb cb, uint64_t ms)
{
	struct loop_deferred d;

	loop_deferred_init(&d, name, cb, &ms);
	loop_defer(loop, &d);
	loop_run(loop);
}

START_TEST(quick_callbacks_are_counted_and_not_late)
{
	const struct loop_stats *s = loop_get_stats(loop);
	struct caller a;

	caller_init(&a, 'a');
	a.again = 9;
	loop_defer(loop, &a.d);
	loop_run(loop);
	ck_assert_uint_eq(s->callbacks, 10);
	ck_assert_uint_ge(s->turns, 10);
	ck_assert_uint_eq(s->late_cpu, 0);
	ck_assert_uint_gt(s->max_wall_ns, 0);
}
END_TEST

START_TEST(a_callback_that_computes_is_late_by_both_clocks)
{
	const struct loop_stats *s = loop_get_stats(loop);

	call_once("burner", burn, LOOP_LATE_MS + 5);
	ck_assert_uint_eq(s->late_wall, 1);
	ck_assert_uint_eq(s->late_cpu, 1);
	ck_assert_uint_ge(s->max_wall_ns, (LOOP_LATE_MS + 5) * NSEC_PER_MSEC);
	ck_assert_uint_ge(s->max_cpu_ns, (LOOP_LATE_MS + 5) * NSEC_PER_MSEC);
	ck_assert_str_eq(s->max_name, "burner");
}
END_TEST

START_TEST(a_callback_that_waits_is_late_by_the_wall_only)
{
	const struct loop_stats *s = loop_get_stats(loop);
	uint64_t late;

	call_once("burner", burn, 2);
	late = s->late_wall; /* a busy machine may not have run us for a while */
	call_once("waiter", wait_a_while, 300);
	ck_assert_uint_eq(s->late_wall, late + 1);
	ck_assert_uint_eq(s->late_cpu, 0);
	ck_assert_str_eq(s->max_name, "waiter");
	ck_assert_uint_ge(s->max_cpu_ns, 2 * NSEC_PER_MSEC);
	ck_assert_uint_lt(s->max_cpu_ns, LOOP_LATE_MS * NSEC_PER_MSEC);
}
END_TEST

/* The CPU clock is read once a callback: what one used is not the next one's. */
START_TEST(each_callback_pays_for_itself)
{
	const struct loop_stats *s = loop_get_stats(loop);
	struct loop_deferred d[4];
	uint64_t ms = LOOP_LATE_MS / 2 - 2;

	for (int i = 0; i < 4; i++) {
		loop_deferred_init(&d[i], "burner", burn, &ms);
		loop_defer(loop, &d[i]);
	}
	loop_run(loop);
	ck_assert_uint_eq(s->late_cpu, 0);
	ck_assert_uint_ge(s->max_cpu_ns, ms * NSEC_PER_MSEC);
	burn(&(uint64_t){ LOOP_LATE_MS + 5 }); /* between turns: no callback's */
	call_once("quick", burn, 0);
	ck_assert_uint_eq(s->late_cpu, 0);
}
END_TEST

/* Longer than any before it, also by the wall, where the machine has its part. */
static void
burn_longest(void *arg)
{
	uint64_t begin = clock_now_ns(), longest = loop_get_stats(loop)->max_wall_ns;

	burn(arg);
	while (clock_now_ns() - begin <= longest + NSEC_PER_MSEC)
		;
}

START_TEST(every_kind_of_callback_is_timed)
{
	const struct loop_stats *s = loop_get_stats(loop);
	uint64_t ms = LOOP_LATE_MS + 2, max;
	struct pair *p = pair_new();
	struct loop_signal sig;
	struct loop_timer t;

	loop_timer_init(&t, loop, "timer", burn, &ms);
	loop_timer_set(&t, 0);
	loop_run(loop);
	ck_assert_uint_eq(s->late_wall, 1);
	ck_assert_uint_eq(s->late_cpu, 1);
	ck_assert_str_eq(s->max_name, "timer");
	loop_timer_done(&t);
	max = s->max_wall_ns;
	loop_signal_init(&sig, loop, SIGUSR1, burn_longest, &ms);
	ck_assert_int_eq(raise(SIGUSR1), 0);
	while (s->late_cpu == 1)
		loop_turn(loop);
	ck_assert_uint_eq(s->late_cpu, 2);
	ck_assert_uint_gt(s->max_wall_ns, max);
	ck_assert_str_eq(s->max_name, "signal");
	loop_signal_done(&sig);
	loop_io_set(&p->io, LOOP_WRITE);
	loop_turn(loop);
	ck_assert_uint_ge(s->callbacks, 3);
	pair_free(p);
}
END_TEST

/* What is written to stderr meanwhile, in out. */
static void
slow_call(unsigned report_ms, char *out, size_t n)
{
	int fds[2], saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	ssize_t r;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	loop_set_slow_ms(loop, report_ms);
	call_once("slowpoke", wait_a_while, 30);
	ck_assert_int_eq(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	r = read(fds[0], out, n - 1);
	out[MAX(r, 0)] = '\0';
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	fd_close(&saved);
}

START_TEST(a_slow_callback_is_named_when_asked_for)
{
	char text[512], *at;

	slow_call(0, text, sizeof text);
	ck_assert_str_eq(text, "");
	slow_call(10000, text, sizeof text);
	ck_assert_str_eq(text, "");
	slow_call(10, text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "callback=slowpoke"));
	at = strstr(text, "wall_ms=");
	ck_assert_ptr_nonnull(at);
	ck_assert_int_ge(atoi(at + strlen("wall_ms=")), 30);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *deferred = tcase_create("deferred"), *timers = tcase_create("timers");
	TCase *io = tcase_create("descriptors and signals"), *lag = tcase_create("lag");

	tcase_add_test(deferred, deferred_calls_come_in_the_order_they_were_asked_for);
	tcase_add_test(deferred, asking_twice_is_asking_once);
	tcase_add_test(deferred, one_that_asks_again_comes_in_the_next_turn);
	tcase_add_test(deferred, one_that_asks_for_another_lets_the_loop_turn_first);
	tcase_add_test(deferred, a_call_can_be_taken_back_even_by_one_of_the_same_turn);
	tcase_add_test(deferred, a_deferred_call_may_free_its_owner);
	tcase_add_test(deferred, the_loop_ends_when_nothing_could_ever_happen);
	tcase_add_test(deferred, stop_ends_the_run_after_the_turn);
	tcase_add_test(timers, timers_ring_once_in_the_order_of_their_times);
	tcase_add_test(timers, setting_a_timer_again_moves_it);
	tcase_add_test(timers, an_alarm_rings_at_a_time_of_the_wall_clock);
	tcase_add_test(timers, a_clock_that_is_set_just_before_the_alarm_is_told);
	tcase_add_test(timers, a_cancelled_timer_does_not_ring);
	tcase_add_test(timers, a_timer_may_be_set_again_and_freed_inside_its_callback);
	tcase_add_test(io, a_descriptor_is_heard_for_what_was_asked_and_no_more);
	tcase_add_test(io, taking_events_away_is_for_good_until_they_are_asked_for);
	tcase_add_test(io, a_descriptor_may_be_closed_and_freed_inside_its_callback);
	tcase_add_test(io, a_number_that_comes_back_is_another_descriptor);
	tcase_add_test(io, deferred_calls_come_after_the_events_of_the_turn);
	tcase_add_test(io, a_signal_is_delivered_on_the_loop);
	tcase_add_test(lag, quick_callbacks_are_counted_and_not_late);
	tcase_add_test(lag, a_callback_that_computes_is_late_by_both_clocks);
	tcase_add_test(lag, a_callback_that_waits_is_late_by_the_wall_only);
	tcase_add_test(lag, each_callback_pays_for_itself);
	tcase_add_test(lag, every_kind_of_callback_is_timed);
	tcase_add_test(lag, a_slow_callback_is_named_when_asked_for);
	suite_add_tcase(s, deferred);
	suite_add_tcase(s, timers);
	suite_add_tcase(s, io);
	suite_add_tcase(s, lag);
	tcase_add_checked_fixture(deferred, setup, teardown);
	tcase_add_checked_fixture(timers, setup, teardown);
	tcase_add_checked_fixture(io, setup, teardown);
	tcase_add_checked_fixture(lag, setup, teardown);
}

int
main(void)
{
	Suite *s = suite_create("loop");

	add_tests(s);
	return run_suite(s);
}
