/* One program that runs; see program.h. */
#include "spawn/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "daemon/loop/child.h"

enum {
	READ_SIZE = 16 << 10,
	LAST_READS = 64,     /* what its pipes still hold when it has ended */
	KILL_MS = 2000,      /* between SIGTERM and SIGKILL */
};

/* One of its outputs. */
struct stream {
	struct program *program;
	struct loop_io io;
	int fd; /* owned; -1: at its end */
	struct buf line;
	bool answers;
};

struct program {
	struct loop *loop;
	const struct program_ops *ops;
	void *arg;
	pid_t pid;            /* and that of its group; -1: reaped */
	int pid_fd, in_fd;    /* owned */
	struct loop_io pid_io, in_io;
	struct loop_timer timer;
	struct stream out[2];
	struct buf input, answer;
	unsigned n_lines;
	bool killed, timed_out, cut;
	uint64_t dropped;
};

/* ---- What it reads ------------------------------------------------------------------ */

static void
close_input(struct program *p)
{
	loop_io_done(&p->in_io);
	fd_close(&p->in_fd);
}

/* One that does not want to know closes its end: EPIPE is no error. */
static void
on_input(int fd, unsigned what UNUSED, void *arg)
{
	struct program *p = arg;
	ssize_t n = buf_len(&p->input) ? write(fd, buf_bytes(&p->input), buf_len(&p->input)) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		buf_consume(&p->input, (size_t)n);
	if (n < 0 || !buf_len(&p->input))
		close_input(p);
}

/* ---- What it writes ----------------------------------------------------------------- */

static void
tell_line(struct stream *s)
{
	struct program *p = s->program;
	size_t n = buf_len(&s->line);

	if (n && p->n_lines < SPAWN_LINES_MAX) {
		p->n_lines++;
		p->ops->on_line((struct text){ (const char *)buf_bytes(&s->line), n }, p->arg);
	} else {
		p->dropped += n;
	}
	buf_consume(&s->line, n);
}

static void
take_lines(struct stream *s, const char *at, size_t n)
{
	for (const char *end = at + n; at < end; at++) {
		if (*at != '\n')
			buf_append(&s->line, at, 1);
		if (*at == '\n' || buf_len(&s->line) == SPAWN_LINE_MAX)
			tell_line(s);
	}
}

static void
take(struct stream *s, const char *at, size_t n)
{
	struct program *p = s->program;
	size_t room;

	if (!s->answers && p->n_lines == SPAWN_LINES_MAX) {
		p->dropped += n;
	} else if (!s->answers) {
		take_lines(s, at, n);
	} else {
		room = SPAWN_ANSWER_MAX - buf_len(&p->answer);
		p->cut |= n > room;
		buf_append(&p->answer, at, MIN(n, room));
	}
}

static void
close_stream(struct stream *s)
{
	loop_io_done(&s->io);
	fd_close(&s->fd);
}

/* False: nothing more is there now. */
static bool
read_some(struct stream *s)
{
	char bytes[READ_SIZE];
	ssize_t n = s->fd < 0 ? -1 : read(s->fd, bytes, sizeof bytes);

	if (n > 0)
		take(s, bytes, (size_t)n);
	else if (s->fd >= 0 && (n == 0 || (errno != EAGAIN && errno != EINTR)))
		close_stream(s);
	return n > 0;
}

static void
on_output(int fd UNUSED, unsigned what UNUSED, void *arg)
{
	(void)read_some(arg);
}

/* ---- Its end ------------------------------------------------------------------------ */

/* A process that is not reaped keeps its number, and so does its group. */
static void
signal_group(const struct program *p, int signo)
{
	if (p->pid > 0)
		(void)kill(-p->pid, signo);
}

