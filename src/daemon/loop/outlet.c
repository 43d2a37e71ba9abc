/* A stream that never holds the loop; see outlet.h. */
#include "daemon/loop/outlet.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* A pipe that polls writable takes PIPE_BUF bytes without waiting (pipe(7)). */
static void
on_writable(int fd, unsigned what UNUSED, void *arg)
{
	struct outlet *o = arg;
	ssize_t n = write(fd, buf_bytes(&o->queue), MIN(buf_len(&o->queue), (size_t)PIPE_BUF));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		o->broken = true;
		buf_consume(&o->queue, buf_len(&o->queue));
	} else {
		buf_consume(&o->queue, (size_t)n);
	}
	if (!buf_len(&o->queue))
		loop_io_set(&o->io, 0);
}

void
outlet_init(struct outlet *o, struct loop *l, int fd)
{
	struct stat st;

	*o = (struct outlet){ .fd = fd };
	o->broken = fstat(fd, &st) < 0;
	o->direct = !o->broken && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode) && !isatty(fd);
	if (!o->direct && !o->broken)
		loop_io_init(&o->io, l, fd, "output", on_writable, o);
}

struct buf *
outlet_buf(struct outlet *o)
{
	return &o->queue;
}

void
outlet_push(struct outlet *o)
{
	if (!buf_len(&o->queue))
		return;
	if (o->broken)
		buf_consume(&o->queue, buf_len(&o->queue));
	else if (o->direct)
		outlet_finish(o);
	else
		loop_io_set(&o->io, LOOP_WRITE);
}

void
outlet_finish(struct outlet *o)
{
	if (!o->broken && buf_len(&o->queue) && fd_write_full(o->fd, buf_bytes(&o->queue), buf_len(&o->queue)) < 0)
		o->broken = true;
	buf_consume(&o->queue, buf_len(&o->queue));
}

void
outlet_done(struct outlet *o)
{
	loop_io_done(&o->io);
	buf_done(&o->queue);
}
