/* The directory that hauld-store works in; see place.h. */
#include "store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

enum {
	LOCK_WAIT_MS = 5000, /* for the store of a hauld that was killed: it ends what it is at */
	LOCK_LOOK_MS = 20,
};

/* linux/magic.h has not all of them everywhere. */
#ifndef SMB2_SUPER_MAGIC
#define SMB2_SUPER_MAGIC 0xfe534d42
#endif
#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xff534d42
#endif
#ifndef V9FS_MAGIC
#define V9FS_MAGIC 0x01021997
#endif

static const struct {
	unsigned magic;
	const char *name;
} networks[] = {
	{ NFS_SUPER_MAGIC, "NFS" },
	{ SMB_SUPER_MAGIC, "SMB" },
	{ SMB2_SUPER_MAGIC, "SMB" },
	{ CIFS_SUPER_MAGIC, "SMB" },
	{ AFS_SUPER_MAGIC, "AFS" },
	{ CODA_SUPER_MAGIC, "Coda" },
	{ NCP_SUPER_MAGIC, "NCP" },
	{ V9FS_MAGIC, "9P" },
};

int
place_check(int dir_fd, const char *shown, char *why, size_t n)
{
	struct statfs fs;

	if (fstatfs(dir_fd, &fs) < 0) {
		(void)snprintf(why, n, "cannot look at the state directory %s: %s", shown, strerror(errno));
		return -EBADMSG;
	}
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++)
		if ((unsigned)fs.f_type == networks[i].magic) {
			(void)snprintf(why, n, "the state directory %s lies on a network's file system (%s), whose locks "
			    "cannot be trusted with a database: set daemon.state-dir to a directory of a local disk",
			    shown, networks[i].name);
			return -EBADMSG;
		}
	return 0;
}

void
place_keep_index(int dir_fd)
{
	AUTO_CLOSE int fd = openat(dir_fd, "jobs.db-shm", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int flags;

	/* Only an empty file can be told; others do not know the flag and do not need it. */
	if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
}

int
place_lock(const char *path, int *ret_fd)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	uint64_t until = clock_now_ms() + LOCK_WAIT_MS;

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || clock_now_ms() >= until)
			return -errno;
		(void)poll(NULL, 0, LOCK_LOOK_MS);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

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
