/* Slots of the map beside a part; see checkpoint.h. */
#include "worker/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "model/settings.h"
#include "wire/part_map.h"
#include "worker/task.h"

void
checkpoint_init(struct checkpoint *c)
{
	c->map_fd = -1;
	c->ns = clock_now_ns();
}

void
checkpoint_done(struct checkpoint *c)
{
	fd_close(&c->map_fd);
	buf_done(&c->slot);
}

/* Reads the newer slot; the buffer keeps its bytes. */
static void
read_slot(struct task *t, struct buf *map, struct part_map_slot *ret)
{
	ssize_t n = fd_pread_full(t->checkpoint.map_fd, buf_reserve(map, PART_MAP_MAX), PART_MAP_MAX, 0);

	if (n > 0)
		buf_commit(map, (size_t)n);
	part_map_get_slot(buf_bytes(map), buf_len(map), ret);
}

void
checkpoint_open(struct task *t)
{
	AUTO_BUF struct buf map = { 0 };
	struct part_map_slot slot;

	if (!t->names.map[0])
		return;
	t->checkpoint.map_fd = openat(t->dir->haul_fd, t->names.map, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (t->checkpoint.map_fd < 0)
		return; /* it can be done without */
	read_slot(t, &map, &slot);
	t->checkpoint.sequence = slot.sequence;
}

void
checkpoint_load(struct task *t)
{
	AUTO_BUF struct buf map = { 0 };
	struct part_map_slot slot;

	if (!t->msg.resumed || !t->msg.saves || t->checkpoint.map_fd < 0 || t->in_digests.n == 0)
		return;
	read_slot(t, &map, &slot);
	if (!slot.hashed || slot.hashed > t->msg.resumed || !digest_set_load(&t->in_digests, slot.states))
		return;
	t->consumed = t->hashed = t->out_made = t->out_written = slot.hashed;
	t->checkpoint.front = slot.hashed;
}

/* In the lane.  The slot tells of nothing that is not on the disk; the names of
 * part and map have to be, too. */
static void
run_checkpoint(struct lane_job *job)
{
	struct checkpoint *c = CONTAINER_OF(job, struct checkpoint, job);
	uint64_t sequence = c->sequence;

	if (c->sync && fdatasync(c->part_fd) < 0) {
		c->error = -errno;
		return;
	}
	if (fd_pwrite_full(c->map_fd, buf_bytes(&c->slot), buf_len(&c->slot), (off_t)part_map_slot_place(sequence)) < 0)
		return; /* what is there still holds */
	if (!c->sync || fdatasync(c->map_fd) < 0 || !c->first)
		return;
	c->first = fsync(c->haul_fd) < 0 || fsync(c->dir_fd) < 0;
}

static void
on_checkpoint(struct lane_job *job)
{
	struct checkpoint *c = CONTAINER_OF(job, struct checkpoint, job);
	struct task *t = job->owner;

	c->busy = false;
	task_returned(t);
	if (c->error && t->phase < PHASE_ENDING) {
		AUTO_FREE char *path = task_haul_path(t, t->names.part);

		task_fail_errno(t, -c->error, "sync", path);
	} else if (c->parking && t->phase < PHASE_PUBLISH) {
		if (c->front == t->front)
			task_fail(t, RESULT_CANCELLED, "parked");
		else
			checkpoint_park(t); /* the one in the lane was an older one */
	} else if (t->phase == PHASE_PUBLISH && t->lane_jobs == 0) {
		process_publish(t);
	}
	t->env->changed(t->env, t);
}

static void
submit(struct task *t)
{
	struct checkpoint *c = &t->checkpoint;
	AUTO_BUF struct buf states = { 0 };
	struct part_map_slot s = { .sequence = ++c->sequence };
	bool fits;

	c->sync = t->msg.fsync != FSYNC_OFF;
	c->first |= s.sequence == 1;
	c->front = t->front;
	c->ns = clock_now_ns();
	c->part_fd = t->part_fd;
	c->haul_fd = t->dir->haul_fd;
	c->dir_fd = t->dir->fd;
	s.durable = c->sync ? t->front : 0;
	if (!t->decoder && digest_set_save(&t->in_digests, &states)) {
		s.hashed = t->hashed;
		s.states = (struct text){ (const char *)buf_bytes(&states), buf_len(&states) };
	}
	buf_done(&c->slot);
	c->slot = (struct buf){ 0 };
	fits = part_map_put_slot(&c->slot, &s);
	if (!fits) { /* too many states for one */
		s.hashed = s.states.len = 0;
		fits = part_map_put_slot(&c->slot, &s);
	}
	assert(fits);
	c->job = (struct lane_job){ .id = t->id, .run = run_checkpoint, .done = on_checkpoint, .owner = t };
	c->busy = true;
	task_submit(t, t->env->lane, &c->job);
}

void
checkpoint_kick(struct task *t)
{
	struct checkpoint *c = &t->checkpoint;
	uint64_t ms;

	if (!t->msg.saves || c->map_fd < 0 || c->busy || c->parking || t->front == c->front)
		return;
	ms = (clock_now_ns() - c->ns) / NSEC_PER_MSEC;
	if (ms >= CHECKPOINT_MS || (ms >= CHECKPOINT_LEAST_MS && t->front - c->front >= CHECKPOINT_BYTES))
		submit(t);
}

void
checkpoint_park(struct task *t)
{
	struct checkpoint *c = &t->checkpoint;

	if (!t->msg.saves || c->map_fd < 0 || t->part_wb.error) {
		task_fail(t, RESULT_CANCELLED, "cancelled");
		return;
	}
	c->parking = true;
	if (!c->busy)
		submit(t);
}
