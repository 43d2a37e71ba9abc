/* A stream out of the process that never holds the loop. */
#include "daemon/loop/outlet.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop_until.h"
#include "run_suite.h"
#include "temp_dir.h"

enum { LONG = 1024 * 1024 };

static struct loop *loop;
static struct outlet outlet;
static int fds[2];

static void
setup(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	ck_assert_int_eq(sigaction(SIGPIPE, &ignore, NULL), 0);
	log_init("check", false);
	loop = loop_new();
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
}

static void
teardown(void)
{
	outlet_done(&outlet);
	loop_free(loop);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

static void
put_long(struct buf *b)
{
	for (unsigned i = 0; buf_len(b) < LONG; i++)
		buf_printf(b, "line %u\n", i);
}

static int
bytes_waiting(int fd)
{
	int n = -1;

	ck_assert_int_eq(ioctl(fd, FIONREAD, &n), 0);
	return n;
}

START_TEST(a_short_text_leaves_when_the_loop_turns)
{
	char got[16] = "";

	outlet_init(&outlet, loop, fds[1]);
	buf_append_str(outlet_buf(&outlet), "hello\n");
	outlet_push(&outlet);
	loop_turn(loop);
	ck_assert_int_eq(read(fds[0], got, sizeof got - 1), 6);
	ck_assert_str_eq(got, "hello\n");
	loop_run(loop); /* ends: an empty outlet waits for nothing */
}
END_TEST

/* The process is ended by the test's time limit if a write waits. */
START_TEST(a_full_pipe_does_not_hold_the_loop)
{
	outlet_init(&outlet, loop, fds[1]);
	put_long(outlet_buf(&outlet));
	outlet_push(&outlet);
	loop_for(loop, 50);
	ck_assert_int_gt(bytes_waiting(fds[0]), 0);
	ck_assert_uint_gt(buf_len(outlet_buf(&outlet)), LONG / 2);
	ck_assert_uint_eq(loop_get_stats(loop)->late_cpu, 0);
	outlet_push(&outlet);
	loop_for(loop, 20);
	ck_assert(!outlet.broken);
}
END_TEST

/* Others share the open file: their flags are theirs. */
START_TEST(the_flags_of_the_descriptor_stay)
{
	int before = fcntl(fds[1], F_GETFL);

	outlet_init(&outlet, loop, fds[1]);
	buf_append_str(outlet_buf(&outlet), "x");
	outlet_push(&outlet);
	loop_turn(loop);
	ck_assert_int_eq(fcntl(fds[1], F_GETFL), before);
	ck_assert_int_eq(before & O_NONBLOCK, 0);
}
END_TEST

static bool
take_all(void *arg)
{
	struct buf *got = arg;

	while (bytes_waiting(fds[0]) > 0) {
		ssize_t n = read(fds[0], buf_reserve(got, 5000), 5000);

		ck_assert_int_gt(n, 0);
		buf_commit(got, (size_t)n);
	}
	return buf_len(outlet_buf(&outlet)) == 0;
}

static void
assert_same(const struct buf *a, const struct buf *b)
{
	ck_assert_uint_eq(buf_len(a), buf_len(b));
	ck_assert_int_eq(memcmp(buf_bytes(a), buf_bytes(b), buf_len(a)), 0);
}

START_TEST(nothing_is_lost_or_changes_places)
{
	AUTO_BUF struct buf want = { 0 }, got = { 0 };

	outlet_init(&outlet, loop, fds[1]);
	put_long(outlet_buf(&outlet));
	put_long(&want);
	outlet_push(&outlet);
	loop_for(loop, 20);
	buf_append_str(outlet_buf(&outlet), "the end\n");
	buf_append_str(&want, "the end\n");
	outlet_push(&outlet);
	ck_assert(loop_until(loop, take_all, &got, 30000));
	(void)take_all(&got);
	assert_same(&want, &got);
}
END_TEST

START_TEST(finish_writes_what_is_left)
{
	AUTO_BUF struct buf want = { 0 };
	char got[8192] = "";

	outlet_init(&outlet, loop, fds[1]);
	for (unsigned i = 0; i < 1000; i++)
		buf_append_str(outlet_buf(&outlet), "1234567");
	buf_append(&want, buf_bytes(outlet_buf(&outlet)), buf_len(outlet_buf(&outlet)));
	outlet_push(&outlet);
	outlet_finish(&outlet);
	ck_assert_uint_eq(buf_len(outlet_buf(&outlet)), 0);
	ck_assert_int_eq(read(fds[0], got, sizeof got), 7000);
	ck_assert_int_eq(memcmp(got, buf_bytes(&want), 7000), 0);
}
END_TEST

START_TEST(a_closed_reader_ends_it_quietly)
{
	outlet_init(&outlet, loop, fds[1]);
	fd_close(&fds[0]);
	put_long(outlet_buf(&outlet));
	outlet_push(&outlet);
	loop_run(loop); /* ends: nobody is written to any more */
	ck_assert(outlet.broken);
	ck_assert_uint_eq(buf_len(outlet_buf(&outlet)), 0);
	buf_append_str(outlet_buf(&outlet), "more");
	outlet_push(&outlet);
	ck_assert_uint_eq(buf_len(outlet_buf(&outlet)), 0); /* nothing piles up */
	loop_run(loop);
	buf_append_str(outlet_buf(&outlet), "more");
	outlet_finish(&outlet);
	ck_assert_uint_eq(buf_len(outlet_buf(&outlet)), 0);
}
END_TEST

START_TEST(a_reader_that_goes_while_it_is_full_ends_it_too)
{
	outlet_init(&outlet, loop, fds[1]);
	put_long(outlet_buf(&outlet));
	outlet_push(&outlet);
	loop_for(loop, 20);
	fd_close(&fds[0]);
	loop_run(loop);
	ck_assert(outlet.broken);
	ck_assert_uint_eq(buf_len(outlet_buf(&outlet)), 0);
}
END_TEST

START_TEST(a_file_gets_its_text_at_once)
{
	char *dir = temp_dir_new(), got[16] = "";
	AUTO_FREE char *path = xasprintf("%s/out", dir);
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	outlet_init(&outlet, loop, fd);
	buf_append_str(outlet_buf(&outlet), "hello\n");
	outlet_push(&outlet);
	ck_assert_uint_eq(buf_len(outlet_buf(&outlet)), 0);
	ck_assert_int_eq(pread(fd, got, sizeof got - 1, 0), 6);
	ck_assert_str_eq(got, "hello\n");
	temp_dir_remove(dir);
}
END_TEST

START_TEST(a_full_disk_ends_it_quietly)
{
	AUTO_CLOSE int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	outlet_init(&outlet, loop, fd);
	buf_append_str(outlet_buf(&outlet), "hello\n");
	outlet_push(&outlet);
	ck_assert(outlet.broken);
	ck_assert_uint_eq(buf_len(outlet_buf(&outlet)), 0);
}
END_TEST

START_TEST(a_socket_is_not_waited_for)
{
	AUTO_BUF struct buf want = { 0 }, got = { 0 };

	fd_close(&fds[0]);
	fd_close(&fds[1]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	outlet_init(&outlet, loop, fds[1]);
	put_long(outlet_buf(&outlet));
	put_long(&want);
	outlet_push(&outlet);
	loop_for(loop, 50);
	ck_assert_uint_gt(buf_len(outlet_buf(&outlet)), 0);
	ck_assert(loop_until(loop, take_all, &got, 30000));
	(void)take_all(&got);
	assert_same(&want, &got);
}
END_TEST

START_TEST(a_descriptor_that_is_not_there_takes_nothing)
{
	outlet_init(&outlet, loop, -1);
	buf_append_str(outlet_buf(&outlet), "hello\n");
	outlet_push(&outlet);
	ck_assert_uint_eq(buf_len(outlet_buf(&outlet)), 0);
	loop_run(loop);
	outlet_finish(&outlet);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("outlet");
	TCase *t = tcase_create("outlet");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_short_text_leaves_when_the_loop_turns);
	tcase_add_test(t, a_full_pipe_does_not_hold_the_loop);
	tcase_add_test(t, the_flags_of_the_descriptor_stay);
	tcase_add_test(t, nothing_is_lost_or_changes_places);
	tcase_add_test(t, finish_writes_what_is_left);
	tcase_add_test(t, a_closed_reader_ends_it_quietly);
	tcase_add_test(t, a_reader_that_goes_while_it_is_full_ends_it_too);
	tcase_add_test(t, a_file_gets_its_text_at_once);
	tcase_add_test(t, a_full_disk_ends_it_quietly);
	tcase_add_test(t, a_socket_is_not_waited_for);
	tcase_add_test(t, a_descriptor_that_is_not_there_takes_nothing);
	suite_add_tcase(s, t);
	return run_suite(s);
}
