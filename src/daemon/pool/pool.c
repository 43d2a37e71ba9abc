/* The pool of worker processes; see pool.h. */
#include "daemon/pool/pool.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "daemon/pool/worker_proc.h"

enum {
	FRONT_STEP = 512 * 1024, /* a front is told that often, */
	FRONT_MS = 100,          /* or that late */
	CHECK_MS = 500,          /* between looks at the slices */
	SMALL_PER_WORKER = 16,   /* small tasks at one before another is started */
	START_FAILURES_MAX = 3,  /* workers in a row that died by themselves before their HELLO */
	STARVED_MS = 500,        /* between tries while there are no descriptors or processes, or they are killed */
	BROKEN_MS = 1000,        /* between tries of a program that is no good, doubled each time up to */
	BROKEN_MAX_MS = 30000,
};

struct pool {
	struct loop *loop;
	struct children *children;
	struct pool_options options;
	struct list workers; /* struct worker_proc */
	struct list waiting; /* struct pool_task without a worker */
	struct list fronts;  /* tasks with a front to tell */
	struct map by_id;
	uint64_t next_id;
	unsigned n_workers, max_workers, next_number, start_failures, deaths;
	unsigned broken; /* so often tasks were told to wait since a worker last answered */
	struct loop_timer front_timer, check_timer, starved_timer; /* the last set: none can be started now */
	struct loop_deferred assign, stopped;
	bool stopping;
};

static bool
task_has_id(const void *item, const void *key)
{
	return ((const struct pool_task *)item)->id == *(const uint64_t *)key;
}

static void
leave_worker(struct pool_task *t)
{
	struct worker_proc *w = t->worker;

	list_remove(&t->link);
	if (!w)
		return;
	w->n_tasks--;
	w->n_heavy -= t->heavy;
	if (!w->n_tasks)
		w->exclusive = false;
	t->worker = NULL;
}

static void
task_over(struct pool_task *t, const struct result_msg *r)
{
	struct pool *p = t->pool;

	leave_worker(t);
	list_remove(&t->front_link);
	(void)map_remove(&p->by_id, hash_u64(t->id), &t->id);
	buf_done(&t->message);
	t->id = 0;
	if (!list_empty(&p->waiting))
		loop_defer(p->loop, &p->assign);
	t->ops->on_result(r, t->arg);
}

static void
fail_task(struct pool_task *t, enum result_code code, const char *text)
{
	struct result_msg r = { 0 };

	result_set(&r.result, code, "%s", text);
	task_over(t, &r);
}

/* Its worker takes what is said; else it is told when the task is given out again. */
static bool
is_heard(const struct pool_task *t)
{
	return t->worker && !t->worker->doomed && t->worker->helper.chan;
}

static void
send_front(struct pool_task *t)
{
	list_remove(&t->front_link);
	if (!is_heard(t))
		return;
	t->sent = t->front;
	work_put_front(chan_out(t->worker->helper.chan), t->id, &t->front);
}

static void
give(struct worker_proc *w, struct pool_task *t)
{
	struct buf *out = chan_out(w->helper.chan);
	struct pool *p = t->pool;

	if (!p->check_timer.set)
		loop_timer_set(&p->check_timer, CHECK_MS);
	t->worker = w;
	t->given++;
	list_append(&w->tasks, &t->link);
	if (!w->n_tasks++)
		w->heard_ms = clock_now_ms();
	w->n_heavy += t->heavy;
	w->exclusive |= t->alone;
	buf_append(out, buf_bytes(&t->message), buf_len(&t->message));
	if (t->follow && (t->front.offset || t->front.last))
		send_front(t);
	if (t->publish)
		work_put_empty(out, t->id, WORK_PUBLISH);
	if (t->cancelled)
		work_put_empty(out, t->id, t->parked ? WORK_PARK : WORK_CANCEL);
}

static int on_message(const struct message *m, void *worker);
static void on_dead(struct worker_proc *w);
static const struct worker_proc_ops proc_ops = { on_message, on_dead };

/* Not for good: others will let go of descriptors, memory, processes. */
static bool
is_starved(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EAGAIN;
}

static void
on_starved(void *arg)
{
	struct pool *p = arg;

	loop_defer(p->loop, &p->assign);
}

/* It cannot be run, or ends before it is of use.  Who is patient waits for somebody to put it right. */
static void
note_start_failure(struct pool *p, const char *how)
{
	if (++p->start_failures < START_FAILURES_MAX || !p->options.patient || p->stopping)
		return;
	p->start_failures = START_FAILURES_MAX - 1; /* one try is enough now */
	if (!p->broken)
		log_err("tasks wait: %s cannot be used: %s", p->options.worker_path, how);
	loop_timer_set(&p->starved_timer, helper_pause_ms(p->broken++, BROKEN_MS, BROKEN_MAX_MS));
}

