/*
 * A clock on the wall that a test can set, for one program: preloaded (clockset.py).  The
 * file named by HAUL_CLOCKSET holds how many milliseconds it is ahead of the real one; when
 * that changes, timers that asked for it (TFD_TIMER_CANCEL_ON_SET) are cancelled, as the
 * kernel does when the real clock is set.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000LL

static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_settime)(int, int, const struct itimerspec *, struct itimerspec *);
static ssize_t (*real_read)(int, void *, size_t);
static volatile int64_t *ahead_ms;
enum { TIMERS_MAX = 16 };
static volatile struct {
	int fd, cancelled;
} timers[TIMERS_MAX];
static volatile int n_timers;
static int64_t known_ms;

__attribute__((constructor)) static void
start(void)
{
	const char *path = getenv("HAUL_CLOCKSET");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	real_settime = (int (*)(int, int, const struct itimerspec *, struct itimerspec *))dlsym(RTLD_NEXT, "timerfd_settime");
	real_read = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
	if (fd >= 0)
		ahead_ms = mmap(NULL, sizeof *ahead_ms, PROT_READ, MAP_SHARED, fd, 0);
	if (fd >= 0)
		(void)close(fd);
	if (ahead_ms == MAP_FAILED)
		ahead_ms = NULL;
}

static int64_t
ahead_ns(void)
{
	return ahead_ms ? *ahead_ms * 1000000 : 0;
}

static void
move(struct timespec *t, int64_t by)
{
	int64_t ns = (int64_t)t->tv_sec * NS + t->tv_nsec + by;

	t->tv_sec = ns / NS;
	t->tv_nsec = ns % NS;
}

int
clock_gettime(clockid_t id, struct timespec *t)
{
	int r = real_gettime(id, t);

	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		move(t, ahead_ns());
	return r;
}

time_t
time(time_t *out)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}

/* Its place and one more; 0: it is none of them. */
static int
find(int fd)
{
	for (int i = 0; i < n_timers; i++)
		if (timers[i].fd == fd)
			return i + 1;
	return 0;
}

/* Rings at once, and read() says why. */
static void *
watch(void *arg)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	const struct itimerspec now = { .it_value = { .tv_nsec = 1 } };

	(void)arg;
	for (;;) {
		(void)nanosleep(&pause, NULL);
		if (*ahead_ms == known_ms)
			continue;
		known_ms = *ahead_ms;
		for (int i = 0; i < n_timers; i++) {
			timers[i].cancelled = 1;
			(void)real_settime(timers[i].fd, 0, &now, NULL);
		}
	}
	return NULL;
}

int
timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old)
{
	struct itimerspec real = *at;
	pthread_t thread;
	bool told;
	int r;

	if (!ahead_ms || !(flags & TFD_TIMER_CANCEL_ON_SET))
		return real_settime(fd, flags, at, old);
	if (!find(fd)) {
		if (n_timers == TIMERS_MAX)
			abort();
		timers[n_timers].fd = fd;
		if (n_timers++ == 0)
			known_ms = *ahead_ms;
		if (n_timers == 1 && pthread_create(&thread, NULL, watch, NULL) != 0)
			abort();
	}
	if (real.it_value.tv_sec || real.it_value.tv_nsec) {
		move(&real.it_value, -ahead_ns());
		if (real.it_value.tv_sec < 1)
			real.it_value = (struct timespec){ .tv_sec = 1 };
	}
	r = real_settime(fd, flags & ~TFD_TIMER_CANCEL_ON_SET, &real, old);
	told = (real.it_value.tv_sec || real.it_value.tv_nsec) && timers[find(fd) - 1].cancelled;
	if (r < 0 || !told)
		return r;
	timers[find(fd) - 1].cancelled = 0; /* it is armed, and this is all that is said of it */
	errno = ECANCELED;
	return -1;
}

ssize_t
read(int fd, void *data, size_t n)
{
	ssize_t r = real_read(fd, data, n);

	if (find(fd) && timers[find(fd) - 1].cancelled) {
		timers[find(fd) - 1].cancelled = 0;
		errno = ECANCELED;
		return -1;
	}
	return r;
}
