/* Whether a failed attempt is repeated; the wait before it: its bounds, its spread,
 * Retry-After; what retry-on takes and means. */
#include "model/retry.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "run_suite.h"

enum { SAMPLES = 100000, BUCKETS = 20 };

static uint64_t
next_random(uint64_t *state) /* xorshift64*, Vigna 2016 */
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* A job's settings: numbers as pairs of id and value, ended by 0; retry-on as given, apart by blanks. */
static struct spec *
job_of(const uint64_t *numbers, const char *retry_on)
{
	AUTO_BUF struct buf b = { 0 };
	struct spec *s;

	for (; numbers && *numbers; numbers += 2)
		spec_put_number(&b, (enum setting_id)numbers[0], numbers[1]);
	while (retry_on && *retry_on) {
		AUTO_FREE char *one = strndup(retry_on, strcspn(retry_on, " "));

		spec_put_string(&b, JOB_RETRY_ON, one);
		retry_on += strlen(one);
		retry_on += *retry_on == ' ';
	}
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &s), 0);
	return s;
}

enum { BACKOFF_CAP_MS = 60 * 1000 }; /* the default of retry-max-delay */

/* The delay before the repeat of a job that has only defaults, but for any number of repeats. */
static uint64_t
backoff_delay_ms(enum result_class c, unsigned attempt, uint64_t retry_after_ms, uint64_t random)
{
	static struct spec *spec;
	struct result r = { .code = c == CLASS_RETRY_LATER ? RESULT_HTTP : RESULT_CONNECT, .http_status = 503 };
	struct retry_state s = { .attempts = attempt == UINT_MAX ? attempt : attempt + 1,
		.retry_after_ms = retry_after_ms, .random = random };
	struct retry_policy p;
	uint64_t delay = UINT64_MAX;

	if (!spec)
		spec = job_of(NULL, NULL);
	p = retry_policy_of(spec);
	p.repeats = UINT_MAX;
	ck_assert_int_eq(retry_decide(&p, &r, &s, &delay), RETRY_AGAIN);
	return delay;
}

/* What the header promises, computed in its own words. */
static uint64_t
bound(enum result_class c, unsigned attempt)
{
	double v = c == CLASS_RETRY_LATER ? 5000 : 100;

	while (attempt--)
		v = MIN(v * 2, 1e9);
	return (uint64_t)MIN(v, 60000.0);
}

START_TEST(the_steps_double_up_to_a_minute)
{
	static const uint64_t now[] = { 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000 };
	static const uint64_t later[] = { 5000, 10000, 20000, 40000, 60000, 60000 };

	for (unsigned i = 0; i < ARRAY_SIZE(now); i++) {
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_NOW, i, 0, now[i]), now[i]);
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_NOW, i, 0, now[i] + 1), 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(later); i++) {
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_LATER, i, 0, later[i]), later[i]);
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_LATER, i, 0, later[i] + 1), 0);
	}
}
END_TEST

START_TEST(no_random_number_leaves_the_bounds)
{
	uint64_t state = 1;

	for (unsigned n = 0; n < SAMPLES; n++) {
		enum result_class c = n % 2 ? CLASS_RETRY_NOW : CLASS_RETRY_LATER;
		unsigned attempt = n % 40;

		ck_assert_uint_le(backoff_delay_ms(c, attempt, 0, next_random(&state)), bound(c, attempt));
		ck_assert_uint_le(backoff_delay_ms(c, attempt, 0, UINT64_MAX - n), bound(c, attempt));
	}
}
END_TEST

START_TEST(any_number_of_attempts_ends_at_the_cap)
{
	static const unsigned attempts[] = { 10, 64, 65, 1000000, UINT_MAX - 1, UINT_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(attempts); i++) {
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_NOW, attempts[i], 0, BACKOFF_CAP_MS), BACKOFF_CAP_MS);
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_LATER, attempts[i], 0, BACKOFF_CAP_MS), BACKOFF_CAP_MS);
	}
}
END_TEST

/* Chi-square over BUCKETS equal parts of the range; 19 degrees of freedom,
 * 43.8 is passed once in a thousand, and the seed is fixed. */
