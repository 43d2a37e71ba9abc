/*
 * Jobs of clients: hauld's side, against the real hauld-conf.  It is started
 * through a shell script that counts its starts and notes its pid, and that
 * can be told to be a bad child for some of them.
 */
#include "daemon/conf/intake.h"

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
#include "base/str.h"
#include "loop_until.h"
#include "run_suite.h"
#include "temp_dir.h"
#include "wire/build_id.h"

enum { WAIT_MS = 60000, SKIPPED = 77, ASKED_MAX = 64 };

static char *real_path; /* of hauld-conf */

/* A batch and what came of it. */
struct asked {
	struct intake_batch *batch; /* owned */
	unsigned n_done, place;     /* place: the how-manieth answer this was */
	size_t n;
	struct spec **specs; /* owned refs; NULL: refused */
	char **errors;       /* owned */
	bool *internal;
	bool free_all;       /* frees batch and intake from its callback */
};

static struct {
	char *dir, *script, *pids; /* owned */
	struct loop *loop;
	struct children *children;
	struct intake *intake;
	struct conf conf;
	struct asked asked[ASKED_MAX];
	unsigned n_asked, n_done, n_ready;
	bool inside;
} rig;

/* ---- The rig ---- */

static void
on_done(const struct intake_result *results, size_t n, void *arg)
{
	struct asked *a = arg;

	ck_assert(!rig.inside);
	ck_assert_uint_eq(a->n_done++, 0);
	a->place = rig.n_done++;
	a->n = n;
	a->specs = xcalloc(n, sizeof(struct spec *));
	a->errors = xcalloc(n, sizeof(char *));
	a->internal = xcalloc(n, sizeof *a->internal);
	for (size_t i = 0; i < n; i++) {
		ck_assert((results[i].spec != NULL) != (results[i].errors != NULL));
		a->specs[i] = results[i].spec ? spec_ref(results[i].spec) : NULL;
		a->errors[i] = results[i].errors ? xstrdup(results[i].errors) : NULL;
		a->internal[i] = results[i].internal;
	}
	intake_batch_free(TAKE_PTR(a->batch));
	if (a->free_all)
		intake_free(TAKE_PTR(rig.intake));
}

static void
on_ready(void *arg)
{
	ck_assert_ptr_eq(arg, &rig);
	ck_assert(!rig.inside);
	ck_assert(!intake_is_busy(rig.intake));
	rig.n_ready++;
}

static struct spec *
spec_of(enum setting_scope scope, enum setting_id id, const char *text)
{
	AUTO_BUF struct buf b = { 0 };
	struct spec *s;

	spec_put_string(&b, id, text);
	ck_assert_int_eq(spec_new(scope, buf_bytes(&b), buf_len(&b), NULL, &s), 0);
	return s;
}

static void
set_context(const char *root, const char *agent)
{
	struct conf conf = { .daemon = spec_of(SCOPE_DAEMON, DAEMON_ROOTS, root),
		.defaults = spec_of(SCOPE_JOB, JOB_USER_AGENT, agent) };

	intake_set_context(rig.intake, &conf);
	spec_unref(conf.daemon);
	spec_unref(conf.defaults);
}

/* What the child does in its first starts (shell, may be ""); later ones are hauld-conf. */
static void
write_script(unsigned starts, const char *bad)
{
	AUTO_FREE char *text = xasprintf("#!/bin/sh\necho $$ >> %s\n"
					 "if test $(wc -l < %s) -le %u; then :; %s\nfi\nexec %s \"$@\"\n",
	    rig.pids, rig.pids, starts, bad, real_path);
	AUTO_CLOSE int fd = open(rig.script, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_full(fd, text, strlen(text)), 0);
}

static void
setup(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	memset(&rig, 0, sizeof rig);
	ck_assert_int_eq(sigaction(SIGPIPE, &ignore, NULL), 0);
	log_init("check", false);
	log_set_level(LOG_LEVEL_ERR);
	rig.dir = temp_dir_new();
	rig.script = xasprintf("%s/child", rig.dir);
	rig.pids = xasprintf("%s/pids", rig.dir);
	rig.loop = loop_new();
	rig.children = children_new(rig.loop);
	write_script(0, "");
	rig.intake = intake_new(rig.loop, rig.children, rig.script);
	set_context("/srv/haul", "mine");
}

