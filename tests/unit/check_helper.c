/* Programs that hauld talks to: both halves of their ends, in either order. */
#include "daemon/loop/helper.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop_until.h"
#include "run_suite.h"

static struct loop *loop;
static struct children *children;
static struct helper helper;
static struct buf order; /* a word for each call */
static bool over, spare, restart;
static unsigned messages;
static int closed_why;

static int
try_start(const char *program, const char *script, int fd)
{
	AUTO_FREE char *path = xstrdup(program), *text = xstrdup(script);
	char option[] = "-c", *argv[] = { path, option, text, NULL };

	return helper_start(&helper, argv, fd);
}

static int
on_message(const struct message *m, void *arg)
{
	ck_assert_ptr_eq(arg, &helper);
	ck_assert_uint_eq(m->id, 7);
	messages++;
	return 0;
}

static bool
on_closed(int why, void *arg)
{
	ck_assert_ptr_eq(arg, &helper);
	ck_assert_ptr_null(helper.chan);
	closed_why = why;
	buf_append_str(&order, "closed ");
	return !spare;
}

static void
on_reaped(void *arg)
{
	ck_assert_ptr_eq(arg, &helper);
	ck_assert_int_eq(helper.pid, 0);
	buf_append_str(&order, "reaped ");
}

static void
on_over(void *arg)
{
	ck_assert_ptr_eq(arg, &helper);
	ck_assert(helper_is_over(&helper));
	buf_append_str(&order, "over ");
	over = true;
	if (restart)
		ck_assert_int_eq(try_start("/bin/sh", "exec cat", -1), 0);
}

static void
on_waited(void *arg)
{
	ck_assert_ptr_eq(arg, &helper);
	over = true;
}

static const struct helper_ops ops = { on_message, on_closed, on_reaped, on_over, on_waited };

static void
setup(void)
{
	log_init("check", false);
	loop = loop_new();
	children = children_new(loop);
	helper_init(&helper, loop, children, "test", &ops, &helper);
	over = spare = restart = false;
	messages = 0;
	closed_why = 1;
}

static void
teardown(void)
{
	helper_done(&helper);
	children_free(children);
	loop_free(loop);
	buf_done(&order);
}

static void
start(const char *script)
{
	ck_assert_int_eq(try_start("/bin/sh", script, -1), 0);
	ck_assert_int_gt(helper.pid, 0);
	ck_assert(!helper_is_over(&helper));
}

static void
assert_ended(const char *want_order, const char *want_status)
{
	char text[64];

	ck_assert(loop_until(loop, is_set, &over, 20000));
	ck_assert_str_eq(buf_cstr(&order), want_order);
	ck_assert_str_eq(child_status_to_string(helper.status, text, sizeof text), want_status);
}

static void
say(void)
{
	size_t begun = frame_begin(chan_out(helper.chan), 1, 1, 7);

	frame_end(chan_out(helper.chan), begun);
}

START_TEST(it_is_talked_to_over_its_first_two_descriptors)
{
	start("exec cat");
	say();
	ck_assert(loop_until(loop, is_counted, &messages, 20000));
	chan_close_out(helper.chan);
	ck_assert(loop_until(loop, is_set, &over, 20000));
	ck_assert_uint_eq(messages, 1);
	ck_assert_int_eq(closed_why, 0);
	ck_assert_int_eq(helper.status & ~SIGKILL, 0); /* it may be killed as it goes */
}
END_TEST

START_TEST(it_is_over_when_its_pipe_is_at_its_end_too)
{
	int pipe_of_another[2];

	ck_assert_int_eq(pipe2(pipe_of_another, O_CLOEXEC), 0);
	ck_assert_int_eq(try_start("/bin/sh", "cat <&3 & exit 3", pipe_of_another[0]), 0);
	while (!buf_len(&order))
		loop_turn(loop);
	ck_assert_str_eq(buf_cstr(&order), "reaped ");
	loop_for(loop, 20);
	ck_assert(!over);
	fd_close(&pipe_of_another[0]);
	fd_close(&pipe_of_another[1]); /* and the other one ends */
	assert_ended("reaped closed over ", "exit status 3");
}
END_TEST

