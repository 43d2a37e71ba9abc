/* The worker's loop: frames in, slices in turn, frames out; see worker.h. */
#include "worker/worker.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "worker/task.h"

enum {
	INPUT_SIZE = 64 << 10,  /* of one read of requests */
	TURN_NS = 1000 * 1000,  /* slices run that long before requests are looked at */
	FDS_RESERVED = 64,      /* pipes, lane, kept directories, libraries */
	FDS_PER_TASK = 6,
};

void (*worker_test_hook)(uint64_t id, const struct task_msg *t);

struct worker {
	int fd_in, fd_out;
	struct work_page *page; /* borrowed; may be NULL */
	struct task_env env;
	struct frame_reader reader;
	bool greeted;
	struct map tasks;       /* by id; owns them */
	struct list waiting;    /* not opened yet, in their order */
	struct list runnable;   /* one slice each, in turn */
	unsigned opened_max;
	uint64_t scan_ns;       /* when PROGRESS of all tasks was looked at */
	bool moved;             /* some task has PROGRESS to tell */
};

static bool
has_id(const void *item, const void *key)
{
	const struct task *t = item;

	return t->id == *(const uint64_t *)key;
}

static struct task *
find_task(struct worker *w, uint64_t id)
{
	return map_find(&w->tasks, hash_u64(id), &id);
}

/* Puts a task where it belongs after anything happened to it; frees it when it
 * is over. */
static void
settle(struct worker *w, struct task *t)
{
	if (t->phase == PHASE_OVER) {
		(void)map_remove(&w->tasks, hash_u64(t->id), &t->id);
		task_free(t);
	} else if (!task_is_runnable(t)) {
		list_remove(&t->link);
	} else if (!list_linked(&t->link)) {
		list_append(t->phase == PHASE_NEW ? &w->waiting : &w->runnable, &t->link);
	}
}

static void
on_changed(struct task_env *env, struct task *t)
{
	struct worker *w = CONTAINER_OF(env, struct worker, env);

	w->moved = true;
	settle(w, t);
}

static int
on_task(struct worker *w, const struct message *m)
{
	struct task_msg msg;
	struct task *t;

	if (work_get_task(m, &msg) < 0 || m->id == 0 || find_task(w, m->id) ||
	    w->tasks.len >= WORKER_TASKS_MAX)
		return -EPROTO;
	t = task_new(&w->env, m->id, &msg);
	map_add(&w->tasks, hash_u64(t->id), t);
	settle(w, t);
	return 0;
}

static int
on_front(struct worker *w, const struct message *m)
{
	struct task *t = find_task(w, m->id);
	struct front_msg f;

	if (work_get_front(m, &f) < 0)
		return -EPROTO;
	if (t) { /* else its RESULT and this message met on the way */
		task_on_front(t, &f);
		settle(w, t);
	}
	return 0;
}

static int
on_order(struct worker *w, const struct message *m)
{
	struct task *t = find_task(w, m->id);

	if (m->len != 0)
		return -EPROTO;
	if (!t)
		return 0;
	if (m->type == WORK_PUBLISH)
		task_on_publish(t);
	else if (m->type == WORK_PARK)
		task_on_park(t);
	else
		task_on_cancel(t);
	settle(w, t);
	return 0;
}

static int
on_message(struct worker *w, const struct message *m)
{
	if (!w->greeted) {
		int r = work_get_hello(m);

		w->greeted = r == 0;
		return r;
	}
	if (m->version != WORK_PROTO)
		return -EPROTO;
	switch (m->type) {
	case WORK_TASK:
		return on_task(w, m);
	case WORK_FRONT:
		return on_front(w, m);
	case WORK_PUBLISH:
	case WORK_CANCEL:
	case WORK_PARK:
		return on_order(w, m);
	case WORK_PING:
		work_put_empty(&w->env.frames, 0, WORK_PONG);
		return 0;
	default:
		return -EPROTO;
	}
}

