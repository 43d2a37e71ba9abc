/* Frames over two pipes: whole messages, one end, back-pressure. */
#include "daemon/loop/chan.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop_until.h"
#include "run_suite.h"

enum { TYPE = 1000, VERSION = 3, NO_END = 12345 };

static struct {
	struct loop *loop;
	struct chan *chan;
	int to, from; /* the other side's ends: what it writes to and reads from */
	struct buf seen; /* payloads of all messages, one behind the other */
	unsigned messages;
	uint64_t last_id;
	unsigned ends;
	int why;           /* of the end */
	bool inside;       /* a chan function is running */
	unsigned free_at;  /* free the channel in this message; 0: never */
	unsigned refuse_at; /* this message makes no sense */
	unsigned pause_at;
	bool free_at_end;
} rig;

static int
on_message(const struct message *m, void *arg)
{
	ck_assert_ptr_eq(arg, &rig);
	ck_assert(!rig.inside);
	ck_assert_ptr_nonnull(rig.chan);
	ck_assert_uint_eq(rig.ends, 0);
	ck_assert_uint_eq(m->type, TYPE);
	ck_assert_uint_eq(m->version, VERSION);
	rig.messages++;
	rig.last_id = m->id;
	buf_append(&rig.seen, m->payload, m->len);
	if (rig.messages == rig.pause_at)
		chan_pause(rig.chan, true);
	if (rig.messages == rig.free_at)
		chan_free(TAKE_PTR(rig.chan));
	return rig.messages == rig.refuse_at ? -EPROTO : 0;
}

static void
on_closed(int why, void *arg)
{
	ck_assert_ptr_eq(arg, &rig);
	ck_assert(!rig.inside);
	rig.ends++;
	rig.why = why;
	if (rig.free_at_end)
		chan_free(TAKE_PTR(rig.chan));
}