static bool
no_child_is_left(void *arg)
{
	siginfo_t info;

	(void)arg;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void
teardown(void)
{
	intake_free(rig.intake);
	ck_assert(loop_until(rig.loop, no_child_is_left, NULL, WAIT_MS));
	for (unsigned i = 0; i < rig.n_asked; i++) {
		struct asked *a = &rig.asked[i];

		intake_batch_free(a->batch);
		for (size_t k = 0; k < a->n; k++) {
			spec_unref(a->specs[k]);
			free(a->errors[k]);
		}
		free(a->specs);
		free(a->errors);
		free(a->internal);
	}
	intake_batch_free(NULL);
	intake_free(NULL);
	children_free(rig.children);
	loop_free(rig.loop);
	temp_dir_remove(rig.dir);
	free(rig.script);
	free(rig.pids);
}

static struct asked *
new_batch(void)
{
	struct asked *a = &rig.asked[rig.n_asked++];

	ck_assert_uint_le(rig.n_asked, ASKED_MAX);
	a->batch = intake_batch_new(on_done, a);
	return a;
}

static void
submit(struct asked *a)
{
	rig.inside = true;
	intake_submit(rig.intake, a->batch);
	rig.inside = false;
}

/* A good job with a name of its own. */
static void
put_job(struct asked *a, unsigned number)
{
	char name[32], url[64];

	(void)snprintf(name, sizeof name, "job%u", number);
	(void)snprintf(url, sizeof url, "http://h.example/%u.bin", number);
	intake_put_text(a->batch, "name", name);
	intake_put_text(a->batch, "url", url);
	intake_put_number(a->batch, "retry", number);
	intake_end_job(a->batch);
}

static struct asked *
ask_jobs(unsigned first, unsigned n)
{
	struct asked *a = new_batch();

	for (unsigned i = 0; i < n; i++)
		put_job(a, first + i);
	submit(a);
	return a;
}

static bool
is_answered(void *arg)
{
	return ((struct asked *)arg)->n_done > 0;
}

static bool
all_answered(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < rig.n_asked; i++)
		if (!rig.asked[i].n_done)
			return false;
	return true;
}

static void
await(struct asked *a)
{
	ck_assert_msg(loop_until(rig.loop, is_answered, a, WAIT_MS), "no answer comes");
}

static void
await_all(void)
{
	ck_assert_msg(loop_until(rig.loop, all_answered, NULL, WAIT_MS), "not all answers come");
	for (unsigned i = 0; i < rig.n_asked; i++)
		ck_assert_uint_eq(rig.asked[i].place, i);
}

static void
assert_job(const struct asked *a, size_t i, unsigned number)
{
	char text[64];

	ck_assert_msg(a->specs[i], "job %u: %s", number, a->errors[i]);
	(void)snprintf(text, sizeof text, "job%u", number);
	ck_assert_str_eq(spec_string(a->specs[i], JOB_NAME), text);
	(void)snprintf(text, sizeof text, "/srv/haul/%u.bin", number);
	ck_assert_str_eq(spec_string(a->specs[i], JOB_OUTPUT), text);
	ck_assert_uint_eq(spec_number(a->specs[i], JOB_RETRY), number);
}

static void
assert_jobs(const struct asked *a, unsigned first, unsigned n)
{
	ck_assert_uint_eq(a->n, n);
	for (unsigned i = 0; i < n; i++)
		assert_job(a, i, first + i);
}

/* Pids of the children that were started, the last one in *ret_last. */
static unsigned
count_starts(pid_t *ret_last)
{
	FILE *f = fopen(rig.pids, "re");
	char line[32];
	unsigned n = 0;

	while (f && fgets(line, sizeof line, f)) {
		uint64_t pid;

		line[strcspn(line, "\n")] = '\0';
		ck_assert_int_eq(parse_u64(line, &pid), 0);
		*ret_last = (pid_t)pid;
		n++;
	}
	if (f)
		(void)fclose(f);
	return n;
}

static unsigned
starts(void)
{
	pid_t last;

	return count_starts(&last);
}

static void
signal_child(int sig)
{
	pid_t last = -1;

	ck_assert_uint_gt(count_starts(&last), 0);
	ck_assert_int_eq(kill(last, sig), 0);
}

/* ---- Checks ---- */

