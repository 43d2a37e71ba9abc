/*
 * What a disk is told: a library to be preloaded into all programs of haul that
 * writes down, in one order, whatever they change in files and directories, and
 * what they sync.  tests/lib/powercut.py makes of that what a disk may hold
 * after the power went.
 *
 *   HAUL_POWERCUT_LOG      the file that is appended to; without it nothing is recorded
 *   HAUL_POWERCUT_KEEP     a directory in which each new file gets a second name, its
 *                          inode number: so a later run of haul finds the same inodes
 *   HAUL_POWERCUT_LIE      [PROGRAM:]file|dir|all: such syncs of it are not recorded, as if
 *                          a disk or a program had lied; to see that this is found
 *   HAUL_POWERCUT_DIE      PROGRAM:N: it dies with its parent when it is to sync a directory
 *                          for the N-th time, N from 1 to 9; PROGRAM:x: when it has exchanged;
 *                          PROGRAM:y: likewise, without its parent
 *   HAUL_POWERCUT_BOOT_ID  what /proc/sys/kernel/random/boot_id holds
 *
 * A call and its record are one step for all processes (flock on the log and a
 * mutex between threads), so the order of the log is that of the disk.  Nothing is
 * really synced: the log is the disk here.  A record is a struct record, two
 * names and data; what is not on the log's file system is none of its business.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum op { /* powercut.py has the same */
	OP_WRITE = 1, /* a: inode, off, data */
	OP_TRUNCATE,  /* a: inode, off: its size */
	OP_ALLOCATE,  /* a: inode, off: what its size is at least */
	OP_SYNC,      /* a: inode of a file or directory */
	OP_SYNC_ALL,
	OP_CREATE,    /* a: directory, b: inode, name */
	OP_MKDIR,     /* the same */
	OP_RENAME,    /* a: directory, name; b: directory, to; c: inode */
	OP_LINK,      /* a: directory, b: inode, name */
	OP_UNLINK,    /* a: directory, b: inode, name; also a directory */
	OP_ACK,       /* data: what a client was told; written by the test */
	OP_UNKNOWN,   /* name: a way to change files that is not understood here */
	OP_EXCHANGE,  /* as OP_RENAME, off: the inode that was at b */
};

struct record {
	uint32_t size; /* of all of it */
	uint16_t op, name_len, to_len, reserved;
	uint32_t pid;
	uint64_t a, b, c;
	int64_t off;
};

static long (*real_syscall)(long number, ...);
static void *(*real_mmap)(void *at, size_t n, int prot, int flags, int fd, off_t off);
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1, keep_fd = -1;
static dev_t device;
static ino_t log_inode;
static bool lies_file, lies_dir, hides_links;
static unsigned dies_in; /* so many directory syncs; 0: does not */
static bool dies_exchanged, dies_alone;

/* ---- The log ------------------------------------------------------------------------- */

static void
give_up(const char *what)
{
	(void)fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
	abort();
}

/* What stands behind "PROGRAM:", or all of it; NULL: another program is meant. */
static const char *
for_us(const char *value)
{
	const char *colon = value ? strchr(value, ':') : NULL;
	size_t n = colon ? (size_t)(colon - value) : 0;

	if (colon && (strncmp(program_invocation_short_name, value, n) != 0 || program_invocation_short_name[n]))
		return NULL;
	return colon ? colon + 1 : value;
}

static void
read_lie(const char *lie)
{
	lie = for_us(lie);
	if (!lie)
		return;
	lies_file = strcmp(lie, "file") == 0 || strcmp(lie, "all") == 0;
	lies_dir = strcmp(lie, "dir") == 0 || strcmp(lie, "all") == 0;
}

/* A number that no child is given: those get the lowest ones. */
static int
open_high(const char *path, int flags)
{
	int low = (int)real_syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600), high;

	if (low < 0)
		give_up(path);
	high = fcntl(low, F_DUPFD_CLOEXEC, 500);
	(void)close(low);
	if (high < 0)
		give_up(path);
	return high;
}

