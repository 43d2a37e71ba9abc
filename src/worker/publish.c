/* Publishing; see publish.h. */
#include "worker/publish.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "model/settings.h"
#include "wire/part_map.h"
#include "wire/seen.h"
#include "worker/writeback.h"

char *
publish_path(const struct dir *dir, const char *name)
{
	const char *slash = dir->root[0] == '/' && !dir->root[1] ? "" : "/";

	return dir->path[0] ? xasprintf("%s%s%s/%s", dir->root, slash, dir->path, name)
			    : xasprintf("%s%s%s", dir->root, slash, name);
}

static bool
has_failed(const struct publish *p)
{
	return p->result.code != RESULT_OK;
}

static void
fail_errno(struct publish *p, const struct publish_file *f, int err, const char *doing)
{
	AUTO_FREE char *path = publish_path(f->to, f->to_name);

	result_set_errno(&p->result, err, doing, path);
}

static void
fail_exists(struct publish *p, const struct publish_file *f)
{
	AUTO_FREE char *path = publish_path(f->to, f->to_name);

	p->result.os_error = EEXIST;
	result_set(&p->result, RESULT_EXISTS, "%s exists already", path);
}

static bool
same_bytes(int a, int b, uint64_t *ret_inode)
{
	uint8_t x[16384], y[16384];
	struct stat s, t;
	ssize_t n;

	if (fstat(a, &s) < 0 || fstat(b, &t) < 0 || !S_ISREG(s.st_mode) || s.st_size != t.st_size)
		return false;
	for (off_t at = 0; at < s.st_size; at += n) {
		n = fd_pread_full(a, x, sizeof x, at);
		if (n <= 0 || fd_pread_full(b, y, (size_t)n, at) != n || memcmp(x, y, (size_t)n) != 0)
			return false;
	}
	*ret_inode = s.st_ino;
	return true;
}

/* Who was killed behind a rename finds his own file in his way: the packed one of an earlier
 * life, the unpacked one of a worker.  Nothing else can tell: 0, when the same bytes stand
 * there, else -EEXIST. */
static int
look_at_same(const struct publish_file *f, bool sync, uint64_t *ret_inode)
{
	AUTO_CLOSE int fd = openat(f->to->fd, f->to_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || !same_bytes(fd, f->fd, ret_inode))
		return -EEXIST;
	return sync && fsync(fd) < 0 ? -errno : 0;
}

static bool
is_taken(const struct publish_file *f)
{
	uint64_t inode;

	return faccessat(f->to->fd, f->to_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && look_at_same(f, false, &inode) < 0;
}

/* A filesystem without attributes costs the next request its condition, that is all. */
static void
remember(const struct publish *p, const struct publish_file *f)
{
	AUTO_BUF struct buf b = { 0 };
	struct stat st;

	if (!p->seen || !buf_len(p->seen) || buf_len(p->seen) > SEEN_MAX || fstat(f->fd, &st) < 0)
		return;
	seen_put(&b, (uint64_t)st.st_size, st.st_mtim.tv_sec, (uint32_t)st.st_mtim.tv_nsec, buf_bytes(p->seen), buf_len(p->seen));
	(void)fsetxattr(f->fd, SEEN_ATTRIBUTE, buf_bytes(&b), buf_len(&b), 0);
}

/* Mode, time, and what the descriptor is; before any sync, so that they are in it. */
static int
prepare_file(struct publish *p, const struct publish_file *f, struct publish_sync *s)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = p->mtime } };
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	if ((st.st_mode & 07777) != p->mode && fchmod(f->fd, p->mode) < 0)
		return -errno;
	if (p->mtime != INT64_MIN && futimens(f->fd, times) < 0)
		return -errno;
	remember(p, f);
	*s = (struct publish_sync){
		.dev = st.st_dev, .inode = st.st_ino, .size = (uint64_t)st.st_size,
	};
	return 0;
}

static void
prepare(struct publish *p)
{
	p->result = (struct result){ 0 };
	assert(p->n_files > 0 && p->n_files <= PUBLISH_FILES_MAX);
	for (unsigned i = 0; i < p->n_files && !has_failed(p); i++) {
		const struct publish_file *f = &p->files[i];
		int r = prepare_file(p, f, &p->sync[i]);

		if (r < 0)
			fail_errno(p, f, -r, "set the mode or time of");
		else if (p->no_clobber && is_taken(f))
			fail_exists(p, f); /* early, so that nothing is half done */
	}
	p->inode = p->sync[p->n_files - 1].inode;
}

/* Every file that still has to be synced, one after the other. */
#define FOREACH_UNSYNCED(p, i, all, n)                                          \
	for (unsigned _k = 0; _k < (n); _k++)                                   \
		for (unsigned i = 0; i < (all)[_k]->n_files; i++)               \
			if (((p) = (all)[_k])->fsync != FSYNC_OFF && !has_failed(p) && \
			    !(p)->sync[i].synced)