/* "key=text", "key#number", "key?true", "key~kind", separated by newlines. */
static void
put_line(struct intake_batch *b, char *line)
{
	char *sign = strpbrk(line, "=#?~"), kind = *sign;
	uint64_t n = 0;

	*sign++ = '\0';
	if (kind == '=') {
		intake_put_text(b, line, sign);
	} else if (kind == '#') {
		ck_assert_int_eq(parse_u64(sign + (*sign == '-'), &n), 0);
		intake_put_number(b, line, *sign == '-' ? -(int64_t)n : (int64_t)n);
	} else if (kind == '?') {
		intake_put_bool(b, line, text_equal(sign, "true"));
	} else {
		intake_put_kind(b, line,
		    text_equal(sign, "list")           ? CONF_KIND_LIST
			: text_equal(sign, "fraction") ? CONF_KIND_FRACTION
						       : CONF_KIND_OTHER);
	}
}

static void
put_lines(struct intake_batch *b, const char *lines)
{
	AUTO_FREE char *copy = xstrdup(lines);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")))
		if (*line)
			put_line(b, line);
	intake_end_job(b);
}

#define URL "url=http://h.example/f.gz\n"
#define SHA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *job, *errors;
} refused[] = {
	{ "", "a job needs a url" },
	{ "name=geo", "job \"geo\": a job needs a url" },
	{ "url=http//x", "url is no url: it does not begin with a scheme and ://" },
	{ "name=geo\nurl=ftp://h/x",
	    "job \"geo\": url has the scheme ftp: this version of haul takes http, https and, with allow-file = true, file" },
	{ "url=http://me:pw@h/x", "url has a name or password in it: give user instead" },
	{ "url=file:///etc/hostname", "url is a file: url: that takes allow-file = true" },
	{ URL "decompres=auto", "unknown key \"decompres\": did you mean \"decompress\"?" },
	{ "name=geo\n" URL "decompres=auto",
	    "unknown key \"decompres\" in job \"geo\": did you mean \"decompress\"?" },
	{ URL "split=8", "\"split\" is not in this version of haul" },
	{ URL "cron=0 0 30 2 *", "cron would never run: no month that it names has such a day" },
	{ URL "every=1h\njitter=2h", "jitter is longer than every" },
	{ URL "insecure?true",
	    "\"insecure\" is refused: there is no switch that turns certificate checks off; give cacert = \"FILE\" or pinnedpubkey" },
	{ URL "output=../x", "output \"../x\" has a part that is . or .." },
	{ URL "output=/etc/x", "output \"/etc/x\" does not lie beneath the root /srv/haul" },
	{ URL "output=a/.haul/b", "output \"a/.haul/b\" has a part .haul, where haul keeps its own files" },
	{ "url=http://h/", "the url ends in no file name: give output" },
	{ URL "checksum=sha256:12", "checksum \"sha256:12\" is wrong: its number of hex digits is not that of the algorithm" },
	{ URL "group=a b", "group may hold letters, digits, . _ and - only" },
	{ URL "name=1st", "job \"1st\": name must begin with a letter or _" },
	{ URL "retry=5", "retry is a string: it must be a whole number, without quotes" },
	{ URL "retry#-1", "retry must not be negative" },
	{ URL "retry~fraction", "retry is a number with a point: it must be a whole number" },
	{ URL "retry~other", "retry is an object or null: it must be a whole number" },
	{ URL "output~list\noutput=a", "output is a list or a group: it must be a string" },
	{ URL "output=a\noutput=b", "output is a list or a group: it must be a string" },
	{ URL "output#5", "output is the number 5: it must be a string" },
	{ URL "no-clobber=true", "no-clobber is a string: it must be true or false, without quotes" },
	{ URL "mode?true", "mode is true or false: it must be permissions in octal as a string, such as \"0644\"" },
	{ "url~list", "url is an empty list: leave the key out instead" },
	{ "url~list\nurl=http://h/f\nurl#5", "url has an entry that is no string" },
	{ "url~list\nurl=http://h/f\nurl~list", "url has an entry that is no string" },
	{ URL "stall-timeout=20 seconds",
	    "stall-timeout is \"20 seconds\": it must be a duration, such as \"250ms\", \"30s\" or \"6h\"" },
	{ URL "decompress=auto\nkeep-download=f", "keep-download /srv/haul/f is the destination of output too" },
	{ URL "user=@/etc/passwd",
	    "user begins with @: hauld reads no file for a client, send what is in it instead" },
	{ URL "header=@/etc/passwd",
	    "header begins with @: hauld reads no file for a client, send what is in it instead" },
	{ URL "header=Range: bytes=0-", "header sets one that haul sets itself" },
	{ URL "cacert=ca.pem", "cacert must be an absolute path" },
	{ URL "cacert=/etc", "cacert \"/etc\" cannot be read: it is a directory" },
	{ URL "cacert=/dev/zero", "cacert \"/dev/zero\" cannot be read: it is not a regular file" },
	{ URL "output=a\tb", "output has a control character in it" },
	{ "url=x\nretry=many\noutput=",
	    "url is no url: it does not begin with a scheme and ://; retry is a string: it must be a whole number, without quotes; output \"\" is empty" },
};

