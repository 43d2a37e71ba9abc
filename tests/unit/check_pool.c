/*
 * The pool with real worker processes: hauld-worker, bad-worker (which goes
 * wrong by the name of a task's target), programs that are no workers, and this
 * program itself as a worker that counts what it is told (see main).
 */
#include "daemon/pool/pool.h"

#include <check.h>
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
#include "daemon/pool/worker_proc.h"
#include "loop_until.h"
#include "run_suite.h"
#include "temp_dir.h"

enum { WAIT_MS = 30000, SLICE_MS = 300, JOBS_MAX = 64, SKIPPED = 77 };

static char *worker_path, *bad_worker_path; /* of the build */

/* One task and what was told of it. */
struct job {
	struct pool_task task;
	char name[40], part[48];
	unsigned results, readies;
	bool publish_when_ready;
	pid_t was; /* of the worker it had before */
	struct result_msg result;
};

static struct {
	char *dir; /* owned */
	struct loop *loop;
	struct children *children;
	struct pool *pool;
	struct job jobs[JOBS_MAX];
	unsigned n_jobs, stopped;
	bool inside; /* a pool function is running */
	int log_fd;  /* what was logged */
} rig;

static void
on_ready(const struct result_msg *r, void *arg)
{
	struct job *j = arg;

	ck_assert(!rig.inside);
	ck_assert_int_eq(r->result.code, RESULT_OK);
	j->readies++;
	if (j->publish_when_ready)
		pool_publish(&j->task);
}

static void
on_result(const struct result_msg *r, void *arg)
{
	struct job *j = arg;

	ck_assert(!rig.inside);
	ck_assert(!pool_task_is_busy(&j->task)); /* it is ours again */
	j->results++;
	j->result = *r;
}

static const struct pool_task_ops ops = { .on_ready = on_ready, .on_result = on_result };

static void
on_stopped(void *arg)
{
	ck_assert_ptr_eq(arg, &rig);
	ck_assert(!rig.inside);
	rig.stopped++;
}

