/*
 * The decoded file: made in .haul, filled piece by piece.  A piece that is full
 * is written by the writer, a thread of its own, while the decoder fills the
 * next one: the page cache takes a third as long as zstd, and that on another
 * CPU.  Called by process.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/mem.h"
#include "worker/task.h"

static void
fail(struct task *t, int err, const char *doing)
{
	AUTO_FREE char *path = task_haul_path(t, t->names.out);

	task_fail_errno(t, err, doing, path);
}

bool
output_create(struct task *t, lane_done_cb on_writeback)
{
	int dir = t->dir->haul_fd;

	(void)unlinkat(dir, t->names.out, 0); /* of a worker that died here */
	t->out_fd = openat(dir, t->names.out, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (t->out_fd < 0) {
		fail(t, errno, "create");
		return false;
	}
	t->out_exists = true;
	writeback_init(&t->out_wb, t->out_fd, t->id, on_writeback, t);
	if (t->msg.out_dirty_max)
		t->out_wb.window = MIN(MAX(t->msg.out_dirty_max / 2, (uint64_t)PIECE_SIZE),
		    (uint64_t)WRITEBACK_WINDOW);
	return true;
}

void
output_done(struct task *t)
{
	for (unsigned i = 0; i < ARRAY_SIZE(t->pieces); i++)
		free(t->pieces[i].data);
}

bool
output_has_room(const struct task *t)
{
	return t->pieces_out < ARRAY_SIZE(t->pieces);
}

uint8_t *
output_room(struct task *t, size_t *ret_len)
{
	struct out_piece *p = &t->pieces[t->filling];

	if (!p->data)
		p->data = xmalloc(PIECE_SIZE);
	*ret_len = PIECE_SIZE - p->len;
	return p->data + p->len;
}

/* In the writer. */
static void
run_write(struct lane_job *job)
{
	struct out_piece *p = CONTAINER_OF(job, struct out_piece, job);

	p->error = fd_pwrite_full(p->fd, p->data, p->len, (off_t)p->at);
}

static void
on_written(struct lane_job *job)
{
	struct out_piece *p = CONTAINER_OF(job, struct out_piece, job);
	struct task *t = job->owner;

	t->pieces_out--;
	if (p->error)
		fail(t, -p->error, "write");
	else
		t->out_written += p->len; /* the writer keeps their order */
	p->len = 0;
	task_returned(t);
	if (t->phase < PHASE_ENDING)
		process_writeback(t);
	t->env->changed(t->env, t);
}

static void
hand_over(struct task *t, struct out_piece *p)
{
	p->fd = t->out_fd;
	p->job = (struct lane_job){ .id = t->id, .run = run_write, .done = on_written, .owner = t };
	t->pieces_out++;
	t->filling = (t->filling + 1) % ARRAY_SIZE(t->pieces);
	task_submit(t, t->env->writer, &p->job);
}

void
output_add(struct task *t, size_t n)
{
	struct out_piece *p = &t->pieces[t->filling];

	if (p->len == 0)
		p->at = t->out_made;
	p->len += n;
	t->out_made += n;
	if (p->len == PIECE_SIZE)
		hand_over(t, p);
}

bool
output_flush(struct task *t)
{
	struct out_piece *p = &t->pieces[t->filling];
	int r;

	if (t->pieces_out == 0 && p->len) { /* nothing to do meanwhile: no thread is needed */
		r = fd_pwrite_full(t->out_fd, p->data, p->len, (off_t)p->at);
		if (r < 0) {
			fail(t, -r, "write");
			return false;
		}
		t->out_written += p->len;
		p->len = 0;
	}
	return t->pieces_out == 0;
}