START_TEST(a_job_is_refused_with_the_sentences_of_the_configuration)
{
	struct asked *a = new_batch();

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		put_lines(a->batch, refused[i].job);
	submit(a);
	await_all();
	ck_assert_uint_eq(a->n, ARRAY_SIZE(refused));
	for (size_t i = 0; i < a->n; i++) {
		ck_assert_msg(a->errors[i], "taken: %s", refused[i].job);
		ck_assert_str_eq(a->errors[i], refused[i].errors);
		ck_assert(!a->internal[i]);
	}
}
END_TEST

START_TEST(a_job_is_taken_with_all_it_says)
{
	struct asked *a = new_batch();
	const struct spec *s;

	put_lines(a->batch,
	    "name=geo\nurl~list\nurl=http://a.example/f.gz\nurl=http://b.example/f.gz\n"
	    "decompress=auto\nchecksum=SHA256:" SHA "\nheader=Authorization: Bearer x\nuser=me:pw\n"
	    "retry#7\nno-clobber?true\nmode=0600\nstall-timeout#5\ngroup=nightly\nlimit-rate=1M");
	submit(a);
	await_all();
	s = a->specs[0];
	ck_assert_msg(s, "%s", a->errors[0]);
	ck_assert_uint_eq(spec_list_len(s, JOB_URL), 2);
	ck_assert_str_eq(spec_list(s, JOB_URL, 1), "http://b.example/f.gz");
	ck_assert_str_eq(spec_string(s, JOB_OUTPUT), "/srv/haul/f");
	ck_assert_str_eq(spec_list(s, JOB_CHECKSUM, 0), "sha256:" SHA);
	ck_assert_str_eq(spec_list(s, JOB_HEADER, 0), "Authorization: Bearer x");
	ck_assert_str_eq(spec_string(s, JOB_USER), "me:pw");
	ck_assert_uint_eq(spec_number(s, JOB_RETRY), 7);
	ck_assert(spec_bool(s, JOB_NO_CLOBBER));
	ck_assert_uint_eq(spec_number(s, JOB_MODE), 0600);
	ck_assert_uint_eq(spec_number(s, JOB_STALL_TIMEOUT), 5000);
	ck_assert_uint_eq(spec_number(s, JOB_LIMIT_RATE), 1 << 20);
	ck_assert_str_eq(spec_string(s, JOB_USER_AGENT), "mine"); /* of the defaults */
}
END_TEST

/* hauld knows which jobs live; hauld-conf sees one. */
START_TEST(names_and_outputs_of_other_jobs_are_not_compared)
{
	struct asked *a = new_batch();

	put_job(a, 1);
	put_job(a, 1);
	submit(a);
	await_all();
	assert_job(a, 0, 1);
	assert_job(a, 1, 1);
}
END_TEST

START_TEST(thousands_of_jobs_are_answered_in_their_order)
{
	unsigned number = 0;

	for (unsigned i = 0; i < 40; i++) {
		struct asked *a = new_batch();

		for (unsigned k = 0; k < (i * 37) % 500; k++, number++) {
			if (number % 7 == 3)
				put_lines(a->batch, "retry=x");
			else
				put_job(a, number);
		}
		submit(a);
	}
	ck_assert_uint_gt(number, 8000);
	await_all();
	number = 0;
	for (unsigned i = 0; i < 40; i++) {
		const struct asked *a = &rig.asked[i];

		ck_assert_uint_eq(a->n, (i * 37) % 500);
		for (unsigned k = 0; k < a->n; k++, number++) {
			if (number % 7 != 3)
				assert_job(a, k, number);
			else
				ck_assert_str_eq(a->errors[k],
				    "retry is a string: it must be a whole number, without quotes; a job needs a url");
		}
	}
	ck_assert_uint_eq(starts(), 1);
}
END_TEST

