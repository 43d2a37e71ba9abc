/* hauld's command line: what is its own, and what hauld-conf gets of it. */
#include "daemon/options.h"

#include <check.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/settings.h"
#include "run_suite.h"

static struct options options;

/* Words apart by single spaces, behind "hauld"; returns what options_parse()
 * does. */
static int
parse(const char *line)
{
	AUTO_FREE char *words = xstrdup(line);
	char *argv[64] = { (char *)(uintptr_t) "hauld" }, *rest = words;
	int argc = 1;

	for (char *w; *words && (w = strsep(&rest, " "));)
		argv[argc++] = w;
	optind = 0; /* getopt(3): begin anew */
	return options_parse(&options, argc, argv);
}

/* The same of a line that must be good. */
static void
take(const char *line)
{
	options_done(&options);
	ck_assert_msg(parse(line) == 0, "%s", line);
}

static void
setup(void)
{
	memset(&options, 0, sizeof options);
	ck_assert_int_eq(chdir("/usr"), 0);
	(void)setenv("LC_ALL", "C", 1);
}

static void
teardown(void)
{
	options_done(&options);
}

/* What hauld-conf would be called with, apart by spaces. */
static const char *
handed_on(void)
{
	static char text[1024];
	size_t n = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < options.conf_argc; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? " " : "", options.conf_argv[i]);
	ck_assert_ptr_null(options.conf_argv[options.conf_argc]);
	return text;
}