/* All that is there to be read: 0, -EPROTO, or -EPIPE at its end. */
static int
read_requests(struct worker *w)
{
	struct message m;
	ssize_t n;
	int r;

	do {
		n = read(w->fd_in, buf_reserve(&w->reader.in, INPUT_SIZE), INPUT_SIZE);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	buf_commit(&w->reader.in, (size_t)n);
	while ((r = frame_reader_next(&w->reader, &m)) > 0) {
		uint16_t type = m.type;
		uint64_t id = m.id;

		r = on_message(w, &m);
		if (r < 0 && !w->greeted)
			log_err("hauld is of another build than this worker, or is not hauld");
		else if (r < 0)
			log_err("a request cannot be understood: type=%u task=%llu", type,
			    (unsigned long long)id);
		if (r < 0)
			return r;
	}
	if (r < 0)
		log_err("what came on the request pipe is no frame");
	return r;
}

/* What the pipe takes; the rest waits for it to be writable: hauld may be
 * writing to us at this moment and read only afterwards. */
static int
write_answers(struct worker *w)
{
	struct buf *out = &w->env.frames;

	while (buf_len(out)) {
		ssize_t n = write(w->fd_out, buf_bytes(out), buf_len(out));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		buf_consume(out, (size_t)n);
	}
	return 0;
}

static void
at_task(struct worker *w, uint64_t id, uint64_t now)
{
	if (!w->page)
		return;
	/* The time before the id: who sees the id sees its time as well. */
	if (id)
		atomic_store_explicit(&w->page->slice_ns, now, memory_order_release);
	atomic_store_explicit(&w->page->task_id, id, memory_order_release);
}

static void
call_hook(struct task *t)
{
	struct task_msg m = t->msg;

	if (!worker_test_hook)
		return;
	m.target.name = (struct text){ t->names.name, strlen(t->names.name) };
	m.target.dir = (struct text){ t->names.dir, strlen(t->names.dir) };
	m.target.root = (struct text){ t->names.root, strlen(t->names.root) };
	m.part = (struct text){ t->names.part, strlen(t->names.part) };
	worker_test_hook(t->id, &m);
}

/* As many of the waiting ones as there are descriptors for. */
static void
admit_tasks(struct worker *w)
{
	while (w->env.opened < w->opened_max && !list_empty(&w->waiting)) {
		struct task *t = LIST_FIRST(&w->waiting, struct task, link);

		task_count_open(t);
		list_remove(&t->link);
		list_append(&w->runnable, &t->link);
	}
}

/* Slices, one each in turn, until this loop's turn is over. */
static void
run_slices(struct worker *w)
{
	uint64_t now = clock_now_ns(), end = now + TURN_NS;

	admit_tasks(w);
	while (now < end && !list_empty(&w->runnable)) {
		struct task *t = LIST_FIRST(&w->runnable, struct task, link);

		list_remove(&t->link);
		at_task(w, t->id, now);
		call_hook(t);
		task_slice(t);
		at_task(w, 0, now);
		now = clock_now_ns();
		w->moved |= task_tell_progress(t, now);
		settle(w, t);
	}
}

/* Tasks that moved and then stood still tell it too, a little later. */
static void
tell_progress(struct worker *w)
{
	uint64_t now = clock_now_ns();
	size_t cursor = 0;
	struct task *t;

	if (!w->moved || now - w->scan_ns < PROGRESS_FLUSH_MS * NSEC_PER_MSEC)
		return;
	w->scan_ns = now;
	w->moved = false;
	while ((t = map_next(&w->tasks, &cursor)))
		w->moved |= task_tell_progress(t, now);
}

/* Waits for something to happen: 0 or as read_requests(). */
static int
wait_and_read(struct worker *w, bool busy)
{
	struct pollfd p[5] = {
		{ .fd = w->fd_in, .events = POLLIN },
		{ .fd = lane_fd(w->env.lane), .events = POLLIN },
		{ .fd = lane_fd(w->env.writer), .events = POLLIN },
		{ .fd = buf_len(&w->env.frames) ? w->fd_out : -1, .events = POLLOUT },
		{ .fd = lane_fd(w->env.looker), .events = POLLIN },
	};
	int r = poll(p, ARRAY_SIZE(p), busy ? 0 : w->moved ? PROGRESS_FLUSH_MS : -1);

	if (r < 0 && errno != EINTR)
		return -errno;
	if (r <= 0)
		return 0;
	if (p[1].revents)
		lane_collect(w->env.lane);
	if (p[2].revents)
		lane_collect(w->env.writer);
	if (p[4].revents)
		lane_collect(w->env.looker);
	return p[0].revents ? read_requests(w) : 0;
}

static bool
can_run(const struct worker *w)
{
	return !list_empty(&w->runnable) ||
	    (!list_empty(&w->waiting) && w->env.opened < w->opened_max);
}

static int
worker_loop(struct worker *w)
{
	int r = 0;

	while (r == 0) {
		r = write_answers(w);
		if (r == 0)
			r = wait_and_read(w, can_run(w));
		if (r < 0)
			break;
		run_slices(w);
		tell_progress(w);
	}
	return r;
}

/* Tasks may hold several files each; take what the hard limit allows. */
static unsigned
opened_max(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 64;
	lim.rlim_cur = MIN(lim.rlim_max, (rlim_t)65536);
	(void)setrlimit(RLIMIT_NOFILE, &lim); /* what counts is what we have then */
	(void)getrlimit(RLIMIT_NOFILE, &lim);
	if (lim.rlim_cur < FDS_RESERVED + FDS_PER_TASK)
		return 1;
	return (unsigned)((lim.rlim_cur - FDS_RESERVED) / FDS_PER_TASK);
}

static void
worker_init(struct worker *w, int fd_in, int fd_out, struct work_page *page)
{
	*w = (struct worker){ .fd_in = fd_in, .fd_out = fd_out, .page = page };
	map_init(&w->tasks, has_id);
	list_init(&w->waiting);
	list_init(&w->runnable);
	w->opened_max = opened_max();
	dirs_init(&w->env.dirs);
	w->env.lane = lane_new(page);
	w->env.writer = lane_new(NULL);
	w->env.looker = lane_new(NULL);
	w->env.in_buf = xmalloc(READ_SIZE);
	w->env.changed = on_changed;
}

static bool
lanes_are_idle(const struct worker *w)
{
	return lane_is_idle(w->env.lane) && lane_is_idle(w->env.writer) && lane_is_idle(w->env.looker);
}

static void
worker_done(struct worker *w)
{
	size_t cursor = 0;
	struct task *t;

	/* The lane may be in a sync that takes minutes: the process ends without
	 * it, which loses nothing that anybody was told. */
	if (!lanes_are_idle(w))
		return;
	while ((t = map_next(&w->tasks, &cursor)))
		task_free(t);
	map_done(&w->tasks);
	lane_free(w->env.lane);
	lane_free(w->env.writer);
	lane_free(w->env.looker);
	dirs_done(&w->env.dirs);
	frame_reader_done(&w->reader);
	buf_done(&w->env.frames);
	free(w->env.in_buf);
}

int
worker_run(int fd_in, int fd_out, struct work_page *page)
{
	struct worker *w = NEW(struct worker); /* the lane may outlive this call */
	bool idle;
	int r = fd_set_nonblock(fd_in);

	if (r == 0)
		r = fd_set_nonblock(fd_out);
	worker_init(w, fd_in, fd_out, page);
	work_put_hello(&w->env.frames);
	if (r == 0)
		r = worker_loop(w);
	if (r < 0 && r != -EPIPE && r != -EPROTO && r != -ESTALE)
		log_err("the pipes to hauld fail: %s", strerror(-r));
	idle = lanes_are_idle(w);
	worker_done(w);
	if (idle)
		free(w);
	return r == -EPIPE ? 0 : 1;
}

struct work_page *
worker_map_page(void)
{
	struct stat st;
	void *p;

	if (fstat(WORK_FD_PAGE, &st) < 0 || st.st_size < (off_t)sizeof(struct work_page))
		return NULL;
	p = mmap(NULL, sizeof(struct work_page), PROT_READ | PROT_WRITE, MAP_SHARED, WORK_FD_PAGE, 0);
	return p == MAP_FAILED ? NULL : p;
}