/* Lines of the log go to a file, where they can be counted. */
static void
setup(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	AUTO_FREE char *haul = NULL, *log = NULL;

	memset(&rig, 0, sizeof rig);
	ck_assert_int_eq(sigaction(SIGPIPE, &ignore, NULL), 0);
	(void)umask(022);
	rig.dir = temp_dir_new();
	haul = xasprintf("%s/.haul", rig.dir);
	log = xasprintf("%s/log", rig.dir);
	ck_assert_int_eq(mkdir(haul, 0700), 0);
	ck_assert_int_eq(setenv("HAUL_TEST_DIR", rig.dir, 1), 0);
	rig.log_fd = open(log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_ge(rig.log_fd, 0);
	ck_assert_int_eq(dup2(rig.log_fd, STDERR_FILENO), STDERR_FILENO);
	log_init("check", false);
	log_set_level(LOG_LEVEL_DEBUG);
	rig.loop = loop_new();
	rig.children = children_new(rig.loop);
}

static void
start_pool(const char *path, unsigned workers)
{
	struct pool_options o = { .worker_path = path, .workers = workers, .slice_timeout_ms = SLICE_MS };

	rig.pool = pool_new(rig.loop, rig.children, &o);
}

static void
start_patient_pool(const char *path)
{
	struct pool_options o = { .worker_path = path, .workers = 2, .slice_timeout_ms = SLICE_MS, .patient = true };

	rig.pool = pool_new(rig.loop, rig.children, &o);
}

static bool
is_stopped(void *arg)
{
	(void)arg;
	return rig.stopped > 0;
}

static void
stop_pool(void)
{
	rig.inside = true;
	pool_stop(rig.pool, on_stopped, &rig);
	rig.inside = false;
	ck_assert(loop_until(rig.loop, is_stopped, NULL, WAIT_MS));
	loop_turn(rig.loop);
	ck_assert_uint_eq(rig.stopped, 1);
	ck_assert_uint_eq(pool_workers(rig.pool), 0);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* each one was reaped */
	ck_assert_int_eq(errno, ECHILD);
}

static void
teardown(void)
{
	stop_pool();
	pool_free(rig.pool);
	pool_free(NULL);
	children_free(rig.children);
	loop_free(rig.loop);
	fd_close(&rig.log_fd);
	temp_dir_remove(rig.dir);
}

/* How often the log has the words. */
static unsigned
count_log(const char *words)
{
	AUTO_FREE char *text = xcalloc(1, 1024 * 1024);
	unsigned n = 0;

	ck_assert_int_ge(fd_pread_full(rig.log_fd, text, 1024 * 1024 - 1, 0), 0);
	for (const char *at = text; (at = strstr(at, words)); at++)
		n++;
	return n;
}

static bool
exists(const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", rig.dir, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Tasks: a part file of five bytes that becomes a file of that name. */
enum { FOLLOW = 1, HEAVY = 2, WAIT = 4 };

static struct job *
submit(const char *name, unsigned flags)
{
	struct job *j = &rig.jobs[rig.n_jobs++];
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int fd = -1;
	struct stat st;

	ck_assert_uint_le(rig.n_jobs, JOBS_MAX);
	(void)snprintf(j->name, sizeof j->name, "%s", name);
	(void)snprintf(j->part, sizeof j->part, "%s.part", name);
	path = xasprintf("%s/.haul/%s", rig.dir, j->part);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_full(fd, "hello", 5), 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	rig.inside = true;
	pool_submit(rig.pool, &j->task,
	    &(struct task_msg){
		.kind = TASK_PROCESS,
		.publish = true,
		.follow = flags & FOLLOW,
		.wait = flags & WAIT,
		.mode = 0644,
		.mtime = INT64_MIN,
		.size = 5,
		.inode = st.st_ino,
		.max_expansion = 1000,
		.decoder_memory = 64 << 20,
		.target = { text_of(rig.dir), text_of(""), text_of(j->name) },
		.part = text_of(j->part),
		.out = text_of("none.out"),
		.keep = { text_of(""), text_of(""), text_of("") },
		.source = text_of(""),
		.url_name = text_of(""),
	    },
	    flags & HEAVY, &ops, j);
	rig.inside = false;
	ck_assert(pool_task_is_busy(&j->task));
	return j;
}

static void
tell_front(struct job *j, uint64_t offset, bool last)
{
	rig.inside = true;
	pool_front(&j->task, &(struct front_msg){ .offset = offset, .last = last });
	rig.inside = false;
}

static bool
all_over(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < rig.n_jobs; i++)
		if (!rig.jobs[i].results)
			return false;
	return true;
}

static void
await_all(void)
{
	ck_assert_msg(loop_until(rig.loop, all_over, NULL, WAIT_MS), "tasks do not come to their end");
	loop_turn(rig.loop);
	for (unsigned i = 0; i < rig.n_jobs; i++)
		ck_assert_uint_eq(rig.jobs[i].results, 1);
}

static bool
is_over(void *arg)
{
	return ((struct job *)arg)->results > 0;
}

static bool
has_worker(void *arg)
{
	const struct job *j = arg;

	return j->task.worker && j->task.worker->greeted;
}

static bool
is_given_again(void *arg)
{
	const struct job *j = arg;

	return j->task.worker && j->task.worker->helper.pid > 0 && j->task.worker->helper.pid != j->was && j->task.worker->greeted;
}

static void
assert_published(const struct job *j)
{
	ck_assert_msg(j->result.result.code == RESULT_OK, "%s: %s", j->name, j->result.result.text);
	ck_assert_msg(exists(j->name), "%s is not there", j->name);
}

/* And it was never suspected.  (Of a worker that the test kills nobody knows
 * what it is at.) */
static void
assert_ok(const struct job *j)
{
	assert_published(j);
	ck_assert_uint_eq(j->task.strikes, 0);
}

static void
assert_failed(const struct job *j, enum result_code code, const char *says)
{
	ck_assert_msg(j->result.result.code == code, "%s: %s", j->name, j->result.result.text);
	ck_assert_msg(strstr(j->result.result.text, says), "%s: %s", j->name, j->result.result.text);
	ck_assert_msg(!exists(j->name), "%s is there", j->name);
}

/* To the worker that has the task now. */
static void
send_signal(struct job *j, int signo)
{
	j->was = j->task.worker->helper.pid;
	ck_assert_int_eq(kill(j->was, signo), 0);
}

/* ---- Good workers ---- */

START_TEST(a_task_is_done)
{
	struct job *j;

	start_pool(worker_path, 2);
	ck_assert_uint_eq(pool_workers(rig.pool), 0); /* none before there is work */
	j = submit("file", 0);
	await_all();
	assert_ok(j);
	ck_assert_uint_eq(j->result.in, 5);
	ck_assert_uint_eq(pool_workers(rig.pool), 1);
}
END_TEST

START_TEST(many_small_tasks_share_the_workers)
{
	start_pool(worker_path, 2);
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "file%u", i);
		(void)submit(name, 0);
	}
	await_all();
	for (unsigned i = 0; i < JOBS_MAX; i++)
		assert_ok(&rig.jobs[i]);
	ck_assert_uint_le(pool_workers(rig.pool), 2);
	ck_assert_uint_eq(count_log("worker died"), 0);
	ck_assert_uint_le(count_log("worker started"), 2);
}
END_TEST

