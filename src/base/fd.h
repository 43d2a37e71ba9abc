/* File descriptors: read and write to the end, flags, addresses of Unix sockets,
 * safe standard streams. */
#pragma once

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/cleanup.h"

enum { FDS_ENOUGH = 65536 };

/* Closes *fd if it is open and sets it to -1. */
void fd_close(int *fd);
/* 0 or -errno. */
int fd_set_nonblock(int fd) MUST_CHECK;
/* Reads until n bytes or end of file; the number read, or -errno. */
ssize_t fd_pread_full(int fd, void *data, size_t n, off_t offset) MUST_CHECK;
ssize_t fd_read_full(int fd, void *data, size_t n) MUST_CHECK;
/* Writes all n bytes; 0 or -errno.  A write of nothing is -EIO. */
int fd_pwrite_full(int fd, const void *data, size_t n, off_t offset) MUST_CHECK;
int fd_write_full(int fd, const void *data, size_t n) MUST_CHECK;
/* The address of a Unix socket: a path, or "@NAME" in the abstract namespace
 * (unix(7)).  0, -EINVAL (neither) or -ENAMETOOLONG. */
int fd_unix_address(const char *where, struct sockaddr_un *ret, socklen_t *ret_len) MUST_CHECK;
/* Descriptors 0 to 2 exist from now on (/dev/null where one was closed), so
 * that no file of ours is ever taken for stderr; 0 or -errno. */
int fd_sane_stdio(void) MUST_CHECK;
/* Descriptors this process may have (RLIMIT_NOFILE). */
unsigned fd_limit(void);
/* The same, after it was raised to FDS_ENOUGH, as far as the hard limit lets it. */
unsigned fd_raise_limit(void);
