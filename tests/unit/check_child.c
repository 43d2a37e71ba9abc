/*
 * Child processes: what they are given and what not, and how their ends are
 * told.  As a child this program says what it sees (see main).
 */
#include "daemon/loop/child.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop_until.h"
#include "run_suite.h"

static char self[4096]; /* path of this program */
static struct loop *loop;
static struct children *children;

static void
setup(void)
{
	log_init("check", false);
	loop = loop_new();
	children = children_new(loop);
}

static void
teardown(void)
{
	children_free(children);
	loop_free(loop);
}

/* ---- As a child: a line for each thing it has. ---- */

static void
tell_descriptors(FILE *out)
{
	AUTO_CLOSEDIR DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		uint64_t fd;
		struct stat st;

		if (parse_u64(e->d_name, &fd) < 0 || (int)fd == dirfd(d) || fstat((int)fd, &st) < 0)
			continue;
		(void)fprintf(out, "fd %d %s\n", (int)fd, S_ISFIFO(st.st_mode) ? "pipe" : "other");
	}
}

static void
tell_signals(FILE *out)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	while (f && fgets(line, sizeof line, f))
		if (has_prefix(line, "SigBlk:") || has_prefix(line, "SigIgn:"))
			(void)fputs(line, out);
	if (f)
		(void)fclose(f);
}

static int
report(int argc, char **argv)
{
	FILE *out = fdopen(STDOUT_FILENO, "we");

	if (!out)
		return 9;
	for (int i = 0; i < argc; i++)
		(void)fprintf(out, "arg %s\n", argv[i]);
	(void)fprintf(out, "group %s\n", getpgrp() == getpid() ? "own" : "parent's");
	tell_descriptors(out);
	tell_signals(out);
	for (char **e = environ; *e; e++)
		if (has_prefix(*e, "CHECK_") || strcasestr(*e, "proxy"))
			(void)fprintf(out, "env %s\n", *e);
	return fclose(out) == 0 ? 0 : 9;
}

/* What comes in on one descriptor leaves on another. */
static int
copy(int from, int to)
{
	char c;

	while (read(from, &c, 1) == 1)
		if (write(to, &c, 1) != 1)
			return 9;
	return 0;
}

static int
as_child(int argc, char **argv)
{
	uint64_t n = 0;

	if (text_equal(argv[1], "--report"))
		return report(argc, argv);
	if (text_equal(argv[1], "--copy-0-3"))
		return copy(0, 3);
	if (text_equal(argv[1], "--exit"))
		return parse_u64(argv[2], &n) == 0 ? (int)n : 9;
	if (text_equal(argv[1], "--signal") && parse_u64(argv[2], &n) == 0)
		(void)raise((int)n);
	return 9;
}

/* ---- As a parent. ---- */

static pid_t
start(const char *what, const char *arg, const int *fds, bool own_group)
{
	char *argv[] = { (char *)(uintptr_t) "child", (char *)(uintptr_t)what, (char *)(uintptr_t)arg, NULL };
	struct spawn s = { .path = self, .argv = argv, .fds = { -1, -1, -1, -1 }, .own_group = own_group };
	pid_t pid = -1;

	if (fds)
		memcpy(s.fds, fds, sizeof s.fds);
	ck_assert_int_eq(spawn(&s, &pid), 0);
	ck_assert_int_gt(pid, 0);
	return pid;
}

