/* The four bounds on slowness, with times of our own. */
#include "daemon/xfer/pace.h"

#include <check.h>
#include <string.h>

#include "base/buf.h"
#include "run_suite.h"

enum { START = 1000000, SECOND = 1000 };

static struct spec *job;
static struct pace pace;
static struct result why;

static void
setup(void)
{
	AUTO_BUF struct buf b = { 0 };

	spec_put_number(&b, JOB_STALL_TIMEOUT, 30 * SECOND);
	spec_put_number(&b, JOB_SPEED_LIMIT, 100);
	spec_put_number(&b, JOB_SPEED_TIME, 10 * SECOND);
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &job), 0);
	pace_start(&pace, START);
}

static void
teardown(void)
{
	spec_unref(job);
}

/* After so many seconds, with so many bytes. */
static bool
late(uint64_t seconds, uint64_t bytes)
{
	return pace_is_late(&pace, START + seconds * SECOND, bytes, false, job, "host.example", &why);
}

static void
assert_why(enum result_code code, const char *says)
{
	ck_assert_int_eq(why.code, code);
	ck_assert_msg(strstr(why.text, says), "%s", why.text);
}

START_TEST(before_the_answer_only_silence_counts)
{
	ck_assert(!late(29, 0));
	ck_assert(!late(30, 0));
	ck_assert(late(31, 0));
	assert_why(RESULT_STALLED, "no byte from host.example for 30000 ms (stall-timeout)");
}
END_TEST

START_TEST(a_header_has_to_end)
{
	for (unsigned s = 5; s < 35; s++) {
		pace_header(&pace, START + s * SECOND);
		ck_assert(!late(s, 0));
	}
	ck_assert(!late(35, 0));
	ck_assert(late(36, 0));
	assert_why(RESULT_STALLED, "the header of host.example did not end within 30000 ms (stall-timeout)");
}
END_TEST

START_TEST(a_body_may_be_as_slow_as_the_limit)
{
	pace_header(&pace, START);
	pace_begin(&pace, START + SECOND, 0);
	for (unsigned s = 1; s < 100; s++) {
		pace_touch(&pace, START + s * SECOND);
		ck_assert_msg(!late(s, 100 * (s - 1)), "%u %s", s, why.text);
	}
}
END_TEST

START_TEST(a_body_that_drips_is_stalled)
{
	unsigned s = 1;

	pace_header(&pace, START);
	pace_begin(&pace, START + SECOND, 0);
	for (; s < 60; s++) {
		pace_touch(&pace, START + s * SECOND);
		if (late(s, 99 * (s - 1)))
			break;
	}
	ck_assert_uint_eq(s, 11);
	assert_why(RESULT_STALLED, "only 990 bytes came from host.example in 10000 ms, less than speed-limit (100 a second)");
}
END_TEST

/* Fast at first does not pay for slow later: each speed-time counts alone. */
START_TEST(a_fast_beginning_is_no_excuse)
{
	unsigned s = 0;

	pace_begin(&pace, START, 0);
	for (; s < 60; s++) {
		pace_touch(&pace, START + s * SECOND);
		if (late(s, 1000000 + s))
			break;
	}
	ck_assert_uint_eq(s, 20);
}
END_TEST

START_TEST(a_hold_counts_for_nothing)
{
	pace_begin(&pace, START, 0);
	for (unsigned s = 0; s < 1000; s++)
		ck_assert(!pace_is_late(&pace, START + s * SECOND, 10, true, job, "h", &why));
	pace_begin(&pace, START + 1000 * SECOND, 10); /* let go */
	ck_assert(!late(1009, 10));
	ck_assert(late(1010, 10));
	assert_why(RESULT_STALLED, "only 0 bytes");
}
END_TEST

START_TEST(a_trailer_is_no_life_sign)
{
	pace_begin(&pace, START, 0);
	pace_touch(&pace, START);
	for (unsigned s = 1; s <= 9; s++)
		pace_header(&pace, START + s * SECOND);
	ck_assert(late(10, 0));
}
END_TEST

START_TEST(zero_turns_the_speed_off)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_SPEC struct spec *off = NULL;

	spec_put_number(&b, JOB_SPEED_LIMIT, 0);
	spec_put_number(&b, JOB_MAX_TIME, 500 * SECOND);
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &off), 0);
	pace_begin(&pace, START, 0);
	for (unsigned s = 0; s <= 500; s++) {
		pace_touch(&pace, START + s * SECOND);
		ck_assert(!pace_is_late(&pace, START + s * SECOND, 1, s % 2, off, "h", &why));
	}
	ck_assert(pace_is_late(&pace, START + 501 * SECOND, 1, true, off, "h", &why)); /* held or not */
	assert_why(RESULT_TIMEOUT, "max-time (500000 ms)");
}
END_TEST

/* Nobody has to ask for it: a byte a second does not hold a slot for ever. */
START_TEST(the_defaults_bound_a_drip)
{
	AUTO_SPEC struct spec *none = NULL;
	unsigned s = 0;

	ck_assert_int_eq(spec_new(SCOPE_JOB, "", 0, NULL, &none), 0);
	pace_begin(&pace, START, 0);
	for (; s < 1000; s++) {
		pace_touch(&pace, START + s * SECOND);
		if (pace_is_late(&pace, START + s * SECOND, s, false, none, "h", &why))
			break;
	}
	ck_assert_uint_eq(s, 60);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pace");
	TCase *t = add_case(s, "bounds", setup, teardown, 0);

	tcase_add_test(t, before_the_answer_only_silence_counts);
	tcase_add_test(t, a_header_has_to_end);
	tcase_add_test(t, a_body_may_be_as_slow_as_the_limit);
	tcase_add_test(t, a_body_that_drips_is_stalled);
	tcase_add_test(t, a_fast_beginning_is_no_excuse);
	tcase_add_test(t, a_hold_counts_for_nothing);
	tcase_add_test(t, a_trailer_is_no_life_sign);
	tcase_add_test(t, zero_turns_the_speed_off);
	tcase_add_test(t, the_defaults_bound_a_drip);
	return run_suite(s);
}
