/* Waiting for jobs to be over; see watch.h. */
#include "ctl/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "ctl/client.h"
#include "ctl/signals.h"

enum {
	PROGRESS_MS = 100,        /* for moving lines */
	PROGRESS_PLAIN_MS = 1000, /* for others, and with --json */
	DETACHED_SHOWN = 5,       /* ids in the farewell */
};

/* ---- Requests ---------------------------------------------------------------------- */

static bool
is_listed(const struct watch *w)
{
	return w->n_jobs > CLIENT_JOBS_MAX;
}

/* More jobs than a request may name: all are subscribed to, and a list tells
 * of those that are over already. */
static void
subscribe(struct watch *w)
{
	const struct args *a = &w->ctl->args;
	json_t *p = json_object(), *jobs;

	if (w->n_jobs && !is_listed(w)) {
		jobs = json_array();
		for (size_t i = 0; i < w->n_jobs; i++)
			(void)json_array_append_new(jobs, json_integer((json_int_t)w->jobs[i]->id));
		(void)json_object_set_new(p, "jobs", jobs);
	} else if (!w->n_jobs && !w->all) {
		json_decref(p);
		p = ctl_job_params(a->words, a->n_words);
	}
	if (w->tty_fd >= 0 || !a->json || !a->no_progress)
		(void)json_object_set_new(p, "progress_ms",
		    json_integer(w->tty_fd >= 0 ? PROGRESS_MS : PROGRESS_PLAIN_MS));
	w->is_synced = false;
	w->subscribe_id = client_send(w->ctl->client, "subscribe", p);
}

static void
ask_list(struct watch *w, uint64_t after)
{
	w->list_id = client_send(w->ctl->client, "list",
	    json_pack("{s:i, s:I}", "limit", CLIENT_JOBS_MAX, "after", (json_int_t)after));
}

/* Whether anything runs still. */
static void
ask_status(struct watch *w)
{
	w->status_again = w->status_id != 0;
	if (!w->status_id)
		w->status_id = client_send(w->ctl->client, "status", NULL);
}

/* Events were lost, perhaps the end of a job: begin anew. */
static void
subscribe_again(struct watch *w)
{
	(void)client_send(w->ctl->client, "unsubscribe", json_pack("{s:I}", "subscription", (json_int_t)w->subscription));
	subscribe(w);
}

/* ---- Answers --------------------------------------------------------------------------- */

static void
put_event(struct watch *w, const json_t *event)
{
	if (w->ctl->args.json) {
		ctl_put_json(w->ctl, event);
		(void)ctl_flush(w->ctl);
	}
}

/* A job of an answer: its end may have come before the subscription. */
static void
take_job(struct watch *w, json_t *job)
{
	struct brief b;

	brief_read(job, &b);
	if (watch_jobs_update(w, job) && brief_is_over(&b) && w->ctl->args.json) {
		AUTO_JSON json_t *event = json_pack("{s:s, s:O}", "event", "end", "job", job);

		put_event(w, event);
	}
}

static void
on_subscribed(struct watch *w, const json_t *result)
{
	bool by_name = !w->n_jobs && !w->all;
	uint64_t first = UINT64_MAX;
	json_t *job;
	size_t i;

	w->subscription = member_u64(result, "subscription");
	json_array_foreach(json_object_get(result, "jobs"), i, job) {
		if (by_name)
			watch_jobs_add(w, member_u64(job, "id"));
		take_job(w, job);
	}
	if (w->all) {
		ask_status(w);
	} else if (is_listed(w)) {
		for (i = 0; i < w->n_jobs; i++) {
			first = MIN(first, w->jobs[i]->id);
			w->list_last = MAX(w->list_last, w->jobs[i]->id);
		}
		ask_list(w, first - 1);
	} else {
		w->is_synced = true;
	}
}

static void
on_list(struct watch *w, const json_t *result)
{
	uint64_t next = member_u64(result, "next");
	json_t *job;
	size_t i;

	json_array_foreach(json_object_get(result, "jobs"), i, job)
		take_job(w, job);
	if (next && next < w->list_last)
		ask_list(w, next);
	else
		w->is_synced = true;
}