/* A suspect may have one process more, for it waits for an empty one. */
static struct worker_proc *
start_worker(struct pool *p, bool alone)
{
	struct worker_proc *w;
	int r;

	if (p->n_workers >= p->max_workers + alone || p->start_failures >= START_FAILURES_MAX ||
	    p->starved_timer.set)
		return NULL;
	r = worker_proc_start(p->loop, p->children, p->options.worker_path, p->next_number + 1, &proc_ops, p, &w);
	if (is_starved(r)) {
		log_warning("tasks wait: cannot start %s now: %s", p->options.worker_path, strerror(-r));
		loop_timer_set(&p->starved_timer, STARVED_MS);
		return NULL;
	}
	if (r < 0) {
		if (!p->options.patient)
			log_err("cannot start %s: %s", p->options.worker_path, strerror(-r));
		p->start_failures = START_FAILURES_MAX;
		note_start_failure(p, strerror(-r));
		return NULL;
	}
	p->next_number++;
	p->n_workers++;
	list_append(&p->workers, &w->link);
	log_debug("worker started worker=%u pid=%d", w->number, (int)w->helper.pid);
	return w;
}

/* The least busy one that may take the task. */
static struct worker_proc *
choose(struct pool *p, const struct pool_task *t)
{
	struct worker_proc *w, *best = NULL;

	if (p->stopping)
		return NULL; /* they have been told to leave */
	LIST_FOREACH(w, &p->workers, struct worker_proc, link) {
		if (w->doomed || !w->helper.chan || w->exclusive || (t->alone && w->n_tasks))
			continue;
		if (!best || w->n_heavy < best->n_heavy ||
		    (w->n_heavy == best->n_heavy && w->n_tasks < best->n_tasks))
			best = w;
	}
	if (!best || best->n_heavy > 0 || (t->heavy && best->n_tasks) || best->n_tasks >= SMALL_PER_WORKER) {
		w = start_worker(p, t->alone);
		if (w)
			return w;
	}
	return best;
}

static void
assign(void *arg)
{
	struct pool *p = arg;
	struct pool_task *t;

	LIST_FOREACH(t, &p->waiting, struct pool_task, link) {
		struct worker_proc *w = choose(p, t);

		if (!w && p->n_workers && t->alone)
			continue; /* nobody waits behind a suspect */
		if (!w && p->n_workers)
			break; /* one of them will be free, or replaced */
		if (!w && p->starved_timer.set && !t->cancelled && !t->hurried)
			continue;
		list_remove(&t->link);
		if (w)
			give(w, t);
		else if (t->cancelled)
			fail_task(t, RESULT_CANCELLED, "cancelled");
		else
			fail_task(t, RESULT_INTERNAL, "no worker process can be started; see the log");
	}
}

void
pool_submit(struct pool *p, struct pool_task *t, const struct task_msg *msg, bool heavy,
    const struct pool_task_ops *ops, void *arg)
{
	assert(!t->id);
	*t = (struct pool_task){ .pool = p, .id = ++p->next_id, .heavy = heavy, .ops = ops, .arg = arg };
	t->follow = msg->follow;
	list_init(&t->link);
	list_init(&t->front_link);
	work_put_task(&t->message, t->id, msg);
	map_add(&p->by_id, hash_u64(t->id), t);
	list_append(&p->waiting, &t->link);
	loop_defer(p->loop, &p->assign);
}

static void
on_front_timer(void *arg)
{
	struct pool *p = arg;

	while (!list_empty(&p->fronts))
		send_front(LIST_FIRST(&p->fronts, struct pool_task, front_link));
}

void
pool_front(struct pool_task *t, const struct front_msg *front)
{
	struct pool *p = t->pool;

	t->front = *front;
	if (!is_heard(t))
		return;
	if (front->last || front->offset - t->sent.offset >= FRONT_STEP) {
		send_front(t);
		return;
	}
	if (list_linked(&t->front_link))
		return;
	list_append(&p->fronts, &t->front_link);
	if (!p->front_timer.set)
		loop_timer_set(&p->front_timer, FRONT_MS);
}

static void
tell(struct pool_task *t, enum work_msg_type type)
{
	if (is_heard(t))
		work_put_empty(chan_out(t->worker->helper.chan), t->id, type);
	else if (!t->worker)
		loop_defer(t->pool->loop, &t->pool->assign);
}