static void
on_exit_seen(int fd UNUSED, unsigned what UNUSED, void *arg)
{
	struct program *p = arg;
	struct spawn_end e = { 0 };
	int status = 0;

	signal_group(p, SIGKILL); /* those that it left behind */
	if (waitpid(p->pid, &status, WNOHANG) == 0)
		return;
	p->pid = -1;
	loop_io_done(&p->pid_io);
	loop_timer_cancel(&p->timer);
	for (unsigned i = 0; i < ARRAY_SIZE(p->out); i++) {
		for (unsigned n = 0; n < LAST_READS && read_some(&p->out[i]); n++)
			;
		tell_line(&p->out[i]);
	}
	e.how = WIFSIGNALED(status) ? SPAWN_KILLED : SPAWN_EXITED;
	e.value = (uint8_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	e.timed_out = p->timed_out;
	e.cut = p->cut;
	e.dropped = p->dropped;
	e.answer = (struct text){ (const char *)buf_bytes(&p->answer), buf_len(&p->answer) };
	p->ops->on_end(&e, p->arg);
}

void
program_kill(struct program *p)
{
	if (p->killed)
		return;
	p->killed = true;
	signal_group(p, SIGTERM);
	signal_group(p, SIGCONT); /* one that is stopped would not hear of it */
	loop_timer_set(&p->timer, KILL_MS);
}

static void
on_timer(void *arg)
{
	struct program *p = arg;

	if (p->killed) {
		signal_group(p, SIGKILL);
		return;
	}
	p->timed_out = true;
	program_kill(p);
}

/* ---- Its beginning ------------------------------------------------------------------ */

static bool
is_for_programs(const char *variable)
{
	static const char *const names[] = { "HOME=", "USER=", "LOGNAME=", "LANG=", "TZ=", "XDG_RUNTIME_DIR=",
		"DBUS_SESSION_BUS_ADDRESS=" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Owned by the caller, the strings are not. */
static char **
make_environment(char **job)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	size_t n = 0, ours = 0, theirs = 0;
	char **env;

	while (environ && environ[ours])
		ours++;
	while (job[theirs])
		theirs++;
	env = xcalloc(ours + theirs + 2, sizeof *env);
	env[n++] = path;
	for (size_t i = 0; i < ours; i++)
		if (is_for_programs(environ[i]))
			env[n++] = environ[i];
	memcpy(env + n, job, theirs * sizeof *env);
	return env;
}

/* fds: 0 what it reads, 1 and 2 what it writes; ours are the others. */
static int
spawn_with_pipes(const struct spawn_run *run, pid_t *ret_pid, int *ours)
{
	AUTO_FREE char **env = make_environment(run->env);
	struct spawn s = {
		.path = run->argv[0], .argv = run->argv, .env = env, .fds = { -1, -1, -1, -1 }, .own_group = true,
	};
	int r = 0;

	for (int i = 0; i < 3 && r == 0; i++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC) < 0) {
			r = -errno;
			break;
		}
		s.fds[i] = ends[i == 0 ? 0 : 1];
		ours[i] = ends[i == 0 ? 1 : 0];
		r = fd_set_nonblock(ours[i]);
	}
	if (r == 0)
		r = spawn(&s, ret_pid);
	for (int i = 0; i < 3; i++) {
		fd_close(&s.fds[i]);
		if (r < 0)
			fd_close(&ours[i]);
	}
	return r;
}

static void
watch(struct program *p, const int *fds, bool answers)
{
	p->in_fd = fds[0];
	loop_io_init(&p->in_io, p->loop, p->in_fd, "program input", on_input, p);
	loop_io_set(&p->in_io, LOOP_WRITE);
	for (unsigned i = 0; i < ARRAY_SIZE(p->out); i++) {
		struct stream *s = &p->out[i];

		s->program = p;
		s->fd = fds[1 + i];
		s->answers = answers && i == 0;
		loop_io_init(&s->io, p->loop, s->fd, "program output", on_output, s);
		loop_io_set(&s->io, LOOP_READ);
	}
	loop_io_init(&p->pid_io, p->loop, p->pid_fd, "program exit", on_exit_seen, p);
	loop_io_set(&p->pid_io, LOOP_READ);
	loop_timer_init(&p->timer, p->loop, "program", on_timer, p);
}

int
program_start(struct loop *l, const struct spawn_run *run, const struct program_ops *ops, void *arg,
    struct program **ret)
{
	int fds[3] = { -1, -1, -1 }, r, pid_fd;
	struct program *p;
	pid_t pid;

	r = spawn_with_pipes(run, &pid, fds);
	if (r < 0)
		return r;
	pid_fd = pidfd_open(pid, 0);
	if (pid_fd < 0) { /* no descriptors left, say */
		r = -errno;
		(void)kill(-pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
			fd_close(&fds[i]);
		return r;
	}
	p = NEW(struct program);
	p->loop = l;
	p->ops = ops;
	p->arg = arg;
	p->pid = pid;
	p->pid_fd = pid_fd;
	buf_append(&p->input, run->input.at, run->input.len);
	watch(p, fds, run->answers);
	loop_timer_set(&p->timer, run->timeout_ms);
	*ret = p;
	return 0;
}

void
program_free(struct program *p)
{
	if (!p)
		return;
	signal_group(p, SIGKILL);
	close_input(p);
	for (unsigned i = 0; i < ARRAY_SIZE(p->out); i++) {
		close_stream(&p->out[i]);
		buf_done(&p->out[i].line);
	}
	loop_io_done(&p->pid_io);
	fd_close(&p->pid_fd);
	loop_timer_done(&p->timer);
	buf_done(&p->input);
	buf_done(&p->answer);
	free(p);
}
