/* Lines with fields, as a socket of the test's own receives them. */
#include "base/journal.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "run_suite.h"
#include "temp_dir.h"

static char *dir, *path;
static int journald = -1, stream = -1, saved_stderr = -1;

static void
bind_journal(void)
{
	struct sockaddr_un a;
	socklen_t n;

	ck_assert_int_eq(fd_unix_address(path, &a, &n), 0);
	journald = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(journald, (const struct sockaddr *)&a, n), 0);
}

/* JOURNAL_STREAM names what fd is, as the service manager does it. */
static void
set_stream(int fd)
{
	struct stat st;
	AUTO_FREE char *value = NULL;

	ck_assert_int_eq(fstat(fd, &st), 0);
	value = xasprintf("%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", value, 1), 0);
}

/* stderr is a stream socket, as that of a service is; `stream` is its other end. */
static void
setup(void)
{
	int fds[2];

	dir = temp_dir_new();
	path = xasprintf("%s/journal", dir);
	bind_journal();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
	fd_close(&fds[1]);
	stream = fds[0];
	set_stream(STDERR_FILENO);
	log_set_level(LOG_LEVEL_INFO);
}

static void
teardown(void)
{
	(void)dup2(saved_stderr, STDERR_FILENO);
	log_init("test", false);
	(void)unsetenv("JOURNAL_STREAM");
	fd_close(&saved_stderr);
	fd_close(&stream);
	fd_close(&journald);
	free(TAKE_PTR(path));
	temp_dir_remove(TAKE_PTR(dir));
}