START_TEST(heavy_tasks_get_workers_of_their_own)
{
	struct job *a, *b, *c, *d;

	start_pool(worker_path, 3);
	a = submit("a", FOLLOW | HEAVY);
	b = submit("b", FOLLOW | HEAVY);
	ck_assert(loop_until(rig.loop, has_worker, a, WAIT_MS));
	ck_assert(loop_until(rig.loop, has_worker, b, WAIT_MS));
	ck_assert_ptr_ne(a->task.worker, b->task.worker);
	c = submit("c", FOLLOW | HEAVY);
	ck_assert(loop_until(rig.loop, has_worker, c, WAIT_MS));
	ck_assert_ptr_ne(c->task.worker, a->task.worker);
	ck_assert_ptr_ne(c->task.worker, b->task.worker);
	d = submit("d", FOLLOW | HEAVY);
	ck_assert(loop_until(rig.loop, has_worker, d, WAIT_MS));
	ck_assert_uint_eq(pool_workers(rig.pool), 3); /* never more than there may be */
	for (unsigned i = 0; i < rig.n_jobs; i++)
		tell_front(&rig.jobs[i], 5, true);
	await_all();
	for (unsigned i = 0; i < rig.n_jobs; i++)
		assert_ok(&rig.jobs[i]);
}
END_TEST

START_TEST(a_task_may_wait_before_it_publishes)
{
	struct job *a, *b;

	start_pool(worker_path, 1);
	a = submit("a", WAIT);
	b = submit("b", WAIT);
	b->publish_when_ready = true;
	ck_assert(loop_until(rig.loop, is_over, b, WAIT_MS));
	ck_assert(loop_until(rig.loop, is_counted, &a->readies, WAIT_MS));
	ck_assert_uint_eq(a->results, 0);
	ck_assert(!exists("a"));
	pool_publish(&a->task);
	await_all();
	assert_ok(a);
	assert_ok(b);
	ck_assert_uint_eq(a->readies, 1);
}
END_TEST

START_TEST(the_last_front_comes_even_when_it_was_told_before_the_worker_was_there)
{
	struct job *j;

	start_pool(worker_path, 1);
	j = submit("file", FOLLOW);
	tell_front(j, 2, false);
	tell_front(j, 5, true);
	await_all();
	assert_ok(j);
}
END_TEST

/* ---- Cancelling ---- */

START_TEST(a_cancelled_task_says_so_once)
{
	struct job *j, *other;

	start_pool(worker_path, 1);
	j = submit("file", FOLLOW);
	other = submit("other", FOLLOW);
	ck_assert(loop_until(rig.loop, has_worker, j, WAIT_MS));
	rig.inside = true;
	pool_cancel(&j->task);
	pool_cancel(&j->task);
	rig.inside = false;
	ck_assert(loop_until(rig.loop, is_over, j, WAIT_MS));
	ck_assert_int_eq(j->result.result.code, RESULT_CANCELLED);
	ck_assert_uint_eq(j->task.given, 1);
	tell_front(other, 5, true);
	await_all();
	assert_ok(other);
	ck_assert(!exists("file"));
}
END_TEST

START_TEST(a_task_can_be_cancelled_before_it_has_a_worker)
{
	struct job *j;

	start_pool(worker_path, 1);
	j = submit("file", FOLLOW);
	rig.inside = true;
	pool_cancel(&j->task);
	rig.inside = false;
	await_all();
	ck_assert_int_eq(j->result.result.code, RESULT_CANCELLED);
}
END_TEST

START_TEST(a_cancelled_task_is_not_given_out_again)
{
	struct job *j, *other;

	start_pool(worker_path, 1);
	j = submit("file", FOLLOW);
	other = submit("other", FOLLOW);
	ck_assert(loop_until(rig.loop, has_worker, j, WAIT_MS));
	send_signal(j, SIGSTOP); /* so that it cannot answer */
	pool_cancel(&j->task);
	send_signal(j, SIGKILL);
	ck_assert(loop_until(rig.loop, is_over, j, WAIT_MS));
	ck_assert_int_eq(j->result.result.code, RESULT_CANCELLED);
	tell_front(other, 5, true);
	await_all();
	assert_published(other);
}
END_TEST

/* ---- Bad workers ---- */

static void
submit_innocents(void)
{
	for (unsigned i = 0; i < 10; i++) {
		char name[24];

		(void)snprintf(name, sizeof name, "innocent%u", rig.n_jobs);
		(void)submit(name, 0);
	}
}

static void
assert_innocents_ok(void)
{
	for (unsigned i = 0; i < rig.n_jobs; i++)
		if (strncmp(rig.jobs[i].name, "innocent", 8) == 0)
			assert_ok(&rig.jobs[i]);
}

/* _i: how many workers. */
START_TEST(a_task_that_kills_two_workers_fails_by_name)
{
	struct job *j;

	start_pool(bad_worker_path, (unsigned)_i);
	submit_innocents();
	j = submit("x-crash-always", 0);
	submit_innocents();
	await_all();
	assert_failed(j, RESULT_WORKER_CRASHED, "killed 2 worker processes (");
	ck_assert_uint_eq(j->task.strikes, POOL_STRIKES);
	ck_assert_uint_eq(count_log("worker died"), 2);
	assert_innocents_ok();
}
END_TEST