/* Of a line that is refused: what stands on stderr, in out. */
static void
assert_refused(const char *line, const char *says)
{
	char text[1024];
	FILE *f = tmpfile();
	int saved = dup(STDERR_FILENO); /* NOLINT */
	size_t n;

	ck_assert_ptr_nonnull(f);
	options_done(&options);
	ck_assert_int_eq(dup2(fileno(f), STDERR_FILENO), STDERR_FILENO);
	ck_assert_int_eq(parse(line), -EINVAL);
	ck_assert_int_eq(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	ck_assert_int_eq(close(saved), 0);
	rewind(f);
	n = fread(text, 1, sizeof text - 1, f);
	text[n] = '\0';
	ck_assert_msg(strstr(text, says), "%s: %s", line, text);
	(void)fclose(f);
}

START_TEST(without_arguments_there_is_no_work)
{
	take("");
	ck_assert_int_eq(options.mode, MODE_SERVICE);
	ck_assert(!options.has_urls && !options.has_list && !options.has_config && !options.has_root);
	ck_assert(!options.user);
	ck_assert(strstr(options.conf_file, "/hauld/hauld.conf"));
	ck_assert(!options.json && !options.no_progress && !options.debug);
	ck_assert_uint_eq(options.slice_timeout_ms, 30000);
	ck_assert_str_eq(handed_on(), "hauld-conf --");
}
END_TEST

START_TEST(every_mode_has_its_word)
{
	static const struct {
		const char *line;
		enum options_mode mode;
	} rows[] = {
		{ "--once", MODE_ONCE }, { "-t", MODE_TEST }, { "--test", MODE_TEST }, { "-h", MODE_HELP },
		{ "--help", MODE_HELP }, { "--version", MODE_VERSION }, { "-V", MODE_VERSION }, { "-t -c /x", MODE_TEST },
		{ "http://a.example/x --once", MODE_ONCE },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		take(rows[i].line);
		ck_assert_msg(options.mode == rows[i].mode, "%s", rows[i].line);
	}
}
END_TEST

START_TEST(flags_are_its_own_and_not_handed_on)
{
	take("--once --json --no-progress --debug");
	ck_assert(options.json && options.no_progress && options.debug);
	take("--slice-timeout 250ms --worker-path /w --conf-path /c --worker-path /w2");
	ck_assert_uint_eq(options.slice_timeout_ms, 250);
	ck_assert_str_eq(options.worker_path, "/w2");
	ck_assert_str_eq(options.conf_path, "/c");
	ck_assert_str_eq(handed_on(), "hauld-conf --");
}
END_TEST

START_TEST(once_without_a_file_takes_the_current_directory)
{
	take("--once http://a.example/x");
	ck_assert(options.has_urls);
	ck_assert_str_eq(handed_on(), "hauld-conf --root=/usr --no-config -- http://a.example/x");
}
END_TEST

START_TEST(a_root_that_is_named_counts_alone)
{
	take("--once --root /srv http://a.example/x");
	ck_assert(options.has_root);
	ck_assert_str_eq(handed_on(), "hauld-conf --root=/srv --no-config -- http://a.example/x");
}
END_TEST

START_TEST(a_configuration_file_is_handed_on)
{
	take("--once -c hauld.conf");
	ck_assert(options.has_config && !options.has_urls);
	ck_assert_str_eq(handed_on(), "hauld-conf -chauld.conf --root=/usr --");
	take("-t --config /etc/x.conf");
	ck_assert_str_eq(handed_on(), "hauld-conf -c/etc/x.conf --");
}
END_TEST

START_TEST(lists_and_their_base_are_handed_on)
{
	take("--once -i - --base-url http://a.example/ -o out.iso");
	ck_assert(options.has_list && !options.has_urls);
	ck_assert_str_eq(handed_on(),
	    "hauld-conf -i- --base-url=http://a.example/ --output=out.iso --root=/usr --no-config --");
	take("--once --input-file=list.txt");
	ck_assert_str_eq(handed_on(), "hauld-conf -ilist.txt --root=/usr --no-config --");
}
END_TEST

START_TEST(urls_may_stand_anywhere)
{
	take("--once http://a.example/1 --retry 2 http://a.example/2");
	ck_assert_str_eq(handed_on(),
	    "hauld-conf --retry=2 --root=/usr --no-config -- http://a.example/1 http://a.example/2");
	take("--once -- --odd-name");
	ck_assert_str_eq(handed_on(), "hauld-conf --root=/usr --no-config -- --odd-name");
	ck_assert(options.has_urls);
}
END_TEST

START_TEST(a_service_takes_no_urls_and_draws_nothing)
{
	assert_refused("http://a.example/x", "haulctl add");
	assert_refused("-i list.txt", "haulctl add");
	assert_refused("--json", "--once");
	assert_refused("--no-progress", "--once");
}
END_TEST

START_TEST(a_users_service_keeps_to_that_users_directories)
{
	ck_assert_int_eq(setenv("HOME", "/home/ann", 1), 0);
	ck_assert_int_eq(unsetenv("XDG_CONFIG_HOME"), 0);
	ck_assert_int_eq(unsetenv("XDG_STATE_HOME"), 0);
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
	take("--user-instance");
	ck_assert(options.user);
	ck_assert_str_eq(options.runtime_dir, "/run/user/7");
	ck_assert_str_eq(options.user_state_dir, "/home/ann/.local/state");
	ck_assert_str_eq(handed_on(), "hauld-conf --root=/home/ann --no-config --");
	take("--user-instance -c /x.conf --root /y");
	ck_assert_str_eq(handed_on(), "hauld-conf -c/x.conf --root=/y --");
	ck_assert_str_eq(options.conf_file, "/x.conf");
	ck_assert_int_eq(unsetenv("XDG_RUNTIME_DIR"), 0);
	assert_refused("--user-instance", "XDG_RUNTIME_DIR");
}
END_TEST

/* What a user wrote cannot become another option on its way. */
START_TEST(values_are_never_taken_for_options)
{
	take("--once --user-agent --insecure -o --root=/ -i -c http://a.example/x");
	ck_assert_str_eq(handed_on(),
	    "hauld-conf --user-agent=--insecure --output=--root=/ -i-c --root=/usr --no-config -- http://a.example/x");
}
END_TEST

START_TEST(every_setting_of_daemon_and_jobs_is_an_option)
{
	unsigned n, seen = 0;
	const struct setting *s = settings_all(&n);

	for (unsigned i = 0; i < n; i++) {
		AUTO_FREE char *line = xasprintf("--once --%s=VALUE", s[i].name);
		AUTO_FREE char *want = xasprintf(" --%s=VALUE ", s[i].name);

		if (s[i].scope != SCOPE_DAEMON && s[i].scope != SCOPE_JOB)
			continue;
		take(line);
		ck_assert_msg(strstr(handed_on(), want), "%s: %s", s[i].name, handed_on());
		seen++;
	}
	ck_assert_uint_gt(seen, 30);
}
END_TEST

START_TEST(a_switch_needs_no_value)
{
	take("--once --no-clobber --remote-time=false http://a.example/x");
	ck_assert_str_eq(handed_on(),
	    "hauld-conf --no-clobber=true --remote-time=false --root=/usr --no-config -- http://a.example/x");
}
END_TEST

START_TEST(an_option_may_come_twice)
{
	take("--once --header A:1 --header B:2 http://a.example/x");
	ck_assert_ptr_nonnull(strstr(handed_on(), "--header=A:1 --header=B:2 "));
}
END_TEST

START_TEST(what_is_not_known_is_refused)
{
	assert_refused("--once --insecure http://a.example/x", "insecure");
	assert_refused("-x", "x");
	assert_refused("--retry", "retry");
	assert_refused("--json=yes", "json");
	assert_refused("-c", "c");
	assert_refused("--insecure", "hauld --help");
}
END_TEST

START_TEST(a_slice_timeout_must_be_a_duration)
{
	assert_refused("--slice-timeout 0", "--slice-timeout must be a duration");
	assert_refused("--slice-timeout never", "--slice-timeout must be a duration");
	assert_refused("--slice-timeout -1", "--slice-timeout must be a duration");
}
END_TEST

/* Beside the program itself, else where it was installed. */
START_TEST(helpers_are_found)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	AUTO_FREE char *beside = NULL;

	ck_assert_int_gt(n, 0);
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	beside = xasprintf("%s/hauld-worker", self);
	take("");
	if (access(beside, X_OK) == 0)
		ck_assert_str_eq(options.worker_path, beside);
	else
		ck_assert_str_eq(options.worker_path, HAULD_LIBEXECDIR "/hauld-worker");
	ck_assert(has_suffix(options.conf_path, "/hauld-conf"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("options");
	TCase *t = tcase_create("command line");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, without_arguments_there_is_no_work);
	tcase_add_test(t, every_mode_has_its_word);
	tcase_add_test(t, flags_are_its_own_and_not_handed_on);
	tcase_add_test(t, once_without_a_file_takes_the_current_directory);
	tcase_add_test(t, a_root_that_is_named_counts_alone);
	tcase_add_test(t, a_configuration_file_is_handed_on);
	tcase_add_test(t, lists_and_their_base_are_handed_on);
	tcase_add_test(t, urls_may_stand_anywhere);
	tcase_add_test(t, a_service_takes_no_urls_and_draws_nothing);
	tcase_add_test(t, a_users_service_keeps_to_that_users_directories);
	tcase_add_test(t, values_are_never_taken_for_options);
	tcase_add_test(t, every_setting_of_daemon_and_jobs_is_an_option);
	tcase_add_test(t, a_switch_needs_no_value);
	tcase_add_test(t, an_option_may_come_twice);
	tcase_add_test(t, what_is_not_known_is_refused);
	tcase_add_test(t, a_slice_timeout_must_be_a_duration);
	tcase_add_test(t, helpers_are_found);
	suite_add_tcase(s, t);
	return run_suite(s);
}
