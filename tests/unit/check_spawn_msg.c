/* What hauld and hauld-spawn say to each other: round trips, limits, cut messages. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "read_back.h"
#include "run_suite.h"
#include "wire/spawn_msg.h"

static struct message
next(enum spawn_msg_type type, uint64_t id)
{
	return next_of(SPAWN_PROTO, type, id);
}

static char *argv[] = { (char[]){ "/bin/x" }, (char[]){ "" }, (char[]){ "two words" }, NULL };
static char *env[] = { (char[]){ "HAUL_A=1" }, (char[]){ "HAUL_B=" }, NULL };
static char *none[] = { NULL };

START_TEST(a_program_comes_through)
{
	struct spawn_run r = { .argv = argv, .env = env, .input = { "{}\0\n", 4 }, .timeout_ms = 60000, .answers = true }, got;
	struct message m;

	spawn_put_run(&reader.in, 7, &r);
	m = next(SPAWN_RUN, 7);
	ck_assert_int_eq(spawn_get_run(&m, &got), 0);
	for (unsigned i = 0; argv[i]; i++)
		ck_assert_str_eq(got.argv[i], argv[i]);
	ck_assert_ptr_null(got.argv[3]);
	ck_assert_str_eq(got.env[1], "HAUL_B=");
	ck_assert_ptr_null(got.env[2]);
	ck_assert_uint_eq(got.input.len, 4);
	ck_assert_mem_eq(got.input.at, "{}\0\n", 4);
	ck_assert_uint_eq(got.timeout_ms, 60000);
	ck_assert(got.answers);
	spawn_run_done(&got);
}
END_TEST

START_TEST(the_least_and_the_largest_program_come_through)
{
	char *args[SPAWN_ARGS_MAX + 1] = { NULL }, *input = xcalloc(1, SPAWN_INPUT_MAX);
	struct spawn_run r = { .argv = argv + 2, .env = none, .timeout_ms = 1 }, got;
	struct message m;

	r.input = (struct text){ "", 0 };
	spawn_put_run(&reader.in, 1, &r);
	m = next(SPAWN_RUN, 1);
	ck_assert_int_eq(spawn_get_run(&m, &got), 0);
	spawn_run_done(&got);
	for (unsigned i = 0; i < SPAWN_ARGS_MAX; i++) {
		args[i] = xcalloc(1, SPAWN_ARGV_BYTES_MAX / SPAWN_ARGS_MAX + 1);
		memset(args[i], 'x', SPAWN_ARGV_BYTES_MAX / SPAWN_ARGS_MAX);
	}
	r = (struct spawn_run){ .argv = args, .env = none, .input = { input, SPAWN_INPUT_MAX }, .timeout_ms = INT64_MAX };
	spawn_put_run(&reader.in, 2, &r);
	m = next(SPAWN_RUN, 2);
	ck_assert_int_eq(spawn_get_run(&m, &got), 0);
	ck_assert_uint_eq(got.input.len, SPAWN_INPUT_MAX);
	ck_assert_str_eq(got.argv[SPAWN_ARGS_MAX - 1], args[0]);
	spawn_run_done(&got);
	for (unsigned i = 0; i < SPAWN_ARGS_MAX; i++)
		free(args[i]);
	free(input);
}
END_TEST

/* Bytes of an encoded program, and what they may not be. */
static const struct {
	size_t at;
	uint8_t bytes[8];
	size_t n;
} bad_bytes[] = {
	{ 0, { 2 }, 1 },          /* answers */
	{ 1, { 0 }, 8 },          /* no time at all */
	{ 8, { 0x80 }, 1 },       /* more than there is */
	{ 9, { 0 }, 1 },          /* no program: and the rest makes no sense */
	{ 9, { 65 }, 1 },         /* more arguments than there may be */
	{ 10, { 0xff, 0xff }, 2 }, /* an argument longer than the message */
	{ 12, { 0 }, 1 },         /* a NUL in an argument */
};

START_TEST(a_bad_program_is_refused)
{
	struct spawn_run r = { .argv = argv, .env = env, .input = { "{}", 2 }, .timeout_ms = 60000 }, got;
	struct message m;

	spawn_put_run(&reader.in, 7, &r);
	memcpy(buf_bytes(&reader.in) + FRAME_HEADER_SIZE + bad_bytes[_i].at, bad_bytes[_i].bytes, bad_bytes[_i].n);
	m = next(SPAWN_RUN, 7);
	ck_assert_int_eq(spawn_get_run(&m, &got), -EPROTO);
}
END_TEST

START_TEST(a_program_cut_anywhere_is_refused)
{
	struct spawn_run r = { .argv = argv, .env = env, .input = { "{}", 2 }, .timeout_ms = 60000 }, got;
	struct message m;

	spawn_put_run(&reader.in, 7, &r);
	m = next(SPAWN_RUN, 7);
	for (size_t n = m.len; n-- > 0;) {
		m.len = n;
		ck_assert_int_eq(spawn_get_run(&m, &got), -EPROTO);
	}
}
END_TEST