START_TEST(the_delays_are_spread_evenly)
{
	static const unsigned attempts[] = { 0, 3, 9, 20 };

	for (unsigned i = 0; i < ARRAY_SIZE(attempts); i++) {
		double chi = 0, expected = (double)SAMPLES / BUCKETS;
		uint64_t n = bound(CLASS_RETRY_NOW, attempts[i]) + 1, state = 42;
		unsigned count[BUCKETS] = { 0 }, taken = 0;

		while (taken < SAMPLES) {
			uint64_t d = backoff_delay_ms(CLASS_RETRY_NOW, attempts[i], 0, next_random(&state));

			if (d >= n / BUCKETS * BUCKETS)
				continue; /* what does not divide evenly */
			count[d / (n / BUCKETS)]++;
			taken++;
		}
		for (unsigned b = 0; b < BUCKETS; b++)
			chi += (count[b] - expected) * (count[b] - expected) / expected;
		ck_assert_msg(chi < 43.8, "attempt %u: chi-square is %f", attempts[i], chi);
	}
}
END_TEST

START_TEST(retry_after_is_the_least)
{
	uint64_t state = 7;

	for (unsigned n = 0; n < 1000; n++) {
		uint64_t random = next_random(&state), plain = backoff_delay_ms(CLASS_RETRY_LATER, 2, 0, random);
		uint64_t asked = n * 40, got = backoff_delay_ms(CLASS_RETRY_LATER, 2, asked, random);

		ck_assert_uint_ge(got, asked);
		ck_assert_uint_eq(got, MAX(plain, asked));
	}
}
END_TEST

START_TEST(retry_after_may_be_longer_than_the_cap_of_the_steps)
{
	ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_LATER, 0, 10 * 60 * 1000, 0), 10 * 60 * 1000);
}
END_TEST

START_TEST(a_server_may_not_ask_for_more_than_an_hour)
{
	static const uint64_t asked[] = { 3600 * 1000 + 1, UINT64_C(86400) * 1000, UINT64_MAX };

	ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_LATER, 0, 3600 * 1000, 0), 3600 * 1000);
	for (unsigned i = 0; i < ARRAY_SIZE(asked); i++)
		ck_assert_uint_eq(backoff_delay_ms(CLASS_RETRY_LATER, 50, asked[i], UINT64_MAX), 3600 * 1000);
}
END_TEST

/* ---- Settings ---------------------------------------------------------------- */

static enum retry_verdict
decide(const uint64_t *numbers, const struct result *r, struct retry_state s, uint64_t *ret_delay)
{
	AUTO_SPEC struct spec *spec = job_of(numbers, NULL);
	struct retry_policy p = retry_policy_of(spec);

	*ret_delay = UINT64_MAX;
	return retry_decide(&p, r, &s, ret_delay);
}

static const struct result refused = { .code = RESULT_CONNECT };
static const struct result busy = { .code = RESULT_HTTP, .http_status = 503 };
static const struct result gone = { .code = RESULT_HTTP, .http_status = 404 };

START_TEST(retry_counts_repeats)
{
	uint64_t delay;

	for (unsigned n = 1; n < 8; n++)
		ck_assert_int_eq(decide((uint64_t[]){ JOB_RETRY, 3, 0 }, &refused, (struct retry_state){ .attempts = n }, &delay),
		    n <= 3 ? RETRY_AGAIN : RETRY_ENOUGH);
	ck_assert_int_eq(decide((uint64_t[]){ JOB_RETRY, 0, 0 }, &refused, (struct retry_state){ .attempts = 1 }, &delay), RETRY_ENOUGH);
	ck_assert_int_eq(decide(NULL, &gone, (struct retry_state){ .attempts = 1 }, &delay), RETRY_NEVER);
	ck_assert_uint_eq(delay, UINT64_MAX);
}
END_TEST

START_TEST(the_first_step_and_the_longest_are_settable)
{
	static const uint64_t numbers[] = { JOB_RETRY, 100, JOB_RETRY_DELAY, 700, JOB_RETRY_MAX_DELAY, 3000, 0 };
	static const uint64_t bounds[] = { 700, 1400, 2800, 3000, 3000 };
	uint64_t delay;

	for (unsigned i = 0; i < ARRAY_SIZE(bounds); i++) {
		struct retry_state s = { .attempts = i + 1, .random = bounds[i] };

		/* Whatever the class. */
		ck_assert_int_eq(decide(numbers, &refused, s, &delay), RETRY_AGAIN);
		ck_assert_uint_eq(delay, bounds[i]);
		ck_assert_int_eq(decide(numbers, &busy, s, &delay), RETRY_AGAIN);
		ck_assert_uint_eq(delay, bounds[i]);
		s.random++;
		ck_assert_int_eq(decide(numbers, &busy, s, &delay), RETRY_AGAIN);
		ck_assert_uint_eq(delay, 0);
	}
	/* What a server asks for is the least, whatever the longest. */
	ck_assert_int_eq(decide(numbers, &busy, (struct retry_state){ .attempts = 1, .retry_after_ms = 60000 }, &delay), RETRY_AGAIN);
	ck_assert_uint_eq(delay, 60000);
}
END_TEST

