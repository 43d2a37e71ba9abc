/*
 * System calls that fail on demand: an LD_PRELOAD library for tests/lib/faults.py.
 *
 *   HAUL_FAULT       program=NAME,call=NAME,path=PREFIX,nth=N,count=N,error=NUMBER
 *                    The calls of that program (NAME or *) with that name (or *) on
 *                    files below PREFIX (or anywhere, "") are counted; from the
 *                    nth on (from 1; 0: never), count of them (0: all) fail with
 *                    that errno.  error=short: writes and reads do half of it;
 *                    error=hang: the call comes back when the test says so.
 *   HAUL_FAULT_FILE  a struct board, shared by all processes of a test
 *
 * The path of a descriptor is what /proc says; that of a name is its directory's and
 * the name.  openat2(2) has no function of its own: syscall(2) is looked at.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SHORT = -1, HANG = -2, LOOK_MS = 10, NAMES_MAX = 40, NAME_SIZE = 24 };

struct board { /* faults.py knows it */
	_Atomic uint32_t off;  /* set by the test: nothing fails any more */
	_Atomic uint32_t told;
	_Atomic uint64_t seen; /* calls that match */
	_Atomic uint64_t hits; /* that failed */
	char hit[232];         /* the first of these: "program call path" */
	struct counted {
		char name[NAME_SIZE];
		_Atomic uint64_t n;
	} counts[NAMES_MAX]; /* of those that match but for their number */
};

static struct rule {
	char program[64], call[32], path[512];
	uint64_t nth, count;
	int error;
	bool on;
} rule;
static struct board *board;

static void *
next(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (!f)
		abort();
	return f;
}

