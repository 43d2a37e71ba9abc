/* Programs that hauld talks to; see helper.h. */
#include "daemon/loop/helper.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>

static void
check_over(struct helper *h)
{
	if (helper_is_over(h))
		h->ops->on_over(h->arg);
}

static void
on_exit_status(pid_t pid UNUSED, int status, void *arg)
{
	struct helper *h = arg;

	h->pid = 0;
	h->status = status;
	if (h->ops->on_reaped)
		h->ops->on_reaped(h->arg);
	check_over(h);
}

/* Most that close their pipe have ended: then killing does nothing. */
static void
on_closed(int why, void *arg)
{
	struct helper *h = arg;

	chan_free(TAKE_PTR(h->chan));
	if (!h->ops->on_closed || h->ops->on_closed(why, h->arg))
		helper_kill(h);
	check_over(h);
}

static int
on_message(const struct message *m, void *arg)
{
	struct helper *h = arg;

	return h->ops->on_message(m, h->arg);
}

void
helper_init(struct helper *h, struct loop *l, struct children *c, const char *name,
    const struct helper_ops *ops, void *arg)
{
	*h = (struct helper){ .loop = l, .children = c, .name = name, .ops = ops, .arg = arg };
	loop_timer_init(&h->wait, l, name, ops->on_waited, arg);
}

void
helper_attach(struct helper *h, pid_t pid, int in, int out)
{
	assert(helper_is_over(h));
	h->pid = pid;
	h->chan = chan_new(h->loop, in, out, h->name, on_message, on_closed, h);
	if (pid)
		children_watch(h->children, pid, on_exit_status, h);
}

int
helper_start(struct helper *h, char *const *argv, int fd)
{
	int in, out, r;
	pid_t pid;

	r = spawn_piped(&(struct spawn){ .path = argv[0], .argv = argv, .fds = { -1, -1, -1, fd }, .own_group = true },
	    &pid, &in, &out);
	if (r == 0)
		helper_attach(h, pid, in, out);
	return r;
}

const char *
helper_fault(int why)
{
	return why == -ESTALE ? "it is of another build than hauld: if haul was installed anew, restart hauld" :
	    "it said what makes no sense";
}

void
helper_wait(struct helper *h, uint64_t ms)
{
	loop_timer_set(&h->wait, ms);
}

void
helper_kill(const struct helper *h)
{
	if (h->pid)
		(void)kill(h->pid, SIGKILL);
}

void
helper_done(struct helper *h)
{
	helper_kill(h);
	if (h->pid)
		children_unwatch(h->children, h->pid, h);
	h->pid = 0;
	chan_free(TAKE_PTR(h->chan));
	loop_timer_done(&h->wait);
}
