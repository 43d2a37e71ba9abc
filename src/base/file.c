/* Small files, read whole, and directories; see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

/* A descriptor, or -errno.  O_NONBLOCK: a FIFO must not make us wait. */
static int
open_regular(const char *path, struct stat *ret_st, const char **ret_why)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, ret_st) < 0) {
		*ret_why = strerror(errno);
		return -errno;
	}
	if (S_ISDIR(ret_st->st_mode)) {
		*ret_why = "it is a directory";
		return -EISDIR;
	}
	if (!S_ISREG(ret_st->st_mode)) {
		*ret_why = "it is not a regular file";
		return -EINVAL;
	}
	return TAKE_FD(fd);
}

int
file_probe(const char *path, bool *ret_world, const char **ret_why)
{
	struct stat st;
	AUTO_CLOSE int fd = open_regular(path, &st, ret_why);

	if (fd < 0)
		return fd;
	if (ret_world)
		*ret_world = st.st_mode & S_IROTH;
	return 0;
}

int
file_read(const char *path, size_t max, struct buf *ret, bool *ret_world, const char **ret_why)
{
	struct stat st;
	AUTO_CLOSE int fd = open_regular(path, &st, ret_why);
	size_t room;
	ssize_t n;

	if (fd < 0)
		return fd;
	/* A byte more than it says it has, so that growth meanwhile is noticed. */
	room = MIN((size_t)MAX(st.st_size, 0), max) + 1;
	/* And room for a newline and a NUL behind it without another copy. */
	n = fd_read_full(fd, buf_reserve(ret, room + 2), room);
	if (n < 0) {
		*ret_why = strerror((int)-n);
		return (int)n;
	}
	if ((size_t)n > max) {
		*ret_why = "it is too large";
		return -EFBIG;
	}
	if ((size_t)n == room) {
		*ret_why = "it was written to while it was read";
		return -EBUSY;
	}
	buf_commit(ret, (size_t)n);
	if (ret_world)
		*ret_world = st.st_mode & S_IROTH;
	return 0;
}

static int
make_dir(const char *path, mode_t mode)
{
	return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

int
file_make_dirs(const char *path, mode_t mode)
{
	AUTO_FREE char *above = xstrdup(path);
	struct stat st;
	char *slash;
	int r = 0;

	for (slash = strchr(above + (above[0] == '/'), '/'); slash && r == 0; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		r = make_dir(above, mode);
		*slash = '/';
	}
	if (r == 0)
		r = make_dir(path, mode);
	if (r == 0 && (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
		r = -ENOTDIR;
	return r;
}
