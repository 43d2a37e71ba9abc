/*
 * The client side of hauld-conf.  What a hauld-conf might say is put into a
 * file, and a shell as the child says it and ends as the test wants.
 */
#include "daemon/conf/conf_load.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop_until.h"
#include "run_suite.h"
#include "temp_dir.h"
#include "wire/build_id.h"
#include "wire/conf_msg.h"

enum { WAIT_MS = 20000 };

static struct {
	char *dir; /* owned */
	struct loop *loop;
	struct children *children;
	struct conf_load *load;
	struct buf says;   /* what the child will say */
	struct buf errors; /* texts of on_error, one a line */
	unsigned n_errors, n_done;
	enum conf_outcome outcome;
	struct conf *conf;
	bool inside; /* conf_load_start() is running */
} rig;

static void
on_error(const char *text, void *arg)
{
	ck_assert_ptr_eq(arg, &rig);
	ck_assert(!rig.inside);
	ck_assert_uint_eq(rig.n_done, 0);
	rig.n_errors++;
	buf_printf(&rig.errors, "%s\n", text);
}

static void
on_done(enum conf_outcome outcome, struct conf *conf, void *arg)
{
	ck_assert_ptr_eq(arg, &rig);
	ck_assert(!rig.inside);
	rig.n_done++;
	rig.outcome = outcome;
	rig.conf = conf;
	ck_assert((outcome == CONF_OK) == (conf != NULL));
}

static const struct conf_load_ops ops = { on_error, on_done };

static void
setup(void)
{
	memset(&rig, 0, sizeof rig);
	log_init("check", false);
	rig.dir = temp_dir_new();
	rig.loop = loop_new();
	rig.children = children_new(rig.loop);
}

static void
teardown(void)
{
	conf_load_free(rig.load);
	conf_load_free(NULL);
	conf_free(rig.conf);
	conf_free(NULL);
	children_free(rig.children);
	loop_free(rig.loop);
	buf_done(&rig.says);
	buf_done(&rig.errors);
	temp_dir_remove(rig.dir);
}

/* ---- What the child says ---- */

static void
say_hello(void)
{
	conf_put_text(&rig.says, 0, CONF_HELLO, build_id);
}

static void
say_spec(enum conf_msg_type type, enum setting_id id, const char *value)
{
	AUTO_BUF struct buf b = { 0 };

	if (id)
		spec_put_string(&b, id, value);
	conf_put_spec(&rig.says, 0, type, &b);
}

static void
say_end(uint64_t jobs, uint64_t errors)
{
	conf_put_end(&rig.says, &(struct conf_end){ .jobs = jobs, .errors = errors });
}

static void
say_head(void)
{
	say_hello();
	say_spec(CONF_DAEMON, 0, NULL);
	say_spec(CONF_DEFAULTS, 0, NULL);
}

static char *
saved_words(void)
{
	char *path = xasprintf("%s/words", rig.dir);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_full(fd, buf_bytes(&rig.says), buf_len(&rig.says)), 0);
	return path;
}

static bool
is_done(void *arg)
{
	(void)arg;
	return rig.n_done > 0;
}

static bool
no_child_is_left(void *arg)
{
	siginfo_t info;

	(void)arg;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

/* A child that says all that and goes on with a line of shell. */
static void
start(const char *then)
{
	AUTO_FREE char *words = saved_words(), *script = xasprintf("cat \"$0\"; %s", then);
	char *argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", script, words, NULL };
	int error = 1;

	rig.inside = true;
	rig.load = conf_load_start(rig.loop, rig.children, "/bin/sh", argv, &ops, &rig, &error);
	rig.inside = false;
	ck_assert_ptr_nonnull(rig.load);
	ck_assert_int_eq(error, 1);
}

static void
run_child(const char *then)
{
	start(then);
	ck_assert(loop_until(rig.loop, is_done, NULL, WAIT_MS));
	loop_for(rig.loop, 5);
	ck_assert_uint_eq(rig.n_done, 1);
}

static void
assert_outcome(const char *then, enum conf_outcome outcome)
{
	run_child(then);
	ck_assert_int_eq(rig.outcome, outcome);
}

/* ---- Good ---- */

START_TEST(a_whole_configuration_is_handed_over)
{
	say_hello();
	say_spec(CONF_DAEMON, DAEMON_ROOTS, "/srv");
	say_spec(CONF_DEFAULTS, JOB_USER_AGENT, "mine");
	say_spec(CONF_HOST, HOST_MATCH, "*.example");
	say_spec(CONF_GROUP, GROUP_NAME, "nightly");
	for (unsigned i = 0; i < 40; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "job%u", i);
		say_spec(CONF_JOB, JOB_NAME, name);
	}
	say_end(40, 0);
	assert_outcome("exit 0", CONF_OK);
	ck_assert_uint_eq(rig.n_errors, 0);
	ck_assert_str_eq(spec_list(rig.conf->daemon, DAEMON_ROOTS, 0), "/srv");
	ck_assert_uint_eq(rig.conf->hosts.len, 1);
	ck_assert_uint_eq(rig.conf->groups.len, 1);
	ck_assert_uint_eq(rig.conf->jobs.len, 40);
	ck_assert_str_eq(spec_string(rig.conf->jobs.items[39], JOB_NAME), "job39");
	/* A job looks into the defaults; the others do not. */
	ck_assert_str_eq(spec_string(rig.conf->jobs.items[0], JOB_USER_AGENT), "mine");
}
END_TEST

