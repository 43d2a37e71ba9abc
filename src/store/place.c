/* The state directory on the disk; see place.h. */
#include "store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* Read-only ones hold nothing new. */
static int
sync_one(int fd)
{
	return fsync(fd) < 0 && errno != EROFS && errno != EINVAL ? -errno : 0;
}

static int
sync_lock(int dir)
{
	AUTO_CLOSE int fd = openat(dir, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 ? sync_one(fd) : errno == ENOENT ? 0 : -errno;
}

/* One that may only be passed through is none that hauld has made. */
static int
sync_above(int dir)
{
	AUTO_CLOSE int fd = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	struct stat st, above;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	for (;;) {
		int next = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (next < 0)
			return errno == EACCES ? 0 : -errno;
		fd_close(&fd);
		fd = next;
		if (fstat(fd, &above) < 0)
			return -errno;
		if (above.st_dev != st.st_dev || above.st_ino == st.st_ino)
			return 0; /* a mount point, or / */
		r = sync_one(fd);
		if (r < 0)
			return r;
		st = above;
	}
}

int
place_sync(const char *dir)
{
	AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : sync_lock(fd);

	return r < 0 ? r : sync_above(fd);
}
