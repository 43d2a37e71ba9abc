/*
 * TASK_COPY and TASK_DISCARD, the tasks that are nothing but waiting for a disk:
 * all their work is done in the sync lane, a copy's piece by piece, so that it
 * can be cancelled and does not hold up the others there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/clock.h"
#include "base/mem.h"
#include "worker/sweep.h"
#include "worker/task.h"

/* In the lane: opens the source, which may be on a slow filesystem, and makes the
 * part. */
static int
copy_open(struct copy_job *c)
{
	struct stat st;

	c->from = open(c->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (c->from < 0 || fstat(c->from, &st) < 0) {
		result_set_errno(&c->result, errno, "open", c->source);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		result_set(&c->result, RESULT_PATH_REFUSED, "%s is not a regular file", c->source);
		return -1;
	}
	c->size = (uint64_t)st.st_size;
	c->mtime_s = st.st_mtim.tv_sec;
	c->mtime_ns = st.st_mtim.tv_nsec;
	(void)posix_fadvise(c->from, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice only */
	c->to = openat(c->dir->haul_fd, c->name,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	c->haul_has_gone = c->to < 0 && errno == ENOENT;
	if (c->to < 0 || fstat(c->to, &st) < 0) {
		result_set_errno(&c->result, errno, "create the part file for", c->source);
		return -1;
	}
	c->inode = st.st_ino;
	return 0;
}

/* Where the kernel cannot copy by itself; also tells whether 0 was the end. */
static ssize_t
copy_by_hand(struct copy_job *c, size_t want)
{
	AUTO_FREE uint8_t *buf = xmalloc(READ_SIZE);
	ssize_t n = fd_pread_full(c->from, buf, MIN(want, (size_t)READ_SIZE), (off_t)c->done);
	int r;

	if (n <= 0)
		return n;
	r = fd_pwrite_full(c->to, buf, (size_t)n, (off_t)c->done);
	return r < 0 ? r : n;
}

/* Some bytes: how many, 0 at the end, -errno. */
static ssize_t
copy_some(struct copy_job *c, size_t want)
{
	off_t from = (off_t)c->done, to = (off_t)c->done;
	ssize_t n = copy_file_range(c->from, &from, c->to, &to, want, 0);

	if (n > 0)
		return n;
	if (n < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP &&
	    errno != EPERM && errno != EBADF && errno != EINTR)
		return -errno;
	return copy_by_hand(c, want);
}

static void
copy_too_large(struct copy_job *c)
{
	result_set(&c->result, RESULT_TOO_LARGE,
	    "%s has more than the %" PRIu64 " bytes that are allowed", c->source, c->max);
}

/* Hands what was copied to the disk, and waits for it above the bound. */
static int
copy_writeback(struct copy_job *c)
{
	uint64_t begin = clock_now_ns(), until;
	int r = writeback_range(c->to, c->started, c->done, SYNC_FILE_RANGE_WRITE);

	if (r < 0)
		return r;
	c->started = c->done;
	if (!c->dirty_max || c->done - c->clean <= c->dirty_max)
		return 0;
	until = c->done - c->dirty_max;
	r = writeback_range(c->to, c->clean, until,
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	if (r < 0)
		return r;
	c->clean = until;
	c->wait_ns += clock_now_ns() - begin;
	return 0;
}

/* Written to while it was copied: the copy may be of no file that there ever was. */
static void
check_source(struct copy_job *c)
{
	struct stat st;

	if (fstat(c->from, &st) < 0)
		result_set_errno(&c->result, errno, "look at", c->source);
	else if ((uint64_t)st.st_size != c->size || st.st_mtim.tv_sec != c->mtime_s || st.st_mtim.tv_nsec != c->mtime_ns)
		result_set(&c->result, RESULT_RANGE_CHANGED, "%s was changed while it was copied", c->source);
}

static void
run_copy(struct lane_job *job)
{
	struct copy_job *c = CONTAINER_OF(job, struct copy_job, job);
	size_t left = COPY_PIECE;
	ssize_t n = 0;

	if (c->from < 0 && copy_open(c) < 0)
		return;
	if (c->max && c->size > c->max) {
		copy_too_large(c);
		return;
	}
	while (left && (n = copy_some(c, left)) > 0) {
		c->done += (uint64_t)n;
		left -= (size_t)n;
	}
	if (n == 0 && left)
		c->eof = true;
	if (n >= 0)
		n = copy_writeback(c);
	if (n < 0)
		result_set_errno(&c->result, (int)-n, "copy", c->source);
	else if (c->max && c->done > c->max) /* it grew meanwhile */
		copy_too_large(c);
	else if (c->eof)
		check_source(c);
}

static void
on_copy_piece(struct lane_job *job)
{
	struct task *t = job->owner;
	struct copy_job *c = &t->copy;

	t->lane_jobs--;
	if (c->haul_has_gone && !t->cancelled && c->n_gone++ < HAUL_MAKES_MAX) {
		c->result = (struct result){ 0 };
		fd_close(&c->from);
		copy_slice(t);
		t->env->changed(t->env, t);
		return;
	}
	if (c->result.code == RESULT_OK && !c->eof && !t->cancelled) {
		(void)task_tell_progress(t, clock_now_ns());
		task_submit(t, t->env->lane, job);
		return; /* nothing changed for the worker, and the lane has the job */
	}
	t->result = c->result;
	if (t->result.code == RESULT_OK && !c->eof)
		result_set(&t->result, RESULT_CANCELLED, "cancelled");
	t->inode = c->inode;
	if (t->result.code != RESULT_OK && c->to >= 0)
		discard_submit(t, TAKE_FD(c->to), t->names.part, "", "");
	task_end(t);
	t->env->changed(t->env, t);
}

/* The directory as it is now: the one we kept open may have been removed. */
static int
open_dir_anew(struct task *t)
{
	int r;

	dir_unref(TAKE_PTR(t->dir));
	r = dirs_get(&t->env->dirs, t->names.root, t->names.dir, &t->dir);
	if (r < 0)
		return r;
	dirs_forget(&t->env->dirs, t->dir);
	dir_unref(TAKE_PTR(t->dir));
	return dirs_get(&t->env->dirs, t->names.root, t->names.dir, &t->dir);
}

/* Other workers, also those of a life that was killed, remove an empty .haul at any
 * time: then it is made again. */
static int
make_haul(const struct task *t)
{
	int r = -ENOENT;

	for (unsigned i = 0; r == -ENOENT && i < HAUL_MAKES_MAX; i++) {
		if (mkdirat(t->dir->fd, HAUL_DIR, 0700) < 0 && errno != EEXIST)
			return -errno;
		r = dir_open_haul(t->dir);
	}
	return r;
}

void
copy_slice(struct task *t)
{
	struct copy_job *c = &t->copy;
	AUTO_FREE char *path = NULL;
	int r;

	r = open_dir_anew(t);
	if (r == 0)
		r = make_haul(t);
	if (r < 0) {
		path = task_haul_path(t, "");
		task_fail_errno(t, r == -EINVAL ? EXDEV : -r, "open", path);
		return;
	}
	c->job = (struct lane_job){ .id = t->id, .run = run_copy, .done = on_copy_piece, .owner = t };
	c->dir = t->dir;
	c->source = t->names.source;
	c->name = t->names.part;
	c->max = t->msg.max_output;
	c->dirty_max = t->msg.out_dirty_max;
	t->phase = PHASE_LANE;
	task_submit(t, t->env->lane, &c->job);
}

static void
run_discard(struct lane_job *job)
{
	struct discard_job *d = CONTAINER_OF(job, struct discard_job, job);

	if (d->stage)
		d->error = -dir_sync(d->dir);
	for (unsigned i = 0; i < ARRAY_SIZE(d->names) && !d->sweep; i++)
		if (d->names[i][0] && unlinkat(d->haul_fd, d->names[i], 0) < 0 && errno != ENOENT)
			d->error = errno; /* what is not there need not go */
	if (d->sweep)
		sweep_dir(d->dir, d->names[0], job->id, &d->found);
	fd_close(&d->fd);
}

static void
on_discarded(struct lane_job *job)
{
	struct task *t = job->owner;

	buf_append(&t->env->frames, buf_bytes(&t->discard.found), buf_len(&t->discard.found));
	/* TASK_DISCARD; else it was part of the end of another. */
	if (t->phase < PHASE_ENDING && t->discard.error)
		task_fail_errno(t, t->discard.error, "remove", t->names.part);
	else if (t->phase < PHASE_ENDING)
		task_end(t);
	task_returned(t);
	t->env->changed(t->env, t);
}

/* A group's stage: what an earlier life has exchanged it for may not be on the disk yet,
 * and then what is written here may come to stand in the directory (swap.c). */
static bool
sweeps_stage(const struct task *t)
{
	const char *slash = t->dir ? strrchr(t->dir->path, '/') : NULL, *name = slash ? slash + 1 : t->dir ? t->dir->path : "";

	return t->msg.kind == TASK_SWEEP && strncmp(name, STAGE_PREFIX, strlen(STAGE_PREFIX)) == 0;
}

void
discard_submit(struct task *t, int fd, const char *name, const char *second, const char *third)
{
	t->discard = (struct discard_job){
		.job = { .id = t->id, .run = run_discard, .done = on_discarded, .owner = t },
		.haul_fd = t->dir->haul_fd,
		.fd = fd,
		.dir = t->dir,
		.sweep = t->msg.kind == TASK_SWEEP,
		.stage = sweeps_stage(t),
		.names = { name, second, third },
	};
	task_submit(t, t->env->lane, &t->discard.job);
}

void
discard_slice(struct task *t)
{
	int r = open_dir_anew(t);

	if (r == 0)
		r = dir_open_haul(t->dir);
	if (r == -ENOENT && sweeps_stage(t))
		r = 0;
	if (r == -ENOENT) {
		task_end(t); /* no directory, no files: that is what was wanted */
		return;
	}
	if (r < 0) {
		task_fail_errno(t, -r, "remove", t->names.part);
		return;
	}
	t->phase = PHASE_LANE;
	discard_submit(t, -1, t->names.part, t->names.out, t->names.map);
}
