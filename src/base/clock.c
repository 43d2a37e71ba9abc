/* The one place that reads clocks; see clock.h. */
#include "base/clock.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"

static uint64_t
read_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts); /* cannot fail for these clocks */
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t
clock_now_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t
clock_now_ms(void)
{
	return read_ns(CLOCK_MONOTONIC) / NSEC_PER_MSEC;
}

uint64_t
clock_thread_cpu_ns(void)
{
	return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t
clock_wall_s(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

int64_t
clock_wall_ms(void)
{
	return (int64_t)(read_ns(CLOCK_REALTIME) / NSEC_PER_MSEC);
}

const char *
clock_boot_id(void)
{
	static char id[40];
	static bool known;
	AUTO_CLOSE int fd = -1;
	ssize_t n;

	if (known)
		return id;
	known = true;
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_pread_full(fd, id, sizeof id - 1, 0);
	id[n > 0 ? strcspn(id, "\n") : 0] = '\0';
	return id;
}