START_TEST(a_job_that_is_too_large_is_refused_and_no_other)
{
	struct asked *a = new_batch();
	AUTO_FREE char *big = xcalloc(1, 65536), *huge = xcalloc(1, 700001);

	memset(big, 'x', 65535);
	memset(huge, 'x', 700000);
	put_job(a, 0);
	intake_put_text(a->batch, "url", "http://h/f");
	intake_put_text(a->batch, "user-agent", huge); /* beyond what is sent */
	intake_put_text(a->batch, "output", huge);
	intake_end_job(a->batch);
	put_job(a, 2);
	intake_put_text(a->batch, "url", "http://h/f"); /* sent, and beyond what a spec holds */
	for (unsigned i = 0; i < 6; i++) {
		memcpy(big, "X: ", 3);
		intake_put_text(a->batch, "header", big);
	}
	intake_end_job(a->batch);
	for (unsigned i = 0; i <= CONF_PAIRS_MAX; i++)
		intake_put_bool(a->batch, "", true);
	intake_end_job(a->batch);
	put_job(a, 5);
	submit(a);
	a = new_batch();
	intake_put_text(a->batch, "user-agent", huge); /* alone: nothing is asked */
	intake_end_job(a->batch);
	submit(a);
	(void)ask_jobs(0, 0);
	(void)ask_jobs(9, 1);
	await_all();
	a = &rig.asked[0];
	ck_assert_uint_eq(a->n, 6);
	assert_job(a, 5, 5);
	assert_job(a, 0, 0);
	ck_assert_str_eq(a->errors[1], "the settings of this job take more than 256 KiB");
	assert_job(a, 2, 2);
	ck_assert_str_eq(a->errors[3], "the settings of this job take more than 256 KiB");
	ck_assert_str_eq(a->errors[4], "the job has more than 16384 values");
	ck_assert(!a->internal[1] && !a->internal[3] && !a->internal[4]);
	ck_assert_ptr_nonnull(rig.asked[1].errors[0]);
	ck_assert_uint_eq(rig.asked[2].n, 0);
	assert_jobs(&rig.asked[3], 9, 1);
}
END_TEST

START_TEST(many_errors_are_cut_at_a_sentence)
{
	struct asked *a = new_batch();
	char key[16];

	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(key, sizeof key, "\033xyz%u", i);
		intake_put_number(a->batch, key, 1);
	}
	intake_end_job(a->batch);
	for (unsigned i = 0; i < 16; i++) {
		AUTO_FREE char *longer = xasprintf("%u%0250d", i, 0);

		intake_put_number(a->batch, longer, 1);
	}
	intake_end_job(a->batch);
	submit(a);
	await_all();
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_lt(strlen(a->errors[i]), INTAKE_TEXT_MAX);
		ck_assert_msg(has_suffix(a->errors[i], "; there are more errors"), "%s", a->errors[i]);
		ck_assert_ptr_null(strchr(a->errors[i], '\033'));
	}
	ck_assert_msg(has_prefix(a->errors[0], "unknown key \"\\x1bxyz0\"; unknown key \"\\x1bxyz1\"; "),
	    "%s", a->errors[0]);
}
END_TEST

/* ---- Contexts ---- */

START_TEST(a_batch_is_checked_with_the_context_it_was_sent_under)
{
	struct asked *a = new_batch(), *b = new_batch(), *c = new_batch();

	put_lines(a->batch, URL "output=f.gz");
	put_lines(b->batch, URL "output=/srv/haul/f.gz");
	put_lines(c->batch, URL "output=f.gz");
	submit(a);
	set_context("/data", "new");
	submit(b);
	submit(c);
	await_all();
	ck_assert_str_eq(spec_string(a->specs[0], JOB_OUTPUT), "/srv/haul/f.gz");
	ck_assert_str_eq(spec_string(a->specs[0], JOB_USER_AGENT), "mine");
	ck_assert_str_eq(b->errors[0], "output \"/srv/haul/f.gz\" does not lie beneath the root /data");
	ck_assert_str_eq(spec_string(c->specs[0], JOB_OUTPUT), "/data/f.gz");
	ck_assert_str_eq(spec_string(c->specs[0], JOB_USER_AGENT), "new");
	ck_assert_uint_eq(starts(), 1);
}
END_TEST

START_TEST(a_new_child_is_told_the_context_of_each_batch_again)
{
	struct asked *a, *b;

	(void)ask_jobs(0, 1);
	await_all();
	signal_child(SIGSTOP);
	a = ask_jobs(1, 1);
	set_context("/data", "new");
	b = ask_jobs(2, 1);
	loop_turn(rig.loop);
	loop_turn(rig.loop);
	signal_child(SIGKILL);
	await_all();
	assert_job(a, 0, 1);
	ck_assert_str_eq(spec_string(b->specs[0], JOB_OUTPUT), "/data/2.bin");
	ck_assert_uint_eq(starts(), 2);
}
END_TEST

/* ---- Children that die ---- */

