/*
 * What a task works on: the part file, by its inode, or the file that a worker
 * published and could not tell of; and the place where a packed file is kept.
 * Called by process.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "worker/task.h"

/* It may have its last mode already, which need not let us write; nothing is written from here on then. */
static int
open_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == EACCES)
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int
open_part(struct task *t)
{
	int fd = open_file(t->dir->haul_fd, t->names.part);

	if (fd < 0)
		return fd;
	t->part_fd = fd;
	return 0;
}

static bool
is_the_part(struct task *t)
{
	AUTO_FREE char *path = NULL;
	struct stat st;

	if (fstat(t->part_fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (t->msg.inode == 0 || st.st_ino == t->msg.inode))
		return true;
	path = task_haul_path(t, t->names.part);
	task_fail(t, RESULT_PATH_REFUSED, "%s is not the file that was downloaded", path);
	return false;
}

/*
 * A worker may die between its rename and its RESULT; the task is then given
 * out again and finds its part under the final name, by the inode.  It is
 * verified once more, from there, and not published twice.
 */
static bool
open_published(struct task *t)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (!t->msg.publish || !t->msg.inode || t->codec != CODEC_OFF)
		return false;
	fd = open_file(t->dir->fd, t->names.name);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != t->msg.inode)
		return false;
	t->part_fd = TAKE_FD(fd);
	t->published = true;
	return true;
}

bool
task_open_input(struct task *t)
{
	AUTO_FREE char *path = NULL;
	int r;

	if (!task_open_dir(t, true))
		return false;
	r = open_part(t);
	if (r == -ENOENT) {
		/* The directory we kept open may be one that was removed. */
		dirs_forget(&t->env->dirs, t->dir);
		dir_unref(TAKE_PTR(t->dir));
		if (!task_open_dir(t, true))
			return false;
		r = open_part(t);
	}
	if (r == -ENOENT && open_published(t))
		return true;
	if (r < 0) {
		path = task_haul_path(t, t->names.part);
		task_fail_errno(t, -r, "open", path);
		return false;
	}
	return is_the_part(t);
}

bool
task_open_keep(struct task *t)
{
	struct stat here, there;
	int r;

	if (!t->names.keep_name[0] || t->codec == CODEC_OFF)
		return true;
	r = dirs_get(&t->env->dirs, t->names.keep_root, t->names.keep_dir, &t->keep_dir);
	if (r == -EINVAL) {
		task_fail(t, RESULT_PATH_REFUSED, "%s does not stay beneath its root",
		    t->names.keep_dir);
		return false;
	}
	if (r < 0) {
		task_fail_errno(t, -r, "open the directory to keep the download in:",
		    t->names.keep_dir);
		return false;
	}
	if (fstat(t->dir->haul_fd, &here) == 0 && fstat(t->keep_dir->fd, &there) == 0 &&
	    here.st_dev != there.st_dev) {
		task_fail(t, RESULT_PATH_REFUSED,
		    "the place to keep the download in is on another filesystem than the download");
		return false;
	}
	return true;
}