START_TEST(how_a_worker_died_is_told)
{
	struct job *crash, *ends;

	start_pool(bad_worker_path, 1);
	crash = submit("x-crash-always", 0);
	ends = submit("x-exit", 0);
	await_all();
	assert_failed(crash, RESULT_WORKER_CRASHED, "(killed by signal 6");
	assert_failed(ends, RESULT_WORKER_CRASHED, "(exit status 0)");
}
END_TEST

START_TEST(many_killers_do_not_wear_out_the_innocent)
{
	start_pool(bad_worker_path, 1);
	for (unsigned i = 0; i < 12; i++) {
		char name[24];

		(void)snprintf(name, sizeof name, "%u-crash-always", i);
		(void)submit(name, 0);
	}
	submit_innocents();
	await_all();
	for (unsigned i = 0; i < 12; i++)
		assert_failed(&rig.jobs[i], RESULT_WORKER_CRASHED, "killed 2 worker processes (");
	assert_innocents_ok();
}
END_TEST

START_TEST(liars_do_not_end_the_pool)
{
	start_pool(bad_worker_path, 1);
	for (unsigned i = 0; i < 5; i++) {
		char name[24];

		(void)snprintf(name, sizeof name, "%u-lie", i);
		(void)submit(name, 0);
	}
	await_all();
	submit_innocents();
	await_all();
	assert_innocents_ok();
}
END_TEST

/* A suspect waits for a worker that is empty, and the others do not wait for
 * it: here one that is fed by a slow server has the only worker. */
START_TEST(a_suspect_does_not_hold_up_others)
{
	struct job *slow, *suspect, *other;

	start_pool(bad_worker_path, 1);
	slow = submit("slow", FOLLOW);
	ck_assert(loop_until(rig.loop, has_worker, slow, WAIT_MS));
	slow->was = slow->task.worker->helper.pid;
	suspect = submit("x-crash-once", 0);
	ck_assert(loop_until(rig.loop, is_given_again, slow, WAIT_MS));
	other = submit("other", 0);
	ck_assert(loop_until(rig.loop, is_over, other, WAIT_MS));
	ck_assert(loop_until(rig.loop, is_over, suspect, WAIT_MS));
	ck_assert_int_eq(suspect->result.result.code, RESULT_OK);
	tell_front(slow, 5, true);
	await_all();
	assert_ok(slow);
	assert_ok(other);
}
END_TEST

START_TEST(several_killers_cost_no_one_else_a_try)
{
	struct job *a, *b;

	start_pool(bad_worker_path, 2);
	a = submit("a-crash-always", 0);
	submit_innocents();
	b = submit("b-crash-always", 0);
	await_all();
	assert_failed(a, RESULT_WORKER_CRASHED, "killed 2");
	assert_failed(b, RESULT_WORKER_CRASHED, "killed 2");
	ck_assert_uint_eq(count_log("worker died"), 4);
	assert_innocents_ok();
}
END_TEST

START_TEST(a_task_that_kills_one_worker_is_tried_again)
{
	struct job *j;

	start_pool(bad_worker_path, 2);
	submit_innocents();
	j = submit("x-crash-once", 0);
	await_all();
	ck_assert_msg(j->result.result.code == RESULT_OK, "%s", j->result.result.text);
	ck_assert_uint_eq(j->task.strikes, 1);
	ck_assert(exists("x-crash-once"));
	ck_assert_uint_eq(count_log("worker died"), 1);
	assert_innocents_ok();
}
END_TEST

START_TEST(a_worker_that_hangs_is_killed)
{
	struct job *j;

	start_pool(bad_worker_path, 2);
	j = submit("x-hang", 0);
	submit_innocents();
	await_all();
	assert_failed(j, RESULT_WORKER_CRASHED, "it made no progress");
	ck_assert_uint_eq(count_log("worker died"), 2);
	assert_innocents_ok();
}
END_TEST

static bool
is_in_its_second_worker(void *arg)
{
	const struct job *j = arg;

	return j->results || (j->task.strikes == 1 && j->task.worker && worker_proc_at(j->task.worker) == j->task.id);
}

/* Its neighbours of the first time are not there when it kills again. */
START_TEST(a_suspect_runs_alone)
{
	struct job *j;

	start_pool(bad_worker_path, 1);
	j = submit("x-hang", 0);
	submit_innocents();
	ck_assert(loop_until(rig.loop, is_in_its_second_worker, j, WAIT_MS));
	ck_assert_ptr_nonnull(j->task.worker);
	ck_assert_uint_eq(j->task.worker->n_tasks, 1);
	await_all();
	assert_innocents_ok();
}
END_TEST