START_TEST(idle_costs_no_child_and_work_costs_one)
{
	loop_for(rig.loop, 20);
	ck_assert_uint_eq(starts(), 0);
	await(ask_jobs(0, 3));
	await(ask_jobs(3, 3));
	ck_assert_uint_eq(starts(), 1);
}
END_TEST

START_TEST(jobs_are_asked_again_when_the_child_was_killed)
{
	for (unsigned i = 0; i < 50; i++)
		(void)ask_jobs(i * 200, 200);
	await(&rig.asked[3]);
	ck_assert_uint_eq(rig.asked[49].n_done, 0); /* it is in the middle */
	signal_child(SIGKILL);
	await_all();
	for (unsigned i = 0; i < 50; i++)
		assert_jobs(&rig.asked[i], i * 200, 200);
	ck_assert_uint_eq(starts(), 2);
}
END_TEST

START_TEST(a_child_that_died_at_rest_is_missed_by_nobody)
{
	await(ask_jobs(0, 1));
	signal_child(SIGKILL);
	loop_for(rig.loop, 50);
	await(ask_jobs(1, 1));
	assert_jobs(&rig.asked[1], 1, 1);
	ck_assert_uint_eq(starts(), 2);
}
END_TEST

static char *
saved_words(const struct buf *says)
{
	char *path = xasprintf("%s/words", rig.dir);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fd_write_full(fd, buf_bytes(says), buf_len(says)), 0);
	return path;
}

/* The first two children greet, take something in, say that and die (or not). */
static void
be_bad_twice(struct buf *says, const char *then)
{
	AUTO_FREE char *words = NULL, *bad = NULL;

	words = saved_words(says);
	bad = xasprintf("head -c 1 > /dev/null; cat %s; %s", words, then);
	write_script(2, bad);
}

START_TEST(a_batch_that_loses_two_children_fails_and_no_other)
{
	AUTO_BUF struct buf says = { 0 };

	conf_put_text(&says, 0, CONF_HELLO, build_id);
	be_bad_twice(&says, "kill -SEGV $$");
	(void)ask_jobs(0, 2);
	(void)ask_jobs(2, 2);
	(void)ask_jobs(4, 2);
	await_all();
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(rig.asked[0].internal[i]);
		ck_assert_str_eq(rig.asked[0].errors[i],
		    "internal error: hauld-conf died twice over this request (killed by signal 11 (Segmentation fault)); see the log");
	}
	assert_jobs(&rig.asked[1], 2, 2);
	assert_jobs(&rig.asked[2], 4, 2);
	ck_assert_uint_eq(starts(), 3);
}
END_TEST

/* The answer that was known before the death counts. */
START_TEST(what_was_answered_is_not_asked_again)
{
	AUTO_BUF struct buf says = { 0 };

	conf_put_text(&says, 0, CONF_HELLO, build_id);
	conf_put_text(&says, 1, CONF_ERROR, "the first\033 child's word");
	conf_put_empty(&says, 1, CONF_REFUSED);
	conf_put_text(&says, 2, CONF_ERROR, "half an answer");
	{
		AUTO_FREE char *words = saved_words(&says), *bad = xasprintf("head -c 1 > /dev/null; cat %s; exit 1", words);

		write_script(1, bad);
	}
	(void)ask_jobs(0, 3);
	await_all();
	ck_assert_str_eq(rig.asked[0].errors[0], "the first\\x1b child's word");
	assert_job(&rig.asked[0], 1, 1);
	assert_job(&rig.asked[0], 2, 2);
}
END_TEST

START_TEST(a_child_that_does_not_greet_fails_all_that_wait)
{
	intake_set_silence(rig.intake, 1000);
	write_script(2, _i ? "echo hello; cat > /dev/null" : "exit 1");
	(void)ask_jobs(0, 1);
	(void)ask_jobs(1, 1);
	(void)ask_jobs(2, 1);
	await_all();
	for (unsigned i = 0; i < 3; i++)
		ck_assert(rig.asked[i].internal[0]);
	ck_assert_str_eq(rig.asked[2].errors[0],
	    "internal error: hauld-conf does not stay to check jobs; see the log");
	ck_assert_uint_eq(starts(), 2);
	await(ask_jobs(3, 1)); /* and the next time it is tried again */
	assert_jobs(&rig.asked[3], 3, 1);
}
END_TEST