static int
wait_for(pid_t pid)
{
	int status = -1;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* What a child reports of itself; the caller's to free. */
static char *
get_report(bool own_group)
{
	int fds[2], given[SPAWN_FDS_MAX] = { -1, -1, -1, -1 };
	char text[4096];
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	given[1] = fds[1];
	pid = start("--report", NULL, given, own_group);
	fd_close(&fds[1]);
	n = fd_read_full(fds[0], text, sizeof text - 1);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	fd_close(&fds[0]);
	ck_assert_int_eq(wait_for(pid), 0);
	return xstrdup(text);
}

static unsigned
count_fds(void)
{
	AUTO_CLOSEDIR DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	return n;
}

START_TEST(a_child_has_its_arguments)
{
	AUTO_FREE char *text = get_report(false);

	ck_assert_msg(has_prefix(text, "arg child\narg --report\ngroup parent's\n"), "%s", text);
}
END_TEST

START_TEST(a_child_has_no_proxy_in_its_environment)
{
	AUTO_FREE char *text = NULL;

	ck_assert_int_eq(setenv("CHECK_ONE", "proxy=1", 1), 0);
	ck_assert_int_eq(setenv("http_proxy", "http://bob:s3cret@p", 1), 0);
	ck_assert_int_eq(setenv("HTTPS_PROXY", "http://bob:s3cret@p", 1), 0);
	ck_assert_int_eq(setenv("All_Proxy", "http://bob:s3cret@p", 1), 0);
	ck_assert_int_eq(setenv("no_proxy", "s3cret.example", 1), 0);
	ck_assert_int_eq(setenv("my_proxy_is", "kept", 1), 0);
	text = get_report(false);
	ck_assert_msg(strstr(text, "env CHECK_ONE=proxy=1\n") && strstr(text, "env my_proxy_is=kept\n"), "%s", text);
	ck_assert_msg(!strstr(text, "s3cret"), "%s", text);
	ck_assert_ptr_nonnull(getenv("http_proxy")); /* ours stays */
}
END_TEST

START_TEST(a_child_has_no_descriptor_that_it_was_not_given)
{
	AUTO_FREE char *text = NULL;
	unsigned n = 0;
	int leaks[40];

	/* Neither marked close-on-exec nor known to us, some with large numbers. */
	for (unsigned i = 0; i < ARRAY_SIZE(leaks); i++) {
		leaks[i] = i % 2 ? open("/dev/null", O_RDONLY) : fcntl(1, F_DUPFD, 64 + (int)i * 5); /* NOLINT */
		ck_assert_int_ge(leaks[i], 0);
	}
	text = get_report(false);
	for (unsigned i = 0; i < ARRAY_SIZE(leaks); i++)
		fd_close(&leaks[i]);
	for (const char *at = text; (at = strstr(at, "\nfd ")); at++)
		n++;
	ck_assert_msg(n == 3, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "\nfd 0 "));
	ck_assert_ptr_nonnull(strstr(text, "\nfd 1 pipe\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nfd 2 "));
}
END_TEST

/* The set of /proc/PID/status as a number. */
static uint64_t
signals_in(const char *text, const char *label)
{
	const char *at = strstr(text, label);
	uint64_t set = 0;

	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(parse_u64_n(at + strlen(label), 16, 16, &set), 0);
	return set;
}

START_TEST(a_child_has_default_signals_and_an_empty_mask)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, was[4];
	static const int signals[] = { SIGPIPE, SIGINT, SIGHUP, SIGTERM };
	AUTO_FREE char *text = NULL;
	sigset_t all, before;

	for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
		ck_assert_int_eq(sigaction(signals[i], &ignore, &was[i]), 0);
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGCHLD);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &all, &before), 0);
	text = get_report(false);
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
		ck_assert_int_eq(sigaction(signals[i], &was[i], NULL), 0);
	ck_assert_uint_eq(signals_in(text, "SigBlk:\t"), 0);
	/* 32 and 33 are glibc's own, which posix_spawn(3) itself ignores. */
	ck_assert_uint_eq(signals_in(text, "SigIgn:\t") & ~(UINT64_C(3) << 31), 0);
}
END_TEST

START_TEST(a_child_may_be_a_group_of_its_own)
{
	AUTO_FREE char *text = get_report(true);

	ck_assert_ptr_nonnull(strstr(text, "\ngroup own\n"));
}
END_TEST

/* To a number that no child gets. */
static void
move_up(int *fd)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, 10);

	ck_assert_int_ge(high, 0);
	fd_close(fd);
	*fd = high;
}

/* The numbers that a child gets may be in use here, for something else: number
 * 3 is the child's output, and here it is what the child's input shall be. */
START_TEST(descriptors_may_change_places)
{
	int saved = fcntl(3, F_DUPFD_CLOEXEC, 10), in[2], out[2], given[SPAWN_FDS_MAX] = { 3, -1, -1, -1 };
	char c = '?';
	pid_t pid;

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	for (unsigned i = 0; i < 2; i++) {
		move_up(&in[i]);
		move_up(&out[i]);
	}
	ck_assert_int_eq(dup3(in[0], 3, O_CLOEXEC), 3);
	given[3] = out[1];
	pid = start("--copy-0-3", NULL, given, false);
	if (saved >= 0)
		ck_assert_int_eq(dup3(saved, 3, O_CLOEXEC), 3);
	else
		ck_assert_int_eq(close(3), 0);
	fd_close(&out[1]);
	ck_assert_int_eq(write(in[1], "k", 1), 1);
	ck_assert_int_eq(read(out[0], &c, 1), 1);
	ck_assert_int_eq(c, 'k');
	fd_close(&in[1]);
	ck_assert_int_eq(wait_for(pid), 0);
	fd_close(&out[0]);
	fd_close(&in[0]);
	fd_close(&saved);
}
END_TEST

static int
try_to_start(const char *path, pid_t *pid)
{
	char *argv[] = { (char *)(uintptr_t)path, NULL };

	return spawn(&(struct spawn){ .path = path, .argv = argv, .fds = { 0, 1, -1, -1 } }, pid);
}