/* The real function, of the type of ours. */
#define REAL(name)                                                      \
	static __typeof__(name) *real;                                  \
	if (!real)                                                      \
		real = (__typeof__(name) *)(uintptr_t)next(#name)

static void
take(char *to, size_t size, const char *key)
{
	const char *env = getenv("HAUL_FAULT"), *at = env ? strstr(env, key) : NULL;
	size_t n;

	*to = '\0';
	if (!at)
		return;
	at += strlen(key);
	n = strcspn(at, ",");
	if (n >= size)
		abort();
	memcpy(to, at, n);
	to[n] = '\0';
}

static uint64_t
take_number(const char *key)
{
	char text[32];

	take(text, sizeof text, key);
	if (strcmp(text, "short") == 0)
		return (uint64_t)SHORT;
	if (strcmp(text, "hang") == 0)
		return (uint64_t)HANG;
	return text[0] ? strtoull(text, NULL, 10) : 0; /* NOLINT: a test's own text */
}

__attribute__((constructor)) static void
begin(void)
{
	const char *file = getenv("HAUL_FAULT_FILE");
	int fd = file ? (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p == MAP_FAILED)
		abort();
	board = p;
	take(rule.program, sizeof rule.program, "program=");
	take(rule.call, sizeof rule.call, "call=");
	take(rule.path, sizeof rule.path, "path=");
	rule.nth = take_number("nth=");
	rule.count = take_number("count=");
	rule.error = (int)take_number("error=");
	rule.on = strcmp(rule.program, "*") == 0 || strcmp(rule.program, program_invocation_short_name) == 0;
}

static void
note_call(const char *call)
{
	for (unsigned i = 0; i < NAMES_MAX; i++) {
		struct counted *c = &board->counts[i];

		if (!c->name[0])
			(void)snprintf(c->name, sizeof c->name, "%s", call); /* a race writes two; faults.py adds */
		if (strcmp(c->name, call) == 0) {
			atomic_fetch_add(&c->n, 1);
			return;
		}
	}
}

/* The path of fd, or of name in the directory fd; "" when it has none. */
static void
path_of(int fd, const char *name, char *out, size_t size)
{
	char link[64], dir[PATH_MAX] = "";
	ssize_t n;

	if (name && name[0] == '/') {
		(void)snprintf(out, size, "%s", name);
		return;
	}
	if (fd == AT_FDCWD)
		(void)snprintf(link, sizeof link, "/proc/self/cwd");
	else
		(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, dir, sizeof dir - 1);
	dir[n > 0 ? n : 0] = '\0';
	(void)snprintf(out, size, "%s%s%s", dir, name ? "/" : "", name ? name : "");
}

/* 0, an errno, or SHORT. */
static int
fault(const char *call, int fd, const char *name)
{
	int saved = errno;
	char path[PATH_MAX + 256];
	uint64_t n;

	if (!board || !rule.on)
		return 0;
	path_of(fd, name, path, sizeof path);
	errno = saved;
	if (strncmp(path, rule.path, strlen(rule.path)) != 0)
		return 0;
	note_call(call);
	if (rule.call[0] != '*' && strcmp(rule.call, call) != 0)
		return 0;
	n = atomic_fetch_add(&board->seen, 1) + 1;
	if (!rule.nth || n < rule.nth || (rule.count && n >= rule.nth + rule.count) || atomic_load(&board->off))
		return 0;
	atomic_fetch_add(&board->hits, 1);
	if (!atomic_exchange(&board->told, 1))
		(void)snprintf(board->hit, sizeof board->hit, "%.40s %.24s %.150s",
		    program_invocation_short_name, call, path);
	while (rule.error == HANG && !atomic_load(&board->off))
		(void)poll(NULL, 0, LOOK_MS);
	return rule.error == HANG ? 0 : rule.error;
}

/* The whole of a wrapper whose call has no half. */
#define FAIL_OR(call, fd, name, value)               \
	do {                                         \
		int _e = fault(call, fd, name);      \
		if (_e > 0) {                        \
			errno = _e;                  \
			return -1;                   \
		}                                    \
		return value;                        \
	} while (0)

/* The same where half of n bytes is possible. */
#define FAIL_OR_HALVE(call, fd, n)                   \
	do {                                         \
		int _e = fault(call, fd, NULL);      \
		if (_e > 0) {                        \
			errno = _e;                  \
			return -1;                   \
		}                                    \
		if (_e == SHORT && (n) > 1)          \
			(n) /= 2;                    \
	} while (0)

ssize_t
write(int fd, const void *data, size_t n)
{
	REAL(write);
	FAIL_OR_HALVE("write", fd, n);
	return real(fd, data, n);
}

ssize_t
pwrite(int fd, const void *data, size_t n, off_t at)
{
	REAL(pwrite);
	FAIL_OR_HALVE("pwrite", fd, n);
	return real(fd, data, n, at);
}

ssize_t
pwrite64(int fd, const void *data, size_t n, off64_t at)
{
	REAL(pwrite64);
	FAIL_OR_HALVE("pwrite", fd, n);
	return real(fd, data, n, at);
}

ssize_t
read(int fd, void *data, size_t n)
{
	REAL(read);
	FAIL_OR_HALVE("read", fd, n);
	return real(fd, data, n);
}

ssize_t
pread(int fd, void *data, size_t n, off_t at)
{
	REAL(pread);
	FAIL_OR_HALVE("pread", fd, n);
	return real(fd, data, n, at);
}

ssize_t
pread64(int fd, void *data, size_t n, off64_t at)
{
	REAL(pread64);
	FAIL_OR_HALVE("pread", fd, n);
	return real(fd, data, n, at);
}

ssize_t
copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t n, unsigned flags)
{
	REAL(copy_file_range);
	FAIL_OR_HALVE("copy_file_range", to, n);
	return real(from, from_at, to, to_at, n, flags);
}

static mode_t
mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

#define OPEN_FUNCTION(name)                                             \
	int name(const char *path, int flags, ...)                      \
	{                                                               \
		va_list ap;                                             \
		mode_t mode;                                            \
		REAL(name);                                             \
		va_start(ap, flags);                                    \
		mode = mode_of(flags, ap);                              \
		va_end(ap);                                             \
		FAIL_OR("open", AT_FDCWD, path, real(path, flags, mode)); \
	}
#define OPENAT_FUNCTION(name)                                           \
	int name(int dir, const char *path, int flags, ...)             \
	{                                                               \
		va_list ap;                                             \
		mode_t mode;                                            \
		REAL(name);                                             \
		va_start(ap, flags);                                    \
		mode = mode_of(flags, ap);                              \
		va_end(ap);                                             \
		FAIL_OR("open", dir, path, real(dir, path, flags, mode)); \
	}