START_TEST(a_program_that_is_not_there_fails_what_waits)
{
	ck_assert_int_eq(unlink(rig.script), 0);
	(void)ask_jobs(0, 2);
	(void)ask_jobs(2, 1);
	await_all();
	ck_assert(rig.asked[0].internal[1] && rig.asked[1].internal[0]);
	ck_assert_str_eq(rig.asked[1].errors[0],
	    "internal error: hauld-conf cannot be started: No such file or directory");
	write_script(0, "");
	await(ask_jobs(3, 1));
	assert_jobs(&rig.asked[2], 3, 1);
}
END_TEST

/* What a child may not say; the right answer is a CONF_JOB under the id 1. */
static void
say_nonsense(struct buf *says, int which)
{
	AUTO_BUF struct buf bad = { 0 };

	buf_append_str(&bad, "\xff");
	if (which == 0)
		conf_put_text(says, 2, CONF_ERROR, "not asked yet");
	else if (which == 1)
		conf_put_empty(says, 1, CONF_REFUSED); /* without a reason */
	else if (which == 2)
		conf_put_spec(says, 1, CONF_JOB, &bad);
	else if (which == 3)
		conf_put_text(says, 1, CONF_HELLO, build_id); /* twice */
	else if (which == 4)
		conf_put_empty(says, 1, CONF_CONTEXT); /* what only we say */
	else if (which == 5)
		frame_end(says, frame_begin(says, CONF_JOB, CONF_PROTO + 1, 1));
	else if (which == 6)
		buf_append_str(says, "hauld-conf: cannot open shared object file");
	else if (which == 7)
		conf_put_spec(says, 0, CONF_JOB, &(struct buf){ 0 });
	if (which == 8) {
		conf_put_text(says, 1, CONF_ERROR, "an error");
		conf_put_spec(says, 1, CONF_JOB, &(struct buf){ 0 }); /* and yet taken */
	}
}

START_TEST(a_child_that_makes_no_sense_is_replaced)
{
	AUTO_BUF struct buf says = { 0 };

	conf_put_text(&says, 0, CONF_HELLO, build_id);
	say_nonsense(&says, _i);
	be_bad_twice(&says, "exec sleep 1000");
	(void)ask_jobs(0, 1);
	(void)ask_jobs(1, 1);
	await_all();
	ck_assert_str_eq(rig.asked[0].errors[0],
	    "internal error: hauld-conf died twice over this request (it said what makes no sense); see the log");
	assert_jobs(&rig.asked[1], 1, 1);
}
END_TEST

START_TEST(a_child_that_does_not_answer_is_replaced)
{
	intake_set_silence(rig.intake, 1000);
	await(ask_jobs(0, 1));
	signal_child(SIGSTOP);
	await(ask_jobs(1, 1));
	assert_jobs(&rig.asked[1], 1, 1);
	ck_assert_uint_eq(starts(), 2);
}
END_TEST

START_TEST(a_child_at_rest_may_be_silent)
{
	await(ask_jobs(0, 1));
	intake_set_silence(rig.intake, 20);
	loop_for(rig.loop, 200);
	intake_set_silence(rig.intake, 10000); /* from here on it has work to do */
	await(ask_jobs(1, 1));
	ck_assert_uint_eq(starts(), 1);
}
END_TEST

/* ---- Owners that leave ---- */