/* True when dev has so many small files that one syncfs() is cheaper. */
static bool
wants_syncfs(struct publish **all, unsigned n, uint64_t dev)
{
	struct publish *p;
	unsigned small = 0;

	FOREACH_UNSYNCED(p, i, all, n)
		small += p->sync[i].dev == dev && p->sync[i].size <= PUBLISH_SYNCFS_BYTES;
	return small >= PUBLISH_SYNCFS_FILES;
}

static void
syncfs_small(struct lane *lane, struct publish **all, unsigned n, uint64_t dev, int fd)
{
	struct publish *p;
	int err = syncfs(fd) < 0 ? errno : 0;

	(void)lane;
	FOREACH_UNSYNCED(p, i, all, n) {
		if (p->sync[i].dev != dev || p->sync[i].size > PUBLISH_SYNCFS_BYTES)
			continue;
		p->sync[i].synced = true;
		if (err)
			fail_errno(p, &p->files[i], err, "sync");
	}
}

static void
sync_one(struct publish *p, unsigned i)
{
	int fd = p->files[i].fd;
	int r = p->fsync == FSYNC_FULL ? fsync(fd) : fdatasync(fd);

	p->sync[i].synced = true;
	if (r < 0)
		fail_errno(p, &p->files[i], errno, "sync");
}

static void
sync_files(struct lane *lane, struct publish **all, unsigned n)
{
	struct publish *p;
	uint64_t asked = 0; /* the filesystem that wants_syncfs() refused last */
	bool refused = false;

	/* Everything is handed to the disk before anything is waited for. */
	FOREACH_UNSYNCED(p, i, all, n) {
		int r = 0;

		if (n > 1 && p->sync[i].size > PUBLISH_SYNCFS_BYTES)
			r = writeback_range(p->files[i].fd, 0, p->sync[i].size, SYNC_FILE_RANGE_WRITE);
		if (r < 0)
			fail_errno(p, &p->files[i], -r, "sync");
	}
	FOREACH_UNSYNCED(p, i, all, n) {
		uint64_t dev = p->sync[i].dev;

		lane_at(lane, p->job.id);
		if (p->sync[i].size <= PUBLISH_SYNCFS_BYTES && !(refused && asked == dev)) {
			if (wants_syncfs(all, n, dev)) {
				syncfs_small(lane, all, n, dev, p->files[i].fd);
				continue;
			}
			refused = true;
			asked = dev;
		}
		sync_one(p, i);
	}
}