OPEN_FUNCTION(open)
OPEN_FUNCTION(open64)
OPENAT_FUNCTION(openat)
OPENAT_FUNCTION(openat64)

long
syscall(long number, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list ap;

	if (!real)
		real = (long (*)(long, ...))(uintptr_t)next("syscall");
	va_start(ap, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2)
		FAIL_OR("openat2", (int)a[0], (const char *)(uintptr_t)a[1],
		    real(number, a[0], a[1], a[2], a[3], a[4], a[5]));
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#define FD_FUNCTION(name)                               \
	int name(int fd)                                \
	{                                               \
		REAL(name);                             \
		FAIL_OR(#name, fd, NULL, real(fd));     \
	}
FD_FUNCTION(fsync)
FD_FUNCTION(fdatasync)
FD_FUNCTION(syncfs)

int
sync_file_range(int fd, off64_t from, off64_t n, unsigned flags)
{
	REAL(sync_file_range);
	FAIL_OR("sync_file_range", fd, NULL, real(fd, from, n, flags));
}

int
fchmod(int fd, mode_t mode)
{
	REAL(fchmod);
	FAIL_OR("fchmod", fd, NULL, real(fd, mode));
}

int
futimens(int fd, const struct timespec times[2])
{
	REAL(futimens);
	FAIL_OR("futimens", fd, NULL, real(fd, times));
}

int
ftruncate(int fd, off_t n)
{
	REAL(ftruncate);
	FAIL_OR("ftruncate", fd, NULL, real(fd, n));
}

int
ftruncate64(int fd, off64_t n)
{
	REAL(ftruncate64);
	FAIL_OR("ftruncate", fd, NULL, real(fd, n));
}

int
fallocate(int fd, int mode, off_t at, off_t n)
{
	REAL(fallocate);
	FAIL_OR("fallocate", fd, NULL, real(fd, mode, at, n));
}

int
flock(int fd, int how)
{
	static int (*real)(int, int);

	if (!real)
		real = (int (*)(int, int))(uintptr_t)next("flock");
	FAIL_OR("flock", fd, NULL, real(fd, how));
}

int
renameat(int from, const char *a, int to, const char *b)
{
	REAL(renameat);
	FAIL_OR("rename", to, b, real(from, a, to, b));
}

int
renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
	REAL(renameat2);
	FAIL_OR("rename", to, b, real(from, a, to, b, flags));
}

int
linkat(int from, const char *a, int to, const char *b, int flags)
{
	REAL(linkat);
	FAIL_OR("linkat", to, b, real(from, a, to, b, flags));
}

int
unlinkat(int dir, const char *name, int flags)
{
	REAL(unlinkat);
	FAIL_OR("unlinkat", dir, name, real(dir, name, flags));
}

int
unlink(const char *name)
{
	REAL(unlink);
	FAIL_OR("unlinkat", AT_FDCWD, name, real(name));
}

int
mkdirat(int dir, const char *name, mode_t mode)
{
	REAL(mkdirat);
	FAIL_OR("mkdirat", dir, name, real(dir, name, mode));
}

int
mkdir(const char *name, mode_t mode)
{
	REAL(mkdir);
	FAIL_OR("mkdirat", AT_FDCWD, name, real(name, mode));
}

int
statvfs(const char *path, struct statvfs *st)
{
	REAL(statvfs);
	FAIL_OR("statvfs", AT_FDCWD, path, real(path, st));
}

int
statvfs64(const char *path, struct statvfs64 *st)
{
	REAL(statvfs64);
	FAIL_OR("statvfs", AT_FDCWD, path, real(path, st));
}

int
socket(int domain, int type, int protocol) /* NOLINT: the caller's flags */
{
	REAL(socket);
	FAIL_OR("socket", -1, NULL, real(domain, type, protocol));
}

int
accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict len, int flags) /* NOLINT: likewise */
{
	static int (*real)(int, struct sockaddr *restrict, socklen_t *restrict, int);

	if (!real)
		real = (int (*)(int, struct sockaddr *restrict, socklen_t *restrict, int))(uintptr_t)next("accept4");
	FAIL_OR("accept4", fd, NULL, real(fd, address, len, flags));
}