START_TEST(no_repeat_begins_behind_the_time_of_the_job)
{
	static const uint64_t numbers[] = { JOB_RETRY, 100, JOB_RETRY_DELAY, 1000, JOB_RETRY_MAX_TIME, 10000, 0 };
	static const struct {
		uint64_t elapsed, after, random;
		enum retry_verdict verdict;
	} rows[] = {
		{ 0, 0, 1000, RETRY_AGAIN }, { 9000, 0, 1000, RETRY_AGAIN }, { 9001, 0, 1000, RETRY_TOO_LATE },
		{ 9001, 0, 999, RETRY_AGAIN }, { 10000, 0, 0, RETRY_AGAIN }, { 10001, 0, 0, RETRY_TOO_LATE },
		{ UINT64_MAX, 0, 0, RETRY_TOO_LATE }, { 0, 10000, 0, RETRY_AGAIN }, { 0, 10001, 0, RETRY_TOO_LATE },
	};
	uint64_t delay;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct retry_state s = { 1, rows[i].elapsed, rows[i].after, rows[i].random };

		ck_assert_msg(decide(numbers, &busy, s, &delay) == rows[i].verdict, "row %u", i);
	}
}
END_TEST

START_TEST(wrong_bytes_are_fetched_anew_soon)
{
	static const enum result_code codes[] = { RESULT_CHECKSUM_MISMATCH, RESULT_DECODE, RESULT_SIZE_MISMATCH };
	uint64_t delay;

	for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
		struct result r = { .code = codes[i] };

		ck_assert_int_eq(result_class(&r), CLASS_FETCH_ANEW);
		ck_assert_int_eq(decide(NULL, &r, (struct retry_state){ .attempts = 1, .random = UINT64_MAX }, &delay), RETRY_AGAIN);
		ck_assert_uint_le(delay, RETRY_NOW_MS);
	}
}
END_TEST

/* ---- retry-on ----------------------------------------------------------------- */

START_TEST(the_last_entry_that_fits_counts)
{
	static const struct {
		const char *on;
		enum result_code code;
		int status;
		enum result_class class;
	} rows[] = {
		{ "404", RESULT_HTTP, 404, CLASS_RETRY_LATER }, { "404", RESULT_HTTP, 403, CLASS_PERMANENT },
		{ "404", RESULT_HTTP, 503, CLASS_RETRY_LATER }, { "4xx", RESULT_HTTP, 410, CLASS_RETRY_LATER },
		{ "4xx", RESULT_HTTP, 501, CLASS_PERMANENT }, { "5xx", RESULT_HTTP, 501, CLASS_RETRY_LATER },
		{ "5xx !501", RESULT_HTTP, 501, CLASS_PERMANENT }, { "5xx !501", RESULT_HTTP, 505, CLASS_RETRY_LATER },
		{ "!501 5xx", RESULT_HTTP, 501, CLASS_RETRY_LATER }, { "5xx,!501", RESULT_HTTP, 501, CLASS_PERMANENT },
		{ "5xx,!501,501", RESULT_HTTP, 501, CLASS_RETRY_LATER }, { "*,!404", RESULT_HTTP, 404, CLASS_PERMANENT },
		{ "*,!404", RESULT_HTTP, 403, CLASS_RETRY_LATER }, { "*,!404", RESULT_TLS, 0, CLASS_RETRY_LATER },
		{ "!503", RESULT_HTTP, 503, CLASS_PERMANENT }, { "!5*", RESULT_HTTP, 503, CLASS_PERMANENT },
		{ "40*", RESULT_HTTP, 409, CLASS_RETRY_LATER }, { "40*", RESULT_HTTP, 410, CLASS_PERMANENT },
		{ "http", RESULT_HTTP, 404, CLASS_RETRY_LATER }, { "!http", RESULT_HTTP, 503, CLASS_PERMANENT },
		{ "tls", RESULT_TLS, 0, CLASS_RETRY_LATER }, { "tls", RESULT_DNS, 0, CLASS_RETRY_NOW },
		{ "!dns", RESULT_DNS, 0, CLASS_PERMANENT }, { "!dns", RESULT_CONNECT, 0, CLASS_RETRY_NOW },
		{ "!*", RESULT_CONNECT, 0, CLASS_PERMANENT }, { "!*, connect", RESULT_CONNECT, 0, CLASS_RETRY_NOW },
		{ "!checksum-mismatch", RESULT_CHECKSUM_MISMATCH, 0, CLASS_PERMANENT },
		{ "404", RESULT_TRUNCATED, 404, CLASS_RETRY_NOW },
		/* What no repeat can mend is not repeated, whatever the list says. */
		{ "*", RESULT_DISK_FULL, 0, CLASS_PERMANENT }, { "*", RESULT_EXISTS, 0, CLASS_PERMANENT },
		{ "*", RESULT_CANCELLED, 0, CLASS_CANCELLED }, { "*", RESULT_OK, 0, CLASS_OK },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_SPEC struct spec *spec = job_of(NULL, rows[i].on);
		struct result r = { .code = rows[i].code, .http_status = rows[i].status };
		struct retry_policy p = retry_policy_of(spec);

		ck_assert_msg(retry_class(&p, &r) == rows[i].class, "%s: %s", rows[i].on, result_word(&r));
	}
}
END_TEST