START_TEST(too_many_bytes_of_arguments_are_refused)
{
	char *args[6] = { NULL };
	struct spawn_run r = { .argv = args, .env = none, .input = { "", 0 }, .timeout_ms = 1 }, got;
	struct message m;

	for (unsigned i = 0; i < 5; i++) {
		args[i] = xcalloc(1, 60001);
		memset(args[i], 'x', 60000); /* one may be so long, but not five */
	}
	spawn_put_run(&reader.in, 1, &r);
	m = next(SPAWN_RUN, 1);
	ck_assert_int_eq(spawn_get_run(&m, &got), -EPROTO);
	for (unsigned i = 0; i < 5; i++)
		free(args[i]);
}
END_TEST

START_TEST(an_end_comes_through)
{
	struct spawn_end e = {
		.how = SPAWN_KILLED, .value = 9, .timed_out = true, .cut = true, .dropped = UINT64_MAX,
		.text = { "why", 3 }, .answer = { "http://x/\n", 10 },
	}, got;
	struct message m;

	spawn_put_end(&reader.in, 3, &e);
	m = next(SPAWN_END, 3);
	ck_assert_int_eq(spawn_get_end(&m, &got), 0);
	ck_assert_int_eq(got.how, SPAWN_KILLED);
	ck_assert_uint_eq(got.value, 9);
	ck_assert(got.timed_out && got.cut);
	ck_assert_uint_eq(got.dropped, UINT64_MAX);
	ck_assert_mem_eq(got.text.at, "why", 3);
	ck_assert_mem_eq(got.answer.at, "http://x/\n", 10);
	for (size_t n = m.len; n-- > 0;) {
		m.len = n;
		ck_assert_int_eq(spawn_get_end(&m, &got), -EPROTO);
	}
}
END_TEST

START_TEST(an_end_above_its_limits_is_refused)
{
	char *text = xcalloc(1, SPAWN_ANSWER_MAX + 1);
	struct spawn_end e = { .how = SPAWN_EXITED, .text = { "", 0 }, .answer = { text, SPAWN_ANSWER_MAX } }, got;
	struct message m;

	spawn_put_end(&reader.in, 1, &e);
	m = next(SPAWN_END, 1);
	ck_assert_int_eq(spawn_get_end(&m, &got), 0);
	e.answer.len++;
	spawn_put_end(&reader.in, 2, &e);
	m = next(SPAWN_END, 2);
	ck_assert_int_eq(spawn_get_end(&m, &got), -EPROTO);
	e.answer.len = 0;
	e.text = (struct text){ text, SPAWN_TEXT_MAX + 1 };
	spawn_put_end(&reader.in, 3, &e);
	m = next(SPAWN_END, 3);
	ck_assert_int_eq(spawn_get_end(&m, &got), -EPROTO);
	free(text);
}
END_TEST

START_TEST(lines_and_words_come_through)
{
	char *text = xcalloc(1, SPAWN_LINE_MAX + 1);
	struct message m;
	struct text got;

	spawn_put_hello(&reader.in);
	m = next(SPAWN_HELLO, 0);
	ck_assert_int_eq(spawn_get_hello(&m), 0);
	m.len--;
	ck_assert_int_eq(spawn_get_hello(&m), -EPROTO);
	spawn_put_kill(&reader.in, 4);
	m = next(SPAWN_KILL, 4);
	ck_assert_int_eq(spawn_get_kill(&m), 0);
	spawn_put_line(&reader.in, 5, (struct text){ text, SPAWN_LINE_MAX });
	m = next(SPAWN_LINE, 5);
	ck_assert_int_eq(spawn_get_line(&m, &got), 0);
	ck_assert_uint_eq(got.len, SPAWN_LINE_MAX);
	spawn_put_line(&reader.in, 6, (struct text){ text, SPAWN_LINE_MAX + 1 });
	m = next(SPAWN_LINE, 6);
	ck_assert_int_eq(spawn_get_line(&m, &got), -EPROTO);
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("spawn_msg");
	TCase *t = tcase_create("messages");

	tcase_add_checked_fixture(t, reader_setup, reader_teardown);
	tcase_add_test(t, a_program_comes_through);
	tcase_add_test(t, the_least_and_the_largest_program_come_through);
	tcase_add_loop_test(t, a_bad_program_is_refused, 0, (int)ARRAY_SIZE(bad_bytes));
	tcase_add_test(t, a_program_cut_anywhere_is_refused);
	tcase_add_test(t, too_many_bytes_of_arguments_are_refused);
	tcase_add_test(t, an_end_comes_through);
	tcase_add_test(t, an_end_above_its_limits_is_refused);
	tcase_add_test(t, lines_and_words_come_through);
	suite_add_tcase(s, t);
	return run_suite(s);
}