START_TEST(a_worker_that_exits_is_a_death_too)
{
	struct job *j;

	start_pool(bad_worker_path, 1);
	submit_innocents();
	j = submit("x-exit", 0);
	await_all();
	assert_failed(j, RESULT_WORKER_CRASHED, "killed 2 worker processes (");
	assert_innocents_ok();
}
END_TEST

/* Who wrote it is only known while the task stands in the page, so it may cost
 * several workers; it never costs the innocent. */
START_TEST(a_worker_that_lies_is_killed)
{
	struct job *j;

	start_pool(bad_worker_path, 2);
	submit_innocents();
	j = submit("x-lie", 0);
	await_all();
	ck_assert_int_ne(j->result.result.code, RESULT_OK);
	ck_assert_uint_ge(count_log("it said what makes no sense"), 1);
	ck_assert_uint_le(count_log("worker died"), 8);
	assert_innocents_ok();
}
END_TEST

START_TEST(a_worker_that_answers_for_another_is_killed)
{
	struct job *j, *liar;

	start_pool(bad_worker_path, 2);
	j = submit("file", FOLLOW | HEAVY);
	ck_assert(loop_until(rig.loop, has_worker, j, WAIT_MS));
	liar = submit("x-claim", HEAVY);
	ck_assert(loop_until(rig.loop, is_over, liar, WAIT_MS));
	ck_assert(pool_task_is_busy(&j->task));
	ck_assert_uint_ge(count_log("it said what makes no sense"), 1);
	tell_front(j, 5, true);
	await_all();
	assert_published(j);
}
END_TEST

/* Who looks at a page that is not there is killed by SIGBUS. */
START_TEST(a_worker_that_takes_the_shared_page_away_does_not_get_it)
{
	struct job *j;

	start_pool(bad_worker_path, 2);
	submit_innocents();
	j = submit("x-shrink", 0);
	await_all();
	ck_assert_int_eq(j->result.result.code, RESULT_OK);
	ck_assert_uint_eq(count_log("worker died"), 0);
	assert_innocents_ok();
}
END_TEST

START_TEST(a_task_is_given_out_again_when_the_dead_one_was_reaped)
{
	struct job *j;

	start_pool(worker_path, 1);
	j = submit("file", FOLLOW);
	ck_assert(loop_until(rig.loop, has_worker, j, WAIT_MS));
	tell_front(j, 3, false);
	send_signal(j, SIGKILL);
	ck_assert(loop_until(rig.loop, is_given_again, j, WAIT_MS));
	ck_assert_int_lt(kill(j->was, 0), 0);
	ck_assert_int_eq(errno, ESRCH);
	tell_front(j, 5, true);
	await_all();
	assert_published(j);
}
END_TEST

START_TEST(a_task_that_was_told_to_publish_is_told_again)
{
	struct job *j;

	start_pool(worker_path, 1);
	j = submit("file", FOLLOW | WAIT);
	ck_assert(loop_until(rig.loop, has_worker, j, WAIT_MS));
	pool_publish(&j->task);
	send_signal(j, SIGKILL);
	ck_assert(loop_until(rig.loop, is_given_again, j, WAIT_MS));
	tell_front(j, 5, true);
	await_all();
	assert_published(j);
}
END_TEST

START_TEST(a_worker_whose_loop_does_not_turn_is_replaced)
{
	struct job *j;

	start_pool(worker_path, 1);
	j = submit("file", FOLLOW);
	ck_assert(loop_until(rig.loop, has_worker, j, WAIT_MS));
	send_signal(j, SIGSTOP);
	ck_assert(loop_until(rig.loop, is_given_again, j, WAIT_MS));
	ck_assert_uint_eq(count_log("it does not answer") + count_log("it made no progress"), 1);
	tell_front(j, 5, true);
	await_all();
	assert_published(j);
}
END_TEST

START_TEST(a_good_worker_with_nothing_to_do_is_left_alone)
{
	struct job *j;

	start_pool(worker_path, 1);
	j = submit("file", FOLLOW);
	ck_assert(loop_until(rig.loop, has_worker, j, WAIT_MS));
	loop_for(rig.loop, 4 * SLICE_MS + 1000); /* it waits for bytes, as for a slow server */
	ck_assert_uint_eq(count_log("worker died"), 0);
	tell_front(j, 5, true);
	await_all();
	assert_ok(j);
}
END_TEST

/* ---- No workers at all ---- */

static const char *const no_workers[] = { "/bin/true", "/bin/false", "/bin/cat", "/bin/echo" };

START_TEST(a_program_that_is_no_worker_fails_all_tasks)
{
	start_pool(no_workers[_i], 2);
	submit_innocents();
	await_all();
	for (unsigned i = 0; i < rig.n_jobs; i++)
		assert_failed(&rig.jobs[i], RESULT_INTERNAL, "no worker process can be started");
	ck_assert_uint_le(count_log("worker started"), 8);
	(void)submit("late", 0);
	await_all();
	ck_assert_uint_le(count_log("worker started"), 8);
}
END_TEST