START_TEST(a_missing_program_is_told_at_once)
{
	unsigned before = count_fds();
	pid_t pid = -77;

	ck_assert_int_eq(try_to_start("/nonexistent/hauld-worker", &pid), -ENOENT);
	ck_assert_int_eq(try_to_start("sh", &pid), -ENOENT); /* no search in PATH */
	ck_assert_int_eq(try_to_start("/etc/passwd", &pid), -EACCES);
	ck_assert_int_eq(try_to_start("/", &pid), -EACCES);
	ck_assert_int_eq(pid, -77);
	ck_assert_uint_eq(count_fds(), before);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* and nothing to reap */
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(starting_leaves_no_descriptor_behind)
{
	unsigned before = count_fds();
	int given[SPAWN_FDS_MAX] = { 0, 1, 2, 2 };

	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(wait_for(start("--exit", "0", given, true)), 0);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(a_descriptor_that_is_closed_is_told)
{
	char *argv[] = { (char *)(uintptr_t) "child", NULL };
	pid_t pid = -77;

	ck_assert_int_eq(spawn(&(struct spawn){ .path = self, .argv = argv, .fds = { 999, -1, -1, -1 } }, &pid), -EBADF);
	ck_assert_int_eq(pid, -77);
}
END_TEST

/* ---- Reaping. ---- */

struct ended {
	pid_t pid;
	int status;
	unsigned times;
	const char *then; /* what to start next, with "--exit" */
	struct ended *next;
};

static void
on_ended(pid_t pid, int status, void *arg)
{
	struct ended *e = arg;

	ck_assert_int_eq(pid, e->pid);
	e->status = status;
	e->times++;
	if (!e->next)
		return;
	e->next->pid = start("--exit", e->then, NULL, false);
	children_watch(children, e->next->pid, on_ended, e->next);
}

static void
watch(struct ended *e, const char *what, const char *arg)
{
	e->pid = start(what, arg, NULL, false);
	children_watch(children, e->pid, on_ended, e);
}

/* It has ended, and is not reaped. */
static void
await_end(pid_t pid)
{
	siginfo_t info;

	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static bool
has_ended(void *arg)
{
	return ((struct ended *)arg)->times > 0;
}

START_TEST(the_status_is_that_of_the_child)
{
	struct ended zero = { 0 }, three = { 0 }, killed = { 0 }, aborted = { 0 };
	char text[64];

	watch(&zero, "--exit", "0");
	watch(&three, "--exit", "3");
	watch(&killed, "--signal", "9");
	watch(&aborted, "--signal", "15");
	ck_assert(loop_until(loop, has_ended, &zero, 60000));
	ck_assert(loop_until(loop, has_ended, &three, 60000));
	ck_assert(loop_until(loop, has_ended, &killed, 60000));
	ck_assert(loop_until(loop, has_ended, &aborted, 60000));
	ck_assert_str_eq(child_status_to_string(zero.status, text, sizeof text), "exit status 0");
	ck_assert_str_eq(child_status_to_string(three.status, text, sizeof text), "exit status 3");
	ck_assert_str_eq(child_status_to_string(killed.status, text, sizeof text), "killed by signal 9 (Killed)");
	ck_assert_str_eq(child_status_to_string(aborted.status, text, sizeof text), "killed by signal 15 (Terminated)");
	(void)child_status_to_string(killed.status, text, 10);
	ck_assert_str_eq(text, "killed by");
}
END_TEST

/* SIGCHLD coalesces: while it is blocked all of them end, and one comes. */
START_TEST(all_that_ended_are_reaped_by_one_signal)
{
	struct ended e[8] = { 0 };
	sigset_t chld, before;

	(void)sigemptyset(&chld);
	(void)sigaddset(&chld, SIGCHLD);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &chld, &before), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(e); i++)
		watch(&e[i], "--exit", "1");
	for (unsigned i = 0; i < ARRAY_SIZE(e); i++)
		await_end(e[i].pid);
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	ck_assert_uint_eq(e[0].times, 0); /* from the loop, not from a handler */
	loop_turn(loop);
	loop_turn(loop);
	for (unsigned i = 0; i < ARRAY_SIZE(e); i++)
		ck_assert_uint_eq(e[i].times, 1);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(each_end_is_told_once)
{
	struct ended a = { 0 }, b = { 0 };

	watch(&a, "--exit", "0");
	ck_assert(loop_until(loop, has_ended, &a, 60000));
	watch(&b, "--exit", "0");
	ck_assert(loop_until(loop, has_ended, &b, 60000));
	loop_for(loop, 20);
	ck_assert_uint_eq(a.times, 1);
	ck_assert_uint_eq(b.times, 1);
}
END_TEST

START_TEST(a_child_that_ended_before_it_was_watched_is_told)
{
	struct ended e = { 0 };

	e.pid = start("--exit", "5", NULL, false);
	await_end(e.pid);
	children_watch(children, e.pid, on_ended, &e);
	ck_assert(loop_until(loop, has_ended, &e, 60000));
	ck_assert_int_eq(WEXITSTATUS(e.status), 5);
}
END_TEST

START_TEST(a_child_of_someone_else_is_left_alone)
{
	struct ended mine = { 0 };
	pid_t other = start("--exit", "7", NULL, false);

	await_end(other);
	watch(&mine, "--exit", "0");
	ck_assert(loop_until(loop, has_ended, &mine, 60000));
	ck_assert_int_eq(WEXITSTATUS(wait_for(other)), 7);
}
END_TEST

START_TEST(the_callback_may_start_another)
{
	struct ended b = { 0 }, a = { .then = "4", .next = &b };

	watch(&a, "--exit", "0");
	ck_assert(loop_until(loop, has_ended, &b, 60000));
	ck_assert_uint_eq(a.times, 1);
	ck_assert_int_eq(WEXITSTATUS(b.status), 4);
}
END_TEST

START_TEST(watching_may_end_before_the_child)
{
	struct ended e = { 0 };

	watch(&e, "--exit", "0");
	children_free(children);
	children = NULL;
	children_free(NULL);
	ck_assert_int_eq(wait_for(e.pid), 0);
	loop_run(loop); /* ends: no signal is waited for */
	ck_assert_uint_eq(e.times, 0);
}
END_TEST

/* The memory that the callback would have written to may be gone by then. */
START_TEST(a_child_that_is_not_watched_any_more_is_reaped_and_not_told)
{
	struct ended unwatched = { 0 }, e = { 0 };

	watch(&unwatched, "--exit", "0");
	children_unwatch(children, unwatched.pid, &e); /* not its argument: nothing happens */
	children_unwatch(children, unwatched.pid, &unwatched);
	await_end(unwatched.pid);
	watch(&e, "--exit", "0");
	ck_assert(loop_until(loop, has_ended, &e, 60000));
	ck_assert_uint_eq(unwatched.times, 0);
	ck_assert_int_eq(waitpid(unwatched.pid, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static struct ended told[2];

static void
unwatch_the_other(pid_t pid, int status UNUSED, void *arg)
{
	struct ended *me = arg, *other = me == &told[0] ? &told[1] : &told[0];

	ck_assert_int_eq(pid, me->pid);
	me->times++;
	children_unwatch(children, other->pid, other);
}

START_TEST(who_ended_in_the_same_moment_can_still_be_unwatched)
{
	sigset_t chld, before;

	(void)sigemptyset(&chld);
	(void)sigaddset(&chld, SIGCHLD);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &chld, &before), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(told); i++) {
		told[i] = (struct ended){ .pid = start("--exit", "0", NULL, false) };
		children_watch(children, told[i].pid, unwatch_the_other, &told[i]);
		await_end(told[i].pid);
	}
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	loop_turn(loop);
	loop_turn(loop);
	ck_assert_uint_eq(told[0].times + told[1].times, 1);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *spawning = tcase_create("spawn"), *reaping = tcase_create("reaping");

	tcase_add_test(spawning, a_child_has_its_arguments);
	tcase_add_test(spawning, a_child_has_no_proxy_in_its_environment);
	tcase_add_test(spawning, a_child_has_no_descriptor_that_it_was_not_given);
	tcase_add_test(spawning, a_child_has_default_signals_and_an_empty_mask);
	tcase_add_test(spawning, a_child_may_be_a_group_of_its_own);
	tcase_add_test(spawning, descriptors_may_change_places);
	tcase_add_test(spawning, a_missing_program_is_told_at_once);
	tcase_add_test(spawning, starting_leaves_no_descriptor_behind);
	tcase_add_test(spawning, a_descriptor_that_is_closed_is_told);
	tcase_add_checked_fixture(reaping, setup, teardown);
	tcase_add_test(reaping, the_status_is_that_of_the_child);
	tcase_add_test(reaping, all_that_ended_are_reaped_by_one_signal);
	tcase_add_test(reaping, each_end_is_told_once);
	tcase_add_test(reaping, a_child_that_ended_before_it_was_watched_is_told);
	tcase_add_test(reaping, a_child_of_someone_else_is_left_alone);
	tcase_add_test(reaping, the_callback_may_start_another);
	tcase_add_test(reaping, watching_may_end_before_the_child);
	tcase_add_test(reaping, a_child_that_is_not_watched_any_more_is_reaped_and_not_told);
	tcase_add_test(reaping, who_ended_in_the_same_moment_can_still_be_unwatched);
	suite_add_tcase(s, spawning);
	suite_add_tcase(s, reaping);
}

int
main(int argc, char **argv)
{
	Suite *s;
	ssize_t n;

	if (argc > 1)
		return as_child(argc, argv);
	n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n <= 0)
		return EXIT_FAILURE;
	s = suite_create("child");
	add_tests(s);
	return run_suite(s);
}
