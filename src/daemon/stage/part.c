/* Part files; see part.h. */
#include "daemon/stage/part.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

/* Of many slow transfers each write is small, and a cell behind each would cost as
 * much again.  What hauld has read and the map does not know of stays below
 * PART_WRITE_MAX all the same: one or the other is written before. */
enum { TELL_EVERY = 64 << 10, TELL_AT = PART_WRITE_MAX - TELL_EVERY };

struct part {
	struct stage *stage;  /* borrowed */
	struct dest_dir *dir; /* ref */
	const struct part_ops *ops;
	void *arg;
	int fd, map_fd; /* owned; map_fd -1: there is no map */
	bool failed, mapped, map_is_true; /* mapped: the file is there */
	uint64_t front, flushed, inode;
	uint64_t told; /* the front that the map knows of */
	char name[80], out_name[80], map_name[80];
};

void
stage_init(struct stage *s, struct roots *roots, struct dirty *dirty, const char *instance)
{
	uint64_t id;

	*s = (struct stage){ .roots = roots, .dirty = dirty, .buffer = xmalloc(PART_WRITE_MAX) };
	if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id)
		id = clock_now_ns() ^ (uint64_t)getpid();
	if (instance)
		(void)snprintf(s->instance, sizeof s->instance, "%.16s-%08" PRIx32, instance, (uint32_t)id);
	else
		(void)snprintf(s->instance, sizeof s->instance, "%016" PRIx64, id);
	s->has_lives = instance != NULL;
}

void
stage_done(struct stage *s)
{
	free(s->buffer);
	s->buffer = NULL;
}

/* Bytes that the filesystem is charged with.  A small part is nobody's to write back
 * while it stands still, and would hold up all others: the kernel does it, in its time. */
static uint64_t
charged(const struct part *p)
{
	return p->front > PART_WRITE_MAX ? p->front - p->flushed : 0;
}

/* Behind the data, never before it: a map tells less than there is, not more. */
static void
write_cell(struct part *p)
{
	const char *boot = clock_boot_id();
	struct part_map_cell c = { .boot = { boot, strlen(boot) }, .front = p->front };
	AUTO_BUF struct buf b = { 0 };

	if (p->map_fd < 0 || (p->told == p->front && p->map_is_true))
		return;
	p->told = p->front;
	part_map_put_cell(&b, &c);
	/* One that cannot be written tells of less: the rest is fetched again. */
	p->map_is_true = fd_pwrite_full(p->map_fd, buf_bytes(&b), buf_len(&b), PART_MAP_CELL) == 0;
	if (!p->map_is_true)
		fd_close(&p->map_fd);
}

/* Writing is now a pwrite on the loop: the page cache takes it at once as long
 * as the bound on unflushed bytes holds (dirty.h). */
static void
write_now(struct part *p, const void *data, size_t n)
{
	uint64_t before = charged(p);
	struct result why = { 0 };
	int r;

	if (p->failed)
		return;
	r = fd_pwrite_full(p->fd, data, n, (off_t)p->front);
	if (r == 0) {
		p->front += n;
		dirty_add(p->stage->dirty, p->dir->dev, charged(p) - before);
		if (p->front - p->told >= TELL_EVERY)
			write_cell(p);
		p->ops->on_front(p->front, p->arg);
		return;
	}
	p->failed = true;
	result_set_errno(&why, -r, "write", p->dir->rel[0] ? p->dir->rel : p->dir->root);
	p->ops->on_error(&why, p->arg);
}

void
stage_flush(struct stage *s)
{
	struct part *p = s->gathering;
	size_t n = s->gathered;

	s->gathering = NULL;
	s->gathered = 0;
	if (p && n)
		write_now(p, s->buffer, n);
}

void
stage_write(struct part *p, const void *data, size_t n)
{
	struct stage *s = p->stage;

	if (s->gathering != p) {
		stage_flush(s);
		s->gathering = p;
	}
	while (n) {
		size_t take = MIN(n, PART_WRITE_MAX - s->gathered);

		memcpy(s->buffer + s->gathered, data, take);
		s->gathered += take;
		if (s->gathered >= TELL_AT)
			write_cell(p);
		data = (const char *)data + take;
		n -= take;
		if (s->gathered < PART_WRITE_MAX)
			continue;
		stage_flush(s);
		s->gathering = p;
	}
}

void
part_stop(struct part *p)
{
	if (p->stage->gathering == p) {
		p->stage->gathering = NULL;
		p->stage->gathered = 0;
	}
	p->failed = true;
}

struct part *
part_plan(struct stage *s, struct dest_dir *dir, uint64_t job_id, unsigned generation)
{
	struct part *p = NEW(struct part);

	*p = (struct part){ .stage = s, .fd = -1, .map_fd = -1 };
	(void)snprintf(p->name, sizeof p->name, "%s.%" PRIu64 ".%u.part", s->instance, job_id, generation);
	(void)snprintf(p->out_name, sizeof p->out_name, "%s.%" PRIu64 ".%u.out", s->instance, job_id, generation);
	(void)snprintf(p->map_name, sizeof p->map_name, "%s.%" PRIu64 ".%u.map", s->instance, job_id, generation);
	p->dir = dest_dir_ref(dir);
	return p;
}

void
part_set_inode(struct part *p, uint64_t inode)
{
	p->inode = inode;
}