START_TEST(values_of_retry_on)
{
	static const struct {
		const char *text, *why; /* a part of the sentence; NULL: it is good */
	} rows[] = {
		{ "503", NULL }, { "5xx", NULL }, { "5XX", NULL }, { "50*", NULL }, { "5*", NULL }, { "!501", NULL },
		{ "*", NULL }, { "!*", NULL }, { " 5xx , ! 501 ", NULL }, { "dns", NULL }, { "!tls", NULL },
		{ "http", NULL }, { "checksum-mismatch,decode", NULL }, { "not-yet-valid", NULL }, { "599", NULL },
		{ "", "has an empty entry" }, { "503,", "has an empty entry" }, { "!", "has an empty entry" },
		{ ",503", "has an empty entry" }, { "200", "has \"200\": a failure has a status of 300 or more" },
		{ "2xx", "300 or more" }, { "100", "300 or more" }, { "50", "is no status" }, { "5xxx", "is no status" },
		{ "5x3", "is no status" }, { "503*", "is no status" }, { "5**", "is no status" }, { "5xy", "is no status" },
		{ "xxx", "is no status" }, { "dnss", "did you mean \"dns\"?" }, { "conect", "did you mean \"connect\"?" },
		{ "truncate", "did you mean \"truncated\"?" }, { "5xx;404", "is no status" },
		{ "disk-full", "has \"disk-full\", which no repeat can mend" }, { "exists", "no repeat can mend" },
		{ "a\x1b[2Jb", "a\\x1b" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *why = retry_on_refuse(rows[i].text);

		ck_assert_msg(!why == !rows[i].why, "%s: %s", rows[i].text, why ? why : "(good)");
		ck_assert_msg(!why || strstr(why, rows[i].why), "%s: %s", rows[i].text, why);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("retry");
	TCase *steps = tcase_create("steps"), *after = tcase_create("retry-after");
	TCase *settings = tcase_create("settings");

	tcase_add_test(steps, the_steps_double_up_to_a_minute);
	tcase_add_test(steps, no_random_number_leaves_the_bounds);
	tcase_add_test(steps, any_number_of_attempts_ends_at_the_cap);
	tcase_add_test(steps, the_delays_are_spread_evenly);
	suite_add_tcase(s, steps);
	tcase_add_test(after, retry_after_is_the_least);
	tcase_add_test(after, retry_after_may_be_longer_than_the_cap_of_the_steps);
	tcase_add_test(after, a_server_may_not_ask_for_more_than_an_hour);
	suite_add_tcase(s, after);
	tcase_add_test(settings, retry_counts_repeats);
	tcase_add_test(settings, the_first_step_and_the_longest_are_settable);
	tcase_add_test(settings, no_repeat_begins_behind_the_time_of_the_job);
	tcase_add_test(settings, wrong_bytes_are_fetched_anew_soon);
	tcase_add_test(settings, the_last_entry_that_fits_counts);
	tcase_add_test(settings, values_of_retry_on);
	suite_add_tcase(s, settings);
	return run_suite(s);
}