static void
init(void)
{
	static bool done;
	const char *log = getenv("HAUL_POWERCUT_LOG"), *keep = getenv("HAUL_POWERCUT_KEEP"), *die;
	struct stat st;

	if (done)
		return;
	done = true;
	*(void **)&real_syscall = dlsym(RTLD_NEXT, "syscall");
	*(void **)&real_mmap = dlsym(RTLD_NEXT, "mmap");
	hides_links = keep;
	if (!log)
		return;
	log_fd = open_high(log, O_WRONLY | O_APPEND | O_CREAT);
	if (keep)
		keep_fd = open_high(keep, O_RDONLY | O_DIRECTORY);
	if (fstat(log_fd, &st) < 0)
		give_up(log);
	device = st.st_dev;
	log_inode = st.st_ino;
	read_lie(getenv("HAUL_POWERCUT_LIE"));
	die = for_us(getenv("HAUL_POWERCUT_DIE"));
	dies_alone = die && die[0] == 'y';
	dies_exchanged = dies_alone || (die && die[0] == 'x');
	dies_in = die && !dies_exchanged ? (unsigned)(die[0] - '0') : 0;
}

__attribute__((constructor)) static void
construct(void)
{
	init();
}

/* False: nothing is recorded, and nothing needs an order. */
static bool
begin(void)
{
	init();
	if (log_fd < 0)
		return false;
	(void)pthread_mutex_lock(&mutex);
	while (flock(log_fd, LOCK_EX) < 0)
		if (errno != EINTR)
			give_up("flock");
	return true;
}

static void
end(bool begun)
{
	int saved = errno;

	if (!begun)
		return;
	(void)flock(log_fd, LOCK_UN);
	(void)pthread_mutex_unlock(&mutex);
	errno = saved;
}

static void
record(struct record r, const char *name, const char *to, const struct iovec *data, int n, size_t len)
{
	struct iovec out[IOV_MAX];
	size_t total, left = len;
	int saved = errno, used = 3;

	r.name_len = (uint16_t)(name ? strlen(name) : 0);
	r.to_len = (uint16_t)(to ? strlen(to) : 0);
	r.pid = (uint32_t)getpid();
	total = sizeof r + r.name_len + r.to_len + len;
	r.size = (uint32_t)total;
	out[0] = (struct iovec){ &r, sizeof r };
	out[1] = (struct iovec){ (void *)(uintptr_t)name, r.name_len };
	out[2] = (struct iovec){ (void *)(uintptr_t)to, r.to_len };
	for (int i = 0; i < n && left; i++) { /* less than asked for may have been written */
		size_t take = data[i].iov_len < left ? data[i].iov_len : left;

		if (used == IOV_MAX)
			give_up("too many pieces");
		out[used++] = (struct iovec){ data[i].iov_base, take };
		left -= take;
	}
	if (real_syscall(SYS_writev, log_fd, out, used) != (long)total)
		give_up("cannot write the log");
	errno = saved;
}

static void
record_plain(enum op op, uint64_t a, int64_t off)
{
	record((struct record){ .op = (uint16_t)op, .a = a, .off = off }, NULL, NULL, NULL, 0, 0);
}

/* ---- Files ----------------------------------------------------------------------------- */

static bool
is_ours(int fd, struct stat *st)
{
	return fstat(fd, st) == 0 && st->st_dev == device && st->st_ino != log_inode;
}

static bool
is_our_file(int fd, struct stat *st)
{
	return is_ours(fd, st) && S_ISREG(st->st_mode);
}