static int
create(const struct part *p)
{
	return openat(p->dir->haul_fd, p->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int
lock(int fd)
{
	int r;

	do
		r = flock(fd, LOCK_EX | LOCK_NB);
	while (r < 0 && errno == EINTR);
	return r;
}

bool
part_new(struct stage *s, struct dest_dir *dir, uint64_t job_id, unsigned generation,
    const struct part_ops *ops, void *arg, struct part **ret, struct result *why)
{
	struct part *p = part_plan(s, dir, job_id, generation);
	struct stat st;

	p->ops = ops;
	p->arg = arg;
	p->fd = create(p);
	/* Others may have removed the empty .haul that we keep open, and may do so again. */
	for (unsigned i = 0; p->fd < 0 && errno == ENOENT && i < ROOTS_MAKES_MAX && dest_dir_renew(dir) == 0; i++)
		p->fd = create(p);
	if (p->fd < 0 || lock(p->fd) < 0 || fstat(p->fd, &st) < 0) {
		result_set_errno(why, errno, "make a part file in", dir->rel[0] ? dir->rel : dir->root);
		if (p->fd >= 0)
			dest_dir_unlink(dir, p->name);
		if (why->code == RESULT_EXISTS)
			why->code = RESULT_WRITE;
		part_free(p);
		return false;
	}
	p->inode = st.st_ino;
	*ret = p;
	return true;
}

/* The descriptor and the names are of one file, and of the one that is meant. */
static bool
is_kept_part(const struct part *p, const struct part_kept *k)
{
	struct stat st;

	return lock(p->fd) == 0 && fstat(p->fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_ino == k->inode && st.st_nlink == 1 && (uint64_t)st.st_size >= k->front;
}

struct part *
part_adopt(struct stage *s, struct dest_dir *dir, uint64_t job_id, unsigned generation, const struct part_kept *k,
    const struct part_ops *ops, void *arg)
{
	struct part *p = part_plan(s, dir, job_id, generation);
	int h = dir->haul_fd;

	p->ops = ops;
	p->arg = arg;
	/* The names of this life: those of others are the sweep's. */
	if (renameat(h, k->part_name, h, p->name) < 0 || renameat(h, k->map_name, h, p->map_name) < 0)
		goto fail;
	p->fd = openat(h, p->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	p->map_fd = openat(h, p->map_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (p->fd < 0 || p->map_fd < 0 || !is_kept_part(p, k))
		goto fail;
	p->mapped = true;
	p->inode = k->inode;
	p->front = p->flushed = k->front;
	write_cell(p);
	return p;
fail:
	p->mapped = true; /* what there is of it shall go */
	p->failed = true;
	return p;
}

void
part_begin_map(struct part *p, const struct part_map_head *h)
{
	AUTO_BUF struct buf b = { 0 };
	struct part_map_head head = *h;

	head.inode = p->inode;
	if (p->mapped || p->fd < 0 || !p->stage->has_lives || !part_map_put_head(&b, &head))
		return;
	p->map_fd = openat(p->dir->haul_fd, p->map_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (p->map_fd < 0)
		return; /* it can be done without */
	p->mapped = true;
	if (fd_pwrite_full(p->map_fd, buf_bytes(&b), buf_len(&b), PART_MAP_HEAD) < 0)
		fd_close(&p->map_fd);
	else
		write_cell(p);
}

void
part_change_map(struct part *p, const struct part_map_head *h)
{
	AUTO_BUF struct buf b = { 0 };
	struct part_map_head head = *h;

	head.inode = p->inode;
	if (p->map_fd >= 0 && (!part_map_put_head(&b, &head) || fd_pwrite_full(p->map_fd, buf_bytes(&b), buf_len(&b), PART_MAP_HEAD) < 0))
		fd_close(&p->map_fd); /* what it says of the part is true of no more than it has now */
}

const char *
part_map_name(const struct part *p)
{
	return p->mapped ? p->map_name : "";
}

bool
part_map_is_true(struct part *p)
{
	write_cell(p);
	return p->map_is_true;
}

bool
part_has_failed(const struct part *p)
{
	return p->failed;
}

void
part_mend(struct part *p)
{
	p->failed = false;
}

void
part_seal(struct part *p)
{
	part_stop(p);
	write_cell(p);
	fd_close(&p->fd);
	fd_close(&p->map_fd);
}

void
part_free(struct part *p)
{
	if (!p)
		return;
	part_stop(p);
	write_cell(p);
	dirty_sub(p->stage->dirty, p->dir->dev, charged(p), 0);
	fd_close(&p->fd);
	fd_close(&p->map_fd);
	dest_dir_unref(p->dir);
	free(p);
}

const char *
part_name(const struct part *p)
{
	return p->name;
}

const char *
part_out_name(const struct part *p)
{
	return p->out_name;
}

uint64_t
part_front(const struct part *p)
{
	return p->front;
}

uint64_t
part_unflushed(const struct part *p)
{
	return p->front - p->flushed;
}

uint64_t
part_inode(const struct part *p)
{
	return p->inode;
}

struct dest_dir *
part_dir(const struct part *p)
{
	return p->dir;
}

void
part_flushed(struct part *p, uint64_t upto, uint64_t wait_ns)
{
	uint64_t before = charged(p);

	upto = MIN(upto, p->front); /* a worker's word is not trusted */
	if (upto <= p->flushed)
		return;
	p->flushed = upto;
	dirty_sub(p->stage->dirty, p->dir->dev, before - charged(p), wait_ns);
}

uint64_t
part_flush_to(const struct part *p, bool durable)
{
	return dirty_flush_to(p->stage->dirty, p->dir->dev, durable, p->flushed, p->front);
}
