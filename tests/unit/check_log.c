/* Log lines: their form, levels, cutting, and that writing never waits. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "run_suite.h"

static int saved_stderr = -1, reader = -1;

/* stderr is a pipe while a test runs; the other end is `reader`. */
static void
setup(void)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
	fd_close(&fds[1]);
	reader = fds[0];
	ck_assert_int_eq(fd_set_nonblock(reader), 0);
	log_init("test", false);
	log_set_level(LOG_LEVEL_INFO);
}

static void
teardown(void)
{
	(void)dup2(saved_stderr, STDERR_FILENO);
	fd_close(&saved_stderr);
	fd_close(&reader);
	log_set_level(LOG_LEVEL_INFO);
}

/* Everything that was logged since the last call; static. */
static const char *
logged(void)
{
	static char text[1 << 17];
	size_t n = 0;
	ssize_t r;

	while (n + 1 < sizeof text && (r = read(reader, text + n, sizeof text - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	return text;
}

START_TEST(lines_for_people_begin_with_the_name)
{
	log_info("a sentence n=%d", 3);
	ck_assert_str_eq(logged(), "test: a sentence n=3\n");
	log_warning("%s", "");
	ck_assert_str_eq(logged(), "test: \n");
}
END_TEST

START_TEST(lines_for_the_journal_begin_with_the_level)
{
	log_init("test", true);
	log_set_level(LOG_LEVEL_DEBUG);
	log_err("e");
	log_warning("w");
	log_notice("n");
	log_info("i");
	log_debug("d");
	ck_assert_str_eq(logged(), "<3>e\n<4>w\n<5>n\n<6>i\n<7>d\n");
}
END_TEST

START_TEST(less_important_lines_are_left_out)
{
	log_set_level(LOG_LEVEL_WARNING);
	ck_assert_int_eq(log_get_level(), LOG_LEVEL_WARNING);
	log_notice("n");
	log_debug("d");
	log_warning("w");
	ck_assert_str_eq(logged(), "test: w\n");
}
END_TEST

static int
count_and_fail(int *calls)
{
	(*calls)++;
	return 0;
}

START_TEST(arguments_of_debug_lines_cost_nothing_when_off)
{
	int calls = 0;

	log_debug("%d", count_and_fail(&calls));
	ck_assert_int_eq(calls, 0);
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("%d", count_and_fail(&calls));
	ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(level_names)
{
	static const struct {
		const char *name;
		enum log_level level;
	} rows[] = {
		{ "err", LOG_LEVEL_ERR }, { "warning", LOG_LEVEL_WARNING }, { "notice", LOG_LEVEL_NOTICE },
		{ "info", LOG_LEVEL_INFO }, { "debug", LOG_LEVEL_DEBUG },
	};
	enum log_level l = LOG_LEVEL_ERR;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_int_eq(log_level_from_string(rows[i].name, &l), 0);
		ck_assert_int_eq(l, rows[i].level);
	}
	ck_assert_int_eq(log_level_from_string("loud", &l), -EINVAL);
	ck_assert_int_eq(log_level_from_string("", &l), -EINVAL);
	ck_assert_int_eq(log_level_from_string("INFO", &l), -EINVAL);
}
END_TEST

START_TEST(a_long_line_is_cut_and_still_one_line)
{
	char big[5000];
	const char *got;

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	log_info("%s", big);
	got = logged();
	ck_assert_uint_le(strlen(got), 2048);
	ck_assert_uint_ge(strlen(got), 2000);
	ck_assert_ptr_eq(strchr(got, '\n'), got + strlen(got) - 1);
	ck_assert_ptr_null(memchr(got, '\0', strlen(got)));
}
END_TEST

START_TEST(errno_is_left_alone_and_can_be_shown)
{
	errno = ENOENT;
	log_err("it failed: %m");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(logged(), "test: it failed: No such file or directory\n");
}
END_TEST

START_TEST(a_full_pipe_loses_lines_and_says_so_later)
{
	unsigned lines = 0;
	const char *got, *note;
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	/* Blocking, so a write that waits would hang here until the time-out. */
	for (unsigned i = 0; i < 100000; i++)
		log_info("line %u", i);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	got = logged();
	for (const char *s = got; (s = strchr(s, '\n')); s++)
		lines++;
	ck_assert_uint_gt(lines, 100);
	ck_assert_uint_lt(lines, 100000);
	ck_assert_int_eq(got[strlen(got) - 1], '\n');
	log_info("after");
	got = logged();
	note = strstr(got, "log lines were lost");
	ck_assert_ptr_nonnull(note);
	ck_assert_ptr_nonnull(strstr(note, "test: after\n"));
	log_info("again");
	ck_assert_str_eq(logged(), "test: again\n");
}
END_TEST

/* Others share the open file: their flags are theirs. */
START_TEST(the_flags_of_stderr_stay)
{
	log_info("x");
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

static bool
ends_with_line_break(const char *s)
{
	return *s && s[strlen(s) - 1] == '\n';
}

/* What comes out of a terminal: a thread of the kernel's brings it there.  Until that
 * text has come; NULL: until nothing comes for a while.  Its length. */
static size_t
take(int master, char *got, size_t size, const char *until)
{
	struct pollfd p = { .fd = master, .events = POLLIN };
	size_t n = 0;
	ssize_t r = 1;

	got[0] = '\0';
	while (r > 0 && n + 1 < size && !(until && strstr(got, until)) && poll(&p, 1, until ? 30000 : 200) == 1) {
		r = read(master, got + n, size - 1 - n);
		n += r > 0 ? (size_t)r : 0;
		got[n] = '\0';
	}
	return n;
}

/* A terminal polls writable as soon as it has room for a byte, and would make
 * the writer of a longer line wait: this hangs until the time-out if we do. */
START_TEST(a_terminal_that_is_stuck_does_not_hold_us)
{
	AUTO_CLOSE int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	AUTO_CLOSE int slave = -1;
	char name[64], line[1800], got[1 << 16];
	size_t n = 0, r;

	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	ck_assert_int_eq(ptsname_r(master, name, sizeof name), 0);
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(slave, 0);
	ck_assert_int_ge(dup2(slave, STDERR_FILENO), 0);
	log_init("test", false);
	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	for (unsigned i = 0; i < 1000; i++)
		log_info("%s", line);
	ck_assert_int_eq(fd_set_nonblock(master), 0);
	while ((r = take(master, got, sizeof got, NULL)) > 0)
		n += r;
	ck_assert_uint_gt(n, sizeof line);
	ck_assert_uint_lt(n, 1000 * sizeof line);
	log_info("after");
	/* What was torn does not run into the next line. */
	(void)take(master, got, sizeof got, "\ntest: after\r\n");
	ck_assert_ptr_nonnull(strstr(got, "\ntest: after\r\n"));
	ck_assert_ptr_nonnull(strstr(got, " log lines were lost: stderr did not take them\r\n"));
	ck_assert(ends_with_line_break(got));
}
END_TEST

/* So is that of a service: a socket. */
START_TEST(a_socket_that_is_full_loses_lines)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
	fd_close(&fds[1]);
	fd_close(&reader);
	reader = fds[0];
	ck_assert_int_eq(fd_set_nonblock(reader), 0);
	log_init("test", true);
	for (unsigned i = 0; i < 100000; i++)
		log_info("line %u", i);
	ck_assert(ends_with_line_break(logged()));
	while (*logged())
		continue;
	log_info("after");
	ck_assert_ptr_nonnull(strstr(logged(), "log lines were lost: stderr did not take them\n<6>after\n"));
}
END_TEST

START_TEST(foreign_strings_are_made_safe)
{
	const char *first = log_safe("a\nb");

	ck_assert_str_eq(log_safe(NULL), "-");
	ck_assert_str_eq(log_safe(""), "");
	for (unsigned i = 0; i < 5; i++)
		(void)log_safe("x");
	ck_assert_str_eq(first, "a\\x0ab"); /* eight of them live at once */
}
END_TEST

START_TEST(fatal_logs_and_exits)
{
	fatal(78, "no way");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *lines = tcase_create("lines");
	TCase *levels = tcase_create("levels");

	tcase_add_checked_fixture(lines, setup, teardown);
	tcase_add_test(lines, lines_for_people_begin_with_the_name);
	tcase_add_test(lines, lines_for_the_journal_begin_with_the_level);
	tcase_add_test(lines, a_long_line_is_cut_and_still_one_line);
	tcase_add_test(lines, errno_is_left_alone_and_can_be_shown);
	tcase_add_test(lines, a_full_pipe_loses_lines_and_says_so_later);
	tcase_add_test(lines, the_flags_of_stderr_stay);
	tcase_add_test(lines, a_terminal_that_is_stuck_does_not_hold_us);
	tcase_add_test(lines, a_socket_that_is_full_loses_lines);
	tcase_add_test(lines, foreign_strings_are_made_safe);
	if (tests_fork())
		tcase_add_exit_test(lines, fatal_logs_and_exits, 78);
	suite_add_tcase(s, lines);
	tcase_add_checked_fixture(levels, setup, teardown);
	tcase_add_test(levels, less_important_lines_are_left_out);
	tcase_add_test(levels, arguments_of_debug_lines_cost_nothing_when_off);
	tcase_add_test(levels, level_names);
	suite_add_tcase(s, levels);
	return run_suite(s);
}
