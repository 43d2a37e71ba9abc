/* Frames to and from a child; see chan.h. */
#include "daemon/loop/chan.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

/* Read at most this in one callback: a chatty child does not hold the loop. */
enum { READ_SIZE = 64 * 1024 };

struct chan {
	struct loop *loop;
	int in_fd, out_fd; /* owned */
	struct loop_io in, out;
	struct loop_deferred flush, closed;
	struct frame_reader reader;
	struct buf queue;
	chan_message_cb on_message;
	chan_closed_cb on_closed;
	void *arg;
	int why;     /* of the end */
	bool ended;  /* on_closed was or will be called */
	bool close_when_flushed;
	bool *freed; /* set when chan_free() is called inside a callback */
};

static void
end(struct chan *c, int why)
{
	if (c->ended)
		return;
	c->ended = true;
	c->why = why;
	loop_io_set(&c->in, 0);
	if (c->out_fd >= 0)
		loop_io_set(&c->out, 0);
	loop_defer(c->loop, &c->closed);
}

static void
call_closed(void *arg)
{
	struct chan *c = arg;

	c->on_closed(c->why, c->arg);
}

/* False when the channel is gone or over. */
static bool
deliver(struct chan *c)
{
	bool freed = false;
	struct message m;
	int r;

	c->freed = &freed;
	while ((r = frame_reader_next(&c->reader, &m)) == 1) {
		r = c->on_message(&m, c->arg);
		if (freed)
			return false;
		if (r < 0)
			break;
	}
	c->freed = NULL;
	if (r < 0)
		end(c, r);
	return r >= 0;
}

static void
on_readable(int fd, unsigned what UNUSED, void *arg)
{
	struct chan *c = arg;
	ssize_t n = read(fd, buf_reserve(&c->reader.in, READ_SIZE), READ_SIZE);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(c, n < 0 ? -errno : 0);
		return;
	}
	buf_commit(&c->reader.in, (size_t)n);
	(void)deliver(c);
}

static void
flush(void *arg)
{
	struct chan *c = arg;

	while (c->out_fd >= 0 && buf_len(&c->queue)) {
		ssize_t n = write(c->out_fd, buf_bytes(&c->queue), buf_len(&c->queue));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			loop_io_set(&c->out, LOOP_WRITE);
			return;
		}
		if (n < 0) {
			/* The reading side tells the end; answers may still come. */
			buf_consume(&c->queue, buf_len(&c->queue));
			break;
		}
		buf_consume(&c->queue, (size_t)n);
	}
	if (c->out_fd < 0)
		return;
	loop_io_set(&c->out, 0);
	if (c->close_when_flushed) {
		loop_io_done(&c->out);
		fd_close(&c->out_fd);
	}
}

static void
on_writable(int fd UNUSED, unsigned what UNUSED, void *arg)
{
	flush(arg);
}

struct chan *
chan_new(struct loop *l, int in_fd, int out_fd, const char *name, chan_message_cb on_message,
    chan_closed_cb on_closed, void *arg)
{
	struct chan *c = NEW(struct chan);

	c->loop = l;
	c->in_fd = in_fd;
	c->out_fd = out_fd;
	c->on_message = on_message;
	c->on_closed = on_closed;
	c->arg = arg;
	if (fd_set_nonblock(in_fd) < 0 || (out_fd >= 0 && fd_set_nonblock(out_fd) < 0))
		fatal(1, "cannot make a pipe non-blocking: %m");
	loop_io_init(&c->in, l, in_fd, name, on_readable, c);
	loop_io_set(&c->in, LOOP_READ);
	if (out_fd >= 0)
		loop_io_init(&c->out, l, out_fd, name, on_writable, c);
	loop_deferred_init(&c->flush, name, flush, c);
	loop_deferred_init(&c->closed, name, call_closed, c);
	return c;
}

void
chan_free(struct chan *c)
{
	if (!c)
		return;
	if (c->freed)
		*c->freed = true;
	loop_undefer(&c->flush);
	loop_undefer(&c->closed);
	loop_io_done(&c->in);
	loop_io_done(&c->out);
	fd_close(&c->in_fd);
	fd_close(&c->out_fd);
	frame_reader_done(&c->reader);
	buf_done(&c->queue);
	free(c);
}

struct buf *
chan_out(struct chan *c)
{
	loop_defer(c->loop, &c->flush);
	return &c->queue;
}

size_t
chan_queued(const struct chan *c)
{
	return buf_len(&c->queue);
}

void
chan_close_out(struct chan *c)
{
	c->close_when_flushed = true;
	loop_defer(c->loop, &c->flush);
}

void
chan_pause(struct chan *c, bool paused)
{
	if (!c->ended)
		loop_io_set(&c->in, paused ? 0 : LOOP_READ);
}