/* off -1: where the descriptor is. */
static ssize_t
do_writev(int fd, const struct iovec *v, int n, off_t off)
{
	struct stat st;
	bool ours, begun;
	ssize_t done;

	init();
	/* Not under the lock: pipes may block. */
	ours = log_fd >= 0 && is_our_file(fd, &st);
	begun = ours && begin();
	done = off >= 0 ? real_syscall(SYS_pwritev, fd, v, n, off, 0L) : real_syscall(SYS_writev, fd, v, n);
	if (begun && done > 0) {
		off = off >= 0 ? off : lseek(fd, 0, SEEK_CUR) - done;
		record((struct record){ .op = OP_WRITE, .a = st.st_ino, .off = off }, NULL, NULL, v, n, (size_t)done);
	}
	end(begun);
	return done;
}

static ssize_t
do_write(int fd, const void *data, size_t n, off_t off)
{
	struct iovec v = { (void *)(uintptr_t)data, n };

	return do_writev(fd, &v, 1, off);
}

static int
do_truncate(int fd, off_t size)
{
	struct stat st;
	bool begun = begin();
	int r = (int)real_syscall(SYS_ftruncate, fd, size);

	if (begun && r == 0 && is_our_file(fd, &st))
		record_plain(OP_TRUNCATE, st.st_ino, size);
	end(begun);
	return r;
}

static int
do_allocate(int fd, int mode, off_t off, off_t len)
{
	struct stat st;
	bool begun = begin();
	int r = (int)real_syscall(SYS_fallocate, fd, mode, off, len);

	if (begun && r == 0 && is_our_file(fd, &st)) {
		if (mode & ~FALLOC_FL_KEEP_SIZE)
			record((struct record){ .op = OP_UNKNOWN }, "fallocate", NULL, NULL, 0, 0);
		else if (!mode)
			record_plain(OP_ALLOCATE, st.st_ino, off + len);
	}
	end(begun);
	return r;
}

static void
end_life(void)
{
	if (!dies_alone)
		(void)kill(getppid(), SIGKILL);
	_exit(1);
}

/* Nothing is synced: the log says what would have been. */
static int
do_sync(int fd)
{
	struct stat st;
	bool begun = begin();
	int r = fcntl(fd, F_GETFD) < 0 ? -1 : 0;

	if (begun && dies_in && is_ours(fd, &st) && S_ISDIR(st.st_mode) && --dies_in == 0)
		end_life();
	if (begun && r == 0 && is_ours(fd, &st) && !(S_ISDIR(st.st_mode) ? lies_dir : lies_file))
		record_plain(OP_SYNC, st.st_ino, 0);
	end(begun);
	return r;
}

static int
do_sync_all(void)
{
	bool begun = begin();

	if (begun && !lies_file && !lies_dir)
		record_plain(OP_SYNC_ALL, 0, 0);
	end(begun);
	return 0;
}

/* ---- Names ----------------------------------------------------------------------------- */

struct place {
	ino_t dir, inode; /* inode 0: there is nothing of that name */
	bool ours;
	const char *name; /* the last component */
};

/* Where path is, and what; before the call that changes it. */
static struct place
place_of(int fd, const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	struct place p = { .name = slash ? slash + 1 : path };
	struct stat st;
	int saved = errno;

	if (log_fd < 0)
		return p;
	(void)snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) + (slash == path) : 1, slash ? path : ".");
	if (fstatat(fd, dir, &st, 0) == 0 && st.st_dev == device) {
		p.dir = st.st_ino;
		p.ours = true;
		if (fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			p.inode = st.st_ino;
	}
	errno = saved;
	return p;
}

static void
record_name(enum op op, const struct place *p, ino_t inode)
{
	record((struct record){ .op = (uint16_t)op, .a = p->dir, .b = inode }, p->name, NULL, NULL, 0, 0);
}

static void
keep(int fd, const char *path, ino_t inode)
{
	char name[32];

	(void)snprintf(name, sizeof name, "%llu", (unsigned long long)inode);
	if (keep_fd >= 0 && real_syscall(SYS_linkat, fd, path, keep_fd, name, 0) < 0)
		give_up("cannot keep a file");
}

