/*
 * The durable queue: hauld's side against the real hauld-store.  It is killed,
 * starved of room and given databases that are not its own; what it said was
 * durable must be there afterwards.
 */
#include "daemon/store/store.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop_until.h"
#include "run_suite.h"
#include "temp_dir.h"

enum { WAIT_MS = 60000, IDS = 4096, DEATHS = 4 }; /* DEATHS: as in store.c */

static char *program; /* hauld-store */

/* What the test knows of a job. */
struct known {
	bool there;
	unsigned attempts;
};

static struct {
	char *dir; /* owned */
	struct loop *loop;
	struct children *children;
	struct store *store;
	/* What the last loading told. */
	struct known loaded[IDS];
	unsigned n_jobs, n_loaded, n_fatal, n_stopped;
	uint64_t before; /* id of the last job */
	uint64_t last_id;
	char fatal[STORE_TEXT_MAX + 1];
	char notes[256]; /* "key=data " each */
	bool inside; /* a function of the store is running */
} rig;

static const char a_spec[] = "\x01\0packed";

static struct store_job
job(uint64_t id, unsigned attempts)
{
	struct store_job j = {
		.id = id, .from_config = id % 2, .uid = JOB_NO_UID, .added_s = -5 - (int64_t)(id % 1000), .state = JOB_PAUSED,
		.attempts = attempts, .received = STORE_ID_MAX, .published = id / 3, .run_ms = id / 7, .ended_s = 0,
		.spec = { a_spec, sizeof a_spec }, .receipt = { "\0r", id % 3 },
	};

	j.result.http_status = 404;
	j.result.os_error = 28;
	result_set(&j.result, RESULT_HTTP, "number %u\n", (unsigned)id);
	return j;
}

static void
assert_same(const struct store_job *a, const struct store_job *b)
{
	ck_assert_uint_eq(a->id, b->id);
	ck_assert_int_eq(a->from_config, b->from_config);
	ck_assert_uint_eq(a->uid, b->uid);
	ck_assert_int_eq(a->added_s, b->added_s);
	ck_assert_int_eq(a->state, b->state);
	ck_assert_uint_eq(a->attempts, b->attempts);
	ck_assert_uint_eq(a->received, b->received);
	ck_assert_uint_eq(a->published, b->published);
	ck_assert_uint_eq(a->run_ms, b->run_ms);
	ck_assert_int_eq(a->result.code, b->result.code);
	ck_assert_int_eq(a->result.http_status, b->result.http_status);
	ck_assert_int_eq(a->result.os_error, b->result.os_error);
	ck_assert_str_eq(a->result.text, b->result.text);
	ck_assert(a->spec.len == b->spec.len && memcmp(a->spec.at, b->spec.at, a->spec.len) == 0);
	ck_assert(a->receipt.len == b->receipt.len && memcmp(a->receipt.at, b->receipt.at, a->receipt.len) == 0);
}

static void
on_job(const struct store_job *j, void *arg)
{
	struct store_job want = job(j->id, j->attempts);

	ck_assert_ptr_eq(arg, &rig);
	ck_assert(!rig.inside);
	ck_assert_uint_eq(rig.n_loaded, 0);
	ck_assert_uint_gt(j->id, rig.before);
	assert_same(j, &want);
	rig.before = j->id;
	rig.n_jobs++;
	if (j->id < IDS)
		rig.loaded[j->id] = (struct known){ true, j->attempts };
}

static void
on_note(const char *key, const void *data, size_t n, void *arg)
{
	size_t len = strlen(rig.notes);

	ck_assert_ptr_eq(arg, &rig);
	ck_assert_uint_eq(rig.n_jobs + rig.n_loaded, 0);
	(void)snprintf(rig.notes + len, sizeof rig.notes - len, "%s=%.*s ", key, (int)n, (const char *)data);
}

static void
on_loaded(uint64_t last_id, void *arg)
{
	ck_assert_ptr_eq(arg, &rig);
	ck_assert(!rig.inside);
	rig.n_loaded++;
	rig.last_id = last_id;
}

