/* One connection; see client.h. */
#include "daemon/control/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

enum { READ_SIZE = 64 << 10 };

static void handle_lines(struct client *c);

static void
watch(struct client *c)
{
	unsigned what = 0;

	if (!c->broken && !c->ended && !c->paused && buf_len(&c->out) < CLIENT_OUT_PAUSE)
		what |= LOOP_READ;
	if (!c->broken && buf_len(&c->out))
		what |= LOOP_WRITE;
	loop_io_set(&c->io, what);
}

/* Not here: who calls may be in the middle of something of this client. */
static void
let_go(struct client *c)
{
	c->broken = true;
	watch(c);
	loop_defer(c->loop, &c->next);
}

/* The bytes before the one that the descriptor goes with; then that one and those
 * behind it, with the descriptor. */
static ssize_t
send_passing(struct client *c)
{
	struct iovec bytes = { .iov_base = buf_bytes(&c->out), .iov_len = buf_len(&c->out) };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	struct msghdr m = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t n;

	if (c->pass_at) {
		n = send(c->io.fd, bytes.iov_base, c->pass_at, MSG_NOSIGNAL | MSG_DONTWAIT);
		c->pass_at -= n > 0 ? (size_t)n : 0;
		return n;
	}
	control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(&control.header), &c->pass_fd, sizeof c->pass_fd);
	n = sendmsg(c->io.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		fd_close(&c->pass_fd);
	return n;
}

static void
write_out(struct client *c)
{
	while (buf_len(&c->out) && !c->broken) {
		ssize_t n = c->pass_fd >= 0 ? send_passing(c) :
		    send(c->io.fd, buf_bytes(&c->out), buf_len(&c->out), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			let_go(c);
			return;
		}
		buf_consume(&c->out, (size_t)n);
	}
	if (buf_len(&c->out) > CLIENT_OUT_MAX) {
		log_notice("client let go: it does not read its answers pid=%d uid=%u", c->pid, c->uid);
		let_go(c);
	}
}

/* It said all it has to say, all of that was looked at, and it got all its
 * answers. */
static bool
is_over(const struct client *c)
{
	return c->ended && c->searched == buf_len(&c->in) && !c->n_calls && !c->n_subscriptions && !buf_len(&c->out);
}

bool
client_pass(struct client *c, int fd)
{
	if (c->broken || c->pass_fd >= 0)
		return false;
	c->pass_fd = fd;
	c->pass_at = buf_len(&c->out);
	return true;
}

void
client_push(struct client *c)
{
	write_out(c);
	if (is_over(c))
		let_go(c);
	watch(c);
}

/* A line, or none: false when all that came was handled. */
static bool
next_line(struct client *c)
{
	uint8_t *data = buf_bytes(&c->in), *end;
	size_t n = buf_len(&c->in);

	end = n > c->searched ? memchr(data + c->searched, '\n', n - c->searched) : NULL;
	if (!end) {
		c->searched = n;
		if (n > CLIENT_LINE_MAX)
			client_refuse(c, "a request is longer than 1 MiB");
		return false;
	}
	n = (size_t)(end - data);
	control_on_line(c->control, c, (const char *)data, n);
	buf_consume(&c->in, n + 1);
	c->searched = 0;
	return !c->broken;
}

static bool
may_handle(const struct client *c)
{
	return !c->paused && !c->broken && buf_len(&c->out) < CLIENT_OUT_PAUSE;
}

static void
handle_lines(struct client *c)
{
	uint64_t until = clock_now_ns() + CLIENT_MS_PER_TURN * UINT64_C(1000000);
	size_t before = buf_len(&c->in);
	bool more = true;

	for (unsigned n = 0; more && may_handle(c) && n < CLIENT_LINES_PER_TURN && clock_now_ns() < until; n++)
		more = next_line(c);
	if (more && may_handle(c))
		loop_defer(c->loop, &c->next);
	(void)control_may_buffer(c->control, before, buf_len(&c->in));
	if (!c->broken && is_over(c))
		let_go(c);
	watch(c);
}