START_TEST(it_is_the_owners_when_the_load_is_gone)
{
	say_head();
	say_spec(CONF_JOB, JOB_NAME, "a");
	say_end(1, 0);
	assert_outcome("exit 0", CONF_OK);
	conf_load_free(TAKE_PTR(rig.load));
	ck_assert_str_eq(spec_string(rig.conf->jobs.items[0], JOB_NAME), "a");
}
END_TEST

START_TEST(no_jobs_is_a_configuration_too)
{
	say_head();
	say_end(0, 0);
	assert_outcome("exit 0", CONF_OK);
	ck_assert_uint_eq(rig.conf->jobs.len, 0);
}
END_TEST

/* A script that waits in its middle for a file, so that one of its two ends comes
 * late. */
static void
assert_done_only_with_the_last_end(const char *before, const char *behind)
{
	AUTO_FREE char *go = xasprintf("%s/go", rig.dir), *script = NULL;
	AUTO_CLOSE int fd = -1;

	script = xasprintf("%s while ! test -e %s; do sleep 0.01; done%s", before, go, behind);
	say_head();
	say_end(0, 0);
	start(script);
	loop_for(rig.loop, 100);
	ck_assert_uint_eq(rig.n_done, 0);
	fd = open(go, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert(loop_until(rig.loop, is_done, NULL, WAIT_MS));
	ck_assert_int_eq(rig.outcome, CONF_OK);
}

/* Its end is seen twice, as end of file and as status: either may be first. */
START_TEST(it_is_done_when_the_child_has_closed_and_was_reaped)
{
	assert_done_only_with_the_last_end("exec >&-;", "; exit 0");
}
END_TEST

START_TEST(it_is_done_when_the_last_words_were_read)
{
	/* A grandchild holds the pipe after the child's end. */
	assert_done_only_with_the_last_end("(", ") & exit 0");
}
END_TEST

/* ---- Errors of the user ---- */

START_TEST(errors_are_told_and_nothing_is_handed_over)
{
	say_head();
	conf_put_text(&rig.says, 0, CONF_ERROR, "a.conf:3: what is this");
	conf_put_text(&rig.says, 0, CONF_ERROR, "a.conf:7: and this");
	say_end(0, 2);
	assert_outcome("exit 78", CONF_BAD);
	ck_assert_str_eq(buf_cstr(&rig.errors), "a.conf:3: what is this\na.conf:7: and this\n");
}
END_TEST

START_TEST(errors_count_whatever_the_exit_status_says)
{
	say_head();
	conf_put_text(&rig.says, 0, CONF_ERROR, "a.conf:3: what is this");
	say_end(0, 0);
	assert_outcome("exit 0", CONF_BAD);
}
END_TEST

START_TEST(an_end_with_errors_is_bad_though_none_was_told)
{
	say_head();
	say_end(0, 1);
	assert_outcome("exit 0", CONF_BAD);
}
END_TEST

START_TEST(errors_before_anything_else_are_enough)
{
	say_hello();
	conf_put_text(&rig.says, 0, CONF_ERROR, "a.conf:1: syntax error");
	say_end(0, 1);
	assert_outcome("exit 78", CONF_BAD);
	ck_assert_uint_eq(rig.n_errors, 1);
}
END_TEST

START_TEST(foreign_bytes_in_an_error_are_made_harmless)
{
	say_hello();
	conf_put_text(&rig.says, 0, CONF_ERROR, "a.conf:1: \033[31mred\a\n<3>forged");
	say_end(0, 1);
	assert_outcome("exit 78", CONF_BAD);
	for (const char *p = buf_cstr(&rig.errors); p[1]; p++)
		ck_assert_msg((unsigned char)*p >= 0x20, "%s", buf_cstr(&rig.errors));
}
END_TEST

START_TEST(wrong_usage_has_a_status_of_its_own)
{
	assert_outcome("exit 2", CONF_USAGE);
}
END_TEST

/* ---- A child that fails ---- */

static const struct {
	const char *what;
	const char *then;
} ends[] = {
	{ "nothing was said", "exit 0" },
	{ "it failed", "exit 1" },
	{ "it was killed", "kill -KILL $$" },
	{ "it ran out of time", "kill -XCPU $$" },
	{ "the shell's word for not found", "exit 127" },
	{ "errors, it says, and tells none", "exit 78" },
};

START_TEST(an_end_without_words_is_a_failure_and_told)
{
	assert_outcome(ends[_i].then, CONF_FAILED);
	ck_assert_uint_eq(rig.n_errors, 1);
}
END_TEST

START_TEST(an_early_end_is_a_failure_whatever_was_said)
{
	say_head();
	say_spec(CONF_JOB, JOB_NAME, "a");
	assert_outcome(ends[_i].then, CONF_FAILED);
}
END_TEST

START_TEST(all_was_said_and_then_it_failed)
{
	say_head();
	say_end(0, 0);
	assert_outcome(_i == 0 ? "exit 1" : "kill -SEGV $$", CONF_FAILED);
}
END_TEST

START_TEST(a_message_that_is_cut_is_no_message)
{
	say_head();
	say_end(0, 0);
	rig.says.end -= (size_t)_i + 1; /* up to the whole of the last message */
	assert_outcome("exit 0", CONF_FAILED);
}
END_TEST

/* ---- A child that makes no sense ---- */

/* A configuration that is whole but for one thing. */
static void
say_bad_head(int which)
{
	AUTO_FREE char *longer = xasprintf("%sx", build_id);

	if (which == 6)
		say_hello(); /* 6: nothing is wrong */
	else if (which == 0)
		conf_put_text(&rig.says, 0, CONF_HELLO, "0.0.1-0123456789abcdef"); /* another build */
	else if (which == 1)
		conf_put_text(&rig.says, 0, CONF_HELLO, "");
	else if (which == 2)
		conf_put_text(&rig.says, 0, CONF_HELLO, longer); /* begins as ours does */
	else if (which == 3)
		buf_append_str(&rig.says, "hauld-conf: error while loading shared libraries\n");
	else if (which == 5)
		say_hello();
	/* 4: no HELLO at all */
	say_spec(CONF_DAEMON, 0, NULL);
	if (which == 5)
		say_spec(CONF_JOB, JOB_NAME, "a"); /* before its defaults */
	say_spec(CONF_DEFAULTS, 0, NULL);
	say_end(which == 5, 0);
}

START_TEST(a_head_that_makes_no_sense_is_a_failure)
{
	say_bad_head(_i);
	assert_outcome("exit 0", _i == 6 ? CONF_OK : CONF_FAILED);
}
END_TEST

static void
put_empty(uint16_t type, uint8_t version)
{
	frame_end(&rig.says, frame_begin(&rig.says, type, version, 0));
}

START_TEST(a_message_that_makes_no_sense_is_a_failure)
{
	say_head();
	if (_i == 0)
		say_spec(CONF_DAEMON, 0, NULL); /* twice */
	else if (_i == 1)
		say_spec(CONF_DEFAULTS, 0, NULL);
	else if (_i == 2)
		say_hello();
	else if (_i == 3)
		say_spec(CONF_JOB, HOST_MATCH, "*"); /* not a job's */
	else if (_i == 4)
		put_empty(999, CONF_PROTO);
	else if (_i == 5)
		put_empty(CONF_HOST, CONF_PROTO + 1);
	else if (_i == 6)
		put_empty(CONF_END, CONF_PROTO);
	say_end(_i == 3, 0);
	if (_i == 7)
		say_end(0, 0); /* twice */
	else if (_i == 8)
		say_spec(CONF_HOST, 0, NULL); /* behind the end */
	assert_outcome("exit 0", CONF_FAILED);
}
END_TEST

START_TEST(a_count_that_is_wrong_is_a_failure)
{
	say_head();
	say_spec(CONF_JOB, JOB_NAME, "a");
	say_end((uint64_t)_i * 2, 0); /* 0 or 2 */
	assert_outcome("exit 0", CONF_FAILED);
}
END_TEST

START_TEST(without_daemon_or_defaults_it_is_not_whole)
{
	say_hello();
	say_spec(_i ? CONF_DAEMON : CONF_DEFAULTS, 0, NULL);
	say_end(0, 0);
	assert_outcome("exit 0", CONF_FAILED);
}
END_TEST

/* Endless nonsense: the child is not listened to any more, and not waited for
 * with open arms either; SIGPIPE ends it. */
START_TEST(a_child_that_babbles_comes_to_its_end)
{
	say_head();
	assert_outcome("exec cat /dev/zero", CONF_FAILED);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_told_at_once)
{
	char *argv[] = { (char *)(uintptr_t) "hauld-conf", NULL };
	int error = 0;

	ck_assert_ptr_null(conf_load_start(rig.loop, rig.children, "/nonexistent/hauld-conf", argv, &ops, &rig, &error));
	ck_assert_int_eq(error, -ENOENT);
	loop_for(rig.loop, 5);
	ck_assert_uint_eq(rig.n_done, 0);
}
END_TEST

/* Its end is told to nobody: what it would have been told to is gone. */
START_TEST(a_load_may_be_given_up_while_its_child_runs)
{
	struct conf_load *given_up;

	say_head();
	start("exec sleep 1000");
	given_up = rig.load;
	rig.load = NULL;
	conf_load_free(given_up);
	ck_assert(loop_until(rig.loop, no_child_is_left, NULL, WAIT_MS));
	ck_assert_uint_eq(rig.n_done, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf_load");
	TCase *t = add_case(s, "good", setup, teardown, 0);

	tcase_add_test(t, a_whole_configuration_is_handed_over);
	tcase_add_test(t, it_is_the_owners_when_the_load_is_gone);
	tcase_add_test(t, no_jobs_is_a_configuration_too);
	tcase_add_test(t, it_is_done_when_the_child_has_closed_and_was_reaped);
	tcase_add_test(t, it_is_done_when_the_last_words_were_read);
	tcase_add_test(t, a_load_may_be_given_up_while_its_child_runs);
	t = add_case(s, "errors of the user", setup, teardown, 0);
	tcase_add_test(t, errors_are_told_and_nothing_is_handed_over);
	tcase_add_test(t, errors_count_whatever_the_exit_status_says);
	tcase_add_test(t, an_end_with_errors_is_bad_though_none_was_told);
	tcase_add_test(t, errors_before_anything_else_are_enough);
	tcase_add_test(t, foreign_bytes_in_an_error_are_made_harmless);
	tcase_add_test(t, wrong_usage_has_a_status_of_its_own);
	t = add_case(s, "failures", setup, teardown, 0);
	tcase_add_loop_test(t, an_end_without_words_is_a_failure_and_told, 0, ARRAY_SIZE(ends));
	tcase_add_loop_test(t, an_early_end_is_a_failure_whatever_was_said, 0, ARRAY_SIZE(ends));
	tcase_add_loop_test(t, all_was_said_and_then_it_failed, 0, 2);
	tcase_add_loop_test(t, a_message_that_is_cut_is_no_message, 0, FRAME_HEADER_SIZE + 16);
	tcase_add_loop_test(t, a_head_that_makes_no_sense_is_a_failure, 0, 7);
	tcase_add_loop_test(t, a_message_that_makes_no_sense_is_a_failure, 0, 9);
	tcase_add_loop_test(t, a_count_that_is_wrong_is_a_failure, 0, 2);
	tcase_add_loop_test(t, without_daemon_or_defaults_it_is_not_whole, 0, 2);
	tcase_add_test(t, a_child_that_babbles_comes_to_its_end);
	tcase_add_test(t, a_program_that_is_not_there_is_told_at_once);
	return run_suite(s);
}