static void
on_status(struct watch *w, const json_t *result)
{
	watch_jobs_totals(w, json_object_get(result, "jobs"));
	w->is_synced = true;
	w->idle = !w->totals[WATCH_QUEUED] && !w->totals[WATCH_BLOCKED] && !w->totals[WATCH_ACTIVE];
	if (!w->idle && w->status_again)
		ask_status(w);
}

static void
on_answer(struct watch *w, uint64_t id, const json_t *message)
{
	const json_t *error = json_object_get(message, "error"), *result = json_object_get(message, "result");
	bool ours = id == w->subscribe_id || id == w->list_id || id == w->status_id;

	if (error && ours) {
		watch_show_clear(w);
		w->status = ctl_tell_error(w->ctl, error);
	} else if (id == w->subscribe_id) {
		on_subscribed(w, result);
	} else if (id == w->list_id) {
		on_list(w, result);
	} else if (id == w->status_id) {
		w->status_id = 0;
		on_status(w, result);
	}
}

/* ---- Events ---------------------------------------------------------------------------- */

static void
on_event(struct watch *w, const json_t *event)
{
	const char *kind = member_text(event, "event");
	const json_t *job = json_object_get(event, "job");
	bool news = true;
	size_t i;

	if (text_equal(kind, "progress")) {
		json_array_foreach(json_object_get(event, "jobs"), i, job)
			(void)watch_jobs_update(w, job);
		watch_jobs_totals(w, json_object_get(event, "totals"));
	} else if (text_equal(kind, "lost")) {
		if (w->is_synced)
			subscribe_again(w);
	} else if (text_equal(kind, "retry")) {
		news = watch_jobs_retry(w, event);
	} else {
		news = watch_jobs_update(w, job);
	}
	if (news)
		put_event(w, event);
	if (w->all && w->is_synced && list_empty(&w->live) && !text_equal(kind, "progress"))
		ask_status(w);
}

static void
on_message(struct watch *w, const json_t *message)
{
	uint64_t id = client_answer_id(message);

	if (text_equal(member_text(message, "method"), "event"))
		on_event(w, json_object_get(message, "params"));
	else if (id)
		on_answer(w, id, message);
}

static bool
is_finished(const struct watch *w)
{
	return w->status != CTL_OK || (w->is_synced && (w->all ? w->idle : w->left == 0));
}

static int
take_messages(struct watch *w)
{
	int r = client_pump(w->ctl->client), n;

	do { /* what came before an end counts */
		AUTO_JSON json_t *message = NULL;

		n = client_next(w->ctl->client, &message);
		if (n > 0)
			on_message(w, message);
	} while (n > 0 && !is_finished(w));
	return n < 0 ? n : is_finished(w) ? 0 : r;
}

/* ---- Signals --------------------------------------------------------------------------- */

/* The signal that ends the watching; 0: none. */
static int
take_signals(struct watch *w, int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
		int number = (int)info.ssi_signo;

		if (number == SIGCONT)
			progress_forget(&w->progress); /* a shell has written below the lines */
		else if (number != SIGWINCH) /* each frame looks at the size itself */
			return number;
	}
	return 0;
}

/* ---- The loop ------------------------------------------------------------------------------ */

/* "job 7 goes on", "jobs 7 8 go on", "3000 jobs go on"; and how to see them again. */
static void
tell_going_on(const struct watch *w, const char *why)
{
	AUTO_BUF struct buf ids = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < w->n_jobs; i++)
		if (w->jobs[i]->state < WATCH_DONE && n++ < DETACHED_SHOWN)
			buf_printf(&ids, " %llu", (unsigned long long)w->jobs[i]->id);
	if (n == 0)
		ctl_tell(w->ctl, "%s: the jobs go on; `haulctl attach` shows them again", why);
	else if (n == 1)
		ctl_tell(w->ctl, "%s: job%s goes on; `haulctl attach%s` shows it again", why, buf_cstr(&ids), buf_cstr(&ids));
	else if (n <= DETACHED_SHOWN)
		ctl_tell(w->ctl, "%s: jobs%s go on; `haulctl attach%s` shows them again", why, buf_cstr(&ids), buf_cstr(&ids));
	else
		ctl_tell(w->ctl, "%s: %zu jobs go on; `haulctl attach` shows what runs", why, n);
}