static int
open_boot_id(const char *id)
{
	int fd = memfd_create("boot_id", MFD_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%s\n", id) < 0 || lseek(fd, 0, SEEK_SET) != 0)
		give_up("boot id");
	return fd;
}

static int
do_open(int dir, const char *path, int flags, mode_t mode)
{
	const char *boot_id = getenv("HAUL_POWERCUT_BOOT_ID");
	bool begun = false;
	struct place p;
	struct stat st;
	int fd;

	init();
	if (boot_id && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
		return open_boot_id(boot_id);
	if (flags & (O_CREAT | O_TRUNC))
		begun = begin();
	p = place_of(dir, path);
	fd = (int)real_syscall(SYS_openat, dir, path, flags, mode);
	if (begun && fd >= 0 && p.ours && is_our_file(fd, &st)) {
		if (flags & O_CREAT && !p.inode) {
			record_name(OP_CREATE, &p, st.st_ino);
			keep(dir, path, st.st_ino);
		} else if (flags & O_TRUNC) {
			record_plain(OP_TRUNCATE, st.st_ino, 0);
		}
	}
	end(begun);
	return fd;
}

static int
do_mkdir(int dir, const char *path, mode_t mode)
{
	bool begun = begin();
	int r = (int)real_syscall(SYS_mkdirat, dir, path, mode);
	struct place p = place_of(dir, path);

	if (begun && r == 0 && p.ours)
		record_name(OP_MKDIR, &p, p.inode);
	end(begun);
	return r;
}

static int
do_rename(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	bool begun = begin();
	struct place a = place_of(from_dir, from), b = place_of(to_dir, to);
	int r = (int)real_syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);

	if (begun && r == 0 && (a.ours || b.ours)) {
		if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
			record((struct record){ .op = OP_UNKNOWN }, "renameat2", NULL, NULL, 0, 0);
		record((struct record){ .op = flags & RENAME_EXCHANGE ? OP_EXCHANGE : OP_RENAME, .a = a.dir, .b = b.dir,
		    .c = a.inode, .off = (int64_t)b.inode }, a.name, b.name, NULL, 0, 0);
		if (flags & RENAME_EXCHANGE && dies_exchanged)
			end_life();
	}
	end(begun);
	return r;
}

static int
do_link(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	bool begun = begin();
	int r = (int)real_syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
	struct place p = place_of(to_dir, to);

	if (begun && r == 0 && p.ours)
		record_name(OP_LINK, &p, p.inode);
	end(begun);
	return r;
}

static int
do_unlink(int dir, const char *path, int flags)
{
	bool begun = begin();
	struct place p = place_of(dir, path);
	int r = (int)real_syscall(SYS_unlinkat, dir, path, flags);

	if (begun && r == 0 && p.ours)
		record_name(OP_UNLINK, &p, p.inode);
	end(begun);
	return r;
}

/* ---- In the place of the C library's --------------------------------------------------- */

/* Declared here under names of their own: those of the headers come with attributes
 * and, for large files, with others of the same function. */
#define INSTEAD_OF(function, ret, name, ...)      \
	ret name(__VA_ARGS__) __asm__(#function); \
	ret name(__VA_ARGS__)

#define OPEN(function, DIR, AT, ...)                                          \
	INSTEAD_OF(function, int, pc_##function, DIR const char *path, int flags, ...) \
	{                                                                     \
		va_list ap;                                                   \
		mode_t mode;                                                  \
                                                                              \
		va_start(ap, flags);                                          \
		mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0; \
		va_end(ap);                                                   \
		return do_open(AT, path, flags, mode);                        \
	}
#define COMMA ,
OPEN(open, , AT_FDCWD)
OPEN(open64, , AT_FDCWD)
OPEN(openat, int dir COMMA, dir)
OPEN(openat64, int dir COMMA, dir)

/* What _FORTIFY_SOURCE makes of an open() whose flags it cannot see. */
INSTEAD_OF(__open_2, int, pc_open_2, const char *path, int flags) { return do_open(AT_FDCWD, path, flags, 0); }
INSTEAD_OF(__open64_2, int, pc_open64_2, const char *path, int flags) { return do_open(AT_FDCWD, path, flags, 0); }
INSTEAD_OF(__openat_2, int, pc_openat_2, int dir, const char *path, int flags) { return do_open(dir, path, flags, 0); }
INSTEAD_OF(__openat64_2, int, pc_openat64_2, int dir, const char *path, int flags) { return do_open(dir, path, flags, 0); }

INSTEAD_OF(write, ssize_t, pc_write, int fd, const void *data, size_t n) { return do_write(fd, data, n, -1); }
INSTEAD_OF(writev, ssize_t, pc_writev, int fd, const struct iovec *v, int n) { return do_writev(fd, v, n, -1); }
INSTEAD_OF(pwrite, ssize_t, pc_pwrite, int fd, const void *data, size_t n, off_t off) { return do_write(fd, data, n, off); }
INSTEAD_OF(pwrite64, ssize_t, pc_pwrite64, int fd, const void *data, size_t n, off_t off) { return do_write(fd, data, n, off); }
INSTEAD_OF(pwritev, ssize_t, pc_pwritev, int fd, const struct iovec *v, int n, off_t off) { return do_writev(fd, v, n, off); }
INSTEAD_OF(pwritev64, ssize_t, pc_pwritev64, int fd, const struct iovec *v, int n, off_t off) { return do_writev(fd, v, n, off); }
INSTEAD_OF(ftruncate, int, pc_ftruncate, int fd, off_t size) { return do_truncate(fd, size); }
INSTEAD_OF(ftruncate64, int, pc_ftruncate64, int fd, off_t size) { return do_truncate(fd, size); }
INSTEAD_OF(fallocate, int, pc_fallocate, int fd, int mode, off_t off, off_t len) { return do_allocate(fd, mode, off, len); }
INSTEAD_OF(fallocate64, int, pc_fallocate64, int fd, int mode, off_t off, off_t len) { return do_allocate(fd, mode, off, len); }
INSTEAD_OF(posix_fallocate, int, pc_posix_fallocate, int fd, off_t off, off_t len)
{
	return do_allocate(fd, 0, off, len) < 0 ? errno : 0;
}
INSTEAD_OF(posix_fallocate64, int, pc_posix_fallocate64, int fd, off_t off, off_t len)
{
	return do_allocate(fd, 0, off, len) < 0 ? errno : 0;
}

INSTEAD_OF(fsync, int, pc_fsync, int fd) { return do_sync(fd); }
INSTEAD_OF(fdatasync, int, pc_fdatasync, int fd) { return do_sync(fd); }
INSTEAD_OF(syncfs, int, pc_syncfs, int fd) { (void)fd; return do_sync_all(); }
INSTEAD_OF(sync, void, pc_sync, void) { (void)do_sync_all(); }

INSTEAD_OF(mkdir, int, pc_mkdir, const char *path, mode_t mode) { return do_mkdir(AT_FDCWD, path, mode); }
INSTEAD_OF(mkdirat, int, pc_mkdirat, int dir, const char *path, mode_t mode) { return do_mkdir(dir, path, mode); }
INSTEAD_OF(rename, int, pc_rename, const char *from, const char *to) { return do_rename(AT_FDCWD, from, AT_FDCWD, to, 0); }
INSTEAD_OF(renameat, int, pc_renameat, int a, const char *from, int b, const char *to) { return do_rename(a, from, b, to, 0); }
INSTEAD_OF(renameat2, int, pc_renameat2, int a, const char *from, int b, const char *to, unsigned flags)
{
	return do_rename(a, from, b, to, flags);
}
INSTEAD_OF(link, int, pc_link, const char *from, const char *to) { return do_link(AT_FDCWD, from, AT_FDCWD, to, 0); }
INSTEAD_OF(linkat, int, pc_linkat, int a, const char *from, int b, const char *to, int flags) { return do_link(a, from, b, to, flags); }
INSTEAD_OF(unlink, int, pc_unlink, const char *path) { return do_unlink(AT_FDCWD, path, 0); }
INSTEAD_OF(unlinkat, int, pc_unlinkat, int dir, const char *path, int flags) { return do_unlink(dir, path, flags); }
INSTEAD_OF(rmdir, int, pc_rmdir, const char *path) { return do_unlink(AT_FDCWD, path, AT_REMOVEDIR); }

/* A file system that cannot: whoever asks then copies by hand. */
INSTEAD_OF(copy_file_range, ssize_t, pc_copy_file_range, int in, off_t *in_off, int out, off_t *out_off, size_t n, unsigned flags)
{
	(void)in, (void)in_off, (void)out, (void)out_off, (void)n, (void)flags;
	errno = EOPNOTSUPP;
	return -1;
}

/* The name that was kept is no one's business. */
static int
do_stat(int dir, const char *path, struct stat *st, int flags)
{
	int r;

	init();
	r = (int)real_syscall(SYS_newfstatat, dir, path, st, flags);
	if (r == 0 && hides_links && S_ISREG(st->st_mode) && st->st_nlink > 1)
		st->st_nlink--;
	return r;
}

INSTEAD_OF(fstat, int, pc_fstat, int fd, struct stat *st) { return do_stat(fd, "", st, AT_EMPTY_PATH); }
INSTEAD_OF(fstat64, int, pc_fstat64, int fd, struct stat *st) { return do_stat(fd, "", st, AT_EMPTY_PATH); }
INSTEAD_OF(fstatat, int, pc_fstatat, int dir, const char *path, struct stat *st, int flags) { return do_stat(dir, path, st, flags); }
INSTEAD_OF(fstatat64, int, pc_fstatat64, int dir, const char *path, struct stat *st, int flags) { return do_stat(dir, path, st, flags); }
INSTEAD_OF(stat, int, pc_stat, const char *path, struct stat *st) { return do_stat(AT_FDCWD, path, st, 0); }
INSTEAD_OF(stat64, int, pc_stat64, const char *path, struct stat *st) { return do_stat(AT_FDCWD, path, st, 0); }
INSTEAD_OF(lstat, int, pc_lstat, const char *path, struct stat *st) { return do_stat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW); }
INSTEAD_OF(lstat64, int, pc_lstat64, const char *path, struct stat *st) { return do_stat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW); }

/* SQLite makes it anew from the log. */
static bool
is_index(int fd)
{
	char link[32], path[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path);
	return n > 4 && memcmp(path + n - 4, "-shm", 4) == 0;
}

/* What is written through memory is not seen here. */
INSTEAD_OF(mmap, void *, pc_mmap, void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	struct stat st;

	init();
	if (fd >= 0 && log_fd >= 0 && prot & PROT_WRITE && flags & MAP_SHARED && is_our_file(fd, &st) && !is_index(fd)) {
		bool begun = begin();

		record((struct record){ .op = OP_UNKNOWN, .a = st.st_ino }, "mmap", NULL, NULL, 0, 0);
		end(begun);
	}
	return real_mmap(at, n, prot, flags, fd, off);
}

/* openat2() has no function, and others may go by here. */
INSTEAD_OF(syscall, long, pc_syscall, long number, ...)
{
	long v[6];
	va_list ap;

	init();
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		v[i] = va_arg(ap, long);
	va_end(ap);
	switch (number) {
	case SYS_renameat2:
		return do_rename((int)v[0], (const char *)v[1], (int)v[2], (const char *)v[3], (unsigned)v[4]);
	case SYS_openat2:
		/* struct open_how begins with its flags. */
		if (*(const uint64_t *)v[2] & (O_CREAT | O_TRUNC) && begin()) {
			record((struct record){ .op = OP_UNKNOWN }, "openat2", NULL, NULL, 0, 0);
			end(true);
		}
		break;
	default:
		break;
	}
	return real_syscall(number, v[0], v[1], v[2], v[3], v[4], v[5]);
}
