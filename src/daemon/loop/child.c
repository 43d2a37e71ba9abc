/* Child processes; see child.h. */
#include "daemon/loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

extern char **environ;

/* All signals back to their defaults: an ignored one would stay ignored over
 * exec, and the mask is inherited (STYLE 4.4). */
static int
set_attributes(posix_spawnattr_t *attr, bool own_group)
{
	short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
	sigset_t all, none;
	int r;

	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	r = posix_spawnattr_setsigdefault(attr, &all);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attr, &none);
	if (r == 0 && own_group)
		r = posix_spawnattr_setpgroup(attr, 0);
	if (own_group)
		flags |= POSIX_SPAWN_SETPGROUP;
	if (r == 0)
		r = posix_spawnattr_setflags(attr, flags);
	return r;
}

/* The sources are first moved out of the way of the targets. */
static int
set_actions(posix_spawn_file_actions_t *fa, const struct spawn *s, int *high)
{
	int last = 2, r = 0;

	for (int i = 0; i < SPAWN_FDS_MAX && r == 0; i++) {
		if (s->fds[i] < 0)
			continue;
		high[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, 64);
		if (high[i] < 0)
			return errno;
		r = posix_spawn_file_actions_adddup2(fa, high[i], i);
		last = MAX(last, i);
	}
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(fa, last + 1);
	return r;
}

/* The url of a proxy may hold a password, and no child has a use for it. */
static bool
is_for_children(const char *variable)
{
	static const char ending[] = "_proxy";
	size_t n = strcspn(variable, "="), len = sizeof ending - 1;

	return n < len || !text_equal_nocase(variable + n - len, len, ending);
}

/* Owned by the caller, the strings are not. */
static char **
make_environment(void)
{
	size_t n = 0, kept = 0;
	char **env;

	while (environ && environ[n])
		n++;
	env = xcalloc(n + 1, sizeof *env);
	for (size_t i = 0; i < n; i++)
		if (is_for_children(environ[i]))
			env[kept++] = environ[i];
	return env;
}

int
spawn(const struct spawn *s, pid_t *ret_pid)
{
	AUTO_FREE char **env = s->env ? NULL : make_environment();
	int high[SPAWN_FDS_MAX] = { -1, -1, -1, -1 };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	pid_t pid;
	int r;

	r = posix_spawn_file_actions_init(&fa);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r) {
		(void)posix_spawn_file_actions_destroy(&fa);
		return -r;
	}
	r = set_attributes(&attr, s->own_group);
	if (r == 0)
		r = set_actions(&fa, s, high);
	if (r == 0)
		r = posix_spawn(&pid, s->path, &fa, &attr, s->argv, s->env ? s->env : env);
	for (int i = 0; i < SPAWN_FDS_MAX; i++)
		fd_close(&high[i]);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&fa);
	if (r == 0)
		*ret_pid = pid;
	return -r;
}

int
spawn_piped(const struct spawn *s, pid_t *ret_pid, int *ret_in, int *ret_out)
{
	AUTO_CLOSE int down_r = -1, down_w = -1, up_r = -1, up_w = -1;
	struct spawn piped = *s;
	int down[2], up[2], r;

	if (pipe2(down, O_CLOEXEC) < 0)
		return -errno;
	down_r = down[0];
	down_w = down[1];
	if (pipe2(up, O_CLOEXEC) < 0)
		return -errno;
	up_r = up[0];
	up_w = up[1];
	piped.fds[0] = down_r;
	piped.fds[1] = up_w;
	r = spawn(&piped, ret_pid);
	if (r < 0)
		return r;
	*ret_in = TAKE_FD(up_r);
	*ret_out = TAKE_FD(down_w);
	return 0;
}

struct child {
	struct list link;
	pid_t pid;
	child_cb cb; /* NULL: nobody asks any more */
	void *arg;
	int status;
};

struct children {
	struct list running, ended;
	struct loop_signal sigchld;
};

/* Signals coalesce: every child of ours is asked, and no one else's.  The
 * callbacks run when all were asked, for they may start new ones. */
static void
reap(void *arg)
{
	struct children *c = arg;
	struct child *ch;

	LIST_FOREACH(ch, &c->running, struct child, link) {
		pid_t r = waitpid(ch->pid, &ch->status, WNOHANG);

		if (r == 0 || (r < 0 && errno == EINTR))
			continue;
		if (r < 0)
			ch->status = 0; /* ECHILD: someone else reaped it */
		list_remove(&ch->link);
		list_append(&c->ended, &ch->link);
	}
	while (!list_empty(&c->ended)) {
		ch = LIST_FIRST(&c->ended, struct child, link);
		list_remove(&ch->link);
		if (ch->cb)
			ch->cb(ch->pid, ch->status, ch->arg);
		free(ch);
	}
}

struct children *
children_new(struct loop *l)
{
	struct children *c = NEW(struct children);

	list_init(&c->running);
	list_init(&c->ended);
	loop_signal_init(&c->sigchld, l, SIGCHLD, reap, c);
	return c;
}

void
children_free(struct children *c)
{
	struct child *ch;

	if (!c)
		return;
	LIST_FOREACH(ch, &c->running, struct child, link)
		free(ch);
	loop_signal_done(&c->sigchld);
	free(c);
}

void
children_watch(struct children *c, pid_t pid, child_cb cb, void *arg)
{
	struct child *ch = NEW(struct child);

	ch->pid = pid;
	ch->cb = cb;
	ch->arg = arg;
	list_append(&c->running, &ch->link);
}

/* It stays on its list: without waitpid() it would be a zombie for ever. */
void
children_unwatch(struct children *c, pid_t pid, void *arg)
{
	struct list *const lists[] = { &c->running, &c->ended };
	struct child *ch;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		LIST_FOREACH(ch, lists[i], struct child, link)
			if (ch->pid == pid && ch->arg == arg)
				ch->cb = NULL;
}

char *
child_status_to_string(int status, char *out, size_t n)
{
	if (WIFSIGNALED(status))
		(void)snprintf(out, n, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		(void)snprintf(out, n, "exit status %d", WEXITSTATUS(status));
	return out;
}