static void
on_fatal(const char *text, void *arg)
{
	ck_assert_ptr_eq(arg, &rig);
	ck_assert(!rig.inside);
	rig.n_fatal++;
	(void)snprintf(rig.fatal, sizeof rig.fatal, "%s", text);
}

static void
on_stopped(void *arg)
{
	ck_assert_ptr_eq(arg, &rig);
	ck_assert(!rig.inside);
	rig.n_stopped++;
}

static const struct store_ops ops = { .on_job = on_job, .on_loaded = on_loaded, .on_fatal = on_fatal,
	.on_note = on_note };

static void
setup(void)
{
	memset(&rig, 0, sizeof rig);
	log_init("check", false);
	(void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL); /* as hauld does */
	rig.dir = temp_dir_new();
	rig.loop = loop_new();
	rig.children = children_new(rig.loop);
}

static void
teardown(void)
{
	store_free(rig.store);
	store_free(NULL);
	children_free(rig.children);
	loop_free(rig.loop);
	temp_dir_remove(rig.dir);
}

static void
begin_in(const char *path, const char *dir)
{
	memset(rig.loaded, 0, sizeof rig.loaded);
	rig.n_jobs = rig.n_loaded = rig.n_fatal = rig.n_stopped = 0;
	rig.before = rig.last_id = 0;
	rig.notes[0] = '\0';
	rig.inside = true;
	rig.store = store_new(rig.loop, rig.children, path, dir, &ops, &rig);
	rig.inside = false;
}

static void
wait_count(unsigned *n)
{
	ck_assert(loop_until(rig.loop, is_counted, n, WAIT_MS));
}

/* A new store, and what it knows. */
static void
load(void)
{
	begin_in(program, rig.dir);
	wait_count(&rig.n_loaded);
}

static void
stop(void)
{
	rig.inside = true;
	store_stop(rig.store, on_stopped, &rig);
	rig.inside = false;
	wait_count(&rig.n_stopped);
	ck_assert_uint_eq(rig.n_stopped, 1);
	store_free(TAKE_PTR(rig.store));
}

static void
load_again(void)
{
	stop();
	load();
}

/* ---- Waiting ---- */

struct waiter {
	struct store_wait wait;
	unsigned called;
	bool failed;
	char error[STORE_TEXT_MAX + 1];
	unsigned number; /* in the order of callbacks */
};

static unsigned n_called;

static void
on_durable(const char *error, void *arg)
{
	struct waiter *w = arg;

	ck_assert(!rig.inside);
	w->called++;
	w->number = ++n_called;
	w->failed = error != NULL;
	(void)snprintf(w->error, sizeof w->error, "%s", error ? error : "");
}

static void
ask(struct waiter *w)
{
	rig.inside = true;
	store_when_durable(rig.store, &w->wait, on_durable, w);
	rig.inside = false;
}

static void
wait_durable(void)
{
	struct waiter w = { 0 };

	ask(&w);
	wait_count(&w.called);
	ck_assert_str_eq(w.error, "");
	ck_assert_uint_eq(w.called, 1);
}

static void
put(uint64_t id, unsigned attempts)
{
	struct store_job j = job(id, attempts);

	rig.inside = true;
	store_put(rig.store, &j);
	rig.inside = false;
}

static void
update(uint64_t id, unsigned attempts)
{
	struct store_job j = job(id, attempts);

	j.spec = (struct text){ "not to be saved", 15 };
	rig.inside = true;
	store_update(rig.store, &j);
	rig.inside = false;
}

/* ---- Notes ---- */

START_TEST(notes_are_told_before_jobs_as_they_were_last)
{
	load();
	ck_assert_str_eq(rig.notes, "");
	put(1, 1);
	store_note(rig.store, "event:b", "1", 1);
	store_note(rig.store, "event:a", "one", 3);
	store_note(rig.store, "group:g", "x", 1);
	store_note(rig.store, "event:a", "two", 3);
	store_note(rig.store, "group:g", NULL, 0);
	store_note(rig.store, "never", NULL, 0);
	wait_durable();
	load_again();
	ck_assert_str_eq(rig.notes, "event:a=two event:b=1 ");
	ck_assert_uint_eq(rig.n_jobs, 1);
}
END_TEST

