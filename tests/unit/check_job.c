/* Jobs: which state may follow which, what the one mover stamps, labels. */
#include "model/job.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "run_suite.h"

/* The page of law, DESIGN 4, as a picture: row from, column to, 'x' allowed. */
static const char *const allowed[_JOB_STATE_MAX] = {
	/*                    QBAPDFC */
	[JOB_QUEUED] = /*  */ ".xxx.xx",
	[JOB_BLOCKED] = /* */ "x.xx.xx",
	[JOB_ACTIVE] = /*  */ "xx.xxxx",
	[JOB_PAUSED] = /*  */ "xx...xx",
	[JOB_DONE] = /*    */ "x......",
	[JOB_FAILED] = /*  */ "x......",
	[JOB_CANCELLED] = /**/ "x......",
};

static struct job
job_of(const char *name, const char *output)
{
	AUTO_BUF struct buf b = { 0 };
	AUTO_SPEC struct spec *s = NULL;
	struct job j;

	if (name)
		spec_put_string(&b, JOB_NAME, name);
	if (output)
		spec_put_string(&b, JOB_OUTPUT, output);
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &s), 0);
	job_init(&j, 7, s);
	return j;
}

/* To any state by a way that is allowed. */
static void
lead_to(struct job *j, enum job_state to)
{
	if (to == JOB_QUEUED)
		return;
	job_set_state(j, JOB_ACTIVE);
	job_set_state(j, to);
	ck_assert_int_eq(j->state, to);
}

START_TEST(a_new_job_is_queued_and_has_no_times)
{
	struct job j = job_of("a", NULL);

	ck_assert_int_eq(j.state, JOB_QUEUED);
	ck_assert_int_eq(j.phase, PHASE_NONE);
	ck_assert_uint_eq(j.id, 7);
	ck_assert_uint_eq(j.attempts, 0);
	ck_assert_uint_eq(j.started_ms, 0);
	ck_assert_uint_eq(j.ended_ms, 0);
	ck_assert(!job_is_over(&j));
	job_done(&j);
	ck_assert_ptr_null(j.spec);
}
END_TEST

START_TEST(the_job_holds_its_spec)
{
	AUTO_BUF struct buf b = { 0 };
	struct spec *s;
	struct job j;

	spec_put_string(&b, JOB_NAME, "held");
	ck_assert_int_eq(spec_new(SCOPE_JOB, buf_bytes(&b), buf_len(&b), NULL, &s), 0);
	job_init(&j, 1, s);
	spec_unref(s);
	ck_assert_str_eq(spec_string(j.spec, JOB_NAME), "held");
	job_done(&j);
}
END_TEST

START_TEST(every_pair_of_states_is_as_in_the_table)
{
	for (int from = 0; from < _JOB_STATE_MAX; from++)
		for (int to = 0; to < _JOB_STATE_MAX; to++)
			ck_assert_msg(job_state_can((enum job_state)from, (enum job_state)to) == (allowed[from][to] == 'x'),
			    "%s -> %s", job_state_to_string((enum job_state)from),
			    job_state_to_string((enum job_state)to));
	ck_assert(!job_state_can(_JOB_STATE_MAX, JOB_QUEUED));
	ck_assert(!job_state_can(JOB_QUEUED, _JOB_STATE_MAX));
	ck_assert(!job_state_can((enum job_state)1000, (enum job_state)1000));
}
END_TEST

START_TEST(the_mover_makes_every_allowed_change)
{
	for (int from = 0; from < _JOB_STATE_MAX; from++)
		for (int to = 0; to < _JOB_STATE_MAX; to++) {
			struct job j = job_of("a", NULL);

			if (allowed[from][to] == 'x') {
				lead_to(&j, (enum job_state)from);
				job_set_state(&j, (enum job_state)to);
				ck_assert_int_eq(j.state, to);
				ck_assert(job_is_over(&j) == (to >= JOB_DONE));
			}
			job_done(&j);
		}
}
END_TEST

START_TEST(staying_where_it_is_changes_nothing)
{
	for (int s = 0; s < _JOB_STATE_MAX; s++) {
		struct job j = job_of("a", NULL), before;

		lead_to(&j, (enum job_state)s);
		j.phase = PHASE_VERIFY;
		j.ended_ms = 3;
		before = j;
		job_set_state(&j, (enum job_state)s);
		ck_assert_int_eq(j.state, before.state);
		ck_assert_int_eq(j.phase, before.phase);
		ck_assert_uint_eq(j.started_ms, before.started_ms);
		ck_assert_uint_eq(j.ended_ms, before.ended_ms);
		job_done(&j);
	}
}
END_TEST

