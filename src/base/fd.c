/* File descriptor helpers; see fd.h. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void
fd_close(int *fd)
{
	cleanup_close(fd);
	*fd = -1;
}

int
fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static ssize_t
read_some(int fd, void *data, size_t n, off_t offset)
{
	return offset < 0 ? read(fd, data, n) : pread(fd, data, n, offset);
}

static ssize_t
read_loop(int fd, void *data, size_t n, off_t offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = read_some(fd, (char *)data + done, n - done,
		    offset < 0 ? offset : offset + (off_t)done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

ssize_t
fd_pread_full(int fd, void *data, size_t n, off_t offset)
{
	return read_loop(fd, data, n, offset);
}

ssize_t
fd_read_full(int fd, void *data, size_t n)
{
	return read_loop(fd, data, n, -1);
}

static int
write_loop(int fd, const void *data, size_t n, off_t offset)
{
	size_t done = 0;

	while (done < n) {
		const char *from = (const char *)data + done;
		ssize_t r = offset < 0
		    ? write(fd, from, n - done)
		    : pwrite(fd, from, n - done, offset + (off_t)done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return -EIO;
		done += (size_t)r;
	}
	return 0;
}

int
fd_pwrite_full(int fd, const void *data, size_t n, off_t offset)
{
	return write_loop(fd, data, n, offset);
}

int
fd_write_full(int fd, const void *data, size_t n)
{
	return write_loop(fd, data, n, -1);
}

int
fd_unix_address(const char *where, struct sockaddr_un *ret, socklen_t *ret_len)
{
	size_t n = strlen(where);

	if ((where[0] != '/' && where[0] != '@') || n < 2)
		return -EINVAL;
	if (n >= sizeof ret->sun_path)
		return -ENAMETOOLONG;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, where, n);
	if (where[0] == '@')
		ret->sun_path[0] = '\0';
	/* A path's terminator counts; an abstract name has none. */
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (where[0] == '/'));
	return 0;
}

int
fd_sane_stdio(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number is this one; it must survive exec. */
		if (open("/dev/null", O_RDWR) != fd) /* NOLINT: no O_CLOEXEC */
			return -EBADF;
	}
	return 0;
}

unsigned
fd_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur > INT_MAX)
		return INT_MAX;
	return (unsigned)r.rlim_cur;
}

unsigned
fd_raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max && r.rlim_cur < FDS_ENOUGH) {
		r.rlim_cur = MIN(r.rlim_max, (rlim_t)FDS_ENOUGH);
		(void)setrlimit(RLIMIT_NOFILE, &r); /* what counts is what we have then */
	}
	return fd_limit();
}