START_TEST(a_note_survives_a_store_that_is_killed)
{
	load();
	store_note(rig.store, "event:a", "x", 1);
	wait_durable();
	ck_assert_int_eq(kill(store_pid(rig.store), SIGKILL), 0);
	store_note(rig.store, "event:b", "y", 1);
	wait_durable();
	load_again();
	ck_assert_str_eq(rig.notes, "event:a=x event:b=y ");
}
END_TEST

/* ---- Loading what was saved ---- */

START_TEST(a_new_database_has_no_jobs_and_is_its_owners_alone)
{
	AUTO_FREE char *path = xasprintf("%s/jobs.db", rig.dir);
	struct stat st;

	load();
	ck_assert_uint_eq(rig.n_jobs, 0);
	ck_assert_uint_eq(rig.last_id, 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	stop();
	ck_assert_uint_eq(rig.n_fatal, 0);
}
END_TEST

START_TEST(jobs_come_back_as_they_were_in_the_order_of_ids)
{
	load();
	put(7, 1);
	put(3, 2);
	put(STORE_ID_MAX, 3);
	update(3, 4);
	update(4, 9); /* there is no such job */
	put(7, 5);
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 3);
	ck_assert_uint_eq(rig.loaded[3].attempts, 4);
	ck_assert_uint_eq(rig.loaded[7].attempts, 5);
	ck_assert_uint_eq(rig.last_id, STORE_ID_MAX);
}
END_TEST

START_TEST(the_largest_job_comes_back)
{
	char *spec = xcalloc(1, SPEC_MAX), *receipt = xcalloc(1, STORE_RECEIPT_MAX);
	struct store_job j = job(1, 1);

	load();
	memset(spec, 's', SPEC_MAX);
	j.spec = (struct text){ spec, SPEC_MAX };
	j.receipt = (struct text){ receipt, STORE_RECEIPT_MAX };
	for (j.id = 1; j.id <= 40; j.id++) /* more than the window */
		store_put(rig.store, &j);
	wait_durable();
	ck_assert_uint_eq(store_queued(rig.store), 0);
	put(1, 1); /* on_job() looks for the usual ones */
	for (uint64_t id = 2; id <= 40; id++)
		store_delete(rig.store, id);
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 1);
	free(spec);
	free(receipt);
}
END_TEST

START_TEST(an_id_is_never_given_again)
{
	load();
	put(1, 1);
	put(9, 1);
	store_delete(rig.store, 9);
	store_delete(rig.store, 9);
	store_delete(rig.store, 5);
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 1);
	ck_assert(rig.loaded[1].there);
	ck_assert_uint_eq(rig.last_id, 9);
	store_delete(rig.store, 1);
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 0);
	ck_assert_uint_eq(rig.last_id, 9);
}
END_TEST

START_TEST(changes_before_the_end_of_loading_are_not_told)
{
	load();
	put(1, 1);
	stop();
	begin_in(program, rig.dir);
	put(2, 2);
	wait_durable();
	ck_assert_uint_eq(rig.n_loaded, 1);
	ck_assert_uint_eq(rig.n_jobs, 1);
	ck_assert_uint_eq(rig.last_id, 1);
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 2);
}
END_TEST

START_TEST(a_hundred_thousand_jobs_are_saved_and_the_log_is_bounded)
{
	AUTO_FREE char *log = xasprintf("%s/jobs.db-wal", rig.dir);
	struct stat st;

	load();
	for (uint64_t id = 1; id <= 100000; id++) {
		put(id, 1);
		if (id % 500 == 0)
			wait_durable();
	}
	ck_assert_int_eq(stat(log, &st), 0);
	ck_assert_int_lt(st.st_size, 24 << 20);
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 100000);
	ck_assert_int_eq(stat(log, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
}
END_TEST

START_TEST(a_hundred_thousand_at_once_are_saved)
{
	load();
	for (uint64_t id = 1; id <= 100000; id++)
		put(id, 1);
	ck_assert_uint_eq(store_queued(rig.store), 100000);
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 100000);
}
END_TEST