START_TEST(a_batch_may_be_freed_at_any_moment)
{
	struct asked *a[4];

	await(ask_jobs(0, 1));
	signal_child(SIGSTOP);
	for (unsigned i = 0; i < ARRAY_SIZE(a); i++) {
		a[i] = ask_jobs(100 * i, 100);
		if (i == 2) { /* the first three are sent, the fourth is not */
			loop_turn(rig.loop);
			loop_turn(rig.loop);
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(a); i++)
		if (i != 1)
			intake_batch_free(TAKE_PTR(a[i]->batch));
	intake_batch_free(new_batch()->batch); /* was never submitted */
	rig.asked[5].batch = NULL;
	signal_child(_i ? SIGKILL : SIGCONT);
	await(a[1]);
	assert_jobs(a[1], 100, 100);
	await(ask_jobs(7, 1));
	assert_jobs(&rig.asked[6], 7, 1);
	ck_assert_uint_eq(rig.n_done, 3);
	ck_assert_uint_eq(starts(), _i ? 2 : 1);
}
END_TEST

START_TEST(the_intake_may_be_freed_while_batches_are_in_flight)
{
	(void)ask_jobs(0, 100);
	(void)ask_jobs(100, 1000);
	(void)ask_jobs(2000, 100);
	if (_i > 0)
		await(&rig.asked[0]);
	if (_i > 1)
		intake_batch_free(TAKE_PTR(rig.asked[1].batch));
	rig.n_done = 0;
	intake_free(TAKE_PTR(rig.intake));
	ck_assert(loop_until(rig.loop, no_child_is_left, NULL, WAIT_MS));
	ck_assert_uint_eq(rig.n_done, 0);
}
END_TEST

START_TEST(all_may_be_freed_from_the_callback)
{
	(void)ask_jobs(0, 100);
	rig.asked[0].free_all = true;
	(void)ask_jobs(0, 100);
	await(&rig.asked[0]);
	ck_assert_ptr_null(rig.intake);
	ck_assert(loop_until(rig.loop, no_child_is_left, NULL, WAIT_MS));
	ck_assert_uint_eq(rig.n_done, 1);
}
END_TEST

START_TEST(it_is_busy_while_much_waits_and_says_when_not)
{
	AUTO_FREE char *agent = xcalloc(1, 60001);

	memset(agent, 'x', 60000);
	intake_on_ready(rig.intake, on_ready, &rig);
	for (unsigned i = 0; !intake_is_busy(rig.intake); i++) {
		struct asked *a = new_batch();

		ck_assert_uint_lt(i, INTAKE_BUSY_BYTES / 60000 + 1);
		intake_put_text(a->batch, "url", "http://h/f");
		intake_put_text(a->batch, "user-agent", agent);
		intake_end_job(a->batch);
		submit(a);
	}
	if (_i)
		intake_batch_free(TAKE_PTR(rig.asked[--rig.n_asked].batch)); /* one that is not sent */
	await_all();
	loop_turn(rig.loop);
	ck_assert(!intake_is_busy(rig.intake));
	ck_assert_uint_eq(rig.n_ready, 1);
	for (unsigned i = 0; i < rig.n_asked; i++)
		ck_assert_str_eq(spec_string(rig.asked[i].specs[0], JOB_USER_AGENT), agent);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = add_case(s, "checks", setup, teardown, 120);

	tcase_add_test(t, a_job_is_refused_with_the_sentences_of_the_configuration);
	tcase_add_test(t, a_job_is_taken_with_all_it_says);
	tcase_add_test(t, names_and_outputs_of_other_jobs_are_not_compared);
	tcase_add_test(t, thousands_of_jobs_are_answered_in_their_order);
	tcase_add_test(t, a_job_that_is_too_large_is_refused_and_no_other);
	tcase_add_test(t, many_errors_are_cut_at_a_sentence);
	tcase_add_test(t, a_batch_is_checked_with_the_context_it_was_sent_under);
	t = add_case(s, "children", setup, teardown, 120);
	tcase_add_test(t, a_new_child_is_told_the_context_of_each_batch_again);
	tcase_add_test(t, idle_costs_no_child_and_work_costs_one);
	tcase_add_test(t, jobs_are_asked_again_when_the_child_was_killed);
	tcase_add_test(t, a_child_that_died_at_rest_is_missed_by_nobody);
	tcase_add_test(t, a_batch_that_loses_two_children_fails_and_no_other);
	tcase_add_test(t, what_was_answered_is_not_asked_again);
	tcase_add_loop_test(t, a_child_that_does_not_greet_fails_all_that_wait, 0, 2);
	tcase_add_test(t, a_program_that_is_not_there_fails_what_waits);
	tcase_add_loop_test(t, a_child_that_makes_no_sense_is_replaced, 0, 9);
	tcase_add_test(t, a_child_that_does_not_answer_is_replaced);
	tcase_add_test(t, a_child_at_rest_may_be_silent);
	t = add_case(s, "owners", setup, teardown, 120);
	tcase_add_loop_test(t, a_batch_may_be_freed_at_any_moment, 0, 2);
	tcase_add_loop_test(t, the_intake_may_be_freed_while_batches_are_in_flight, 0, 3);
	tcase_add_test(t, all_may_be_freed_from_the_callback);
	tcase_add_loop_test(t, it_is_busy_while_much_waits_and_says_when_not, 0, 2);
}

int
main(void)
{
	const char *build = getenv("HAUL_BUILD_DIR");
	Suite *s;
	int r;

	real_path = xasprintf("%s/hauld-conf", build ? build : "");
	if (!build || access(real_path, X_OK) < 0) {
		(void)fprintf(stderr, "skipped: HAUL_BUILD_DIR must name where hauld-conf was built\n");
		return SKIPPED;
	}
	s = suite_create("intake");
	add_tests(s);
	r = run_suite(s);
	free(real_path);
	return r;
}