static size_t
receive(int fd, char *text, size_t max)
{
	ssize_t n = recv(fd, text, max - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* The next datagram, "" when there is none; static. */
static const char *
sent(void)
{
	static char text[65536];

	(void)receive(journald, text, sizeof text);
	return text;
}

static const char *
on_stderr(void)
{
	static char text[65536];

	(void)receive(stream, text, sizeof text);
	return text;
}

/* ---- Formats ------------------------------------------------------------------ */

START_TEST(pairs_at_the_end_of_a_format_are_marked)
{
	static const struct {
		const char *format, *marked; /* with | for the mark */
	} rows[] = {
		{ "no pair", "no pair" },
		{ "one job=%s", "one|job=%s" },
		{ "two job=%s id=%llu", "two|job=%s|id=%llu" },
		{ "quoted reason=\"%s of %s\" n=%d", "quoted|reason=\"%s of %s\"|n=%d" },
		{ "a=%d in the middle", "a=%d in the middle" },
		{ "a=%d in the middle b=%d", "a=%d in the middle|b=%d" },
		{ "wall-ms=%d two_2=%d", "wall-ms=%d|two_2=%d" },
		{ "x = %d", "x = %d" },
		{ "x Job=%d", "x Job=%d" },
		{ "x 2=%d", "x 2=%d" },
		{ "x =%d", "x =%d" },
		{ "flag % d=3", "flag % d=3" },
		{ "open a=\"%s", "open a=\"%s" },
		{ "glued a=\"%s\"b=1", "glued a=\"%s\"b=1" },
		{ "ends a=1 ", "ends a=1 " },
		{ "x empty= n=1", "x|empty=|n=1" },
		{ "x k123456789012345678901234567890123456789012=1", "x k123456789012345678901234567890123456789012=1" },
		{ "a", "a" },
		{ "", "" },
	};
	char got[128];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		journal_mark(got, sizeof got, rows[i].format);
		for (char *p = got; (p = strchr(p, JOURNAL_MARK)); )
			*p = '|';
		ck_assert_str_eq(got, rows[i].marked);
	}
	journal_mark(got, 8, "does not fit a=1");
	ck_assert_str_eq(got, "");
}
END_TEST

/* ---- Lines ------------------------------------------------------------------------ */

START_TEST(a_line_goes_with_its_fields)
{
	log_init_journal("test", path);
	log_warning("job failed job=%s id=%u host-limit=%d", "geoip", 7U, 3);
	ck_assert_str_eq(sent(),
	    "PRIORITY=4\nSYSLOG_IDENTIFIER=test\n"
	    "HAULD_JOB=geoip\nHAULD_ID=7\nHAULD_HOST_LIMIT=3\n"
	    "MESSAGE=job failed job=geoip id=7 host-limit=3\n");
	log_notice("plain");
	ck_assert_str_eq(sent(), "PRIORITY=5\nSYSLOG_IDENTIFIER=test\nMESSAGE=plain\n");
	ck_assert_str_eq(on_stderr(), "");
}
END_TEST

/* journald may read a datagram when its sender has ended, and then knows no unit for it. */
START_TEST(an_error_goes_by_the_stream)
{
	log_init_journal("test", path);
	log_err("the last words");
	ck_assert_str_eq(on_stderr(), "<3>the last words\n");
	ck_assert_str_eq(sent(), "");
}
END_TEST

START_TEST(quotes_belong_to_the_sentence)
{
	log_init_journal("test", path);
	log_info("died reason=\"%s\" n=%d", "signal \"9\" n=8", 1);
	ck_assert_str_eq(sent(),
	    "PRIORITY=6\nSYSLOG_IDENTIFIER=test\nHAULD_REASON=signal \"9\" n=8\nHAULD_N=1\n"
	    "MESSAGE=died reason=\"signal \"9\" n=8\" n=1\n");
	log_info("died reason=\"%s\"", "");
	ck_assert_str_eq(sent(),
	    "PRIORITY=6\nSYSLOG_IDENTIFIER=test\nHAULD_REASON=\nMESSAGE=died reason=\"\"\n");
}
END_TEST

START_TEST(foreign_text_makes_no_field)
{
	const char *foreign = "a job=other\n\x1fjob=third id=9";

	log_init_journal("test", path);
	log_info("it failed: %s job=%s", log_safe(foreign), "mine");
	ck_assert_str_eq(sent(),
	    "PRIORITY=6\nSYSLOG_IDENTIFIER=test\nHAULD_JOB=mine\n"
	    "MESSAGE=it failed: a job=other\\x0a\\x1fjob=third id=9 job=mine\n");
	log_info("%s", "x job=other");
	ck_assert_str_eq(sent(), "PRIORITY=6\nSYSLOG_IDENTIFIER=test\nMESSAGE=x job=other\n");
}
END_TEST

START_TEST(a_line_break_cannot_make_a_field_either)
{
	static const char want[] = "PRIORITY=6\nSYSLOG_IDENTIFIER=test\n"
	    "HAULD_JOB\n\x0a\0\0\0\0\0\0\0" "a\nB=c\n\n\n\nd\n"
	    "MESSAGE\n\x10\0\0\0\0\0\0\0" "x job=a\nB=c\n\n\n\nd\n";
	char got[512];

	log_init_journal("test", path);
	log_info("x job=%s", "a\nB=c\n\n\n\nd");
	ck_assert_uint_eq(receive(journald, got, sizeof got), sizeof want - 1);
	ck_assert_mem_eq(got, want, sizeof want - 1);
}
END_TEST

START_TEST(the_fields_of_a_long_line_stay)
{
	char longer[4000];
	const char *got;

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	log_init_journal("test", path);
	log_info("%s job=%s", longer, "j");
	got = sent();
	ck_assert_ptr_nonnull(strstr(got, "\nHAULD_JOB=j\n"));
	ck_assert_uint_gt(strlen(got), sizeof longer);
	log_info("%s%s%s job=%s", longer, longer, longer, "j"); /* cut, and still sent */
	ck_assert_uint_gt(strlen(sent()), 8000);
}
END_TEST

START_TEST(errno_is_shown_and_left_alone)
{
	log_init_journal("test", path);
	errno = ENOENT;
	log_info("it failed: %m job=%d", 1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_nonnull(strstr(sent(), "MESSAGE=it failed: No such file or directory job=1\n"));
}
END_TEST

/* A send that waits would hang here until the time-out. */
START_TEST(a_journal_that_is_stuck_loses_lines_and_is_told_later)
{
	unsigned taken = 0, lost;
	char note[128];

	log_init_journal("test", path);
	for (unsigned i = 0; i < 5000; i++)
		log_info("line %u", i);
	while (*sent())
		taken++;
	ck_assert_uint_gt(taken, 0);
	ck_assert_uint_lt(taken, 5000);
	lost = 5000 - taken;
	log_info("after");
	(void)snprintf(note, sizeof note, "PRIORITY=4\nSYSLOG_IDENTIFIER=test\n"
	    "MESSAGE=%u log lines were lost: the journal did not take them\n", lost);
	ck_assert_str_eq(sent(), note);
	ck_assert_ptr_nonnull(strstr(sent(), "MESSAGE=after\n"));
	log_info("again");
	ck_assert_ptr_nonnull(strstr(sent(), "MESSAGE=again\n"));
	ck_assert_str_eq(on_stderr(), "");
}
END_TEST

/* ---- Which way lines go ----------------------------------------------------------- */

START_TEST(without_its_socket_the_stream_takes_them)
{
	ck_assert_int_eq(unlink(path), 0);
	log_init_journal("test", path);
	log_info("a line job=%d", 1);
	ck_assert_str_eq(on_stderr(), "<6>a line job=1\n");
	ck_assert_str_eq(sent(), "");
}
END_TEST

START_TEST(a_journal_that_went_is_replaced_and_found_again)
{
	log_init_journal("test", path);
	fd_close(&journald);
	ck_assert_int_eq(unlink(path), 0);
	log_info("meanwhile job=%d", 1);
	ck_assert_str_eq(on_stderr(), "<6>meanwhile job=1\n");
	bind_journal();
	log_info("again");
	ck_assert_ptr_nonnull(strstr(sent(), "MESSAGE=again\n"));
	ck_assert_str_eq(on_stderr(), "");
}
END_TEST

/* Of a service whose stderr somebody redirected: those lines are for people. */
START_TEST(where_stderr_leads_decides)
{
	static const char *const bad[] = { "", ":", "1", "1:", ":1", "1:2", "x:y", "-1:2" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(setenv("JOURNAL_STREAM", bad[i], 1), 0);
		ck_assert(!journal_has_stderr());
	}
	set_stream(journald);
	log_init_journal("test", path);
	log_info("a line");
	ck_assert_str_eq(on_stderr(), "test: a line\n");
	(void)unsetenv("JOURNAL_STREAM");
	log_init_journal("test", path);
	log_info("a line");
	ck_assert_str_eq(on_stderr(), "test: a line\n");
	ck_assert_str_eq(sent(), "");
	set_stream(STDERR_FILENO);
	ck_assert(journal_has_stderr());
}
END_TEST

START_TEST(log_init_goes_back_to_stderr)
{
	log_init_journal("test", path);
	log_init("test", true);
	log_info("a line");
	ck_assert_str_eq(on_stderr(), "<6>a line\n");
	ck_assert_str_eq(sent(), "");
}
END_TEST

START_TEST(bad_paths)
{
	struct journal j = { .fd = -1 };

	ck_assert_int_eq(journal_open(&j, "relative"), -EINVAL);
	ck_assert_int_eq(journal_open(&j, "/nowhere/journal"), -ENOENT);
	ck_assert_int_eq(j.fd, -1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("journal");
	TCase *formats = tcase_create("formats");
	TCase *lines, *ways;

	tcase_add_test(formats, pairs_at_the_end_of_a_format_are_marked);
	suite_add_tcase(s, formats);
	lines = add_case(s, "lines", setup, teardown, 0);
	tcase_add_test(lines, a_line_goes_with_its_fields);
	tcase_add_test(lines, an_error_goes_by_the_stream);
	tcase_add_test(lines, quotes_belong_to_the_sentence);
	tcase_add_test(lines, foreign_text_makes_no_field);
	tcase_add_test(lines, a_line_break_cannot_make_a_field_either);
	tcase_add_test(lines, the_fields_of_a_long_line_stay);
	tcase_add_test(lines, errno_is_shown_and_left_alone);
	tcase_add_test(lines, a_journal_that_is_stuck_loses_lines_and_is_told_later);
	ways = add_case(s, "ways", setup, teardown, 0);
	tcase_add_test(ways, without_its_socket_the_stream_takes_them);
	tcase_add_test(ways, a_journal_that_went_is_replaced_and_found_again);
	tcase_add_test(ways, where_stderr_leads_decides);
	tcase_add_test(ways, log_init_goes_back_to_stderr);
	tcase_add_test(ways, bad_paths);
	return run_suite(s);
}