static int
until_deadline(const struct watch *w, int wait_ms)
{
	uint64_t now = clock_now_ms(), left = w->deadline_ms > now ? w->deadline_ms - now : 0;

	if (!w->deadline_ms)
		return wait_ms;
	return wait_ms < 0 ? (int)MIN(left, (uint64_t)INT32_MAX) : (int)MIN(left, (uint64_t)wait_ms);
}

static int
loop(struct watch *w, int signals)
{
	struct client *client = w->ctl->client;

	while (!is_finished(w)) {
		struct pollfd p[] = { { .fd = client->fd, .events = client_events(client) }, { .fd = signals, .events = POLLIN } };
		int r = poll(p, ARRAY_SIZE(p), until_deadline(w, watch_show_frame(w)));

		if (r < 0 && errno != EINTR)
			return ctl_tell_lost(w->ctl, -errno);
		r = r > 0 && p[1].revents ? take_signals(w, signals) : 0;
		if (r > 0) {
			watch_show_clear(w);
			tell_going_on(w, "detached");
			return CTL_SIGNAL + r;
		}
		r = take_messages(w);
		if (r < 0) {
			watch_show_clear(w);
			return ctl_tell_lost(w->ctl, r);
		}
		if (w->deadline_ms && clock_now_ms() >= w->deadline_ms && !is_finished(w)) {
			watch_show_clear(w);
			tell_going_on(w, "the time is over");
			return CTL_TIMED_OUT;
		}
	}
	watch_show_clear(w);
	return w->status;
}

/* What was compared and unpacked, of the done jobs that the summary shows. */
static void
fetch_notes(struct watch *w)
{
	size_t shown = 0;

	for (size_t i = 0; i < w->n_jobs && shown < SUMMARY_DONE_MAX; i++) {
		AUTO_JSON json_t *full = NULL;
		json_t *p;

		if (w->jobs[i]->state != WATCH_DONE)
			continue;
		shown++;
		p = json_pack("{s:I}", "job", (json_int_t)w->jobs[i]->id);
		if (ctl_call(w->ctl, "show", p, &full) != CTL_OK)
			return; /* told; the summary does without */
		watch_jobs_note(w->jobs[i], full);
	}
}

static int
outcome(const struct watch *w)
{
	return w->counts[WATCH_FAILED] ? CTL_FAILED : w->counts[WATCH_CANCELLED] > w->not_needed ? CTL_CANCELLED : CTL_OK;
}

/* The service may not write where a job wanted it to. */
static bool
has_refused(const struct watch *w)
{
	for (size_t i = 0; i < w->n_jobs; i++)
		if (w->jobs[i]->state == WATCH_FAILED &&
		    (text_equal(w->jobs[i]->word, "write") || text_equal(w->jobs[i]->word, "path-refused")))
			return true;
	return false;
}

int
watch_run(struct ctl *c, const uint64_t *ids, size_t n, bool summary, bool *ret_refused)
{
	struct watch w = { .ctl = c, .all = !n && !c->args.n_words, .summary = summary };
	AUTO_CLOSE int signals = -1;
	sigset_t old;
	int r = ctl_connect(c);

	if (r != CTL_OK)
		return r;
	if (c->args.has_timeout)
		w.deadline_ms = clock_now_ms() + c->args.timeout_ms;
	signals = signals_open(false, &old);
	watch_jobs_init(&w);
	watch_show_init(&w);
	for (size_t i = 0; i < n; i++)
		watch_jobs_add(&w, ids[i]);
	subscribe(&w);
	r = loop(&w, signals);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (r == CTL_OK && summary && !c->args.json)
		fetch_notes(&w);
	if (summary && !c->args.json && r < CTL_SIGNAL)
		watch_show_summary(&w);
	if (r == CTL_OK)
		r = outcome(&w);
	*ret_refused = has_refused(&w);
	watch_show_done(&w);
	watch_jobs_done(&w);
	return r;
}