START_TEST(one_that_closes_its_pipe_and_stays_is_killed)
{
	start("exec 1>&-; kill -STOP $$");
	assert_ended("closed reaped over ", "killed by signal 9 (Killed)");
	ck_assert_int_eq(closed_why, 0);
}
END_TEST

START_TEST(or_is_left_to_end_by_itself)
{
	spare = true;
	start("exec 1>&-; read x; exit 4");
	assert_ended("closed reaped over ", "exit status 4");
}
END_TEST

START_TEST(one_that_makes_no_sense_is_killed)
{
	start("echo 'what is this? what is this? what is this?'; kill -STOP $$");
	assert_ended("closed reaped over ", "killed by signal 9 (Killed)");
	ck_assert_int_eq(closed_why, -EPROTO);
}
END_TEST

START_TEST(it_may_be_started_again_when_it_is_over)
{
	restart = true;
	start("exit 0");
	ck_assert(loop_until(loop, is_set, &over, 20000));
	ck_assert_int_gt(helper.pid, 0);
	say();
	ck_assert(loop_until(loop, is_counted, &messages, 20000));
}
END_TEST

START_TEST(nothing_is_told_of_one_that_is_let_go)
{
	pid_t pid;

	start("kill -STOP $$");
	pid = helper.pid;
	helper_done(&helper);
	ck_assert(helper_is_over(&helper));
	while (kill(pid, 0) == 0) /* until it is reaped */
		loop_turn(loop);
	ck_assert_str_eq(buf_cstr(&order), "");
	helper_done(&helper); /* once more is nothing */
}
END_TEST

START_TEST(one_that_cannot_be_started_is_over)
{
	ck_assert_int_eq(try_start("/nowhere/program", "", -1), -ENOENT);
	ck_assert(helper_is_over(&helper));
	helper_kill(&helper);
	loop_turn(loop);
	ck_assert_str_eq(buf_cstr(&order), "");
}
END_TEST

START_TEST(what_is_no_child_is_over_with_its_channel)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	helper_attach(&helper, 0, fds[0], -1);
	ck_assert(!helper_is_over(&helper));
	fd_close(&fds[1]);
	ck_assert(loop_until(loop, is_set, &over, 20000));
	ck_assert_str_eq(buf_cstr(&order), "closed over ");
}
END_TEST

START_TEST(it_can_wait_before_it_is_started_again)
{
	uint64_t begin = clock_now_ms();

	helper_wait(&helper, 20);
	ck_assert(helper.wait.set);
	ck_assert(loop_until(loop, is_set, &over, 20000));
	ck_assert(!helper.wait.set);
	ck_assert_uint_ge(clock_now_ms() - begin, 19);
	helper_wait(&helper, 20);
	helper_done(&helper);
	ck_assert(!helper.wait.set);
}
END_TEST

START_TEST(the_pauses_between_deaths_grow)
{
	ck_assert_uint_eq(helper_pause_ms(0, 50, 5000), 50);
	ck_assert_uint_eq(helper_pause_ms(3, 50, 5000), 400);
	ck_assert_uint_eq(helper_pause_ms(7, 50, 5000), 5000);
	ck_assert_uint_eq(helper_pause_ms(UINT32_MAX, 50, 5000), 5000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("helper");
	TCase *t = tcase_create("helper");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, it_is_talked_to_over_its_first_two_descriptors);
	tcase_add_test(t, it_is_over_when_its_pipe_is_at_its_end_too);
	tcase_add_test(t, one_that_closes_its_pipe_and_stays_is_killed);
	tcase_add_test(t, or_is_left_to_end_by_itself);
	tcase_add_test(t, one_that_makes_no_sense_is_killed);
	tcase_add_test(t, it_may_be_started_again_when_it_is_over);
	tcase_add_test(t, nothing_is_told_of_one_that_is_let_go);
	tcase_add_test(t, one_that_cannot_be_started_is_over);
	tcase_add_test(t, what_is_no_child_is_over_with_its_channel);
	tcase_add_test(t, it_can_wait_before_it_is_started_again);
	tcase_add_test(t, the_pauses_between_deaths_grow);
	suite_add_tcase(s, t);
	return run_suite(s);
}
