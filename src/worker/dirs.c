/* Opened directories; see dirs.h. */
#include "worker/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

void
dirs_init(struct dirs *d)
{
	list_init(&d->kept);
	d->len = 0;
}

static void
drop(struct dirs *d, struct dir *dir)
{
	list_remove(&dir->link);
	d->len--;
	dir_unref(dir);
}

void
dirs_done(struct dirs *d)
{
	while (!list_empty(&d->kept))
		drop(d, LIST_FIRST(&d->kept, struct dir, link));
}

void
dir_unref(struct dir *dir)
{
	if (!dir || --dir->refs > 0)
		return;
	fd_close(&dir->fd);
	fd_close(&dir->haul_fd);
	free(dir->root);
	free(dir->path);
	free(dir);
}

bool
name_is_safe(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= NAME_MAX && !strchr(name, '/') && !text_equal(name, ".") &&
	    !text_equal(name, "..");
}

/* RESOLVE_BENEATH would allow "a/../b"; nothing of ours writes such a path. */
static bool
has_dotdot(const char *path)
{
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
			return true;
	}
	return false;
}

/* One component: 0 and *fd moved on to it, or -errno. */
static int
walk_step(int *fd, const char *name, dev_t dev)
{
	struct stat st;
	int next = openat(*fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (next < 0 && errno == ENOTDIR && fstatat(*fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		return -ELOOP;
	if (next < 0)
		return -errno;
	fd_close(fd);
	*fd = next;
	if (fstat(next, &st) < 0)
		return -errno;
	return st.st_dev == dev ? 0 : -EXDEV;
}

int
dirs_walk(int root_fd, const char *path)
{
	AUTO_CLOSE int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[NAME_MAX + 1];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	while (*path) {
		size_t n = strcspn(path, "/");
		int r = 0;

		if (n >= sizeof name)
			return -ENAMETOOLONG;
		memcpy(name, path, n);
		name[n] = '\0';
		if (n && !text_equal(name, "."))
			r = walk_step(&fd, name, st.st_dev);
		if (r < 0)
			return r;
		path += n + (path[n] == '/');
	}
	return TAKE_FD(fd);
}

static int
open_beneath(int fd, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV |
		    RESOLVE_NO_MAGICLINKS,
	};
	long r;

	do { /* EAGAIN: something was renamed meanwhile, the kernel could not be sure */
		r = syscall(SYS_openat2, fd, path, &how, sizeof how);
	} while (r < 0 && (errno == EINTR || errno == EAGAIN));
	if (r < 0 && errno == ENOSYS)
		return dirs_walk(fd, path);
	return r < 0 ? -errno : (int)r;
}

static int
dir_open(const char *root, const char *path, struct dir **ret)
{
	AUTO_CLOSE int root_fd = -1;
	struct dir *dir;
	struct stat st;
	int fd;

	if (root[0] != '/' || path[0] == '/' || has_dotdot(path))
		return -EINVAL;
	root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return -errno;
	fd = open_beneath(root_fd, path[0] ? path : ".");
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0) {
		int r = -errno;

		fd_close(&fd);
		return r;
	}
	dir = NEW(struct dir);
	dir->refs = 1;
	dir->root = xstrdup(root);
	dir->path = xstrdup(path);
	dir->fd = fd;
	dir->haul_fd = -1;
	dir->dev = st.st_dev;
	dir->inode = st.st_ino;
	*ret = dir;
	return 0;
}

static struct dir *
find_kept(struct dirs *d, const char *root, const char *path)
{
	struct dir *dir;

	LIST_FOREACH(dir, &d->kept, struct dir, link)
		if (text_equal(dir->path, path) && text_equal(dir->root, root))
			return dir;
	return NULL;
}

static bool
is_in_place(const struct dir *dir)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir->root, dir->path);
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == dir->dev && st.st_ino == dir->inode;
}

int
dirs_get(struct dirs *d, const char *root, const char *path, struct dir **ret)
{
	struct dir *dir = find_kept(d, root, path);
	int r;

	if (dir && !is_in_place(dir)) {
		drop(d, dir);
		dir = NULL;
	}
	if (dir) {
		list_remove(&dir->link);
	} else {
		r = dir_open(root, path, &dir);
		if (r < 0)
			return r;
		d->len++;
	}
	list_prepend(&d->kept, &dir->link);
	if (d->len > DIRS_KEPT)
		drop(d, LIST_ENTRY(d->kept.prev, struct dir, link));
	dir->refs++;
	*ret = dir;
	return 0;
}

void
dirs_forget(struct dirs *d, struct dir *dir)
{
	if (list_linked(&dir->link))
		drop(d, dir);
}

int
dir_open_haul(struct dir *dir)
{
	int fd;

	if (dir->haul_fd >= 0)
		return 0;
	fd = open_beneath(dir->fd, HAUL_DIR);
	if (fd < 0)
		return fd;
	dir->haul_fd = fd;
	return 0;
}

/* One that may only be passed through is none that we have made. */
static int
sync_above(int dir, const char *path)
{
	AUTO_CLOSE int fd = -1;

	while (*path) {
		int above = openat(fd >= 0 ? fd : dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (above < 0)
			return errno == EACCES ? 0 : -errno;
		fd_close(&fd);
		fd = above;
		if (fsync(fd) < 0)
			return -errno;
		path += strcspn(path, "/");
		path += strspn(path, "/");
	}
	return 0;
}

int
dir_sync(struct dir *dir)
{
	int r;

	if (fsync(dir->fd) < 0)
		return -errno;
	if (atomic_load(&dir->anchored))
		return 0;
	r = sync_above(dir->fd, dir->path);
	if (r == 0)
		atomic_store(&dir->anchored, true);
	return r;
}