/* Its path, newly allocated. */
static char *
make_program(const char *text)
{
	char *path = xasprintf("%s/program", rig.dir);
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fchmod(fileno(f), 0700), 0);
	ck_assert_int_eq(fclose(f), 0);
	return path;
}

/* As often as somebody kills them: that says nothing of the program. */
START_TEST(workers_that_are_killed_as_they_start_are_started_again)
{
	AUTO_FREE char *count = xasprintf("%s/count", rig.dir);
	AUTO_FREE char *text = xasprintf("#!/bin/sh\necho >>%s\n[ \"$(wc -l <%s)\" -gt 4 ] || kill -9 $$\nexec %s \"$@\"\n", count, count,
	    worker_path);
	AUTO_FREE char *program = make_program(text);

	start_pool(program, 1);
	submit_innocents();
	await_all();
	for (unsigned i = 0; i < rig.n_jobs; i++)
		assert_ok(&rig.jobs[i]);
	ck_assert_uint_eq(count_log("worker died"), 4);
}
END_TEST

/* We kill it in the end: that is no death by others. */
START_TEST(a_program_that_closes_its_pipe_and_does_not_end_fails_all_tasks)
{
	AUTO_FREE char *program = make_program("#!/bin/sh\nexec <&- >&-\nexec sleep 1000\n");

	start_pool(program, 1);
	submit_innocents();
	await_all();
	for (unsigned i = 0; i < rig.n_jobs; i++)
		assert_failed(&rig.jobs[i], RESULT_INTERNAL, "no worker process can be started");
	ck_assert_uint_eq(count_log("it closed its pipe and did not end"), 3);
}
END_TEST

START_TEST(a_missing_program_fails_all_tasks)
{
	start_pool("/nonexistent/hauld-worker", 2);
	submit_innocents();
	await_all();
	for (unsigned i = 0; i < rig.n_jobs; i++)
		assert_failed(&rig.jobs[i], RESULT_INTERNAL, "no worker process can be started");
	ck_assert_uint_eq(count_log("cannot start /nonexistent/hauld-worker"), 1);
}
END_TEST

static bool
tasks_wait(void *arg)
{
	(void)arg;
	return count_log("tasks wait: ") > 0;
}

/* One that is missing (0), that ends (1), or is no worker (2), as while haul is installed anew. */
START_TEST(a_service_waits_for_workers_that_cannot_be_started)
{
	static const char *const bad[] = { NULL, "/bin/true", "/bin/echo" };
	AUTO_FREE char *program = xasprintf("%s/worker", rig.dir);

	if (bad[_i])
		ck_assert_int_eq(symlink(bad[_i], program), 0);
	start_patient_pool(program);
	submit_innocents();
	ck_assert(loop_until(rig.loop, tasks_wait, NULL, WAIT_MS));
	for (unsigned i = 0; i < rig.n_jobs; i++)
		ck_assert_uint_eq(rig.jobs[i].results, 0);
	if (bad[_i])
		ck_assert_int_eq(unlink(program), 0);
	ck_assert_int_eq(symlink(worker_path, program), 0);
	await_all();
	for (unsigned i = 0; i < rig.n_jobs; i++)
		assert_ok(&rig.jobs[i]);
	ck_assert_uint_eq(count_log("tasks wait: "), 1);
	ck_assert_uint_eq(count_log("workers can be started again"), 1);
}
END_TEST

/* Tasks that wait for a worker can be cancelled, and nothing holds up the end. */
START_TEST(who_waits_for_workers_can_be_cancelled)
{
	start_patient_pool("/nonexistent/hauld-worker");
	submit_innocents();
	ck_assert(loop_until(rig.loop, tasks_wait, NULL, WAIT_MS));
	for (unsigned i = 0; i < rig.n_jobs; i++)
		pool_cancel(&rig.jobs[i].task);
	await_all();
	for (unsigned i = 0; i < rig.n_jobs; i++)
		assert_failed(&rig.jobs[i], RESULT_CANCELLED, "cancelled");
}
END_TEST

/* ---- Fronts: this program is the worker, and its result says how many it
 * was told of. ---- */

static void
start_counting_pool(void)
{
	static char self[4096];

	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof self - 1), 0);
	ck_assert_int_eq(setenv("CHECK_POOL_WORKER", "1", 1), 0);
	start_pool(self, 1);
}

START_TEST(small_steps_of_the_front_are_told_together)
{
	struct job *j;

	start_counting_pool();
	j = submit("file", FOLLOW);
	ck_assert(loop_until(rig.loop, has_worker, j, WAIT_MS));
	for (unsigned i = 1; i < 1000; i++)
		tell_front(j, i, false);
	tell_front(j, 1000, true);
	await_all();
	ck_assert_uint_eq(j->result.in, 1);     /* one message, ... */
	ck_assert_uint_eq(j->result.out, 1000); /* ... the last */
}
END_TEST