/* _i: from * states + to.  Only where each test has a process of its own. */
START_TEST(a_forbidden_change_ends_the_process)
{
	struct job j = job_of("a", NULL);

	ck_assert_ptr_nonnull(freopen("/dev/null", "we", stderr)); /* it is expected */
	j.state = (enum job_state)(_i / _JOB_STATE_MAX);
	job_set_state(&j, (enum job_state)(_i % _JOB_STATE_MAX));
}
END_TEST

START_TEST(the_start_is_stamped_once)
{
	uint64_t before = clock_now_ms();
	struct job j = job_of("a", NULL);

	job_set_state(&j, JOB_BLOCKED);
	ck_assert_uint_eq(j.started_ms, 0);
	job_set_state(&j, JOB_ACTIVE);
	ck_assert_uint_ge(j.started_ms, before);
	ck_assert_uint_le(j.started_ms, clock_now_ms());
	ck_assert_uint_eq(j.ended_ms, 0);
	j.started_ms = 5;
	job_set_state(&j, JOB_QUEUED);
	job_set_state(&j, JOB_ACTIVE);
	ck_assert_uint_eq(j.started_ms, 5);
	job_done(&j);
}
END_TEST

START_TEST(the_end_is_stamped_by_every_end_and_only_there)
{
	for (int s = 0; s < _JOB_STATE_MAX; s++) {
		uint64_t before = clock_now_ms();
		struct job j = job_of("a", NULL);

		lead_to(&j, (enum job_state)s);
		if (s >= JOB_DONE) {
			ck_assert_uint_ge(j.ended_ms, before);
			ck_assert_uint_le(j.ended_ms, clock_now_ms());
		} else {
			ck_assert_uint_eq(j.ended_ms, 0);
		}
		job_done(&j);
	}
}
END_TEST

START_TEST(a_job_that_fails_unstarted_has_no_start)
{
	struct job j = job_of("a", NULL);

	job_set_state(&j, JOB_FAILED);
	ck_assert_uint_eq(j.started_ms, 0);
	ck_assert_uint_gt(j.ended_ms, 0);
	job_done(&j);
}
END_TEST

START_TEST(the_phase_goes_with_the_active_state)
{
	for (int to = 0; to < _JOB_STATE_MAX; to++) {
		struct job j = job_of("a", NULL);

		job_set_state(&j, JOB_ACTIVE);
		j.phase = PHASE_DOWNLOAD;
		if (to != JOB_ACTIVE) {
			job_set_state(&j, (enum job_state)to);
			ck_assert_int_eq(j.phase, PHASE_NONE);
		}
		job_done(&j);
	}
}
END_TEST

START_TEST(the_words_are_those_users_see)
{
	static const char *const states[_JOB_STATE_MAX] = { "queued", "blocked", "active", "paused", "done", "failed", "cancelled" };
	static const char *const phases[_PHASE_MAX] = { "", "connect", "download", "verify", "decompress", "publish", "hook" };

	for (int i = 0; i < _JOB_STATE_MAX; i++)
		ck_assert_str_eq(job_state_to_string((enum job_state)i), states[i]);
	for (int i = 0; i < _PHASE_MAX; i++)
		ck_assert_str_eq(job_phase_to_string((enum job_phase)i), phases[i]);
	ck_assert_str_eq(job_state_to_string(_JOB_STATE_MAX), "?");
	ck_assert_str_eq(job_phase_to_string(_PHASE_MAX), "?");
}
END_TEST

