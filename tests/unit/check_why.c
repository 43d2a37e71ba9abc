/* The sentences of `why`: none is missing, and each says what it knows. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "daemon/control/why.h"
#include "run_suite.h"

/* Those of DESIGN 4, and those that came since. */
static const char *const words[] = {
	"after:geoip", "event:go", "host-limit", "group-limit", "global-limit", "start-at", "retry-at", "rate", "request-rate",
	"disk-space", "disk-speed", "destination-busy", "origin-down", "network-down", "worker-backlog", "decoder-memory",
	"group-publish", "quota", "draining", "group-paused", "all-paused", "after-failed:geoip",
};

static struct job job = { .id = 7 };
static struct result result;
static struct engine_view view = { .job = &job };
static struct engine_reason reason;
static struct why_facts facts = { .view = &view, .reason = &reason, .now_s = 1795363484 };

static void
setup(void)
{
	struct spec *spec = NULL;

	ck_assert_int_eq(spec_new(SCOPE_JOB, "", 0, NULL, &spec), 0);
	result = (struct result){ 0 };
	reason = (struct engine_reason){ 0 };
	job = (struct job){ .id = 7, .spec = spec, .result = &result, .state = JOB_BLOCKED };
}

static void
teardown(void)
{
	spec_unref(job.spec);
}

static void
check_sentence(const char *text, const char *of)
{
	size_t n = strlen(text);

	ck_assert_msg(n > 20 && n < 600, "%s: \"%s\"", of, text);
	ck_assert_msg(strchr(text, ' ') && text[n - 1] != '.' && text[n - 1] != ' ', "%s: \"%s\"", of, text);
	ck_assert_msg(!strstr(text, "(null)") && !strstr(text, "  "), "%s: \"%s\"", of, text);
}

START_TEST(every_word_has_a_sentence_with_and_without_facts)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		AUTO_BUF struct buf bare = { 0 }, full = { 0 };

		ck_assert_msg(why_knows(words[i]), "%s", words[i]);
		reason = (struct engine_reason){ 0 };
		(void)snprintf(reason.word, sizeof reason.word, "%s", words[i]);
		why_put_waiting(&facts, &bare);
		check_sentence(buf_cstr(&bare), words[i]);
		reason.wait_ms = 42000;
		reason.jobs[0] = 3;
		reason.jobs[1] = 4;
		reason.n_jobs = 2;
		reason.has_origin = true;
		reason.origin = (struct sched_origin_view){ .origin = "https://a.example:443", .host = "a.example", .used = 5,
			.limit = 5, .failures = 3, .cause = "it is away" };
		reason.root = "/srv/haul";
		reason.need = 5000;
		reason.kept = 1 << 20;
		why_put_waiting(&facts, &full);
		check_sentence(buf_cstr(&full), words[i]);
	}
}
END_TEST

START_TEST(a_word_that_nobody_knows_is_shown)
{
	AUTO_BUF struct buf out = { 0 };

	ck_assert(!why_knows("moon"));
	ck_assert(!why_knows("after"));
	(void)snprintf(reason.word, sizeof reason.word, "moon");
	why_put_waiting(&facts, &out);
	ck_assert_str_eq(buf_cstr(&out), "moon");
}
END_TEST

static void
check_text(const char *word, const char *expected)
{
	AUTO_BUF struct buf out = { 0 };

	(void)snprintf(reason.word, sizeof reason.word, "%s", word);
	why_put_waiting(&facts, &out);
	ck_assert_msg(strstr(buf_cstr(&out), expected), "%s: \"%s\" lacks \"%s\"", word, buf_cstr(&out), expected);
}

START_TEST(sentences_say_who_and_when)
{
	reason.wait_ms = 42000;
	reason.jobs[0] = 3;
	reason.jobs[1] = 12;
	reason.n_jobs = 2;
	reason.more_jobs = true;
	reason.has_origin = true;
	reason.origin = (struct sched_origin_view){ .origin = "https://a.example:443", .host = "a.example", .used = 5, .limit = 5,
		.failures = 3, .cause = "it is away" };
	check_text("host-limit", "5 of 5 connections to a.example are in use, by jobs 3, 12 and others");
	check_text("origin-down", "https://a.example:443 has failed 3 times in a row, the last time: it is away");
	check_text("origin-down", ", in 42s");
	check_text("event:go", "`haulctl event set go`");
	result_set(&result, RESULT_HTTP, "the server is busy");
	result.http_status = 503;
	check_text("retry-at", ", in 42s, after http-503: the server is busy");
	reason.root = "/srv/haul";
	reason.need = 3 << 20;
	reason.available = 1 << 20;
	check_text("disk-space", "it needs 3.0 MiB, and the filesystem of /srv/haul has 1.0 MiB for it");
	check_text("quota", "a quota on the filesystem of /srv/haul is used up");
}
END_TEST

START_TEST(every_failure_has_advice)
{
	for (unsigned c = RESULT_OK + 1; c < _RESULT_CODE_MAX; c++) {
		struct result r = { .code = (enum result_code)c, .http_status = 404 };

		/* Some numbers are nobody's. */
		if (c == RESULT_INTERNAL || !text_equal(result_word(&r), "internal"))
			ck_assert_msg(strlen(why_advice(&r)) > 15, "%s", result_word(&r));
	}
	for (int status = 400; status < 600; status++) {
		struct result r = { .code = RESULT_HTTP, .http_status = status };

		ck_assert_msg(strlen(why_advice(&r)) > 15, "%d", status);
	}
}
END_TEST

START_TEST(each_phase_of_a_job_that_runs_has_a_sentence)
{
	for (unsigned p = PHASE_CONNECT; p < _PHASE_MAX; p++) {
		AUTO_BUF struct buf out = { 0 };

		job.state = JOB_ACTIVE;
		job.phase = (enum job_phase)p;
		why_put_active(&facts, &out);
		check_sentence(buf_cstr(&out), job_phase_to_string((enum job_phase)p));
	}
}
END_TEST

START_TEST(a_time_of_another_day_has_its_date)
{
	AUTO_BUF struct buf near = { 0 }, far = { 0 };

	why_put_time(&near, facts.now_s, facts.now_s);
	ck_assert_uint_eq(buf_len(&near), strlen("14:03:07"));
	why_put_time(&far, facts.now_s + 3 * 86400, facts.now_s);
	ck_assert_uint_eq(buf_len(&far), strlen("2026-11-22 14:03:07"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("why");
	TCase *t = add_case(s, "why", setup, teardown, 0);

	tcase_add_test(t, every_word_has_a_sentence_with_and_without_facts);
	tcase_add_test(t, a_word_that_nobody_knows_is_shown);
	tcase_add_test(t, sentences_say_who_and_when);
	tcase_add_test(t, every_failure_has_advice);
	tcase_add_test(t, each_phase_of_a_job_that_runs_has_a_sentence);
	tcase_add_test(t, a_time_of_another_day_has_its_date);
	return run_suite(s);
}
