/* The sync lane; see lane.h. */
#include "worker/lane.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

struct lane {
	struct work_page *page; /* borrowed; may be NULL */
	int event_fd;
	unsigned out;           /* jobs handed over and not taken back; main thread */
	bool started;
	pthread_t thread;

	pthread_mutex_t lock;   /* guards what follows */
	pthread_cond_t wake;
	struct list single, batch, done;
	bool stop;
};

struct lane *
lane_new(struct work_page *page)
{
	struct lane *l = NEW(struct lane);

	l->page = page;
	l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->event_fd < 0)
		fatal(1, "cannot make an eventfd: %s", strerror(errno));
	(void)pthread_mutex_init(&l->lock, NULL); /* cannot fail with default attributes */
	(void)pthread_cond_init(&l->wake, NULL);
	list_init(&l->single);
	list_init(&l->batch);
	list_init(&l->done);
	return l;
}

void
lane_free(struct lane *l)
{
	if (!l)
		return;
	assert(l->out == 0);
	if (l->started) {
		(void)pthread_mutex_lock(&l->lock);
		l->stop = true;
		(void)pthread_cond_signal(&l->wake);
		(void)pthread_mutex_unlock(&l->lock);
		(void)pthread_join(l->thread, NULL);
	}
	(void)pthread_cond_destroy(&l->wake);
	(void)pthread_mutex_destroy(&l->lock);
	fd_close(&l->event_fd);
	free(l);
}

int
lane_fd(const struct lane *l)
{
	return l->event_fd;
}

bool
lane_is_idle(const struct lane *l)
{
	return l->out == 0;
}

void
lane_at(struct lane *l, uint64_t id)
{
	if (!l || !l->page)
		return;
	/* The time before the id: who sees the id sees its time as well. */
	if (id)
		atomic_store_explicit(&l->page->lane_ns, clock_now_ns(), memory_order_release);
	atomic_store_explicit(&l->page->lane_id, id, memory_order_release);
}

/* Takes the next work off the queues: all of a batch, or one single job.
 * Called with the lock; returns with *ret_n == 0 when the lane is to end. */
static void
take_work(struct lane *l, bool batch_first, struct lane_job **jobs, unsigned *ret_n)
{
	struct list *from;
	unsigned n = 0, max;

	while (!l->stop && list_empty(&l->single) && list_empty(&l->batch))
		(void)pthread_cond_wait(&l->wake, &l->lock);
	from = batch_first ? &l->batch : &l->single;
	if (list_empty(from))
		from = batch_first ? &l->single : &l->batch;
	max = from == &l->batch ? LANE_BATCH_MAX : 1;
	while (n < max && !list_empty(from)) {
		jobs[n] = LIST_FIRST(from, struct lane_job, link);
		list_remove(&jobs[n++]->link);
	}
	*ret_n = n;
}

static void *
lane_main(void *arg)
{
	static const uint64_t one = 1;
	struct lane_job *jobs[LANE_BATCH_MAX];
	struct lane *l = arg;
	bool batch_first = true;

	(void)pthread_mutex_lock(&l->lock);
	for (;;) {
		unsigned n;

		take_work(l, batch_first, jobs, &n);
		if (n == 0)
			break;
		(void)pthread_mutex_unlock(&l->lock);
		batch_first = !jobs[0]->batch;
		lane_at(l, jobs[0]->id);
		if (jobs[0]->batch)
			jobs[0]->batch(l, jobs, n);
		else
			jobs[0]->run(jobs[0]);
		lane_at(l, 0);
		(void)pthread_mutex_lock(&l->lock);
		for (unsigned i = 0; i < n; i++)
			list_append(&l->done, &jobs[i]->link);
		/* Cannot fail: the counter is far from its end. */
		(void)!write(l->event_fd, &one, sizeof one);
	}
	(void)pthread_mutex_unlock(&l->lock);
	return NULL;
}

static void
start_thread(struct lane *l)
{
	sigset_t all, old;
	int r;

	(void)sigfillset(&all); /* signals are the main thread's */
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&l->thread, NULL, lane_main, l);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0)
		fatal(1, "cannot start the sync lane: %s", strerror(r));
	l->started = true;
}

void
lane_submit(struct lane *l, struct lane_job *job)
{
	if (!l->started)
		start_thread(l);
	l->out++;
	(void)pthread_mutex_lock(&l->lock);
	list_append(job->batch ? &l->batch : &l->single, &job->link);
	(void)pthread_cond_signal(&l->wake);
	(void)pthread_mutex_unlock(&l->lock);
}

void
lane_collect(struct lane *l)
{
	struct list done;
	uint64_t count;

	(void)!read(l->event_fd, &count, sizeof count); /* EAGAIN: none since */
	list_init(&done);
	(void)pthread_mutex_lock(&l->lock);
	while (!list_empty(&l->done)) {
		struct list *e = l->done.next;

		list_remove(e);
		list_append(&done, e);
	}
	(void)pthread_mutex_unlock(&l->lock);
	while (!list_empty(&done)) {
		struct lane_job *job = LIST_FIRST(&done, struct lane_job, link);

		list_remove(&job->link);
		l->out--;
		job->done(job); /* may free it, or hand it over again */
	}
}