START_TEST(a_front_is_told_every_512_kib)
{
	struct job *j;

	start_counting_pool();
	j = submit("file", FOLLOW);
	ck_assert(loop_until(rig.loop, has_worker, j, WAIT_MS));
	for (uint64_t at = 16 * 1024; at < 4 * 1024 * 1024; at += 16 * 1024)
		tell_front(j, at, false);
	tell_front(j, 4 * 1024 * 1024, true);
	await_all();
	ck_assert_uint_eq(j->result.in, 8);
	ck_assert_uint_eq(j->result.out, 4 * 1024 * 1024);
}
END_TEST

START_TEST(a_front_is_told_within_a_tenth_of_a_second)
{
	struct job *j;

	start_counting_pool();
	j = submit("file", FOLLOW);
	ck_assert(loop_until(rig.loop, has_worker, j, WAIT_MS));
	for (unsigned i = 1; i <= 3; i++) {
		tell_front(j, i, false);
		loop_for(rig.loop, 150);
	}
	tell_front(j, 4, true);
	await_all();
	ck_assert_uint_eq(j->result.in, 4);
}
END_TEST

START_TEST(a_task_that_is_over_is_not_told_its_front)
{
	struct job *j;

	start_counting_pool();
	j = submit("file", FOLLOW);
	ck_assert(loop_until(rig.loop, has_worker, j, WAIT_MS));
	tell_front(j, 1, false); /* waits for its tenth of a second */
	pool_cancel(&j->task);
	ck_assert(loop_until(rig.loop, is_over, j, WAIT_MS));
	loop_for(rig.loop, 200);
	ck_assert_uint_eq(count_log("worker died"), 0);
}
END_TEST

enum { DEAF_AT = 1234567 }; /* the front that a worker becomes deaf of */

/* Fronts wait to be told until its worker hears nothing any more. */
static bool
is_deaf(void *arg)
{
	struct job *j = arg;

	ck_assert_ptr_nonnull(j->task.worker);
	j->was = j->task.worker->helper.pid;
	if (j->task.worker->helper.chan)
		tell_front(j, j->task.front.offset + 1, false);
	return !j->task.worker->helper.chan;
}

START_TEST(a_worker_that_closed_its_pipe_is_not_told_a_front)
{
	struct job *j;

	start_counting_pool();
	j = submit("file", FOLLOW);
	ck_assert(loop_until(rig.loop, has_worker, j, WAIT_MS));
	tell_front(j, DEAF_AT, false);
	ck_assert(loop_until(rig.loop, is_deaf, j, WAIT_MS));
	if (_i) {
		pool_park(&j->task);
		await_all();
		assert_failed(j, RESULT_CANCELLED, "cancelled");
		return;
	}
	ck_assert(loop_until(rig.loop, is_given_again, j, WAIT_MS));
	tell_front(j, 2 * DEAF_AT, true);
	await_all();
	ck_assert_uint_eq(j->result.out, 2 * DEAF_AT);
}
END_TEST

static void
count_message(const struct message *m, struct buf *out)
{
	static unsigned fronts;
	struct result_msg r = { 0 };
	struct front_msg f = { 0 };

	if (m->type == WORK_PING)
		work_put_empty(out, 0, WORK_PONG);
	if (m->type == WORK_FRONT && work_get_front(m, &f) == 0)
		fronts++;
	if (f.offset == DEAF_AT) {
		(void)close(WORK_FD_IN);
		(void)close(WORK_FD_OUT);
		(void)alarm(WAIT_MS / 1000);
		(void)pause(); /* until it is killed */
	}
	r.in = fronts;
	r.out = f.offset;
	if (m->type == WORK_CANCEL)
		r.result.code = RESULT_CANCELLED;
	if (f.last || m->type == WORK_CANCEL)
		work_put_result(out, m->id, WORK_RESULT, &r);
}

static int
count_as_worker(void)
{
	struct frame_reader in = { 0 };
	AUTO_BUF struct buf out = { 0 };
	ssize_t n;

	work_put_hello(&out);
	do {
		struct message m;

		while (frame_reader_next(&in, &m) == 1)
			count_message(&m, &out);
		if (fd_write_full(WORK_FD_OUT, buf_bytes(&out), buf_len(&out)) < 0)
			break;
		buf_consume(&out, buf_len(&out));
		n = read(WORK_FD_IN, buf_reserve(&in.in, 4096), 4096);
		buf_commit(&in.in, (size_t)MAX(n, 0));
	} while (n > 0);
	frame_reader_done(&in);
	return 0;
}

/* ---- The end ---- */

START_TEST(a_pool_without_workers_stops_too)
{
	start_pool(worker_path, 2);
}
END_TEST

/* ---- */