static void
setup(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	int down[2], up[2];

	ck_assert_int_eq(sigaction(SIGPIPE, &ignore, NULL), 0);
	log_init("check", false);
	memset(&rig, 0, sizeof rig);
	rig.why = NO_END;
	ck_assert_int_eq(pipe2(down, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(up, O_CLOEXEC), 0);
	rig.to = up[1];
	rig.from = down[0];
	rig.loop = loop_new();
	rig.chan = chan_new(rig.loop, up[0], down[1], "test", on_message, on_closed, &rig);
}

static void
teardown(void)
{
	rig.inside = true;
	chan_free(TAKE_PTR(rig.chan));
	rig.inside = false;
	loop_free(rig.loop);
	fd_close(&rig.to);
	fd_close(&rig.from);
	buf_done(&rig.seen);
}

static void
put(struct buf *out, uint64_t id, const void *data, size_t n)
{
	size_t begun = frame_begin(out, TYPE, VERSION, id);

	buf_append(out, data, n);
	frame_end(out, begun);
}

/* The other side writes. */
static void
tell(const void *data, size_t n)
{
	ck_assert_int_eq(fd_write_full(rig.to, data, n), 0);
}

static void
tell_text(uint64_t id, const char *text)
{
	AUTO_BUF struct buf b = { 0 };

	put(&b, id, text, strlen(text));
	tell(buf_bytes(&b), buf_len(&b));
}

static void
assert_seen(const char *text)
{
	ck_assert_str_eq(buf_cstr(&rig.seen), text);
}

START_TEST(a_message_may_come_byte_by_byte)
{
	AUTO_BUF struct buf b = { 0 };

	put(&b, 9, "hello", 5);
	for (size_t i = 0; i < buf_len(&b); i++) {
		ck_assert_uint_eq(rig.messages, 0);
		tell(buf_bytes(&b) + i, 1);
		loop_turn(rig.loop);
	}
	ck_assert_uint_eq(rig.messages, 1);
	ck_assert_uint_eq(rig.last_id, 9);
	assert_seen("hello");
}
END_TEST

START_TEST(many_messages_may_come_at_once)
{
	AUTO_BUF struct buf b = { 0 };

	for (unsigned i = 0; i < 1000; i++)
		put(&b, i, "ab", 2);
	tell(buf_bytes(&b), buf_len(&b));
	loop_turn(rig.loop);
	ck_assert_uint_eq(rig.messages, 1000);
	ck_assert_uint_eq(rig.last_id, 999);
	ck_assert_uint_eq(buf_len(&rig.seen), 2000);
}
END_TEST

START_TEST(a_message_larger_than_a_pipe_comes_whole)
{
	enum { SIZE = 700 * 1024 };
	AUTO_FREE char *big = xmalloc(SIZE);
	AUTO_BUF struct buf b = { 0 };

	for (unsigned i = 0; i < SIZE; i++)
		big[i] = (char)(i * 7);
	put(&b, 1, big, SIZE);
	ck_assert_int_eq(fd_set_nonblock(rig.to), 0);
	while (buf_len(&b)) {
		ssize_t n = write(rig.to, buf_bytes(&b), buf_len(&b));

		if (n > 0)
			buf_consume(&b, (size_t)n);
		loop_turn(rig.loop);
	}
	loop_turn(rig.loop);
	ck_assert_uint_eq(rig.messages, 1);
	ck_assert_uint_eq(buf_len(&rig.seen), SIZE);
	ck_assert_int_eq(memcmp(buf_bytes(&rig.seen), big, SIZE), 0);
}
END_TEST

START_TEST(what_is_put_in_a_turn_leaves_at_its_end_in_one_write)
{
	char got[256];
	int waiting = -1;

	put(chan_out(rig.chan), 1, "one", 3);
	put(chan_out(rig.chan), 2, "two", 3);
	ck_assert_int_eq(ioctl(rig.from, FIONREAD, &waiting), 0);
	ck_assert_int_eq(waiting, 0); /* not from inside */
	ck_assert_uint_eq(chan_queued(rig.chan), 2 * (FRAME_HEADER_SIZE + 3));
	loop_turn(rig.loop);
	ck_assert_uint_eq(chan_queued(rig.chan), 0);
	ck_assert_int_eq(read(rig.from, got, sizeof got), 2 * (FRAME_HEADER_SIZE + 3));
	ck_assert_int_eq(memcmp(got + FRAME_HEADER_SIZE, "one", 3), 0);
}
END_TEST

/* The end. */

START_TEST(the_end_is_told_once_and_later)
{
	tell_text(1, "last");
	fd_close(&rig.to);
	ck_assert(loop_until(rig.loop, is_counted, &rig.ends, 20000));
	ck_assert_uint_eq(rig.messages, 1); /* what came before it counts */
	ck_assert_uint_eq(rig.ends, 1);
	ck_assert_int_eq(rig.why, 0);
	loop_for(rig.loop, 20);
	ck_assert_uint_eq(rig.ends, 1);
}
END_TEST

START_TEST(what_is_no_frame_ends_the_channel)
{
	tell_text(1, "good");
	tell("this is no frame, and it is longer than a header", 48);
	tell_text(2, "too late");
	ck_assert(loop_until(rig.loop, is_counted, &rig.ends, 20000));
	assert_seen("good");
	ck_assert_uint_eq(rig.ends, 1);
	ck_assert_int_eq(rig.why, -EPROTO);
	fd_close(&rig.to);
	loop_for(rig.loop, 20);
	ck_assert_uint_eq(rig.ends, 1); /* the first reason stays the only one */
	ck_assert_int_eq(rig.why, -EPROTO);
}
END_TEST

START_TEST(a_message_that_makes_no_sense_ends_the_channel)
{
	AUTO_BUF struct buf b = { 0 };

	for (unsigned i = 0; i < 5; i++)
		put(&b, i, "x", 1);
	rig.refuse_at = 3;
	tell(buf_bytes(&b), buf_len(&b));
	loop_turn(rig.loop);
	ck_assert_uint_eq(rig.messages, 3);
	ck_assert(loop_until(rig.loop, is_counted, &rig.ends, 20000));
	tell_text(6, "y");
	loop_for(rig.loop, 20);
	ck_assert_uint_eq(rig.messages, 3);
	ck_assert_uint_eq(rig.ends, 1);
	ck_assert_int_eq(rig.why, -EPROTO);
}
END_TEST

START_TEST(nothing_is_told_after_it_was_freed)
{
	fd_close(&rig.to);
	put(chan_out(rig.chan), 1, "x", 1);
	rig.inside = true;
	chan_free(TAKE_PTR(rig.chan));
	chan_free(NULL);
	rig.inside = false;
	loop_run(rig.loop); /* ends: nothing is left */
	ck_assert_uint_eq(rig.ends, 0);
}
END_TEST

/* The end was seen, its call is due, and then the owner lets go. */
START_TEST(freeing_between_the_end_and_its_call_is_quiet)
{
	struct loop_deferred stop;

	fd_close(&rig.to);
	loop_deferred_init(&stop, "stop", loop_wait_stop, rig.loop);
	loop_defer(rig.loop, &stop);
	loop_run(rig.loop);
	if (!rig.ends) {
		chan_free(TAKE_PTR(rig.chan));
		loop_run(rig.loop);
		ck_assert_uint_eq(rig.ends, 0);
	}
}
END_TEST

START_TEST(it_may_be_freed_inside_a_message)
{
	AUTO_BUF struct buf b = { 0 };

	for (unsigned i = 0; i < 5; i++)
		put(&b, i, "x", 1);
	rig.free_at = 2;
	rig.refuse_at = 2; /* and what it returns then counts no more */
	tell(buf_bytes(&b), buf_len(&b));
	fd_close(&rig.to);
	loop_run(rig.loop);
	ck_assert_uint_eq(rig.messages, 2);
	ck_assert_uint_eq(rig.ends, 0);
}
END_TEST

START_TEST(it_may_be_freed_inside_its_end)
{
	rig.free_at_end = true;
	put(chan_out(rig.chan), 1, "x", 1);
	fd_close(&rig.to);
	loop_run(rig.loop);
	ck_assert_uint_eq(rig.ends, 1);
	ck_assert_ptr_null(rig.chan);
}
END_TEST

/* Back-pressure. */

static bool
take(void *arg)
{
	struct buf *got = arg;
	ssize_t n = read(rig.from, buf_reserve(got, 65536), 65536);

	if (n > 0)
		buf_commit(got, (size_t)n);
	return n == 0;
}

START_TEST(a_full_pipe_keeps_what_it_does_not_take)
{
	enum { MESSAGES = 200, SIZE = 10000 };
	AUTO_BUF struct buf all = { 0 }, got = { 0 };
	char piece[SIZE];

	for (unsigned i = 0; i < MESSAGES; i++) {
		memset(piece, (int)i, sizeof piece);
		put(&all, i, piece, sizeof piece);
		put(chan_out(rig.chan), i, piece, sizeof piece);
	}
	loop_for(rig.loop, 10);
	ck_assert_uint_gt(chan_queued(rig.chan), SIZE);
	ck_assert_uint_lt(chan_queued(rig.chan), buf_len(&all));
	tell_text(1, "not deaf meanwhile");
	loop_for(rig.loop, 10);
	ck_assert_uint_eq(rig.messages, 1);
	chan_close_out(rig.chan); /* the end comes behind what is queued */
	ck_assert_int_eq(fd_set_nonblock(rig.from), 0);
	ck_assert(loop_until(rig.loop, take, &got, 20000));
	ck_assert_uint_eq(buf_len(&got), buf_len(&all));
	ck_assert_int_eq(memcmp(buf_bytes(&got), buf_bytes(&all), buf_len(&all)), 0);
	ck_assert_uint_eq(chan_queued(rig.chan), 0);
	ck_assert_uint_eq(rig.ends, 0);
}
END_TEST

START_TEST(a_full_pipe_costs_no_turns)
{
	AUTO_FREE char *big = xcalloc(1, 500000);
	uint64_t turns;

	put(chan_out(rig.chan), 1, big, 500000);
	loop_for(rig.loop, 10);
	turns = loop_get_stats(rig.loop)->turns;
	loop_for(rig.loop, 50); /* the test's own timer turns it up to 50 times */
	ck_assert_uint_lt(loop_get_stats(rig.loop)->turns - turns, 120);
}
END_TEST

START_TEST(after_the_out_pipe_was_closed_answers_are_still_read)
{
	char c;

	chan_close_out(rig.chan);
	loop_turn(rig.loop);
	ck_assert_int_eq(read(rig.from, &c, 1), 0);
	put(chan_out(rig.chan), 1, "nobody", 6);
	loop_turn(rig.loop);
	tell_text(3, "answer");
	loop_turn(rig.loop);
	assert_seen("answer");
	ck_assert_uint_eq(rig.ends, 0);
}
END_TEST

START_TEST(one_that_does_not_read_any_more_may_still_answer)
{
	fd_close(&rig.from);
	put(chan_out(rig.chan), 1, "nobody", 6);
	loop_turn(rig.loop);
	ck_assert_uint_eq(chan_queued(rig.chan), 0);
	tell_text(3, "answer");
	loop_turn(rig.loop);
	assert_seen("answer");
	ck_assert_uint_eq(rig.ends, 0);
	fd_close(&rig.to);
	loop_for(rig.loop, 20);
	ck_assert_uint_eq(rig.ends, 1);
	ck_assert_int_eq(rig.why, 0);
}
END_TEST

START_TEST(a_paused_channel_does_not_read)
{
	chan_pause(rig.chan, true);
	tell_text(1, "later");
	loop_for(rig.loop, 20);
	ck_assert_uint_eq(rig.messages, 0);
	chan_pause(rig.chan, false);
	loop_turn(rig.loop);
	assert_seen("later");
	rig.pause_at = 2;
	tell_text(1, "a");
	loop_turn(rig.loop);
	tell_text(1, "b");
	loop_for(rig.loop, 20);
	assert_seen("latera");
	chan_pause(rig.chan, false);
	loop_turn(rig.loop);
	assert_seen("laterab");
}
END_TEST

START_TEST(going_on_after_the_end_does_not_bring_it_twice)
{
	fd_close(&rig.to);
	loop_for(rig.loop, 10);
	chan_pause(rig.chan, true);
	chan_pause(rig.chan, false);
	loop_for(rig.loop, 20);
	ck_assert_uint_eq(rig.ends, 1);
}
END_TEST

START_TEST(a_channel_may_be_for_reading_only)
{
	int fds[2];

	chan_free(TAKE_PTR(rig.chan));
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	rig.chan = chan_new(rig.loop, fds[0], -1, "test", on_message, on_closed, &rig);
	fd_close(&rig.to);
	rig.to = fds[1];
	tell_text(1, "in");
	put(chan_out(rig.chan), 1, "nowhere", 7);
	loop_turn(rig.loop);
	chan_close_out(rig.chan);
	loop_turn(rig.loop);
	assert_seen("in");
	fd_close(&rig.to);
	loop_for(rig.loop, 20);
	ck_assert_uint_eq(rig.ends, 1);
}
END_TEST

static bool
all_came(void *arg)
{
	(void)arg;
	return rig.messages == 20000;
}

/* A child that writes without end does not keep the loop from turning. */
START_TEST(a_chatty_one_does_not_hold_the_loop)
{
	AUTO_BUF struct buf b = { 0 };

	ck_assert_int_ge(fcntl(rig.to, F_SETPIPE_SZ, 1024 * 1024), 0);
	for (unsigned i = 0; i < 20000; i++)
		put(&b, i, "0123456789", 10);
	tell(buf_bytes(&b), buf_len(&b));
	loop_turn(rig.loop);
	ck_assert_uint_gt(rig.messages, 0);
	ck_assert_uint_lt(rig.messages, 20000);
	ck_assert(loop_until(rig.loop, all_came, NULL, 20000));
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *messages = tcase_create("messages"), *ends = tcase_create("the end"), *pressure = tcase_create("back-pressure");

	tcase_add_checked_fixture(messages, setup, teardown);
	tcase_add_checked_fixture(ends, setup, teardown);
	tcase_add_checked_fixture(pressure, setup, teardown);
	tcase_add_test(messages, a_message_may_come_byte_by_byte);
	tcase_add_test(messages, many_messages_may_come_at_once);
	tcase_add_test(messages, a_message_larger_than_a_pipe_comes_whole);
	tcase_add_test(messages, what_is_put_in_a_turn_leaves_at_its_end_in_one_write);
	tcase_add_test(ends, the_end_is_told_once_and_later);
	tcase_add_test(ends, what_is_no_frame_ends_the_channel);
	tcase_add_test(ends, a_message_that_makes_no_sense_ends_the_channel);
	tcase_add_test(ends, nothing_is_told_after_it_was_freed);
	tcase_add_test(ends, freeing_between_the_end_and_its_call_is_quiet);
	tcase_add_test(ends, it_may_be_freed_inside_a_message);
	tcase_add_test(ends, it_may_be_freed_inside_its_end);
	tcase_add_test(pressure, a_full_pipe_keeps_what_it_does_not_take);
	tcase_add_test(pressure, a_full_pipe_costs_no_turns);
	tcase_add_test(pressure, after_the_out_pipe_was_closed_answers_are_still_read);
	tcase_add_test(pressure, one_that_does_not_read_any_more_may_still_answer);
	tcase_add_test(pressure, a_paused_channel_does_not_read);
	tcase_add_test(pressure, going_on_after_the_end_does_not_bring_it_twice);
	tcase_add_test(pressure, a_channel_may_be_for_reading_only);
	tcase_add_test(pressure, a_chatty_one_does_not_hold_the_loop);
	suite_add_tcase(s, messages);
	suite_add_tcase(s, ends);
	suite_add_tcase(s, pressure);
}

int
main(void)
{
	Suite *s = suite_create("chan");

	add_tests(s);
	return run_suite(s);
}