void
pool_publish(struct pool_task *t)
{
	t->publish = true;
	tell(t, WORK_PUBLISH);
}

void
pool_cancel(struct pool_task *t)
{
	if (t->cancelled && !t->parked)
		return;
	t->cancelled = true;
	t->parked = false;
	tell(t, WORK_CANCEL);
}

void
pool_hurry(struct pool_task *t)
{
	t->hurried = true;
	if (pool_task_is_busy(t) && !t->worker)
		loop_defer(t->pool->loop, &t->pool->assign);
}

void
pool_park(struct pool_task *t)
{
	if (t->cancelled)
		return;
	t->cancelled = t->parked = true;
	if (list_linked(&t->front_link))
		send_front(t);
	tell(t, WORK_PARK);
}

static int
on_answer(struct pool_task *t, const struct message *m)
{
	struct progress_msg progress;
	struct result_msg result;
	struct found_msg found;

	switch (m->type) {
	case WORK_PROGRESS:
		if (work_get_progress(m, &progress) < 0)
			return -EPROTO;
		if (t->ops->on_progress)
			t->ops->on_progress(&progress, t->arg);
		return 0;
	case WORK_READY:
		if (work_get_result(m, &result) < 0)
			return -EPROTO;
		if (t->ops->on_ready && !t->publish)
			t->ops->on_ready(&result, t->arg);
		return 0;
	case WORK_FOUND:
		if (work_get_found(m, &found) < 0 || !t->ops->on_found)
			return -EPROTO;
		t->ops->on_found(&found, t->arg);
		return 0;
	case WORK_RESULT:
		if (work_get_result(m, &result) < 0)
			return -EPROTO;
		task_over(t, &result);
		return 0;
	default:
		return -EPROTO;
	}
}

static void
note_good_start(struct pool *p)
{
	if (p->broken)
		log_notice("workers can be started again");
	p->start_failures = p->broken = 0;
}

static int
on_message(const struct message *m, void *worker)
{
	struct worker_proc *w = worker;
	struct pool *p = w->pool;
	struct pool_task *t;
	int r;

	if (!w->greeted) {
		r = work_get_hello(m);
		w->greeted = r == 0;
		return r;
	}
	if (w->reason)
		return 0; /* we killed it: its word does not count any more */
	w->heard_ms = clock_now_ms();
	w->pinged = false;
	if (m->type == WORK_PONG)
		return m->len ? -EPROTO : 0;
	/* What only we say comes back: it is no worker, but cat(1) or the like. */
	w->echoes |= m->type >= WORK_TASK && m->type < WORK_PROGRESS;
	t = map_find(&p->by_id, hash_u64(m->id), &m->id);
	if (m->version != WORK_PROTO || !t || t->worker != w)
		return -EPROTO;
	r = on_answer(t, m);
	if (r == 0)
		note_good_start(p);
	return r;
}

/* Was it this task?  The one that was named; and where nobody was named twice,
 * each runs alone, and then it is the only one there is. */
static void
charge(const struct worker_proc *w, struct pool_task *t, bool was_alone)
{
	if (t->id == w->culprit || (!w->culprit && t->alone && was_alone)) {
		t->strikes++;
		t->alone = true;
	} else if (!w->culprit && ++t->deaths >= POOL_DEATHS) {
		t->alone = true;
	}
}

/* By somebody else, or by the kernel for want of memory: that says nothing of the program. */
static bool
was_killed_at_start(const struct worker_proc *w)
{
	return !w->greeted && !w->reason && WIFSIGNALED(w->helper.status) && WTERMSIG(w->helper.status) == SIGKILL;
}

/* The task that killed the worker is charged; all are given out again. */
static void
on_dead(struct worker_proc *w)
{
	struct pool *p = w->pool;
	bool was_alone = w->n_tasks == 1;
	char status[64], text[128];
	const char *how;
	struct pool_task *t;
	struct list orphans;

	list_init(&orphans);
	p->n_workers--;
	list_remove(&w->link);
	how = w->reason ? w->reason : child_status_to_string(w->helper.status, status, sizeof status);
	p->deaths += !p->stopping;
	if (!p->stopping && !p->broken)
		log_warning("worker died worker=%u tasks=%u reason=\"%s\"", w->number, w->n_tasks, how);
	if (was_killed_at_start(w))
		loop_timer_set(&p->starved_timer, STARVED_MS);
	else if (!w->greeted || w->echoes)
		note_start_failure(p, how);
	(void)snprintf(text, sizeof text, "the job killed %d worker processes (%s)", POOL_STRIKES, how);
	while (!list_empty(&w->tasks)) {
		t = LIST_FIRST(&w->tasks, struct pool_task, link);
		leave_worker(t);
		list_remove(&t->front_link);
		if (w->greeted) /* else it has seen none of them */
			charge(w, t, was_alone);
		list_append(t->strikes >= POOL_STRIKES || t->cancelled ? &orphans : &p->waiting, &t->link);
	}
	worker_proc_free(w);
	while (!list_empty(&orphans)) {
		t = LIST_FIRST(&orphans, struct pool_task, link);
		list_remove(&t->link);
		if (t->strikes >= POOL_STRIKES)
			fail_task(t, RESULT_WORKER_CRASHED, text);
		else
			fail_task(t, RESULT_CANCELLED, "cancelled");
	}
	loop_defer(p->loop, &p->assign);
	if (p->stopping && !p->n_workers)
		loop_defer(p->loop, &p->stopped);
}