START_TEST(the_label_is_the_name_else_the_file)
{
	static const struct {
		const char *name, *output, *label;
	} rows[] = {
		{ "geoip", "/srv/haul/geo.mmdb", "geoip" },
		{ "geoip", NULL, "geoip" },
		{ NULL, "/srv/haul/geo.mmdb", "geo.mmdb" },
		{ NULL, "/geo.mmdb", "geo.mmdb" },
		{ NULL, "geo.mmdb", "geo.mmdb" },
		{ NULL, NULL, "?" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct job j = job_of(rows[i].name, rows[i].output);

		ck_assert_str_eq(job_label(&j), rows[i].label);
		job_done(&j);
	}
}
END_TEST

/* ---- Results ---- */

START_TEST(a_job_that_has_not_tried_has_the_empty_result)
{
	struct job j = job_of("a", NULL), k = job_of("b", NULL);
	struct result none = { 0 };

	ck_assert_int_eq(j.result->code, RESULT_OK);
	ck_assert_str_eq(j.result->text, "");
	job_set_result(&j, &none); /* nor has one that is done */
	ck_assert_ptr_eq(j.result, k.result);
	job_done(&j);
	job_done(&k);
}
END_TEST

START_TEST(a_result_is_copied)
{
	struct job j = job_of("a", NULL);
	struct result r = { .http_status = 503 };

	result_set(&r, RESULT_HTTP, "busy");
	job_set_result(&j, &r);
	result_set(&r, RESULT_DNS, "gone");
	ck_assert_int_eq(j.result->code, RESULT_HTTP);
	ck_assert_int_eq(j.result->http_status, 503);
	ck_assert_str_eq(j.result->text, "busy");
	job_set_result(&j, &r);
	ck_assert_str_eq(j.result->text, "gone");
	job_set_result(&j, j.result); /* its own is as good as any */
	ck_assert_str_eq(j.result->text, "gone");
	job_restart(&j);
	ck_assert_int_eq(j.result->code, RESULT_OK);
	job_done(&j);
}
END_TEST

/* An os error or a status alone is something to be told. */
START_TEST(only_an_empty_result_is_left_out)
{
	static const struct result rows[] = {
		{ .code = RESULT_DNS }, { .http_status = 200 }, { .os_error = 5 }, { .text = "x" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct job j = job_of("a", NULL);

		job_set_result(&j, &rows[i]);
		ck_assert_mem_eq(j.result, &rows[i], sizeof rows[i]);
		job_done(&j);
	}
}
END_TEST

START_TEST(a_shared_result_is_borrowed)
{
	static const struct result shared = { .code = RESULT_INTERRUPTED, .text = "the end" };
	struct job j = job_of("a", NULL), k = job_of("b", NULL);
	struct result own = { .code = RESULT_DNS };

	job_set_result(&j, &own);
	job_share_result(&j, &shared);
	job_share_result(&k, &shared);
	ck_assert_ptr_eq(j.result, &shared);
	job_set_result(&k, &own);
	ck_assert_int_eq(k.result->code, RESULT_DNS);
	job_done(&j);
	job_done(&k);
}
END_TEST

/* A million of them are in memory. */
START_TEST(a_job_is_small)
{
	ck_assert_uint_le(sizeof(struct job), 80);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("job");
	TCase *states = tcase_create("states"), *stamps = tcase_create("stamps"), *words = tcase_create("words");
	TCase *results = tcase_create("results");

	tcase_add_test(states, a_new_job_is_queued_and_has_no_times);
	tcase_add_test(states, the_job_holds_its_spec);
	tcase_add_test(states, every_pair_of_states_is_as_in_the_table);
	tcase_add_test(states, the_mover_makes_every_allowed_change);
	tcase_add_test(states, staying_where_it_is_changes_nothing);
	for (int i = 0; tests_fork() && i < _JOB_STATE_MAX * _JOB_STATE_MAX; i++)
		if (i / _JOB_STATE_MAX != i % _JOB_STATE_MAX && allowed[i / _JOB_STATE_MAX][i % _JOB_STATE_MAX] != 'x')
			tcase_add_loop_test_raise_signal(states, a_forbidden_change_ends_the_process, SIGABRT, i, i + 1);
	suite_add_tcase(s, states);
	tcase_add_test(stamps, the_start_is_stamped_once);
	tcase_add_test(stamps, the_end_is_stamped_by_every_end_and_only_there);
	tcase_add_test(stamps, a_job_that_fails_unstarted_has_no_start);
	tcase_add_test(stamps, the_phase_goes_with_the_active_state);
	suite_add_tcase(s, stamps);
	tcase_add_test(words, the_words_are_those_users_see);
	tcase_add_test(words, the_label_is_the_name_else_the_file);
	suite_add_tcase(s, words);
	tcase_add_test(results, a_job_that_has_not_tried_has_the_empty_result);
	tcase_add_test(results, a_result_is_copied);
	tcase_add_test(results, only_an_empty_result_is_left_out);
	tcase_add_test(results, a_shared_result_is_borrowed);
	tcase_add_test(results, a_job_is_small);
	suite_add_tcase(s, results);
	return run_suite(s);
}
