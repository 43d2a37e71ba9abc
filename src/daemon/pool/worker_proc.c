/* One worker process; see worker_proc.h. */
#include "daemon/pool/worker_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

/* Behind the public struct: what only this file needs. */
struct proc {
	struct worker_proc pub;
	const struct worker_proc_ops *ops;
	struct children *children; /* borrowed */
	bool reaped, ended;
};

static void
check_dead(struct proc *p)
{
	if (p->reaped && p->ended)
		p->ops->on_dead(&p->pub);
}

static void
on_exit_status(pid_t pid UNUSED, int status, void *arg)
{
	struct proc *p = arg;

	p->pub.pid = -1;
	p->pub.status = status;
	p->pub.doomed = true;
	if (!p->pub.culprit)
		p->pub.culprit = worker_proc_at(&p->pub);
	p->reaped = true;
	check_dead(p);
}

static void
on_closed(int why, void *arg)
{
	struct proc *p = arg;

	p->ended = true;
	chan_free(TAKE_PTR(p->pub.chan));
	/* Most that close their pipe are dead already: the status says of what. */
	if (!p->reaped)
		worker_proc_kill(&p->pub, why ? "it said what makes no sense" : NULL);
	check_dead(p);
}

static int
on_message(const struct message *m, void *arg)
{
	struct proc *p = arg;

	return p->ops->on_message(m, &p->pub);
}

static int
make_page(struct work_page **ret, int *ret_fd)
{
	AUTO_CLOSE int fd = memfd_create("hauld-worker", MFD_CLOEXEC);
	void *page;

	if (fd < 0 || ftruncate(fd, sizeof(struct work_page)) < 0)
		return -errno;
	page = mmap(NULL, sizeof(struct work_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	*ret = page;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int
worker_proc_start(struct loop *l, struct children *c, const char *path, unsigned number,
    const struct worker_proc_ops *ops, void *pool, struct worker_proc **ret)
{
	AUTO_CLOSE int page_fd = -1;
	char *argv[] = { (char *)(uintptr_t)path, NULL };
	struct work_page *page = NULL;
	int in, out, r;
	struct proc *p;
	pid_t pid;

	r = make_page(&page, &page_fd);
	if (r < 0)
		return r;
	r = spawn_piped(&(struct spawn){ .path = path, .argv = argv, .fds = { -1, -1, -1, page_fd }, .own_group = true },
	    &pid, &in, &out);
	if (r < 0) {
		(void)munmap(page, sizeof *page);
		return r;
	}
	p = NEW(struct proc);
	p->ops = ops;
	p->children = c;
	p->pub.pool = pool;
	p->pub.number = number;
	p->pub.pid = pid;
	p->pub.started_ms = clock_now_ms();
	p->pub.page = page;
	list_init(&p->pub.tasks);
	p->pub.chan = chan_new(l, in, out, "worker", on_message, on_closed, p);
	children_watch(c, pid, on_exit_status, p);
	work_put_hello(chan_out(p->pub.chan));
	*ret = &p->pub;
	return 0;
}

void
worker_proc_free(struct worker_proc *w)
{
	struct proc *p;

	if (!w)
		return;
	p = CONTAINER_OF(w, struct proc, pub);
	if (w->pid > 0) {
		(void)kill(w->pid, SIGKILL);
		children_unwatch(p->children, w->pid, p);
	}
	chan_free(w->chan);
	(void)munmap(w->page, sizeof *w->page);
	free(p);
}

void
worker_proc_kill(struct worker_proc *w, const char *reason)
{
	if (w->pid <= 0 || w->doomed)
		return;
	w->reason = reason;
	w->culprit = worker_proc_at(w);
	w->doomed = true;
	(void)kill(w->pid, SIGKILL);
}

uint64_t
worker_proc_at(const struct worker_proc *w)
{
	uint64_t id = atomic_load(&w->page->task_id);

	return id ? id : atomic_load(&w->page->lane_id);
}

uint64_t
worker_proc_slice_ms(const struct worker_proc *w, uint64_t now_ns)
{
	uint64_t begun = atomic_load(&w->page->slice_ns);

	if (!atomic_load(&w->page->task_id) || now_ns < begun)
		return 0;
	return (now_ns - begun) / NSEC_PER_MSEC;
}
