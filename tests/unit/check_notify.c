/* What hauld says to the service manager, heard by a socket of the test's own,
 * and the sockets it is given. */
#include "daemon/notify/notify.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "run_suite.h"
#include "temp_dir.h"

enum { FIRST = 3, PLACES = 3 }; /* where given sockets begin; how many tests use */

static const char *const variables[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID",
	"LISTEN_FDS", "LISTEN_FDNAMES" };

static char *dir, *path;
static int listener = -1;

static void
clear_environment(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		(void)unsetenv(variables[i]);
}

/* A bound socket of that type; path "@..." is abstract. */
static int
bind_socket(const char *where, int type)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(where);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_uint_lt(n, sizeof a.sun_path);
	memcpy(a.sun_path, where, n);
	if (where[0] == '@')
		a.sun_path[0] = '\0';
	n += offsetof(struct sockaddr_un, sun_path);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&a, (socklen_t)n), 0);
	return fd;
}

/* The places of given sockets are not for check's own files. */
static void
hold_places(void)
{
	for (int fd = FIRST; fd < FIRST + PLACES; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", O_RDONLY | O_CLOEXEC); /* the lowest free one */
}

static void
setup(void)
{
	clear_environment();
	dir = temp_dir_new();
	path = xasprintf("%s/notify", dir);
	listener = bind_socket(path, SOCK_DGRAM);
}

static void
teardown(void)
{
	notify_close();
	clear_environment();
	fd_close(&listener);
	free(TAKE_PTR(path));
	temp_dir_remove(TAKE_PTR(dir));
	hold_places();
}

static void
open_to(const char *where)
{
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", where, 1), 0);
	ck_assert_int_eq(notify_open(), 0);
	ck_assert(notify_is_open());
}

/* The next datagram, "" when there is none; static. */
static const char *
heard(void)
{
	static char text[4096];
	ssize_t n = recv(listener, text, sizeof text - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

START_TEST(without_a_service_manager_nothing_happens)
{
	ck_assert_int_eq(notify_open(), 0);
	ck_assert(!notify_is_open());
	notify_ready("x");
	notify_status("%s", "x");
	notify_watchdog();
	notify_stopping();
	ck_assert_uint_eq(notify_watchdog_ms(), 0);
	ck_assert_str_eq(heard(), "");
}
END_TEST

START_TEST(states_are_said_in_the_words_of_the_protocol)
{
	unsigned long long us;
	int end = 0;
	const char *got;

	open_to(path);
	notify_ready("2 jobs");
	ck_assert_str_eq(heard(), "READY=1\nSTATUS=2 jobs");
	notify_ready(NULL);
	ck_assert_str_eq(heard(), "READY=1");
	notify_reloading();
	got = heard();
	ck_assert_int_eq(sscanf(got, "RELOADING=1\nMONOTONIC_USEC=%llu%n", &us, &end), 1);
	ck_assert_uint_eq((size_t)end, strlen(got));
	ck_assert_uint_le(us, clock_now_ns() / 1000);
	ck_assert_uint_gt(us + 60 * 1000 * 1000, clock_now_ns() / 1000);
	notify_watchdog();
	ck_assert_str_eq(heard(), "WATCHDOG=1");
	notify_stopping();
	ck_assert_str_eq(heard(), "STOPPING=1");
	ck_assert_str_eq(heard(), "");
}
END_TEST

START_TEST(an_abstract_socket_is_found)
{
	AUTO_FREE char *name = xasprintf("@check_notify-%d", (int)getpid());

	fd_close(&listener);
	listener = bind_socket(name, SOCK_DGRAM);
	open_to(name);
	notify_watchdog();
	ck_assert_str_eq(heard(), "WATCHDOG=1");
}
END_TEST

START_TEST(children_inherit_none_of_it)
{
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(setenv(variables[i], "1", 1), 0);
	open_to(path);
	ck_assert_int_eq(setenv("LISTEN_PID", "1", 1), 0);
	ck_assert_int_eq(setenv("LISTEN_FDS", "1", 1), 0);
	ck_assert_int_eq(setenv("LISTEN_FDNAMES", "control", 1), 0);
	ck_assert_int_eq(notify_listen_fd("control", &(int){ -1 }), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		ck_assert_msg(!getenv(variables[i]), "%s", variables[i]);
}
END_TEST

START_TEST(addresses_that_are_none_are_refused)
{
	char longer[200];

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	longer[0] = '/';
	for (size_t i = 0; i < 5; i++) {
		const char *bad[] = { "", "relative", "@", "/", longer };

		ck_assert_int_eq(setenv("NOTIFY_SOCKET", bad[i], 1), 0);
		ck_assert_int_eq(notify_open(), i == 4 ? -ENAMETOOLONG : -EINVAL);
		ck_assert(!notify_is_open());
		ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	}
}
END_TEST

START_TEST(a_status_is_one_harmless_line_and_not_repeated)
{
	open_to(path);
	notify_status("%u active", 3U);
	ck_assert_str_eq(heard(), "STATUS=3 active");
	notify_status("%u active", 3U);
	ck_assert_str_eq(heard(), "");
	notify_status("%s", "a\nREADY=0\033[2J");
	ck_assert_str_eq(heard(), "STATUS=a\\x0aREADY=0\\x1b[2J");
	notify_ready("idle");
	ck_assert_str_eq(heard(), "READY=1\nSTATUS=idle");
	notify_status("idle");
	ck_assert_str_eq(heard(), "");
	notify_ready("a\nSTOPPING=1");
	ck_assert_str_eq(heard(), "READY=1\nSTATUS=a\\x0aSTOPPING=1");
}
END_TEST

START_TEST(a_long_status_is_cut)
{
	char longer[2000];
	const char *got;

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	open_to(path);
	notify_status("%s", longer);
	got = heard();
	ck_assert_uint_gt(strlen(got), 200);
	ck_assert_uint_lt(strlen(got), 300);
}
END_TEST

/* A send that waits would hang here until the time-out. */
START_TEST(a_state_that_was_not_taken_goes_before_what_comes_next)
{
	unsigned taken = 0, stopping = 0;
	const char *got;

	open_to(path);
	for (unsigned i = 0; i < 5000; i++)
		notify_watchdog(); /* the queue is full long before */
	notify_stopping();
	for (got = heard(); *got; got = heard(), taken++)
		stopping += text_equal(got, "STOPPING=1");
	ck_assert_uint_gt(taken, 0);
	ck_assert_uint_lt(taken, 5000);
	ck_assert_uint_eq(stopping, 0);
	notify_watchdog();
	ck_assert_str_eq(heard(), "STOPPING=1");
	ck_assert_str_eq(heard(), "WATCHDOG=1");
	notify_watchdog();
	ck_assert_str_eq(heard(), "WATCHDOG=1");
	ck_assert_str_eq(heard(), "");
}
END_TEST

START_TEST(a_service_manager_that_starts_anew_is_found_again)
{
	open_to(path);
	fd_close(&listener);
	ck_assert_int_eq(unlink(path), 0);
	notify_ready(NULL); /* nobody is there: no SIGPIPE either */
	listener = bind_socket(path, SOCK_DGRAM);
	notify_watchdog();
	ck_assert_str_eq(heard(), "READY=1");
	ck_assert_str_eq(heard(), "WATCHDOG=1");
}
END_TEST

START_TEST(the_watchdog_is_fed_at_half_its_time)
{
	AUTO_FREE char *ours = xasprintf("%d", (int)getpid());
	const struct {
		const char *usec, *pid;
		unsigned ms;
	} rows[] = {
		{ "30000000", NULL, 15000 }, { "30000000", ours, 15000 }, { "30000000", "1", 0 },
		{ "30000000", "x", 0 }, { "0", NULL, 0 }, { "-5", NULL, 0 }, { "30s", NULL, 0 }, { "", NULL, 0 },
		{ "1000", NULL, 1 }, { NULL, ours, 0 }, { NULL, NULL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		clear_environment();
		if (rows[i].usec)
			ck_assert_int_eq(setenv("WATCHDOG_USEC", rows[i].usec, 1), 0);
		if (rows[i].pid)
			ck_assert_int_eq(setenv("WATCHDOG_PID", rows[i].pid, 1), 0);
		open_to(path);
		ck_assert_msg(notify_watchdog_ms() == rows[i].ms, "row %zu", i);
	}
	clear_environment();
	ck_assert_int_eq(setenv("WATCHDOG_USEC", "30000000", 1), 0);
	ck_assert_int_eq(notify_open(), 0);
	ck_assert_uint_eq(notify_watchdog_ms(), 0); /* nobody to tell */
}
END_TEST

/* ---- Given sockets ------------------------------------------------------------ */

/* fd becomes the given descriptor number place, as the service manager does it. */
static void
put(int fd, int place)
{
	if (fd != FIRST + place) {
		ck_assert_int_eq(dup3(fd, FIRST + place, O_CLOEXEC), FIRST + place);
		fd_close(&fd);
	}
	ck_assert_int_eq(fcntl(FIRST + place, F_SETFD, 0), 0);
}

static void
put_listener(const char *name, int place)
{
	AUTO_FREE char *where = xasprintf("%s/%s", dir, name);
	int fd = bind_socket(where, SOCK_STREAM);

	ck_assert_int_eq(listen(fd, 8), 0);
	put(fd, place);
}

static int
take(const char *name, const char *count, const char *names, int *ret_fd)
{
	AUTO_FREE char *ours = xasprintf("%d", (int)getpid());

	ck_assert_int_eq(setenv("LISTEN_PID", ours, 1), 0);
	ck_assert_int_eq(setenv("LISTEN_FDS", count, 1), 0);
	if (names)
		ck_assert_int_eq(setenv("LISTEN_FDNAMES", names, 1), 0);
	return notify_listen_fd(name, ret_fd);
}

START_TEST(a_socket_is_taken_by_its_name)
{
	int fd = -1;

	put_listener("a", 0);
	put_listener("b", 1);
	put_listener("c", 2);
	ck_assert_int_eq(take("control", "3", "metrics:control:controls", &fd), 0);
	ck_assert_int_eq(fd, FIRST + 1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(accept4(fd, NULL, NULL, SOCK_CLOEXEC), -1); /* does not wait */
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(fcntl(FIRST, F_GETFD), -1);
	ck_assert_int_eq(fcntl(FIRST + 2, F_GETFD), -1);
	fd_close(&fd);
}
END_TEST

START_TEST(the_only_one_needs_no_name)
{
	int fd = -1;

	put_listener("a", 0);
	ck_assert_int_eq(take("control", "1", NULL, &fd), 0);
	ck_assert_int_eq(fd, FIRST);
	fd_close(&fd);
}
END_TEST

START_TEST(variables_that_are_no_good_are_told_from_none)
{
	int fd = -1;

	ck_assert_int_eq(notify_listen_fd("control", &fd), -ENOENT);
	ck_assert_int_eq(take("control", "0", "", &fd), -ENOENT);
	clear_environment();
	ck_assert_int_eq(take("control", "x", NULL, &fd), -EINVAL);
	ck_assert_int_eq(take("control", "65", NULL, &fd), -EINVAL);
	put_listener("a", 0);
	ck_assert_int_eq(take("control", "1", "hauld.socket", &fd), -ENODATA);
	clear_environment();
	put_listener("b", 0);
	put_listener("c", 1);
	ck_assert_int_eq(take("control", "2", NULL, &fd), -ENODATA);
	ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(sockets_of_another_kind_are_refused)
{
	AUTO_FREE char *where = xasprintf("%s/x", dir);
	int fds[2], fd = -1;

	put(bind_socket(where, SOCK_STREAM), 0); /* not listening */
	ck_assert_int_eq(take("control", "1", "control", &fd), -EPROTOTYPE);
	ck_assert_int_eq(unlink(where), 0);
	put(bind_socket(where, SOCK_DGRAM), 0);
	ck_assert_int_eq(take("control", "1", "control", &fd), -EPROTOTYPE);
	ck_assert_int_eq(unlink(where), 0);
	fd = bind_socket(where, SOCK_SEQPACKET);
	ck_assert_int_eq(listen(fd, 8), 0);
	put(TAKE_FD(fd), 0);
	ck_assert_int_eq(take("control", "1", "control", &fd), -EPROTOTYPE);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	put(TAKE_FD(fd), 0);
	ck_assert_int_eq(take("control", "1", "control", &fd), -EPROTOTYPE);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	put(fds[0], 0);
	fd_close(&fds[1]);
	ck_assert_int_eq(take("control", "1", "control", &fd), -ENOTSOCK);
	ck_assert_int_eq(take("control", "1", "control", &fd), -EBADF);
	ck_assert_int_eq(fcntl(FIRST, F_GETFD), -1);
	ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(those_of_another_process_are_left_alone)
{
	int fd = -1;

	put_listener("a", 0);
	ck_assert_int_eq(setenv("LISTEN_PID", "1", 1), 0);
	ck_assert_int_eq(setenv("LISTEN_FDS", "1", 1), 0);
	ck_assert_int_eq(notify_listen_fd("control", &fd), -ENOENT);
	ck_assert_int_ge(fcntl(FIRST, F_GETFD), 0);
	ck_assert_int_eq(close(FIRST), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("notify");
	TCase *say, *given;

	hold_places();
	say = add_case(s, "say", setup, teardown, 0);
	tcase_add_test(say, without_a_service_manager_nothing_happens);
	tcase_add_test(say, states_are_said_in_the_words_of_the_protocol);
	tcase_add_test(say, an_abstract_socket_is_found);
	tcase_add_test(say, children_inherit_none_of_it);
	tcase_add_test(say, addresses_that_are_none_are_refused);
	tcase_add_test(say, a_status_is_one_harmless_line_and_not_repeated);
	tcase_add_test(say, a_long_status_is_cut);
	tcase_add_test(say, a_state_that_was_not_taken_goes_before_what_comes_next);
	tcase_add_test(say, a_service_manager_that_starts_anew_is_found_again);
	tcase_add_test(say, the_watchdog_is_fed_at_half_its_time);
	given = add_case(s, "given", setup, teardown, 0);
	tcase_add_test(given, a_socket_is_taken_by_its_name);
	tcase_add_test(given, the_only_one_needs_no_name);
	tcase_add_test(given, variables_that_are_no_good_are_told_from_none);
	tcase_add_test(given, sockets_of_another_kind_are_refused);
	tcase_add_test(given, those_of_another_process_are_left_alone);
	return run_suite(s);
}