/* ---- Waiting until it is durable ---- */

START_TEST(waits_are_answered_in_their_order)
{
	struct waiter w[5] = { 0 };

	load();
	ask(&w[0]); /* nothing to wait for: but not from inside */
	put(1, 1);
	ask(&w[1]);
	ask(&w[2]);
	put(2, 1);
	ask(&w[3]);
	ask(&w[4]);
	store_forget_wait(&w[2].wait);
	wait_count(&w[4].called);
	for (unsigned i = 0; i < 5; i++)
		ck_assert_uint_eq(w[i].called, i != 2);
	ck_assert(w[0].number < w[1].number && w[1].number < w[3].number && w[3].number < w[4].number);
	ck_assert(!w[1].failed && !w[4].failed);
	store_forget_wait(&w[4].wait); /* it does not wait any more */
}
END_TEST

static void
forget_the_next(const char *error, void *arg)
{
	struct waiter *w = arg;

	on_durable(error, &w[0]);
	store_forget_wait(&w[1].wait);
	ask(&w[2]);
}

START_TEST(a_callback_may_forget_others_and_wait_anew)
{
	struct waiter w[3] = { 0 };

	load();
	put(1, 1);
	store_when_durable(rig.store, &w[0].wait, forget_the_next, w);
	ask(&w[1]);
	wait_count(&w[2].called);
	ck_assert_uint_eq(w[0].called, 1);
	ck_assert_uint_eq(w[1].called, 0);
}
END_TEST

START_TEST(a_store_that_is_freed_forgets_its_waits)
{
	struct waiter w = { 0 };

	load();
	put(1, 1);
	ask(&w);
	store_free(TAKE_PTR(rig.store));
	loop_turn(rig.loop);
	ck_assert_uint_eq(w.called, 0);
	store_forget_wait(&w.wait);
}
END_TEST

START_TEST(stopping_waits_for_what_is_queued)
{
	struct waiter w = { 0 };

	load();
	put(1, 1);
	ask(&w);
	stop();
	ck_assert_uint_eq(w.called, 1);
	ck_assert(!w.failed);
}
END_TEST

START_TEST(a_store_can_be_stopped_while_it_loads)
{
	load();
	for (uint64_t id = 1; id < 3000; id++)
		put(id, 1);
	stop();
	begin_in(program, rig.dir);
	stop();
	ck_assert_uint_eq(rig.n_loaded, 0);
}
END_TEST

/* ---- Death ---- */

static void
kill_store(void)
{
	if (store_pid(rig.store))
		ck_assert_int_eq(kill(store_pid(rig.store), SIGKILL), 0);
}

START_TEST(a_store_that_was_killed_goes_on_where_it_was)
{
	load();
	put(1, 1);
	wait_durable();
	kill_store();
	put(2, 1);
	update(1, 2);
	wait_durable();
	ck_assert_uint_eq(rig.n_loaded, 1);
	ck_assert_uint_eq(rig.n_jobs, 0);
	load_again();
	ck_assert_uint_eq(rig.loaded[1].attempts, 2);
	ck_assert(rig.loaded[2].there);
}
END_TEST

static unsigned seed;