static void
read_in(struct client *c)
{
	ssize_t n = read(c->io.fd, buf_reserve(&c->in, READ_SIZE), READ_SIZE);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->ended = true;
		control_client_ended(c->control);
		if (n < 0)
			let_go(c);
	} else {
		buf_commit(&c->in, (size_t)n);
		if (!control_may_buffer(c->control, buf_len(&c->in) - (size_t)n, buf_len(&c->in)) &&
		    buf_len(&c->in) > CLIENT_LINE_FREE) {
			client_refuse(c, "the unfinished requests of all clients are too large; try again");
			return;
		}
	}
	handle_lines(c);
}

static void
on_io(int fd UNUSED, unsigned what, void *arg)
{
	struct client *c = arg;

	if (what & LOOP_WRITE) {
		client_push(c);
		if (!c->broken)
			watch_client_reads(c);
		/* Lines that waited until it read. */
		if (!c->broken && buf_len(&c->in) && buf_len(&c->out) < CLIENT_OUT_PAUSE)
			loop_defer(c->loop, &c->next);
	}
	if ((what & LOOP_READ) && !c->broken)
		read_in(c);
}

static void
on_next(void *arg)
{
	struct client *c = arg;

	if (c->broken)
		client_free(c);
	else
		handle_lines(c);
}

static void
identify(struct client *c)
{
	struct ucred cred = { .pid = 0, .uid = UINT32_MAX };
	socklen_t n = sizeof cred;

	/* Without an answer: nobody we know. */
	(void)getsockopt(c->io.fd, SOL_SOCKET, SO_PEERCRED, &cred, &n);
	c->pid = cred.pid;
	c->uid = cred.uid;
}

struct client *
client_new(struct control *control, struct loop *l, int fd)
{
	struct client *c = NEW(struct client);

	c->control = control;
	c->loop = l;
	c->pass_fd = -1;
	list_init(&c->link);
	list_init(&c->calls);
	list_init(&c->subscriptions);
	loop_io_init(&c->io, l, fd, "client", on_io, c);
	loop_deferred_init(&c->next, "client lines", on_next, c);
	identify(c);
	watch(c);
	return c;
}

void
client_free(struct client *c)
{
	int fd = c->io.fd;

	(void)control_may_buffer(c->control, buf_len(&c->in), 0);
	control_on_client_end(c);
	while (!list_empty(&c->calls)) {
		struct call *call = LIST_FIRST(&c->calls, struct call, link);

		client_drop_call(c, call);
		call->client = NULL;
		if (call->on_orphaned)
			call->on_orphaned(call, call->arg);
	}
	list_remove(&c->link);
	loop_undefer(&c->next);
	loop_io_done(&c->io);
	fd_close(&fd);
	fd_close(&c->pass_fd);
	buf_done(&c->in);
	buf_done(&c->out);
	free(c);
}

struct buf *
client_out(struct client *c)
{
	return &c->out;
}

void
client_pause(struct client *c)
{
	c->paused = true;
	watch(c);
}

void
client_resume(struct client *c)
{
	c->paused = false;
	loop_defer(c->loop, &c->next);
}

void
client_refuse(struct client *c, const char *message)
{
	buf_printf(&c->out, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":%d,\"message\":\"%s\","
	    "\"data\":{\"word\":\"too-many\"}}}\n", RPC_TOO_MANY, message);
	write_out(c);
	let_go(c);
}

void
client_add_call(struct client *c, struct call *call)
{
	list_append(&c->calls, &call->link);
	c->n_calls++;
	call->uid = c->uid;
	call->policy = c->policy;
}

void
client_drop_call(struct client *c, struct call *call)
{
	list_remove(&call->link);
	c->n_calls--;
	if (!c->broken && is_over(c))
		let_go(c);
}
