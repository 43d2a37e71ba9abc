/*
 * TASK_CHECK: does the file that stands at the destination have the digests?
 * Then the job is done without network.  Anything else but a path that leads
 * elsewhere is the answer "no", because then the file is simply fetched.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "model/settings.h"
#include "worker/task.h"

/* No such file, or not one that could be compared. */
static void
differs(struct task *t, int err, const char *why)
{
	AUTO_FREE char *path = task_target_path(t);

	t->result.os_error = err;
	task_fail(t, RESULT_CHECKSUM_MISMATCH, "%s: %s", path, why);
}

static bool
is_refusal(int err)
{
	return err == ELOOP || err == EXDEV || err == EINVAL || err == ENOTDIR;
}

static bool
has_right(const struct stat *st, uint32_t uid, mode_t own, mode_t others)
{
	return st->st_mode & (st->st_uid == uid ? own : others);
}

/* Could the one who asks read it?  The file must be open to all or be his, and so must be
 * the way to it from the root on; groups are not asked for. */
static bool
may_know(const struct task *t, const struct stat *st)
{
	uint32_t uid = t->msg.reader;
	struct stat dir;
	AUTO_CLOSE int fd = -1;
	const char *at = t->names.dir;

	if (uid == 0)
		return true;
	if (!has_right(st, uid, S_IRUSR, S_IROTH))
		return false;
	fd = open(t->names.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && fstat(fd, &dir) == 0 && has_right(&dir, uid, S_IXUSR, S_IXOTH)) {
		size_t n = strcspn(at, "/");
		AUTO_FREE char *name = xstrndup(at, n);
		int next = -1;

		if (!*at)
			return true;
		next = openat(fd, *name ? name : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fd_close(&fd);
		fd = next;
		at += n + (at[n] == '/');
	}
	return false;
}

static bool
open_target(struct task *t)
{
	enum digest_algo missing = DIGEST_NONE;
	struct stat st;
	int r;

	r = dirs_get(&t->env->dirs, t->names.root, t->names.dir, &t->dir);
	if (r < 0 && !is_refusal(-r)) {
		differs(t, -r, strerror(-r));
		return false;
	}
	if (r < 0) {
		AUTO_FREE char *path = task_target_path(t);

		t->result.os_error = -r;
		task_fail(t, RESULT_PATH_REFUSED, "%s does not stay beneath its root", path);
		return false;
	}
	t->part_fd = openat(t->dir->fd, t->names.name,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (t->part_fd < 0) {
		differs(t, errno, errno == ELOOP ? "it is a symbolic link, and haul follows none" : strerror(errno));
		return false;
	}
	if (fstat(t->part_fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		differs(t, EINVAL, "not a regular file");
		return false;
	}
	if (!may_know(t, &st)) {
		differs(t, EACCES, strerror(EACCES));
		return false;
	}
	if (t->msg.n_in == 0) {
		differs(t, 0, "there is no digest to compare it with");
		return false;
	}
	if (digest_set_add(&t->in_digests, t->msg.in, t->msg.n_in, &missing) < 0) {
		task_fail(t, RESULT_UNSUPPORTED, "%s is not in this build's libraries",
		    digest_algo_to_string(missing));
		return false;
	}
	t->inode = st.st_ino;
	t->phase = PHASE_INPUT;
	return true;
}

/* It may have been published by a life that ended before it was safe there.
 * Mostly it was safe long ago, and then this takes no time. */
static bool
make_safe(struct task *t)
{
	int r = t->msg.fsync != FSYNC_OFF && fsync(t->part_fd) < 0 ? -errno : 0;

	if (r == 0 && t->msg.fsync == FSYNC_FULL)
		r = dir_sync(t->dir);
	if (r == 0 || r == -EROFS || r == -EINVAL)
		return true;
	differs(t, -r, strerror(-r));
	return false;
}

static void
compare(struct task *t)
{
	digest_set_finish(&t->in_digests);
	if (!task_digest_mismatch(t, &t->in_digests, t->msg.in, t->msg.n_in, "") && make_safe(t))
		task_end(t);
}

void
check_slice(struct task *t)
{
	uint64_t end_ns = clock_now_ns() + SLICE_MS * NSEC_PER_MSEC;

	if (t->phase == PHASE_NEW && !open_target(t))
		return;
	for (uint64_t done = 0; done < SLICE_IN && clock_now_ns() < end_ns; done += READ_SIZE) {
		ssize_t n = fd_pread_full(t->part_fd, t->env->in_buf, READ_SIZE, (off_t)t->consumed);

		if (n < 0) {
			differs(t, (int)-n, strerror((int)-n));
			return;
		}
		digest_set_update(&t->in_digests, t->env->in_buf, (size_t)n);
		t->consumed += (uint64_t)n;
		if (n < READ_SIZE) {
			compare(t);
			return;
		}
	}
}