/* A slice that does not end, or a loop that does not turn between slices: a
 * worker that was stopped stands in neither. */
static void
check_worker(struct pool *p, struct worker_proc *w, uint64_t now_ns)
{
	uint64_t limit = p->options.slice_timeout_ms, silent = now_ns / NSEC_PER_MSEC - w->heard_ms;

	if (!w->n_tasks || w->doomed || !w->helper.chan)
		return;
	if (worker_proc_slice_ms(w, now_ns) > limit) {
		worker_proc_kill(w, "it made no progress");
	} else if (w->pinged && silent > limit) {
		worker_proc_kill(w, "it does not answer");
	} else if (!w->pinged && silent > limit / 2) {
		w->pinged = true;
		w->heard_ms = clock_now_ms();
		work_put_empty(chan_out(w->helper.chan), 0, WORK_PING);
	}
}

/* Only while there are tasks: idle costs nothing (I10). */
static void
on_check(void *arg)
{
	struct pool *p = arg;
	uint64_t now = clock_now_ns();
	struct worker_proc *w;
	bool busy = false;

	LIST_FOREACH(w, &p->workers, struct worker_proc, link) {
		busy |= w->n_tasks > 0;
		check_worker(p, w, now);
	}
	if (busy)
		loop_timer_set(&p->check_timer, CHECK_MS);
}

static unsigned
count_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) < 0)
		return 1;
	return (unsigned)MAX(1, CPU_COUNT(&set));
}

struct pool *
pool_new(struct loop *l, struct children *c, const struct pool_options *o)
{
	struct pool *p = NEW(struct pool);

	p->loop = l;
	p->children = c;
	p->options = *o;
	p->max_workers = o->workers ? o->workers : count_cpus();
	list_init(&p->workers);
	list_init(&p->waiting);
	list_init(&p->fronts);
	map_init(&p->by_id, task_has_id);
	loop_timer_init(&p->front_timer, l, "fronts", on_front_timer, p);
	loop_timer_init(&p->check_timer, l, "pool check", on_check, p);
	loop_timer_init(&p->starved_timer, l, "pool start", on_starved, p);
	loop_deferred_init(&p->assign, "pool assign", assign, p);
	return p;
}

void
pool_stop(struct pool *p, loop_cb on_stopped, void *arg)
{
	struct worker_proc *w;

	p->stopping = true;
	loop_deferred_init(&p->stopped, "pool stopped", on_stopped, arg);
	if (!p->n_workers)
		loop_defer(p->loop, &p->stopped);
	LIST_FOREACH(w, &p->workers, struct worker_proc, link)
		if (w->helper.chan)
			chan_close_out(w->helper.chan);
}

void
pool_free(struct pool *p)
{
	struct worker_proc *w;

	if (!p)
		return;
	LIST_FOREACH(w, &p->workers, struct worker_proc, link)
		worker_proc_free(w);
	map_done(&p->by_id);
	loop_timer_done(&p->front_timer);
	loop_timer_done(&p->check_timer);
	loop_timer_done(&p->starved_timer);
	loop_undefer(&p->assign);
	loop_undefer(&p->stopped);
	free(p);
}

unsigned
pool_workers(const struct pool *p)
{
	return p->n_workers;
}

unsigned
pool_workers_max(const struct pool *p)
{
	return p->max_workers;
}

unsigned
pool_deaths(const struct pool *p)
{
	return p->deaths;
}

void
pool_each_worker(const struct pool *p, pool_worker_cb cb, void *arg)
{
	uint64_t now = clock_now_ms();
	struct worker_proc *w;

	LIST_FOREACH(w, &p->workers, struct worker_proc, link) {
		struct pool_worker_view v = { w->number, w->helper.pid, w->n_tasks, w->n_heavy, now - w->started_ms };

		cb(&v, arg);
	}
}