static unsigned
some(unsigned below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

/* A queue of changes, and of states that were said to be durable. */
static struct known now[IDS], safe[IDS];

static void
change_some(uint64_t *next_id)
{
	for (unsigned n = some(300); n > 0 && *next_id < IDS; n--) {
		uint64_t id = 1 + some((unsigned)*next_id);

		if (some(3) == 0 || !now[id].there) {
			id = (*next_id)++;
			put(id, 1);
			now[id] = (struct known){ true, 1 };
		} else if (some(4) == 0) {
			store_delete(rig.store, id);
			now[id].there = false;
		} else {
			update(id, ++now[id].attempts);
		}
	}
}

static bool
is_durable_or_tired(void *arg)
{
	struct waiter *w = arg;

	return w->called || some(40) == 0;
}

/* hauld and its store end at once, in the middle of things.  There must be what was
 * durable, or something later that was asked for: a job may have gone on, be
 * gone, or be there already, but it is never behind. */
START_TEST(what_was_durable_is_there_after_a_kill)
{
	uint64_t next_id = 1, durable_id = 0;
	unsigned kills = 0, said = 0, silent = 0;

	seed = 12345 + (unsigned)_i;
	memset(now, 0, sizeof now);
	memset(safe, 0, sizeof safe);
	load();
	for (unsigned round = 0; round < 12 && next_id < IDS; round++) {
		for (unsigned i = 0; i < 6; i++) {
			uint64_t upto = next_id - 1;
			struct waiter w = { 0 };
			struct known then[IDS];

			change_some(&next_id);
			upto = next_id - 1;
			memcpy(then, now, sizeof then);
			ask(&w);
			(void)loop_until(rig.loop, is_durable_or_tired, &w, WAIT_MS);
			/* Who kills it again and again before it can answer is told so. */
			ck_assert(!w.failed || silent >= DEATHS);
			if (w.called && !w.failed) {
				silent = 0;
				memcpy(safe, then, sizeof safe);
				durable_id = upto;
				said++;
			}
			store_forget_wait(&w.wait);
			if (some(3) == 0) {
				kill_store(); /* hauld lives: all goes on */
				kills++;
				silent++;
			}
		}
		kill_store(); /* and now with hauld */
		silent = 0;
		store_free(TAKE_PTR(rig.store));
		load();
		ck_assert_uint_ge(rig.last_id, durable_id);
		for (unsigned id = 1; id < IDS; id++) {
			const struct known *l = &rig.loaded[id];

			/* There is nothing that was never asked for. */
			ck_assert(!l->there || l->attempts <= now[id].attempts);
			if (safe[id].there && now[id].there)
				ck_assert(l->there && l->attempts >= safe[id].attempts);
			if (id <= durable_id && !safe[id].there)
				ck_assert(!l->there);
		}
		memcpy(now, rig.loaded, sizeof now);
		memcpy(safe, rig.loaded, sizeof safe);
		next_id = MAX(next_id, rig.last_id + 1);
		durable_id = rig.last_id;
	}
	ck_assert_uint_gt(kills, 0);
	ck_assert_uint_gt(said, 0);
}
END_TEST

/* A child that runs `first` in its first start, then is hauld-store. */
static void
begin_bad(const char *first)
{
	AUTO_FREE char *path = xasprintf("%s/program", rig.dir);
	AUTO_FREE char *text = xasprintf("#!/bin/sh\nif mkdir '%s/was-there' 2>/dev/null; then %s; fi\nexec '%s' \"$@\"\n",
	    rig.dir, first, program);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);

	ck_assert_int_eq(fd_write_full(fd, text, strlen(text)), 0);
	fd_close(&fd);
	begin_in(path, rig.dir);
}

START_TEST(a_store_that_ends_or_talks_nonsense_is_started_again)
{
	static const char *const first[] = { "exit 3", "echo nonsense that is no frame; cat >/dev/null",
		"kill -SEGV $$", "head -c 24 /dev/zero; cat >/dev/null" };

	begin_bad(first[_i]);
	put(1, 1);
	wait_durable();
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 1);
}
END_TEST

/* It says that something is durable which it has never got, or that was never there. */
START_TEST(a_store_that_calls_durable_what_it_was_not_given_is_not_believed)
{
	AUTO_FREE char *path = xasprintf("%s/words", rig.dir), *first = xasprintf("cat '%s'; cat >/dev/null", path);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	AUTO_BUF struct buf words = { 0 };

	store_msg_put_hello(&words);
	if (_i == 0)
		store_msg_put_empty(&words, 1, STORE_COMMITTED); /* nothing is given before all is loaded */
	store_msg_put_number(&words, 0, STORE_LOADED, 0);
	if (_i == 1)
		store_msg_put_empty(&words, 9, STORE_COMMITTED);
	ck_assert_int_eq(fd_write_full(fd, buf_bytes(&words), buf_len(&words)), 0);
	begin_bad(first);
	put(1, 1);
	wait_durable();
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 1);
}
END_TEST

