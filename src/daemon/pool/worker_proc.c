/* One worker process; see worker_proc.h. */
#include "daemon/pool/worker_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum { END_MS = 1000 }; /* for who closed its pipe */

/* Behind the public struct: what only this file needs. */
struct proc {
	struct worker_proc pub;
	const struct worker_proc_ops *ops;
};

/* It gets no tasks any more. */
static void
doom(struct worker_proc *w)
{
	w->culprit = worker_proc_at(w);
	w->doomed = true;
}

static void
on_over(void *arg)
{
	struct proc *p = arg;

	p->ops->on_dead(&p->pub);
}

static void
on_reaped(void *arg)
{
	struct proc *p = arg;

	p->pub.doomed = true;
	if (!p->pub.culprit)
		p->pub.culprit = worker_proc_at(&p->pub);
}

/* From the outside of the pipe a worker that ends looks like one that closed it.  Its status says
 * of what it died, if nobody kills it in between. */
static bool
on_closed(int why, void *arg)
{
	struct proc *p = arg;

	if (why) {
		worker_proc_kill(&p->pub, helper_fault(why));
		if (why == -ESTALE) /* it may have ended, for hauld is of another build than it */
			p->pub.reason = helper_fault(why);
	} else if (!p->pub.doomed) {
		doom(&p->pub);
		helper_wait(&p->pub.helper, END_MS);
	}
	return false;
}

static void
on_waited(void *arg)
{
	struct proc *p = arg;

	p->pub.reason = "it closed its pipe and did not end";
	helper_kill(&p->pub.helper);
}

static int
on_message(const struct message *m, void *arg)
{
	struct proc *p = arg;

	return p->ops->on_message(m, &p->pub);
}

static const struct helper_ops helper_ops = { on_message, on_closed, on_reaped, on_over, on_waited };

static int
make_page(struct work_page **ret, int *ret_fd)
{
	AUTO_CLOSE int fd = memfd_create("hauld-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *page;

	/* Whatever a worker does, the page stays: without it our looking would kill us. */
	if (fd < 0 || ftruncate(fd, sizeof(struct work_page)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
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
	struct proc *p;
	int r;

	r = make_page(&page, &page_fd);
	if (r < 0)
		return r;
	p = NEW(struct proc);
	p->pub.page = page;
	helper_init(&p->pub.helper, l, c, "worker", &helper_ops, p);
	r = helper_start(&p->pub.helper, argv, page_fd);
	if (r < 0) {
		worker_proc_free(&p->pub);
		return r;
	}
	p->ops = ops;
	p->pub.pool = pool;
	p->pub.number = number;
	p->pub.started_ms = clock_now_ms();
	list_init(&p->pub.tasks);
	work_put_hello(chan_out(p->pub.helper.chan));
	*ret = &p->pub;
	return 0;
}

void
worker_proc_free(struct worker_proc *w)
{
	if (!w)
		return;
	helper_done(&w->helper);
	(void)munmap(w->page, sizeof *w->page);
	free(CONTAINER_OF(w, struct proc, pub));
}

void
worker_proc_kill(struct worker_proc *w, const char *reason)
{
	if (!w->helper.pid || w->doomed)
		return;
	w->reason = reason;
	doom(w);
	helper_kill(&w->helper);
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