static void
add_good_tests(Suite *s)
{
	TCase *t = add_case(s, "good workers", setup, teardown, 60);

	tcase_add_test(t, a_task_is_done);
	tcase_add_test(t, many_small_tasks_share_the_workers);
	tcase_add_test(t, heavy_tasks_get_workers_of_their_own);
	tcase_add_test(t, a_task_may_wait_before_it_publishes);
	tcase_add_test(t, the_last_front_comes_even_when_it_was_told_before_the_worker_was_there);
	tcase_add_test(t, a_pool_without_workers_stops_too);
	t = add_case(s, "cancelling", setup, teardown, 60);
	tcase_add_test(t, a_cancelled_task_says_so_once);
	tcase_add_test(t, a_task_can_be_cancelled_before_it_has_a_worker);
	tcase_add_test(t, a_cancelled_task_is_not_given_out_again);
	t = add_case(s, "fronts", setup, teardown, 60);
	tcase_add_test(t, small_steps_of_the_front_are_told_together);
	tcase_add_test(t, a_front_is_told_every_512_kib);
	tcase_add_test(t, a_front_is_told_within_a_tenth_of_a_second);
	tcase_add_test(t, a_task_that_is_over_is_not_told_its_front);
	tcase_add_loop_test(t, a_worker_that_closed_its_pipe_is_not_told_a_front, 0, 2);
}

static bool
no_child_is_left(void *arg)
{
	siginfo_t info;

	(void)arg;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

/* The end of a killed worker comes when its struct is gone. */
START_TEST(a_pool_may_be_freed_while_its_workers_run)
{
	start_pool(worker_path, 1);
	(void)submit("a", 0);
	await_all();
	ck_assert_uint_eq(pool_workers(rig.pool), 1);
	pool_free(rig.pool);
	start_pool(worker_path, 1); /* for the teardown */
	ck_assert(loop_until(rig.loop, no_child_is_left, NULL, WAIT_MS));
}
END_TEST

static void
add_bad_tests(Suite *s)
{
	TCase *t = add_case(s, "bad workers", setup, teardown, 60);

	tcase_add_loop_test(t, a_task_that_kills_two_workers_fails_by_name, 1, 3);
	tcase_add_test(t, several_killers_cost_no_one_else_a_try);
	tcase_add_test(t, how_a_worker_died_is_told);
	tcase_add_test(t, many_killers_do_not_wear_out_the_innocent);
	tcase_add_test(t, liars_do_not_end_the_pool);
	tcase_add_test(t, a_suspect_does_not_hold_up_others);
	tcase_add_test(t, a_task_that_kills_one_worker_is_tried_again);
	tcase_add_test(t, a_worker_that_hangs_is_killed);
	tcase_add_test(t, a_suspect_runs_alone);
	tcase_add_test(t, a_worker_that_exits_is_a_death_too);
	tcase_add_test(t, a_worker_that_takes_the_shared_page_away_does_not_get_it);
	tcase_add_test(t, a_worker_that_lies_is_killed);
	tcase_add_test(t, a_worker_that_answers_for_another_is_killed);
	tcase_add_test(t, a_task_is_given_out_again_when_the_dead_one_was_reaped);
	tcase_add_test(t, a_task_that_was_told_to_publish_is_told_again);
	tcase_add_test(t, a_worker_whose_loop_does_not_turn_is_replaced);
	tcase_add_test(t, a_good_worker_with_nothing_to_do_is_left_alone);
	tcase_add_loop_test(t, a_program_that_is_no_worker_fails_all_tasks, 0, ARRAY_SIZE(no_workers));
	tcase_add_test(t, workers_that_are_killed_as_they_start_are_started_again);
	tcase_add_test(t, a_program_that_closes_its_pipe_and_does_not_end_fails_all_tasks);
	tcase_add_test(t, a_missing_program_fails_all_tasks);
	tcase_add_loop_test(t, a_service_waits_for_workers_that_cannot_be_started, 0, 3);
	tcase_add_test(t, who_waits_for_workers_can_be_cancelled);
	tcase_add_test(t, a_pool_may_be_freed_while_its_workers_run);
}

int
main(void)
{
	const char *build = getenv("HAUL_BUILD_DIR");
	Suite *s;
	int r;

	if (getenv("CHECK_POOL_WORKER"))
		return count_as_worker();
	worker_path = xasprintf("%s/hauld-worker", build ? build : "");
	bad_worker_path = xasprintf("%s/bad-worker", build ? build : "");
	if (!build || access(worker_path, X_OK) < 0 || access(bad_worker_path, X_OK) < 0) {
		(void)fprintf(stderr, "skipped: HAUL_BUILD_DIR must name where hauld-worker and bad-worker were built\n");
		return SKIPPED;
	}
	s = suite_create("pool");
	add_good_tests(s);
	add_bad_tests(s);
	r = run_suite(s);
	free(worker_path);
	free(bad_worker_path);
	return r;
}