/* It is killed while it tells jobs: these are not told again. */
START_TEST(no_job_is_loaded_twice)
{
	AUTO_FREE char *first = NULL;

	load();
	for (uint64_t id = 1; id <= 3000; id++)
		put(id, 1);
	stop();
	/* The first 100000 bytes of its words, and then its end. */
	first = xasprintf("'%s' \"$@\" | { head -c 100000; kill -KILL $$; }", program);
	begin_bad(first);
	put(3001, 1);
	wait_durable();
	ck_assert_uint_eq(rig.n_loaded, 1);
	ck_assert_uint_eq(rig.n_jobs, 3000);
	ck_assert_uint_eq(rig.last_id, 3000);
}
END_TEST

START_TEST(a_store_that_cannot_run_is_fatal)
{
	struct waiter w = { 0 };

	begin_in("/nonexistent/hauld-store", rig.dir);
	put(1, 1);
	ask(&w);
	wait_count(&rig.n_fatal);
	ck_assert_uint_eq(w.called, 1);
	ck_assert_str_eq(w.error, rig.fatal);
	ck_assert_str_eq(rig.fatal, "/nonexistent/hauld-store cannot be used: No such file or directory");
	loop_turn(rig.loop);
	ck_assert_uint_eq(rig.n_fatal, 1);
	stop(); /* at once */
}
END_TEST

/* ---- No room ---- */

static bool
is_failed(void *arg)
{
	return store_is_failed(rig.store, arg);
}

static bool
is_not_failed(void *arg)
{
	return !store_is_failed(rig.store, arg);
}

static void
limit_file_size(rlim_t n)
{
	struct rlimit l = { n, RLIM_INFINITY };

	ck_assert_int_eq(prlimit(store_pid(rig.store), RLIMIT_FSIZE, &l, NULL), 0);
}

START_TEST(what_cannot_be_written_is_told_and_written_later)
{
	struct waiter first = { 0 }, second = { 0 }, third = { 0 };
	const char *why = NULL;

	load();
	put(1, 1);
	wait_durable();
	ck_assert(!store_is_failed(rig.store, NULL));
	limit_file_size(1);
	put(2, 1);
	ask(&first);
	wait_count(&first.called);
	ck_assert(first.failed);
	ck_assert(has_prefix(first.error, "cannot write /"));
	ck_assert(has_suffix(first.error, "/jobs.db: File too large"));
	ck_assert(store_is_failed(rig.store, &why));
	ck_assert_str_eq(why, first.error);
	store_delete(rig.store, 2); /* taken back */
	put(3, 1);
	ask(&second);
	wait_count(&second.called);
	ck_assert(second.failed);
	ck_assert_uint_eq(store_queued(rig.store), 3);
	limit_file_size(RLIM_INFINITY);
	ck_assert(loop_until(rig.loop, is_not_failed, NULL, WAIT_MS));
	ask(&third);
	wait_count(&third.called);
	ck_assert(!third.failed);
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 2);
	ck_assert(rig.loaded[1].there && rig.loaded[3].there);
	ck_assert_uint_eq(rig.last_id, 3);
}
END_TEST

START_TEST(a_store_that_is_killed_without_room_loses_nothing)
{
	load();
	for (uint64_t id = 1; id <= 2000; id++)
		put(id, 1);
	limit_file_size(100000);
	ck_assert(loop_until(rig.loop, is_failed, NULL, WAIT_MS));
	kill_store(); /* the next one has no limit */
	ck_assert(loop_until(rig.loop, is_not_failed, NULL, WAIT_MS));
	wait_durable();
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 2000);
}
END_TEST

/* ---- Databases that are not for it ---- */

static char *
db_path(void)
{
	return xasprintf("%s/jobs.db", rig.dir);
}

static void
write_at(const char *path, off_t at, const void *data, size_t n)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_pwrite_full(fd, data, n, at), 0);
}