/* The name still is the file that was verified, and not another one. */
static int
check_inode(const struct publish_file *f, const struct publish_sync *s)
{
	struct stat st;

	if (fstatat(f->haul_fd, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return st.st_dev == s->dev && st.st_ino == s->inode ? 0 : -ESTALE;
}

static int
rename_no_clobber(const struct publish_file *f)
{
	if (renameat2(f->haul_fd, f->name, f->to->fd, f->to_name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A filesystem without RENAME_NOREPLACE: link() never replaces either. */
	if (linkat(f->haul_fd, f->name, f->to->fd, f->to_name, 0) < 0)
		return -errno;
	(void)unlinkat(f->haul_fd, f->name, 0); /* the other name stands, that is what counts */
	return 0;
}

static int
rename_one(struct publish *p, const struct publish_file *f)
{
	uint64_t inode;
	int r;

	if (!p->no_clobber)
		return renameat(f->haul_fd, f->name, f->to->fd, f->to_name) < 0 ? -errno : 0;
	r = rename_no_clobber(f);
	if (r != -EEXIST)
		return r;
	r = look_at_same(f, p->fsync != FSYNC_OFF, &inode);
	if (r < 0)
		return r;
	(void)unlinkat(f->haul_fd, f->name, 0);
	if (f == &p->files[p->n_files - 1])
		p->inode = inode;
	return 0;
}

static void
rename_failed(struct publish *p, const struct publish_file *f, int err)
{
	AUTO_FREE char *path = publish_path(f->to, f->to_name);

	p->result.os_error = err;
	switch (err) {
	case EEXIST:
		fail_exists(p, f);
		break;
	case EISDIR:
	case ENOTEMPTY: /* the directory that the file itself is in */
		result_set(&p->result, RESULT_PATH_REFUSED, "%s is a directory", path);
		break;
	case EXDEV:
		result_set(&p->result, RESULT_PATH_REFUSED,
		    "%s is on another filesystem than the download", path);
		break;
	case ESTALE:
		result_set(&p->result, RESULT_PATH_REFUSED,
		    "the file for %s was replaced by another one", path);
		break;
	default:
		fail_errno(p, f, err, "rename to");
		break;
	}
}

/* Who finds the file under its name in another life knows whose it is.  Where
 * that cannot be written the job is done again, that is all. */
static void
tell_map(const struct publish *p)
{
	const struct publish_sync *s = &p->sync[p->n_files - 1];
	const char *boot = clock_boot_id(), *name = p->files[p->n_files - 1].to_name;
	struct part_map_end end = {
		.boot = { boot, strlen(boot) },
		.synced = p->fsync != FSYNC_OFF,
		.name = { name, strlen(name) },
		.inode = s->inode,
		.size = s->size,
		.in = p->in,
		.codec = p->codec,
	};
	AUTO_BUF struct buf b = { 0 };

	if (!p->map_name || p->drops_map || !part_map_put_end(&b, &end) ||
	    fd_pwrite_full(p->map_fd, buf_bytes(&b), buf_len(&b), PART_MAP_END) < 0)
		return; /* a torn record counts as none */
	/* A job that may not replace what stands there must know it for its own, also
	 * after the power went. */
	if (p->no_clobber && p->fsync != FSYNC_OFF && fdatasync(p->map_fd) == 0)
		(void)fsync(p->files[p->n_files - 1].haul_fd); /* else it fails as `exists` then */
}

static void
rename_files(struct publish *p)
{
	if (atomic_load(&p->cancel)) {
		result_set(&p->result, RESULT_CANCELLED, "cancelled before it was published");
		return;
	}
	tell_map(p);
	for (unsigned i = 0; i < p->n_files; i++) {
		const struct publish_file *f = &p->files[i];
		int r = check_inode(f, &p->sync[i]);

		if (r == 0)
			r = rename_one(p, f);
		if (r < 0) {
			rename_failed(p, f, -r);
			return;
		}
		/* Who finds the target under its name does not ask for the kept file. */
		if (i + 1 < p->n_files && p->fsync == FSYNC_FULL)
			r = dir_sync(f->to);
		if (r < 0) {
			fail_errno(p, f, -r, "sync the directory of");
			return;
		}
	}
	p->renamed = true;
}

/* The same directory by number, not by name: two structs may be one place. */
static bool
same_dir(const struct dir *a, const struct dir *b)
{
	struct stat x, y;

	if (a == b)
		return true;
	return fstat(a->fd, &x) == 0 && fstat(b->fd, &y) == 0 && x.st_dev == y.st_dev &&
	    x.st_ino == y.st_ino;
}

struct synced_dir {
	const struct dir *dir;
	int err;
};

static const struct synced_dir *
find_synced(const struct synced_dir *done, unsigned n, const struct dir *dir)
{
	for (unsigned i = n; i-- > 0;) /* the last one first: mostly it is that */
		if (same_dir(done[i].dir, dir))
			return &done[i];
	return NULL;
}

/* One fsync() for each directory; those published into it share its outcome. */
static void
sync_dirs(struct lane *lane, struct publish **all, unsigned n)
{
	enum { REMEMBERED = 64 };
	struct synced_dir done[REMEMBERED];
	unsigned n_done = 0;

	for (unsigned k = 0; k < n; k++) {
		const struct publish_file *f = &all[k]->files[all[k]->n_files - 1];
		const struct synced_dir *s;
		struct synced_dir one = { .dir = f->to };

		if (!all[k]->renamed || all[k]->fsync != FSYNC_FULL)
			continue;
		s = find_synced(done, n_done, f->to);
		if (!s) {
			lane_at(lane, all[k]->job.id);
			one.err = -dir_sync(f->to);
			if (n_done < REMEMBERED)
				done[n_done++] = one;
			s = &one;
		}
		if (s->err)
			fail_errno(all[k], f, s->err, "sync the directory of");
	}
}

/* The packed file goes last: until the target is durable it is all there is. */
static void
unlink_packed(struct publish *p)
{
	int haul_fd = p->files[p->n_files - 1].haul_fd;

	if (has_failed(p))
		return;
	if (p->map_name && p->drops_map)
		(void)unlinkat(haul_fd, p->map_name, 0); /* else swept later, like the next */
	if (!p->unlink_name)
		return;
	(void)unlinkat(haul_fd, p->unlink_name, 0);
	fd_close(&p->unlink_fd);
}

void
publish_batch(struct lane *lane, struct publish **all, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		prepare(all[i]);
	sync_files(lane, all, n);
	for (unsigned i = 0; i < n; i++) {
		if (has_failed(all[i]))
			continue;
		lane_at(lane, all[i]->job.id);
		rename_files(all[i]);
	}
	sync_dirs(lane, all, n);
	for (unsigned i = 0; i < n; i++)
		unlink_packed(all[i]);
}

void
publish_batch_jobs(struct lane *lane, struct lane_job **jobs, unsigned n)
{
	struct publish *all[LANE_BATCH_MAX];

	assert(n <= LANE_BATCH_MAX);
	for (unsigned i = 0; i < n; i++)
		all[i] = CONTAINER_OF(jobs[i], struct publish, job);
	publish_batch(lane, all, n);
}
