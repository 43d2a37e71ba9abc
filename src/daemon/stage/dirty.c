/* The bound on unflushed bytes; see dirty.h. */
#include "daemon/stage/dirty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"

enum {
	DIRTY_SECONDS = 2,             /* of the disk's speed may be unflushed */
	DIRTY_LEAST = 16 * 1024 * 1024,
	PROBE_FROM = 64 * 1024 * 1024, /* with so much unwritten the disk's speed is learned, */
	PROBE_SIZE = 8 * 1024 * 1024,  /* by so much */
	DURABLE_FLUSH = 8 * 1024 * 1024,
	SAMPLE_MS = 100, /* between looks at what the whole machine has unwritten */
};

struct filesystem {
	struct list link;
	dev_t dev;
	uint64_t bytes;
	double speed; /* bytes per second; 0: not known yet */
	bool full;
};

struct dirty {
	struct list all;
	uint64_t limit;   /* set by the user; 0: adaptive */
	uint64_t throttle; /* unwritten bytes at which the kernel begins to throttle */
	uint64_t ceiling; /* of one filesystem: half of that */
	uint64_t machine; /* unwritten bytes of all programs, as last seen */
	uint64_t sampled_ms;
};

/* The number in a one-number file of /proc, 0 when there is none. */
static uint64_t
read_number(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32];
	uint64_t v = 0;
	ssize_t n = fd >= 0 ? fd_read_full(fd, text, sizeof text - 1) : 0;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, &v) == 0 ? v : 0;
}

/* The sum of these fields of /proc/meminfo (proc(5)), in bytes. */
static uint64_t
meminfo(const char *const *fields, unsigned n)
{
	AUTO_CLOSE int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	char text[2048];
	uint64_t sum = 0, kib;
	ssize_t len = fd >= 0 ? fd_read_full(fd, text, sizeof text - 1) : 0;

	if (len <= 0)
		return 0;
	text[len] = '\0';
	for (unsigned i = 0; i < n; i++) {
		const char *at = strstr(text, fields[i]);

		if (!at)
			continue;
		at += strlen(fields[i]);
		at += strspn(at, " ");
		if (parse_u64_n(at, strspn(at, "0123456789"), 10, &kib) == 0)
			sum += kib * 1024;
	}
	return sum;
}

/* What all programs together have unwritten: a published file whose job wanted
 * no sync is no one's part any more, but the kernel still counts it. */
static uint64_t
machine_dirty(struct dirty *d)
{
	static const char *const fields[] = { "\nDirty:", "\nWriteback:" };
	uint64_t now = clock_now_ms();

	if (now - d->sampled_ms >= SAMPLE_MS) {
		d->sampled_ms = now;
		d->machine = meminfo(fields, ARRAY_SIZE(fields));
	}
	return d->machine;
}

/*
 * A writer is throttled above the middle of the background and the hard
 * threshold (mm/page-writeback.c, dirty_freerun_ceiling), which are shares of
 * the available memory or plain bytes.
 */
static uint64_t
kernel_threshold(void)
{
	static const char *const available[] = { "\nMemAvailable:" };
	uint64_t mem = meminfo(available, 1);
	uint64_t hard = read_number("/proc/sys/vm/dirty_bytes");
	uint64_t back = read_number("/proc/sys/vm/dirty_background_bytes");

	if (!hard)
		hard = mem / 100 * MAX(read_number("/proc/sys/vm/dirty_ratio"), UINT64_C(1));
	if (!back)
		back = mem / 100 * MAX(read_number("/proc/sys/vm/dirty_background_ratio"), UINT64_C(1));
	return MAX((hard + back) / 2, 4 * (uint64_t)DIRTY_LEAST);
}

struct dirty *
dirty_new(uint64_t limit)
{
	struct dirty *d = NEW(struct dirty);

	list_init(&d->all);
	d->limit = limit;
	d->throttle = kernel_threshold();
	d->ceiling = d->throttle / 2;
	return d;
}

void
dirty_free(struct dirty *d)
{
	struct filesystem *fs;

	if (!d)
		return;
	LIST_FOREACH(fs, &d->all, struct filesystem, link)
		free(fs);
	free(d);
}

static struct filesystem *
find(const struct dirty *d, dev_t dev)
{
	struct filesystem *fs;

	LIST_FOREACH(fs, &d->all, struct filesystem, link)
		if (fs->dev == dev)
			return fs;
	return NULL;
}

static uint64_t
limit_of(const struct dirty *d, const struct filesystem *fs)
{
	double v;

	if (d->limit)
		return d->limit;
	if (!fs || fs->speed <= 0)
		return d->ceiling;
	v = fs->speed * DIRTY_SECONDS;
	if (v >= (double)d->ceiling)
		return d->ceiling;
	return MAX((uint64_t)v, (uint64_t)DIRTY_LEAST);
}

void
dirty_add(struct dirty *d, dev_t dev, uint64_t bytes)
{
	struct filesystem *fs = find(d, dev);

	if (!fs) {
		fs = NEW(struct filesystem);
		fs->dev = dev;
		list_append(&d->all, &fs->link);
	}
	fs->bytes += bytes;
}

void
dirty_sub(struct dirty *d, dev_t dev, uint64_t bytes, uint64_t wait_ns)
{
	struct filesystem *fs = find(d, dev);

	if (!fs)
		return;
	fs->bytes -= MIN(bytes, fs->bytes);
	if (wait_ns >= NSEC_PER_MSEC && bytes >= 1024 * 1024) {
		double now = (double)bytes * (double)NSEC_PER_SEC / (double)wait_ns;

		fs->speed = fs->speed > 0 ? fs->speed * 0.7 + now * 0.3 : now;
	}
}

bool
dirty_is_full(struct dirty *d, dev_t dev)
{
	struct filesystem *fs = find(d, dev);
	uint64_t limit;

	if (!fs)
		return false;
	limit = limit_of(d, fs);
	fs->full = fs->bytes > (fs->full ? limit / 4 * 3 : limit) ||
	    (!d->limit && fs->bytes && machine_dirty(d) > d->throttle / 4 * 3);
	return fs->full;
}

/* A file that is to be synced is written back early, so that the sync is short;
 * another one only when the bound comes near. */
static bool
wants_all(struct dirty *d, const struct filesystem *fs, bool durable)
{
	uint64_t limit = limit_of(d, fs);

	if (!d->limit && machine_dirty(d) > d->throttle / 2)
		return true;
	return fs->bytes > (durable ? MIN((uint64_t)DURABLE_FLUSH, limit / 2) : limit / 4 * 3);
}

uint64_t
dirty_flush_to(struct dirty *d, dev_t dev, bool durable, uint64_t flushed, uint64_t front)
{
	const struct filesystem *fs = find(d, dev);

	if (!fs)
		return flushed;
	if (wants_all(d, fs, durable))
		return front;
	if (fs->speed <= 0 && !d->limit && fs->bytes > PROBE_FROM)
		return MIN(front, flushed + PROBE_SIZE);
	return flushed;
}

uint64_t
dirty_output_max(const struct dirty *d, dev_t dev, bool durable)
{
	uint64_t limit = MAX(limit_of(d, find(d, dev)), (uint64_t)DIRTY_LEAST);

	return durable ? limit : limit * 2;
}

uint64_t
dirty_bytes(const struct dirty *d, dev_t dev, uint64_t *ret_limit)
{
	const struct filesystem *fs = find(d, dev);

	*ret_limit = limit_of(d, fs);
	return fs ? fs->bytes : 0;
}