static void
read_file(const char *path, struct buf *ret)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	while ((n = read(fd, buf_reserve(ret, 65536), 65536)) > 0)
		buf_commit(ret, (size_t)n);
}

static void
assert_fatal(const char *dir, const char *has)
{
	begin_in(program, dir);
	wait_count(&rig.n_fatal);
	ck_assert_msg(strstr(rig.fatal, has) != NULL, "\"%s\" is not in: %s", has, rig.fatal);
	ck_assert_uint_eq(rig.n_loaded, 0);
	ck_assert(store_is_failed(rig.store, NULL));
	store_free(TAKE_PTR(rig.store));
}

/* The file is as it was. */
static void
assert_refused(const char *has)
{
	AUTO_FREE char *path = db_path();
	AUTO_BUF struct buf before = { 0 }, after = { 0 };

	read_file(path, &before);
	assert_fatal(rig.dir, has);
	ck_assert_ptr_nonnull(strstr(rig.fatal, path));
	read_file(path, &after);
	ck_assert(buf_len(&before) == buf_len(&after) &&
	    memcmp(buf_bytes(&before), buf_bytes(&after), buf_len(&before)) == 0);
}

static void
make_database(unsigned jobs)
{
	load();
	for (uint64_t id = 1; id <= jobs; id++)
		put(id, 1);
	stop();
}

START_TEST(a_database_of_another_program_is_left_alone)
{
	AUTO_FREE char *path = db_path();

	make_database(1);
	write_at(path, 68, "\0\0\0\x01", 4);
	assert_refused("is the database of another program (its application_id is 0x00000001): move it away");
}
END_TEST

START_TEST(a_database_of_a_later_version_is_left_alone)
{
	AUTO_FREE char *path = db_path();

	make_database(1);
	write_at(path, 60, "\0\0\x01\0", 4);
	assert_refused("is of a later hauld (version 256, this one knows 3): install that one again");
}
END_TEST

START_TEST(garbage_is_left_alone)
{
	AUTO_FREE char *path = db_path();
	char garbage[8192];

	memset(garbage, 'x', sizeof garbage);
	write_at(path, 0, garbage, _i ? sizeof garbage : 10);
	assert_refused("is damaged (it is no database): put a copy from a backup in its place");
}
END_TEST

START_TEST(a_damaged_database_is_left_alone)
{
	AUTO_FREE char *path = db_path();
	char garbage[4096];
	struct stat st;

	make_database(1000);
	memset(garbage, 'x', sizeof garbage);
	ck_assert_int_eq(stat(path, &st), 0);
	for (off_t at = 4096; at < st.st_size; at += 4096)
		write_at(path, at, garbage, sizeof garbage);
	assert_refused("is damaged (");
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
	AUTO_FREE char *path = db_path();

	ck_assert_int_eq(_i == 0 ? mkdir(path, 0700) : _i == 1 ? mkfifo(path, 0600) : symlink("/dev/null", path), 0);
	assert_fatal(rig.dir, _i == 2 ? "cannot open" : "is no regular file: move it away");
}
END_TEST

START_TEST(a_directory_that_is_not_there_or_not_writable_is_refused)
{
	AUTO_FREE char *missing = xasprintf("%s/missing", rig.dir);

	assert_fatal(missing, "/missing: No such file or directory");
	if (geteuid() == 0) {
		assert_fatal("/sys", "cannot open /sys/jobs.db: ");
	} else {
		ck_assert_int_eq(chmod(rig.dir, 0500), 0);
		assert_fatal(rig.dir, "/jobs.db: Permission denied");
		ck_assert_int_eq(chmod(rig.dir, 0700), 0);
	}
}
END_TEST

START_TEST(an_empty_file_becomes_a_database)
{
	AUTO_FREE char *path = db_path();

	write_at(path, 0, "", 0);
	load();
	put(1, 1);
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 1);
}
END_TEST

START_TEST(two_stores_never_share_a_directory)
{
	struct store *first;

	load();
	put(1, 1);
	wait_durable();
	first = TAKE_PTR(rig.store);
	assert_fatal(rig.dir, "/jobs.db is in use by another hauld-store: end that hauld first");
	rig.store = first;
	put(2, 1);
	load_again();
	ck_assert_uint_eq(rig.n_jobs, 2);
}
END_TEST

/* Of a hauld that was killed: its store ends as soon as it has noticed. */
START_TEST(the_store_before_it_is_waited_for)
{
	struct store *first;

	load();
	first = TAKE_PTR(rig.store);
	ck_assert_int_eq(kill(store_pid(first), SIGSTOP), 0);
	begin_in(program, rig.dir);
	loop_for(rig.loop, 300); /* long enough to have met the lock */
	ck_assert_uint_eq(rig.n_loaded, 0);
	store_free(first);
	wait_count(&rig.n_loaded);
	ck_assert_uint_eq(rig.n_fatal, 0);
}
END_TEST

static Suite *
store_suite(void)
{
	Suite *s = suite_create("store");
	TCase *t = add_case(s, "load", setup, teardown, 120);

	tcase_add_test(t, notes_are_told_before_jobs_as_they_were_last);
	tcase_add_test(t, a_note_survives_a_store_that_is_killed);
	tcase_add_test(t, a_new_database_has_no_jobs_and_is_its_owners_alone);
	tcase_add_test(t, jobs_come_back_as_they_were_in_the_order_of_ids);
	tcase_add_test(t, the_largest_job_comes_back);
	tcase_add_test(t, an_id_is_never_given_again);
	tcase_add_test(t, changes_before_the_end_of_loading_are_not_told);
	tcase_add_test(t, a_hundred_thousand_jobs_are_saved_and_the_log_is_bounded);
	tcase_add_test(t, a_hundred_thousand_at_once_are_saved);
	t = add_case(s, "wait", setup, teardown, 60);
	tcase_add_test(t, waits_are_answered_in_their_order);
	tcase_add_test(t, a_callback_may_forget_others_and_wait_anew);
	tcase_add_test(t, a_store_that_is_freed_forgets_its_waits);
	tcase_add_test(t, stopping_waits_for_what_is_queued);
	tcase_add_test(t, a_store_can_be_stopped_while_it_loads);
	t = add_case(s, "death", setup, teardown, 120);
	tcase_add_test(t, a_store_that_was_killed_goes_on_where_it_was);
	tcase_add_loop_test(t, what_was_durable_is_there_after_a_kill, 0, 3);
	tcase_add_loop_test(t, a_store_that_ends_or_talks_nonsense_is_started_again, 0, 4);
	tcase_add_loop_test(t, a_store_that_calls_durable_what_it_was_not_given_is_not_believed, 0, 2);
	tcase_add_test(t, no_job_is_loaded_twice);
	tcase_add_test(t, a_store_that_cannot_run_is_fatal);
	t = add_case(s, "room", setup, teardown, 60);
	tcase_add_test(t, what_cannot_be_written_is_told_and_written_later);
	tcase_add_test(t, a_store_that_is_killed_without_room_loses_nothing);
	t = add_case(s, "bad", setup, teardown, 60);
	tcase_add_test(t, a_database_of_another_program_is_left_alone);
	tcase_add_test(t, a_database_of_a_later_version_is_left_alone);
	tcase_add_loop_test(t, garbage_is_left_alone, 0, 2);
	tcase_add_test(t, a_damaged_database_is_left_alone);
	tcase_add_loop_test(t, what_is_no_file_is_refused, 0, 3);
	tcase_add_test(t, a_directory_that_is_not_there_or_not_writable_is_refused);
	tcase_add_test(t, an_empty_file_becomes_a_database);
	tcase_add_test(t, two_stores_never_share_a_directory);
	tcase_add_test(t, the_store_before_it_is_waited_for);
	return s;
}

int
main(void)
{
	const char *build = getenv("HAUL_BUILD_DIR");
	AUTO_FREE char *path = xasprintf("%s/hauld-store", build ? build : ".");

	program = realpath(path, NULL);
	if (!program) {
		(void)fprintf(stderr, "check_store: %s is not there\n", path);
		return EXIT_FAILURE;
	}
	return run_suite(store_suite());
}
